"""Calls that run now: whose sound is kept by which process, so that another finds what a dead one left."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, func, select, update

from qingting.storage.statements import add_rows
from qingting.storage.tables import live_calls

_BY_ID = select(live_calls).where(live_calls.c.id == bindparam("id"))
_OF_CALL = select(live_calls).where(live_calls.c.call == bindparam("number"))
_TAKE = delete(live_calls).where(live_calls.c.id == bindparam("id")).returning(*live_calls.c)


@dataclass(frozen=True, kw_only=True)
class LiveCallRow:
    """One running call."""

    id: str
    call: int
    """The call's number."""
    owner: str
    """The process that takes its sound."""
    host: str
    """The machine on whose disk its sound is."""
    actor_id: str
    """Who brought it."""
    begun_ms: int
    seen_ms: int
    """The owner's last sign of life."""


def add(connection: Connection, row: LiveCallRow) -> None:
    """Insert a running call."""
    add_rows(connection, live_calls, vars(row))


def of_call(connection: Connection, call_number: int) -> LiveCallRow | None:
    """Return a call's row while it runs; None otherwise."""
    row = connection.execute(_OF_CALL, {"number": call_number}).one_or_none()
    return None if row is None else _row(row)


def get(connection: Connection, live_id: str) -> LiveCallRow | None:
    """Return a running call; None when it has ended."""
    row = connection.execute(_BY_ID, {"id": live_id}).one_or_none()
    return None if row is None else _row(row)


def take(connection: Connection, live_id: str) -> LiveCallRow | None:
    """Delete a running call's row and return it: whoever gets it ends the call; None when another has."""
    row = connection.execute(_TAKE, {"id": live_id}).one_or_none()
    return None if row is None else _row(row)


def beat(connection: Connection, owner: str, live_ids: Collection[str], now_ms: int) -> None:
    """Write a sign of life of calls of a process."""
    mine = live_calls.c.owner == owner, live_calls.c.id.in_(live_ids)
    connection.execute(update(live_calls).where(*mine).values(seen_ms=now_ms))


def left_behind(connection: Connection, host: str, *, seen_before_ms: int, limit: int = 1000) -> list[LiveCallRow]:
    """Return calls of a machine whose process is silent, oldest first."""
    c = live_calls.c
    query = select(live_calls).where(c.host == host, c.seen_ms < seen_before_ms).order_by(c.begun_ms).limit(limit)
    return [_row(row) for row in connection.execute(query)]


def running(connection: Connection) -> int:
    """Return how many calls run."""
    return connection.execute(select(func.count()).select_from(live_calls)).scalar_one()


def _row(row: Row[Any]) -> LiveCallRow:
    return LiveCallRow(**row._mapping)  # noqa: SLF001  SQLAlchemy's documented access
