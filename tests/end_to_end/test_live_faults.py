"""Running calls while something around them fails: the disk, the database, whoever listens, another sender."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed

from qingting.audio.decode import decode
from qingting.audio.options import AudioLimits, AudioOptions
from qingting.audio.source import open_source
from qingting.testing.installation import wait_until

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from tests.end_to_end.conftest import Centre, OpenCentre, Sound
    from websockets.asyncio.client import ClientConnection

    from qingting.testing.live_client import LiveClient
    from qingting.testing.postgres import PostgresServer
    from qingting.testing.samples import SampleCall

pytestmark = pytest.mark.timeout(400)

KNOWN = SAMPLE = "angry_escalation"
SETTINGS = {
    "QINGTING_LIVE__RESUME_SECONDS": "30",
    "QINGTING_LIVE__STALL_SECONDS": "120",
    "QINGTING_LIVE__START_EARLY": "true",
    "QINGTING_API__REQUESTS_PER_MINUTE": "0",
    "QINGTING_JOBS__LOST_AFTER_SECONDS": "2",
    "QINGTING_STORAGE__BUSY_TIMEOUT_SECONDS": "1",
}
TRY_LATER = 1013
MEBIBYTE = 1024**2


@asynccontextmanager
async def calling(caller: LiveClient) -> AsyncIterator[ClientConnection]:
    """Begin a call and collect what it tells until its connection is closed, whoever closes it."""
    async with caller.connected() as socket:
        await socket.send(json.dumps(caller.start()))
        hearing = asyncio.create_task(hear(caller, socket))
        with suppress(ConnectionClosed):
            yield socket
        await hearing


async def hear(caller: LiveClient, socket: ClientConnection) -> None:
    with suppress(ConnectionClosed):
        await caller._hear(socket)


async def send(socket: ClientConnection, sound: Sound, from_seconds: int, to_seconds: int | None = None) -> None:
    """Send a part of the call at once, in messages of a second."""
    pcm, rate = sound
    for first in range(from_seconds * rate, pcm.shape[1] if to_seconds is None else to_seconds * rate, rate):
        await socket.send(pcm[:, first : first + rate].T.tobytes())


async def told(caller: LiveClient, kind: str, *, more_than: int = 0) -> None:
    """Wait until a call has told something."""
    await asyncio.to_thread(wait_until, lambda: len(caller.told(kind)) > more_than, seconds=120)


def spoken(utterances: list[dict[str, Any]]) -> list[tuple[str, int, str]]:
    return [(one["party"], one["start_ms"], one["text"]) for one in utterances]


def is_alive(centre: Centre) -> bool:
    return httpx2.get(f"{centre.service.url}/healthz").status_code == 200


# The disk.


def test_a_full_disk_takes_no_call(tmp_path: Path, open_centre: OpenCentre, sample: SampleCall, sound: Sound) -> None:
    with open_centre(tmp_path, KNOWN, {**SETTINGS, "QINGTING_STORAGE__MIN_FREE_BYTES": str(1 << 60)}) as centre:
        caller = centre.caller(sample, "refused")

        async def refused() -> int | None:
            async with calling(caller) as socket:
                await send(socket, sound, 0)
            return socket.close_code

        assert asyncio.run(refused()) == TRY_LATER
        (error,) = caller.told("error")
        assert (error["code"], error["fatal"]) == ("storage_full", True)
        assert error["cause"]
        assert error["remedy"]
        assert not caller.told("started")
        assert centre.state_of("refused") == "known"
        assert not centre.spooled
        assert is_alive(centre)


SMALL_DISK = 'mount -t tmpfs -o size=12m tmpfs small && mkdir small/live small/recordings && exec "$@"'
"""Everything that holds sound is on it."""
BALLAST = 10 * MEBIBYTE


@pytest.fixture
def own_mounts() -> tuple[str, ...]:
    """Command that gives the one after it mounts of its own; without leave for that the test is skipped."""
    command = ("unshare", "--user", "--map-root-user", "--mount")
    try:
        subprocess.run([*command, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no mounts of its own are allowed here")
    return command


def test_a_disk_that_fills_up_while_a_call_runs(
    tmp_path: Path, own_mounts: tuple[str, ...], open_centre: OpenCentre, sample: SampleCall, sound: Sound
) -> None:
    (tmp_path / "small").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "live").symlink_to(tmp_path / "small" / "live")
    recordings = (tmp_path / "small" / "recordings").as_uri()
    settings = {**SETTINGS, "QINGTING_STORAGE__MIN_FREE_BYTES": "0", "QINGTING_STORAGE__RECORDINGS_URL": recordings}
    launcher = (*own_mounts, "sh", "-c", SMALL_DISK, "sh")
    with open_centre(tmp_path, KNOWN, settings, launcher=launcher) as centre:
        small = Path(f"/proc/{centre.service.process.pid}/root{tmp_path}/small")
        (small / "ballast").write_bytes(b"\0" * BALLAST)
        caller = centre.caller(sample, "cut-off")

        async def cut_off() -> int | None:
            async with calling(caller) as socket:
                await send(socket, sound, 0)
                await socket.send('{"type": "stop"}')
            return socket.close_code

        assert asyncio.run(cut_off()) == TRY_LATER
        (error,) = [one for one in caller.told("error") if one["fatal"]]
        assert error["code"] == "storage_full"
        assert error["remedy"]
        # The report's copy of the sound does not fit either: both stay where they are.
        wait_until(lambda: any("cannot be ended now: storage_full" in line for line in centre.service.log))
        assert is_alive(centre)
        (kept,) = (small / "live").iterdir()
        (small / "ballast").unlink()
        centre.wait_for_state("cut-off", "queued")
        wait_until(lambda: not list((small / "live").iterdir()))
        again = centre.caller(sample, "afterwards")
        asyncio.run(again.play(sound[0], speed=None))
        assert again.told("report")
        stored = sorted((small / "recordings").rglob("*.wav"), key=lambda path: path.stat().st_size)
        cut, whole = [decode(open_source(path, AudioLimits()), AudioOptions()).pcm for path in stored]
    assert kept.suffix == ".wav"
    assert np.array_equal(whole, sound[0])
    assert cut.shape[1] > 20 * sound[1], "what came before the disk was full is kept"
    assert np.array_equal(cut, sound[0][:, : cut.shape[1]])


def test_more_sound_than_a_call_may_have_is_not_kept(
    tmp_path: Path, open_centre: OpenCentre, sample: SampleCall, sound: Sound
) -> None:
    with open_centre(tmp_path, KNOWN, {**SETTINGS, "QINGTING_LIVE__MAX_MINUTES": "1"}) as centre:
        # The minute counts from a call's begin, too: whoever listens must have started before.
        asyncio.run(centre.caller(sample, "first").play(sound[0][:, : 2 * sound[1]], speed=None))
        caller = centre.caller(sample, "endless")

        async def endless() -> None:
            async with calling(caller) as socket:
                while True:
                    await send(socket, sound, 0)

        asyncio.run(endless())
        assert centre.report_of("endless")["recording"]["duration_ms"] == 60_000
        wait_until(lambda: not centre.spooled)


# The database.

Away = Callable[[], AbstractContextManager[None]]


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[dict[str, str], Away]:
    """Settings that choose a database, and what takes it away for as long as a block lasts."""
    if request.param == "sqlite":
        return {}, lambda: locked(tmp_path / "data" / "qingting.sqlite")
    server: PostgresServer = request.getfixturevalue("postgres")
    return {"QINGTING_STORAGE__DATABASE_URL": server.new_database()}, lambda: stopped(server)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Nobody else can write to an SQLite database."""
    other = sqlite3.connect(path, isolation_level=None)
    try:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")
    finally:
        other.close()


