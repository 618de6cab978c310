"""Connections that bring the sound of running calls: each is driven by its door, and ends its call whatever happens."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

from fastapi import WebSocket, WebSocketDisconnect
from starlette.concurrency import run_in_threadpool
from starlette.websockets import WebSocketState

from qingting.api.auth import SESSION_COOKIE
from qingting.api.limits import address_of, limits_of
from qingting.api.short_way import listen
from qingting.errors import AccessDeniedError, NotSignedInError, QingtingError, RequestError
from qingting.live.doors.door import Begin, End, Sound
from qingting.live.doors.websocket import Dismiss, OwnDoor, Resume
from qingting.model.live_event import LiveState
from qingting.service.credentials import actor_of_key, actor_of_session

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qingting.live.calls import LiveCalls, RunningCall
    from qingting.model.account import Actor

log = logging.getLogger(__name__)

GOING_AWAY, REFUSED, TRY_LATER, BROKEN = 1001, 1008, 1013, 1011
"""Close codes of RFC 6455 and its registry."""


class Taking(Protocol):
    """What of a door is needed here."""

    @property
    def missing_ms(self) -> int:
        """Sound that never came."""
        ...

    def take(self, message: bytes | str) -> Sequence[Any]:
        """Understand one message."""
        ...

    def close(self) -> Sequence[Any]:
        """Return what is left when the connection has ended."""
        ...


async def actor_of_socket(websocket: WebSocket) -> Actor | None:
    """Return who connects, by key or by a session's cookie; None when the first message must bring a key.

    A browser sends cookies to whatever site asks it to connect: with one, the page must be of this very host.
    Raises NotSignedInError, AccessDeniedError.
    """
    service, headers = websocket.app.state.service, websocket.headers
    scheme, _, written = headers.get("authorization", "").partition(" ")
    key = written.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "")
    if key:
        return await run_in_threadpool(actor_of_key, service, key)
    token = websocket.cookies.get(SESSION_COOKIE)
    if not token:
        return None
    if headers.get("origin", "").partition("://")[2] != headers.get("host"):
        raise AccessDeniedError("A connection with a session's cookie must come from a page of this host.")
    return await run_in_threadpool(actor_of_session, service, token)


class Connection:
    """One WebSocket that brings a call."""

    def __init__(self, websocket: WebSocket, door: Taking, *, resumable: bool) -> None:
        """`resumable`: a lost connection may come again, and its sender is told what the call tells."""
        self._socket = websocket
        self._door = door
        self._resumable = resumable
        self._calls: LiveCalls = websocket.app.state.live
        self._call: RunningCall | None = None
        self._actor: Actor | None = None
        self._writer: asyncio.Task[None] | None = None
        self._stopped = False
        self._missing_ms = 0
        self._waiting_since: float | None = None
        self._fault: Exception | None = None
        """What was wrong with sound that came the short way."""

    async def run(self) -> None:
        """Drive the connection to its end."""
        await self._socket.accept()
        listen(self._socket.scope, self._hear)
        try:
            self._actor = await actor_of_socket(self._socket)
            await self._receive()
        except WebSocketDisconnect:
            await self._leave(ended=not self._resumable)
        except TimeoutError:
            await self._leave(ended=not self._resumable)
            await self._close(GOING_AWAY, "nothing came for too long")
        except QingtingError as error:
            await self._leave(ended=True)
            await self._refuse(error)
        except Exception as error:  # noqa: BLE001  the last net; texts could hold customer words
            log.error("unexpected %s in a live connection", type(error).__name__)
            await self._leave(ended=not self._resumable)
            await self._close(BROKEN, "unexpected error")

    async def _receive(self) -> None:
        async with asyncio.timeout(None) as patience:
            watch = asyncio.create_task(self._watch(patience))
            try:
                await self._take_all()
            finally:
                watch.cancel()

    async def _watch(self, patience: asyncio.Timeout) -> None:
        """Give up on a sender that brings nothing: looked at now and then, not for each of its messages."""
        loop, idle = asyncio.get_running_loop(), self._socket.app.state.service.settings.live.idle_seconds
        rest = idle
        while True:
            await asyncio.sleep(max(rest, idle / 8))
            since = self._waiting_since
            rest = idle if since is None or self._stopped else since + idle - time.monotonic()
            if rest < 0:
                patience.reschedule(loop.time())
                return

    async def _take_all(self) -> None:
        while True:
            self._waiting_since = time.monotonic()
            message = await self._socket.receive()
            self._waiting_since = None
            if self._fault is not None:
                raise self._fault
            if message["type"] == "websocket.disconnect":
                raise WebSocketDisconnect
            content = message.get("bytes")
            for step in self._door.take(message.get("text", "") if content is None else content):
                await self._do(step)

    def _hear(self, message: bytes) -> bool:
        """Take sound at once while the call has room for it; anything else goes through _take_all, see api.short_way.

        Binary messages of a call that has begun are nothing but sound.
        """
        call = self._call
        if call is None or not call.has_room:
            return False
        try:
            for step in self._door.take(message):
                call.take(step.content)
        except Exception as error:  # noqa: BLE001  raised where the connection's errors are handled
            self._fault = error
            return False
        self._waiting_since = time.monotonic()
        return True

    async def _do(self, step: object) -> None:
        match step:
            case Sound(content=content) if self._call is not None:
                await self._call.feed(content)
            case Begin():
                await self._begin(step)
            case Resume():
                self._go_on(step)
            case End() if self._call is not None:
                self._stopped = True
                self._count_missing(self._call)
                await self._call.stop()
                if not self._resumable:
                    raise WebSocketDisconnect
            case Dismiss(hint_id=hint_id) if self._call is not None:
                self._call.dismiss(hint_id)
            case _:
                pass

    async def _begin(self, begin: Begin) -> None:
        service = self._socket.app.state.service
        if begin.key:
            self._actor = await run_in_threadpool(actor_of_key, service, begin.key)
        if self._actor is None:
            raise NotSignedInError("Nobody is signed in.")
        limits_of(self._socket.app).take_request(self._actor.id)
        address = address_of(self._socket)
        self._call = call = await self._calls.open(self._actor, begin.call, begin.form, address=address)
        call.attach(self._kick)
        await self._greet("started", 0)

    def _go_on(self, resume: Resume) -> None:
        call = self._calls.resume(resume.token)
        if isinstance(self._door, OwnDoor):
            self._door.resumed(resume.encoding, call.form)
        self._call = call
        self._stopped = call.state is not LiveState.RUNNING
        call.attach(self._kick)
        self._calls.keep(self._greet("resumed", resume.after))

    async def _greet(self, kind: str, after: int) -> None:
        call = self._call
        if call is None or not self._resumable:
            return
        hello = {
            "type": kind,
            "call_id": call.call.call_id,
            "token": call.token,
            "received_samples": call.received_samples,
        }
        await self._send(json.dumps(hello))
        self._writer = asyncio.create_task(self._write(call, after))

    async def _write(self, call: RunningCall, after: int) -> None:
        """Send what the call tells; a slow reader is waited for, and misses only words that changed meanwhile."""
        changed = asyncio.Event()
        call.log.listen(changed.set)
        try:
            while True:
                changed.clear()
                events, forgotten = call.log.after(after)
                if forgotten:
                    await self._send('{"type": "missed"}')
                for number, text in events:
                    await self._send(text)
                    after = number
                if call.log.closed and after == call.log.last:
                    break
                await changed.wait()
            await self._close(1000, "")
        except (WebSocketDisconnect, RuntimeError):
            pass  # the receiving side notices
        finally:
            call.log.forget(changed.set)

    async def _leave(self, *, ended: bool) -> None:
        """Let go of the call: it ends now, or when its sender does not come back."""
        if self._writer is not None and (not ended or self._socket.client_state is WebSocketState.DISCONNECTED):
            self._writer.cancel()
        if self._call is None:
            return
        self._count_missing(self._call)
        self._call.detach(self._kick)
        if ended:
            for step in self._door.close():
                if isinstance(step, Sound):
                    with suppress(QingtingError):
                        await self._call.feed(step.content)
            await self._call.stop()

    def _count_missing(self, call: RunningCall) -> None:
        """Add to the call what did not come over this connection; again adds nothing."""
        missing_ms = self._door.missing_ms
        call.missing_ms += missing_ms - self._missing_ms
        self._missing_ms = missing_ms

    def _kick(self) -> None:
        """Another connection goes on with the call: what still waits to be read here comes again over that one."""
        if self._call is not None:
            self._count_missing(self._call)
        self._call = None
        if self._writer is not None:
            self._writer.cancel()
        self._calls.keep(self._close(REFUSED, "the call goes on over another connection"))

    async def _refuse(self, error: QingtingError) -> None:
        fault = {"type": "error", "code": error.code, "cause": error.cause, "remedy": error.remedy, "fatal": True}
        if self._resumable:
            with suppress(WebSocketDisconnect, RuntimeError):
                await self._send(json.dumps(fault, ensure_ascii=False))
        code = TRY_LATER if error.can_retry else REFUSED
        await self._close(code, error.code if isinstance(error, RequestError) else error.cause[:120])

    async def _send(self, text: str) -> None:
        await self._socket.send_text(text)

    async def _close(self, code: int, reason: str) -> None:
        if WebSocketState.DISCONNECTED in (self._socket.client_state, self._socket.application_state):
            return
        with suppress(WebSocketDisconnect, RuntimeError):
            await self._socket.close(code, reason)
