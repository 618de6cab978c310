"""Administers users and API keys: nobody gives more than they may, and one administrator always remains."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from qingting.errors import AccessDeniedError, ConflictError, InvalidRequestError
from qingting.model.account import ROLE_PERMISSIONS, ApiKey, Permission, User, UserRole
from qingting.model.ids import new_id
from qingting.service import passwords
from qingting.service.auditing import Action, Detail, record
from qingting.service.credentials import digest, new_secret, written_key
from qingting.storage import api_keys, sessions, users

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from qingting.model.account import Actor
    from qingting.service.center import Service
    from qingting.storage.statements import Page

_NAME = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,63}")
_TEXT = re.compile(r"[^\x00-\x1f\x7f]*")
_CONTACT = re.compile(r"[a-z][a-z0-9+.-]{0,31}://[^\s\x00-\x1f\x7f]{1,500}")
_SHIFT = re.compile(r"|([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]")
_MOST_TEAMS = 100
_MOST_CONTACTS = 10
CHANGEABLE = frozenset({"display_name", "role", "agent_id", "teams", "disabled", "contact", "shift"})
"""Fields of a user that administrators set."""


@dataclass(frozen=True, kw_only=True)
class NewKey:
    """What a key to be made shall be."""

    name: str
    role: UserRole
    scopes: frozenset[Permission]
    """Empty: all that the role may do."""
    teams: tuple[str, ...] = ()
    """Restricts reach to these teams; empty is all."""
    expires_ms: int | None = None


def plain_name(name: str) -> str | None:
    """Return a login name in small letters; None when nobody can be called so."""
    plain = name.strip().lower()
    return plain if _NAME.fullmatch(plain) else None


def add_user(
    service: Service, actor: Actor, *, name: str, fields: Mapping[str, Any], password: str | None, address: str = ""
) -> User:
    """Make a user; `fields` are those in CHANGEABLE, `password` None makes one who signs in elsewhere.

    Raises InvalidRequestError, ConflictError (the name is taken), AccessDeniedError.
    """
    plain = plain_name(name)
    if plain is None:
        raise InvalidRequestError("A user name has up to 64 small letters, digits, and . _ @ + - between them.")
    _refuse_unknown(fields)
    user = User(id=new_id(), name=plain, created_ms=service.clock(), **{"display_name": plain, **fields})
    check_user(user)
    _check_grant(actor, ROLE_PERMISSIONS[user.role], teams=user.teams)
    if password is not None:
        passwords.check_new(password, user_name=plain)
    password_hash = "" if password is None else passwords.hash_of(password)
    with service.database.write() as connection:
        users.add(connection, user, password_hash=password_hash)
        _record(
            service,
            connection,
            actor,
            Action.USER_CREATED,
            object_id=user.id,
            address=address,
            detail={"role": user.role.value},
        )
    return user


def list_users(
    service: Service, *, limit: int, after: str = "", role: UserRole | None = None, disabled: bool | None = None
) -> Page[User]:
    """List users in the order in which they were made."""
    with service.database.read() as connection:
        return users.page(connection, limit=limit, after=after, role=role, disabled=disabled)


def get_user(service: Service, user_id: str) -> User:
    """Return a user; raises NotFoundError."""
    with service.database.read() as connection:
        return users.get(connection, user_id)


def change_user(service: Service, actor: Actor, user_id: str, fields: Mapping[str, Any], *, address: str = "") -> User:
    """Change fields in CHANGEABLE; disabling ends the user's sessions and stops the API keys that they made.

    Raises NotFoundError, InvalidRequestError, AccessDeniedError, and ConflictError when no active administrator
    would be left.
    """
    _refuse_unknown(fields)
    with service.database.write() as connection:
        # Before the user's own row: two administrators who demote each other must queue up.
        admins = users.lock_active(connection, UserRole.ADMIN)
        before = users.lock(connection, user_id).user
        after = replace(before, **fields)
        check_user(after)
        for one in (before, after):
            _check_grant(actor, ROLE_PERMISSIONS[one.role], teams=one.teams)
        require_an_admin(admins, after)
        users.replace(connection, after)
        if after.disabled:
            sessions.remove_of_user(connection, user_id)
        _record(
            service,
            connection,
            actor,
            _kind_of_change(before, after),
            object_id=user_id,
            address=address,
            detail=_changed(before, after),
        )
    return after


def set_password(service: Service, actor: Actor, user_id: str, password: str, *, address: str = "") -> None:
    """Set a user's password, end their sessions and any lock; raises NotFoundError, InvalidRequestError."""
    user = get_user(service, user_id)
    _check_grant(actor, ROLE_PERMISSIONS[user.role], teams=user.teams)
    passwords.check_new(password, user_name=user.name)
    password_hash = passwords.hash_of(password)
    with service.database.write() as connection:
        users.set_password(connection, user_id, password_hash)
        sessions.remove_of_user(connection, user_id)
        _record(service, connection, actor, Action.PASSWORD_CHANGED, object_id=user_id, address=address)


