"""Qingting's own protocol over WebSocket: texts are JSON objects with a `type`, binary messages are sound.

From the sender: `start`, then sound, `stop`; `resume` with a token instead of `start` after a lost connection;
`dismiss` for hints; `ping` to say that it is there. To the sender: see `live.plain`, each with a `sequence`.
docs/reference/live.md describes all of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qingting.errors import LiveProtocolError
from qingting.live.doors.door import Begin, End, Sound, Step
from qingting.live.doors.reading import call_of, check_size, object_of, read_object, role_of, text_of, whole_of
from qingting.live.session import LiveFormat
from qingting.live.sound import open_decoder
from qingting.model.call import Role

if TYPE_CHECKING:
    from qingting.live.sound import SoundDecoder


@dataclass(frozen=True, kw_only=True)
class Resume:
    """A lost connection goes on."""

    token: str
    after: int
    """Number of the last event that came."""
    encoding: str


@dataclass(frozen=True, kw_only=True)
class Dismiss:
    """The agent does not want a hint."""

    hint_id: str


OwnStep = Step | Resume | Dismiss


class OwnDoor:
    """One connection, from `start` or `resume` to `stop`."""

    def __init__(self) -> None:
        self._decoder: SoundDecoder | None = None
        self._begun = False
        self._over = False

    @property
    def missing_ms(self) -> int:
        """Sound of packets that were lost or broken."""
        return 0 if self._decoder is None else self._decoder.missing_ms

    def take(self, message: bytes | str) -> list[OwnStep]:
        """Understand one message; raises LiveProtocolError for what the protocol does not allow."""
        check_size(message)
        if isinstance(message, bytes):
            return self._hear(message)
        said = read_object(message)
        match said.get("type"):
            case "start":
                return [self._begin(said)]
            case "resume":
                return [self._resume(said)]
            case "stop":
                return self._end()
            case "dismiss":
                return [Dismiss(hint_id=text_of(said, "hint_id"))]
            case "ping":
                return []
            case _:
                raise LiveProtocolError("type is none of start, resume, stop, dismiss, ping.")

    def close(self) -> list[OwnStep]:
        """Keep nothing back: a sender that was cut off sends again what did not arrive whole."""
        return []

    def resumed(self, encoding: str, form: LiveFormat) -> None:
        """Sound comes again, in the form of the call that goes on. Raises InputError for an unknown encoding."""
        self._decoder = open_decoder(encoding, form.rate_hertz, form.channels)

    def _begin(self, said: dict[str, Any]) -> Begin:
        self._only_first()
        audio = object_of(said, "audio")
        rate_hertz, channels = whole_of(audio, "rate") or 0, whole_of(audio, "channels") or 1
        roles = _roles(audio, channels)
        encoding = text_of(audio, "encoding") or "pcm16"
        self._decoder = open_decoder(encoding, rate_hertz, channels)
        call = call_of(object_of(said, "call", needed=False), roles=roles)
        form = LiveFormat(rate_hertz=rate_hertz, channels=channels, roles=roles)
        return Begin(call=call, form=form, key=text_of(said, "key"))

    def _resume(self, said: dict[str, Any]) -> Resume:
        self._only_first()
        encoding = text_of(said, "encoding") or "pcm16"
        return Resume(token=text_of(said, "token"), after=whole_of(said, "after") or 0, encoding=encoding)

    def _only_first(self) -> None:
        if self._begun:
            raise LiveProtocolError("The call has begun already.")
        self._begun = True

    def _hear(self, data: bytes) -> list[OwnStep]:
        if self._decoder is None:
            raise LiveProtocolError("Sound came before start.")
        if self._over:
            raise LiveProtocolError("Sound came after stop.")
        content = self._decoder.content(data)
        return [Sound(content=content, channels=self._decoder.channels)] if content else []

    def _end(self) -> list[OwnStep]:
        if not self._begun:
            raise LiveProtocolError("stop came before start.")
        if self._over:
            return []
        self._over = True
        last = self._decoder.finish() if self._decoder is not None else None
        return [*([] if last is None or not last.size else [Sound.of(last)]), End()]


def _roles(audio: dict[str, Any], channels: int) -> tuple[Role, ...]:
    given = audio.get("roles")
    if given is None:
        return ()
    if not isinstance(given, list) or len(given) != channels:
        raise LiveProtocolError("roles is no list with one role per channel.")
    roles = tuple(role_of({"roles": one}, "roles") or Role.UNSURE for one in given)
    if len(set(roles)) != len(roles):
        raise LiveProtocolError("roles names one role for both channels.")
    return roles
