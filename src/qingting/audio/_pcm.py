"""Reads samples that need no decoder: WAV with PCM, float or G.711, and headerless files."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from qingting.audio._samples import ENCODINGS, silence_unwritten
from qingting.audio._track import Track, differs_from_header, filled
from qingting.audio._wav import PcmLayout
from qingting.errors import EmptyAudioError, NotAudioError

if TYPE_CHECKING:
    from qingting.audio._assembly import Assembly
    from qingting.audio.options import RawFormat

RAW_CODECS = {"s16le": "pcm_s16le", "alaw": "pcm_alaw", "mulaw": "pcm_mulaw"}
"""Encodings of RawFormat that are read here, and FFmpeg's names for them."""
_BLOCK_BYTES = 1 << 20


def raw_layout(raw: RawFormat, size: int) -> PcmLayout:
    """Lay a headerless file out as its RawFormat says.

    Raises NotAudioError for an unknown encoding, EmptyAudioError when not one sample fits.
    """
    codec = RAW_CODECS.get(raw.encoding)
    if codec is None or raw.channels < 1:
        raise NotAudioError(
            "the given raw format is not known", remedy="Use one of s16le, alaw, mulaw, g722, with at least 1 channel."
        )
    encoding = ENCODINGS[codec]
    length = size - size % (encoding.width * raw.channels)
    return PcmLayout(
        container=raw.encoding,
        encoding=encoding,
        rate_hertz=raw.sample_rate_hertz,
        channels=raw.channels,
        offset=0,
        length=length,
        stated=length,
    )


def read_pcm(file: BinaryIO, layout: PcmLayout, assembly: Assembly) -> Track:
    """Read all samples of a layout in blocks.

    Raises EmptyAudioError when there are none, and what Assembly raises on limits.
    """
    assembly.check(layout.rate_hertz, layout.channels)
    if layout.length == 0:
        raise EmptyAudioError("the recording has a header, but no samples")
    file.seek(layout.offset)
    lost, left, step = 0, layout.length, _BLOCK_BYTES - _BLOCK_BYTES % layout.frame_bytes
    while left > 0:
        data = _read_exactly(file, min(left, step))
        data = data[: len(data) - len(data) % layout.frame_bytes]
        if not data:
            break
        left -= len(data)
        data, unwritten = silence_unwritten(data, layout.encoding.codec)
        lost += unwritten
        assembly.add(layout.encoding.read(data).reshape(-1, layout.channels), layout.rate_hertz)
    second = layout.frame_bytes * layout.rate_hertz
    return Track(
        container=layout.container,
        codec=layout.encoding.codec,
        rate_hertz=layout.rate_hertz,
        channels=layout.channels,
        damage=filled(lost / second) + differs_from_header(layout.stated / second, (layout.length - left) / second),
        notes=("文件头注明的长度小于实际数据，已按实际数据读取。",) if layout.understated else (),
    )


def _read_exactly(file: BinaryIO, length: int) -> bytes:
    """Read until `length` bytes are there or the file ends: one unbuffered read may give less."""
    data = file.read(length)
    while 0 < len(data) < length:
        more = file.read(length - len(data))
        if not more:
            break
        data += more
    return data
