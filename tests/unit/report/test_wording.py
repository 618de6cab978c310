"""Times, lengths and points as Chinese readers write them."""

from __future__ import annotations

import pytest

from qingting.report import wording


@pytest.mark.parametrize(
    ("ms", "clock", "moment"),
    [
        (0, "00:00", "第0分00秒"),
        (59_999, "00:59", "第0分59秒"),
        (60_000, "01:00", "第1分00秒"),
        (192_000, "03:12", "第3分12秒"),
        (3_725_000, "1:02:05", "第62分05秒"),
    ],
)
def test_times(ms, clock, moment):
    assert (wording.clock(ms), wording.moment(ms)) == (clock, moment)


@pytest.mark.parametrize(
    ("ms", "text"),
    [(0, "0秒"), (8200, "8.2秒"), (8000, "8秒"), (59_960, "1分钟"), (60_000, "1分钟"), (192_400, "3分12秒")],
)
def test_lengths(ms, text):
    assert wording.duration(ms) == text


@pytest.mark.parametrize(("value", "text"), [(0.0, "0"), (-0.0, "0"), (-3.0, "−3"), (1.5, "+1.5"), (-0.3, "−0.3")])
def test_points(value, text):
    assert wording.signed(value) == text


def test_unknown_codes_stay_as_they_are():
    assert (wording.language("yue"), wording.language("fi")) == ("粤语", "fi")
    assert wording.direction("sideways") == "sideways"
    assert wording.dimension("x", {}) == "x"
