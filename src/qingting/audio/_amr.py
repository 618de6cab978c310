"""Finds the frames of an AMR file: an own parser, so that damage does not shift the time line.

FFmpeg reads on through a damaged stretch and takes any bytes for frames: a zeroed block of
3 s becomes 7 s of noise, and every later time is wrong. Here the stretch is measured, and
the reading goes on at the next run of frame headers that fit together.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, cast

from qingting.audio._samples import from_frame
from qingting.audio._track import Track, filled, mostly_lost
from qingting.errors import AudioLimitError, BrokenAudioError, EmptyAudioError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from av.audio.codeccontext import AudioCodecContext
    from av.audio.fifo import AudioFifo
    from av.audio.frame import AudioFrame

    from qingting.audio._assembly import Assembly

FRAME_SECONDS = 0.02
_CHAIN = 5
"""Frame headers in a row that must fit before bytes are believed to be frames again."""
_QUALITY = 4
"""Bit of the frame header: the frame was received whole (RFC 4867, 4.3.2)."""
_SILENCE = 9
"""AMR-WB: frame types from here on carry no speech; FFmpeg's own decoder knows none of them."""
_RECENT = 50
_LARGEST_FRAME = 61
_BATCH_SAMPLES = 1 << 15
_RUN_FRAMES = 50
"""Frames handed over at once: the decoders take one after the other from a packet, which saves its cost."""


@dataclass(frozen=True, kw_only=True)
class AmrKind:
    """One of the two AMR file formats (RFC 4867, 5)."""

    codec: str
    """Name as FFmpeg has it."""
    rate_hertz: int
    magic: bytes
    sizes: tuple[int, ...]
    """Bytes per frame by frame type, header byte included; 0 for types not in use."""

    def frame_size(self, header: int) -> int:
        """Bytes of the frame that this header byte begins; 0 when it is no frame header."""
        return 0 if header & 0x83 else self.sizes[header >> 3]


NARROW_BAND = AmrKind(
    codec="amr_nb",
    rate_hertz=8000,
    magic=b"#!AMR\n",
    sizes=(13, 14, 16, 18, 20, 21, 27, 32, 6, 0, 0, 0, 0, 0, 0, 1),
)
WIDE_BAND = AmrKind(
    codec="amr_wb",
    rate_hertz=16_000,
    magic=b"#!AMR-WB\n",
    sizes=(18, 24, 33, 37, 41, 47, 51, 59, 61, 6, 0, 0, 0, 0, 1, 1),
)
_KINDS = (NARROW_BAND, WIDE_BAND)


def amr_kind(head: bytes) -> AmrKind | None:
    """Tell the AMR format from a file's first bytes; None for multi-channel files, too."""
    return next((kind for kind in _KINDS if head.startswith(kind.magic)), None)


def amr_frames(data: bytes, kind: AmrKind) -> Iterator[bytes | float]:
    """Yield every frame of a file, and for each damaged stretch the seconds it stood for."""
    good = re.compile(b"[" + b"".join(re.escape(bytes([h])) for h in range(128) if _whole(h, kind)) + b"]")
    at, recent = len(kind.magic), float(kind.sizes[7])
    while at < len(data):
        size = kind.frame_size(data[at])
        if size and (data[at] & _QUALITY or _fits(data, at, kind)):
            if at + size > len(data):
                yield FRAME_SECONDS
                return
            yield data[at : at + size]
            recent += (size - recent) / _RECENT
            at += size
            continue
        following = _next_chain(data, at + 1, kind, good)
        yield max(1, round((following - at) / recent)) * FRAME_SECONDS
        at = following


def read_amr(file: BinaryIO, size: int, kind: AmrKind, assembly: Assembly) -> Track:
    """Decode an AMR file; damaged stretches become silence of the same length.

    Raises EmptyAudioError (a header only), BrokenAudioError (no frame in it), and what
    Assembly raises on limits.
    """
    if size > 2 * _LARGEST_FRAME * assembly.limits.max_seconds / FRAME_SECONDS:
        raise AudioLimitError("the recording is longer than the limit allows")
    if size <= len(kind.magic):
        raise EmptyAudioError("the recording has a header, but no samples")
    file.seek(0)
    frames = list(amr_frames(file.read(), kind))
    if not any(isinstance(frame, bytes) for frame in frames):
        raise BrokenAudioError("no AMR frame was found after the header")
    assembly.check(kind.rate_hertz, 1)
    tail = ("录音在一帧中间断开，结尾可能缺失。",) if frames[-1] == FRAME_SECONDS else ()
    lost = _decode(frames[:-1] if tail else frames, kind, assembly)
    if mostly_lost(lost, assembly.seconds):
        raise BrokenAudioError("nearly all of the data is damaged")
    return Track(
        container="amr", codec=kind.codec, rate_hertz=kind.rate_hertz, channels=1, damage=(*filled(lost), *tail)
    )


