"""Quiet hours and shifts, also over midnight and where clocks change."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from qingting.delivery.hours import on_shift, parse_hours
from qingting.errors import InvalidRequestError

SHANGHAI, BERLIN = ZoneInfo("Asia/Shanghai"), ZoneInfo("Europe/Berlin")


def at(text: str, zone: ZoneInfo = SHANGHAI) -> datetime:
    return datetime.fromisoformat(f"2026-{text}").replace(tzinfo=zone)


@pytest.mark.parametrize(
    ("hours", "moment", "end"),
    [
        ("12:00-14:00", "11-30T11:59:59", None),
        ("12:00-14:00", "11-30T12:00", "11-30T14:00"),
        ("12:00-14:00", "11-30T13:59:59", "11-30T14:00"),
        ("12:00-14:00", "11-30T14:00", None),
        ("22:00-07:30", "11-30T21:59", None),
        ("22:00-07:30", "11-30T22:00", "12-01T07:30"),
        ("22:00-07:30", "11-30T23:59:59", "12-01T07:30"),
        ("22:00-07:30", "12-01T00:00", "12-01T07:30"),
        ("22:00-07:30", "12-01T07:29:59", "12-01T07:30"),
        ("22:00-07:30", "12-01T07:30", None),
        ("22:00-24:00", "11-30T23:30", "12-01T00:00"),
        ("22:00-24:00", "11-30T00:00", None),
        ("22:00-00:00", "11-30T23:30", "12-01T00:00"),
        ("00:00-24:00", "11-30T00:00", "12-01T00:00"),
        ("08:00-08:00", "11-30T07:59", "11-30T08:00"),
        ("08:00-08:00", "11-30T08:00", "12-01T08:00"),
        ("23:00-01:00", "12-31T23:30", "2027-01-01T01:00"),
    ],
)
def test_hours_hold_from_their_start_until_before_their_end(hours: str, moment: str, end: str | None) -> None:
    found = parse_hours(hours)
    assert found is not None
    assert found.hold(at(moment)) is (end is not None)
    if end is not None:
        wanted = at(end) if not end.startswith("2027") else datetime.fromisoformat(end).replace(tzinfo=SHANGHAI)
        assert found.end_after(at(moment)) == wanted


def test_the_wall_clock_decides_in_the_night_of_the_change() -> None:
    found = parse_hours("22:00-07:00")
    assert found is not None
    evening, morning = at("10-24T22:30", BERLIN), at("10-25T07:00", BERLIN)
    assert found.end_after(evening).timestamp() == morning.timestamp()
    assert morning.timestamp() - evening.timestamp() == 9.5 * 3600  # an hour longer than other nights


@pytest.mark.parametrize("text", ["25:00-07:00", "22:00", "22-07", "22:00-07:60", "24:00-07:00", "２２:00-07:00", " "])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(InvalidRequestError):
        parse_hours(text)


def test_no_text_is_no_hours() -> None:
    assert parse_hours("") is None


@pytest.mark.parametrize(
    ("shift", "moment", "works"),
    [
        ("", "11-30T03:00", True),
        ("09:00-18:00", "11-30T03:00", False),
        ("09:00-18:00", "11-30T09:00", True),
        ("22:00-06:00", "11-30T03:00", True),
        ("nonsense", "11-30T03:00", True),
    ],
)
def test_a_shift(shift: str, moment: str, *, works: bool) -> None:
    assert on_shift(shift, at(moment)) is works
