"""What the process that takes sound and one that listens to it say to each other, over a pair of sockets of their own.

One message is a head (kind, call, length) and its content. Only processes of one installation, started by each
other, are at the ends: contents other than sound are pickled.
"""

from __future__ import annotations

import pickle
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from qingting.live.session import LiveFormat
from qingting.model.call import CallInfo

HEAD = struct.Struct("<BII")
MOST_BYTES = 64 * 1024**2
"""No message of ours is as long."""


class Kind(IntEnum):
    """What a message says."""

    OPEN = 1
    """A call begins: Opening."""
    SOUND = 2
    """Its next sound: int16, interleaved."""
    STOP = 3
    """No more sound comes: the sound's path as text."""
    CANCEL = 4
    """The call is over and nobody wants a report."""
    DISMISS = 5
    """The agent does not want a hint: its id."""
    MISSING = 6
    """Milliseconds of its sound that never came, as a number; before STOP."""
    READY = 20
    """The listening process can take calls."""
    BEAT = 21
    """It lives."""
    EVENTS = 22
    """What a call tells: a list of Told."""
    CARD = 23
    """The call's line on the wall, as JSON."""
    HEARD = 24
    """Milliseconds of the call that were worked through, as a number."""
    ENDED = 25
    """The session is over: Outcome."""


@dataclass(frozen=True, kw_only=True)
class Opening:
    """A call that a listening process shall hear."""

    live_id: str
    call: CallInfo
    form: LiveFormat
    begun_ms: int
    """When the call began, milliseconds since 1970, UTC."""


@dataclass(frozen=True, kw_only=True)
class Told:
    """One event, ready to be sent on."""

    text: str
    """JSON object without its sequence number."""
    partial_of: str = ""
    """Party whose unfinished words it carries: a later one, or the final, replaces it."""
    final_of: str = ""
    """Party whose unfinished words it replaces."""


class Outcome(IntEnum):
    """How a session ended."""

    REPORTED = 1
    HANDED_OVER = 2
    """A job inspects its sound."""
    NOTHING = 3
    """It had no sound, or was deleted."""
    FAILED = 4
    """The session could not end it: its sound is where it was."""


def message(kind: Kind, number: int, content: bytes = b"") -> bytes:
    """Write a message."""
    return HEAD.pack(kind, number, len(content)) + content


def pickled(kind: Kind, number: int, content: Any) -> bytes:
    """Write a message with an object."""
    return message(kind, number, pickle.dumps(content))


def unpickled(content: bytes) -> Any:
    """Read an object that the other end of our own pair of sockets wrote."""
    return pickle.loads(content)  # noqa: S301  the two ends are one installation


class Reader:
    """Cuts what arrives into messages."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[Kind, int, bytes]]:
        """Yield the messages that are whole now: kind, call, content. Raises ValueError for what is none."""
        buffer = self._buffer
        buffer += data
        at = 0
        while len(buffer) - at >= HEAD.size:
            kind, number, length = HEAD.unpack_from(buffer, at)
            if length > MOST_BYTES:
                raise ValueError("no message of ours is as long")
            end = at + HEAD.size + length
            if len(buffer) < end:
                break
            yield Kind(kind), number, bytes(buffer[at + HEAD.size : end])
            at = end
        del buffer[:at]
