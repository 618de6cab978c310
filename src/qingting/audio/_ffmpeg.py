"""Reads everything else through FFmpeg's libraries (the `av` package); imported late.

The bytes are hostile until proven otherwise:

- FFmpeg sees an open file object, never a name, and only the containers listed here: play
  lists and network formats, which make it open other files or hosts, are out of reach.
- The first error ends decoding: feeding a decoder on after an error makes damaged AAC
  crash the process.
- What is missing in the middle becomes silence, so that every later time stays true.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

import av
import av.logging
from av.audio.fifo import AudioFifo

from qingting.audio._gaps import GapWatch
from qingting.audio._samples import Block, from_frame
from qingting.audio._track import Track, clock, missing_at_end
from qingting.errors import AudioError, BrokenAudioError, EmptyAudioError, NoAudioTrackError, NotAudioError

if TYPE_CHECKING:
    from collections.abc import Callable

    from av.audio.codeccontext import AudioCodecContext
    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.packet import Packet

    from qingting.audio._assembly import Assembly

_T = TypeVar("_T")
_CONTAINERS = (
    "aac,ac3,aiff,amr,amrnb,amrwb,asf,au,avi,caf,flac,flv,loas,matroska,webm,mov,mp4,m4a,3gp,mp3,"
    "mpeg,mpegts,ogg,voc,w64,wav"
)
_BY_SUFFIX = {".g722": "g722", ".722": "g722", ".gsm": "gsm"}
"""Headerless formats that only a file name tells; used when the bytes claim nothing."""
_OWN_DECODERS = {"amrnb": "libopencore_amrnb"}
"""FFmpeg's own AMR-NB decoder fails on the silence (DTX) frames that every telephone sends."""
_STATED_BY = frozenset({"mov", "matroska", "asf", "avi", "flac", "wav", "w64", "aiff", "au", "caf"})
"""Containers whose header says how long the recording is."""
_IO_BYTES = 1 << 17
_TAG_BYTES = 1 << 16
_DRAIN_SAMPLES = 1 << 15
_MAX_BARREN_PACKETS = 20_000
"""Packets in a row without one sample: nothing more will come."""


class _FaultError(Exception):
    """A library refused to go on."""


@dataclass(kw_only=True)
class _Reader:
    """One track on its way into the assembly."""

    container: InputContainer
    stream: AudioStream
    assembly: Assembly
    watch: GapWatch
    fifo: AudioFifo = field(default_factory=AudioFifo)

    def run(self) -> bool:
        """Decode until the end (True) or the first error (False)."""
        packets = self.container.demux(self.stream)
        decoder = _decoder_for(self.stream)
        robust = self.stream.codec_context.name in _ROBUST
        barren = 0
        while barren < _MAX_BARREN_PACKETS:
            frames: list[AudioFrame] = []
            try:
                packet = _attempt(lambda: next(packets, None))
                if packet is None:
                    break
                self._fill(self.watch.before_packet(packet, self._seconds))
                frames = _attempt(lambda: decoder.decode(packet))  # noqa: B023 (called at once)
            except _FaultError:
                if packet is None or not robust:
                    self._drain()
                    return False
                self._fill(self.watch.spoilt_packet(packet, self._seconds))
            barren = 0 if frames else barren + 1
            for frame in frames:
                self._take(frame)
        self._drain()
        return True

    @property
    def _seconds(self) -> float:
        waiting = self.fifo.samples
        return self.assembly.seconds + (waiting / self.fifo.sample_rate if waiting else 0.0)

    def _fill(self, gap: float) -> None:
        if gap:
            self._drain()
            self.assembly.add_silence(gap, self.stream.rate, self.stream.channels)

    def _take(self, frame: AudioFrame) -> None:
        if self.timed:
            start = float(frame.pts * self.time_base) if frame.pts is not None else None
            self._fill(self.watch.before_frame(start, frame.samples / frame.sample_rate, self._seconds))
        frame.pts = None
        try:
            self.fifo.write(frame)
        except ValueError:
            # The stream changed its rate, layout or sample type: a new queue for the new kind.
            self._drain()
            self.fifo = AudioFifo()
            self.fifo.write(frame)
        if self.fifo.samples >= _DRAIN_SAMPLES:
            self._drain()

    def _drain(self) -> None:
        frame = self.fifo.read(0, partial=True) if self.fifo.samples else None
        if frame is not None:
            self.assembly.add(_block(frame), frame.sample_rate)


