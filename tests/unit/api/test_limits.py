"""Rate limits, and whose address is believed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import Request

from qingting.api.limits import Limits, TokenBuckets, address_of
from qingting.errors import TooManyRequestsError


class Clock:
    """A clock that stands still until told."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def refusals(buckets: TokenBuckets, key: str, times: int) -> list[int]:
    """How long each refused use should wait."""
    waits = []
    for _ in range(times):
        try:
            buckets.take(key)
        except TooManyRequestsError as error:
            waits.append(error.retry_after_seconds)
    return waits


def test_as_many_uses_as_a_minute_allows_then_a_wait() -> None:
    clock = Clock()
    buckets = TokenBuckets(6, clock=clock)
    assert refusals(buckets, "a", 8) == [10, 10]
    clock.seconds = 9.5
    assert refusals(buckets, "a", 1) == [1]
    clock.seconds = 10
    assert refusals(buckets, "a", 1) == []
    assert refusals(buckets, "a", 1) == [10]


def test_a_bucket_never_holds_more_than_a_minutes_worth() -> None:
    clock = Clock()
    buckets = TokenBuckets(6, clock=clock)
    buckets.take("a")
    clock.seconds = 100_000
    assert len(refusals(buckets, "a", 10)) == 4


def test_keys_do_not_take_from_each_other() -> None:
    buckets = TokenBuckets(2, clock=Clock())
    assert len(refusals(buckets, "a", 5)) == 3
    assert refusals(buckets, "b", 2) == []


def test_zero_is_no_limit() -> None:
    buckets = TokenBuckets(0, clock=Clock())
    assert refusals(buckets, "a", 1000) == []
    assert len(buckets) == 0


def test_memory_is_bounded_and_who_was_seen_last_stays() -> None:
    buckets = TokenBuckets(1, clock=Clock(), most_keys=100)
    buckets.take("kept")
    for number in range(5_000):
        buckets.take(f"key {number}")
        assert refusals(buckets, "kept", 1) == [60]
    assert len(buckets) == 100


def test_attempts_to_sign_in_count_by_address_and_by_name() -> None:
    limits = Limits(requests_per_minute=0, sign_ins_per_minute=3)
    for address in ("1.1.1.1", "2.2.2.2", "3.3.3.3"):
        limits.take_sign_in(address=address, name="Wang")
    with pytest.raises(TooManyRequestsError):
        limits.take_sign_in(address="4.4.4.4", name=" wang ")
    for name in ("a", "b"):
        limits.take_sign_in(address="1.1.1.1", name=name)
    with pytest.raises(TooManyRequestsError):
        limits.take_sign_in(address="1.1.1.1")


def request(peer: str | None, forwarded: list[str], trusted: tuple[str, ...]) -> Request:
    service = SimpleNamespace(settings=SimpleNamespace(api=SimpleNamespace(trusted_proxies=trusted)))
    scope: dict[str, Any] = {
        "type": "http",
        "headers": [(b"x-forwarded-for", value.encode()) for value in forwarded],
        "client": (peer, 1) if peer else None,
        "app": SimpleNamespace(state=SimpleNamespace(service=service)),
    }
    return Request(scope)


@pytest.mark.parametrize(
    ("peer", "forwarded", "trusted", "expected"),
    [
        ("9.9.9.9", [], (), "9.9.9.9"),
        ("9.9.9.9", ["1.1.1.1"], (), "9.9.9.9"),
        ("9.9.9.9", ["1.1.1.1"], ("10.0.0.1",), "9.9.9.9"),
        ("10.0.0.1", ["1.1.1.1"], ("10.0.0.1",), "1.1.1.1"),
        ("10.0.0.1", ["6.6.6.6, 1.1.1.1"], ("10.0.0.1",), "1.1.1.1"),
        ("10.0.0.1", ["6.6.6.6", "1.1.1.1"], ("10.0.0.1",), "1.1.1.1"),
        ("10.0.0.1", ["6.6.6.6, 1.1.1.1, 10.0.0.2"], ("10.0.0.0/8",), "1.1.1.1"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], ("10.0.0.0/8",), "10.0.0.3"),
        ("10.0.0.1", ["<script>, 10.0.0.2"], ("10.0.0.0/8",), "10.0.0.2"),
        ("10.0.0.1", ["evil"], ("10.0.0.0/8",), "10.0.0.1"),
        ("10.0.0.1", [], ("10.0.0.1",), "10.0.0.1"),
        ("::1", ["[2001:db8::1]"], ("::1",), "2001:db8::1"),
        ("proxy", ["1.1.1.1"], ("proxy", "not a network"), "1.1.1.1"),
        (None, ["1.1.1.1"], ("10.0.0.1",), ""),
    ],
)
def test_a_forwarded_address_counts_only_from_a_trusted_proxy(
    peer: str | None, forwarded: list[str], trusted: tuple[str, ...], expected: str
) -> None:
    assert address_of(request(peer, forwarded, trusted)) == expected
