"""People sign in and out; what they are told never says whether a user name exists."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from qingting.errors import AccessDeniedError, InvalidRequestError, NotSignedInError
from qingting.service import passwords
from qingting.service.accounts import plain_name
from qingting.service.auditing import Action, record
from qingting.service.credentials import digest, new_secret
from qingting.storage import sessions, users

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from qingting.model.account import Actor, User
    from qingting.service.center import Service
    from qingting.storage.users import SignInState

MAX_FAILURES = 10
LOCK_MS = 15 * 60_000
_REFUSED = "The user name or the password is wrong, or signing in is locked after too many failures."
_REMEDY = "Try again; after ten failures wait for 15 minutes, or ask an administrator for a new password."


@dataclass(frozen=True, kw_only=True)
class SignedIn:
    """A new session."""

    token: str
    """For the cookie; only its digest is stored."""
    expires_ms: int
    user: User


def sign_in(service: Service, *, name: str, password: str, address: str) -> SignedIn:
    """Open a session for a user name and password; raises NotSignedInError, always in the same words.

    Ten failures lock the user for 15 minutes; both are stored, so that all processes count together.
    """
    state = _state(service, name)
    # Unknown users cost a digest as well; outside of the transaction, since it takes long on purpose.
    right = passwords.matches(password, state.password_hash if state else "")
    renewed = passwords.hash_of(password) if state and right and passwords.is_outdated(state.password_hash) else ""
    with service.database.write() as connection:
        refused = _why_refused(service, connection, state, right=right)
        if state is None or refused:
            record(
                connection,
                actor=state.user.actor() if state else None,
                action=Action.SIGN_IN_FAILED,
                at_ms=service.clock(),
                address=address,
                detail={"reason": refused},
            )
            signed_in = None
        else:
            _forget_failures(connection, state, renewed)
            signed_in = open_session(service, connection, state.user, address=address, how="password")
    if signed_in is None:
        raise NotSignedInError(_REFUSED, remedy=_REMEDY)
    return signed_in


def open_session(service: Service, connection: Connection, user: User, *, address: str, how: str) -> SignedIn:
    """Open a session for a user whose identity is certain, in the caller's transaction."""
    now = service.clock()
    token = new_secret()
    expires_ms = now + int(service.settings.api.session_hours * 3_600_000)
    sessions.forget_expired(connection, now)
    sessions.add(connection, token_sha256=digest(token), user_id=user.id, created_ms=now, expires_ms=expires_ms)
    record(connection, actor=user.actor(), action=Action.SIGNED_IN, at_ms=now, address=address, detail={"how": how})
    return SignedIn(token=token, expires_ms=expires_ms, user=user)


def sign_out(service: Service, actor: Actor, *, token: str, address: str) -> None:
    """End a session."""
    with service.database.write() as connection:
        sessions.remove(connection, digest(token))
        record(connection, actor=actor, action=Action.SIGNED_OUT, at_ms=service.clock(), address=address)


def change_password(service: Service, actor: Actor, *, current: str, new: str, address: str) -> None:
    """Set the actor's own password and end all of their sessions.

    Raises AccessDeniedError for API keys, InvalidRequestError when the current password is wrong (it counts
    as a failed sign-in) or the new one too weak.
    """
    state = None if actor.is_key else _state(service, actor.name)
    if state is None:
        raise AccessDeniedError("Only a user has a password.")
    passwords.check_new(new, user_name=actor.name)
    right = passwords.matches(current, state.password_hash)
    renewed = passwords.hash_of(new)
    with service.database.write() as connection:
        refused = _why_refused(service, connection, state, right=right)
        if not refused:
            users.set_password(connection, actor.id, renewed)
            sessions.remove_of_user(connection, actor.id)
        record(
            connection,
            actor=actor,
            action=Action.SIGN_IN_FAILED if refused else Action.PASSWORD_CHANGED,
            at_ms=service.clock(),
            object_kind="user",
            object_id=actor.id,
            address=address,
            detail={"reason": refused} if refused else {},
        )
    if refused:
        raise InvalidRequestError("The current password is wrong, or locked after too many failures.", remedy=_REMEDY)


def _state(service: Service, name: str) -> SignInState | None:
    known = plain_name(name)
    if known is None:
        return None
    with service.database.read() as connection:
        return users.by_name(connection, known)


def _why_refused(service: Service, connection: Connection, state: SignInState | None, *, right: bool) -> str:
    """Decide once more under a lock: attempts made at the same time count one after the other."""
    if state is None:
        return "unknown"
    now = service.clock()
    current = users.lock(connection, state.user.id)
    if current.locked_until_ms is not None and current.locked_until_ms > now:
        return "locked"
    if right and current.password_hash == state.password_hash:
        return "disabled" if current.user.disabled else ""
    failures = current.failed_sign_ins + 1
    if failures >= MAX_FAILURES:
        users.set_failures(connection, state.user.id, 0, locked_until_ms=now + LOCK_MS)
    else:
        users.set_failures(connection, state.user.id, failures)
    return "password"


def _forget_failures(connection: Connection, state: SignInState, renewed: str) -> None:
    if renewed:
        users.set_password(connection, state.user.id, renewed)
    elif state.failed_sign_ins or state.locked_until_ms is not None:
        users.set_failures(connection, state.user.id, 0)
