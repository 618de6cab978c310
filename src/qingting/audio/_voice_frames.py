"""What 10 ms of speech tell of the speaker: mel cepstrum and pitch, from one spectrum per frame."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from qingting.model.audio import SpeechSpan

FRAME_MS = 10
"""Distance of two frames."""
_WINDOW_MS = 32
_CEPSTRA = 20
_BANDS = 24
_LOWEST_HERTZ, _HIGHEST_HERTZ = 150.0, 3600.0
MEASURED_EVERY = 2
"""Windows of neighbours overlap by two thirds: every second frame is enough and halves the cost."""
_PITCH_LOWEST_HERTZ, _PITCH_HIGHEST_HERTZ = 75.0, 400.0
_PITCH_BAND_HERTZ = 1500.0
_VOICED_AT = 0.55
"""Normalised autocorrelation from which a frame counts as voiced."""
_OCTAVE_COST = 0.15
"""Long lags are favoured by this share less, or the period's double would win."""
_ACTIVE_RANGE_DB = 25.0
"""Frames this far below the loud ones of their span are breath and room, not voice."""
_SILENT_DBFS = -65.0
_BLOCK = 2048
"""Frames handled at once: fits the processor's cache."""


@dataclass(frozen=True, kw_only=True)
class VoiceFrames:
    """Frames of all spans, one after the other."""

    start_ms: NDArray[np.int64]
    """Start of each frame, shape [frames]."""
    span: NDArray[np.int64]
    """Index of the span it belongs to."""
    level_db: NDArray[np.float32]
    """Energy, dBFS."""
    active: NDArray[np.bool_]
    """Loud enough to tell of the voice."""
    measured: NDArray[np.bool_]
    """Every MEASURED_EVERY-th frame, if active: those with cepstrum and, where voiced, pitch."""
    cepstra: NDArray[np.float32]
    """Mel cepstrum 1 to 20 (the 0th is loudness and left out), shape [frames, 20]; 0 where not measured."""
    pitch: NDArray[np.float32]
    """Pitch relative to the call's mean in standard deviations; 0 where not measured."""
    voiced: NDArray[np.bool_]
    """Where a pitch was measured."""


def measure(pcm: NDArray[np.int16], rate_hertz: int, spans: Sequence[SpeechSpan]) -> VoiceFrames:
    """Measure the frames of `spans` in one channel `pcm` [samples]; windows beyond its end see silence."""
    window = rate_hertz * _WINDOW_MS // 1000
    starts = [np.arange(span.start_ms, span.end_ms, FRAME_MS) for span in spans]
    owner = np.repeat(np.arange(len(spans)), [len(s) for s in starts])
    start_ms = np.concatenate(starts) if starts else np.zeros(0, np.int64)
    last = int(start_ms.max(initial=0)) * rate_hertz // 1000 + window
    sound = np.zeros(max(last, len(pcm)), np.float32)
    sound[: len(pcm)] = pcm
    sound *= np.float32(1 / 32768)
    views = np.lib.stride_tricks.sliding_window_view(sound, window)
    at = start_ms * rate_hertz // 1000
    level = np.zeros(len(at), np.float32)
    for first in range(0, len(at), _BLOCK):
        part = slice(first, first + _BLOCK)
        level[part] = _level(views[at[part]])
    active = _active(level, owner, len(spans))
    cepstra = np.zeros((len(at), _CEPSTRA), np.float32)
    semitones = np.zeros(len(at), np.float32)
    measured = active & (np.arange(len(at)) % MEASURED_EVERY == 0)
    chosen = np.flatnonzero(measured)
    for first in range(0, len(chosen), _BLOCK):
        index = chosen[first : first + _BLOCK]
        cepstra[index], semitones[index] = _measure_block(views[at[index]], rate_hertz)
    voiced = (semitones > 0) & measured
    return VoiceFrames(
        start_ms=start_ms, span=owner, level_db=level, active=active, measured=measured, cepstra=cepstra,
        pitch=_standardised(semitones, voiced), voiced=voiced,
    )  # fmt: skip


