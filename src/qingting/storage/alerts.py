"""Alerts: raised with a report, then handled by people or escalated."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, bindparam, select, text, update

from qingting.errors import NotFoundError
from qingting.model.account import Reach
from qingting.model.alert import Alert, AlertState
from qingting.model.finding import Level
from qingting.storage.statements import Page, add_new, change_rows, within
from qingting.storage.tables import alerts

_RAISED = select(alerts.c.policy_id, alerts.c.rule_id).where(alerts.c.call == bindparam("number"))
_NEWEST = (
    select(alerts.c.id)
    .where(
        alerts.c.policy_id == bindparam("policy_id"),
        alerts.c.team == bindparam("team"),
        alerts.c.agent_id == bindparam("agent_id"),
        alerts.c.at_ms > bindparam("since_ms"),
    )
    .order_by(alerts.c.at_ms.desc())
    .limit(1)
)
_COUNT = update(alerts).where(alerts.c.id == bindparam("alert")).values(suppressed=alerts.c.suppressed + 1)
_LOCKS = 0x71696E67
"""First number of the advisory locks of cool-downs."""


@dataclass(frozen=True, kw_only=True)
class AlertFilter:
    """Which alerts a list shows; empty fields do not restrict."""

    level: int | None = None
    state: str = ""
    team: str = ""
    agent_id: str = ""
    call_id: str = ""
    policy_id: str = ""
    from_ms: int | None = None
    to_ms: int | None = None
    """Exclusive."""


def add(connection: Connection, alert: Alert, *, call: int) -> bool:
    """Insert an alert of a call (by number); False when the same policy has told the same finding before."""
    row = {**vars(alert), "level": int(alert.level), "state": alert.state.value, "call": call}
    return add_new(connection, alerts, row)


def raised(connection: Connection, call: int) -> set[tuple[str, str]]:
    """Return which rules of a call (by number) were told: (policy id, rule id)."""
    return {(policy_id, rule_id) for policy_id, rule_id in connection.execute(_RAISED, {"number": call})}


def lock_cool_downs(connection: Connection, policies: Iterable[str], *, team: str, agent_id: str) -> None:
    """Keep other writers from alerts of these policies, team and agent until the transaction ends."""
    if connection.dialect.name != "postgresql":
        return  # a writer of SQLite is alone
    keys = (hashlib.sha256(f"{policy}/{team}/{agent_id}".encode()).digest()[:4] for policy in policies)
    # Always in the same order, so that two writers never wait for each other in a circle.
    for number in sorted({int.from_bytes(key, signed=True) for key in keys}):
        connection.execute(text("SELECT pg_advisory_xact_lock(:first, :second)"), {"first": _LOCKS, "second": number})


def suppress(connection: Connection, policy_id: str, *, team: str, agent_id: str, since_ms: int) -> bool:
    """Count a hit on the newest alert of a policy, team and agent since a time; False when there is none."""
    wanted = {"policy_id": policy_id, "team": team, "agent_id": agent_id, "since_ms": since_ms}
    found = connection.execute(_NEWEST, wanted).scalar_one_or_none()
    if found is None:
        return False
    connection.execute(_COUNT, {"alert": found})
    return True


def get(connection: Connection, alert_id: str, reach: Reach) -> Alert:
    """Return an alert within reach; raises NotFoundError."""
    return _get(connection, alert_id, reach, locked=False)


def lock(connection: Connection, alert_id: str, reach: Reach) -> Alert:
    """Return an alert within reach and keep other writers from it until the end; raises NotFoundError."""
    return _get(connection, alert_id, reach, locked=True)


def find(connection: Connection, alert_id: str) -> Alert | None:
    """Return an alert; None when there is none."""
    row = connection.execute(select(alerts).where(alerts.c.id == alert_id)).one_or_none()
    return None if row is None else _alert(row)


def page(connection: Connection, *, reach: Reach, wanted: AlertFilter, limit: int, after: str = "") -> Page[Alert]:
    """List alerts within reach, newest first."""
    query = select(alerts).where(*_conditions(reach, wanted)).order_by(alerts.c.id.desc()).limit(limit + 1)
    if after:
        query = query.where(alerts.c.id < after)
    rows = [_alert(row) for row in connection.execute(query)]
    more = len(rows) > limit
    return Page(items=tuple(rows[:limit]), next_key=rows[limit - 1].id if more else "")


def any_to_escalate(connection: Connection, *, now_ms: int) -> bool:
    """Whether an alert's time to be acknowledged has passed."""
    return connection.execute(select(alerts.c.id).where(*_overdue(now_ms)).limit(1)).first() is not None


def take_to_escalate(connection: Connection, *, now_ms: int, limit: int) -> Sequence[Alert]:
    """Mark overdue alerts as escalated and return them; two callers never get the same one."""
    chosen = select(alerts.c.id).where(*_overdue(now_ms)).order_by(alerts.c.escalate_at_ms, alerts.c.id).limit(limit)
    ids = list(connection.execute(chosen.with_for_update(skip_locked=True)).scalars())
    if not ids:
        return []
    taken = update(alerts).where(alerts.c.id.in_(ids))
    connection.execute(taken.values(state=AlertState.ESCALATED.value, escalated_ms=now_ms))
    return [_alert(row) for row in connection.execute(select(alerts).where(alerts.c.id.in_(ids)).order_by(alerts.c.id))]


def change(connection: Connection, alert_id: str, **values: Any) -> None:
    """Change columns of an alert; the state by value."""
    change_rows(connection, alerts, {"id": alert_id}, values)


def _get(connection: Connection, alert_id: str, reach: Reach, *, locked: bool) -> Alert:
    allowed = within(reach, alerts)
    query = select(alerts).where(alerts.c.id == alert_id)
    query = query if allowed is None else query.where(allowed)
    row = connection.execute(query.with_for_update() if locked else query).one_or_none()
    if row is None:
        raise NotFoundError("No such alert.")
    return _alert(row)


def _overdue(now_ms: int) -> tuple[Any, ...]:
    return alerts.c.state == AlertState.OPEN.value, alerts.c.escalate_at_ms <= now_ms


def _conditions(reach: Reach, wanted: AlertFilter) -> list[Any]:
    c = alerts.c
    equal = {
        c.level: wanted.level, c.state: wanted.state, c.team: wanted.team, c.agent_id: wanted.agent_id,
        c.call_id: wanted.call_id, c.policy_id: wanted.policy_id,
    }  # fmt: skip
    allowed = within(reach, alerts)
    return [
        *([] if allowed is None else [allowed]),
        *(column == value for column, value in equal.items() if value),
        *([] if wanted.from_ms is None else [c.at_ms >= wanted.from_ms]),
        *([] if wanted.to_ms is None else [c.at_ms < wanted.to_ms]),
    ]


def _alert(row: Row[Any]) -> Alert:
    values = dict(row._mapping)  # noqa: SLF001  SQLAlchemy's documented access
    del values["call"]
    return Alert(**{**values, "level": Level(values["level"]), "state": AlertState(values["state"])})
