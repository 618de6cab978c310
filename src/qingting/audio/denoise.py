"""Light noise reduction: high-pass, mains hum, gentle spectral reduction; it never removes speech.

All in numpy. Off by default: recognisers are trained on noise, and `benchmarks/noise_reduction.py` shows what
it does to the recognition error.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from qingting.audio._hum import remove_hum
from qingting.audio.options import NoiseReduction

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FRAME_MS = 32
_HIGH_PASS_HERTZ = 120.0
_HIGH_PASS_ORDER = 4
_CELL_FRAMES = 4
"""Frames averaged before the minimum is taken: single frames of noise scatter too much."""
_FLOOR_CELLS = 51
"""About 3.3 s around each cell: longer than any sound that speech holds in one band."""
_FLOOR_BIAS = 4.6
"""The minimum of that many averages lies this factor under the mean of stationary noise (measured on white noise)."""
_LEAST_GAIN = 10 ** (-8 / 20)
"""Nothing is lowered by more than 8 dB: what is taken for noise by mistake stays audible."""
_OVERSUBTRACTION = 1.2
_BLOCK_FRAMES = 4096
_CONTEXT_FRAMES = _CELL_FRAMES * _FLOOR_CELLS


def reduce_noise(pcm: NDArray[np.int16], rate_hertz: int, level: NoiseReduction) -> NDArray[np.int16]:
    """Return the channels `pcm` [channels, samples] with less noise; same shape, same alignment.

    OFF returns the given array itself. LIGHT takes out what lies below 120 Hz, the harmonics of mains hum
    where hum is found, and lowers stationary noise by up to 8 dB: spectral subtraction with a noise floor from
    minimum statistics (Martin 2001). Memory beyond the result does not grow with more channels.
    """
    if level is NoiseReduction.OFF or pcm.size == 0:
        return pcm
    result = np.empty_like(pcm)
    for row, samples in enumerate(pcm):
        quieter = _subtract(remove_hum(samples.astype(np.float32), rate_hertz), rate_hertz)
        result[row] = np.clip(np.rint(quieter), -32768, 32767)
    return result


def _subtract(samples: NDArray[np.float32], rate_hertz: int) -> NDArray[np.float32]:
    """Filter frame by frame with half overlap; square-root Hann windows twice add up to exactly one."""
    frame = rate_hertz * _FRAME_MS // 1000
    hop = frame // 2
    frames = -(-len(samples) // hop) + 1
    padded = np.zeros((frames + 1) * hop, np.float32)
    padded[hop : hop + len(samples)] = samples
    views = np.lib.stride_tricks.sliding_window_view(padded, frame)[::hop]
    result = np.zeros_like(padded)
    for first in range(0, frames, _BLOCK_FRAMES):
        # Neighbours of the block are looked at too, so that the noise floor knows no block borders.
        low, high = max(0, first - _CONTEXT_FRAMES), min(frames, first + _BLOCK_FRAMES + _CONTEXT_FRAMES)
        spectrum = np.fft.rfft(views[low:high] * _window(frame), axis=1)
        gain = _gain(np.asarray(spectrum.real**2 + spectrum.imag**2, np.float32)) * _high_pass(frame, rate_hertz)
        kept = slice(first - low, min(first + _BLOCK_FRAMES, frames) - low)
        sound = np.fft.irfft(spectrum[kept] * gain[kept], frame, axis=1).astype(np.float32) * _window(frame)
        target = result[first * hop : (first + len(sound) + 1) * hop].reshape(-1, hop)
        target[:-1] += sound[:, :hop]
        target[1:] += sound[:, hop:]
    return result[hop : hop + len(samples)]


def _gain(power: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the gain of each frame and bin, shape as `power` [frames, bins]."""
    floor = _noise_floor(power)
    # Averaging over neighbours keeps single bins of noise from flashing up as tones ("musical noise").
    near = power.copy()
    near[1:] += power[:-1]
    near[:-1] += power[1:]
    near[0] += power[0]
    near[-1] += power[-1]
    wide = near.copy()
    wide[:, 1:] += near[:, :-1]
    wide[:, :-1] += near[:, 1:]
    wide[:, 0] += near[:, 0]
    wide[:, -1] += near[:, -1]
    clean = 1 - _OVERSUBTRACTION * floor / (np.maximum(power, wide / 9) + np.float32(1e-3))
    return np.asarray(np.sqrt(np.maximum(clean, _LEAST_GAIN**2)), np.float32)


def _noise_floor(power: NDArray[np.float32]) -> NDArray[np.float32]:
    cells = -(-len(power) // _CELL_FRAMES)
    missing = cells * _CELL_FRAMES - len(power)
    filled = np.concatenate([power, power[-1:].repeat(missing, axis=0)]) if missing else power
    mean = filled.reshape(cells, _CELL_FRAMES, -1).mean(axis=1)
    reach = _FLOOR_CELLS // 2
    # At the ends the window looks on at the same cells again: a shorter window would rise over the noise.
    edge = np.pad(mean, ((reach, reach), (0, 0)), mode="reflect" if cells > reach else "edge")
    least = _running_minimum(edge, _FLOOR_CELLS)
    return np.asarray(_FLOOR_BIAS * least.repeat(_CELL_FRAMES, axis=0)[: len(power)], np.float32)


def _running_minimum(values: NDArray[np.float32], width: int) -> NDArray[np.float32]:
    """Return the minimum of each `width` consecutive rows, by doubling: log2(width) passes."""
    reach = 1
    while reach * 2 <= width:
        values = np.minimum(values[:-reach], values[reach:])
        reach *= 2
    rest = width - reach
    return np.minimum(values[: len(values) - rest], values[rest:]) if rest else values


@lru_cache(maxsize=4)
def _window(frame: int) -> NDArray[np.float32]:
    return np.sqrt(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(frame) / frame)).astype(np.float32)


@lru_cache(maxsize=4)
def _high_pass(frame: int, rate_hertz: int) -> NDArray[np.float32]:
    """Magnitude of a Butterworth high-pass, without its phase."""
    hertz = np.arange(frame // 2 + 1) * rate_hertz / frame
    ratio = _HIGH_PASS_HERTZ / np.maximum(hertz, 1e-3)
    return np.asarray(1 / np.sqrt(1 + ratio ** (2 * _HIGH_PASS_ORDER)), np.float32)
