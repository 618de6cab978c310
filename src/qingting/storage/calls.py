"""Calls: all that the centre had, inspected or not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, RowMapping, bindparam, delete, func, select
from sqlalchemy.exc import IntegrityError

from qingting.errors import ConflictError, NotFoundError
from qingting.model.account import Reach
from qingting.storage.statements import (
    Page,
    add_numbered,
    after_day_key,
    change_rows,
    day_key,
    newest_day_first,
    within,
)
from qingting.storage.tables import calls

_BY_ID = select(calls).where(calls.c.call_id == bindparam("call_id"))
_BY_ID_LOCKED = _BY_ID.with_for_update()
_BY_NUMBER = select(calls).where(calls.c.id == bindparam("number"))


class CallState(StrEnum):
    """How far the inspection of a call is."""

    KNOWN = "known"
    """In the call records; no recording came yet."""
    LIVE = "live"
    """It runs, and is listened to."""
    QUEUED = "queued"
    INSPECTED = "inspected"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class CallRow:
    """A call as listed."""

    id: int
    """The database's own number."""
    call_id: str
    line_of_business: str
    medium: str
    direction: str
    agent_id: str
    team: str
    customer_reference: str
    started_ms: int
    day: int
    """20261130, in the centre's time zone."""
    hour: int
    duration_ms: int | None
    csat: float | None
    info: Mapping[str, Any]
    """The call's CallInfo as plain values (qingting.service.documents turns it back)."""
    source: str
    created_ms: int
    state: CallState
    report_id: str | None
    score: float | None
    grade: str
    worst_level: int | None
    faults: int
    reviews: int
    reason: str
    resolution: str
    language: str


@dataclass(frozen=True, kw_only=True)
class CallFilter:
    """Which calls a list shows; empty fields do not restrict."""

    from_day: int | None = None
    to_day: int | None = None
    agent_id: str = ""
    team: str = ""
    line_of_business: str = ""
    customer_reference: str = ""
    state: str = ""
    grade: str = ""
    reason: str = ""
    resolution: str = ""
    medium: str = ""
    min_score: float | None = None
    max_score: float | None = None
    worst_level: int | None = None
    """Calls with a counted fault of this level or worse."""
    needs_review: bool | None = None


def add(connection: Connection, values: Mapping[str, Any]) -> int:
    """Insert a call; values by column name. Returns its number; raises ConflictError when the call id is taken."""
    try:
        with connection.begin_nested():
            return add_numbered(connection, calls, values)
    except IntegrityError:
        raise ConflictError("A call of this id is known already.") from None


def change(connection: Connection, number: int, values: Mapping[str, Any]) -> None:
    """Change columns of a call."""
    change_rows(connection, calls, {"id": number}, values)


def get(connection: Connection, call_id: str, reach: Reach) -> CallRow:
    """Return a call within reach; raises NotFoundError, whether it is unknown or out of reach."""
    found = find(connection, call_id)
    if found is None or not reach.covers(agent_id=found.agent_id, team=found.team):
        raise NotFoundError("No such call.")
    return found


def find(connection: Connection, call_id: str) -> CallRow | None:
    """Return a call by its id; None when unknown."""
    row = connection.execute(_BY_ID, {"call_id": call_id}).one_or_none()
    return None if row is None else _call(row)


def lock(connection: Connection, call_id: str) -> CallRow | None:
    """Return a call and keep other writers from it until the transaction ends; None when unknown."""
    row = connection.execute(_BY_ID_LOCKED, {"call_id": call_id}).one_or_none()
    return None if row is None else _call(row)


def by_number(connection: Connection, number: int) -> CallRow:
    """Return a call by the database's own number; raises NotFoundError."""
    row = connection.execute(_BY_NUMBER, {"number": number}).one_or_none()
    if row is None:
        raise NotFoundError("No such call.")
    return _call(row)


def page(connection: Connection, *, reach: Reach, wanted: CallFilter, limit: int, after: str = "") -> Page[CallRow]:
    """List calls within reach, of the newest day first; `after` is the key of the last row of the page before."""
    query = select(calls).where(*conditions(reach, wanted)).order_by(*newest_day_first(calls))
    if after:
        query = query.where(after_day_key(calls, after))
    rows = [_call(row) for row in connection.execute(query.limit(limit + 1))]
    more = len(rows) > limit
    last = rows[limit - 1] if more else None
    return Page(items=tuple(rows[:limit]), next_key=day_key(day=last.day, number=last.id) if last else "")


def conditions(reach: Reach, wanted: CallFilter) -> list[Any]:
    """Conditions on `calls` that a filter and a reach mean."""
    c = calls.c
    equal = {
        c.agent_id: wanted.agent_id, c.team: wanted.team, c.line_of_business: wanted.line_of_business,
        c.customer_reference: wanted.customer_reference, c.state: wanted.state, c.grade: wanted.grade,
        c.reason: wanted.reason, c.resolution: wanted.resolution, c.medium: wanted.medium,
    }  # fmt: skip
    bounds = (
        (wanted.from_day, lambda value: c.day >= value),
        (wanted.to_day, lambda value: c.day <= value),
        (wanted.min_score, lambda value: c.score >= value),
        (wanted.max_score, lambda value: c.score <= value),
        (wanted.worst_level, lambda value: c.worst_level <= value),
        (wanted.needs_review, lambda value: c.reviews > 0 if value else c.reviews == 0),
    )
    allowed = within(reach, calls)
    return [
        *([] if allowed is None else [allowed]),
        *(column == value for column, value in equal.items() if value),
        *(condition(value) for value, condition in bounds if value is not None),
    ]


def remove(connection: Connection, number: int) -> None:
    """Delete a call with everything that hangs on it."""
    connection.execute(delete(calls).where(calls.c.id == number))


def count(connection: Connection, *where: Any) -> int:
    """Count calls."""
    return int(connection.execute(select(func.count()).select_from(calls).where(*where)).scalar_one())


def of_row(row: RowMapping) -> CallRow:
    """Read a call from its columns, chosen together with those of other tables."""
    return _call({name: row[name] for name in calls.c.keys()})  # noqa: SIM118  a column collection is no dictionary


def _call(row: Row[Any] | Mapping[str, Any]) -> CallRow:
    values = dict(row._mapping if isinstance(row, Row) else row)  # noqa: SLF001  SQLAlchemy's documented access
    return CallRow(**{**values, "state": CallState(values["state"])})
