"""Where the samples of a WAV file lie: an own parser, so that wrong size fields lose nothing.

Recorders that die, or that stream, leave sizes of zero, of all ones, or of the last flush
in the header; readers that believe them drop the rest of the call without a word.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO

from qingting.audio._samples import ENCODINGS, Encoding

_MAX_CHUNKS = 256
_OPEN_ENDED = (0, 0xFFFFFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFFFFFFFFFF)
"""Data sizes that streaming writers put in for "until the end of the file"."""
_UNFINISHED = (0x7FFFF000, 0xFFFFF000, 0x7FFFFFDB, 0xFFFFFFDB)
"""Sizes that well-known writers (SoX, FreeSWITCH) leave when the length is not known."""
_EXTENSIBLE = 0xFFFE
_TAGS: dict[tuple[int, int], str] = {
    (1, 8): "pcm_u8",
    (1, 16): "pcm_s16le",
    (1, 24): "pcm_s24le",
    (1, 32): "pcm_s32le",
    (3, 32): "pcm_f32le",
    (3, 64): "pcm_f64le",
    (6, 8): "pcm_alaw",
    (7, 8): "pcm_mulaw",
}


@dataclass(frozen=True, kw_only=True)
class PcmLayout:
    """Where and how samples lie in a file."""

    container: str
    """`wav`, or the raw format's name."""
    encoding: Encoding
    rate_hertz: int
    channels: int
    offset: int
    """First byte of the samples."""
    length: int
    """Bytes of samples that are there, a multiple of the frame size."""
    stated: int
    """Bytes the header promises; equal to length when it promises nothing usable."""
    understated: bool = False
    """True when the header promises less than lies there."""

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of all channels."""
        return self.encoding.width * self.channels

    @property
    def seconds_missing(self) -> float:
        """How much the header promises beyond what is there."""
        return max(0, self.stated - self.length) / self.frame_bytes / self.rate_hertz


def parse_wav(file: BinaryIO, size: int) -> PcmLayout | None:
    """Find the samples of a WAV file of `size` bytes.

    Returns None for everything this reader leaves to FFmpeg: other containers, compressed
    codecs, and headers in which something does not fit.
    """
    head = _read(file, 0, 12)
    if head[:4] not in (b"RIFF", b"RF64", b"BW64") or head[8:12] != b"WAVE":
        return None
    position, form, long_size = 12, None, 0
    for _ in range(_MAX_CHUNKS):
        chunk = _read(file, position, 8)
        if len(chunk) < 8:
            return None
        name, length = chunk[:4], struct.unpack("<I", chunk[4:])[0]
        if name == b"data":
            return _layout(file, size, position + 8, long_size if length == 0xFFFFFFFF and long_size else length, form)
        if name == b"fmt ":
            form = _parse_format(_read(file, position + 8, min(length, 40)))
        elif name == b"ds64":
            long_size = _parse_long_size(_read(file, position + 8, 16))
        position += 8 + length + (length & 1)
    return None


def _read(file: BinaryIO, position: int, length: int) -> bytes:
    file.seek(position)
    return file.read(length)


def _parse_long_size(body: bytes) -> int:
    """Read the data size of an RF64 `ds64` chunk (EBU Tech 3306); 0 when it is not there."""
    return struct.unpack("<Q", body[8:16])[0] if len(body) == 16 else 0


def _parse_format(body: bytes) -> tuple[Encoding, int, int] | None:
    """Read encoding, rate and channels; None when FFmpeg should judge."""
    if len(body) < 16:
        return None
    tag, channels, rate, _, align, bits = struct.unpack("<HHIIHH", body[:16])
    if tag == _EXTENSIBLE and len(body) >= 26:
        tag = struct.unpack("<H", body[24:26])[0]
    codec = _TAGS.get((tag, bits))
    if codec is None or channels == 0 or rate == 0:
        return None
    encoding = ENCODINGS[codec]
    return (encoding, rate, channels) if align == encoding.width * channels else None


def _layout(
    file: BinaryIO, size: int, offset: int, stated: int, form: tuple[Encoding, int, int] | None
) -> PcmLayout | None:
    if form is None:
        return None
    encoding, rate, channels = form
    there = max(0, size - offset)
    understated = False
    if stated in _OPEN_ENDED or stated in _UNFINISHED:
        stated = there
    elif stated < there and not _chunk_follows(file, offset + stated, size):
        understated, stated = True, there
    frame = encoding.width * channels
    length = min(stated, there)
    return PcmLayout(
        container="wav",
        encoding=encoding,
        rate_hertz=rate,
        channels=channels,
        offset=offset,
        length=length - length % frame,
        stated=stated - stated % frame,
        understated=understated,
    )


def _chunk_follows(file: BinaryIO, position: int, size: int) -> bool:
    """Whether what follows the data is another chunk or mere padding, not more samples."""
    if size - position < 64:
        return True
    for start in (position + (position & 1), position):
        chunk = _read(file, start, 8)
        if len(chunk) < 8:
            return True
        length = struct.unpack("<I", chunk[4:])[0]
        if all(32 <= byte < 127 for byte in chunk[:4]) and start + 8 + length <= size + 1:
            return True
    return False