@contextmanager
def stopped(server: PostgresServer) -> Iterator[None]:
    """The server of a PostgreSQL database is down."""
    server.stop(kill=True)
    try:
        yield
    finally:
        server.start()


def test_calls_outlive_a_database_that_is_away(
    tmp_path: Path, open_centre: OpenCentre, database: tuple[dict[str, str], Away], sample: SampleCall, sound: Sound
) -> None:
    settings, away = database
    with open_centre(tmp_path, KNOWN, {**SETTINGS, **settings}) as centre:
        ending, lasting, late = (centre.caller(sample, name) for name in ("ending", "lasting", "late"))

        async def outlive() -> None:
            async with calling(lasting) as on:
                async with calling(ending) as off:
                    await asyncio.gather(send(on, sound, 0, 20), send(off, sound, 0, 20))
                    await asyncio.gather(told(lasting, "utterance"), told(ending, "utterance"))
                    with away():
                        await send(off, sound, 20)
                        await off.send('{"type": "stop"}')
                        await off.wait_closed()
                        async with calling(late) as refused:
                            await refused.wait_closed()
                        assert refused.close_code == TRY_LATER
                        before = len(lasting.told("utterance"))
                        await send(on, sound, 20, 50)
                        await told(lasting, "utterance", more_than=before)
                await send(on, sound, 50)
                await on.send('{"type": "stop"}')

        asyncio.run(outlive())
        assert {one["code"] for one in late.told("error")} == {"storage_unavailable"}
        assert {one["code"] for one in ending.told("error")} == {"storage_unavailable"}
        assert not ending.told("report")
        assert [one["type"] for _, one in lasting.events if one["type"] in ("error", "report", "report_delayed")] == [
            "report"
        ]
        with centre.worker(KNOWN):
            reports = [centre.report_of(name, seconds=150) for name in ("lasting", "ending")]
        states = {name: centre.state_of(name) for name in ("lasting", "ending", "late")}
        assert states == {"lasting": "inspected", "ending": "inspected", "late": ""}
        wait_until(lambda: not centre.spooled)
        raised = alerts_of(centre, "lasting")
    assert spoken(reports[0]["transcript"]["utterances"]) == spoken(reports[1]["transcript"]["utterances"])
    assert spoken(lasting.told("utterance")) == spoken(reports[0]["transcript"]["utterances"])
    for report in reports:
        assert report["recording"]["duration_ms"] == sound[0].shape[1] * 1000 // sound[1]
    assert sorted(one["id"] for one in reports[0]["findings"]) == sorted(one["id"] for one in reports[1]["findings"])
    assert raised, "an alert that could not be raised at once is raised with the report"


