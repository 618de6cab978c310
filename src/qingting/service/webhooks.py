"""Webhooks: who subscribed, and what is announced to them; `service.sending` sends it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import quote

from qingting.delivery import signing
from qingting.errors import AccessDeniedError, ConflictError, FetchError, InvalidRequestError, NotFoundError
from qingting.model.delivery import Delivery, DeliveryKind, Webhook, WebhookEvent
from qingting.model.ids import new_id
from qingting.model.job import JobState
from qingting.service import auditing
from qingting.service.auditing import Action
from qingting.service.fetching import check_url
from qingting.storage import deliveries, webhooks
from qingting.storage.deliveries import DeliveryFilter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

    from qingting.model.account import Actor
    from qingting.model.job import InspectionJob
    from qingting.service.center import Service
    from qingting.storage.calls import CallRow
    from qingting.storage.statements import Page

VERSION = 1
"""Of the messages' form; goes up when a receiver must change."""
PING = "ping"
"""Event of a test message."""


@dataclass(frozen=True, kw_only=True)
class WebhookChange:
    """What to change of a subscription; None leaves it."""

    url: str | None = None
    events: tuple[WebhookEvent, ...] | None = None
    teams: tuple[str, ...] | None = None
    active: bool | None = None
    description: str | None = None


def announce_job(
    service: Service, connection: Connection, *, job: InspectionJob, call: CallRow, score: float | None, grade: str
) -> None:
    """Tell the webhooks that a job ended, in the transaction that ends it.

    `job` as it now stands: `done` makes `job.done`; `failed`, `set_aside` and `cancelled` make `job.failed`.
    """
    done = job.state is JobState.DONE
    data = {
        "job_id": job.id,
        "batch_id": job.batch_id,
        "call_id": call.call_id,
        "team": call.team,
        "state": job.state.value,
        "score": score if done else None,
        "grade": grade if done else "",
        "error_code": job.failure.code if job.failure and not done else "",
        "link": report_link(call.call_id) if done else f"/api/v1/jobs/{job.id}",
    }
    announce(service, connection, WebhookEvent.JOB_DONE if done else WebhookEvent.JOB_FAILED, call.team, data)


def announce(
    service: Service, connection: Connection, event: WebhookEvent, team: str, data: Mapping[str, object]
) -> None:
    """Leave a message for each webhook that wants an event of a team's call; `data` holds no customer words."""
    targets = webhooks.subscribed(connection, event, team)
    deliveries.add(connection, [_message(service, target.id, event.value, data) for target in targets])


def report_link(call_id: str) -> str:
    """Path of a call's report in this API."""
    return f"/api/v1/calls/{quote(call_id, safe='')}/report"


def create(service: Service, actor: Actor, webhook: Webhook) -> Webhook:
    """Subscribe; id, secret, time and maker of `webhook` are set here.

    The secret is in the answer and shown nowhere else. Raises ForbiddenAddressError, AccessDeniedError.
    """
    _require_reach(actor, webhook)
    _check_url(service, webhook.url)
    made = replace(
        webhook, id=new_id(), secret=signing.new_secret(), created_ms=service.clock(), created_by=actor.id, active=True
    )
    with service.database.write() as connection:
        webhooks.add(connection, made)
        detail = {"events": [event.value for event in made.events], "teams": list(made.teams)}
        _record(service, connection, actor, Action.WEBHOOK_CREATED, made.id, detail)
    return made


def list_all(service: Service, actor: Actor) -> Sequence[Webhook]:
    """Return the subscriptions within the actor's reach, newest first."""
    with service.database.read() as connection:
        return [one for one in webhooks.all_of(connection) if _within(actor, one)]


def get(service: Service, actor: Actor, webhook_id: str) -> Webhook:
    """Return a subscription; raises NotFoundError."""
    with service.database.read() as connection:
        return _get(connection, actor, webhook_id)


def change(service: Service, actor: Actor, webhook_id: str, wanted: WebhookChange) -> Webhook:
    """Change a subscription; raises NotFoundError, ForbiddenAddressError, AccessDeniedError."""
    if wanted.url is not None:
        _check_url(service, wanted.url)
    values = {name: value for name, value in asdict(wanted).items() if value is not None}
    with service.database.write() as connection:
        changed = replace(_get(connection, actor, webhook_id), **values)
        _require_reach(actor, changed)
        if "events" in values:
            values["events"] = [event.value for event in changed.events]
        if values:
            webhooks.change(connection, webhook_id, **{**values, **_lists(values)})
            _record(service, connection, actor, Action.WEBHOOK_CHANGED, webhook_id, {"fields": sorted(values)})
    return changed


