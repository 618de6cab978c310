"""A centre that takes running calls over real sockets: a service whose listening processes know sample calls.

A module of tests says what its own centre is: `KNOWN`, the argument of tests/live_service.py, `SETTINGS`, further
QINGTING_ variables, and `SAMPLE`, the call that its tests play.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from qingting.audio.decode import decode
from qingting.audio.options import AudioLimits, AudioOptions
from qingting.audio.source import open_source
from qingting.client import QingtingClient
from qingting.errors import NotFoundError
from qingting.model.call import Role
from qingting.testing.installation import wait_until
from qingting.testing.live_client import LiveClient
from qingting.testing.samples import SampleCall, sample_call
from qingting.testing.service_process import ServiceProcess, service_process

LIVE_SERVICE = str(Path(__file__).parents[1] / "live_service.py")

Sound = tuple[NDArray[np.int16], int]
"""Samples, [channels, samples], and their rate in hertz."""


@dataclass(frozen=True)
class Centre:
    """A running service, and a program that brings it calls and reads what became of them."""

    service: ServiceProcess
    key: str
    api: QingtingClient

    def caller(self, sample: SampleCall, call_id: str, **call: Any) -> LiveClient:
        """A sender of a sample call; `call` are further data of it."""
        left = Role.AGENT if sample.script.party(Role.AGENT) == "left" else Role.CUSTOMER
        return LiveClient(
            url=self.service.url,
            key=self.key,
            call={"call_id": call_id, **call},
            rate_hertz=sound_of(sample.id)[1],
            roles=(left.value, left.other.value),
        )

    def state_of(self, call_id: str) -> str:
        """State of a call; empty when it is not known."""
        return next((str(one["state"]) for one in self.api.calls() if one["call_id"] == call_id), "")

    def wait_for_state(self, call_id: str, state: str, *, seconds: float = 60) -> None:
        """Wait until a call has a state."""
        wait_until(lambda: self.state_of(call_id) == state, seconds=seconds, every_seconds=0.2)

    def report_of(self, call_id: str, *, seconds: float = 60) -> dict[str, Any]:
        """Wait for the report of a call, masked, and return it."""
        found: list[dict[str, Any]] = []

        def reported() -> bool:
            try:
                report = self.api.report(call_id).report
            except NotFoundError:
                return False
            found.extend([] if report is None else [dict(report)])
            return bool(found)

        wait_until(reported, seconds=seconds, every_seconds=0.2)
        return found[0]

    @property
    def spooled(self) -> list[Path]:
        """Files of sound that no report and no job has yet."""
        return sorted((self.service.folder / "data" / "live").glob("*"))

    @contextmanager
    def worker(self, known: str) -> Iterator[None]:
        """Run a worker of the installation, whose engine knows sample calls."""
        command = [sys.executable, LIVE_SERVICE, known, "--worker", "worker"]
        with subprocess.Popen(command, cwd=self.service.folder, env=dict(self.service.environment)) as process:
            try:
                yield
            finally:
                process.terminate()

    @property
    def listening(self) -> list[int]:
        """Ids of the listening processes."""
        command = ["ps", "-ww", "-o", "pid=,args=", "--ppid", str(self.service.process.pid)]
        found = subprocess.run(command, capture_output=True, text=True, check=False)
        return [int(line.split()[0]) for line in found.stdout.splitlines() if "--link" in line]


@cache
def sound_of(call_id: str) -> Sound:
    """Sound of a sample call, as its recording has it."""
    decoded = decode(open_source(sample_call(call_id).audio_path, AudioLimits()), AudioOptions())
    return decoded.pcm, decoded.rate_hertz


@contextmanager
def opened(
    folder: Path, known: str, settings: Mapping[str, str], *, key: str = "", launcher: Sequence[str] = ()
) -> Iterator[Centre]:
    """Run a centre in a folder.

    `key` is one that a centre in the same folder has made before, `launcher` a command that runs the one after it.
    """
    program: tuple[str, ...] = (LIVE_SERVICE, known)
    if launcher:
        program = ("-c", "import os, sys; os.execvp(sys.argv[1], sys.argv[1:])", *launcher, sys.executable, *program)
    with service_process(folder, settings, program=program) as service:
        key = key or service.new_key("integrator")
        with QingtingClient(service.url, key) as api:
            yield Centre(service, key, api)


OpenCentre = Callable[..., AbstractContextManager[Centre]]


@pytest.fixture(scope="session")
def open_centre() -> OpenCentre:
    """As `opened`, for a test that needs a centre of its own."""
    return opened


@pytest.fixture(scope="module")
def centre(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Centre]:
    """The module's centre."""
    with opened(tmp_path_factory.mktemp("live"), request.module.KNOWN, request.module.SETTINGS) as running:
        yield running


@pytest.fixture(scope="session")
def sound_of_sample() -> Callable[[str], Sound]:
    """As `sound_of`, for a test with several calls."""
    return sound_of


@pytest.fixture(scope="module")
def sample(request: pytest.FixtureRequest) -> SampleCall:
    """The call that the module's tests play."""
    return sample_call(request.module.SAMPLE)


@pytest.fixture(scope="module")
def sound(sample: SampleCall) -> Sound:
    """Its sound."""
    return sound_of(sample.id)


@pytest.fixture
def caller(centre: Centre, sample: SampleCall, request: pytest.FixtureRequest) -> LiveClient:
    """A sender of that call; the call is named after the test."""
    return centre.caller(sample, request.node.name[:100], agent_id="8012", team="售后")
