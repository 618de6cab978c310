"""Tells who makes a request, from a session's token or an API key; both are random, so a fast digest keeps them."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING

from qingting.errors import NotSignedInError, StorageError
from qingting.model.ids import ID_LENGTH
from qingting.storage import api_keys, sessions

if TYPE_CHECKING:
    from qingting.model.account import Actor
    from qingting.service.center import Service

_SECRET_BYTES = 32
_USE_NOTED_EVERY_MS = 60_000
_KEY = re.compile(rf"qt_([0-9a-z]{{{ID_LENGTH}}})_([0-9a-f]{{{2 * _SECRET_BYTES}}})")
_TOKEN = re.compile(rf"[0-9a-f]{{{2 * _SECRET_BYTES}}}")


def new_secret() -> str:
    """Make 256 random bits as 64 hexadecimal digits."""
    return secrets.token_hex(_SECRET_BYTES)


def digest(secret: str) -> str:
    """What is stored of a secret: its SHA-256, hexadecimal."""
    return hashlib.sha256(secret.encode()).hexdigest()


def written_key(key_id: str, secret: str) -> str:
    """Write an API key as programs send it: `qt_<id>_<secret>`."""
    return f"qt_{key_id}_{secret}"


def actor_of_session(service: Service, token: str) -> Actor:
    """Return whose session this is; raises NotSignedInError for a token that is unknown, expired or of no use."""
    if _TOKEN.fullmatch(token):
        with service.database.read() as connection:
            user = sessions.user_of_token(connection, digest(token), now_ms=service.clock())
        if user is not None:
            return user.actor()
    raise NotSignedInError("The session has ended.")


def actor_of_key(service: Service, written: str) -> Actor:
    """Return the key as an actor; raises NotSignedInError when it is unknown, expired, revoked or its maker disabled.

    The answer does not tell which.
    """
    now = service.clock()
    parts = _KEY.fullmatch(written)
    state = None
    if parts:
        with service.database.read() as connection:
            state = api_keys.find(connection, parts[1])
    if parts is None or state is None or not hmac.compare_digest(digest(parts[2]), state.secret_sha256):
        raise NotSignedInError("The API key is not valid.")
    key = state.key
    if state.maker_disabled or key.revoked_ms is not None or (key.expires_ms is not None and key.expires_ms <= now):
        raise NotSignedInError("The API key is not valid.")
    if key.last_used_ms is None or key.last_used_ms <= now - _USE_NOTED_EVERY_MS:
        # Reading must go on while the database takes no writes.
        with suppress(StorageError), service.database.write() as connection:
            api_keys.note_use(connection, key.id, at_ms=now, at_most_every_ms=_USE_NOTED_EVERY_MS)
    return key.actor()
