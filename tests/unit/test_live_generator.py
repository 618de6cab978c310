"""The generator of running calls: what it sends, when, and what it makes of what the server says."""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
REPORT = '{"sequence": 9, "type": "report", "at_ms": 0, "call_id": "a"}'


@pytest.fixture(scope="module")
def generator() -> Iterator[ModuleType]:
    sys.path.insert(0, str(BENCHMARKS))
    try:
        yield importlib.import_module("_live_generator")
    finally:
        sys.path.remove(str(BENCHMARKS))


# The schedule.


def test_nothing_is_due_before_its_time_and_all_within_one_tick_after_it(generator: ModuleType) -> None:
    now = [100.0]
    schedule = generator.Schedule(lambda: now[0])
    times = [100.0 + n * 0.0017 for n in range(200)]
    ran: dict[float, float] = {}
    for due in times:
        schedule.add(due, lambda due=due: ran.setdefault(due, now[0]))
    while now[0] < 101:
        schedule.run_due()
        now[0] += generator.TICK_SECONDS / 5
    assert list(ran) == times
    assert all(0 <= at - due <= 1.21 * generator.TICK_SECONDS for due, at in ran.items())


def test_what_is_added_too_late_or_while_others_run_is_not_forgotten(generator: ModuleType) -> None:
    now = [100.0]
    schedule = generator.Schedule(lambda: now[0])
    ran: list[str] = []
    now[0] = 105.0
    schedule.run_due()

    def late() -> None:
        ran.append("late")
        schedule.add(101.0, lambda: ran.append("again"))

    schedule.add(101.0, late)
    assert not ran
    now[0] = 106.0
    schedule.run_due()
    assert ran == ["late", "again"]


# One call over a stand-in for its connection, the clock in our hands.


class Wire:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.aborted = False

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def abort(self) -> None:
        self.aborted = True


