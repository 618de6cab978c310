"""The TCP entrance for Asterisk's AudioSocket: calls that were announced, from addresses that may send them."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import time
import uuid
from collections import OrderedDict
from typing import TYPE_CHECKING

from qingting.errors import LiveUnavailableError, QingtingError
from qingting.live.doors.audiosocket import AudioSocketDoor
from qingting.live.doors.door import Begin, End, Expected

if TYPE_CHECKING:
    from collections.abc import Iterable

    from qingting.live.calls import LiveCalls, RunningCall
    from qingting.model.account import Actor

log = logging.getLogger(__name__)

GOOD_SECONDS = 600.0
_MOST = 10_000
_READ_BYTES = 64 * 1024


class ExpectedCalls:
    """Calls that were announced: a UUID is known to whoever announced it alone, and is good once."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, tuple[float, Actor, Expected]] = OrderedDict()

    def add(self, actor: Actor, expected: Expected) -> str:
        """Remember a call; returns its UUID. Raises LiveUnavailableError when too many wait."""
        now = time.monotonic()
        while self._known and next(iter(self._known.values()))[0] < now:
            self._known.popitem(last=False)
        if len(self._known) >= _MOST:
            raise LiveUnavailableError("Too many announced calls have not come.")
        name = str(uuid.uuid4())
        self._known[name] = (now + GOOD_SECONDS, actor, expected)
        return name

    def take(self, name: str) -> tuple[Actor, Expected] | None:
        """Return who announced a call and what is known of it, once."""
        until, actor, expected = self._known.pop(name.lower(), (0.0, None, None))
        return (actor, expected) if actor is not None and expected is not None and until >= time.monotonic() else None


class AudioSocketServer:
    """Takes connections on a port until it is closed."""

    def __init__(
        self, calls: LiveCalls, expected: ExpectedCalls, *, senders: Iterable[str], idle_seconds: float
    ) -> None:
        """`senders`: addresses or networks; what is neither lets nobody in."""
        self._calls = calls
        self._expected = expected
        self._senders = [network for one in senders if (network := _network(one)) is not None]
        self._idle_seconds = idle_seconds
        self._server: asyncio.Server | None = None

    async def open(self, host: str, port: int) -> int:
        """Listen; returns the port. Raises OSError."""
        self._server = await asyncio.start_server(self._serve, host, port, limit=_READ_BYTES)
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    def close(self) -> None:
        """Take no more connections; calls that run are ended by who has them."""
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        call: RunningCall | None = None
        try:
            if self._may_send(writer):
                call = await self._drive(reader)
            else:
                log.warning("an AudioSocket connection from an address that may not send was closed")
        except TimeoutError:
            log.info("an AudioSocket connection brought nothing for too long")
        except QingtingError as error:
            log.info("an AudioSocket connection was closed: %s", error.code)
        except ConnectionError:
            pass
        finally:
            writer.close()
        if call is not None:
            await call.stop()

    async def _drive(self, reader: asyncio.StreamReader) -> RunningCall | None:
        """Take a call to the end of its connection; ended by whoever gets it, or here when something is wrong."""
        actors: list[Actor] = []

        def known(name: str) -> Expected | None:
            found = self._expected.take(name)
            if found is None:
                return None
            actors.append(found[0])
            return found[1]

        door, call = AudioSocketDoor(known), None
        try:
            while data := await self._next(reader):
                for step in door.take(data):
                    if isinstance(step, Begin):
                        call = await self._calls.open(actors[0], step.call, step.form)
                    elif isinstance(step, End):
                        return call
                    elif call is not None:
                        await call.feed(step.content)
        except BaseException:
            if call is not None:
                self._calls.keep(call.stop())
            raise
        return call

    async def _next(self, reader: asyncio.StreamReader) -> bytes:
        async with asyncio.timeout(self._idle_seconds):
            return await reader.read(_READ_BYTES)

    def _may_send(self, writer: asyncio.StreamWriter) -> bool:
        try:
            peer = ipaddress.ip_address(writer.get_extra_info("peername")[0])
        except (TypeError, ValueError, IndexError):
            return False
        return any(peer in network for network in self._senders)


def _network(written: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(written, strict=False)
    except ValueError:
        log.error("live.audiosocket_senders names what is no address and no network")
        return None
