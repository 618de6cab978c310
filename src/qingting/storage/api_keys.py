"""API keys: a secret is kept as its digest only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, and_, func, insert, or_, select, update

from qingting.errors import NotFoundError
from qingting.model.account import ApiKey, Permission, UserRole
from qingting.storage.statements import Page
from qingting.storage.tables import api_keys, users

_SCOPES = {permission.value: permission for permission in Permission}


@dataclass(frozen=True, kw_only=True)
class KeyState:
    """A key with what checking it needs."""

    key: ApiKey
    secret_sha256: str
    maker_disabled: bool
    """The user who made the key has been disabled since."""


def add(connection: Connection, key: ApiKey, *, secret_sha256: str) -> None:
    """Insert a key."""
    connection.execute(
        insert(api_keys).values(
            id=key.id,
            name=key.name,
            secret_sha256=secret_sha256,
            role=key.role.value,
            scopes=sorted(scope.value for scope in key.scopes),
            teams=list(key.teams),
            created_ms=key.created_ms,
            created_by=key.created_by,
            expires_ms=key.expires_ms,
        )
    )


def find(connection: Connection, key_id: str) -> KeyState | None:
    """Return a key in whatever state it is; None when unknown."""
    disabled = func.coalesce(users.c.disabled, False)
    query = (
        select(api_keys, disabled.label("maker_disabled"))
        .outerjoin(users, users.c.id == api_keys.c.created_by)
        .where(api_keys.c.id == key_id)
    )
    row = connection.execute(query).one_or_none()
    if row is None:
        return None
    return KeyState(key=_key(row), secret_sha256=row.secret_sha256, maker_disabled=bool(row.maker_disabled))


def get(connection: Connection, key_id: str) -> ApiKey:
    """Return a key; raises NotFoundError."""
    row = connection.execute(select(api_keys).where(api_keys.c.id == key_id)).one_or_none()
    if row is None:
        raise NotFoundError("No such API key.")
    return _key(row)


def page(connection: Connection, *, limit: int, after: str = "") -> Page[ApiKey]:
    """List keys, newest first."""
    query = select(api_keys).order_by(api_keys.c.id.desc()).limit(limit + 1)
    rows = connection.execute(query.where(api_keys.c.id < after) if after else query).all()
    found = tuple(_key(row) for row in rows[:limit])
    return Page(items=found, next_key=found[-1].id if len(rows) > limit else "")


def revoke(connection: Connection, key_id: str, *, at_ms: int) -> bool:
    """Revoke a key for good; False when it was revoked before or is unknown."""
    wanted = and_(api_keys.c.id == key_id, api_keys.c.revoked_ms.is_(None))
    return connection.execute(update(api_keys).where(wanted).values(revoked_ms=at_ms)).rowcount > 0


def note_use(connection: Connection, key_id: str, *, at_ms: int, at_most_every_ms: int) -> None:
    """Note when a key was used, unless that was noted a short while ago."""
    last = api_keys.c.last_used_ms
    due = or_(last.is_(None), last <= at_ms - at_most_every_ms)
    connection.execute(update(api_keys).where(api_keys.c.id == key_id, due).values(last_used_ms=at_ms))


def _key(row: Row[Any]) -> ApiKey:
    return ApiKey(
        id=row.id,
        name=row.name,
        role=UserRole(row.role),
        # A scope that a later release dropped gives nothing.
        scopes=frozenset(_SCOPES[scope] for scope in row.scopes if scope in _SCOPES),
        created_ms=row.created_ms,
        created_by=row.created_by,
        teams=tuple(row.teams),
        expires_ms=row.expires_ms,
        revoked_ms=row.revoked_ms,
        last_used_ms=row.last_used_ms,
    )
