"""Running calls over real sockets into a real service: what they tell, and what happens when something breaks."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from qingting.audio.decode import decode
from qingting.audio.options import AudioLimits, AudioOptions
from qingting.audio.source import open_source
from qingting.errors import NotFoundError
from qingting.model.call import Role
from qingting.testing.installation import wait_until
from qingting.testing.live_client import LiveClient
from qingting.testing.live_doors import TwilioCaller, at_rate, freeswitch_call
from qingting.testing.samples import SampleCall

if TYPE_CHECKING:
    from tests.end_to_end.conftest import Centre, OpenCentre

pytestmark = pytest.mark.timeout(300)

KNOWN = SAMPLE = "angry_escalation"
SETTINGS = {
    "QINGTING_LIVE__RESUME_SECONDS": "2",
    "QINGTING_LIVE__IDLE_SECONDS": "4",
    "QINGTING_API__REQUESTS_PER_MINUTE": "0",
    "QINGTING_JOBS__LOST_AFTER_SECONDS": "2",
}


def texts(utterances: list[dict[str, Any]]) -> list[str]:
    return [one["text"] for one in utterances]


def findings(told: list[dict[str, Any]]) -> list[str]:
    return [one["finding"]["id"] for one in told]


def test_a_call_tells_what_happens_and_leaves_its_report(
    caller: LiveClient, centre: Centre, sound: Any, sample: SampleCall
) -> None:
    asyncio.run(caller.play(sound[0], speed=16))
    (ready,) = caller.told("report")
    inspection = centre.api.report(str(caller.call["call_id"]))
    report = inspection.report
    assert report is not None
    assert ready["score"] == report["score"]["total"]
    assert [one["text"] for one in caller.told("utterance")] == [
        one["text"] for one in report["transcript"]["utterances"]
    ]
    assert findings(caller.told("finding")) == [one["id"] for one in report["findings"]]
    assert any(one["kind"] == "threat" for one in caller.told("risk"))
    assert caller.told("alert")
    numbers = [event["sequence"] for _, event in caller.events if "sequence" in event]
    assert numbers == sorted(set(numbers))
    assert report["recording"]["duration_ms"] == sound[0].shape[1] * 1000 // sound[1]


def test_a_lost_connection_goes_on_without_loss(caller: LiveClient, centre: Centre, sound: Any) -> None:
    asyncio.run(caller.play(sound[0], speed=16, until_ms=30_000))
    asyncio.run(caller.resume(sound[0], speed=16))
    hello = caller.told("resumed")
    assert 0 < hello[0]["received_samples"] <= 30 * sound[1]
    report = centre.api.report(str(caller.call["call_id"])).report
    assert report is not None
    assert [one["text"] for one in caller.told("utterance")] == [
        one["text"] for one in report["transcript"]["utterances"]
    ]
    assert findings(caller.told("finding")) == [one["id"] for one in report["findings"]]
    assert report["recording"]["duration_ms"] == sound[0].shape[1] * 1000 // sound[1]
    assert not any(gap["what"].startswith("audio") for gap in report["gaps"])


def test_a_sender_that_vanishes_still_gets_a_report(caller: LiveClient, centre: Centre, sound: Any) -> None:
    asyncio.run(caller.play(sound[0], speed=None, until_ms=30_000))
    call_id = str(caller.call["call_id"])

    report = centre.report_of(call_id)
    assert 20_000 <= report["recording"]["duration_ms"] <= 30_000
    with pytest.raises(NotFoundError):
        # After its end the token is good for a look at the events only while they are kept; another's never.
        asyncio.run(resumed_with(caller, "x" * 43))


async def resumed_with(caller: LiveClient, token: str) -> None:
    async with caller.connected() as socket:
        await socket.send(json.dumps({"type": "resume", "token": token}))
        answer = json.loads(await socket.recv())
        assert answer["fatal"]
        raise NotFoundError(answer["cause"])


@pytest.mark.parametrize(
    ("messages", "code"),
    [
        (["nonsense"], "live_protocol"),
        (['{"type": "dance"}'], "live_protocol"),
        (["[]"], "live_protocol"),
        ([b"\0\0"], "live_protocol"),
        (['{"type": "stop"}'], "live_protocol"),
        (['{"type": "start", "audio": {"rate": 11025}}'], "input"),
        (['{"type": "start", "audio": {"rate": 8000, "encoding": "mp3"}}'], "input"),
        (['{"type": "start", "audio": {"rate": 8000, "channels": 3}}'], "input"),
        (['{"type": "start", "audio": {"rate": 8000, "channels": 2, "roles": ["agent", "agent"]}}'], "live_protocol"),
        (['{"type": "start", "audio": {"rate": 8000}, "call": {"line_of_business": "none"}}'], "invalid_request"),
        (['{"type": "start", "audio": {"rate": 8000}, "call": {"call_id": "a/b"}}'], "invalid_request"),
        (['{"type": "start", "audio": {"rate": 8000}, "key": "qt_wrong"}'], "not_signed_in"),
        (['{"type": "resume", "token": ""}'], "not_found"),
        ([json.dumps({"type": "start", "x": "y" * 2**20})], "live_protocol"),
        (['{"type": "start", "audio": {"rate": 8000}}'] * 2, "live_protocol"),
        (['{"type": "start", "audio": {"rate": 8000}}', '{"type": "stop"}', b"\0\0"], "live_protocol"),
    ],
)
def test_what_is_no_call_is_refused_with_its_reason(caller: LiveClient, messages: list[str | bytes], code: str) -> None:
    async def talk() -> list[dict[str, Any]]:
        answers = []
        async with caller.connected() as socket:
            for message in messages:
                await socket.send(message)
            with suppress(ConnectionClosed):
                while True:
                    answers.append(json.loads(await asyncio.wait_for(socket.recv(), 30)))
        return answers

    answers = asyncio.run(talk())
    fatal = [one for one in answers if one["type"] == "error" and one.get("fatal")]
    assert code in {one["code"] for one in fatal}
    assert all(one["cause"] for one in fatal)


def test_nobody_unknown_comes_in(centre: Centre, caller: LiveClient, sound: Any) -> None:
    for wrong in ("qt_0_wrong", centre.service.new_key("integrator", "--scope", "calls:read")):
        caller.key = wrong
        caller.events.clear()
        with suppress(ConnectionClosed):
            asyncio.run(caller.play(sound[0][:, :16_000], speed=None))
        assert {one["code"] for one in caller.told("error")} <= {"not_signed_in", "access_denied"}
        assert not caller.told("started")
    caller.key = ""
    with suppress(ConnectionClosed):
        asyncio.run(caller.play(sound[0][:, :16_000], speed=None))
    assert not caller.told("started")


def test_one_call_id_is_one_call(caller: LiveClient, centre: Centre, sound: Any) -> None:
    async def twice() -> None:
        async with caller.connected() as first:
            await first.send(json.dumps(caller.start()))
            assert json.loads(await first.recv())["type"] == "started"
            async with caller.connected() as second:
                await second.send(json.dumps(caller.start()))
                assert json.loads(await second.recv())["code"] == "conflict"
            await first.send(sound[0][:, : 2 * sound[1]].T.tobytes())
            await first.send('{"type": "stop"}')
            async for message in first:
                caller.events.append((0.0, json.loads(message)))

    asyncio.run(twice())
    assert caller.told("report")


def test_a_call_without_sound_ends_without_a_report(caller: LiveClient) -> None:
    async def silent() -> None:
        async with caller.connected() as socket:
            await socket.send(json.dumps(caller.start()))
            await socket.send('{"type": "stop"}')
            async for message in socket:
                caller.events.append((0.0, json.loads(message)))

    asyncio.run(silent())
    assert [one["code"] for one in caller.told("error")] == ["live_empty"]


def test_a_half_open_connection_is_closed_and_its_call_reported(caller: LiveClient, centre: Centre, sound: Any) -> None:
    async def falls_silent() -> int:
        async with caller.connected() as socket:
            await socket.send(json.dumps(caller.start()))
            await send(socket, sound, 0, 20)
            with suppress(ConnectionClosed):
                while True:
                    await socket.recv()
            return socket.close_code or 0

    assert asyncio.run(falls_silent()) == 1001
    centre.wait_for_state(str(caller.call["call_id"]), "inspected")


def test_a_slow_reader_misses_only_words_that_changed(caller: LiveClient, sound: Any) -> None:
    async def reads_late() -> None:
        async with caller.connected() as socket:
            await socket.send(json.dumps(caller.start()))
            for first in range(0, sound[0].shape[1], sound[1]):
                await socket.send(sound[0][:, first : first + sound[1]].T.tobytes())
            await socket.send('{"type": "stop"}')
            await asyncio.sleep(3)
            async for message in socket:
                caller.events.append((0.0, json.loads(message)))

    asyncio.run(reads_late())
    assert [one["index"] for one in caller.told("utterance")] == list(range(len(caller.told("utterance"))))
    assert caller.told("report")


def test_telephony_doors_bring_calls(centre: Centre, caller: LiveClient, sound: Any, sample: SampleCall) -> None:
    from websockets.sync.client import connect

    pcm, rate = sound
    base = centre.service.url.replace("http", "ws", 1) + "/api/v1/live"
    customer_first = pcm if sample.script.party(Role.CUSTOMER) == "left" else pcm[::-1]
    twilio = TwilioCaller(parameters={"key": centre.key, "call_id": "by-twilio", "agent_id": "8013"})
    with connect(f"{base}/twilio", compression=None) as socket:
        for text in twilio.call(at_rate(customer_first, rate, 8000)):
            socket.send(text)
    with connect(f"{base}/freeswitch?rate=16000&channels=2&call_id=by-freeswitch", compression=None,
                 additional_headers={"X-API-Key": centre.key}) as socket:  # fmt: skip
        for message in freeswitch_call(customer_first, rate):
            socket.send(message)
    for call_id in ("by-twilio", "by-freeswitch"):
        report = centre.report_of(call_id)
        assert report["recording"]["channels"] == 2
    # FreeSWITCH brought the very samples that our own protocol brings.
    asyncio.run(caller.play(pcm, speed=None))
    assert texts(report["transcript"]["utterances"]) == texts(caller.told("utterance"))


def test_a_listening_process_that_dies_costs_no_call(centre: Centre, caller: LiveClient, sound: Any) -> None:
    async def interrupted() -> None:
        async with caller.connected() as socket:
            await socket.send(json.dumps(caller.start()))
            await send(socket, sound, 0, 20)
            pinging = asyncio.create_task(pings(socket))
            await until(socket, lambda event: event["type"] == "utterance")
            pinging.cancel()
            for process in centre.listening:
                os.kill(process, signal.SIGKILL)
            event = await until(socket, lambda event: event.get("code") == "live_interrupted")
            assert not event["fatal"]
            await send(socket, sound, 20, 30)
            await socket.send('{"type": "stop"}')
            async for message in socket:
                caller.events.append((0.0, json.loads(message)))

    asyncio.run(interrupted())
    (delayed,) = caller.told("report_delayed")
    job = centre.api.job(delayed["job_id"])
    assert job.state == "queued"
    centre.api.cancel(job.id)


async def send(socket: ClientConnection, sound: Any, from_seconds: int, to_seconds: int) -> None:
    pcm, rate = sound
    for first in range(from_seconds * rate, to_seconds * rate, rate):
        await socket.send(pcm[:, first : first + rate].T.tobytes())


async def until(socket: ClientConnection, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Read on to an event."""
    event: dict[str, Any] = {}
    async with asyncio.timeout(60):
        while not wanted(event := json.loads(await socket.recv())):
            pass
    return event