def remove(service: Service, actor: Actor, webhook_id: str) -> None:
    """Delete a subscription with its messages; raises NotFoundError."""
    with service.database.write() as connection:
        _get(connection, actor, webhook_id)
        deliveries.remove_of(connection, webhook_id)
        webhooks.remove(connection, webhook_id)
        _record(service, connection, actor, Action.WEBHOOK_DELETED, webhook_id)


def rotate_secret(service: Service, actor: Actor, webhook_id: str) -> Webhook:
    """Give a subscription a new secret, at once also for messages that wait; raises NotFoundError."""
    with service.database.write() as connection:
        changed = replace(_get(connection, actor, webhook_id), secret=signing.new_secret())
        webhooks.change(connection, webhook_id, secret=changed.secret)
        _record(service, connection, actor, Action.WEBHOOK_CHANGED, webhook_id, {"fields": ["secret"]})
    return changed


def ping(service: Service, actor: Actor, webhook_id: str) -> Delivery:
    """Send a test message; raises NotFoundError, ConflictError for a webhook that is turned off."""
    with service.database.write() as connection:
        if not _get(connection, actor, webhook_id).active:
            raise ConflictError("The webhook is turned off.", remedy="Turn it on first.")
        message = _message(service, webhook_id, PING, {})
        deliveries.add(connection, [message])
    return message


def list_deliveries(
    service: Service, actor: Actor, *, wanted: DeliveryFilter, limit: int, after: str = ""
) -> Page[Delivery]:
    """List messages to webhooks within reach, and pushes for those who see everything; newest first."""
    with service.database.read() as connection:
        if not actor.reach.everything:
            mine = {one.id for one in webhooks.all_of(connection) if _within(actor, one)}
            asked = mine if wanted.targets is None else mine & set(wanted.targets)
            wanted = replace(wanted, targets=tuple(sorted(asked)))
        return deliveries.page(connection, wanted=wanted, limit=limit, after=after)


def get_delivery(service: Service, actor: Actor, delivery_id: str) -> Delivery:
    """Return a message; raises NotFoundError."""
    with service.database.read() as connection:
        return _get_delivery(connection, actor, delivery_id)


def redeliver(service: Service, actor: Actor, delivery_id: str) -> Delivery:
    """Send an ended message again, under the same id; raises NotFoundError, ConflictError while it is on its way."""
    with service.database.write() as connection:
        _get_delivery(connection, actor, delivery_id)
        deliveries.revive(connection, delivery_id, now_ms=service.clock())
        auditing.record(
            connection,
            actor=actor,
            action=Action.DELIVERY_REPEATED,
            at_ms=service.clock(),
            object_kind="delivery",
            object_id=delivery_id,
        )
        return deliveries.get(connection, delivery_id)


def _check_url(service: Service, url: str) -> None:
    try:
        check_url(service.settings, url)
    except FetchError:
        raise InvalidRequestError("The webhook's host is unknown.") from None


def _message(service: Service, webhook_id: str, event: str, data: Mapping[str, object]) -> Delivery:
    now, identifier = service.clock(), new_id()
    at = datetime.fromtimestamp(now / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return Delivery(
        id=identifier,
        kind=DeliveryKind.WEBHOOK,
        target=webhook_id,
        event=event,
        body={"id": identifier, "type": event, "version": VERSION, "created_at": at, "data": dict(data)},
        created_ms=now,
        due_ms=now,
    )


def _lists(values: Mapping[str, object]) -> dict[str, list[object]]:
    return {name: list(value) for name, value in values.items() if isinstance(value, tuple | list)}


def _within(actor: Actor, webhook: Webhook) -> bool:
    own = bool(webhook.teams) and set(webhook.teams) <= set(actor.reach.teams)
    return actor.reach.everything or own


def _require_reach(actor: Actor, webhook: Webhook) -> None:
    if not _within(actor, webhook):
        raise AccessDeniedError(
            "The webhook would be told of calls out of reach.", remedy="Name teams, and only your own."
        )


def _get(connection: Connection, actor: Actor, webhook_id: str) -> Webhook:
    found = webhooks.get(connection, webhook_id)
    if not _within(actor, found):
        raise NotFoundError("No such webhook.")
    return found


def _get_delivery(connection: Connection, actor: Actor, delivery_id: str) -> Delivery:
    found = deliveries.get(connection, delivery_id)
    if not actor.reach.everything:
        target = webhooks.find(connection, found.target)
        if target is None or not _within(actor, target):
            raise NotFoundError("No such message.")
    return found


def _record(
    service: Service,
    connection: Connection,
    actor: Actor,
    action: Action,
    webhook_id: str,
    detail: auditing.Detail | None = None,
) -> None:
    auditing.record(
        connection,
        actor=actor,
        action=action,
        at_ms=service.clock(),
        object_kind="webhook",
        object_id=webhook_id,
        detail=detail,
    )
