"""A running call takes sound as long as it is heard in time; then its sender has to wait."""

from __future__ import annotations

import asyncio
import wave
from pathlib import Path
from typing import Any

import pytest

from qingting.errors import InputError, StorageFullError
from qingting.live.calls import AHEAD_SECONDS, LiveCalls, RunningCall
from qingting.live.register import Limits
from qingting.live.session import LiveFormat
from qingting.live.spool import Spools
from qingting.model.account import SYSTEM
from qingting.model.call import CallInfo
from qingting.model.live_event import LiveState

FORM = LiveFormat(rate_hertz=8000, channels=2)
SECOND = bytes(range(250)) * 128
"""A second of sound."""


class Register:
    """An installation that knows no more than how calls begin."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_: None

    def begin(self, actor: object, call: CallInfo, address: str) -> tuple[str, CallInfo]:
        return "one", call


class Link:
    """A listening process that takes everything and hears when it is told to."""

    calls = 0

    def __init__(self) -> None:
        self.is_full = False
        self.got = b""
        self.stopped = asyncio.Event()

    async def start(self) -> bool:
        return True

    def open(self, *_: object) -> int:
        return 1

    def sound(self, number: int, content: bytes) -> None:
        self.got += content

    async def flushed(self) -> None:
        return None

    def stop(self, *_: object) -> None:
        self.stopped.set()


def has_room(call: RunningCall) -> bool:
    return call.has_room


async def turns() -> None:
    """Let everything run that can."""
    for _ in range(10):
        await asyncio.sleep(0)


async def begun(folder: Path, link: Link, *, max_seconds: float = 3600) -> RunningCall:
    limits = Limits(most_calls=1, max_seconds=max_seconds, resume_seconds=60)
    calls: Any = LiveCalls(Register(), Spools(folder), [link], limits)  # type: ignore[list-item]
    running: RunningCall = await calls.open(SYSTEM, CallInfo(call_id="c1"), FORM)
    return running


def test_a_call_that_is_not_heard_in_time_has_no_room(tmp_path: Path) -> None:
    async def talk() -> None:
        link = Link()
        call = await begun(tmp_path, link)
        for _ in range(AHEAD_SECONDS):
            assert has_room(call)
            call.take(SECOND)
        assert has_room(call)
        waiting = asyncio.create_task(call.feed(SECOND))
        await turns()
        assert not has_room(call)
        assert not waiting.done()
        call.heard(500)
        await turns()
        assert not waiting.done(), "still too far behind"
        call.heard(1000)
        await waiting
        assert has_room(call)
        link.is_full = True
        assert not has_room(call)
        assert link.got == SECOND * (AHEAD_SECONDS + 1)
        assert call.received_ms == 1000 * (AHEAD_SECONDS + 1)
        await call.stop()

    asyncio.run(talk())


def test_sound_after_the_longest_call_is_cut(tmp_path: Path) -> None:
    async def talk() -> None:
        link = Link()
        call = await begun(tmp_path, link, max_seconds=1.5)
        call.take(SECOND)
        call.take(SECOND)
        await link.stopped.wait()
        assert not has_room(call)
        with pytest.raises(InputError):
            call.take(SECOND)
        assert link.got == SECOND + SECOND[:16_000]

    asyncio.run(talk())
    with wave.open(str(tmp_path / "one.wav")) as file:
        assert file.readframes(file.getnframes()) == SECOND + SECOND[:16_000]


def test_sound_that_cannot_be_kept_ends_the_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: bytes) -> None:
        raise StorageFullError("full")

    async def talk() -> None:
        link = Link()
        call = await begun(tmp_path, link)
        call.take(SECOND)
        monkeypatch.setattr(call._spool, "write", full)
        with pytest.raises(StorageFullError):
            call.take(SECOND)
        await link.stopped.wait()
        assert call.state is LiveState.ENDING
        assert link.got == SECOND, "what is not on disk is not heard"

    asyncio.run(talk())
