"""A running call with both parties on one channel: its report is that of its recording."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

import qingting.bootstrap
from qingting.audio.front_end import prepare
from qingting.bootstrap import open_inspector
from qingting.cli.live import live
from qingting.model.call import CallInfo
from qingting.report.formats.json import to_plain
from qingting.settings import load_settings
from qingting.testing.installation import wait_until
from qingting.testing.known_calls_engine import KnownCallsEngine
from qingting.testing.live_client import LiveClient
from qingting.testing.samples import SampleCall
from qingting.testing.service_process import ServiceProcess

if TYPE_CHECKING:
    from tests.end_to_end.conftest import OpenCentre, Sound

pytestmark = pytest.mark.timeout(300)

SAMPLE = "rude_agent"
LIVE_SERVICE = Path(__file__).parents[1] / "live_service.py"
LINE = "ecommerce"


@pytest.fixture(scope="module")
def engine(sample: SampleCall) -> KnownCallsEngine:
    return KnownCallsEngine([(sample.script, prepare(sample.audio_path))])


@pytest.fixture(scope="module")
def recording(sound: Sound, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The call's sound as a sender has it."""
    pcm, rate_hertz = sound
    path = tmp_path_factory.mktemp("sound") / "mixed.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hertz)
        file.writeframes(pcm.tobytes())
    return path


@pytest.fixture(scope="module")
def batch(engine: KnownCallsEngine, recording: Path) -> dict[str, Any]:
    """Report of the recording as `qingting inspect` makes it."""
    with open_inspector(load_settings(), engine=engine) as inspector:
        report = inspector.inspect(recording, CallInfo(call_id="mixed", line_of_business=LINE)).report
    return dict(to_plain(report))


@contextmanager
def worker(service: ServiceProcess) -> Iterator[subprocess.Popen[bytes]]:
    """A worker of the installation, whose engine knows the call."""
    command = [sys.executable, str(LIVE_SERVICE), SAMPLE, "--worker", "mixed"]
    with subprocess.Popen(command, cwd=service.folder, env=dict(service.environment)) as process:
        try:
            yield process
        finally:
            process.terminate()


def judged(report: dict[str, Any]) -> list[tuple[str, str, list[tuple[str, str, int]]]]:
    """What was found, and by which words of whom."""
    return [
        (one["id"], one["explanation"], [(by["role"], by["quote"], by["start_ms"]) for by in one["evidence"]])
        for one in report["findings"]
    ]


def test_the_report_is_the_one_of_the_recording(
    tmp_path: Path, sound: Sound, batch: dict[str, Any], open_centre: OpenCentre
) -> None:
    with open_centre(tmp_path, SAMPLE, {}) as centre, worker(centre.service) as process:
        call = {"call_id": "mixed", "line_of_business": LINE}
        caller = LiveClient(url=centre.service.url, key=centre.key, call=call, rate_hertz=sound[1], roles=("",))
        asyncio.run(caller.play(sound[0], speed=None))
        (delayed,) = caller.told("report_delayed")
        assert not caller.told("report")
        wait_until(lambda: process.poll() is not None or centre.api.job(delayed["job_id"]).state == "done", seconds=200)
        stored = centre.report_of("mixed", seconds=5)
    assert {one["role"] for one in stored["transcript"]["utterances"]} == {"agent", "customer"}
    assert len(judged(batch)) >= 10, "the call is about these"
    assert judged(stored) == judged(batch)
    assert stored["score"]["total"] == batch["score"]["total"]


def test_the_command_prints_the_report_of_the_recording(
    engine: KnownCallsEngine, recording: Path, batch: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(qingting.bootstrap, "open_engine", lambda _: engine)
    arguments = [str(recording), "--line-of-business", LINE]
    printed = CliRunner().invoke(live, arguments, catch_exceptions=False)
    assert "报告由通话结束后的录音质检得出" in printed.output
    assert "坐席" in printed.output
    lines = CliRunner().invoke(live, [*arguments, "--json"], catch_exceptions=False).output.splitlines()
    last = json.loads(lines[-1])
    assert last["kind"] == "Report"
    assert judged(last["report"]) == judged(batch)
