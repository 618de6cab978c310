"""Decodes any recording to 8 or 16 kHz int16 PCM, in blocks and within limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from qingting.audio._amr import amr_kind, read_amr
from qingting.audio._assembly import Assembly
from qingting.audio._pcm import RAW_CODECS, raw_layout, read_pcm
from qingting.audio._wav import parse_wav
from qingting.audio.source import Source, open_source
from qingting.model.audio import RecordingFormat

if TYPE_CHECKING:
    import os

    import numpy as np
    from numpy.typing import NDArray

    from qingting.audio._track import Track
    from qingting.audio.options import AudioOptions

_CLIPPED_SHARE = 0.01


@dataclass(frozen=True, kw_only=True, eq=False)
class Decoded:
    """A recording's samples, before anything else is done to them."""

    format: RecordingFormat
    """What the file was; says whether a part is missing."""
    rate_hertz: int
    """8000 for sources of at most 8 kHz, else 16000."""
    pcm: NDArray[np.int16]
    """Shape [channels, samples]; 1 or 2 rows."""
    notes: tuple[str, ...] = ()
    """Chinese sentences on what was done or noticed."""


def decode(source: Source, options: AudioOptions) -> Decoded:
    """Decode a recording; more than two channels are mixed to one.

    A recording that breaks off is returned as far as it goes, with `format.truncated` and
    a Chinese reason. Raises a typed AudioError when nothing can be decoded or a limit is
    passed. Run it in a WorkerPool: FFmpeg's decoders can crash on hostile bytes.
    """
    assembly = Assembly(options.limits)
    with source.open() as file:
        track = _read(file, source, options, assembly)
    pcm = assembly.finish()
    return Decoded(
        format=RecordingFormat(
            container=track.container,
            codec=track.codec,
            sample_rate_hertz=track.rate_hertz,
            channels=track.channels,
            duration_ms=round(pcm.shape[1] * 1000 / assembly.rate_hertz),
            size_bytes=source.size_bytes,
            sha256=source.sha256,
            truncated=bool(track.damage),
            truncation="".join(track.damage),
        ),
        rate_hertz=assembly.rate_hertz,
        pcm=pcm,
        notes=(*track.notes, *_notes(track, pcm, assembly.clipped)),
    )


def decode_recording(
    path_or_bytes: str | os.PathLike[str] | bytes | bytearray | memoryview, options: AudioOptions
) -> Decoded:
    """Open and decode in one step, for a WorkerPool; raises what open_source and decode raise."""
    return decode(open_source(path_or_bytes, options.limits), options)


def _read(file: BinaryIO, source: Source, options: AudioOptions, assembly: Assembly) -> Track:
    raw, kind = options.raw, source.kind
    if raw is not None and raw.encoding in RAW_CODECS:
        return read_pcm(file, raw_layout(raw, source.size_bytes), assembly)
    layout = parse_wav(file, source.size_bytes) if kind == "wav" and raw is None else None
    if layout is not None:
        return read_pcm(file, layout, assembly)
    amr = amr_kind(source.head) if raw is None else None
    if amr is not None:
        return read_amr(file, source.size_bytes, amr, assembly)

    from qingting.audio._ffmpeg import read_ffmpeg, suffix_format

    if raw is not None:
        if raw.encoding != "g722":
            raw_layout(raw, source.size_bytes)  # raises: the encoding is not known
        return read_ffmpeg(file, assembly, kind=raw.encoding, forced="g722")
    forced = suffix_format(source.suffix) if not kind else None
    return read_ffmpeg(file, assembly, kind=kind or forced or "", forced=forced)


def _notes(track: Track, pcm: NDArray[np.int16], clipped: int) -> tuple[str, ...]:
    notes = []
    if track.channels > 2:
        notes.append(f"文件有 {track.channels} 个声道，已混合为一个声道。")
    if clipped > _CLIPPED_SHARE * pcm.size:
        notes.append("录音音量超出满幅，部分样本已限幅，声音可能失真。")
    if not pcm.any():
        notes.append("解码后的声音全部为静音。")
    return tuple(notes)
