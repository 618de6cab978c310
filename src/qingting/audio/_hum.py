"""Mains hum: found by its unmoving harmonics, taken out by notches too narrow for speech to miss."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MAINS_HERTZ = (50.0, 60.0)
_HIGHEST_HERTZ = 1000.0
_WINDOW_SECONDS = 4.0
_LEAST_SECONDS = 2.0
"""Shorter recordings do not resolve hum from a low voice."""
_DRIFT_HERTZ = 0.75
"""Mains frequency and recorder clocks wander by this much at the tenth harmonic."""
_NOTCH_HERTZ = 1.25
_AROUND_HERTZ = (3.0, 12.0)
"""Distance of the neighbourhood that a harmonic must stand out from."""
_STANDS_OUT = 10 ** (12 / 10)
_QUIET_SHARE = 25.0
"""Percentile over time: hum is there while nobody speaks, a voice at that pitch is not."""
_LEAST_HARMONICS = 2
"""One line alone is a tone: dial tone (450 Hz) is a multiple of 50."""
_LEAST_POWER = 1.0
_LOOKED_AT = 60
"""Windows looked at, spread over the recording."""


def remove_hum(samples: NDArray[np.float32], rate_hertz: int) -> NDArray[np.float32]:
    """Return `samples` without the harmonics of mains hum; the same array when there is none."""
    harmonics = find_hum(samples, rate_hertz)
    if not harmonics:
        return samples
    size = int(_WINDOW_SECONDS * rate_hertz)
    hop = size // 2
    blocks = -(-len(samples) // hop) + 1
    padded = np.zeros((blocks + 1) * hop, np.float32)
    padded[hop : hop + len(samples)] = samples
    # The ends are continued by reflection: hum that begins abruptly would smear past the notch.
    padded[:hop] = _continued(samples[::-1], hop)[::-1]
    padded[hop + len(samples) :] = _continued(samples, len(padded) - hop - len(samples))
    hertz = np.arange(size // 2 + 1) * rate_hertz / size
    notched = np.any(np.abs(hertz[:, None] - np.array(harmonics)) <= _NOTCH_HERTZ, axis=1)
    window = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)).astype(np.float32)
    result = padded.copy()
    for start in range(0, blocks * hop, hop):
        spectrum = np.fft.rfft(padded[start : start + size] * window)
        spectrum[~notched] = 0
        result[start : start + size] -= np.fft.irfft(spectrum, size).astype(np.float32)
    return result[hop : hop + len(samples)]


def find_hum(samples: NDArray[np.float32], rate_hertz: int) -> tuple[float, ...]:
    """Return the frequencies of the hum's harmonics in hertz; empty when there is no hum.

    `samples` in units of 16-bit PCM. A harmonic counts when it stands 12 dB out of its neighbourhood even in
    the quietest quarter of the recording; two at least must.
    """
    if len(samples) < _LEAST_SECONDS * rate_hertz:
        return ()
    size = min(int(_WINDOW_SECONDS * rate_hertz), len(samples))
    starts = np.unique(np.linspace(0, len(samples) - size, _LOOKED_AT).astype(np.int64))
    if len(samples) < 2 * size:
        starts = starts[[0, -1]]
    window = np.hanning(size).astype(np.float32)
    top = int((_HIGHEST_HERTZ + 20) * size / rate_hertz)
    spectra = [np.abs(np.fft.rfft(samples[s : s + size] * window)[:top]) ** 2 for s in starts]
    quiet = np.percentile(np.array(spectra), _QUIET_SHARE, axis=0) / size
    hertz = np.arange(top) * rate_hertz / size
    found = [_harmonics(quiet, hertz, base) for base in _MAINS_HERTZ]
    return max(
        (lines for lines, base in zip(found, _MAINS_HERTZ, strict=True) if _is_hum(lines, base)), key=len, default=()
    )


def _is_hum(lines: tuple[float, ...], base: float) -> bool:
    """Whether the lines are a mains series: its first or second is there, or two neighbours (a telephone band)."""
    orders = {round(line / base) for line in lines}
    return len(orders) >= _LEAST_HARMONICS and (bool(orders & {1, 2}) or any(k + 1 in orders for k in orders))


def _harmonics(quiet: NDArray[np.float64], hertz: NDArray[np.float64], base: float) -> tuple[float, ...]:
    found = []
    for harmonic in np.arange(base, _HIGHEST_HERTZ + 1, base):
        away = np.abs(hertz - harmonic)
        line = np.flatnonzero(away <= _DRIFT_HERTZ)
        around = quiet[(away >= _AROUND_HERTZ[0]) & (away <= _AROUND_HERTZ[1])]
        peak = line[np.argmax(quiet[line])]
        if quiet[peak] > _LEAST_POWER and quiet[peak] > _STANDS_OUT * float(around.mean()):
            found.append(float(hertz[peak]))
    return tuple(found)


def _continued(samples: NDArray[np.float32], number: int) -> NDArray[np.float32]:
    """Return `number` samples that go on after `samples`' end: its odd reflection, zeros where it is too short."""
    reflected = 2 * samples[-1] - samples[-2 : -2 - number : -1]
    return np.pad(reflected, (0, number - len(reflected)))