@dataclass(kw_only=True)
class _Reader:
    """Frames on their way into the assembly."""

    decoder: AudioCodecContext
    rate_hertz: int
    assembly: Assembly
    fifo: AudioFifo
    lost: float = 0.0
    """Seconds that had to be filled."""

    def take(self, frames: list[bytes]) -> bool:
        """Decode frames; False, with nothing taken, when the decoder refuses one of them."""
        decoded = _decoded(self.decoder, b"".join(frames))
        for samples in decoded or ():
            samples.pts = None
            self.fifo.write(samples)
        if self.fifo.samples >= _BATCH_SAMPLES:
            self.drain()
        return decoded is not None

    def lose(self, seconds: float) -> None:
        """Put silence in the place of what is damaged."""
        self.drain()
        self.assembly.add_silence(seconds, self.rate_hertz)
        self.lost += seconds

    def drain(self) -> None:
        """Hand what is decoded to the assembly."""
        batch = self.fifo.read(0, partial=True) if self.fifo.samples else None
        if batch is not None:
            self.assembly.add(from_frame(batch.to_ndarray()).reshape(-1, 1), self.rate_hertz)


def _decode(frames: list[bytes | float], kind: AmrKind, assembly: Assembly) -> float:
    """Decode frames into the assembly; returns the seconds that had to be filled."""
    import av
    from av.audio.fifo import AudioFifo

    decoder = cast("AudioCodecContext", av.CodecContext.create(_decoder_name(frames, kind), "r"))
    reader = _Reader(decoder=decoder, rate_hertz=kind.rate_hertz, assembly=assembly, fifo=AudioFifo())
    for run in _runs(frames):
        if isinstance(run, float):
            reader.lose(run)
        elif not reader.take(run):
            for frame in run:  # once more, to lose the bad frames only
                if not reader.take([frame]):
                    reader.lose(FRAME_SECONDS)
    reader.drain()
    return reader.lost


def _decoded(decoder: AudioCodecContext, data: bytes) -> list[AudioFrame] | None:
    """Decode a packet of one or more frames; None when the decoder refuses it."""
    import av

    try:
        return decoder.decode(av.Packet(data))
    except (av.FFmpegError, ValueError):
        return None


def _runs(frames: list[bytes | float]) -> Iterator[list[bytes] | float]:
    """Yield the frames in runs without damage, and each damaged stretch's seconds between them."""
    run: list[bytes] = []
    for frame in frames:
        if isinstance(frame, bytes) and len(run) < _RUN_FRAMES:
            run.append(frame)
            continue
        if run:
            yield run
        run = [frame] if isinstance(frame, bytes) else []
        if isinstance(frame, float):
            yield frame
    if run:
        yield run


def _decoder_name(frames: list[bytes | float], kind: AmrKind) -> str:
    """Choose FFmpeg's own decoder only where it is faster and knows all frames."""
    if kind is NARROW_BAND:
        return "libopencore_amrnb"
    rests = any(isinstance(frame, bytes) and frame[0] >> 3 >= _SILENCE for frame in frames)
    return "libopencore_amrwb" if rests else "amrwb"


def _whole(header: int, kind: AmrKind) -> bool:
    return bool(header & _QUALITY and kind.frame_size(header))


def _fits(data: bytes, at: int, kind: AmrKind) -> bool:
    """Whether headers that fit follow each other from here, at least one of a whole frame."""
    whole = False
    for _ in range(_CHAIN):
        if at >= len(data):
            return True
        size = kind.frame_size(data[at])
        if not size:
            return False
        whole = whole or bool(data[at] & _QUALITY)
        at += size
    return whole


def _next_chain(data: bytes, at: int, kind: AmrKind, good: re.Pattern[bytes]) -> int:
    while found := good.search(data, at):
        at = found.start()
        if _fits(data, at, kind):
            return at
        at += 1
    return len(data)
