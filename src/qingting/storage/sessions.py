"""Sessions of people who signed in; a token is kept as its digest only."""

from __future__ import annotations

from sqlalchemy import Connection, delete, insert, select

from qingting.model.account import User
from qingting.storage.tables import sessions, users
from qingting.storage.users import user_of


def add(connection: Connection, *, token_sha256: str, user_id: str, created_ms: int, expires_ms: int) -> None:
    """Insert a session."""
    connection.execute(
        insert(sessions).values(
            token_sha256=token_sha256, user_id=user_id, created_ms=created_ms, expires_ms=expires_ms
        )
    )


def user_of_token(connection: Connection, token_sha256: str, *, now_ms: int) -> User | None:
    """Return the active user of a session that has not expired; None otherwise."""
    query = (
        select(users)
        .join(sessions, sessions.c.user_id == users.c.id)
        .where(sessions.c.token_sha256 == token_sha256, sessions.c.expires_ms > now_ms, users.c.disabled.is_(False))
    )
    row = connection.execute(query).one_or_none()
    return None if row is None else user_of(row)


def remove(connection: Connection, token_sha256: str) -> None:
    """End a session."""
    connection.execute(delete(sessions).where(sessions.c.token_sha256 == token_sha256))


def remove_of_user(connection: Connection, user_id: str) -> int:
    """End all sessions of a user; returns how many."""
    return connection.execute(delete(sessions).where(sessions.c.user_id == user_id)).rowcount


def forget_expired(connection: Connection, now_ms: int) -> int:
    """Delete sessions that have expired; returns how many."""
    return connection.execute(delete(sessions).where(sessions.c.expires_ms <= now_ms)).rowcount
