"""Sound reaches the listening process in order; one that does not take it makes senders wait."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Sequence

import pytest

from qingting.live.link import Link
from qingting.live.session import LiveFormat
from qingting.live.wire import Opening, Outcome, Told
from qingting.model.call import CallInfo

FORM = LiveFormat(rate_hertz=8000, channels=1)
OPENING = Opening(live_id="one", call=CallInfo(call_id="c1"), form=FORM, begun_ms=0)
PROGRAM = """
import socket, sys, time
from qingting.live.wire import Kind, Reader, message, pickled
from qingting.live.wire import Told
link, slow = socket.socket(fileno=int(sys.argv[1])), sys.argv[2] == "slow"
if slow:
    time.sleep(600)
reader, heard = Reader(), b""
link.sendall(message(Kind.READY, 0))
while data := link.recv(1 << 16):
    for kind, number, content in reader.feed(data):
        if kind is Kind.SOUND:
            heard += content
        if kind is Kind.STOP:
            link.sendall(pickled(Kind.EVENTS, number, [Told(text=heard.hex())]) + message(Kind.ENDED, number, b"1"))
"""
"""Says at a call's end what it heard of all calls."""


class Call:
    """What a listening process says of a call."""

    def __init__(self) -> None:
        self.events: list[Told] = []
        self.outcome: Outcome | None = None
        self.was_lost = False
        self.over = asyncio.Event()

    def told(self, events: list[Told]) -> None:
        self.events += events

    def card(self, text: str) -> None:
        return None

    def heard(self, at_ms: int) -> None:
        return None

    def ended(self, outcome: Outcome) -> None:
        self.outcome = outcome
        self.over.set()

    def lost(self) -> None:
        self.was_lost = True
        self.over.set()


def command(how: str) -> Callable[[int], Sequence[str]]:
    return lambda link: [sys.executable, "-c", PROGRAM, str(link), how]


def is_full(link: Link) -> bool:
    return link.is_full


@pytest.mark.timeout(60)
def test_sound_of_several_calls_comes_in_order_and_before_what_follows_it() -> None:
    async def talk() -> None:
        link, first, second = Link(command("quick"), stall_seconds=60), Call(), Call()
        assert await link.start()
        one, other = link.open(OPENING, first), link.open(OPENING, second)
        for number in range(3):
            link.sound(one, bytes([number]))
            link.sound(other, bytes([16 + number]))
            await asyncio.sleep(0)
        link.sound(one, b"\xff")
        link.stop(one, "a.wav")
        await first.over.wait()
        assert [event.text for event in first.events] == ["001001110212ff"]
        assert first.outcome is Outcome.REPORTED
        assert link.calls == 1
        link.sound(other, b"\xee")
        await link.close()
        assert second.was_lost or second.outcome is None

    asyncio.run(talk())


@pytest.mark.timeout(60)
def test_a_process_that_takes_nothing_makes_senders_wait_until_it_is_gone() -> None:
    async def talk() -> None:
        link, call = Link(command("slow"), stall_seconds=60), Call()
        assert await link.start()
        number = link.open(OPENING, call)
        await link.flushed()
        given = 0
        while not is_full(link):
            link.sound(number, bytes(64_000))
            given += 64_000
            await asyncio.sleep(0)
        assert given < 3 * 1024**2
        waiting = asyncio.create_task(link.flushed())
        for _ in range(50):
            await asyncio.sleep(0.001)
        assert not waiting.done()
        process = link._process
        assert process is not None
        process.kill()
        await process.wait()
        await waiting
        await call.over.wait()
        assert call.was_lost
        assert not is_full(link)
        link.sound(number, b"\0\0")
        await link.flushed()
        await link.close()

    asyncio.run(talk())