def alerts_of(centre: Centre, call_id: str) -> list[dict[str, Any]]:
    key = centre.service.new_key("manager")
    answer = httpx2.get(f"{centre.service.url}/api/v1/alerts", headers={"Authorization": f"Bearer {key}"})
    return [one for one in answer.json()["items"] if one["call_id"] == call_id]


# Whoever listens.


@contextmanager
def halted(processes: list[int]) -> Iterator[None]:
    """Processes that do nothing."""
    for process in processes:
        os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            os.kill(process, signal.SIGCONT)


HALT_SECONDS = 45
"""Longer than a server of WebSockets usually waits for the answer to its ping."""


def test_a_sender_that_has_to_wait_loses_neither_its_connection_nor_its_place(
    centre: Centre, sample: SampleCall, sound: Sound
) -> None:
    staying, returning = centre.caller(sample, "staying"), centre.caller(sample, "returning")
    pcm, rate = sound

    taken: list[list[int]] = [[]]

    def no_more_is_taken() -> bool:
        """Whether as much of both calls is under way as may be, and their senders have to wait."""
        taken.append([path.stat().st_size for path in centre.spooled])
        return taken[-1] == taken[-2]

    async def wait() -> None:
        async with calling(staying) as stays, calling(returning) as leaves:
            await asyncio.gather(send(stays, sound, 0, 20), send(leaves, sound, 0, 20))
            await asyncio.gather(told(staying, "utterance"), told(returning, "utterance"))
            with halted(centre.listening):
                sending = [asyncio.create_task(send(stays, sound, 20)), asyncio.create_task(send(leaves, sound, 20))]
                await asyncio.to_thread(wait_until, no_more_is_taken, every_seconds=1)
                # What it has sent waits to be read, and is sent again after it has come back.
                leaves.transport.close()
                resuming = asyncio.create_task(returning.resume(pcm, speed=None))
                await told(returning, "resumed")
                await asyncio.sleep(HALT_SECONDS)
            await sending[0]
            await stays.send('{"type": "stop"}')
            await asyncio.gather(resuming, *sending, return_exceptions=True)

    asyncio.run(wait())
    for caller in (staying, returning):
        assert not caller.told("error")
        report = centre.report_of(str(caller.call["call_id"]))
        assert report["recording"]["duration_ms"] == pcm.shape[1] * 1000 // rate
        assert spoken(caller.told("utterance")) == spoken(report["transcript"]["utterances"])
        assert len(caller.told("report")) == 1
    assert spoken(staying.told("utterance")) == spoken(returning.told("utterance"))


