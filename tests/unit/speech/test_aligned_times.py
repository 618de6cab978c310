"""What aligners do wrong, and what becomes of it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qingting.speech.aligned_times import RawWord, mended_times
from qingting.speech.word_times import times_are_sound


def raw(*times, probability=0.9):
    return [
        RawWord(text=chr(0x4E00 + index), start_ms=start, end_ms=end, probability=probability)
        for index, (start, end) in enumerate(times)
    ]


def times_of(words, length_ms=2000):
    return [(word.start_ms, word.end_ms) for word in mended_times(words, length_ms=length_ms)]


GOOD = [(0, 80), (80, 240), (400, 560), (560, 720), (720, 880), (960, 1120), (1120, 1280), (1280, 1440)]


def test_good_times_stay_as_they_are():
    assert times_of(raw(*GOOD)) == GOOD


def test_the_confidence_is_that_of_the_time_slots():
    assert {word.confidence for word in mended_times(raw(*GOOD, probability=0.7), length_ms=2000)} == {0.7}


@pytest.mark.parametrize(
    ("fault", "wrong", "mended"),
    [
        ("a start that jumps back", {3: (80, 720)}, {3: (560, 720)}),
        ("an end before its start", {3: (560, 400)}, {3: (560, 640)}),
        ("a word without length", {3: (560, 560)}, {3: (560, 720)}),
        ("two words at one moment", {3: (560, 560), 4: (560, 880)}, {3: (560, 760), 4: (760, 960)}),
        ("a word behind the end of the clip", {7: (1280, 2480)}, {7: (1280, 2000)}),
    ],
)
def test_single_faults_are_mended(fault, wrong, mended):
    times = times_of(raw(*[wrong.get(index, time) for index, time in enumerate(GOOD)]))
    for index, right in enumerate(GOOD):
        got = times[index]
        wanted = mended.get(index, right)
        assert got[0] < got[1]
        assert abs(got[0] - wanted[0]) <= 80, fault
        assert abs(got[1] - wanted[1]) <= 80, fault


def test_the_last_words_piled_up_at_the_end_get_room_before_it():
    piled = raw(*GOOD[:6], (2000, 2000), (2000, 2000))
    times = times_of(piled)
    assert times[:6] == GOOD[:6]
    assert times[6][0] >= GOOD[5][1]
    assert times[7][1] == 2000
    assert all(end - start >= 40 for start, end in times)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("most words at one moment", raw((0, 80), *[(400, 400)] * 6)),
        ("half of the words piled up at the end", raw(*GOOD[:4], *[(2000, 2000)] * 4)),
        ("times in reverse", raw(*reversed(GOOD))),
        ("a text that was not said", raw(*GOOD, probability=0.02)),
        ("no words", []),
    ],
)
def test_what_cannot_be_trusted_is_refused(fault, words):
    assert times_of(words) == [], fault


def test_more_words_than_milliseconds_are_refused():
    assert mended_times(raw(*GOOD), length_ms=7) == ()


EDGE = st.integers(-5, 40).map(lambda slot: slot * 80.0)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(EDGE, EDGE), min_size=1, max_size=30), st.integers(40, 3000))
def test_whatever_comes_the_answer_is_sound_or_empty(times, length_ms):
    words = mended_times(raw(*times), length_ms=length_ms)
    assert len(words) in (0, len(times))
    before = 0
    for word in words:
        assert before <= word.start_ms < word.end_ms <= length_ms
        before = word.end_ms
    assert not words or times_are_sound(words, length_ms)