def add_key(service: Service, actor: Actor, wanted: NewKey, *, address: str = "") -> tuple[ApiKey, str]:
    """Make an API key; returns it with what programs send, which cannot be shown again.

    Raises InvalidRequestError, AccessDeniedError.
    """
    now = service.clock()
    allowed = ROLE_PERMISSIONS[wanted.role]
    key = ApiKey(
        id=new_id(),
        name=wanted.name,
        role=wanted.role,
        scopes=wanted.scopes or allowed,
        created_ms=now,
        created_by=actor.id,
        teams=wanted.teams,
        expires_ms=wanted.expires_ms,
    )
    _check_key(key, now)
    _check_grant(actor, key.scopes, teams=key.teams)
    secret = new_secret()
    detail = {"role": key.role.value, "scopes": sorted(scope.value for scope in key.scopes), "teams": list(key.teams)}
    with service.database.write() as connection:
        api_keys.add(connection, key, secret_sha256=digest(secret))
        _record(
            service,
            connection,
            actor,
            Action.KEY_CREATED,
            object_id=key.id,
            address=address,
            detail=detail,
            object_kind="key",
        )
    return key, written_key(key.id, secret)


def list_keys(service: Service, *, limit: int, after: str = "") -> Page[ApiKey]:
    """List keys, newest first."""
    with service.database.read() as connection:
        return api_keys.page(connection, limit=limit, after=after)


def revoke_key(service: Service, actor: Actor, key_id: str, *, address: str = "") -> ApiKey:
    """Revoke a key for good; again, it changes nothing. Raises NotFoundError."""
    with service.database.write() as connection:
        api_keys.get(connection, key_id)
        if api_keys.revoke(connection, key_id, at_ms=service.clock()):
            _record(
                service,
                connection,
                actor,
                Action.KEY_REVOKED,
                object_id=key_id,
                address=address,
                object_kind="key",
            )
        return api_keys.get(connection, key_id)


def check_user(user: User) -> None:
    """Refuse a user whose fields are out of shape; raises InvalidRequestError."""
    _check_text("display_name", user.display_name, 1, 128)
    _check_text("agent_id", user.agent_id, 0, 128)
    _check_teams(user.teams)
    if len(user.contact) > _MOST_CONTACTS or not all(_CONTACT.fullmatch(one) for one in user.contact):
        raise InvalidRequestError(f"contact: at most {_MOST_CONTACTS} push addresses like `mailto://…`, `ntfy://…`.")
    if any("***" in one for one in user.contact):
        raise InvalidRequestError("contact: a push address is hidden; leave the field out to keep it.")
    if not _SHIFT.fullmatch(user.shift):
        raise InvalidRequestError("shift: `HH:MM-HH:MM`, or empty.")


def require_an_admin(active_admins: tuple[str, ...], after: User) -> None:
    """Refuse a change after which no active administrator is left; raises ConflictError.

    `active_admins` as `storage.users.lock_active` returned them in the same transaction.
    """
    if active_admins == (after.id,) and (after.disabled or after.role is not UserRole.ADMIN):
        raise ConflictError(
            "The last active administrator can be neither disabled nor given another role.",
            remedy="Make another administrator first.",
        )


def _check_key(key: ApiKey, now: int) -> None:
    _check_text("name", key.name, 1, 128)
    _check_teams(key.teams)
    if not key.scopes <= ROLE_PERMISSIONS[key.role]:
        raise InvalidRequestError("scopes: more than the role may do.")
    if key.role in {UserRole.AGENT, UserRole.SUPERVISOR} and not key.teams:
        raise InvalidRequestError("teams: a key of this role sees single teams only; name them.")
    if key.expires_ms is not None and key.expires_ms <= now:
        raise InvalidRequestError("expires_ms: lies in the past.")


def _check_grant(actor: Actor, permissions: frozenset[Permission], *, teams: tuple[str, ...]) -> None:
    """Refuse a key that would hand out more than it has; administrators who signed in may give any role."""
    if not actor.is_key:
        return
    within_reach = actor.reach.everything or (bool(teams) and set(teams) <= set(actor.reach.teams))
    if not permissions <= actor.permissions or not within_reach:
        raise AccessDeniedError("An API key cannot give more than it may do itself.")


def _check_teams(teams: tuple[str, ...]) -> None:
    if len(teams) > _MOST_TEAMS:
        raise InvalidRequestError(f"teams: more than {_MOST_TEAMS}.")
    for team in teams:
        _check_text("teams", team, 1, 128)


def _check_text(field: str, text: str, at_least: int, at_most: int) -> None:
    if not at_least <= len(text) <= at_most or not _TEXT.fullmatch(text):
        raise InvalidRequestError(f"{field}: {at_least} to {at_most} characters without control characters.")


def _refuse_unknown(fields: Mapping[str, Any]) -> None:
    unknown = set(fields) - CHANGEABLE
    if unknown:
        raise InvalidRequestError(f"Not a field that can be set: {', '.join(sorted(unknown))}.")


def _kind_of_change(before: User, after: User) -> Action:
    if before.disabled == after.disabled:
        return Action.USER_CHANGED
    return Action.USER_DISABLED if after.disabled else Action.USER_ENABLED


def _changed(before: User, after: User) -> Detail:
    """Names of changed fields; the role with its value, which is what an auditor asks for first."""
    names = sorted(name for name in CHANGEABLE if getattr(before, name) != getattr(after, name))
    role = {"role": after.role.value, "role_before": before.role.value} if before.role is not after.role else {}
    return {"fields": names, **role}


def _record(
    service: Service,
    connection: Connection,
    actor: Actor,
    action: Action,
    *,
    object_id: str,
    address: str,
    detail: Detail | None = None,
    object_kind: str = "user",
) -> None:
    record(
        connection,
        actor=actor,
        action=action,
        at_ms=service.clock(),
        object_kind=object_kind,
        object_id=object_id,
        address=address,
        detail=detail,
    )
