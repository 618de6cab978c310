"""Users: who may sign in, and how often it failed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from qingting.errors import ConflictError, NotFoundError
from qingting.model.account import User, UserRole
from qingting.storage.statements import Page
from qingting.storage.tables import users


@dataclass(frozen=True, kw_only=True)
class SignInState:
    """A user with what signing in by password needs."""

    user: User
    password_hash: str
    """Empty: no password login."""
    failed_sign_ins: int
    """Since the last success or lock."""
    locked_until_ms: int | None


def add(connection: Connection, user: User, *, password_hash: str = "") -> None:
    """Insert a user; raises ConflictError when the name is taken."""
    try:
        with connection.begin_nested():
            connection.execute(insert(users).values(**_columns(user), password_hash=password_hash or None))
    except IntegrityError:
        raise ConflictError("A user of this name exists already.") from None


def replace(connection: Connection, user: User) -> None:
    """Write all fields of a user but the password; raises ConflictError when the new name is taken."""
    try:
        with connection.begin_nested():
            connection.execute(update(users).where(users.c.id == user.id).values(**_columns(user)))
    except IntegrityError:
        raise ConflictError("A user of this name exists already.") from None


def get(connection: Connection, user_id: str) -> User:
    """Return a user; raises NotFoundError."""
    row = connection.execute(select(users).where(users.c.id == user_id)).one_or_none()
    if row is None:
        raise NotFoundError("No such user.")
    return user_of(row)


def lock(connection: Connection, user_id: str) -> SignInState:
    """Return a user and keep other writers from it until the transaction ends; raises NotFoundError."""
    row = connection.execute(select(users).where(users.c.id == user_id).with_for_update()).one_or_none()
    if row is None:
        raise NotFoundError("No such user.")
    return _state(row)


def by_name(connection: Connection, name: str) -> SignInState | None:
    """Return a user by login name; None when unknown."""
    row = connection.execute(select(users).where(users.c.name == name)).one_or_none()
    return None if row is None else _state(row)


def by_subject(connection: Connection, subject: str) -> User | None:
    """Return the user who signs in as `issuer|subject`; None when unknown."""
    row = connection.execute(select(users).where(users.c.oidc_subject == subject)).one_or_none()
    return None if row is None else user_of(row)


def page(
    connection: Connection, *, limit: int, after: str = "", role: UserRole | None = None, disabled: bool | None = None
) -> Page[User]:
    """List users in the order in which they were made."""
    where = [
        *([users.c.id > after] if after else []),
        *([users.c.role == role.value] if role else []),
        *([] if disabled is None else [users.c.disabled.is_(disabled)]),
    ]
    rows = connection.execute(select(users).where(*where).order_by(users.c.id).limit(limit + 1)).all()
    found = tuple(user_of(row) for row in rows[:limit])
    return Page(items=found, next_key=found[-1].id if len(rows) > limit else "")


def lock_active(connection: Connection, role: UserRole) -> tuple[str, ...]:
    """Return the ids of all active users of a role and keep other writers from them until the transaction ends."""
    active = select(users.c.id).where(users.c.role == role.value, users.c.disabled.is_(False))
    # Always in the same order, so that two writers never wait for each other in a circle.
    return tuple(connection.execute(active.order_by(users.c.id).with_for_update()).scalars())


def set_password(connection: Connection, user_id: str, password_hash: str) -> None:
    """Set the password's hash and forget failures."""
    values = {"password_hash": password_hash, "failed_sign_ins": 0, "locked_until_ms": None}
    connection.execute(update(users).where(users.c.id == user_id).values(**values))


def set_failures(connection: Connection, user_id: str, failed: int, *, locked_until_ms: int | None = None) -> None:
    """Set how often signing in failed, and how long it is refused."""
    values = {"failed_sign_ins": failed, "locked_until_ms": locked_until_ms}
    connection.execute(update(users).where(users.c.id == user_id).values(**values))


def count(connection: Connection) -> int:
    """Count users."""
    return int(connection.execute(select(func.count()).select_from(users)).scalar_one())


def user_of(row: Row[Any]) -> User:
    """Turn a row that holds the columns of `users` into a user."""
    return User(
        id=row.id,
        name=row.name,
        display_name=row.display_name,
        role=UserRole(row.role),
        created_ms=row.created_ms,
        agent_id=row.agent_id,
        teams=tuple(row.teams),
        disabled=row.disabled,
        oidc_subject=row.oidc_subject,
        contact=tuple(row.contact),
        shift=row.shift,
    )


def _state(row: Row[Any]) -> SignInState:
    return SignInState(
        user=user_of(row),
        password_hash=row.password_hash or "",
        failed_sign_ins=row.failed_sign_ins,
        locked_until_ms=row.locked_until_ms,
    )


def _columns(user: User) -> Mapping[str, Any]:
    return {
        "id": user.id,
        "name": user.name,
        "display_name": user.display_name,
        "role": user.role.value,
        "agent_id": user.agent_id,
        "teams": list(user.teams),
        "contact": list(user.contact),
        "shift": user.shift,
        "disabled": user.disabled,
        "oidc_subject": user.oidc_subject,
        "created_ms": user.created_ms,
    }
