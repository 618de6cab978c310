"""Two tracks with their own clocks become one stream: aligned, never held up, nothing heard twice."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from qingting.live.tracks import LAG_MS, LONGEST_JUMP_MS, TrackJoiner

RATE = 8000
STEP = RATE // 50
IN, OUT = "inbound", "outbound"


def piece(number: int, size: int = STEP) -> NDArray[np.int16]:
    """Sound that tells which piece and sample it is; no sample is 0."""
    return (np.arange(size) + 1 + number * size).astype(np.int16)


class Call:
    """A joiner and all it has given."""

    def __init__(self, *names: str) -> None:
        self.joiner = TrackJoiner(RATE, names or (IN, OUT))
        self.given: list[NDArray[np.int16]] = []

    def add(self, name: str, samples: NDArray[np.int16], at_ms: int | None, number: int | None = None) -> None:
        self.given.append(self.joiner.add(name, samples, at_ms=at_ms, number=number))

    @property
    def now(self) -> NDArray[np.int16]:
        return np.concatenate(self.given, axis=1)

    def end(self) -> NDArray[np.int16]:
        self.given.append(self.joiner.finish())
        return self.now


def test_alternating_tracks_are_joined_without_loss_or_delay() -> None:
    call = Call()
    for number in range(50):
        call.add(IN, piece(number), number * 20, number + 1)
        call.add(OUT, piece(number) * -1, number * 20, number + 1)
        assert call.now.shape == (2, (number + 1) * STEP)
    got = call.end()
    assert np.array_equal(got, np.stack([piece(0, 50 * STEP), -piece(0, 50 * STEP)]))
    assert call.joiner.dropped_ms == 0


@given(
    order=st.lists(st.booleans(), min_size=60, max_size=60),
    sizes=st.lists(st.integers(1, LAG_MS // 2), min_size=30, max_size=30),
    numbered=st.booleans(),
)
def test_any_interleaving_and_cut_gives_the_same_call(order: list[bool], sizes: list[int], *, numbered: bool) -> None:
    """As long as no track lags by more than is waited for; pieces begin at whole milliseconds."""
    total = sum(sizes) * 8
    pcm = np.stack([piece(0, total), -piece(0, total)])
    call, at, numbers = Call(), {IN: 0, OUT: 0}, {IN: 0, OUT: 0}
    todo = {IN: list(sizes), OUT: list(reversed(sizes))}
    turns = [IN if one else OUT for one in order] + [IN, OUT] * 60
    for name in turns:
        other = OUT if name == IN else IN
        if not todo[name] or (todo[other] and at[name] + todo[name][0] - at[other] > LAG_MS):
            name = other
        if not todo[name]:
            continue
        size = todo[name].pop(0)
        row = pcm[0 if name == IN else 1]
        numbers[name] += 1
        call.add(name, row[at[name] * 8 : (at[name] + size) * 8], at[name], numbers[name] if numbered else None)
        at[name] += size
    got = call.end()
    for row, name in zip(got, (IN, OUT), strict=True):
        sent = pcm[0 if name == IN else 1][: at[name] * 8]
        assert np.array_equal(row[: sent.size], sent)
        assert not row[sent.size :].any()


def test_a_silent_track_holds_nobody_up() -> None:
    call = Call()
    for number in range(100):
        call.add(IN, piece(number), number * 20)
    assert call.now.shape[1] == 99 * STEP - LAG_MS * 8
    assert not call.now[1].any()
    call.add(OUT, piece(0), 2000)
    got = call.end()
    assert got.shape[1] == 101 * STEP
    assert np.array_equal(got[1, 2000 * 8 :], piece(0))
    assert np.array_equal(got[0, : 100 * STEP], piece(0, 100 * STEP))


@pytest.mark.parametrize("size", [STEP // 2, STEP, 50 * STEP])
def test_long_pieces_wait_for_those_of_the_other_track(size: int) -> None:
    call = Call()
    for number in range(4):
        call.add(IN, piece(number, size), number * size // 8)
        call.add(OUT, -piece(number, size), number * size // 8)
        assert call.now.shape[1] == (number + 1) * size
    assert np.array_equal(call.end(), np.stack([piece(0, 4 * size), -piece(0, 4 * size)]))


def test_words_after_a_pause_that_was_not_sent_stand_at_their_time() -> None:
    call = Call()
    call.add(IN, piece(0), 0, 1)
    call.add(OUT, piece(0), 0, 1)
    call.add(OUT, piece(1), 5000, 2)
    call.add(IN, piece(1), 5020, 2)
    got = call.end()
    assert np.array_equal(got[1, 5000 * 8 : 5020 * 8], piece(1))
    assert np.array_equal(got[0, 5020 * 8 : 5040 * 8], piece(1))
    assert np.count_nonzero(got[0]) == np.count_nonzero(got[1]) == 2 * STEP


@pytest.mark.parametrize(
    ("tremble", "numbered"), [([0, 13, -5, 5, 9, -8, 2, -3], False), ([0, 13, -17, 5, 39, -8, 22, -30], True)]
)
def test_trembling_clocks_make_no_seams(tremble: list[int], *, numbered: bool) -> None:
    call = Call(IN)
    for number in range(200):
        call.add(IN, piece(number), max(0, number * 20 + tremble[number % 8]), number if numbered else None)
    got = call.end()[0]
    assert np.array_equal(got[got != 0], piece(0, 200 * STEP))
    assert got.size <= 200 * STEP + 40 * 8


def test_repeated_pieces_are_dropped_and_counted() -> None:
    call = Call(IN)
    for number in range(10):
        call.add(IN, piece(number), number * 20, number + 1)
        call.add(IN, piece(number), number * 20, number + 1)
    assert np.array_equal(call.end()[0], piece(0, 10 * STEP))
    assert call.joiner.dropped_ms == 200


def test_without_times_numbers_tell_what_is_repeated() -> None:
    call = Call(IN)
    for number in (1, 2, 2, 1, 3):
        call.add(IN, piece(number), None, number)
    assert np.array_equal(call.end()[0], np.concatenate([piece(1), piece(2), piece(3)]))


def test_the_overlapping_part_of_a_piece_is_dropped() -> None:
    call = Call(IN)
    call.add(IN, piece(0, 1600), 0)
    call.add(IN, piece(0, 2400)[800:], 100)
    assert np.array_equal(call.end()[0], piece(0, 2400))
    assert call.joiner.dropped_ms == 100


def test_numbers_that_go_on_keep_sound_whose_clock_is_slow() -> None:
    call = Call(IN)
    for number in range(300):
        call.add(IN, piece(number), number * 15, number)
    got = call.end()[0]
    assert np.array_equal(got[got != 0], piece(0, 300 * STEP))


@pytest.mark.parametrize("lag_ms", [300, 900])
def test_a_track_that_always_lags_loses_no_word(lag_ms: int) -> None:
    """Its clock is right, but it arrives late: the others are not held up, and it is heard a little later."""
    call, late = Call(), lag_ms // 20
    for number in range(200):
        call.add(IN, piece(number), number * 20, number)
        if number >= late:
            call.add(OUT, piece(number - late), (number - late) * 20, number - late)
    got = call.end()
    heard = got[1][got[1] != 0]
    assert np.array_equal(heard, piece(0, (200 - late) * STEP))
    assert np.flatnonzero(got[1])[0] <= lag_ms * 8
    assert np.array_equal(got[0][: 200 * STEP], piece(0, 200 * STEP))


def test_a_late_burst_is_heard_and_both_tracks_stay_together() -> None:
    call = Call()
    for number in range(50):
        call.add(IN, piece(number), number * 20, number)
    for number in range(50):
        call.add(OUT, piece(number), number * 20, number)
    for number in range(50, 150):
        call.add(IN, piece(number), number * 20, number)
        call.add(OUT, piece(number), number * 20, number)
    got = call.end()
    places = [np.flatnonzero(row) for row in got]
    assert np.array_equal(got[0][places[0]], piece(0, 150 * STEP))
    assert np.array_equal(got[1][places[1]], piece(0, 150 * STEP))
    assert np.abs(places[0] - places[1])[-100 * STEP :].max() <= LAG_MS * 8 + STEP
    assert got.shape[1] <= (3000 + 1000) * 8


def test_a_pause_makes_up_for_what_came_late() -> None:
    call = Call()
    call.add(OUT, piece(0), 0)
    for number in range(50):
        call.add(IN, piece(number), number * 20)
    call.add(OUT, piece(1), 20)
    for number in range(50, 100):
        call.add(IN, piece(number), number * 20)
    call.add(OUT, piece(2), 1980)
    got = call.end()
    assert np.array_equal(got[1, 780 * 8 : 800 * 8], piece(1))
    assert np.array_equal(got[1, 1980 * 8 :], piece(2))


def test_a_jump_is_bounded_and_the_track_goes_on() -> None:
    call = Call()
    for number in range(10):
        call.add(IN, piece(number), number * 20, number)
        call.add(OUT, piece(number), number * 20, number)
    for number in range(10, 20):
        call.add(IN, piece(number), 10**12 + number * 20, number)
        call.add(OUT, piece(number), number * 20, number)
    got = call.end()
    assert got.shape[1] <= 21 * STEP
    assert np.array_equal(got[0][got[0] != 0], piece(0, 20 * STEP))
    assert np.array_equal(got[1, : 20 * STEP], piece(0, 20 * STEP))


def test_a_clock_that_begins_anew_is_followed() -> None:
    call = Call(IN)
    for number in range(300):
        call.add(IN, piece(number), (number % 150) * 20, number % 150)
    assert np.array_equal(call.end()[0], piece(0, 300 * STEP))


def test_a_call_begins_with_its_first_sound_whatever_the_clock_says() -> None:
    call = Call()
    call.add(IN, piece(0), 1_764_460_800_000)
    call.add(OUT, piece(0), 1_764_460_800_040)
    got = call.end()
    assert np.array_equal(got[0, :STEP], piece(0))
    assert np.array_equal(got[1, 2 * STEP :], piece(0))
    assert got.shape[1] == 3 * STEP


def test_pieces_that_never_came_are_counted_by_their_numbers_and_the_clock() -> None:
    call = Call()
    for number in range(100):
        if number not in range(10, 35):
            call.add(IN, piece(number), number * 20, number)
        if number not in (50, 60, 61, 62):
            call.add(OUT, piece(number), number * 20, number)
    assert call.joiner.missing_ms == 500 + 20 + 60
    got = call.end()
    assert not got[0, 10 * STEP : 35 * STEP].any()
    assert call.joiner.dropped_ms == 0


def test_a_pause_that_was_not_sent_is_nothing_missing() -> None:
    call = Call(IN)
    call.add(IN, piece(0), 0, 1)
    call.add(IN, piece(1), 5000, 2)
    call.add(IN, piece(2), 10**9, 3)
    assert call.joiner.missing_ms == 0


def test_without_a_clock_missing_pieces_count_as_long_as_the_next_one() -> None:
    call = Call(IN)
    for number in (1, 2, 6):
        call.add(IN, piece(number), None, number)
    assert call.joiner.missing_ms == 60
    call.add(IN, piece(7), None, 1 << 50)
    assert call.joiner.missing_ms == 60 + LONGEST_JUMP_MS


def test_an_unknown_track_is_refused() -> None:
    with pytest.raises(KeyError):
        Call().add("middle", piece(0), 0)


TIMES = st.one_of(st.none(), st.integers(0, 400), st.integers(0, 100_000), st.integers(0, 1 << 53))
NUMBERS = st.one_of(st.none(), st.integers(0, 20), st.integers(0, 1 << 53))


@given(sent=st.lists(st.tuples(st.sampled_from([IN, OUT]), st.integers(0, 500), TIMES, NUMBERS), max_size=40))
def test_whatever_comes_order_and_bounds_are_kept(sent: list[tuple[str, int, int | None, int | None]]) -> None:
    call = Call()
    begun = {IN: 1, OUT: 1}
    sound = {IN: [], OUT: []}
    for name, size, at_ms, number in sent:
        samples = np.arange(begun[name], begun[name] + size).astype(np.int16)
        begun[name] += size
        sound[name].append(samples)
        before = sum(one.shape[1] for one in call.given)
        call.add(name, samples, at_ms, number)
        assert call.given[-1].shape[1] <= (LONGEST_JUMP_MS + LAG_MS) * 8 + 2 * 500
        assert sum(one.shape[1] for one in call.given) >= before
    got = call.end()
    heard = {IN: got[0][got[0] != 0], OUT: got[1][got[1] != 0]}
    kept = sum(one.size for one in heard.values())
    assert kept + round(call.joiner.dropped_ms * 8) in range(begun[IN] + begun[OUT] - 2 - 8, begun[IN] + begun[OUT] - 1)
    for name in (IN, OUT):
        assert np.all(np.diff(heard[name].astype(int)) > 0), "order"
        assert set(heard[name].tolist()) <= set(range(1, begun[name]))
