"""When a message that did not arrive is tried again."""

from __future__ import annotations

import hashlib

_SECONDS = (5, 30, 2 * 60, 10 * 60, 30 * 60, 3600, 2 * 3600, 5 * 3600, 10 * 3600)
"""Of the Standard Webhooks specification's example; the last one repeats."""
_JITTER = 0.2
"""Largest share by which a wait is longer: what failed together does not come back together."""


def wait_ms(delivery_id: str, attempts: int) -> int:
    """Return how long to wait after so many failed attempts (from 1); the same for the same message."""
    seconds = _SECONDS[min(attempts, len(_SECONDS)) - 1]
    digest = hashlib.sha256(f"{delivery_id}/{attempts}".encode()).digest()
    return round(seconds * 1000 * (1 + _JITTER * digest[0] / 255))
