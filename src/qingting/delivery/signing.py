"""Signs webhook messages as the Standard Webhooks specification (standardwebhooks.com) has it, and checks them.

Receivers that are written in Python may use `verify` as it is.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import re
from collections.abc import Mapping

from qingting.errors import InvalidRequestError

PREFIX = "whsec_"
TOLERANCE_SECONDS = 5 * 60
"""Older and newer messages are refused: a recorded one cannot be sent again later."""
_KEY_BYTES = 32


def new_secret() -> str:
    """Make the key of a subscription: `whsec_` and 32 random bytes in base64."""
    return PREFIX + base64.b64encode(os.urandom(_KEY_BYTES)).decode()


def headers(secret: str, *, message_id: str, body: bytes, at_seconds: int) -> dict[str, str]:
    """Return the three headers that go with a message; `at_seconds` since 1970."""
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(at_seconds),
        "webhook-signature": _signature(secret, message_id, str(at_seconds), body),
    }


def verify(secret: str, received: Mapping[str, str], body: bytes, *, at_seconds: float) -> bool:
    """Whether a message came from whoever knows the secret, unchanged, within five minutes of now.

    `received` are the request's headers, names in any case; `body` the bytes as they came; `at_seconds` is now.
    Raises InvalidRequestError when the secret itself is malformed.
    """
    named = {name.lower(): value for name, value in received.items()}
    message_id, sent = named.get("webhook-id", ""), named.get("webhook-timestamp", "")
    if not message_id or not re.fullmatch(r"[0-9]{1,12}", sent) or abs(int(sent) - at_seconds) > TOLERANCE_SECONDS:
        return False
    expected = _signature(secret, message_id, sent, body).encode()
    given = named.get("webhook-signature", "").split(" ")
    return any(hmac.compare_digest(one.encode(), expected) for one in given)


def _signature(secret: str, message_id: str, sent: str, body: bytes) -> str:
    signed = message_id.encode() + b"." + sent.encode() + b"." + body
    return "v1," + base64.b64encode(hmac.new(_key(secret), signed, hashlib.sha256).digest()).decode()


def _key(secret: str) -> bytes:
    try:
        return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidRequestError(
            "The secret of the webhook is malformed.", remedy="It is `whsec_` and base64."
        ) from None
