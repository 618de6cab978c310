import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qingting.model.transcript import TimedText
from qingting.speech._units import units
from qingting.speech.word_times import spread_over, time_units, times_are_sound, voiced_stretches


def words(*rows: tuple[str, int, int]) -> tuple[TimedText, ...]:
    return tuple(TimedText(text=text, start_ms=start, end_ms=end, confidence=0.9) for text, start, end in rows)


def rows(timed) -> list[tuple[str, int, int]]:
    return [(c.text, c.start_ms, c.end_ms) for c in timed.characters]


def test_characters_keep_their_own_times_and_words_share_theirs():
    timed = time_units("我要退款。", words(("我", 0, 200), ("要", 200, 400), ("退款。", 500, 900)), length_ms=1000)
    assert rows(timed) == [("我", 0, 200), ("要", 200, 400), ("退", 500, 700), ("款", 700, 900)]
    assert not timed.spread
    assert {c.confidence for c in timed.characters} == {0.9}


def test_rewritten_numbers_share_the_time_of_what_they_replace():
    spoken = words(
        ("退", 0, 100), ("一", 100, 200), ("百", 200, 300), ("二", 300, 400), ("十", 400, 520), ("块", 520, 600)
    )
    timed = time_units("退120块。", spoken, length_ms=700)
    assert rows(timed)[0] == ("退", 0, 100)
    assert [c.text for c in timed.characters] == list("退120块")
    assert (timed.characters[1].start_ms, timed.characters[3].end_ms) == (100, 520)
    assert rows(timed)[-1] == ("块", 520, 600)


def test_traditional_words_still_match():
    timed = time_units("订单。", words(("訂", 0, 300), ("單", 300, 600)), length_ms=700)
    assert rows(timed) == [("订", 0, 300), ("单", 300, 600)]


def test_latin_words_are_one_unit():
    timed = time_units(
        "我的iPhone坏了。", words(("我的", 0, 200), ("iPhone", 200, 700), ("坏了", 700, 900)), length_ms=900
    )
    assert [c.text for c in timed.characters] == ["我", "的", "iPhone", "坏", "了"]
    assert rows(timed)[2] == ("iPhone", 200, 700)


@pytest.mark.parametrize(
    ("rows_", "length_ms", "sound"),
    [
        ([("好", 0, 200), ("的", 200, 400)], 500, True),
        ([("好", 0, 200), ("的", 200, 530)], 500, True),
        ([("好", 0, 200), ("的", 200, 600)], 500, False),
        ([("好", -100, 200), ("的", 200, 400)], 500, False),
        ([("好", 300, 400), ("的", 200, 400)], 500, False),
        ([("好", 200, 100), ("的", 200, 400)], 500, False),
        ([(c, 100, 120) for c in "我要退款"], 500, False),
        ([(c, 100, 120) for c in "我要退"], 500, True),
        ([("我", 100, 100), ("要", 200, 200), ("退", 300, 300)], 500, False),
        ([("我", 100, 100), ("要", 200, 300), ("退", 300, 400)], 500, True),
    ],
)
def test_times_are_checked(rows_, length_ms, sound):
    assert times_are_sound(words(*rows_), length_ms) is sound


def test_failing_times_are_spread_over_the_voiced_time():
    timed = time_units(
        "我要退款", words(*[(c, 100, 120) for c in "我要退款"]), length_ms=2000, voiced=((200, 600), (1000, 1400))
    )
    assert timed.spread
    assert rows(timed) == [("我", 200, 400), ("要", 400, 600), ("退", 1000, 1200), ("款", 1200, 1400)]


def test_missing_words_are_spread_over_the_clip_without_voice():
    timed = time_units("退款。", (), length_ms=800)
    assert timed.spread
    assert rows(timed) == [("退", 0, 400), ("款", 400, 800)]


@pytest.mark.parametrize(("text", "length_ms"), [("", 1000), ("。！", 1000), ("好", 0)])
def test_nothing_to_time(text, length_ms):
    timed = time_units(text, (), length_ms=length_ms)
    assert (timed.characters, timed.spread) == ((), False)


engine_words = st.lists(
    st.tuples(
        st.sampled_from(["好", "的", "退款，", "120", "OK", "一百", "。", " a"]),
        st.integers(-200, 4000),
        st.integers(-20, 900),
    ),
    max_size=25,
)


@given(st.text(alphabet="好的退款一百120OKa，。 ", max_size=40), engine_words, st.integers(1, 4000))
def test_every_unit_gets_one_time_in_order_inside_the_clip(text, raw, length_ms):
    given_words = words(*[(t, start, start + length) for t, start, length in raw])
    timed = time_units(text, given_words, length_ms=length_ms)
    expected = [unit.text for unit in units(text)]
    assert [c.text for c in timed.characters] == expected
    floor = 0
    for character in timed.characters:
        assert floor <= character.start_ms < character.end_ms
        floor = character.end_ms
    assert floor <= max(length_ms, len(expected))


def test_long_latin_words_take_more_of_a_spread():
    first, second = spread_over(units("好subscription"), (), 1000)
    assert second.end_ms - second.start_ms == pytest.approx(4 * (first.end_ms - first.start_ms), abs=3)


def test_voiced_stretches_follow_the_sound():
    rate = 16_000
    tone = (0.3 * np.sin(2 * np.pi * 200 * np.arange(rate) / rate)).astype(np.float32)
    quiet = np.zeros(rate // 2, np.float32)
    assert voiced_stretches(np.concatenate([quiet, tone, quiet, tone]), rate) == ((500, 1500), (2000, 3000))
    assert voiced_stretches(quiet, rate) == ()
    assert voiced_stretches(np.zeros(0, np.float32), rate) == ()