# Another sender.

OTHERS = 3
PACED_SECONDS = 20
FLOOD_BYTES = 192 * MEBIBYTE
MOST_UNDER_WAY_BYTES = 32 * MEBIBYTE
"""What the buffers of both ends of a connection hold, ten seconds of the call, and a minute until it tells where it is.
"""
MOST_GROWTH_BYTES = 64 * MEBIBYTE


def test_a_flood_slows_nobody_but_its_sender(centre: Centre, sample: SampleCall, sound: Sound) -> None:
    pcm, rate = sound
    part = pcm[:, : PACED_SECONDS * rate]
    alone = centre.caller(sample, "alone")
    asyncio.run(alone.play(part, speed=None))
    processes = (centre.service.process.pid, *centre.listening)
    before = [memory(process) for process in processes]
    flooder = centre.caller(sample, "flooder")
    others = [centre.caller(sample, f"paced-{n}") for n in range(OTHERS)]
    under_way: list[int] = []

    async def flood() -> None:
        paced = asyncio.gather(*(one.play(part) for one in others))
        async with calling(flooder) as socket:
            for number, message in enumerate(words_and_hiss(pcm, rate)):
                await socket.send(message)
                heard_ms = max((one["at_ms"] for one in flooder.told("utterance")), default=0)
                under_way.append((number + 1) * len(message) - heard_ms * rate * 4 // 1000)
            await socket.send('{"type": "stop"}')
        await paced

    asyncio.run(flood())
    (ready,) = flooder.told("report")
    assert ready["at_ms"] == len(under_way) * 1000, "the flood is slowed, not lost"
    assert max(under_way) < MOST_UNDER_WAY_BYTES
    for one in others:
        assert spoken(one.told("utterance")) == spoken(alone.told("utterance"))
        assert findings(one) == findings(alone)
        assert len(one.told("report")) == 1
        assert not one.told("missed")
        assert not one.told("error")
    grown = [memory(process, peak=True) - then for process, then in zip(processes, before, strict=True)]
    assert max(grown) < MOST_GROWTH_BYTES


def words_and_hiss(pcm: NDArray[np.int16], rate: int) -> Iterator[bytes]:
    """Messages of a second each: ten seconds of words and fifty of hiss, over and over.

    What is measured is the sound, not what would be found in hours of talk; the words tell how far it was heard.
    """
    hiss = np.random.default_rng(1).integers(-8, 8, (rate, 2), np.int16).tobytes()
    words = [pcm[:, first : first + rate].T.tobytes() for first in range(0, 10 * rate, rate)]
    for number in range(FLOOD_BYTES // len(hiss)):
        yield words[number % 60] if number % 60 < len(words) else hiss


def findings(caller: LiveClient) -> list[str]:
    return [one["finding"]["id"] for one in caller.told("finding")]


def memory(process: int, *, peak: bool = False) -> int:
    """Bytes that a process has in memory now, from where its peak is counted; or the most since then."""
    folder = Path(f"/proc/{process}")
    lines = (folder / "status").read_text(encoding="ascii").splitlines()
    values = dict(line.split(":", 1) for line in lines)
    if not peak:
        (folder / "clear_refs").write_text("5")
    return int(values["VmHWM" if peak else "VmRSS"].split()[0]) * 1024
