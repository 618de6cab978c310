"""Telephone sounds: band limit, line noise, call progress tones, hold music."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]

TELEPHONE_BAND_HERTZ = (300.0, 3400.0)
"""Narrow band: everything at 8 kHz."""
WIDE_BAND_HERTZ = (60.0, 6800.0)
"""Wide band (HD voice): recordings at 16 kHz."""
_CALL_PROGRESS_HERTZ = 450.0
"""Chinese dial, ring-back and busy tones are all of 450 Hz."""
_DTMF_HERTZ = ((697.0, 1209.0), (770.0, 1336.0))
_TUNE = (0, 4, 7, 9, 7, 4, 2, 4, 7, 12, 9, 7, 4, 2, 0, -3)
"""Semitones above 330 Hz, a pentatonic tune of our own, 400 ms a note."""


def rms_dbfs(samples: Samples) -> float:
    """Mean level in dB relative to full scale."""
    return float(10 * np.log10(np.mean(samples.astype(np.float64) ** 2) + 1e-12))


def at_level(samples: Samples, level_dbfs: float) -> Samples:
    """Scale to a mean level."""
    return samples * np.float32(10 ** ((level_dbfs - rms_dbfs(samples)) / 20))


def limited_to_band(samples: Samples, rate_hertz: int, band_hertz: tuple[float, float]) -> Samples:
    """Band-limit without delay: raised-cosine edges of 100 Hz in the spectrum."""
    spectrum = np.fft.rfft(samples)
    hertz = np.fft.rfftfreq(len(samples), 1 / rate_hertz)
    low, high = band_hertz
    edge_hertz = min(100.0, low)
    rise = np.clip((hertz - low + edge_hertz) / edge_hertz, 0, 1)
    fall = np.clip((high + 100.0 - hertz) / 100.0, 0, 1)
    gain = (0.5 - 0.5 * np.cos(np.pi * rise)) * (0.5 - 0.5 * np.cos(np.pi * fall))
    return np.fft.irfft(spectrum * gain, len(samples)).astype(np.float32)


def line_noise(count: int, rate_hertz: int, level_dbfs: float, seed: int) -> Samples:
    """Hiss with a little mains hum's harmonics, as on an ordinary line."""
    draw = np.random.default_rng(seed)
    time = np.arange(count) / rate_hertz
    hiss = draw.standard_normal(count)
    hum = sum(np.sin(2 * np.pi * 50 * order * time + draw.uniform(0, 6)) / order for order in (2, 3, 6, 7))
    return at_level((hiss + 0.4 * np.asarray(hum)).astype(np.float32), level_dbfs)


def telephone_sound(kind: str, duration_ms: int, rate_hertz: int, level_dbfs: float) -> Samples:
    """Make one of the sounds a script can ask for, at the given level while it sounds."""
    time = np.arange(duration_ms * rate_hertz // 1000) / rate_hertz
    wave = _WAVES[kind](time)
    sounding = np.abs(wave) > 0
    scale = 10 ** (level_dbfs / 20) / np.sqrt(np.mean(wave[sounding] ** 2))
    return (wave * scale * _faded(len(wave), rate_hertz // 50)).astype(np.float32)


def _faded(count: int, edge: int) -> NDArray[np.float64]:
    ramp = np.minimum(np.arange(count), np.arange(count)[::-1]) / max(1, edge)
    return np.minimum(1.0, ramp)


def _tone(time: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.sin(2 * np.pi * _CALL_PROGRESS_HERTZ * time)


def _ring_back(time: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(time % 5.0 < 1.0, _tone(time), 0.0)


def _busy(time: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(time % 0.7 < 0.35, _tone(time), 0.0)


def _dtmf(time: NDArray[np.float64]) -> NDArray[np.float64]:
    key = (time // 0.2).astype(int) % len(_DTMF_HERTZ)
    pairs = [np.sin(2 * np.pi * low * time) + np.sin(2 * np.pi * high * time) for low, high in _DTMF_HERTZ]
    return np.where(time % 0.2 < 0.12, np.choose(key, pairs), 0.0)


def _hold_music(time: NDArray[np.float64]) -> NDArray[np.float64]:
    note = (time // 0.4).astype(int)
    hertz = 330.0 * 2 ** (np.array(_TUNE)[note % len(_TUNE)] / 12)
    phase = 2 * np.pi * np.cumsum(hertz) * (time[1] if len(time) > 1 else 0.0)
    bass = np.sin(2 * np.pi * 165.0 * 2 ** (np.array((0, 0, -5, -3))[note // 4 % 4] / 12) * 2 * time)
    strike = np.exp(-3.0 * (time % 0.4)) * np.minimum(1.0, (time % 0.4) / 0.01)
    voice = np.sin(phase) + 0.5 * np.sin(2 * phase) + 0.25 * np.sin(3 * phase)
    return voice * strike + 0.3 * bass


_WAVES = {
    "ring_back": _ring_back,
    "dial_tone": _tone,
    "busy_tone": _busy,
    "dtmf": _dtmf,
    "hold_music": _hold_music,
}
