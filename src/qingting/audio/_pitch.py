"""Compiled pitch tracking: normalised cross-correlation at 8 kHz, then the cheapest path through its peaks.

Method: D. Talkin, A Robust Algorithm for Pitch Tracking (RAPT), 1995, with own simplifications: the
correlation is summed over blocks of 10 ms that neighbouring windows share, at one rate, without a
coarse first pass. Works on the harmonics, so the fundamental itself, which the telephone cuts off,
need not be there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from qingting.audio._compile import kernel

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
        out[c] = 10.0 * np.log10(energy / np.float32(hop * 1073741824.0) + 1e-10)


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
def track(
    x: NDArray[np.float32], loud: NDArray[np.bool_], costs: NDArray[np.float64], out: NDArray[np.float32]
) -> None:
    """Fill `out` with the pitch of each 10 ms step in hertz, 0 where there is none.

    x: samples at 8 kHz, HOP * (steps + 2) + REACH of them, the first step's window starting at 0.
    loud: steps that are loud enough to be voiced. costs: see `acoustics._COSTS`.
    """
    steps = out.shape[0]
    lag_weight, jump_weight, switch, lowest = costs[0], costs[1], costs[2], costs[3]
    sums = np.zeros((_WINDOW_HOPS, _LAGS), np.float32)
    curve = np.zeros(_LAGS, np.float32)
    energy = np.zeros(HOP * (steps + _WINDOW_HOPS - 1) + REACH + 1, np.float64)
    for i in range(energy.shape[0] - 1):
        energy[i + 1] = energy[i] + x[i] * x[i]
    width = _CANDIDATES + 1
    lags = np.zeros((steps, width))
    before = np.zeros((steps, width), np.int8)
    counts = np.zeros(steps, np.int8)
    heights = np.zeros(width)
    old, new = np.zeros(width), np.zeros(width)
    done = 0
    size = HOP * _WINDOW_HOPS
    for s in range(steps):
        count, best = 0, 0.0
        if loud[s]:
            for block in range(max(done, s), s + _WINDOW_HOPS):
                _correlate(x, HOP * block, sums[block % _WINDOW_HOPS])
            done = s + _WINDOW_HOPS
            at = HOP * s
            own = energy[at + size] - energy[at]
            for lag in range(_LAGS):
                first = at + _FIRST_LAG + lag
                other = energy[first + size] - energy[first]
                total = (sums[0, lag] + sums[1, lag]) + sums[2, lag]
                curve[lag] = total / np.sqrt(own * other + 1e-9)
            count = _peaks(curve, lags[s], heights, lowest)
            for c in range(count):
                best = max(best, heights[c])
        counts[s] = count
        last = counts[s - 1] if s > 0 else 0
        for c in range(count + 1):  # candidate `count` means: no pitch
            voiced = c < count
            local = 1.0 - heights[c] * (1.0 - lag_weight * lags[s, c] / REACH) if voiced else best
            cheapest, origin = 1e30, 0
            for p in range(last + 1):
                cost = old[p]
                if voiced != (p < last):
                    cost += switch
                elif voiced:
                    jump = abs(np.log(lags[s, c] / lags[s - 1, p]))
                    cost += jump_weight * min(jump, 1.0)
                if cost < cheapest:
                    cheapest, origin = cost, p
            new[c] = cheapest + local if s > 0 else local
            before[s, c] = origin
        for c in range(count + 1):
            old[c] = new[c]
    if steps == 0:
        return
    choice = 0
    for c in range(counts[steps - 1] + 1):
        if old[c] < old[choice]:
            choice = c
    for s in range(steps - 1, -1, -1):
        out[s] = RATE_HERTZ / lags[s, choice] if choice < counts[s] else 0.0
        choice = before[s, choice]
