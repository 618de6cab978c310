"""Telephone systems that send a running call, as their protocols are published: messages to feed to a door or a socket.

Sources are named in `live/doors/`. All take the sound as int16 [channels, samples].
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from qingting.audio._samples import ALAW, MULAW

if TYPE_CHECKING:
    from uuid import UUID

    from numpy.typing import NDArray

FRAME_MS = 20
"""What telephone systems send at once."""
TWILIO_HERTZ = 8000
_TRACKS = ("inbound", "outbound")
_KINDS = {8000: 0x10, 16_000: 0x12}


def at_rate(pcm: NDArray[np.int16], from_hertz: int, to_hertz: int) -> NDArray[np.int16]:
    """Resample [channels, samples]."""
    if from_hertz == to_hertz:
        return pcm
    import soxr

    resampled: NDArray[np.int16] = soxr.resample(np.ascontiguousarray(pcm.T), from_hertz, to_hertz)
    return np.ascontiguousarray(resampled.T)


def to_mulaw(samples: NDArray[np.int16]) -> NDArray[np.uint8]:
    """Encode as G.711 mu-law, one byte per sample: the code whose value is nearest."""
    return _nearest(samples, MULAW)


def to_alaw(samples: NDArray[np.int16]) -> NDArray[np.uint8]:
    """Encode as G.711 A-law, one byte per sample: the code whose value is nearest."""
    return _nearest(samples, ALAW)


def frames(pcm: NDArray[np.int16], rate_hertz: int, frame_ms: int = FRAME_MS) -> Iterator[NDArray[np.int16]]:
    """Cut sound into frames, [channels, samples]; the last one may be shorter."""
    step = rate_hertz * frame_ms // 1000
    for first in range(0, pcm.shape[1], step):
        yield pcm[:, first : first + step]


class TwilioCaller:
    """One Media Stream: `connected`, `start`, then media as told, then `stop`."""

    def __init__(self, *, tracks: tuple[str, ...] = _TRACKS, parameters: Mapping[str, str] | None = None) -> None:
        """`parameters`: custom parameters of the stream."""
        self._tracks = tracks
        self._parameters = dict(parameters or {})
        self._number = 0
        self._chunks = dict.fromkeys(tracks, 0)

    @property
    def call_sid(self) -> str:
        """Twilio's id of the call."""
        return "CA" + "0" * 31 + "1"

    def begin(self) -> list[str]:
        """Messages before the first sound."""
        start = {
            "streamSid": self._stream_sid,
            "accountSid": "AC" + "0" * 32,
            "callSid": self.call_sid,
            "tracks": list(self._tracks),
            "customParameters": self._parameters,
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": TWILIO_HERTZ, "channels": 1},
        }
        connected = json.dumps({"event": "connected", "protocol": "Call", "version": "1.0.0"})
        return [connected, self._message("start", start)]

    def media(self, track: str, samples: NDArray[np.int16], at_ms: int) -> str:
        """Sound of a track, int16 [samples] of 8 kHz, that began `at_ms` after the stream."""
        self._chunks[track] += 1
        payload = base64.b64encode(to_mulaw(samples).tobytes()).decode()
        chunk = str(self._chunks[track])
        return self._message("media", {"track": track, "chunk": chunk, "timestamp": str(at_ms), "payload": payload})

    def mark(self, name: str) -> str:
        """Tell that something played to the call has ended."""
        return self._message("mark", {"name": name})

    def digit(self, digit: str) -> str:
        """Tell of a pressed digit."""
        return self._message("dtmf", {"track": "inbound_track", "digit": digit})

    def stop(self) -> str:
        """End the stream."""
        return self._message("stop", {"accountSid": "AC" + "0" * 32, "callSid": self.call_sid})

    def call(self, pcm: NDArray[np.int16]) -> Iterator[str]:
        """Send a whole call of 8 kHz, a channel per track, frame by frame."""
        yield from self.begin()
        for number, frame in enumerate(frames(pcm, TWILIO_HERTZ)):
            for track, row in zip(self._tracks, frame, strict=True):
                yield self.media(track, row, number * FRAME_MS)
        yield self.stop()

    @property
    def _stream_sid(self) -> str:
        return "MZ" + "0" * 31 + "1"

    def _message(self, event: str, content: Mapping[str, Any]) -> str:
        self._number += 1
        message = {"event": event, "sequenceNumber": str(self._number), event: content, "streamSid": self._stream_sid}
        return json.dumps(message, ensure_ascii=False)


def freeswitch_call(
    pcm: NDArray[np.int16], rate_hertz: int, metadata: Mapping[str, Any] | None = None
) -> Iterator[bytes | str]:
    """Send a whole call as mod_audio_fork and mod_audio_stream do: metadata, if any, then frames of L16."""
    if metadata is not None:
        yield json.dumps(metadata, ensure_ascii=False)
    for frame in frames(pcm, rate_hertz):
        yield frame.T.astype("<i2").tobytes()


def audiosocket_packet(kind: int, payload: bytes = b"") -> bytes:
    """One AudioSocket packet."""
    return bytes([kind]) + len(payload).to_bytes(2, "big") + payload


def audiosocket_call(pcm: NDArray[np.int16], rate_hertz: int, uuid: UUID) -> Iterator[bytes]:
    """Send a whole call as Asterisk does: UUID, frames of slin (8 kHz) or slin16, hang-up; a packet each."""
    yield audiosocket_packet(0x01, uuid.bytes)
    for frame in frames(pcm, rate_hertz):
        yield audiosocket_packet(_KINDS[rate_hertz], frame.T.astype("<i2").tobytes())
    yield audiosocket_packet(0x00)


def opus_packets(pcm: NDArray[np.int16], rate_hertz: int, *, frame_ms: int = FRAME_MS) -> list[bytes]:
    """Encode as raw Opus packets; what does not fill the last frame becomes silence."""
    from fractions import Fraction

    import av

    codec = av.AudioCodecContext.create("libopus", "w")
    codec.layout = "stereo" if len(pcm) == 2 else "mono"
    codec.sample_rate, codec.format, codec.time_base = rate_hertz, av.AudioFormat("s16"), Fraction(1, rate_hertz)
    codec.options = {"frame_duration": str(frame_ms), "application": "voip"}
    packets: list[bytes] = []
    step = rate_hertz * frame_ms // 1000
    for number, piece in enumerate(frames(pcm, rate_hertz, frame_ms)):
        whole = np.pad(piece, ((0, 0), (0, step - piece.shape[1])))
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(whole.T).reshape(1, -1), "s16", codec.layout.name)
        frame.sample_rate, frame.pts = rate_hertz, number * step
        packets += [bytes(packet) for packet in codec.encode(frame)]
    return packets + [bytes(packet) for packet in codec.encode(None)]


def _nearest(samples: NDArray[np.int16], table: NDArray[np.int16]) -> NDArray[np.uint8]:
    order = np.argsort(table, kind="stable")
    values = table[order].astype(np.int32)
    borders = (values[:-1] + values[1:]) / 2
    codes: NDArray[np.uint8] = order[np.searchsorted(borders, samples)].astype(np.uint8)
    return codes
