"""Users who come from the identity provider: made at the first sign-in, brought up to date at each."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from qingting.errors import ConflictError, NotSignedInError
from qingting.model.account import User, UserRole
from qingting.model.ids import new_id
from qingting.service.accounts import check_user, plain_name, require_an_admin
from qingting.service.auditing import Action, record
from qingting.service.signing_in import SignedIn, open_session
from qingting.storage import users

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from qingting.service.center import Service
    from qingting.settings.service import OidcSection

_PEOPLE = frozenset(UserRole) - {UserRole.INTEGRATOR}
"""Roles that a person may have."""


def sign_in_with_claims(service: Service, claims: Mapping[str, Any], *, address: str) -> SignedIn:
    """Open a session for whom the provider named.

    The role always is what the claims (or else `oidc.default_role`) say; teams and staff number stay as they
    are where their claims are missing. Raises NotSignedInError for a disabled user or one without a role,
    ConflictError when the last active administrator would lose the role.
    """
    fields = fields_of(claims, service.settings.oidc)
    for last in (False, True):
        try:
            with service.database.write() as connection:
                user = _brought_up_to_date(service, connection, claims, fields)
                if not user.disabled:
                    return open_session(service, connection, user, address=address, how="oidc")
                record(
                    connection,
                    actor=user.actor(),
                    action=Action.SIGN_IN_FAILED,
                    at_ms=service.clock(),
                    address=address,
                    detail={"reason": "disabled", "how": "oidc"},
                )
                break
        except _NameTakenError:
            # Somebody else was made at the same moment, perhaps this very person in another window.
            if last:
                raise ConflictError("A user of this name exists already.") from None
    raise NotSignedInError("The user has been disabled.", remedy="Ask an administrator.")


def fields_of(claims: Mapping[str, Any], settings: OidcSection) -> dict[str, Any]:
    """Return the fields of a user that claims give; raises NotSignedInError when they give no role or are malformed."""
    named = claims.get(settings.role_claim)
    roles = [one for one in _texts(named) if one in {role.value for role in _PEOPLE}]
    role = roles[0] if roles else settings.default_role
    if not role:
        raise NotSignedInError(
            "The identity provider names no role for this user.", remedy="Ask an administrator to assign one."
        )
    fields: dict[str, Any] = {"role": UserRole(role)}
    if settings.team_claim in claims:
        fields["teams"] = tuple(_texts(claims[settings.team_claim]))
    if settings.agent_claim in claims:
        fields["agent_id"] = next(iter(_texts(claims[settings.agent_claim])), "")
    display = next((str(claims[name]) for name in ("name", "preferred_username", "email") if claims.get(name)), "")
    display = "".join(character for character in display if character.isprintable())[:128].strip()
    if display:
        fields["display_name"] = display
    return fields


def _brought_up_to_date(
    service: Service, connection: Connection, claims: Mapping[str, Any], fields: Mapping[str, Any]
) -> User:
    subject = f"{service.settings.oidc.issuer}|{claims['sub']}"
    if len(subject) > 512 or not subject.isprintable():
        raise NotSignedInError("The identity provider gave an unusable name for this user.")
    admins = users.lock_active(connection, UserRole.ADMIN)
    known = users.by_subject(connection, subject)
    if known is None:
        return _made(service, connection, claims, subject, fields)
    after = replace(known, **fields)
    if not known.disabled and after != known:
        check_user(after)
        require_an_admin(admins, after)
        users.replace(connection, after)
        _record(service, connection, after, Action.USER_CHANGED)
    return after


def _made(
    service: Service, connection: Connection, claims: Mapping[str, Any], subject: str, fields: Mapping[str, Any]
) -> User:
    # A name that is taken belongs to somebody else: the provider's users never take over an account by name.
    tail = hashlib.sha256(subject.encode()).hexdigest()[:8]
    wished = next((str(claims[one]) for one in ("preferred_username", "email") if claims.get(one)), "")
    plain = plain_name(wished)
    names = [plain, f"{plain[:55]}-{tail}"] if plain else [f"oidc-{tail}"]
    name = next((one for one in names if users.by_name(connection, one) is None), names[-1])
    user = User(
        id=new_id(),
        name=name,
        created_ms=service.clock(),
        oidc_subject=subject,
        **{**fields, "display_name": fields.get("display_name") or name},
    )
    check_user(user)
    try:
        users.add(connection, user)
    except ConflictError:
        raise _NameTakenError from None
    _record(service, connection, user, Action.USER_CREATED)
    return user


def _record(service: Service, connection: Connection, user: User, action: Action) -> None:
    record(
        connection,
        actor=user.actor(),
        action=action,
        at_ms=service.clock(),
        object_kind="user",
        object_id=user.id,
        detail={"how": "oidc", "role": user.role.value},
    )


def _texts(claim: object) -> list[str]:
    """A claim as a list of texts: `a`, `a,b`, `["a", "b"]` or a number; raises NotSignedInError for anything else."""
    if claim is None:
        return []
    if isinstance(claim, str):
        return [part.strip() for part in claim.split(",") if part.strip()]
    if isinstance(claim, int) and not isinstance(claim, bool):
        return [str(claim)]
    if isinstance(claim, list) and all(isinstance(one, str) for one in claim):
        return [one.strip() for one in claim if one.strip()]
    raise NotSignedInError("The identity provider gave a malformed claim for this user.")


class _NameTakenError(Exception):
    """Two were made at once."""
