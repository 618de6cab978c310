"""Contacts: which customer came about which matter, so that a repeated contact is known in milliseconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, delete, select

from qingting.storage.statements import add_rows
from qingting.storage.tables import calls, contacts

_FORGET = delete(contacts).where(contacts.c.call == bindparam("number"))


@dataclass(frozen=True, kw_only=True)
class ContactRow:
    """A matter of a customer in one call."""

    reason: str
    customer_reference: str
    started_ms: int
    state: str
    """`resolved`, `unresolved`, `unclear`; empty when unknown."""


def replace_of_call(connection: Connection, call_number: int, rows: Sequence[ContactRow]) -> None:
    """Set the matters of a call in place of those it had."""
    connection.execute(_FORGET, {"number": call_number})
    add_rows(connection, contacts, *({"call": call_number, **vars(row)} for row in rows))


def earlier(
    connection: Connection, *, customer_reference: str, reason: str, from_ms: int, before_ms: int, limit: int = 100
) -> list[tuple[str, ContactRow]]:
    """Return call id and matter of a customer's contacts about a reason within a time, newest first."""
    c = contacts.c
    query = (
        select(calls.c.call_id, c.reason, c.customer_reference, c.started_ms, c.state)
        .join(calls, calls.c.id == c.call)
        .where(c.customer_reference == customer_reference, c.reason == reason)
        .where(c.started_ms >= from_ms, c.started_ms < before_ms)
        .order_by(c.started_ms.desc(), c.call.desc())
        .limit(limit)
    )
    return [
        (
            row.call_id,
            ContactRow(
                reason=row.reason,
                customer_reference=row.customer_reference,
                started_ms=row.started_ms,
                state=row.state,
            ),
        )
        for row in connection.execute(query)
    ]
