"""Reads everything else through FFmpeg's libraries (the `av` package); imported late.

The bytes are hostile until proven otherwise:

- FFmpeg sees an open file object, never a name, and only the containers listed here: play
  lists and network formats, which make it open other files or hosts, are out of reach.
- The first error ends decoding: feeding a decoder on after an error makes damaged AAC
  crash the process. Only the MPEG layer II and III decoders, which take it, go on.
- What is missing in the middle becomes silence, so that every later time stays true.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, BinaryIO, TypeVar

from qingting.audio._gaps import GapWatch
from qingting.audio._samples import Block, from_frame
from qingting.audio._track import Track, broken_off, differs_from_header, filled, mostly_lost
from qingting.errors import (
    AudioError,
    AudioLimitError,
    BrokenAudioError,
    EmptyAudioError,
    NoAudioTrackError,
    NotAudioError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from av.audio.codeccontext import AudioCodecContext
    from av.audio.fifo import AudioFifo
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
_OWN_DECODERS = {"amrnb": "libopencore_amrnb", "amrwb": "libopencore_amrwb"}
"""FFmpeg's own AMR decoders fail on the silence (DTX) frames that every telephone sends."""
_ROBUST = frozenset({"mp3", "mp3float", "mp2", "mp2float"})
"""Decoders that may go on after an error: their frames stand nearly alone."""
_STATED_BY = frozenset({"mov", "matroska", "asf", "avi", "flac", "wav", "w64", "aiff", "au", "caf"})
"""Containers whose header says how long the recording is."""
_IO_BYTES = 1 << 17
_MICROSECONDS = 1_000_000
"""FFmpeg's unit of container times."""
_TAG_BYTES = 1 << 16
_DRAIN_SAMPLES = 1 << 15
_MOST_CHANNELS = 7
"""`av` counts a frame's planes up to a null pointer that is missing from 8 channels on: touching
such a frame reads foreign memory. WAV files, read without `av`, may have more."""
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
    form: tuple[str, str, int] | None = None
    """Sample type, layout and rate of what is queued."""

    def __post_init__(self) -> None:
        self.tick = float(self.stream.time_base or 0)
        self.fifo = self._new_queue()

    def run(self) -> bool:
        """Decode until the end (True) or the first error (False)."""
        packets = self.container.demux(self.stream)
        decoder = _decoder_for(self.stream)
        robust = self.stream.codec_context.name in _ROBUST
        barren = 0
        while barren < _MAX_BARREN_PACKETS:
            try:
                packet = _attempt(partial(next, packets, None))
            except _FaultError:
                return self._end(finished=False)
            if packet is None:
                break
            try:
                frames = _attempt(partial(self._decode, decoder, packet))
            except _FaultError:
                if not robust:
                    return self._end(finished=False)
                frames = 0
                self._fill(self.watch.spoilt_packet(packet, self._seconds))
            barren = 0 if frames else barren + 1
        return self._end(finished=True)

    def _decode(self, decoder: AudioCodecContext, packet: Packet[AudioStream]) -> int:
        """Decode one packet into the assembly; returns the number of frames it gave."""
        self._fill(self.watch.before_packet(packet, self._seconds))
        frames = decoder.decode(packet)
        for frame in frames:
            self._take(frame)
        return len(frames)

    def _end(self, *, finished: bool) -> bool:
        try:
            _attempt(self._drain)
        except _FaultError:
            return False
        return finished

    @property
    def _seconds(self) -> float:
        waiting = self.fifo.samples
        return self.assembly.seconds + (waiting / self.fifo.sample_rate if waiting else 0.0)

    def _fill(self, gap: float) -> None:
        if gap:
            self._drain()
            self.assembly.add_silence(gap, self.stream.rate, self.stream.channels)

    def _take(self, frame: AudioFrame) -> None:
        if self.watch.timed:
            start = frame.pts * self.tick if frame.pts is not None else None
            self._fill(self.watch.before_frame(start, frame.samples / frame.sample_rate, self._seconds))
        frame.pts = None
        if frame.layout.nb_channels > _MOST_CHANNELS:
            raise BrokenAudioError("the number of channels changes to an impossible value")
        form = (frame.format.name, frame.layout.name, frame.sample_rate)
        if form != self.form:
            # The queue itself does not look: a frame with fewer channels crashes the process.
            self._drain()
            self.fifo, self.form = self._new_queue(), form
        self.fifo.write(frame)
        if self.fifo.samples >= _DRAIN_SAMPLES:
            self._drain()

    def _drain(self) -> None:
        frame = self.fifo.read(0, partial=True) if self.fifo.samples else None
        if frame is not None:
            self.assembly.add(_block(frame), frame.sample_rate)

    @staticmethod
    def _new_queue() -> AudioFifo:
        from av.audio.fifo import AudioFifo

        return AudioFifo()


