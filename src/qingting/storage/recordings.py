"""Recordings: which files belong to a call, and whether their sound is still there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, select, update

from qingting.errors import NotFoundError
from qingting.storage.statements import add_rows
from qingting.storage.tables import recordings


@dataclass(frozen=True, kw_only=True)
class RecordingRow:
    """A recording of a call."""

    id: str
    call: int
    """The call's number."""
    key: str
    """Path in the recording store."""
    name: str
    """A safe file name with the right suffix."""
    sha256: str
    size_bytes: int
    created_ms: int
    deleted_ms: int | None = None
    """When the sound was deleted; None while it is there."""


def add(connection: Connection, row: RecordingRow) -> None:
    """Insert a recording."""
    add_rows(connection, recordings, vars(row))


def get(connection: Connection, recording_id: str) -> RecordingRow:
    """Return a recording; raises NotFoundError."""
    row = connection.execute(select(recordings).where(recordings.c.id == recording_id)).one_or_none()
    if row is None:
        raise NotFoundError("No such recording.")
    return _recording(row)


def latest_of_call(connection: Connection, call_number: int) -> RecordingRow | None:
    """Return the call's newest recording, also one whose sound is deleted; None without any."""
    query = select(recordings).where(recordings.c.call == call_number)
    newest = query.order_by(recordings.c.created_ms.desc(), recordings.c.id.desc()).limit(1)
    row = connection.execute(newest).one_or_none()
    return None if row is None else _recording(row)


def of_calls(connection: Connection, call_numbers: Sequence[int]) -> list[RecordingRow]:
    """Return all recordings of calls whose sound is not deleted."""
    query = select(recordings).where(recordings.c.call.in_(call_numbers), recordings.c.deleted_ms.is_(None))
    return [_recording(row) for row in connection.execute(query)]


def mark_deleted(connection: Connection, recording_id: str, at_ms: int) -> None:
    """Say that the sound is gone; an earlier time stays."""
    unmarked = (recordings.c.id == recording_id) & recordings.c.deleted_ms.is_(None)
    connection.execute(update(recordings).where(unmarked).values(deleted_ms=at_ms))


def older_than(connection: Connection, at_ms: int, limit: int, *, after: str = "") -> list[RecordingRow]:
    """Return recordings made before a time whose sound is not deleted, in order of id from the one after `after`."""
    c = recordings.c
    query = select(recordings).where(c.created_ms < at_ms, c.deleted_ms.is_(None), c.id > after)
    return [_recording(row) for row in connection.execute(query.order_by(c.id).limit(limit))]


def _recording(row: Row[Any]) -> RecordingRow:
    return RecordingRow(**row._mapping)  # noqa: SLF001  SQLAlchemy's documented access
