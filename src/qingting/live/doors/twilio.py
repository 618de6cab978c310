"""Twilio Media Streams: JSON messages over WebSocket with base64 mu-law of 8 kHz, one or two tracks.

Source: https://www.twilio.com/docs/voice/media-streams/websocket-messages (messages) and
https://www.twilio.com/docs/voice/twiml/stream (tracks, custom parameters). `inbound` is what Twilio receives from
the call's own leg, `outbound` what it plays to it. Silence may not be sent at all, so times decide where sound
stands (`live/tracks.py`).
"""

from __future__ import annotations

import binascii
from typing import TYPE_CHECKING, Any

from qingting.errors import LiveProtocolError
from qingting.live.doors.door import Begin, End, Sound, Step
from qingting.live.doors.reading import call_of, object_of, read_object, role_of, text_of, whole_of
from qingting.live.session import LiveFormat
from qingting.live.sound import open_decoder
from qingting.live.tracks import TrackJoiner
from qingting.model.call import Role

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from qingting.model.live_event import LiveEvent

_RATE_HERTZ = 8000
_TRACKS = ("inbound", "outbound")
_FORMAT = {"encoding": "audio/x-mulaw", "sampleRate": _RATE_HERTZ, "channels": 1}


class TwilioDoor:
    """One stream. Its custom parameters are the call's data, `key`, and `inbound_is` (customer, or agent).

    Without `call_id` the call has Twilio's callSid. Two tracks become two channels, inbound first.
    """

    def __init__(self) -> None:
        self.missed = 0
        """Messages that never came, by their numbers, of whatever kind."""
        self._stream = ""
        self._tracks: tuple[str, ...] = ()
        self._joiner: TrackJoiner | None = None
        self._last: int | None = None
        self._over = False

    @property
    def missing_ms(self) -> int:
        """Sound that never came, by the numbers of its pieces."""
        return 0 if self._joiner is None else self._joiner.missing_ms

    def take(self, message: bytes | str) -> list[Step]:
        """Understand one message; raises LiveProtocolError for what the protocol does not allow."""
        if self._over:
            raise LiveProtocolError("The stream goes on after its stop message.")
        if not isinstance(message, str):
            raise LiveProtocolError("A stream of this kind has no binary messages.")
        said = read_object(message)
        event = text_of(said, "event")
        if not event:
            raise LiveProtocolError("event is missing.")
        if event == "start":
            return self._start(said)
        if event == "connected":
            return self._connected()
        if self._joiner is None:
            raise LiveProtocolError("The first message after connected is not start.")
        return self._go_on(event, said, self._joiner)

    def close(self) -> list[Step]:
        """Return what is left when the connection has ended, with or without a stop message."""
        if self._joiner is None or self._over:
            return []
        self._over = True
        return [*_sound(self._joiner.finish()), End()]

    def tell(self, event: LiveEvent) -> list[bytes | str]:
        """Tell nothing."""
        return []

    def _connected(self) -> list[Step]:
        if self._joiner is not None:
            raise LiveProtocolError("connected came after start.")
        return []

    def _start(self, said: dict[str, Any]) -> list[Step]:
        if self._joiner is not None:
            raise LiveProtocolError("start came twice.")
        start = object_of(said, "start")
        _check_format(object_of(start, "mediaFormat", needed=False))
        given = object_of(start, "customParameters", needed=False)
        tracks = _tracks(start.get("tracks"))
        inbound = role_of(given, "inbound_is") or Role.CUSTOMER
        roles = tuple({"inbound": inbound, "outbound": inbound.other}[track] for track in tracks)
        call = call_of(given, call_id=text_of(start, "callSid"), roles=roles)
        begin = Begin(
            call=call,
            form=LiveFormat(rate_hertz=_RATE_HERTZ, channels=len(tracks), roles=roles),
            key=text_of(given, "key"),
        )
        self._stream = text_of(said, "streamSid") or text_of(start, "streamSid")
        self._count(whole_of(said, "sequenceNumber"))
        self._tracks, self._joiner = tracks, TrackJoiner(_RATE_HERTZ, tracks)
        return [begin]

    def _go_on(self, event: str, said: dict[str, Any], joiner: TrackJoiner) -> list[Step]:
        stream = text_of(said, "streamSid")
        if self._stream and stream and stream != self._stream:
            raise LiveProtocolError("A message of another stream came.")
        self._count(whole_of(said, "sequenceNumber"))
        if event == "media":
            return self._media(object_of(said, "media"), joiner)
        return self.close() if event == "stop" else []  # mark, dtmf, and whatever may be added to the protocol

    def _count(self, number: int | None) -> None:
        if number is None:
            return
        if self._last is not None:
            self.missed += max(0, number - self._last - 1)
        self._last = number if self._last is None else max(self._last, number)

    def _media(self, media: dict[str, Any], joiner: TrackJoiner) -> list[Step]:
        track = text_of(media, "track") or self._tracks[0]
        if track not in self._tracks:
            raise LiveProtocolError("media.track is none of those that start has named.")
        at_ms, number = whole_of(media, "timestamp"), whole_of(media, "chunk")
        samples = open_decoder("mulaw", _RATE_HERTZ, 1).decode(_payload(media))[0]
        return _sound(joiner.add(track, samples, at_ms=at_ms, number=number))


def _tracks(value: object) -> tuple[str, ...]:
    """Tracks in the order of channels; only inbound where start does not say."""
    if value is None:
        return _TRACKS[:1]
    if not isinstance(value, list) or not value or any(one not in _TRACKS for one in value):
        raise LiveProtocolError("start.tracks lists others than inbound and outbound.")
    return tuple(track for track in _TRACKS if track in value)


def _check_format(said: dict[str, Any]) -> None:
    """Refuse other sound than mu-law of 8 kHz; what is not said is taken for it."""
    given = {
        "encoding": text_of(said, "encoding") or _FORMAT["encoding"],
        "sampleRate": whole_of(said, "sampleRate") or _FORMAT["sampleRate"],
        "channels": whole_of(said, "channels") or _FORMAT["channels"],
    }
    if given != _FORMAT:
        raise LiveProtocolError("start.mediaFormat is not mu-law of 8 kHz with one channel.")


def _payload(media: dict[str, Any]) -> bytes:
    payload = media.get("payload")
    if not isinstance(payload, str):
        raise LiveProtocolError("media.payload is missing or no text.")
    try:
        return binascii.a2b_base64(payload, strict_mode=True)
    except ValueError:  # binascii.Error is one; so is a text that is not ASCII
        raise LiveProtocolError("media.payload is no base64.") from None


def _sound(samples: NDArray[np.int16]) -> list[Step]:
    return [Sound.of(samples)] if samples.shape[1] else []
