"""The server's WebSockets, with a short way for sound.

Hundreds of running calls bring ten messages a second each. On its usual way a message is parsed step by step, made an
event, queued, and its task is woken; that costs more than everything that is done with the sound. So an application
may listen: a binary message that came whole while the application waits for the next one is given to it at once.
Every other message, and every one that it does not take, goes the usual way, in the order of their coming.

With many connections, what they bring within a moment is taken together: each message for itself would find nothing
of what it needs in the processor's caches, and cost twice as much.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

try:
    from websockets.speedups import apply_mask
except ImportError:  # an installation without compiled parts
    from websockets.utils import apply_mask

if TYPE_CHECKING:
    from starlette.types import Scope
    from uvicorn._types import ASGIReceiveEvent

log = logging.getLogger(__name__)

Listener = Callable[[bytes], bool]
"""Takes a message, or returns False for one that shall go the usual way; raises nothing."""
MANY = 100
"""With more connections what they bring is taken together."""
_MOMENT_SECONDS = 0.01
_MOST_BYTES = 4 * 1024**2
"""More is not left waiting for the moment's end."""
_EXTENSION = "qingting.short_way"
_TEXT, _BINARY = 0x81, 0x82
"""First bytes of whole messages that nothing was done to (RFC 6455, 5.2)."""
_CONTROL = 0x88
_MASKED = 0x80
_MASK = 4
"""Bytes of a mask."""
_WIDE = {126: 2, 127: 8}
"""Bytes of longer lengths, by what stands in place of short ones."""


def listen(scope: Scope, listener: Listener) -> None:
    """Let a connection's binary messages be given to a listener; on other servers they go on coming as usual."""
    extension = (scope.get("extensions") or {}).get(_EXTENSION)
    if extension is not None:
        extension["listen"](listener)


class Moment:
    """What the connections of a server have brought and nobody has looked at. Belongs to one event loop."""

    def __init__(self) -> None:
        self._waiting: list[tuple[ShortWay, bytes]] = []
        self._bytes = 0
        self._end: asyncio.TimerHandle | None = None

    def add(self, connection: ShortWay, data: bytes) -> None:
        """Keep what came until the moment is over."""
        self._waiting.append((connection, data))
        self._bytes += len(data)
        if self._end is None:
            self._end = asyncio.get_running_loop().call_later(_MOMENT_SECONDS, self.take)
        elif self._bytes > _MOST_BYTES:
            self.take()

    def take(self) -> None:
        """Let the connections take what has come for them."""
        if self._end is not None:
            self._end.cancel()
            self._end = None
        waiting, self._waiting, self._bytes = self._waiting, [], 0
        for connection, data in waiting:
            try:
                connection.take(data)
            except Exception as error:  # noqa: BLE001  one connection must not take the others with it
                log.error("unexpected %s in a connection", type(error).__name__)
                connection.transport.abort()


class ShortWay(WebSocketsSansIOProtocol):
    """One connection: cuts what comes into frames, and passes on all but the sound that is listened to."""

    def __init__(self, *arguments: Any, moment: Moment, **named: Any) -> None:
        """`moment` is shared by the connections of a server; the rest is as that of the server's own."""
        super().__init__(*arguments, **named)
        self._moment = moment
        self._listener: Listener | None = None
        self._awaited = False
        """The application has nothing to do but to wait for a message."""
        self._usual = False
        """Nothing is cut any more."""
        self._kept = bytearray()
        """Begin of a frame that is not whole yet."""
        self._needed = 0
        """Bytes of it without which nothing can be done."""

    async def run_asgi(self) -> None:
        """Offer the short way to the application."""
        self.scope["extensions"][_EXTENSION] = {"listen": self._listen}
        try:
            await super().run_asgi()
        finally:
            # Else connection and application would keep each other, with all that a call has told.
            self._listener = None
            del self.scope["extensions"][_EXTENSION]

    async def receive(self) -> ASGIReceiveEvent:
        """Give the application the next message that goes the usual way."""
        self._awaited = True
        try:
            return await super().receive()
        finally:
            self._awaited = False

    def data_received(self, data: bytes) -> None:
        """Take bytes of the connection, cut anywhere."""
        if len(self.connections) > MANY:
            self._moment.add(self, data)
        else:
            self.take(data)

    def eof_received(self) -> None:
        """Take what came before the sender's end first."""
        self._moment.take()
        super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Take what came before the connection broke first."""
        self._moment.take()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """Take what came before the server's end first."""
        self._moment.take()
        super().shutdown()

    def take(self, data: bytes) -> None:
        """Look at what came: give sound to the listener, and let the rest go its usual way."""
        if self._usual or not self.handshake_initiated:
            super().data_received(data)
            return
        if self._kept:
            self._kept += data
            if len(self._kept) < self._needed:
                return
            data, self._kept = bytes(self._kept), bytearray()
        at, size = 0, len(data)
        while at < size:
            content, end = _measure(data, at)
            odd = size - at >= 2 and not _is_plain(data[at], data[at + 1])
            if odd or end - content > self.config.ws_max_size:
                self._usual = True
                super().data_received(data[at:])
                return
            if end > size:
                self._kept += data[at:]
                self._needed = end - at
                return
            if not self._is_taken(data, at, content, end):
                super().data_received(data[at:end])
            at = end

    def _listen(self, listener: Listener) -> None:
        self._listener = listener

    def _is_taken(self, data: bytes, at: int, content: int, end: int) -> bool:
        if data[at] != _BINARY or self._listener is None or not self._awaited or not self.queue.empty():
            return False
        return self._listener(apply_mask(data[content:end], data[content - _MASK : content]))


def _is_plain(first: int, second: int) -> bool:
    """Whether a frame that begins so is a whole message or a ping, a pong, a close, and masked as senders must.

    Who cuts messages into frames or compresses them is not worth a short way, and what is wrong is refused on the
    usual one.
    """
    return bool(second & _MASKED) and (first in (_TEXT, _BINARY) or first & 0xF8 == _CONTROL)


def _measure(data: bytes, at: int) -> tuple[int, int]:
    """Where the content of the frame that begins at a place begins and ends.

    The end lies behind the data while too little of the frame has come.
    """
    if len(data) < at + 2:
        return at, at + 2
    length, content = data[at + 1] & 0x7F, at + 2 + _MASK
    wide = _WIDE.get(length, 0)
    if wide:
        content += wide
        if len(data) < content:
            return content, content
        length = int.from_bytes(data[at + 2 : at + 2 + wide], "big")
    return content, content + length
