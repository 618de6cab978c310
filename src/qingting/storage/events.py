"""The log of events: written with what they tell of, read in order by those who watch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, delete, func, select

from qingting.model.event import EventKind, ServiceEvent
from qingting.storage.statements import add_rows
from qingting.storage.tables import events


def append(connection: Connection, event: ServiceEvent) -> None:
    """Add an event; it is seen when the transaction is committed."""
    row = {
        "kind": event.kind.value,
        "name": event.name,
        "at_ms": event.at_ms,
        "job_id": event.job_id,
        "batch_id": event.batch_id,
        "call_id": event.call_id,
        "agent_id": event.agent_id,
        "team": event.team,
        "data": dict(event.data),
    }
    add_rows(connection, events, row)


def last_id(connection: Connection) -> int:
    """Return the newest event's id; 0 in an empty log."""
    return int(connection.execute(select(func.coalesce(func.max(events.c.id), 0))).scalar_one())


def after(connection: Connection, number: int, *, limit: int = 1000, job_id: str = "") -> Sequence[ServiceEvent]:
    """Return events with greater ids in order, at most `limit`; of one job if it is named.

    Two writers of PostgreSQL may commit out of the order of their ids: whoever follows the log reads
    some ids twice (see service.event_feed).
    """
    query = select(events).where(events.c.id > number).order_by(events.c.id).limit(limit)
    if job_id:
        query = query.where(events.c.job_id == job_id)
    return [_event(row) for row in connection.execute(query)]


def oldest_ms(connection: Connection) -> int | None:
    """Return the time of the oldest event; None in an empty log."""
    found: int | None = connection.execute(select(func.min(events.c.at_ms))).scalar_one()
    return found


def of_ids(connection: Connection, numbers: Sequence[int]) -> Sequence[ServiceEvent]:
    """Return those of some events that are there, in order."""
    query = select(events).where(events.c.id.in_(numbers)).order_by(events.c.id)
    return [_event(row) for row in connection.execute(query)]


def forget_before(connection: Connection, at_ms: int) -> int:
    """Delete events older than a time; returns how many."""
    return connection.execute(delete(events).where(events.c.at_ms < at_ms)).rowcount


def _event(row: Row[Any]) -> ServiceEvent:
    values = dict(row._mapping)  # noqa: SLF001  SQLAlchemy's documented access
    return ServiceEvent(**{**values, "kind": EventKind(values["kind"])})
