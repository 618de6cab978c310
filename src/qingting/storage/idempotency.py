"""Idempotency keys: what was answered to a request, so that sending it again does nothing twice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, delete, select, update

from qingting.errors import ConflictError, StillRunningError
from qingting.storage.statements import insert_for
from qingting.storage.tables import idempotency_keys

KEPT_MS = 24 * 3600 * 1000
"""How long an answer is kept."""
ABANDONED_MS = 15 * 60 * 1000
"""A request without an answer after so long died with its process; its key may be used again."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What was answered to the first request of a key."""

    status: int
    """HTTP status."""
    response: Mapping[str, Any]
    """What the answer is made from again."""


def claim(connection: Connection, *, actor_id: str, key: str, fingerprint: str, now_ms: int) -> Answer | None:
    """Take a key for a request; returns the answer if the same request was answered before, else None.

    Another writer of the same key waits until this transaction ends. Raises ConflictError when the key
    belongs to another request, StillRunningError while its first request has no answer yet.
    """
    t = idempotency_keys.c
    mine = and_(t.actor_id == actor_id, t.key == key)
    old = (t.created_ms < now_ms - KEPT_MS) | (t.status.is_(None) & (t.created_ms < now_ms - ABANDONED_MS))
    connection.execute(delete(idempotency_keys).where(mine, old))
    values = {"actor_id": actor_id, "key": key, "fingerprint": fingerprint, "created_ms": now_ms}
    # RETURNING tells whether a row was written; drivers count inserted rows differently.
    statement = insert_for(connection, idempotency_keys).values(**values).on_conflict_do_nothing().returning(t.key)
    if connection.execute(statement).one_or_none() is not None:
        return None
    row = connection.execute(select(idempotency_keys).where(mine)).one_or_none()
    if row is None:  # released by its first request at this moment
        raise StillRunningError("The first request with this idempotency key has just failed.")
    if row.fingerprint != fingerprint:
        raise ConflictError(
            "The idempotency key was used for another request.", remedy="Use a new key for each new request."
        )
    if row.status is None:
        raise StillRunningError("The first request with this idempotency key is still running.")
    return Answer(status=row.status, response=row.response)


def complete(connection: Connection, *, actor_id: str, key: str, answer: Answer) -> None:
    """Keep what is answered to a key's request."""
    mine = and_(idempotency_keys.c.actor_id == actor_id, idempotency_keys.c.key == key)
    values = {"status": answer.status, "response": dict(answer.response)}
    connection.execute(update(idempotency_keys).where(mine).values(**values))


def release(connection: Connection, *, actor_id: str, key: str) -> None:
    """Forget a key whose request failed before it had an answer: the caller may try it again."""
    mine = and_(idempotency_keys.c.actor_id == actor_id, idempotency_keys.c.key == key)
    connection.execute(delete(idempotency_keys).where(mine, idempotency_keys.c.status.is_(None)))


def forget_before(connection: Connection, at_ms: int) -> int:
    """Delete keys first used before a time; returns how many."""
    return connection.execute(delete(idempotency_keys).where(idempotency_keys.c.created_ms < at_ms)).rowcount
