from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qingting.model.transcript import TimedText
from qingting.speech.packing import Placed, Window, pack, unpack

lengths = st.lists(st.integers(0, 29_000), max_size=40)


def word(text: str, start: int, end: int) -> TimedText:
    return TimedText(text=text, start_ms=start, end_ms=end)


@given(lengths, st.integers(0, 1000), st.integers(1000, 28_000))
def test_every_clip_lies_in_exactly_one_window_in_order(lengths_ms, gap, limit):
    windows = pack(lengths_ms, limit_ms=limit, gap_ms=gap)
    placed = [place for window in windows for place in window.placed]
    assert [place.clip for place in placed] == list(range(len(lengths_ms)))
    assert [place.end_ms - place.start_ms for place in placed] == lengths_ms


@given(lengths, st.integers(0, 1000), st.integers(1000, 28_000))
def test_windows_keep_limit_and_gap(lengths_ms, gap, limit):
    for window in pack(lengths_ms, limit_ms=limit, gap_ms=gap):
        assert window.length_ms <= limit or len(window.placed) == 1
        for earlier, later in pairwise(window.placed):
            assert later.start_ms - earlier.end_ms == gap


@given(lengths, st.integers(0, 600))
def test_packing_wastes_no_window(lengths_ms, gap):
    windows = pack(lengths_ms, limit_ms=20_000, gap_ms=gap)
    for window, following in pairwise(windows):
        first = following.placed[0]
        assert window.length_ms + gap + first.end_ms - first.start_ms > 20_000


words_anywhere = st.lists(
    st.tuples(st.text("好的，。退款a ", min_size=1, max_size=3), st.integers(-500, 40_000), st.integers(-50, 3000)),
    max_size=60,
)


@given(st.lists(st.integers(0, 9000), min_size=1, max_size=12), st.integers(0, 600), words_anywhere)
def test_every_word_goes_to_exactly_one_clip_and_order_is_kept(lengths_ms, gap, raw):
    (window,) = pack(lengths_ms, limit_ms=10**6, gap_ms=gap)
    words = [word(text, start, start + length) for text, start, length in raw]
    parts = unpack(window, words)
    assert len(parts) == len(lengths_ms)
    assert [w.text for part in parts for w in part] == [w.text for w in words]
    for place, part in zip(window.placed, parts, strict=True):
        assert all(0 <= w.start_ms <= w.end_ms <= place.end_ms - place.start_ms for w in part)


@given(st.lists(st.integers(400, 5000), min_size=1, max_size=10), st.integers(100, 600))
def test_words_well_inside_their_clip_come_back_to_it(lengths_ms, gap):
    (window,) = pack(lengths_ms, limit_ms=10**6, gap_ms=gap)
    words = [word(f"w{p.clip}", p.start_ms + 100, p.start_ms + 300) for p in window.placed]
    assert unpack(window, words) == tuple((word(f"w{i}", 100, 300),) for i in range(len(lengths_ms)))


TWO = Window(placed=(Placed(clip=0, start_ms=0, end_ms=1000), Placed(clip=1, start_ms=1300, end_ms=2300)))


@pytest.mark.parametrize(
    ("words", "first", "second"),
    [
        ([word("好", 800, 1000), word("的", 1100, 1300)], "好", "的"),
        ([word("好", 800, 1100), word("的。", 1100, 1300), word("我", 1500, 1700)], "好的。", "我"),
        ([word("好。", 900, 1140), word("我", 1080, 1180), word("要", 1500, 1700)], "好。", "我要"),
        ([word("好，", 300, 500), word("我", 600, 800), word("要", 1500, 1700)], "好，我", "要"),
        ([word("退", 1400, 1500), word("款", 1500, 1700)], "", "退款"),
        ([word("退", 100, 300), word("款", 300, 700)], "退款", ""),
    ],
)
def test_boundary_words_go_to_the_nearer_clip_and_follow_punctuation(words, first, second):
    a, b = unpack(TWO, words)
    assert ("".join(w.text for w in a), "".join(w.text for w in b)) == (first, second)


def test_negative_lengths_are_refused():
    with pytest.raises(ValueError, match="negative"):
        pack([100, -1], limit_ms=1000, gap_ms=0)
    with pytest.raises(ValueError, match="negative"):
        pack([100], limit_ms=1000, gap_ms=-1)


def test_nothing_packs_to_nothing():
    assert pack([], limit_ms=1000, gap_ms=100) == ()
