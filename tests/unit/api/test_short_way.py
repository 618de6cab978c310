"""Messages reach the application whole and in order, whichever way they take and however they were cut."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket
from uvicorn import Config, Server
from uvicorn.server import ServerState
from websockets.asyncio.client import connect
from websockets.frames import OP_BINARY, OP_CONT, OP_PING, OP_TEXT, Frame

from qingting.api import short_way
from qingting.api.short_way import Moment, ShortWay, listen

REQUEST = (
    b"GET /live HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
MOST = 70_000
Message = bytes | str


class Transport(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = False

    def write(self, data: Any) -> None:
        self.written += bytes(data)

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    abort = close

    def pause_reading(self) -> None:
        return None

    def resume_reading(self) -> None:
        return None


class Talk:
    """One connection whose application listens, and notes what comes by which way."""

    def __init__(self, state: ServerState, moment: Moment, takes: Callable[[bytes], bool]) -> None:
        self.got: list[Message] = []
        self.short: list[bytes] = []
        self.ended = False
        self.came = asyncio.Event()
        self.busy = asyncio.Event()
        self.busy.set()
        self._takes = takes
        config = Config(self._application, interface="asgi3", log_config=None, ws_max_size=MOST)
        config.load()
        self.protocol = ShortWay(config, state, {}, moment=moment)
        self.transport = Transport()

    async def open(self) -> None:
        """Shake hands; returns when the application waits for messages."""
        self.protocol.connection_made(self.transport)
        self.protocol.data_received(REQUEST)
        await settled()

    async def _application(self, scope: Any, receive: Callable[[], Awaitable[Any]], send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        listen(scope, self._hear)
        while True:
            message = await receive()
            if message["type"] == "websocket.disconnect":
                self.ended = True
                return
            content = message.get("bytes")
            self.got.append(message["text"] if content is None else content)
            await self.busy.wait()

    def _hear(self, message: bytes) -> bool:
        if not self._takes(message):
            return False
        self.got.append(message)
        self.short.append(message)
        self.came.set()
        return True


async def settled() -> None:
    """Let everything run that can."""
    for _ in range(20):
        await asyncio.sleep(0)


async def opened(moment: Moment | None = None, takes: Callable[[bytes], bool] = lambda _: True) -> Talk:
    talk = Talk(ServerState(), moment or Moment(), takes)
    await talk.open()
    return talk


def sent(message: Message, *, pieces: int = 1) -> bytes:
    """A message as its sender masks it, in so many frames."""
    data = message.encode() if isinstance(message, str) else message
    opcode = OP_TEXT if isinstance(message, str) else OP_BINARY
    step = len(data) // pieces + 1
    frames = [data[at : at + step] for at in range(0, max(1, len(data)), step)]
    return b"".join(
        Frame(OP_CONT if number else opcode, one, fin=number == len(frames) - 1).serialize(mask=True)
        for number, one in enumerate(frames)
    )


MESSAGES = st.lists(
    st.one_of(
        st.binary(max_size=200),
        st.text(max_size=50),
        st.integers(126, 300).map(bytes),
        st.sampled_from([bytes(65_535), bytes(65_536)]),
    ),
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(messages=MESSAGES, data=st.data())
def test_any_cutting_gives_the_same_messages_in_order(messages: list[Message], data: st.DataObject) -> None:
    refused = data.draw(st.sets(st.integers(0, 200)))
    pieces = [data.draw(st.sampled_from([1, 1, 1, 1, 1, 3])) for _ in messages]
    stream = b"".join(
        sent(one, pieces=number) + (Frame(OP_PING, b"?").serialize(mask=True) if number == 1 else b"")
        for one, number in zip(messages, pieces, strict=True)
    )
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))

    async def talk() -> list[Message]:
        one = await opened(takes=lambda message: len(message) not in refused)
        for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
            if end > start:
                one.protocol.data_received(stream[start:end])
            if data.draw(st.booleans()):
                await settled()
        await settled()
        return one.got

    assert asyncio.run(talk()) == messages


def test_sound_takes_the_short_way_while_the_application_waits() -> None:
    async def talk() -> Talk:
        one = await opened()
        one.protocol.data_received(sent(b"1") + sent(b"2"))
        one.busy.clear()
        one.protocol.data_received(sent("text") + sent(b"3"))
        await settled()
        one.protocol.data_received(sent(b"4"))
        one.busy.set()
        await settled()
        one.protocol.data_received(sent(b"5"))
        return one

    one = asyncio.run(talk())
    assert one.got == [b"1", b"2", "text", b"3", b"4", b"5"]
    assert one.short == [b"1", b"2", b"5"]


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (Frame(OP_BINARY, b"ab").serialize(mask=False), 1002),
        (bytes([0x83, 0x80, 0, 0, 0, 0]), 1002),
        (bytes([0x82, 0xFF]) + (MOST + 1).to_bytes(8, "big") + bytes(4), 1009),
        (bytes([0x82, 0xFF]) + b"\xff" * 8 + bytes(4), 1009),
    ],
    ids=["not masked", "no opcode", "too long", "no length"],
)
def test_what_is_no_frame_ends_the_connection(wrong: bytes, code: int) -> None:
    async def talk() -> Talk:
        one = await opened()
        one.protocol.data_received(sent(b"before") + wrong)
        await settled()
        return one

    one = asyncio.run(talk())
    assert one.got[0] == b"before"
    assert one.ended
    assert code.to_bytes(2, "big") in one.transport.written


def test_without_a_short_way_nothing_changes() -> None:
    listen({"type": "websocket"}, lambda _: True)
    listen({"type": "websocket", "extensions": {}}, lambda _: True)


async def many(monkeypatch: pytest.MonkeyPatch, number: int, bad: Iterable[int] = ()) -> list[Talk]:
    """Connections of one server that has more of them than are served at once."""
    state, moment = ServerState(), Moment()

    def fails(_: bytes) -> bool:
        raise ZeroDivisionError

    talks = [Talk(state, moment, fails if one in bad else lambda _: True) for one in range(number)]
    for talk in talks:
        await talk.open()
    monkeypatch.setattr(short_way, "MANY", 1)
    return talks


def test_what_many_connections_bring_is_taken_together(monkeypatch: pytest.MonkeyPatch) -> None:
    async def talk() -> None:
        talks = await many(monkeypatch, 3)
        for number in range(2):
            for one in talks:
                one.protocol.data_received(sent(bytes([number])))
        await settled()
        assert not any(one.got for one in talks)
        async with asyncio.timeout(10):
            await talks[-1].came.wait()
        assert all(one.short == [b"\0", b"\1"] for one in talks)

    asyncio.run(talk())


@pytest.mark.parametrize("end", ["eof_received", "connection_lost", "shutdown"])
def test_what_came_before_the_end_of_a_connection_is_taken_first(end: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def talk() -> None:
        one, other = await many(monkeypatch, 2)
        one.protocol.data_received(sent(b"last") + sent("words"))
        getattr(one.protocol, end)(*([None] if end == "connection_lost" else []))
        await settled()
        if end == "eof_received":
            assert one.got == [b"last", "words"]
            one.protocol.connection_lost(None)
            await settled()
        assert one.got == [b"last", "words"]
        assert one.ended
        assert not other.ended

    asyncio.run(talk())


def test_one_connection_that_fails_takes_no_other_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async def talk() -> None:
        talks = await many(monkeypatch, 3, bad=[1])
        for one in talks:
            one.protocol.data_received(sent(b"1"))
        talks[0].protocol._moment.take()
        assert [one.transport.closed for one in talks] == [False, True, False]
        assert [one.got for one in talks] == [[b"1"], [], [b"1"]]

    asyncio.run(talk())


def test_a_flood_does_not_wait_for_the_end_of_the_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    async def talk() -> None:
        one, _ = await many(monkeypatch, 2)
        monkeypatch.setattr(short_way, "_MOST_BYTES", 100)
        one.protocol.data_received(sent(bytes(60)))
        assert not one.got
        one.protocol.data_received(sent(bytes(60)))
        assert len(one.got) == 2

    asyncio.run(talk())


ALIVE: weakref.WeakSet[Any] = weakref.WeakSet()


class Known(ShortWay):
    """A connection that is known as long as it lives."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        ALIVE.add(self)


