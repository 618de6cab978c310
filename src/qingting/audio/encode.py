"""Makes small files of a call's sound: MP3 for players, WAV for clips, peaks for drawing."""

from __future__ import annotations

import io
import wave
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import os

    from numpy.typing import NDArray

MP3_HERTZ = 16_000
"""Rate of every MP3: 8 kHz MP3 (MPEG 2.5) is not played everywhere."""
_FRAME = 576
"""Samples of an MPEG-2 layer III frame."""
_DELAY = 576 + 529
"""Samples by which LAME and every decoder together delay the sound."""
_DROPPED_FRAMES = 2
_LEAD = _DROPPED_FRAMES * _FRAME - _DELAY
"""Silence put in front, so that dropping whole frames takes away exactly the delay: the time
line is true in every player, whether or not it reads LAME's tag."""
_BLOCK = _FRAME * 256


def encode_mp3(pcm: NDArray[np.int16], rate_hertz: int, *, kbit_per_channel: int = 32) -> bytes:
    """Encode a call for a player; 1 or 2 rows become 1 or 2 channels on the same time line.

    `pcm` is int16 of shape [channels, samples] (or [samples]) at `rate_hertz`; the MP3 has
    16 kHz, a constant bit rate of kbit_per_channel (8, 16, 24, 32 or 40) per channel, no
    tags, and keeps the original's time line to the sample. Raises ValueError for other shapes.
    """
    import av

    rows = _rows(pcm)
    layout = "mono" if rows.shape[0] == 1 else "stereo"
    encoder = av.CodecContext.create("libmp3lame", "w")
    encoder.sample_rate, encoder.layout, encoder.format = MP3_HERTZ, layout, "s16p"
    encoder.bit_rate = kbit_per_channel * 1000 * rows.shape[0]
    # Frames must stand alone (the first ones are dropped); parties must not bleed into each other.
    encoder.options = {"reservoir": "0", "joint_stereo": "0", "compression_level": "7"}
    packets = []
    samples = _resampled(rows, rate_hertz)
    padded = np.pad(samples, ((0, 0), (_LEAD, 3 * _FRAME)))
    for start in range(0, padded.shape[1], _BLOCK):
        block = np.ascontiguousarray(padded[:, start : start + _BLOCK])
        frame = av.AudioFrame.from_ndarray(block, format="s16p", layout=layout)
        frame.sample_rate, frame.pts = MP3_HERTZ, start
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    frames = max(1, -(-samples.shape[1] // _FRAME))
    return b"".join(bytes(packet) for packet in packets[_DROPPED_FRAMES : _DROPPED_FRAMES + frames + 1])


def encode_wav(pcm: NDArray[np.int16], rate_hertz: int) -> bytes:
    """Encode a clip as 16-bit WAV; `pcm` is int16, [channels, samples] or [samples]."""
    rows = _rows(pcm)
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(rows.shape[0])
        file.setsampwidth(2)
        file.setframerate(rate_hertz)
        file.writeframes(rows.T.astype("<i2").tobytes())
    return buffer.getvalue()


def write_wav(path: str | os.PathLike[str], pcm: NDArray[np.int16], rate_hertz: int) -> None:
    """Write a clip as a 16-bit WAV file; `pcm` as for encode_wav()."""
    Path(path).write_bytes(encode_wav(pcm, rate_hertz))


def peaks(pcm: NDArray[np.int16], buckets: int) -> list[list[float]]:
    """Measure the waveform for drawing: per channel the highest level of each time bucket.

    Returns one list per row of `buckets` values, 0 (silence) to 1 (full scale), rounded to
    three decimals. Raises ValueError when buckets is below 1.
    """
    if buckets < 1:
        raise ValueError("buckets must be at least 1")
    rows = _rows(pcm)
    total = rows.shape[1]
    if total == 0:
        return [[0.0] * buckets for _ in rows]
    starts = np.arange(buckets) * total // buckets
    high = np.maximum.reduceat(rows, starts, axis=1).astype(np.float64)
    low = np.minimum.reduceat(rows, starts, axis=1).astype(np.float64)
    levels = np.minimum(np.maximum(high, -low) / 32767.0, 1.0)
    found: list[list[float]] = np.round(np.maximum(levels, 0.0), 3).tolist()
    return found


def _rows(pcm: NDArray[np.int16]) -> NDArray[np.int16]:
    rows = pcm[np.newaxis] if pcm.ndim == 1 else pcm
    if rows.ndim != 2 or rows.shape[0] not in (1, 2) or rows.dtype != np.int16:
        raise ValueError("samples must be int16 of shape [channels, samples] with 1 or 2 channels")
    return rows


def _resampled(rows: NDArray[np.int16], rate_hertz: int) -> NDArray[np.int16]:
    if rate_hertz == MP3_HERTZ:
        return rows
    import soxr

    resampled: NDArray[np.int16] = soxr.resample(np.ascontiguousarray(rows.T), rate_hertz, MP3_HERTZ, quality="MQ").T
    return resampled