@pytest.fixture
def clock(generator: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(generator, "time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


def running_call(generator: ModuleType, clock: list[float], frames: int) -> SimpleNamespace:
    spoken = generator.Recording(start=b"start", frames=[b"%d" % n for n in range(frames)], frame_ms=100)
    seen, schedule, wire = generator.Seen(), generator.Schedule(lambda: clock[0]), Wire()
    call = generator.Call("ws://127.0.0.1:1/", "", spoken, schedule, seen)
    call._transport = wire
    call.opened()
    return SimpleNamespace(call=call, seen=seen, schedule=schedule, wire=wire)


def in_a_loop(act: Callable[[], None]) -> None:
    async def run() -> None:
        act()

    asyncio.run(run())


def go_on(one: SimpleNamespace, clock: list[float], until: float) -> None:
    while clock[0] < until:
        clock[0] += 0.001
        one.schedule.run_due()


def test_a_frame_is_sent_when_its_sound_has_been_spoken(generator: ModuleType, clock: list[float]) -> None:
    def act() -> None:
        one = running_call(generator, clock, 3)
        go_on(one, clock, 100.099)
        assert one.wire.written == [b"start"]
        go_on(one, clock, 100.199)
        assert one.wire.written == [b"start", b"0"]
        go_on(one, clock, 101.0)
        assert one.wire.written == [b"start", b"0", b"1", b"2", generator.STOP]
        assert len(one.seen.behind) == 3
        assert max(one.seen.behind) <= 6.1
        one.call.end("")

    in_a_loop(act)


def test_a_server_that_does_not_read_is_waited_for(generator: ModuleType, clock: list[float]) -> None:
    def act() -> None:
        one = running_call(generator, clock, 5)
        go_on(one, clock, 100.12)
        one.call.pause_writing()
        go_on(one, clock, 100.35)
        assert one.wire.written == [b"start", b"0"]
        assert one.seen.held_back == 1
        one.call.resume_writing()
        assert one.wire.written == [b"start", b"0", b"1", b"2"]
        assert max(one.seen.behind) > 140
        one.call.pause_writing()
        one.call.resume_writing()
        go_on(one, clock, 101.0)
        assert one.wire.written[-3:] == [b"3", b"4", generator.STOP]
        assert one.seen.held_back == 1
        one.call.end("")

    in_a_loop(act)


def test_a_delay_counts_from_the_sending_of_the_sound_that_an_event_rests_on(
    generator: ModuleType, clock: list[float]
) -> None:
    def say(one: SimpleNamespace, **event: Any) -> None:
        one.call.heard(json.dumps({"sequence": 1, **event}).encode())

    def act() -> None:
        one = running_call(generator, clock, 10)
        go_on(one, clock, 100.51)
        sent = dict(enumerate(one.call._sent))
        say(one, type="started", call_id="a")
        say(one, type="partial", at_ms=500, party="left")
        say(one, type="utterance", at_ms=401, end_ms=150)
        say(one, type="finding", at_ms=300, finding={"id": "f"})
        say(one, type="alert", at_ms=9999, finding_id="f")
        say(one, type="alert", at_ms=500, finding_id="unknown")
        say(one, type="risk", at_ms=700)  # of sound that was not sent yet
        now = clock[0]
        assert one.seen.delays == {
            "partial": [pytest.approx(1000 * (now - sent[4]))],
            "utterance": [pytest.approx(1000 * (now - sent[4]))],
            "finding": [pytest.approx(1000 * (now - sent[2]))],
            "alert": [pytest.approx(1000 * (now - sent[2]))],
        }
        assert one.seen.sentence_ends == [pytest.approx(1000 * (now - sent[1]))]
        go_on(one, clock, 101.2)
        hung_up = one.call._stopped
        say(one, type="partial", at_ms=500, party="left")
        say(one, type="error", code="live_interrupted")
        say(one, type="report", at_ms=1000)
        assert len(one.seen.delays["partial"]) == 1
        assert one.seen.after_hang_up == [pytest.approx(1000 * (clock[0] - hung_up))]
        assert (one.seen.reported, one.seen.received) == (1, 10)
        assert one.seen.lost == ["error live_interrupted"]
        one.call.end("")

    in_a_loop(act)


def test_only_what_comes_between_two_moments_is_measured(generator: ModuleType, clock: list[float]) -> None:
    def act() -> None:
        one = running_call(generator, clock, 10)
        go_on(one, clock, 100.51)
        for since, until in ((clock[0], clock[0] + 1), (clock[0] + 0.1, clock[0] + 1), (0.0, clock[0])):
            one.seen.since, one.seen.until = since, until
            one.call.heard(b'{"sequence": 1, "type": "utterance", "at_ms": 401, "end_ms": 150}')
        assert len(one.seen.delays["utterance"]) == len(one.seen.sentence_ends) == 1
        go_on(one, clock, 101.2)
        one.call.heard(b'{"sequence": 2, "type": "report", "at_ms": 1000}')
        assert (one.seen.reported, one.seen.after_hang_up) == (1, [])
        one.call.end("")

    in_a_loop(act)


# Calls over real connections.

Serving = Callable[[ServerConnection], Awaitable[None]]


def made_calls(
    generator: ModuleType, serving: Serving, make: Callable[[str, Any], Awaitable[None]] | None = None, **given: Any
) -> Any:
    """What the calls told that were made of a server: one, or those that `make` makes of an address."""

    async def one(address: str, seen: Any) -> None:
        schedule = generator.Schedule(time.monotonic)
        schedule.start()
        try:
            await generator.one_call(address, "a-key", recording(generator, **given), schedule, seen)
        finally:
            schedule.stop()

    async def run() -> Any:
        async with serve(serving, "127.0.0.1", 0, compression=None, ping_interval=None) as server:
            seen = generator.Seen()
            await (make or one)(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/api", seen)
            return seen

    return asyncio.run(asyncio.wait_for(run(), 60))


def recording(generator: ModuleType, frames: Sequence[bytes] = (b"sound",) * 5) -> Any:
    return generator.ready({"type": "start"}, list(frames), 10)


async def take_all(socket: ServerConnection) -> list[bytes | str]:
    """Everything until stop, which is answered by a report."""
    taken: list[bytes | str] = []
    async for message in socket:
        taken.append(message)
        if message == '{"type": "stop"}':
            await socket.send(REPORT)
            break
    return taken


def test_a_call_is_sent_whole_and_in_order(generator: ModuleType) -> None:
    sound = [bytes(n % 256 for n in range(size)) for size in (0, 1, 125, 126, 3200, 65535, 65536, 200_000)]
    calls: list[Any] = []

    async def serving(socket: ServerConnection) -> None:
        assert socket.request is not None
        calls.append((socket.request.path, socket.request.headers["Authorization"], await take_all(socket)))

    seen = made_calls(generator, serving, frames=sound)
    assert calls == [("/api", "Bearer a-key", ['{"type": "start"}', *sound, '{"type": "stop"}'])]
    assert (seen.begun, seen.reported, seen.lost) == (1, 1, [])
    assert len(seen.behind) == len(sound)


def test_every_line_makes_call_after_call(generator: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    lines, here = 20, [0]
    # The time is over when each line has made a call and one its second.
    told = SimpleNamespace(monotonic=lambda: time.monotonic() + (1000 if here[0] > lines else 0))
    monkeypatch.setattr(generator, "time", told)
    all_here = asyncio.Event()

    async def serving(socket: ServerConnection) -> None:
        here[0] += 1
        if here[0] == lines:
            all_here.set()
        await all_here.wait()
        await take_all(socket)

    async def make(address: str, seen: Any) -> None:
        await generator.run_calls(generator.Plan(address, "", [recording(generator)], lines, 0.2, 500), seen)

    seen = made_calls(generator, serving, make)
    assert here[0] > lines
    assert (seen.begun, seen.reported, seen.lost) == (here[0], here[0], [])
    assert len(seen.behind) == 5 * here[0]


def test_pings_are_answered_with_what_they_said(generator: ModuleType) -> None:
    answered: list[float] = []

    async def serving(socket: ServerConnection) -> None:
        answered.append(await (await socket.ping(b"are you there")))
        await take_all(socket)

    assert made_calls(generator, serving).lost == []
    assert len(answered) == 1


@pytest.mark.parametrize(
    ("code", "reason", "told"),
    [(1013, "try later", "closed with 1013 try later"), (1000, "", "closed within the call")],
)
def test_a_call_that_the_server_closes_too_early_is_lost(
    generator: ModuleType, code: int, reason: str, told: str
) -> None:
    async def serving(socket: ServerConnection) -> None:
        await socket.recv()
        await socket.close(code, reason)

    seen = made_calls(generator, serving, frames=[b"sound"] * 1000)
    assert seen.lost == [told]
    assert (seen.begun, seen.reported) == (1, 0)


def test_a_connection_that_breaks_is_lost(generator: ModuleType) -> None:
    async def serving(socket: ServerConnection) -> None:
        await socket.recv()
        socket.transport.abort()

    seen = made_calls(generator, serving, frames=[b"sound"] * 1000)
    assert len(seen.lost) == 1
    assert seen.lost[0].startswith("connection broken")


def test_a_server_that_says_nonsense_is_lost(generator: ModuleType) -> None:
    async def serving(socket: ServerConnection) -> None:
        await socket.recv()
        await socket.send("no JSON")
        await socket.wait_closed()

    seen = made_calls(generator, serving, frames=[b"sound"] * 1000)
    assert len(seen.lost) == 1
    assert seen.lost[0].startswith("JSONDecodeError")


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", "refused: HTTP/1.1 403 Forbidden"),
        (b"HTTP/1.1 101 Go\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: guessed\r\n\r\n", "no WebSocket"),
        (b"a" * 20_000, "too large an answer to the handshake"),
        (b"", "connection broken"),
    ],
)
def test_a_connection_that_is_not_accepted_is_lost(generator: ModuleType, answer: bytes, told: str) -> None:
    async def serving(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()
        await writer.wait_closed()

    async def run() -> Any:
        async with await asyncio.start_server(serving, "127.0.0.1", 0) as server:
            seen = generator.Seen()
            address = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
            assert not await generator.one_call(
                address, "", recording(generator), generator.Schedule(time.monotonic), seen
            )
            return seen

    seen = asyncio.run(asyncio.wait_for(run(), 60))
    assert len(seen.lost) == 1
    assert told in seen.lost[0]
    assert seen.begun == 0


def test_nobody_there_is_lost(generator: ModuleType) -> None:
    async def run() -> Any:
        async with await asyncio.start_server(lambda *_: None, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
        seen = generator.Seen()
        address = f"ws://127.0.0.1:{port}/"
        assert not await generator.one_call(address, "", recording(generator), generator.Schedule(time.monotonic), seen)
        return seen

    seen = asyncio.run(run())
    assert len(seen.lost) == 1
    assert seen.lost[0].startswith("ConnectionRefusedError")
