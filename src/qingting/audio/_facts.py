"""Compiled figures of a speech span: loudness, pauses, pitch; percentiles and sums are those of numpy, bit for bit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from qingting.audio._compile import exact_kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SPEECH_RANGE_DB = 30.0
"""Speech frames lie within so many dB of the span's loud parts (its 95th percentile) ..."""
_OVER_NOISE_DB = 8.0
"""... and so far over the channel's noise floor ..."""
_LEAST_RANGE_DB = 12.0
"""... but frames this near to the loud parts are always speech, however noisy the channel."""
_REACH_SEMITONES = np.float32(10.0)
"""Nobody's voice goes further from its middle within one utterance; an octave error does."""
_SLOPE_STEPS = 30
_LEAST_SLOPE_STEPS = 5
_SILENCE_DBFS = np.float32(-100.0)


@exact_kernel
def _select(values: NDArray[np.float32], place: int) -> None:
    """Reorder so that the value of this rank is in its place, none larger before it and none smaller behind it."""
    low, high = 0, values.shape[0] - 1
    while low < high:
        pivot = values[(low + high) // 2]
        i, j = low, high
        while i <= j:
            while values[i] < pivot:
                i += 1
            while values[j] > pivot:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if place <= j:
            high = j
        elif place >= i:
            low = i
        else:
            return


@exact_kernel
def _around(values: NDArray[np.float32], share: float) -> tuple[Any, Any, float]:
    """The values below and above a share of all, and how far between them it lies; reorders `values`."""
    exact = (values.shape[0] - 1) * share
    below = int(exact)
    _select(values, below)
    low = high = values[below]
    if below + 1 < values.shape[0]:
        high = values[below + 1 :].min()
    return low, high, exact - below


@exact_kernel
def percentile(values: NDArray[np.float32], share: float) -> Any:
    """np.percentile(values, [100 * share]), linear, of at least one value; reorders `values`."""
    low, high, part = _around(values, share)
    apart = float(high - low)
    return high - apart * (1.0 - part) if part >= 0.5 else low + apart * part


@exact_kernel
def percentile_single(values: NDArray[np.float32], share: float) -> Any:
    """np.percentile(values, 100 * share), which numpy interpolates in float32; reorders `values`."""
    low, high, part = _around(values, share)
    apart = high - low
    return high - apart * np.float32(1.0 - part) if part >= 0.5 else low + apart * np.float32(part)


@exact_kernel
def median(values: NDArray[np.float32]) -> Any:
    """np.median of at least one value; reorders `values`."""
    half = values.shape[0] // 2
    _select(values, half)
    if values.shape[0] % 2:
        return values[half]
    return (values[:half].max() + values[half]) / np.float32(2.0)


@exact_kernel
def _total(values: NDArray[Any]) -> Any:
    """np.sum of at most 128 values, in numpy's order; the type is that of the values."""
    size = values.shape[0]
    total = values[0] - values[0]
    if size < 8:
        for i in range(size):
            total += values[i]
        return total
    sums = values[:8].copy()
    done = size - size % 8
    for i in range(8, done):
        sums[i % 8] += values[i]
    total = ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]))
    for i in range(done, size):
        total += values[i]
    return total


@exact_kernel
def loud_steps(
    levels: NDArray[np.float32],
    floor_dbfs: float,
    pause_steps: int,
    speech: NDArray[np.bool_],
    tenths: NDArray[np.float32],
    pauses: NDArray[np.int64],
) -> tuple[int, int, float]:
    """Tell speech from silence by the levels of a span's steps, at least one, dBFS.

    Fills `speech` for each step, `tenths` with the levels of the speech divided by 10, `pauses` with the lengths of
    the silences of `pause_steps` or more between speech (those at the edges are padding); all have room for each step.
    Returns the number of speech steps, that of pauses, and the 90th minus the 10th percentile of the speech, dB.
    """
    values = levels.copy()
    loud = float(percentile_single(values, 0.95))
    bar = np.float32(min(max(loud - _SPEECH_RANGE_DB, floor_dbfs + _OVER_NOISE_DB), loud - _LEAST_RANGE_DB))
    count, paused, silent = 0, 0, 0
    for i in range(levels.shape[0]):
        speech[i] = levels[i] >= bar
        if not speech[i]:
            silent += 1
            continue
        if count > 0 and silent >= pause_steps:
            pauses[paused] = silent
            paused += 1
        values[count], tenths[count] = levels[i], levels[i] / np.float32(10.0)
        count += 1
        silent = 0
    spoken = values[:count]
    return count, paused, percentile(spoken, 0.9) - percentile(spoken, 0.1)