class Listening:
    """What an application has of a connection."""

    def __init__(self, socket: WebSocket) -> None:
        self.socket = socket
        ALIVE.add(self)

    async def run(self) -> None:
        await self.socket.accept()
        listen(self.socket.scope, self.hear)
        while (await self.socket.receive())["type"] != "websocket.disconnect":
            pass

    def hear(self, message: bytes) -> bool:
        return bool(message)


async def listening(socket: WebSocket) -> None:
    await Listening(socket).run()


async def until(holds: Callable[[], bool]) -> None:
    for _ in range(1000):
        if holds():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it does not come")


async def three_connections() -> None:
    kind = cast(type[asyncio.Protocol], partial(Known, moment=Moment()))
    app = Starlette(routes=[WebSocketRoute("/", listening)])
    server = Server(Config(app, port=0, log_config=None, ws=kind, lifespan="off"))
    running = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    for _ in range(3):
        address = f"ws://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/"
        async with connect(address, compression=None) as socket:
            await socket.send(b"sound")
            await until(lambda: len(ALIVE) == 2)
        await until(lambda: not ALIVE)
    server.should_exit = True
    await running


def test_nothing_of_a_connection_outlives_it() -> None:
    """Else the process that takes all sound grows until the garbage collector looks, which it seldom does."""
    gc.collect()
    gc.disable()
    try:
        asyncio.run(three_connections())
    finally:
        gc.enable()
