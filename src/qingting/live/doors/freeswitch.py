"""FreeSWITCH's mod_audio_fork and mod_audio_stream: raw L16 over WebSocket, in the byte order of the switch.

Sources: https://github.com/drachtio/drachtio-freeswitch-modules/tree/main/modules/mod_audio_fork and
https://github.com/amigniter/mod_audio_stream. A first text message holds what the command was given as metadata,
binary messages hold samples; `send_text` and `stop` may send further texts. With mix type `stereo` the leg on which
the module was started is on the left: FreeSWITCH puts the leg's read stream first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from qingting.errors import LiveProtocolError
from qingting.live.doors.door import Begin, End, Sound, Step
from qingting.live.doors.reading import call_of, check_size, read_json, read_object, role_of, text_of
from qingting.live.session import LiveFormat
from qingting.live.sound import SoundDecoder, open_decoder
from qingting.model.call import Role

if TYPE_CHECKING:
    from qingting.model.live_event import LiveEvent

_RATES = {"": 8000, "8000": 8000, "8k": 8000, "16000": 16_000, "16k": 16_000}
_CHANNELS = {"": 1, "1": 1, "2": 2, "mono": 1, "mixed": 1, "stereo": 2}
_ENCODINGS = ("pcm16", "pcm16be", "alaw", "mulaw")


class FreeSwitchDoor:
    """One stream, described by the parameters of its connection and by its metadata, which win.

    Besides the call's data and `key`: `rate` (8000, 16000), `channels` (1, 2, or the mix type), `encoding` (pcm16),
    and `left_is` or `caller_is`, which mean the same: the role of the leg on which the module was started. Where
    nobody says, the left one of two channels is the customer, and a single channel holds both, as `mixed` always does.
    """

    def __init__(self, parameters: Mapping[str, str]) -> None:
        """`parameters`: of the connection's address."""
        self._parameters = dict(parameters)
        self._decoder: SoundDecoder | None = None
        self._over = False

    @property
    def missing_ms(self) -> int:
        """Return 0: samples are not numbered."""
        return 0

    def take(self, message: bytes | str) -> list[Step]:
        """Understand one message; raises LiveProtocolError for what the protocol does not allow."""
        if self._over:
            raise LiveProtocolError("The stream goes on after its end.")
        check_size(message)
        if isinstance(message, bytes):
            return self._hear(message)
        if self._decoder is None:
            return [self._begin(read_object(message))[0]]
        read_json(message)
        return []

    def close(self) -> list[Step]:
        """Return what is left when the connection has ended, which ends the call."""
        if self._decoder is None or self._over:
            return []
        self._over = True
        return [End()]

    def tell(self, event: LiveEvent) -> list[bytes | str]:
        """Tell nothing: the modules make events of the switch from whatever they get."""
        return []

    def _hear(self, data: bytes) -> list[Step]:
        steps: list[Step] = []
        decoder = self._decoder
        if decoder is None:
            begin, decoder = self._begin({})
            steps.append(begin)
        content = decoder.content(data)
        return [*steps, Sound(content=content, channels=decoder.channels)] if content else steps

    def _begin(self, metadata: dict[str, Any]) -> tuple[Begin, SoundDecoder]:
        said: dict[str, Any] = {**self._parameters, **metadata}
        rate_hertz = _choice(said, "rate", _RATES)
        channels = _choice(said, "channels", _CHANNELS)
        encoding = text_of(said, "encoding") or _ENCODINGS[0]
        if encoding not in _ENCODINGS:
            raise LiveProtocolError(f"encoding is none of {', '.join(_ENCODINGS)}.")
        roles = _roles(said, channels)
        form = LiveFormat(rate_hertz=rate_hertz, channels=channels, roles=roles)
        begin = Begin(call=call_of(said, roles=roles), form=form, key=text_of(said, "key"))
        self._decoder = open_decoder(encoding, rate_hertz, channels)
        return begin, self._decoder


def _choice(said: Mapping[str, Any], name: str, choices: Mapping[str, int]) -> int:
    value = text_of(said, name)
    if value not in choices:
        raise LiveProtocolError(f"{name} is none of {', '.join(one for one in choices if one)}.")
    return choices[value]


def _roles(said: Mapping[str, Any], channels: int) -> tuple[Role, ...]:
    named = {role for name in ("left_is", "caller_is") if (role := role_of(said, name)) is not None}
    if len(named) > 1:
        raise LiveProtocolError("left_is and caller_is name different roles, but mean the same leg.")
    left = next(iter(named), None)
    if channels == 1:
        return (left,) if left is not None and text_of(said, "channels") != "mixed" else ()
    left = left or Role.CUSTOMER
    return left, left.other
