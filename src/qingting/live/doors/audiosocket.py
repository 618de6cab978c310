"""Asterisk's AudioSocket: packets over TCP, each of a kind, a length and a payload.

Source: https://docs.asterisk.org/Configuration/Channel-Drivers/AudioSocket/. The first packet holds a UUID and
nothing else is said of the call: somebody must have announced it. The UUID is the call's only secret, so the one
who announced it must have drawn it at random and use it once.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from qingting.errors import LiveProtocolError
from qingting.live.doors.door import Begin, End, Sound, Step
from qingting.live.doors.reading import check_size
from qingting.live.sound import SoundDecoder, open_decoder

if TYPE_CHECKING:
    from qingting.live.doors.door import Expected
    from qingting.model.live_event import LiveEvent

_HANG_UP, _UUID, _DTMF, _ERROR = 0x00, 0x01, 0x03, 0xFF
_RATES = {
    0x10: 8000,
    0x11: 12_000,
    0x12: 16_000,
    0x13: 24_000,
    0x14: 32_000,
    0x15: 44_100,
    0x16: 48_000,
    0x17: 96_000,
    0x18: 192_000,
}
"""Hertz of the kinds that hold sound: 16-bit, little endian."""
_TAKEN = (8000, 16_000)
_HEAD_BYTES = 3
_UUID_BYTES = 16


class AudioSocketDoor:
    """One connection. The call begins with its first sound, which tells its rate, or with its end.

    Keeps one packet at most, 64 KiB. Digits pressed are passed over.
    """

    def __init__(self, expected: Callable[[str], Expected | None]) -> None:
        """`expected` gives the call announced under a UUID (small letters, with dashes), or None."""
        self._look_up = expected
        self._expected: Expected | None = None
        self._rate_hertz = 0
        self._decoder: SoundDecoder | None = None
        self._kept = bytearray()
        self._fault: LiveProtocolError | None = None
        self._over = False

    @property
    def missing_ms(self) -> int:
        """Return 0: packets are not numbered."""
        return 0

    def take(self, message: bytes | str) -> list[Step]:
        """Understand the next bytes of the stream, cut anywhere; raises LiveProtocolError for a wrong packet.

        Steps that were understood before a wrong packet are returned first; the error comes with the next call.
        """
        if self._fault is not None:
            raise self._fault
        if not isinstance(message, bytes):
            raise LiveProtocolError("A stream of this kind has no text messages.")
        if self._over:
            return []
        check_size(message)
        self._kept += message
        return self._read()

    def close(self) -> list[Step]:
        """Return what is left when the connection has ended, which ends the call like a hang-up."""
        refused = self._fault is not None and not self._rate_hertz
        if self._expected is None or self._over or refused:
            return []
        self._over = True
        return self._ended()

    def tell(self, event: LiveEvent) -> list[bytes | str]:
        """Tell nothing: what is sent here is played to the call."""
        return []

    def _read(self) -> list[Step]:
        """Understand what is whole, up to a wrong packet."""
        steps: list[Step] = []
        sound = bytearray()
        try:
            for kind, payload in self._packets():
                if kind in _RATES:
                    steps += self._begin(_RATES[kind])
                    sound += payload
                else:
                    self._other(kind, payload)
        except LiveProtocolError as error:
            self._fault = error
            if not steps and not sound:
                raise
        steps += self._sound(bytes(sound))
        return [*steps, *self._ended()] if self._over else steps

    def _packets(self) -> Iterator[tuple[int, bytes]]:
        """Whole packets as far as they have come."""
        while not self._over and len(self._kept) >= _HEAD_BYTES:
            kind, size = self._kept[0], int.from_bytes(self._kept[1:_HEAD_BYTES], "big")
            if self._expected is None and (kind, size) != (_UUID, _UUID_BYTES):
                raise LiveProtocolError("The first packet is no UUID.")
            end = _HEAD_BYTES + size
            if len(self._kept) < end:
                return
            payload = bytes(self._kept[_HEAD_BYTES:end])
            del self._kept[:end]
            yield kind, payload

    def _other(self, kind: int, payload: bytes) -> None:
        if kind == _UUID:
            self._meet(payload)
        elif kind in (_HANG_UP, _ERROR):  # Asterisk reports its own hang-up as an error
            self._over = True
        elif kind != _DTMF:
            raise LiveProtocolError("A packet is of an unknown kind.")

    def _meet(self, payload: bytes) -> None:
        if self._expected is not None:
            raise LiveProtocolError("The UUID came twice.")
        self._expected = self._look_up(str(uuid.UUID(bytes=payload)))
        if self._expected is None:
            raise LiveProtocolError(
                "Nobody has announced a call of this UUID.", remedy="Announce the call first, and use its UUID once."
            )

    def _begin(self, rate_hertz: int) -> list[Step]:
        """The first sound begins the call; later sound must be of its rate."""
        if rate_hertz == self._rate_hertz:
            return []
        if self._rate_hertz:
            raise LiveProtocolError("The rate of the sound changes within the call.")
        if rate_hertz not in _TAKEN:
            raise LiveProtocolError(
                f"The sound has {rate_hertz} Hz.", remedy="Let Asterisk send slin (8000 Hz) or slin16 (16000 Hz)."
            )
        return self._begun(rate_hertz)

    def _begun(self, rate_hertz: int) -> list[Step]:
        if self._expected is None:  # the first packet is checked to be a UUID
            return []
        form = replace(self._expected.form, rate_hertz=rate_hertz)
        self._rate_hertz = rate_hertz
        self._decoder = open_decoder("pcm16", rate_hertz, form.channels)
        return [Begin(call=self._expected.call, form=form)]

    def _sound(self, data: bytes) -> list[Step]:
        if self._decoder is None or not data:
            return []
        content = self._decoder.content(data)
        return [Sound(content=content, channels=self._decoder.channels)] if content else []

    def _ended(self) -> list[Step]:
        self._kept.clear()
        begun = self._begun(self._expected.form.rate_hertz) if self._expected and not self._rate_hertz else []
        return [*begun, End()]