@exact_kernel
def voiced_steps(pitch: NDArray[np.float32], places: NDArray[np.int64], hertz: NDArray[np.float32]) -> int:
    """Fill `places` and `hertz` with the steps that have a pitch, and with that; returns how many."""
    count = 0
    for i in range(pitch.shape[0]):
        if pitch[i] != 0.0:
            places[count], hertz[count] = i, pitch[i]
            count += 1
    return count


@exact_kernel
def pitch_figures(
    places: NDArray[np.int64], octaves: NDArray[np.float32], step_seconds: float
) -> tuple[int, float, np.float32, float]:
    """Figures of the pitch of voiced steps, given as logarithm to base 2, without steps octaves away from its median.

    Returns the number of steps left, their 90th minus 10th percentile and their median in semitones, and the slope of
    the last 300 ms of them in semitones per second, not a number where they are too few. Reorders `places`.
    """
    tones = octaves * np.float32(12.0)
    if tones.shape[0] == 0:
        return 0, 0.0, np.float32(0.0), np.nan
    middle = median(tones.copy())
    count = 0
    for i in range(tones.shape[0]):
        if abs(tones[i] - middle) <= _REACH_SEMITONES:
            places[count], tones[count] = places[i], tones[i]
            count += 1
    if count == 0:
        return 0, 0.0, np.float32(0.0), np.nan
    last = max(0, count - _SLOPE_STEPS)
    slope = _slope(places[last:count], tones[last:count], step_seconds) if count >= _LEAST_SLOPE_STEPS else np.nan
    near = tones[:count]
    middle = median(near)
    return count, percentile(near, 0.9) - percentile(near, 0.1), middle, slope


@exact_kernel
def _slope(places: NDArray[np.int64], tones: NDArray[np.float32], step_seconds: float) -> Any:
    """Slope of the least-squares line, tones per second."""
    size = places.shape[0]
    seconds = (places - places.sum() / size) * step_seconds
    rises = tones - _total(tones) / np.float32(size)
    return _total(seconds * rises) / _total(seconds * seconds)


@exact_kernel
def _recent_peaks(levels: NDArray[np.float32], first: int, reach: int) -> NDArray[np.float32]:
    """Highest level of each step from `first` on and the `reach` steps before it; before the sound is silence."""
    out = np.empty(levels.shape[0] - first, np.float32)
    at = -1
    for i in range(first, levels.shape[0]):
        if at < i - reach or at < 0:
            at = max(0, i - reach)
            for k in range(at + 1, i):
                if levels[k] >= levels[at]:
                    at = k
        if levels[i] >= levels[at]:
            at = i
        out[i - first] = levels[at] if i >= reach else max(levels[at], _SILENCE_DBFS)
    return out


@exact_kernel
def weak_runs(
    own: NDArray[np.float32],
    other: NDArray[np.float32],
    first: int,
    reach: int,
    quieter_db: float,
    least: int,
    edges: NDArray[np.int64],
) -> int:
    """Find where `own` is weaker, by `quieter_db`, than `other` was at its loudest in the `reach` steps before.

    own, other: levels of as many steps, dBFS; looked at from step `first` to the end. Fills `edges` with start and end
    (exclusive) of runs of `least` steps or more, and returns how many; none when `own` is anywhere louder than all of
    `other` by as much.
    """
    less, size = np.float32(quieter_db), own.shape[0]
    if size <= first:
        return 0
    peaks = _recent_peaks(other, first, reach)
    if own[first:].max() > peaks.max() + less:
        return 0
    count, run = 0, 0
    for i in range(first, size + 1):
        if i < size and peaks[i - first] - own[i] >= less:
            run += 1
            continue
        if run >= least:
            edges[count, 0], edges[count, 1] = i - run, i
            count += 1
        run = 0
    return count
