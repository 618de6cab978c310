"""Compiled pitch tracking: normalised cross-correlation at 8 kHz, then the cheapest path through its peaks.

Method: D. Talkin, A Robust Algorithm for Pitch Tracking (RAPT), 1995, with own simplifications: the
correlation is summed over blocks of 10 ms that neighbouring windows share, at one rate, without a
coarse first pass. Works on the harmonics, so the fundamental itself, which the telephone cuts off,
need not be there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from qingting.audio._activity import NOTHING
from qingting.audio._compile import exact_kernel, kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

RATE_HERTZ = 8000
HOP = 80
"""Samples per step of 10 ms."""
_WINDOW_HOPS = 3
_FIRST_LAG = 18
_LAGS = 120
"""Lags 18 to 137 samples: 444 down to 58 Hz, so that peaks at 400 and 60 Hz have neighbours."""
_CANDIDATES = 5
_SURELY = 1.999
"""Twice, less more than what rounding takes."""
REACH = _FIRST_LAG + _LAGS
"""Samples needed after the last block."""


@kernel
def halve(samples: NDArray[np.float32], taps: NDArray[np.float32], out: NDArray[np.float32]) -> None:
    """Fill `out` with every second sample of the low-passed signal; `samples` has len(taps) - 1 more."""
    for i in range(out.shape[0]):
        total = np.float32(0.0)
        for k in range(taps.shape[0]):
            total += samples[2 * i + k] * taps[k]
        out[i] = total


@kernel
def levels(samples: NDArray[np.int16], hop: int, pole: float, out: NDArray[np.float32]) -> None:
    """Fill `out` with the level of consecutive hops, dBFS, behind a first-order high-pass."""
    before, passed = np.float32(samples[0]), np.float32(0.0)
    keep = np.float32(pole)
    for c in range(out.shape[0]):
        energy = np.float32(0.0)
        for i in range(c * hop, (c + 1) * hop):
            value = np.float32(samples[i])
            passed = value - before + keep * passed
            before = value
            energy += passed * passed
        if abs(passed) < NOTHING:
            passed = np.float32(0.0)
        out[c] = 10.0 * np.log10(energy / np.float32(hop * 1073741824.0) + 1e-10)


@kernel
def pair_levels(
    first: NDArray[np.int16], second: NDArray[np.int16], hop: int, pole: float, out: NDArray[np.float32]
) -> None:
    """Fill `out`, shape [2, hops], with the `levels` of two channels: together they take no longer than one."""
    keep = np.float32(pole)
    before_0, passed_0 = np.float32(first[0]), np.float32(0.0)
    before_1, passed_1 = np.float32(second[0]), np.float32(0.0)
    for c in range(out.shape[1]):
        energy_0, energy_1 = np.float32(0.0), np.float32(0.0)
        for i in range(c * hop, (c + 1) * hop):
            value_0, value_1 = np.float32(first[i]), np.float32(second[i])
            passed_0 = value_0 - before_0 + keep * passed_0
            passed_1 = value_1 - before_1 + keep * passed_1
            before_0, before_1 = value_0, value_1
            energy_0 += passed_0 * passed_0
            energy_1 += passed_1 * passed_1
        if abs(passed_0) < NOTHING:
            passed_0 = np.float32(0.0)
        if abs(passed_1) < NOTHING:
            passed_1 = np.float32(0.0)
        out[0, c] = 10.0 * np.log10(energy_0 / np.float32(hop * 1073741824.0) + 1e-10)
        out[1, c] = 10.0 * np.log10(energy_1 / np.float32(hop * 1073741824.0) + 1e-10)


@kernel
def _correlate(x: NDArray[np.float32], at: int, sums: NDArray[np.float32]) -> None:
    sums[:] = np.float32(0.0)
    for n in range(at, at + HOP, 8):
        x0, x1, x2, x3 = x[n], x[n + 1], x[n + 2], x[n + 3]
        x4, x5, x6, x7 = x[n + 4], x[n + 5], x[n + 6], x[n + 7]
        y = x[n + _FIRST_LAG : n + _FIRST_LAG + _LAGS + 7]
        for lag in range(_LAGS):
            near = ((x0 * y[lag] + x1 * y[lag + 1]) + x2 * y[lag + 2]) + x3 * y[lag + 3]
            far = ((x4 * y[lag + 4] + x5 * y[lag + 5]) + x6 * y[lag + 6]) + x7 * y[lag + 7]
            sums[lag] += near + far


@kernel
def _peaks(
    curve: NDArray[np.float32], lags: NDArray[np.float64], heights: NDArray[np.float64], lowest: float
) -> int:  # the highest local maxima, at most _CANDIDATES, by parabola between samples
    count = 0
    for i in range(1, _LAGS - 1):
        here = curve[i]
        if here < lowest or here < curve[i - 1] or here <= curve[i + 1]:
            continue
        left, right = float(curve[i - 1]), float(curve[i + 1])
        bend = left - 2.0 * here + right
        shift = 0.5 * (left - right) / bend if bend < 0.0 else 0.0
        height = here - 0.25 * (left - right) * shift
        place = count
        if count == _CANDIDATES:
            place = 0
            for c in range(1, _CANDIDATES):
                if heights[c] < heights[place]:
                    place = c
            if heights[place] >= height:
                continue
        else:
            count += 1
        lags[place], heights[place] = _FIRST_LAG + i + shift, height
    return count


@kernel
def _curve(
    x: NDArray[np.float32], energy: NDArray[np.float64], step: int, done: int, sums: NDArray[np.float32]
) -> NDArray[np.float32]:  # correlation with the sound one lag later, -1 to 1; blocks before `done` are in `sums`
    for block in range(max(done, step), step + _WINDOW_HOPS):
        _correlate(x, HOP * block, sums[block % _WINDOW_HOPS])
    at, size = HOP * step, HOP * _WINDOW_HOPS
    own = energy[at + size] - energy[at]
    curve = np.empty(_LAGS, np.float32)
    for lag in range(_LAGS):
        first = at + _FIRST_LAG + lag
        other = energy[first + size] - energy[first]
        curve[lag] = ((sums[0, lag] + sums[1, lag]) + sums[2, lag]) / np.sqrt(own * other + 1e-9)
    return curve


@kernel
def _origin(
    lag: float, old: NDArray[np.float64], lags: NDArray[np.float64], count: int, costs: NDArray[np.float64]
) -> tuple[int, float]:  # cheapest way to a candidate from those of the step before; lag 0 means: no pitch
    best, cheapest = count, old[count] + (costs[2] if lag > 0.0 else 0.0)
    for p in range(count):
        # |log(a / b)| is no less than twice |a - b| / (a + b): most logarithms need not be known.
        jump = _SURELY * abs(lag - lags[p]) / (lag + lags[p])
        if lag > 0.0 and old[p] + costs[1] * min(jump, 1.0) > cheapest:
            continue
        cost = old[p] + (costs[1] * min(abs(np.log(lag / lags[p])), 1.0) if lag > 0.0 else costs[2])
        if cost < cheapest or (cost == cheapest and best == count):
            best, cheapest = p, cost
    return best, cheapest


@kernel
def _trace(
    lags: NDArray[np.float64], before: NDArray[np.int8], counts: NDArray[np.int8], last: int, out: NDArray[np.float32]
) -> None:
    choice = last
    for s in range(out.shape[0] - 1, -1, -1):
        out[s] = RATE_HERTZ / lags[s, choice] if choice < counts[s] else 0.0
        choice = before[s, choice]


@exact_kernel
def prepare(samples: NDArray[Any], scale: float, out: NDArray[np.float32]) -> None:
    """Fill `out` with what `track` wants of samples at 8 kHz (int16 or float32, times `scale` in -1..1).

    The window of a step is centred on it: a hop before, a hop after, and the longest period. A soft low-pass
    (half at 2 kHz): sharper peaks than the lags can sample would look lower than their octaves.
    """
    factor, half, quarter = np.float32(scale), np.float32(0.5), np.float32(0.25)
    plain = np.zeros(out.shape[0], np.float32)
    body = plain[HOP : HOP + samples.shape[0]]
    for i in range(body.shape[0]):
        body[i] = np.float32(samples[i]) * factor
    before, here, behind, smooth = plain[:-2], plain[1:-1], plain[2:], out[1:-1]
    for i in range(smooth.shape[0]):
        smooth[i] = half * here[i] + quarter * (before[i] + behind[i])
    out[0] = out[-1] = np.float32(0.0)


@exact_kernel
def steady_share(pitch: NDArray[np.float32], most_ratio: float) -> tuple[int, float]:
    """Count the steps from pitch to pitch, and the share of those by less than the ratio `most_ratio`, up or down."""
    steps, steady = 0, 0
    for i in range(1, pitch.shape[0]):
        if pitch[i] > 0.0 and pitch[i - 1] > 0.0:
            steps += 1
            ratio = pitch[i] / pitch[i - 1]
            if 1.0 / most_ratio < ratio < most_ratio:
                steady += 1
    return steps, steady / max(steps, 1)


@kernel
def track(
    x: NDArray[np.float32],
    loud: NDArray[np.bool_],
    costs: NDArray[np.float64],
    lowest_hertz: float,
    highest_hertz: float,
    out: NDArray[np.float32],
) -> None:
    """Fill `out` with the pitch of each 10 ms step in hertz, 0 where there is none between these two.

    x: samples at 8 kHz, HOP * (steps + 2) + REACH + 8 of them, the first step's window starting at 0.
    loud: steps that are loud enough to be voiced. costs: see `acoustics._COSTS`.
    """
    steps = out.shape[0]
    sums = np.zeros((_WINDOW_HOPS, _LAGS), np.float32)
    energy = np.zeros(HOP * (steps + _WINDOW_HOPS - 1) + REACH + 1, np.float64)
    for i in range(energy.shape[0] - 1):
        energy[i + 1] = energy[i] + x[i] * x[i]
    lags = np.zeros((steps + 1, _CANDIDATES + 1))
    before = np.zeros((steps, _CANDIDATES + 1), np.int8)
    counts = np.zeros(steps, np.int8)
    heights, old, new = np.zeros(_CANDIDATES), np.zeros(_CANDIDATES + 1), np.zeros(_CANDIDATES + 1)
    done, last = 0, 0
    for s in range(steps):
        count, highest = 0, 0.0
        if loud[s]:
            count = _peaks(_curve(x, energy, s, done, sums), lags[s], heights, costs[3])
            done = s + _WINDOW_HOPS
        for c in range(count):
            highest = max(highest, heights[c])
        for c in range(count + 1):  # the candidate after the last peak means: no pitch
            lag = lags[s, c] if c < count else 0.0
            local = 1.0 - heights[c] * (1.0 - costs[0] * np.log2(lag / _FIRST_LAG)) if c < count else highest
            before[s, c], cost = _origin(lag, old, lags[s - 1], last, costs)
            new[c] = cost + local
        old[: count + 1] = new[: count + 1]
        counts[s], last = count, count
    _trace(lags, before, counts, int(np.argmin(old[: last + 1])), out)
    for s in range(steps):
        if out[s] < lowest_hertz or out[s] > highest_hertz:
            out[s] = 0.0
