"""A finding is as sure as the weakest thing it rests on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from qingting.analysis.confidence import FLAGGED, confidence_of
from qingting.analysis.wording import at, quoted, seconds
from qingting.model.call import Role
from qingting.model.transcript import Flag, Utterance

SURE = Utterance(
    index=0,
    party="left",
    role=Role.AGENT,
    role_confidence=1.0,
    start_ms=32_000,
    end_ms=33_000,
    text="您好",
    confidence=1.0,
)


def test_nothing_doubtful_gives_full_confidence_without_reasons() -> None:
    assert confidence_of([SURE]).value == 1.0
    assert confidence_of([SURE]).reasons == ()
    assert confidence_of([]).value == 1.0
    assert confidence_of([replace(SURE, confidence=None, flags=(Flag.SIMPLIFIED, Flag.TIMES_SPREAD))]).reasons == ()


def test_the_lowest_doubt_decides_and_every_kind_leaves_its_reason() -> None:
    doubtful = [replace(SURE, confidence=0.7), replace(SURE, confidence=0.6, role_confidence=0.8), SURE]
    sure = confidence_of(doubtful, rule=0.9, rule_reason="规则")
    assert sure.value == 0.6
    assert len(sure.reasons) == 3
    assert "0.60" in sure.reasons[0]
    assert sure.reasons[2] == "规则"


@pytest.mark.parametrize("flag", [flag for flag in Flag if flag.doubtful])
def test_doubtful_flags_lower_the_confidence(flag: Flag) -> None:
    sure = confidence_of([replace(SURE, flags=(flag,))])
    assert sure.value == FLAGGED
    assert flag.chinese in sure.reasons[0]
    assert "第0分32秒" in sure.reasons[0]


def test_findings_on_times_alone_do_not_doubt_the_words_but_the_roles() -> None:
    doubtful = replace(SURE, confidence=0.2, flags=(Flag.LOOP,), role_confidence=0.5)
    sure = confidence_of([doubtful], words=False)
    assert (sure.value, len(sure.reasons)) == (0.5, 1)


@pytest.mark.parametrize(
    ("ms", "text"), [(0, "第0分00秒"), (32_999, "第0分32秒"), (60_000, "第1分00秒"), (3_600_000, "第60分00秒")]
)
def test_moments(ms: int, text: str) -> None:
    assert at(ms) == text


@pytest.mark.parametrize(
    ("ms", "text"), [(9000, "9秒"), (9040, "9秒"), (1234, "1.2秒"), (9999, "10秒"), (75_400, "75秒"), (0, "0秒")]
)
def test_lengths(ms: int, text: str) -> None:
    assert seconds(ms) == text


def test_long_quotes_are_shortened_in_the_middle() -> None:
    assert quoted("好的，") == "“好的”"
    assert quoted("一二三四五六七八九十", 4) == "“一二……九十”"
