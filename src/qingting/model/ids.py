"""Identifiers that the service makes: unique, unguessable, in order of time."""

from __future__ import annotations

import os
import time

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford's base 32 in small letters: no i, l, o, u to misread."""
ID_LENGTH = 26


def new_id() -> str:
    """Make an identifier of 26 letters and digits: 48 bits of time in milliseconds, 80 random bits (a ULID)."""
    value = (time.time_ns() // 1_000_000 << 80) | int.from_bytes(os.urandom(10))
    return "".join(_ALPHABET[value >> 5 * place & 31] for place in range(ID_LENGTH - 1, -1, -1))
