"""What a live channel keeps: its latest sound under its times, in little memory, and a floor no cut changes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from qingting.audio._recent import RecentSound, RunningFloor
from qingting.audio.acoustics import channel_levels

LEAST = 2_560 * 8
"""Samples of 8 kHz for which there is always room."""


def line(samples: int) -> NDArray[np.int16]:
    """Sound of 8 kHz in which each sample tells its millisecond."""
    return (np.arange(samples) // 8 % 30_000).astype(np.int16)


def test_recent_sound_keeps_its_times() -> None:
    sound = RecentSound(8000)
    pcm = line(80_000)
    for first in range(0, pcm.size, 700):
        sound.append(pcm[first : first + 700])
        sound.forget_before(sound.until_ms - 1234)
    assert sound.until_ms == 10_000
    assert sound.from_ms == 8760
    assert sound.piece(9000, 9002).tolist() == [9000] * 8 + [9001] * 8
    assert sound.piece(0, 8761).tolist() == [8760] * 8
    assert sound.padded(8759, 8761).tolist() == [0] * 8 + [8760] * 8
    assert sound.padded(9999, 10_001).tolist() == [9999] * 8 + [0] * 8
    assert sound.padded(8000, 8002).tolist() == [0] * 16
    assert sound.padded(20_000, 20_002).tolist() == [0] * 16
    assert sound.piece(20_000, 30_000).size == 0
    assert sound.piece(9002, 9000).size == 0


@pytest.mark.parametrize("rate_hertz", [8000, 16_000])
@given(
    steps=st.lists(
        st.tuples(st.one_of(st.integers(1, 9), st.integers(1, 9000), st.integers(1, 480_000)), st.integers(-99, 4000)),
        min_size=1,
        max_size=40,
    )
)
@settings(max_examples=40, deadline=None)
def test_recent_sound_is_the_end_of_all_sound_however_it_came(rate_hertz: int, steps: list[tuple[int, int]]) -> None:
    sound, per_ms = RecentSound(rate_hertz), rate_hertz // 1000
    draw = np.random.default_rng(len(steps))
    pcm = draw.integers(-32_768, 32_767, sum(size for size, _ in steps)).astype(np.int16)
    at = 0
    for size, back_ms in steps:
        sound.append(pcm[at : at + size])
        at += size
        before_ms = sound.from_ms
        sound.forget_before(sound.until_ms - back_ms)
        assert sound.until_ms == at // per_ms
        assert sound.from_ms == max(before_ms, min(sound.until_ms - back_ms, sound.until_ms) // 10 * 10)
        assert np.array_equal(sound.piece(0, sound.until_ms + 1), pcm[sound.from_ms * per_ms : at])
        middle_ms = (sound.from_ms + sound.until_ms) // 2
        around = np.zeros((sound.until_ms + 7 - middle_ms) * per_ms, np.int16)
        around[: at - middle_ms * per_ms] = pcm[middle_ms * per_ms : at]
        assert np.array_equal(sound.padded(middle_ms, sound.until_ms + 7), around)


@pytest.mark.parametrize("piece_ms", [20, 100, 333, 400])
def test_a_quiet_channel_keeps_its_first_memory(piece_ms: int) -> None:
    sound, forget_at_ms = RecentSound(8000), 600
    memory = sound._buffer
    for _ in range(20_000 // piece_ms):
        if sound.until_ms >= forget_at_ms:
            sound.forget_before(sound.until_ms - 1200)
            forget_at_ms = sound.until_ms + 1000
        sound.append(line(piece_ms * 8))
    assert sound._buffer is memory
    assert memory.size == LEAST


def test_memory_grows_with_what_is_kept_and_is_given_back() -> None:
    sound = RecentSound(8000)
    pcm = line(30 * 8000)
    sizes = set()
    for first in range(0, pcm.size, 1600):
        sound.append(pcm[first : first + 1600])
        sizes.add(sound._buffer.size)
        assert sound._buffer.size <= max(LEAST, (first + 1600) * 3 // 2)
    assert 3 <= len(sizes) <= 10
    assert np.array_equal(sound.piece(0, 30_000), pcm)
    sound.forget_before(20_000)
    assert sound._buffer.size <= 2 * 10_000 * 8
    assert np.array_equal(sound.piece(0, 30_000), pcm[20_000 * 8 :])
    sound.forget_before(28_795)
    assert sound._buffer.size == LEAST
    sound.append(pcm[:1600])
    assert np.array_equal(sound.piece(0, 40_000), np.concatenate([pcm[28_790 * 8 :], pcm[:1600]]))


def test_a_piece_does_not_change_with_what_comes_later() -> None:
    sound = RecentSound(8000)
    sound.append(line(8000))
    piece, padded = sound.piece(100, 900), sound.padded(100, 900)
    for _ in range(LEAST // 800 + 1):
        sound.forget_before(sound.until_ms - 10)
        sound.append(np.full(800, -1, np.int16))
    expected = line(8000)[800:7200]
    assert np.array_equal(piece, expected)
    assert np.array_equal(padded, expected)


def changing(seconds: int, rate_hertz: int) -> NDArray[np.int16]:
    """Noise whose level and offset change every 70 ms."""
    draw = np.random.default_rng(seconds)
    parts = seconds * 1000 // 70 + 1
    level = np.repeat(10 ** draw.uniform(0, 4, parts), rate_hertz * 70 // 1000)[: seconds * rate_hertz]
    offset = np.repeat(draw.uniform(-900, 900, parts), rate_hertz * 70 // 1000)[: seconds * rate_hertz]
    return np.clip(draw.standard_normal(level.size) * level + offset, -32_768, 32_767).astype(np.int16)


def floor_of(pcm: NDArray[np.int16], rate_hertz: int, sizes: list[int]) -> RunningFloor:
    """The floor after sound that came in pieces of these sizes in turn, little of it being kept."""
    sound = RecentSound(rate_hertz)
    floor, at, turn = RunningFloor(rate_hertz, sound), 0, 0
    while at < pcm.size:
        size = sizes[turn % len(sizes)]
        sound.append(pcm[at : at + size])
        floor.hear()
        sound.forget_before(sound.until_ms - 1050)
        at, turn = at + size, turn + 1
    return floor


@pytest.mark.parametrize("rate_hertz", [8000, 16_000])
@given(sizes=st.lists(st.integers(40, 70_000), min_size=1, max_size=5))
@settings(max_examples=25, deadline=None)
def test_the_running_floor_does_not_depend_on_cuts(rate_hertz: int, sizes: list[int]) -> None:
    pcm = changing(9, rate_hertz)
    floor, whole = floor_of(pcm, rate_hertz, sizes), floor_of(pcm, rate_hertz, [pcm.size])
    assert np.array_equal(floor._counts, whole._counts)
    assert floor._counts.sum() == 900
    assert floor.dbfs == whole.dbfs


@pytest.mark.parametrize("rate_hertz", [8000, 16_000])
def test_the_running_floor_counts_the_levels_of_each_second(rate_hertz: int) -> None:
    pcm, warm = changing(6, rate_hertz), rate_hertz // 20
    pcm[: 3 * rate_hertz // 2] = 0
    levels = [channel_levels(pcm[:rate_hertz], rate_hertz)]
    seconds = range(rate_hertz, pcm.size, rate_hertz)
    levels += [channel_levels(pcm[at - warm : at + rate_hertz], rate_hertz)[5:] for at in seconds]
    bins = np.clip((np.concatenate(levels) + 100) * 10, 0, 1000).astype(np.int64)
    assert np.array_equal(floor_of(pcm, rate_hertz, [777])._counts, np.bincount(bins, minlength=1001))


def test_the_running_floor_is_that_of_the_acoustic_facts() -> None:
    pcm = changing(6, 8000)
    expected = float(np.percentile(channel_levels(pcm, 8000), 10))
    assert floor_of(pcm, 8000, [123]).dbfs == pytest.approx(expected, abs=0.3)


def test_before_the_first_second_the_floor_is_of_what_there_is() -> None:
    pcm = changing(1, 8000)[:7990]
    assert floor_of(pcm[:0], 8000, [1]).dbfs == floor_of(pcm[:79], 8000, [7]).dbfs == -100.0
    expected = float(np.percentile(channel_levels(pcm, 8000), 10))
    assert floor_of(pcm, 8000, [200]).dbfs == pytest.approx(expected, abs=0.6)
