"""What every door does: messages of one protocol in, steps of a call out. Doors know neither sockets nor sessions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from qingting.live.session import LiveFormat
from qingting.model.call import CallInfo

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from qingting.model.live_event import LiveEvent


@dataclass(frozen=True, kw_only=True)
class Begin:
    """A call begins. Comes once, before any sound."""

    call: CallInfo
    """An empty call id lets the service make one."""
    form: LiveFormat
    """Of the samples that follow, decoded."""
    key: str = ""
    """API key, where the protocol carries it in a message; empty where the connection itself is signed in."""


@dataclass(frozen=True, kw_only=True)
class Sound:
    """The next sound of the call, in the rate and channels of `Begin.form`."""

    content: bytes
    """int16, interleaved: so it is kept and passed on."""
    channels: int

    @classmethod
    def of(cls, samples: NDArray[np.int16]) -> Sound:
        """Make it of [channels, samples]."""
        return cls(content=samples.T.tobytes(), channels=len(samples))

    @property
    def samples(self) -> NDArray[np.int16]:
        """The same as [channels, samples]."""
        return np.frombuffer(self.content, np.int16).reshape(-1, self.channels).T


@dataclass(frozen=True, kw_only=True)
class End:
    """The call is over: its report can be written."""


Step = Begin | Sound | End


class Door(Protocol):
    """One connection's protocol, from its first message to its last. Not for several threads at once."""

    @property
    def missing_ms(self) -> int:
        """Sound that never came or could not be read, as far as the protocol tells; silence stands for it."""
        ...

    def take(self, message: bytes | str) -> list[Step]:
        """Understand one message (a WebSocket message, or bytes of a TCP stream as they come).

        Raises LiveProtocolError for what the protocol does not allow; the connection is closed then, and a call
        that has begun gets its report from the sound until there.
        """
        ...

    def close(self) -> list[Step]:
        """Return what is left when the connection has ended; empty before a call began and after its End."""
        ...

    def tell(self, event: LiveEvent) -> list[bytes | str]:
        """Messages for the far side about something the call tells; most telephony doors tell nothing."""
        ...


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What is known of a call before its sound comes (AudioSocket carries an id alone)."""

    call: CallInfo
    form: LiveFormat
