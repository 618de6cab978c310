"""Files to be deleted: rows until they are, so that none is forgotten when a store is away or a process killed."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, delete, select

from qingting.storage.statements import add_missing
from qingting.storage.tables import discarded_files

_REMOVE = delete(discarded_files).where(discarded_files.c.key.in_(bindparam("keys", expanding=True)))


def add(connection: Connection, keys: Sequence[str], due_ms: int) -> None:
    """Have files deleted from a time on.

    Whoever stores a file enters its key with a time far enough ahead, and takes it off (`remove`) in the
    transaction that gives the file its row: a process killed in between leaves no orphan.
    """
    add_missing(connection, discarded_files, *({"key": key, "due_ms": due_ms} for key in keys))


def due(connection: Connection, now_ms: int, limit: int, *, after: str = "") -> list[str]:
    """Return keys of files to be deleted now, in order from the one after `after`."""
    c = discarded_files.c
    query = select(c.key).where(c.due_ms <= now_ms, c.key > after).order_by(c.key).limit(limit)
    return list(connection.execute(query).scalars())


def remove(connection: Connection, keys: Sequence[str]) -> None:
    """Take files off the list: they are deleted, or they are to stay."""
    connection.execute(_REMOVE, {"keys": keys})