def _level(frames: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(10 * np.log10(np.einsum("ij,ij->i", frames, frames) / frames.shape[1] + 1e-10), np.float32)


def _measure_block(frames: NDArray[np.float32], rate_hertz: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    size = rate_hertz * 64 // 1000
    spectrum = np.fft.rfft(frames * _taper(frames.shape[1]), size, axis=1)
    power = np.asarray(spectrum.real**2 + spectrum.imag**2, np.float32)
    bands = np.log(power @ _mel_bank(size, rate_hertz) + np.float32(1e-8))
    return bands @ _cosines(), _pitch(power, rate_hertz, size)


@lru_cache(maxsize=4)
def _taper(window: int) -> NDArray[np.float32]:
    return np.hanning(window).astype(np.float32)


def _pitch(power: NDArray[np.float32], rate_hertz: int, size: int) -> NDArray[np.float32]:
    """Return the pitch in semitones over 1 Hz, 0 where unvoiced.

    Autocorrelation over that of the window (Boersma 1993), from the power spectrum below 1.5 kHz only:
    the autocorrelation is then smooth enough for a lag grid of 4 kHz.
    """
    coarse = size * 4000 // rate_hertz
    kept = np.zeros((len(power), coarse // 2 + 1), np.float32)
    top = int(_PITCH_BAND_HERTZ * size / rate_hertz)
    kept[:, :top] = power[:, :top]
    low, high = int(4000 / _PITCH_HIGHEST_HERTZ), int(4000 / _PITCH_LOWEST_HERTZ)
    lags = np.arange(low - 1, high + 2)
    correlation = np.fft.irfft(kept, coarse, axis=1)
    ratio = correlation[:, lags] / (correlation[:, :1] + np.float32(1e-12)) * _lag_weights(coarse, low, high)
    best = ratio[:, 1:-1].argmax(axis=1) + 1
    row = np.arange(len(ratio))
    left, peak, right = ratio[row, best - 1], ratio[row, best], ratio[row, best + 1]
    bend = np.minimum(left - 2 * peak + right, -1e-6)
    lag = lags[best] + np.clip(0.5 * (left - right) / bend, -0.5, 0.5)
    return np.where(peak > _VOICED_AT, 12 * np.log2(4000 / lag), 0.0).astype(np.float32)


@lru_cache(maxsize=4)
def _lag_weights(coarse: int, low: int, high: int) -> NDArray[np.float32]:
    window = np.hanning(coarse // 2)
    own = np.fft.irfft(np.abs(np.fft.rfft(window, coarse)) ** 2, coarse)
    lags = np.arange(low - 1, high + 2)
    return np.asarray((1 - _OCTAVE_COST * lags / high) * own[0] / own[lags], np.float32)


@lru_cache(maxsize=4)
def _mel_bank(size: int, rate_hertz: int) -> NDArray[np.float32]:
    """Triangular filters on O'Shaughnessy's mel scale, shape [bins, bands]; telephone band at every rate."""
    mel = 2595 * np.log10(1 + np.array([_LOWEST_HERTZ, _HIGHEST_HERTZ]) / 700)
    edges = 700 * (10 ** (np.linspace(mel[0], mel[1], _BANDS + 2) / 2595) - 1)
    hertz = np.arange(size // 2 + 1)[:, None] * rate_hertz / size
    rising = (hertz - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - hertz) / (edges[2:] - edges[1:-1])
    return np.asarray(np.maximum(0, np.minimum(rising, falling)), np.float32)


@lru_cache(maxsize=1)
def _cosines() -> NDArray[np.float32]:
    order = np.arange(1, _CEPSTRA + 1)
    return np.cos(np.pi * np.outer(np.arange(_BANDS) + 0.5, order) / _BANDS).astype(np.float32)


def _active(level: NDArray[np.float32], owner: NDArray[np.int64], spans: int) -> NDArray[np.bool_]:
    edges = np.searchsorted(owner, np.arange(spans + 1))
    loud = np.array([_high(level[a:b]) for a, b in pairwise(edges)], np.float32)
    return np.asarray(level > np.maximum(loud[owner] - _ACTIVE_RANGE_DB, _SILENT_DBFS))


def _high(level: NDArray[np.float32]) -> float:
    """Return the 90th percentile; 0 of nothing."""
    if not level.size:
        return 0.0
    place = 0.9 * (level.size - 1)
    below = int(place)
    ordered = np.partition(level, (below, min(below + 1, level.size - 1)))
    return float(ordered[below] + (place - below) * (ordered[min(below + 1, level.size - 1)] - ordered[below]))


def _standardised(semitones: NDArray[np.float32], voiced: NDArray[np.bool_]) -> NDArray[np.float32]:
    if not voiced.any():
        return np.zeros_like(semitones)
    values = semitones[voiced]
    spread = max(float(values.std()), 1.0)
    return np.where(voiced, (semitones - values.mean()) / spread, 0).astype(np.float32)
