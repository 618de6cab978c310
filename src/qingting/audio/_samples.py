"""Sample encodings of WAV and headerless files, and their way to int16.

Blocks are arrays of shape [frames, channels] (interleaved, as files and the resampler have
them), int16 or float32 with full scale at 1.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Callable

FULL_SCALE = 32768.0
"""int16 value of a float sample of 1.0."""

Int16 = NDArray[np.int16]
Float32 = NDArray[np.float32]
Block = Int16 | Float32


def _alaw_table() -> Int16:
    """All 256 A-law codes as linear samples, ITU-T G.711 (13 bits, left-justified in 16)."""
    code = np.arange(256) ^ 0x55
    exponent, mantissa = code >> 4 & 7, code & 15
    magnitude = np.where(exponent == 0, (mantissa << 4) + 8, (mantissa * 16 + 264) << np.maximum(exponent - 1, 0))
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)


def _mulaw_table() -> Int16:
    """All 256 mu-law codes as linear samples, ITU-T G.711 (14 bits, left-justified in 16)."""
    code = np.arange(256) ^ 0xFF
    magnitude = (((code & 15) << 3) + 132 << (code >> 4 & 7)) - 132
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)


ALAW = _alaw_table()
MULAW = _mulaw_table()


def _table(table: Int16) -> Callable[[bytes], Block]:
    return lambda data: table[np.frombuffer(data, np.uint8)]


_LOST_RUN_BYTES = 512
"""Zero bytes in a row that no speech makes in G.711: zero is a loud code there, so a block
that a recorder left unwritten would be a long bang."""
_IDLE = {"pcm_alaw": b"\xd5", "pcm_mulaw": b"\xff"}
"""The codes of the smallest positive sample."""


def silence_unwritten(data: bytes, codec: str) -> tuple[bytes, int]:
    """Replace long runs of zero bytes in G.711 data by silence; returns their length, too."""
    idle = _IDLE.get(codec)
    if idle is None or bytes(_LOST_RUN_BYTES) not in data:
        return data, 0
    lost = 0

    def quiet(run: re.Match[bytes]) -> bytes:
        nonlocal lost
        lost += len(run[0])
        return idle * len(run[0])

    return re.sub(rb"\x00{%d,}" % _LOST_RUN_BYTES, quiet, data), lost


def _pcm8(data: bytes) -> Block:
    return ((np.frombuffer(data, np.uint8) ^ 0x80).view(np.int8).astype(np.int16)) << 8


def _pcm24(data: bytes) -> Block:
    # The two upper bytes of each sample are its int16 value.
    return np.ascontiguousarray(np.frombuffer(data, np.uint8).reshape(-1, 3)[:, 1:]).view("<i2").ravel()


@dataclass(frozen=True, kw_only=True)
class Encoding:
    """How one sample is stored."""

    codec: str
    """Name as FFmpeg has it."""
    width: int
    """Bytes per sample."""
    read: Callable[[bytes], Block]
    """Bytes to samples, one dimension."""


ENCODINGS: dict[str, Encoding] = {
    encoding.codec: encoding
    for encoding in (
        Encoding(codec="pcm_u8", width=1, read=_pcm8),
        Encoding(codec="pcm_s16le", width=2, read=lambda data: np.frombuffer(data, "<i2")),
        Encoding(codec="pcm_s24le", width=3, read=_pcm24),
        Encoding(codec="pcm_s32le", width=4, read=lambda data: np.frombuffer(data, "<i2")[1::2]),
        Encoding(codec="pcm_f32le", width=4, read=lambda data: np.frombuffer(data, "<f4")),
        Encoding(codec="pcm_f64le", width=8, read=lambda data: _narrow(np.frombuffer(data, "<f8"))),
        Encoding(codec="pcm_alaw", width=1, read=_table(ALAW)),
        Encoding(codec="pcm_mulaw", width=1, read=_table(MULAW)),
    )
}


def _narrow(samples: NDArray[np.float64]) -> Float32:
    """Doubles as floats; NaN and what a float cannot hold is made harmless on the way."""
    return np.clip(np.nan_to_num(samples, nan=0.0), -1e6, 1e6).astype(np.float32)


def from_frame(samples: NDArray[Any]) -> Block:
    """Narrow any of FFmpeg's sample types to a block's type; the shape stays."""
    block: Block
    match samples.dtype.kind, samples.dtype.itemsize:
        case ("i", 2) | ("f", 4):
            block = samples
        case "i", 4:
            block = (samples >> 16).astype(np.int16)
        case "i", 8:
            block = (samples >> 48).astype(np.int16)
        case "u", 1:
            block = (samples.astype(np.int16) - 128) << 8
        case "f", 8:
            block = _narrow(samples)
        case _:
            raise ValueError("unknown sample type")
    return block


def to_float(block: Block) -> tuple[Float32, int]:
    """Turn a block into finite floats in [-1, 1]; tells also how many samples were beyond that."""
    if block.dtype == np.int16:
        return block.astype(np.float32) * np.float32(1 / FULL_SCALE), 0
    samples = block.astype(np.float32, copy=False)
    # NaN fails every comparison, so one look at the extremes finds all that needs care.
    if samples.size == 0 or (samples.max() <= 1.0 and samples.min() >= -1.0):
        return samples, 0
    over = int(np.count_nonzero(np.abs(samples) > 1.0))
    return np.clip(np.nan_to_num(samples, nan=0.0, posinf=1.0, neginf=-1.0), -1.0, 1.0), over


def to_int16(samples: Float32) -> Int16:
    """Round finite floats to int16; full scale is limited, not wrapped."""
    scaled = samples * np.float32(FULL_SCALE)
    np.rint(scaled, out=scaled)
    return np.clip(scaled, -FULL_SCALE, FULL_SCALE - 1, out=scaled).astype(np.int16)
