"""Passwords: what is good enough, and how it is kept (Argon2id)."""

from __future__ import annotations

import threading
import unicodedata
from functools import cache
from typing import TYPE_CHECKING

from qingting.errors import InvalidRequestError

if TYPE_CHECKING:
    from argon2 import PasswordHasher

MIN_LENGTH = 10
MAX_LENGTH = 256
"""Characters; longer texts would cost time to digest, not add safety."""
_AT_ONCE = threading.BoundedSemaphore(4)
"""One hash takes 64 MiB: many attempts at once must not take the memory of everything else."""


@cache
def _hasher() -> PasswordHasher:
    """The library's defaults are the second recommended option of RFC 9106, section 4: 64 MiB, three passes."""
    from argon2 import PasswordHasher

    return PasswordHasher()


@cache
def _dummy_hash() -> str:
    return _hasher().hash("nobody has this password")


def check_new(password: str, *, user_name: str) -> None:
    """Refuse a password that is easy to guess; raises InvalidRequestError, which does not repeat it."""
    plain = _normalised(password)
    if not MIN_LENGTH <= len(plain) <= MAX_LENGTH:
        raise InvalidRequestError(f"A password has {MIN_LENGTH} to {MAX_LENGTH} characters.")
    if plain.casefold() == user_name.casefold():
        raise InvalidRequestError("A password must differ from the user name.")
    if len(set(plain)) < 4:  # aaaaaaaaaa, 1212121212
        raise InvalidRequestError("A password has at least four different characters.")


def hash_of(password: str) -> str:
    """Return what is stored of a password."""
    with _AT_ONCE:
        return _hasher().hash(_normalised(password))


def matches(password: str, password_hash: str) -> bool:
    """Whether a password is the one that was stored; takes as long for an empty hash, which nothing matches."""
    from argon2.exceptions import InvalidHashError, VerificationError

    given = _normalised(password[: 4 * MAX_LENGTH])
    with _AT_ONCE:
        try:
            return _hasher().verify(password_hash or _dummy_hash(), given) and bool(password_hash)
        except (VerificationError, InvalidHashError):
            return False


def is_outdated(password_hash: str) -> bool:
    """Whether a hash was made with other parameters than today's."""
    return _hasher().check_needs_rehash(password_hash)


def _normalised(password: str) -> str:
    # Input methods write the same character in several ways (full width, composed), see RFC 8265.
    return unicodedata.normalize("NFKC", password)
