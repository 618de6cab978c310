"""Log-mel features as Whisper was trained on (Radford et al. 2022, section 2.2)."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE_HERTZ = 16_000
HOP_SAMPLES = 160
_WINDOW_SAMPLES = 400
_BANDS = 80


def log_mel(samples: NDArray[np.float32], frames: int) -> NDArray[np.float32]:
    """Features of mono 16 kHz samples, cut or padded with silence to `frames` of 10 ms.

    Shape [80, frames]. Power spectrum of a periodic Hann window of 25 ms, Slaney mel
    bands, log10, clamped to 8 (80 dB) under the loudest value, shifted and scaled to about -1..1.5.
    """
    wanted = frames * HOP_SAMPLES
    half = _WINDOW_SAMPLES // 2
    signal = np.zeros(wanted, dtype=np.float32)
    used = min(len(samples), wanted)
    signal[:used] = samples[:used]
    padded = np.pad(signal, (half, half), mode="reflect")
    strips = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW_SAMPLES)[::HOP_SAMPLES][:frames]
    spectrum = np.fft.rfft(strips * _window(), axis=1)
    power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
    mel = _filters() @ power.T
    logarithm = np.log10(np.maximum(mel, 1e-10))
    scaled: NDArray[np.float32] = ((np.maximum(logarithm, logarithm.max() - 8.0) + 4.0) / 4.0).astype(np.float32)
    return scaled


@cache
def _window() -> NDArray[np.float32]:
    return np.hanning(_WINDOW_SAMPLES + 1)[:-1].astype(np.float32)


def _to_hertz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    """Slaney's scale: linear to 1 kHz (200/3 Hz per mel), then logarithmic (27 mels per factor 6.4)."""
    linear = mel * 200.0 / 3.0
    return np.where(mel < 15.0, linear, 1000.0 * np.exp((mel - 15.0) * np.log(6.4) / 27.0))


@cache
def _filters() -> NDArray[np.float32]:
    """Triangles of equal area over the FFT bins, shape [80, 201]."""
    highest_mel = 15.0 + 27.0 * np.log(SAMPLE_RATE_HERTZ / 2 / 1000.0) / np.log(6.4)
    edges = _to_hertz(np.linspace(0.0, highest_mel, _BANDS + 2))
    bins = np.fft.rfftfreq(_WINDOW_SAMPLES, 1.0 / SAMPLE_RATE_HERTZ)
    widths = np.diff(edges)
    ramps = edges[:, None] - bins[None, :]
    rising = -ramps[:-2] / widths[:-1, None]
    falling = ramps[2:] / widths[1:, None]
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    return (triangles * (2.0 / (edges[2:] - edges[:-2]))[:, None]).astype(np.float32)
