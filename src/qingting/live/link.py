"""The other end of a listening process: starts it, brings it sound, hands on what its calls tell."""

from __future__ import annotations

import asyncio
import logging
import socket
import subprocess
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any, Protocol

from qingting.live.wire import Kind, Opening, Outcome, Reader, Told, message, pickled, unpickled

log = logging.getLogger(__name__)

_READ_BYTES = 256 * 1024
_PAUSE_SECONDS = (1.0, 2.0, 5.0, 15.0, 30.0)
"""Before the process is started again after it died, at once the first time."""
_STEADY_SECONDS = 60.0
_END_SECONDS = 15.0
"""It may store reports for so long when the service stops."""
_MOST_BYTES = 1024**2
"""On its way to the process; then senders wait."""


class Listening(Protocol):
    """A call as its listening process sees it; called in the event loop."""

    def told(self, events: list[Told]) -> None:
        """The call told something."""

    def card(self, text: str) -> None:
        """The call's line on the wall changed."""

    def heard(self, at_ms: int) -> None:
        """So much of it was worked through."""

    def ended(self, outcome: Outcome) -> None:
        """Its session is over."""

    def lost(self) -> None:
        """Its process is gone."""


class Link:
    """One listening process and the calls it has. Belongs to one event loop."""

    def __init__(
        self, command: Callable[[int], Sequence[str]], *, stall_seconds: float, start_seconds: float = 120.0
    ) -> None:
        """`command` is that of a process whose end of the pair is the file descriptor it is given."""
        self._command = command
        self._stall_seconds = stall_seconds
        self._start_seconds = start_seconds
        self._calls: dict[int, Listening] = {}
        self._number = 0
        self._process: asyncio.subprocess.Process | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._out: list[bytes] = []
        """Messages of one turn of the event loop, which are written together."""
        self._out_bytes = 0
        self._flushing: asyncio.Handle | None = None
        self._began = 0.0
        self._failures = 0
        self._seen = 0.0
        self._ready = False
        self._closing = False

    @property
    def calls(self) -> int:
        """Calls that it has."""
        return len(self._calls)

    @property
    def process_id(self) -> int | None:
        """Of the process; None when none runs."""
        return None if self._process is None else self._process.pid

    async def start(self) -> bool:
        """Start the process unless it runs; returns whether it runs now."""
        if self._writer is not None:
            return True
        if self._closing or time.monotonic() - self._began < _pause_before(self._failures):
            return False
        ours, theirs = socket.socketpair()
        self._began = self._seen = time.monotonic()
        self._ready = False
        try:
            self._process = await asyncio.create_subprocess_exec(
                *self._command(theirs.fileno()), pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL
            )
        finally:
            theirs.close()
        ours.setblocking(False)  # noqa: FBT003  the standard library's own form
        reader, self._writer = await asyncio.open_connection(sock=ours)
        self._writer.transport.set_write_buffer_limits(_MOST_BYTES)
        self._keep(self._read(reader, self._writer))
        self._keep(self._watch(self._writer))
        return True

    def open(self, opening: Opening, call: Listening) -> int:
        """Give it a call; returns the call's number here. Only after start()."""
        self._number += 1
        self._calls[self._number] = call
        self._send(pickled(Kind.OPEN, self._number, opening))
        return self._number

    def sound(self, number: int, content: bytes) -> None:
        """Bring the next sound of a call: int16, interleaved."""
        self._keep_for_writing(message(Kind.SOUND, number, content))
        if self._flushing is None:
            self._flushing = asyncio.get_running_loop().call_soon(self._flush)

    @property
    def is_full(self) -> bool:
        """Whether too much is on its way."""
        if self._writer is None:
            return False
        return self._out_bytes + self._writer.transport.get_write_buffer_size() > _MOST_BYTES

    async def flushed(self) -> None:
        """Wait while too much is on its way."""
        if self._writer is not None and self.is_full:
            self._flush()
            with suppress(ConnectionError):  # the reader notices
                await self._writer.drain()

    def stop(self, number: int, sound: str) -> None:
        """Say that a call's sound is whole, in a file."""
        self._send(message(Kind.STOP, number, sound.encode()))

    def missing(self, number: int, missing_ms: int) -> None:
        """Say how much of a call's sound never came; before stop()."""
        self._send(message(Kind.MISSING, number, str(missing_ms).encode()))

    def cancel(self, number: int) -> None:
        """Let go of a call."""
        self._calls.pop(number, None)
        self._send(message(Kind.CANCEL, number))

    def dismiss(self, number: int, hint_id: str) -> None:
        """Say that the agent does not want a hint."""
        self._send(message(Kind.DISMISS, number, hint_id.encode()))

    async def close(self) -> None:
        """End the process; it stores what it is about to store first."""
        self._closing = True
        if self._writer is not None:
            self._flush()
            self._writer.close()
        for task in tuple(self._tasks):
            task.cancel()
        if self._process is not None:
            try:
                async with asyncio.timeout(_END_SECONDS):
                    await self._process.wait()
            except TimeoutError:
                _kill(self._process)
                await self._process.wait()

    def _send(self, data: bytes) -> None:
        self._keep_for_writing(data)
        self._flush()

    def _keep_for_writing(self, data: bytes) -> None:
        self._out.append(data)
        self._out_bytes += len(data)

    def _flush(self) -> None:
        if self._flushing is not None:
            self._flushing.cancel()
            self._flushing = None
        content, self._out = b"".join(self._out), []
        self._out_bytes = 0
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(content)

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        messages = Reader()
        try:
            while data := await reader.read(_READ_BYTES):
                self._seen = time.monotonic()
                for kind, number, content in messages.feed(data):
                    self._handle(kind, number, content)
        except (ConnectionError, ValueError):
            pass
        finally:
            writer.close()
            self._lose(writer)

    def _handle(self, kind: Kind, number: int, content: bytes) -> None:
        if kind is Kind.READY:
            self._ready = True
            return
        call = self._calls.get(number)
        if call is None:
            return
        match kind:
            case Kind.EVENTS:
                call.told(unpickled(content))
            case Kind.CARD:
                call.card(content.decode())
            case Kind.HEARD:
                call.heard(int(content))
            case Kind.ENDED:
                del self._calls[number]
                call.ended(Outcome(int(content)))

    async def _watch(self, writer: asyncio.StreamWriter) -> None:
        """End a process that gives no sign of life."""
        while self._writer is writer:
            await asyncio.sleep(min(1.0, self._stall_seconds / 4))
            patience = self._stall_seconds if self._ready else self._start_seconds
            if time.monotonic() - self._seen > patience and self._process is not None:
                log.error("a listening process gives no sign of life and is ended")
                _kill(self._process)
                return

    def _lose(self, writer: asyncio.StreamWriter) -> None:
        if self._writer is not writer:
            return
        self._writer = None
        steady = time.monotonic() - self._began > _STEADY_SECONDS
        self._failures = 1 if steady else self._failures + 1
        if self._process is not None and not self._closing:
            _kill(self._process)
            self._keep(_reap(self._process))
            self._process = None
            log.error("a listening process ended; %d calls go on as recordings", len(self._calls))
        calls, self._calls = self._calls, {}
        for call in calls.values():
            call.lost()

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _reap(process: asyncio.subprocess.Process) -> None:
    await process.wait()


def _kill(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        process.kill()


def _pause_before(failures: int) -> float:
    return 0.0 if not failures else _PAUSE_SECONDS[min(failures, len(_PAUSE_SECONDS)) - 1]
