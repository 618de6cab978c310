"""Times of messages: what is read, and what is no time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qingting.chat.times import MessageTime, TimeKind, in_order, parse_time


@pytest.mark.parametrize(
    ("value", "kind", "seconds"),
    [
        (0, TimeKind.OFFSET, 0.0),
        (12.5, TimeKind.OFFSET, 12.5),
        ("12.5", TimeKind.OFFSET, 12.5),
        (1714528800, TimeKind.WORLD, 1714528800.0),
        (1714528800123, TimeKind.WORLD, 1714528800.123),
        ("1714528800123", TimeKind.WORLD, 1714528800.123),
        ("10:03", TimeKind.CLOCK, 36_180.0),
        ("10:03:05.5", TimeKind.CLOCK, 36_185.5),
        ("2024-05-01T10:00:00+08:00", TimeKind.WORLD, 1714528800.0),
        ("2024-05-01T02:00:00Z", TimeKind.WORLD, 1714528800.0),
        ("2024-05-01 02:00:00", TimeKind.LOCAL, 1714528800.0),
        ("2024/5/1 2:00", TimeKind.LOCAL, 1714528800.0),
        ("2024年5月1日 02:00:00", TimeKind.LOCAL, 1714528800.0),
        ("2024-05-01T02:00:00.250", TimeKind.LOCAL, 1714528800.25),
        ("Wed, 01 May 2024 10:00:00 +0800", TimeKind.WORLD, 1714528800.0),
    ],
)
def test_times_are_read(value: object, kind: TimeKind, seconds: float) -> None:
    time = parse_time(value)
    assert (time.kind, round(time.seconds, 3)) == (kind, seconds)
    assert bool(time.iso) == (kind in (TimeKind.WORLD, TimeKind.LOCAL))


@pytest.mark.parametrize(
    "value",
    [None, True, [], -1, float("nan"), float("inf"), 10**400, "", "昨天", "25:00", "10:61", "2024-13-01 10:00",
     "2024-02-30 10:00", "2024-05-01", "1e5", "2024-05-01 25:00:00", "2024-05-01T10:00:00+99:99"],
)  # fmt: skip
def test_what_is_no_time(value: object) -> None:
    with pytest.raises(ValueError, match="is n"):
        parse_time(value)


def test_a_clock_passes_midnight() -> None:
    times = [MessageTime(kind=TimeKind.CLOCK, seconds=at) for at in (86_000, 86_399, 5, 100)]
    assert in_order(times) == [86_000, 86_399, 86_405, 86_500]


@given(st.text(max_size=40) | st.floats() | st.integers())
def test_anything_is_a_time_or_a_value_error(value: object) -> None:
    try:
        assert parse_time(value).seconds == parse_time(value).seconds
    except ValueError as error:
        assert str(value) not in str(error) or not str(value).strip() or len(str(value)) < 3  # noqa: PT017