async def pings(socket: ClientConnection) -> None:
    """Say that the sender is there while the listening process starts."""
    while True:
        await socket.send('{"type": "ping"}')
        await asyncio.sleep(1)


def test_killed_with_twenty_calls_running_all_of_them_are_inspected(
    tmp_path: Path, sound: Any, sample: SampleCall, open_centre: OpenCentre
) -> None:
    with open_centre(tmp_path, KNOWN, SETTINGS) as first:
        asyncio.run(hang_up_on(first, sample, sound))
    with open_centre(tmp_path, KNOWN, SETTINGS, key=first.key) as second:
        wait_until(lambda: sum(one["state"] == "queued" for one in second.api.calls()) == 20, seconds=60)
        recordings = sorted((tmp_path / "data" / "recordings").rglob("*.wav"))
    assert len(recordings) == 20
    for path in recordings:
        decoded = decode(open_source(path, AudioLimits()), AudioOptions())
        assert decoded.pcm.shape[1] == 5 * sound[1]
        assert not decoded.notes
    assert not list((tmp_path / "data" / "live").iterdir())


async def hang_up_on(centre: Centre, sample: SampleCall, sound: Any) -> None:
    """Begin twenty calls, send five seconds of each, kill the service."""
    callers = [centre.caller(sample, f"call-{n}") for n in range(20)]
    sockets = [await caller.connected() for caller in callers]
    for caller, socket in zip(callers, sockets, strict=True):
        await socket.send(json.dumps(caller.start()))
        assert json.loads(await socket.recv())["type"] == "started"
        await socket.send(sound[0][:, : 5 * sound[1]].T.tobytes())
    whole = 44 + 5 * sound[1] * 4
    written = lambda: all(path.stat().st_size == whole for path in centre.spooled)  # noqa: E731
    await asyncio.to_thread(wait_until, written, seconds=60)
    centre.service.process.kill()
    centre.service.process.wait()
    for socket in sockets:
        with suppress(ConnectionClosed):
            await socket.close()
