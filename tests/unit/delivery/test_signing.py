"""Signatures as the Standard Webhooks specification has them."""

from __future__ import annotations

import pytest

from qingting.delivery import signing
from qingting.errors import InvalidRequestError

# The example of the specification's reference libraries.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ID, SENT, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
HEADERS = {"webhook-id": ID, "webhook-timestamp": str(SENT), "webhook-signature": SIGNATURE}


def test_the_reference_example() -> None:
    assert signing.headers(SECRET, message_id=ID, body=BODY, at_seconds=SENT) == HEADERS


@pytest.mark.parametrize(
    ("changes", "body", "now", "good"),
    [
        ({}, BODY, SENT, True),
        ({}, BODY, SENT + 300, True),
        ({}, BODY, SENT - 300, True),
        ({}, BODY, SENT + 301, False),
        ({}, BODY, SENT - 301, False),
        ({}, BODY + b" ", SENT, False),
        ({"webhook-id": "msg_other"}, BODY, SENT, False),
        ({"webhook-id": ""}, BODY, SENT, False),
        ({"webhook-timestamp": str(SENT + 1)}, BODY, SENT, False),
        ({"webhook-timestamp": "soon"}, BODY, SENT, False),
        ({"webhook-timestamp": "１６１４２６５３３０"}, BODY, SENT, False),
        ({"webhook-timestamp": "9" * 5000}, BODY, SENT, False),
        ({"webhook-signature": ""}, BODY, SENT, False),
        ({"webhook-signature": SIGNATURE[3:]}, BODY, SENT, False),
        ({"webhook-signature": f"v1,AAAA {SIGNATURE}"}, BODY, SENT, True),
        ({"webhook-signature": "v1,错误"}, BODY, SENT, False),
    ],
)
def test_verifying(changes: dict[str, str], body: bytes, now: int, *, good: bool) -> None:
    assert signing.verify(SECRET, {**HEADERS, **changes}, body, at_seconds=now) is good


def test_names_of_headers_come_in_any_case() -> None:
    assert signing.verify(SECRET, {name.title(): value for name, value in HEADERS.items()}, BODY, at_seconds=SENT)


def test_another_secret_does_not_verify() -> None:
    assert not signing.verify(signing.new_secret(), HEADERS, BODY, at_seconds=SENT)


def test_secrets_are_new_each_time_and_long_enough() -> None:
    first, second = signing.new_secret(), signing.new_secret()
    assert first != second
    assert first.startswith("whsec_")
    assert len(first) >= len("whsec_") + 32


def test_a_malformed_secret_is_named() -> None:
    with pytest.raises(InvalidRequestError):
        signing.verify("whsec_????", HEADERS, BODY, at_seconds=SENT)
