"""The audit log: who did what to which object, from where. Rows are added and forgotten by age, never changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, delete, func, select

from qingting.storage.statements import Page, add_rows
from qingting.storage.tables import audit


@dataclass(frozen=True, kw_only=True)
class AuditEntry:
    """One line of the log."""

    at_ms: int
    actor_id: str
    """Of the user or key; empty for somebody who was not recognised."""
    actor_name: str
    action: str
    """`report.read`, `sign_in.failed` …"""
    object_kind: str = ""
    """`call`, `user`, `key` …"""
    object_id: str = ""
    address: str = ""
    """Network address that the request came from; empty for the service itself."""
    detail: Mapping[str, Any] = field(default_factory=dict)
    """No customer words, no secrets."""
    id: int = 0
    """Set by the log."""


@dataclass(frozen=True, kw_only=True)
class AuditFilter:
    """Which lines a list shows; empty fields do not restrict."""

    actor_id: str = ""
    action: str = ""
    object_kind: str = ""
    object_id: str = ""
    from_ms: int | None = None
    """First moment."""
    to_ms: int | None = None
    """First moment that is not shown any more."""


def append(connection: Connection, entry: AuditEntry) -> None:
    """Add a line; it stands when the transaction is committed."""
    row = {**vars(entry), "detail": dict(entry.detail)}
    del row["id"]
    add_rows(connection, audit, row)


def page(connection: Connection, *, wanted: AuditFilter, limit: int, after: str = "") -> Page[AuditEntry]:
    """List lines, newest first; `after` is the key of the last line of the page before."""
    c = audit.c
    equal = {
        c.actor_id: wanted.actor_id,
        c.action: wanted.action,
        c.object_kind: wanted.object_kind,
        c.object_id: wanted.object_id,
    }
    where = [
        *(column == value for column, value in equal.items() if value),
        *([] if wanted.from_ms is None else [c.at_ms >= wanted.from_ms]),
        *([] if wanted.to_ms is None else [c.at_ms < wanted.to_ms]),
        *([c.id < int(after)] if after else []),
    ]
    rows = connection.execute(select(audit).where(*where).order_by(c.id.desc()).limit(limit + 1)).all()
    entries = tuple(AuditEntry(**row._mapping) for row in rows[:limit])  # noqa: SLF001  SQLAlchemy's documented access
    return Page(items=entries, next_key=str(entries[-1].id) if len(rows) > limit else "")


def oldest_ms(connection: Connection) -> int | None:
    """Return the time of the oldest line; None in an empty log."""
    found: int | None = connection.execute(select(func.min(audit.c.at_ms))).scalar_one()
    return found


def forget_before(connection: Connection, at_ms: int) -> int:
    """Delete lines older than a time; returns how many."""
    return connection.execute(delete(audit).where(audit.c.at_ms < at_ms)).rowcount
