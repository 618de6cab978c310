"""Waits between attempts."""

from __future__ import annotations

import pytest

from qingting.delivery.backoff import wait_ms


@pytest.mark.parametrize(
    ("attempts", "seconds"),
    [(1, 5), (2, 30), (3, 120), (4, 600), (5, 1800), (6, 3600), (7, 7200), (8, 18000), (9, 36000), (40, 36000)],
)
def test_waits_grow_and_stay_near_their_plan(attempts: int, seconds: int) -> None:
    waits = [wait_ms(f"id{n}", attempts) for n in range(50)]
    assert min(waits) >= seconds * 1000
    assert max(waits) <= seconds * 1200
    assert len(set(waits)) > 20  # what failed together comes back spread


def test_a_message_waits_the_same_wherever_it_is_computed() -> None:
    assert wait_ms("a", 3) == wait_ms("a", 3) != wait_ms("b", 3)
