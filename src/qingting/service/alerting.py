"""Alerts: raising them with a report, handling them, escalating those that nobody handles."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from qingting.delivery.alerts import Hit, hits
from qingting.delivery.hours import parse_hours
from qingting.delivery.recipients import push_addresses
from qingting.errors import ConflictError
from qingting.model.alert import Alert, AlertState, Channel, Recipients
from qingting.model.delivery import Delivery, DeliveryKind, WebhookEvent
from qingting.model.event import EventKind, ServiceEvent
from qingting.model.ids import new_id
from qingting.service import auditing, webhooks
from qingting.service.auditing import Action
from qingting.storage import alert_policies, alerts, deliveries, events, users
from qingting.storage.alerts import AlertFilter

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from qingting.model.account import Actor, User
    from qingting.model.alert import AlertPolicy
    from qingting.model.finding import Finding
    from qingting.model.report import Report
    from qingting.service.center import Service
    from qingting.storage.calls import CallRow
    from qingting.storage.statements import Page

_MINUTE_MS = 60_000
_ESCALATIONS = 100
"""Escalated in one transaction."""


def raise_alerts(service: Service, connection: Connection, *, job_id: str, call: CallRow, report: Report) -> None:
    """Raise the alerts of a report in the transaction that stores it: rows, events and messages, all or none.

    A rule that a policy has told of this call before is not told again, however often the call is analysed.
    """
    _raise_new(service, connection, call, report.findings, job_id)


def raise_at_once(service: Service, connection: Connection, *, call: CallRow, finding: Finding) -> list[Alert]:
    """Raise the alerts of a finding of a call that still runs, whose row is locked; returns the new ones."""
    return _raise_new(service, connection, call, (finding,), "")


def escalate_due(service: Service) -> int:
    """Escalate alerts that nobody acknowledged in time, each exactly once; returns how many.

    Cheap when nothing is due (it only reads): workers call it every few seconds, all of them may.
    """
    now = service.clock()
    with service.database.read() as connection:
        if not alerts.any_to_escalate(connection, now_ms=now):
            return 0
    with service.database.write() as connection:
        overdue = alerts.take_to_escalate(connection, now_ms=now, limit=_ESCALATIONS)
        for alert in overdue:
            policy = alert_policies.find(connection, alert.policy_id)
            _tell(service, connection, alert, _News(event=WebhookEvent.ALERT_ESCALATED, policy=policy))
    return len(overdue)


def list_alerts(service: Service, actor: Actor, *, wanted: AlertFilter, limit: int, after: str = "") -> Page[Alert]:
    """List alerts within reach, newest first."""
    with service.database.read() as connection:
        return alerts.page(connection, reach=actor.reach, wanted=wanted, limit=limit, after=after)


def get(service: Service, actor: Actor, alert_id: str) -> Alert:
    """Return an alert within reach; raises NotFoundError."""
    with service.database.read() as connection:
        return alerts.get(connection, alert_id, actor.reach)


def acknowledge(service: Service, actor: Actor, alert_id: str, note: str = "") -> Alert:
    """Take an alert on, so that it is not escalated; doing it again changes the note.

    Raises NotFoundError, ConflictError when somebody else has, or when it is closed.
    """
    with service.database.write() as connection:
        alert = alerts.lock(connection, alert_id, actor.reach)
        if alert.state is AlertState.CLOSED:
            raise ConflictError("The alert is closed.")
        if alert.state is AlertState.ACKNOWLEDGED and alert.acknowledged_by != actor.name:
            raise ConflictError("Somebody else has acknowledged the alert.")
        first = alert.state is not AlertState.ACKNOWLEDGED
        handled = _handled(service, actor, alert, AlertState.ACKNOWLEDGED, note)
        _save(service, connection, actor, handled, Action.ALERT_ACKNOWLEDGED)
        if first:
            policy = alert_policies.find(connection, alert.policy_id)
            _tell(service, connection, handled, _News(event=WebhookEvent.ALERT_ACKNOWLEDGED, policy=policy))
    return handled


def close(service: Service, actor: Actor, alert_id: str, note: str = "") -> Alert:
    """End an alert, acknowledged or not; raises NotFoundError, ConflictError when it is closed."""
    with service.database.write() as connection:
        alert = alerts.lock(connection, alert_id, actor.reach)
        if alert.state is AlertState.CLOSED:
            raise ConflictError("The alert is closed.")
        handled = _handled(service, actor, alert, AlertState.CLOSED, note)
        _save(service, connection, actor, handled, Action.ALERT_CLOSED)
        _append_event(service, connection, handled, "alert.closed")
    return handled


def _raise_new(
    service: Service, connection: Connection, call: CallRow, findings: Sequence[Finding], job_id: str
) -> list[Alert]:
    policies = alert_policies.all_of(connection, enabled_only=True)
    found = hits(policies, findings, line_of_business=call.line_of_business, team=call.team)
    known = alerts.raised(connection, call.id) if found else set()
    fresh = [hit for hit in found if (hit.policy.id, hit.finding.rule_id) not in known]
    cooling = {hit.policy.id for hit in fresh if hit.policy.cool_down_minutes}
    alerts.lock_cool_downs(connection, cooling, team=call.team, agent_id=call.agent_id)
    raised = [
        _raise(service, connection, hit, call, job_id)
        for hit in fresh
        if not _suppressed(service, connection, hit.policy, call)
    ]
    return [alert for alert in raised if alert is not None]


@dataclass(frozen=True, kw_only=True)
class _News:
    """What is told of an alert."""

    event: WebhookEvent
    policy: AlertPolicy | None
    """None when it was deleted since."""
    job_id: str = ""

    @property
    def recipients(self) -> Recipients:
        """Whom to tell."""
        if self.policy is None:
            return Recipients()
        if self.event is WebhookEvent.ALERT_ESCALATED:
            return self.policy.escalate_to or self.policy.recipients
        return self.policy.recipients


def _suppressed(service: Service, connection: Connection, policy: AlertPolicy, call: CallRow) -> bool:
    if not policy.cool_down_minutes:
        return False
    since = service.clock() - policy.cool_down_minutes * _MINUTE_MS
    return alerts.suppress(connection, policy.id, team=call.team, agent_id=call.agent_id, since_ms=since)


def _raise(service: Service, connection: Connection, hit: Hit, call: CallRow, job_id: str) -> Alert | None:
    """Return the alert; None when it was raised before."""
    now, minutes = service.clock(), hit.policy.escalate_after_minutes
    alert = Alert(
        id=new_id(),
        at_ms=now,
        level=hit.policy.level,
        policy_id=hit.policy.id,
        policy_name=hit.policy.name,
        call_id=call.call_id,
        finding_id=hit.finding.id,
        rule_id=hit.finding.rule_id,
        title=hit.finding.title,
        team=call.team,
        agent_id=call.agent_id,
        start_ms=hit.finding.evidence[0].start_ms,
        escalate_at_ms=now + minutes * _MINUTE_MS if minutes else None,
    )
    if not alerts.add(connection, alert, call=call.id):
        return None
    _tell(service, connection, alert, _News(event=WebhookEvent.ALERT_RAISED, policy=hit.policy, job_id=job_id))
    return alert


def _tell(service: Service, connection: Connection, alert: Alert, news: _News) -> None:
    """Append the event, leave messages for webhooks and (except of acknowledgements) for phones and chats."""
    channels = news.recipients.channels
    _append_event(service, connection, alert, news.event.value, job_id=news.job_id, in_app=Channel.IN_APP in channels)
    if Channel.WEBHOOK in channels:
        data = {**_facts(alert), "link": webhooks.report_link(alert.call_id)}
        webhooks.announce(service, connection, news.event, alert.team, data)
    if news.event is not WebhookEvent.ALERT_ACKNOWLEDGED and service.settings.alerts.push:
        deliveries.add(connection, list(_pushes(service, connection, alert, news)))


def _pushes(service: Service, connection: Connection, alert: Alert, news: _News) -> Iterator[Delivery]:
    now = service.clock()
    addresses = push_addresses(
        news.recipients,
        _people(connection, news.recipients),
        agent_id=alert.agent_id,
        team=alert.team,
        at=service.local(now),
    )
    body = {
        "alert_id": alert.id,
        "escalated": news.event is WebhookEvent.ALERT_ESCALATED,
        "quotes": news.policy is not None and news.policy.words_in_push,
    }
    due = now if news.policy is None else _after_quiet_hours(service, news.policy.quiet_hours, now)
    for address in addresses:
        yield Delivery(
            id=new_id(),
            kind=DeliveryKind.PUSH,
            target=address,
            event=news.event.value,
            body=body,
            created_ms=now,
            due_ms=due,
        )


def _people(connection: Connection, recipients: Recipients) -> Iterator[User]:
    """Users who may be meant: of the roles, and those named."""
    for role in recipients.roles:
        after, more = "", True
        while more:
            page = users.page(connection, limit=500, after=after, role=role, disabled=False)
            yield from page.items
            after, more = page.next_key, bool(page.next_key)
    for name in recipients.users:
        found = users.by_name(connection, name)
        if found is not None:
            yield found.user


def _after_quiet_hours(service: Service, quiet_hours: str, now: int) -> int:
    hours, at = parse_hours(quiet_hours), service.local(now)
    return round(hours.end_after(at).timestamp() * 1000) if hours and hours.hold(at) else now


def _handled(service: Service, actor: Actor, alert: Alert, state: AlertState, note: str) -> Alert:
    by, at = alert.acknowledged_by or actor.name, alert.acknowledged_ms or service.clock()
    return replace(alert, state=state, acknowledged_by=by, acknowledged_ms=at, note=note or alert.note)


def _save(service: Service, connection: Connection, actor: Actor, alert: Alert, action: Action) -> None:
    alerts.change(
        connection,
        alert.id,
        state=alert.state.value,
        acknowledged_by=alert.acknowledged_by,
        acknowledged_ms=alert.acknowledged_ms,
        note=alert.note,
    )
    auditing.record(
        connection,
        actor=actor,
        action=action,
        at_ms=service.clock(),
        object_kind="alert",
        object_id=alert.id,
        detail={"call_id": alert.call_id},
    )


def _facts(alert: Alert) -> dict[str, object]:
    """What events and webhooks tell of an alert: no customer words, and no note, which could quote some."""
    return {
        "alert_id": alert.id,
        "level": int(alert.level),
        "state": alert.state.value,
        "policy_id": alert.policy_id,
        "policy_name": alert.policy_name,
        "rule_id": alert.rule_id,
        "title": alert.title,
        "call_id": alert.call_id,
        "team": alert.team,
        "agent_id": alert.agent_id,
        "start_ms": alert.start_ms,
        "acknowledged_by": alert.acknowledged_by,
    }


def _append_event(
    service: Service, connection: Connection, alert: Alert, name: str, *, job_id: str = "", in_app: bool = True
) -> None:
    events.append(
        connection,
        ServiceEvent(
            kind=EventKind.ALERT,
            name=name,
            at_ms=service.clock(),
            job_id=job_id,
            call_id=alert.call_id,
            agent_id=alert.agent_id,
            team=alert.team,
            data={**_facts(alert), "in_app": in_app},
        ),
    )
