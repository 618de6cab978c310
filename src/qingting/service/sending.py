"""Sends messages: takes those that are due, makes one attempt, writes what became of it."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

from qingting.delivery import push, signing, webhook
from qingting.delivery.backoff import wait_ms
from qingting.errors import DeliveryError, FetchError, ForbiddenAddressError, QingtingError, TargetGoneError
from qingting.model.account import SYSTEM
from qingting.model.alert import AlertState
from qingting.model.delivery import Delivery, DeliveryKind, DeliveryState
from qingting.service import auditing
from qingting.service.auditing import Action
from qingting.service.fetching import check_url
from qingting.storage import alerts, calls, deliveries, webhooks

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from qingting.model.alert import Alert
    from qingting.service.center import Service

log = logging.getLogger(__name__)

LEASE_MS = 5 * 60_000
"""A worker that has held a message for longer, over the time limit of an attempt, is taken for dead."""
PUSH_ATTEMPTS = 5
"""Some ten minutes: an alert told to a phone hours later helps nobody."""
_HANDLED = (AlertState.ACKNOWLEDGED, AlertState.CLOSED)


def due_deliveries(service: Service, limit: int) -> list[str]:
    """Take messages that are due and return their ids; each must be given to `attempt_delivery`, in any thread.

    Nobody else gets them until their lease ends (some minutes). A worker that dies in between needs no cleaning
    up: its messages come due again by themselves. Cheap when nothing is due (it only reads): may be polled.
    """
    now = service.clock()
    with service.database.read() as connection:
        if not deliveries.any_due(connection, now_ms=now):
            return []
    with service.database.write() as connection:
        return deliveries.take_for_dispatch(connection, now_ms=now, limit=limit, lease_ms=_lease_ms(service))


def attempt_delivery(service: Service, delivery_id: str) -> None:
    """Make one attempt to send a message that `due_deliveries` gave, and write what became of it.

    Never raises for a receiver's fault. Does nothing when another worker has begun the attempt. Blocks for at most
    some seconds over `alerts.webhook_timeout_seconds`; must run in a thread without an event loop. Raises
    StorageError, after which the message comes due again by itself.
    """
    with service.database.write() as connection:
        message = deliveries.begin_attempt(connection, delivery_id, now_ms=service.clock(), lease_ms=_lease_ms(service))
    if message is None:
        return
    try:
        status = _send(service, message)
    except DeliveryError as error:
        _failed(service, message, error)
    except QingtingError as error:
        _failed(service, message, DeliveryError(error.cause, kind=error.code))
    except Exception as error:  # noqa: BLE001  one message's fault must not stop the others
        # The text could hold what was sent; the type is enough to report the defect.
        log.error("unexpected %s while sending", type(error).__name__)
        _failed(service, message, DeliveryError("unexpected", kind="unexpected"))
    else:
        _delivered(service, message, status)


def body_bytes(body: Mapping[str, object]) -> bytes:
    """Write a message's body: the same bytes for every attempt, whatever the database does to its order."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def _lease_ms(service: Service) -> int:
    return LEASE_MS + round(2000 * service.settings.alerts.webhook_timeout_seconds)


def _most_attempts(service: Service, message: Delivery) -> int:
    most = service.settings.alerts.webhook_attempts
    return most if message.kind is DeliveryKind.WEBHOOK else min(most, PUSH_ATTEMPTS)


def _send(service: Service, message: Delivery) -> int | None:
    if message.attempts > _most_attempts(service, message):
        # Each attempt before took its worker down.
        raise TargetGoneError("No attempt is left.", kind=message.last_error or "lost")
    if message.kind is DeliveryKind.WEBHOOK:
        return _post(service, message)
    _push(service, message)
    return None


def _post(service: Service, message: Delivery) -> int:
    with service.database.read() as connection:
        target = webhooks.find(connection, message.target)
    if target is None or not target.active:
        raise TargetGoneError("The webhook is turned off.", kind="inactive")
    body = body_bytes(message.body)
    signed = signing.headers(target.secret, message_id=message.id, body=body, at_seconds=service.clock() // 1000)
    return webhook.post(
        target.url,
        address=_address(service, target.url),
        headers=signed,
        body=body,
        timeout_seconds=service.settings.alerts.webhook_timeout_seconds,
    )


def _address(service: Service, url: str) -> str:
    """Look at the address anew for each attempt: names may mean another place by now."""
    try:
        return check_url(service.settings, url).addresses[0]
    except ForbiddenAddressError:
        raise DeliveryError("The address may not be called.", kind="forbidden_address") from None
    except FetchError:
        raise DeliveryError("The receiver's host is unknown.", kind="unknown_host") from None


def _push(service: Service, message: Delivery) -> None:
    with service.database.read() as connection:
        alert = alerts.find(connection, str(message.body["alert_id"]))
        if alert is None:
            raise TargetGoneError("The alert was deleted.", kind="deleted")
        if alert.state in _HANDLED:
            raise TargetGoneError("Somebody has handled the alert.", kind="handled")
        quote = _quote(service, connection, alert) if message.body["quotes"] else ""
    title, text = push.words(alert, escalated=bool(message.body["escalated"]), quote=quote)
    push.send(message.target, title=title, text=text, timeout_seconds=service.settings.alerts.webhook_timeout_seconds)


def _quote(service: Service, connection: Connection, alert: Alert) -> str:
    """Words of the finding, with personal data masked; they are read when they are sent and stand in no message."""
    from qingting.privacy.masking import Masker
    from qingting.privacy.report_masking import mask_report
    from qingting.service.archive import load_report

    call = calls.find(connection, alert.call_id)
    report = None if call is None else load_report(connection, call_number=call.id)
    if report is None:
        return ""
    masker = Masker(service.settings.privacy.mask, service.settings.privacy.names)
    found = [one for one in mask_report(report, masker).findings if one.id == alert.finding_id]
    return next((evidence.quote for one in found for evidence in one.evidence if evidence.quote), "")


def _delivered(service: Service, message: Delivery, status: int | None) -> None:
    now = service.clock()
    with service.database.write() as connection:
        deliveries.settle(
            connection,
            message,
            state=DeliveryState.DELIVERED.value,
            last_status=status,
            last_error="",
            delivered_ms=now,
        )


def _failed(service: Service, message: Delivery, error: DeliveryError) -> None:
    dead = not error.can_retry or message.attempts >= _most_attempts(service, message)
    values = {"last_status": error.status, "last_error": error.kind}
    if dead:
        values["state"] = DeliveryState.DEAD.value
    else:
        values["due_ms"] = service.clock() + wait_ms(message.id, message.attempts)
    with service.database.write() as connection:
        ours = deliveries.settle(connection, message, **values)
        if ours and error.status == webhook.GONE:
            _turn_off(service, connection, message.target)
    log.info("a %s was not taken (%s), attempt %d%s", message.kind, error.kind, message.attempts, "; dead" * dead)


def _turn_off(service: Service, connection: Connection, webhook_id: str) -> None:
    """The receiver wants no more: stop asking it, also for what waits."""
    webhooks.change(connection, webhook_id, active=False)
    deliveries.give_up(connection, webhook_id, reason="gone")
    auditing.record(
        connection,
        actor=SYSTEM,
        action=Action.WEBHOOK_CHANGED,
        at_ms=service.clock(),
        object_kind="webhook",
        object_id=webhook_id,
        detail={"active": False, "reason": "gone"},
    )
    log.warning("webhook %s answered 410 and was turned off", webhook_id)