def read_ffmpeg(
    file: BinaryIO, assembly: Assembly, *, kind: str, forced: str | None = None, rate_hertz: int = 0
) -> Track:
    """Decode the first audio track of any container listed above.

    `kind` is what the first bytes claim: it tells a damaged recording from no recording.
    `forced` names a headerless format, `rate_hertz` its rate.
    Raises NotAudioError, NoAudioTrackError, BrokenAudioError, EmptyAudioError, and what
    Assembly raises on limits. A track that breaks off is no error: Track.damage says so.
    """
    av.logging.set_level(None)
    tagged = _has_frame_count(file)
    try:
        container = _attempt(lambda: _open(file, forced, rate_hertz))
    except _FaultError:
        raise _hopeless(kind, "the container's header is damaged") from None
    with container:
        stream = _audio_stream(container, kind)
        rate, channels, tracks = stream.rate or 0, stream.channels, len(container.streams.audio)
        assembly.check(rate, channels)
        name = container.format.name
        stated = _stated_seconds(container, stream) if tagged or set(name.split(",")) & _STATED_BY else 0.0
        watch = GapWatch(container=name)
        finished = _Reader(container=container, stream=stream, assembly=assembly, watch=watch).run()
        codec = stream.codec_context.codec.canonical_name
    if not assembly.seconds:
        if not finished or not kind:
            raise _hopeless(kind, "not one sample could be decoded")
        raise EmptyAudioError("the audio track has no samples")
    damage = _damage(assembly.seconds, stated, watch, finished=finished)
    if "ogg" in name and not damage and not _ogg_is_closed(file):
        damage = ("文件没有正常的结束标记，结尾可能缺失。",)
    return Track(
        container=name,
        codec=codec,
        rate_hertz=rate,
        channels=channels,
        damage=damage,
        notes=_notes(tracks, watch),
    )


def suffix_format(suffix: str) -> str | None:
    """FFmpeg's format for headerless files with a telling name (`.g722`), or None."""
    return _BY_SUFFIX.get(suffix)


def _attempt(action: Callable[[], _T]) -> _T:
    try:
        return action()
    except (AudioError, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001 (whatever a library raises on hostile bytes means the same)
        raise _FaultError(type(error).__name__) from None


def _open(file: BinaryIO, forced: str | None, rate_hertz: int) -> InputContainer:
    file.seek(0)
    options = {"max_size": str(1 << 18), "protocol_whitelist": "none"}
    if forced is None:
        options["format_whitelist"] = _CONTAINERS
    elif rate_hertz:
        options["sample_rate"] = str(rate_hertz)
    return av.open(file, "r", format=forced, options=options, metadata_errors="ignore", buffer_size=_IO_BYTES)


def _hopeless(kind: str, cause: str) -> AudioError:
    if kind:
        return BrokenAudioError(cause)
    return NotAudioError("the bytes are in no known audio or video container")


def _audio_stream(container: InputContainer, kind: str) -> AudioStream:
    if not container.streams.audio:
        if not kind:
            raise NotAudioError("the bytes are in no known audio or video container")
        raise NoAudioTrackError("the container holds no audio track")
    stream = container.streams.audio[0]
    if stream.codec_context is None:
        raise BrokenAudioError("the audio codec is not supported", remedy="Convert the recording to WAV or MP3.")
    for other in container.streams:
        if other.index != stream.index:
            other.discard = "all"  # type: ignore[assignment]  # takes names as well
    return stream


def _decoder_for(stream: AudioStream) -> AudioCodecContext:
    own = _OWN_DECODERS.get(stream.codec_context.name)
    if own is not None:
        return av.CodecContext.create(own, "r")  # type: ignore[return-value]
    stream.codec_context.thread_count = 1
    return stream.codec_context


def _block(frame: AudioFrame) -> Block:
    samples = from_frame(frame.to_ndarray())
    return samples.T if frame.format.is_planar else samples.reshape(-1, frame.layout.nb_channels)


def _stated_seconds(container: InputContainer, stream: AudioStream) -> float:
    if stream.duration is not None and stream.time_base is not None:
        return max(0.0, float(stream.duration * stream.time_base))
    return max(0.0, (container.duration or 0) / av.time_base)


def _has_frame_count(file: BinaryIO) -> bool:
    """Whether an MP3 states its number of frames; FFmpeg else guesses a length from its size."""
    file.seek(0)
    head = file.read(_TAG_BYTES)
    return b"Xing" in head or b"Info" in head


def _ogg_is_closed(file: BinaryIO) -> bool:
    """Whether the last Ogg page (RFC 3533: at most 65307 bytes) bears the end-of-stream flag."""
    file.seek(max(0, file.seek(0, 2) - 65_307))
    tail = file.read()
    at = tail.rfind(b"OggS")
    return at >= 0 and len(tail) > at + 5 and bool(tail[at + 5] & 4)


def _damage(seconds: float, stated: float, watch: GapWatch, *, finished: bool) -> tuple[str, ...]:
    found = []
    if watch.filled_seconds:
        found.append(f"中间缺失约 {clock(watch.filled_seconds)}，已用静音补齐，时间轴不受影响。")
    if not finished:
        found.append(f"在 {clock(seconds)} 处数据损坏，之后的内容未能解码。")
    return (*found, *missing_at_end(stated, seconds))


def _notes(tracks: int, watch: GapWatch) -> tuple[str, ...]:
    notes = [f"文件含 {tracks} 条音轨，只读取第一条。"] if tracks > 1 else []
    if watch.ignored:
        notes.append("文件的时间戳有异常跳变，已忽略。")
    return tuple(notes)