def read_ffmpeg(file: BinaryIO, assembly: Assembly, *, kind: str, forced: str | None = None) -> Track:
    """Decode the first audio track of any container listed above.

    `kind` is what the first bytes claim: it tells a damaged recording from no recording.
    `forced` names a headerless format.
    Raises NotAudioError, NoAudioTrackError, BrokenAudioError, EmptyAudioError, and what
    Assembly raises on limits. A track that breaks off is no error: Track.damage says so.
    """
    import av.logging

    av.logging.set_level(None)
    try:
        container = _attempt(lambda: open_guarded(file, forced))
    except _FaultError:
        raise _hopeless(kind, "the container's header is damaged") from None
    with container:
        stream = _audio_stream(container, kind)
        rate, channels, tracks = stream.rate or 0, stream.channels, len(container.streams.audio)
        assembly.check(rate, channels)
        if channels > _MOST_CHANNELS:
            raise AudioLimitError(
                f"{channels} channels are more than a compressed recording may have", remedy="Convert it to WAV first."
            )
        name = container.format.name
        stated = _stated_seconds(container, stream, file)
        watch = GapWatch(container=name, stated_seconds=stated)
        finished = _Reader(container=container, stream=stream, assembly=assembly, watch=watch).run()
        codec = stream.codec_context.codec.canonical_name
    if mostly_lost(watch.filled_seconds, assembly.seconds):
        raise _hopeless(kind, "nearly all of the data is damaged")
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
    except AudioLimitError:
        raise
    except Exception as error:
        if type(error) is MemoryError:  # FFmpeg's own means an absurd length in the file
            raise
        raise _FaultError(type(error).__name__) from None


def open_guarded(file: BinaryIO, forced: str | None) -> InputContainer:
    """Open a container so that it can lead nowhere else; `forced` names a headerless format. Raises av's errors."""
    import av

    file.seek(0)
    options = {"max_size": str(1 << 18), "protocol_whitelist": "none"}
    if forced is None:
        options["format_whitelist"] = _CONTAINERS
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
    from av.stream import Discard

    for other in container.streams:
        if other.index != stream.index:
            other.discard = Discard.all
    return stream


def _decoder_for(stream: AudioStream) -> AudioCodecContext:
    from av import CodecContext

    own = _OWN_DECODERS.get(stream.codec_context.name)
    if own is not None:
        return CodecContext.create(own, "r")  # type: ignore[return-value]
    stream.codec_context.thread_count = 1
    return stream.codec_context


def _block(frame: AudioFrame) -> Block:
    samples = from_frame(frame.to_ndarray())
    return samples.T if frame.format.is_planar else samples.reshape(-1, frame.layout.nb_channels)


def _stated_seconds(container: InputContainer, stream: AudioStream, file: BinaryIO) -> float:
    """Duration in the header; 0 when there is none, or FFmpeg guesses it from the size."""
    name = container.format.name
    if not (set(name.split(",")) & _STATED_BY or (name == "mp3" and _has_frame_count(file))):
        return 0.0
    if stream.duration is not None and stream.time_base is not None:
        return max(0.0, float(stream.duration * stream.time_base))
    return max(0.0, (container.duration or 0) / _MICROSECONDS)


def _has_frame_count(file: BinaryIO) -> bool:
    """Whether an MP3 states its number of frames; leaves the file where it was."""
    before = file.tell()
    file.seek(0)
    head = file.read(_TAG_BYTES)
    file.seek(before)
    return b"Xing" in head or b"Info" in head


def _ogg_is_closed(file: BinaryIO) -> bool:
    """Whether the last Ogg page (RFC 3533: at most 65307 bytes) bears the end-of-stream flag."""
    file.seek(max(0, file.seek(0, 2) - 65_307))
    tail = file.read()
    at = tail.rfind(b"OggS")
    return at >= 0 and len(tail) > at + 5 and bool(tail[at + 5] & 4)


def _damage(seconds: float, stated: float, watch: GapWatch, *, finished: bool) -> tuple[str, ...]:
    lost = filled(watch.filled_seconds)
    if not finished:
        return (*lost, broken_off(seconds, stated))
    if watch.spoilt and not lost:
        lost = ("个别数据帧损坏，已跳过。",)
    return (*lost, *differs_from_header(stated, seconds))


def _notes(tracks: int, watch: GapWatch) -> tuple[str, ...]:
    notes = [f"文件含 {tracks} 条音轨，只读取第一条。"] if tracks > 1 else []
    if watch.ignored:
        notes.append("文件的时间戳有异常跳变，已忽略。")
    return tuple(notes)
