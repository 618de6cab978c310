"""The worker beside the HTTP entrance is kept alive, ends with it, and outlives nobody."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from qingting.jobs.supervisor import Supervisor
from qingting.testing.installation import wait_until

STEADY = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0) if {obeys} else None)
with open({log!r}, "a") as log: log.write(f"{{os.getpid()}}\\n")
{then}
"""


@pytest.fixture
def program(tmp_path: Path) -> Callable[..., list[str]]:
    def write(then: str = "while True: time.sleep(0.05)", *, obeys: bool = True) -> list[str]:
        return [sys.executable, "-c", STEADY.format(log=str(tmp_path / "log"), then=then, obeys=obeys)]

    return write


def pids(folder: Path) -> list[int]:
    log = folder / "log"
    return [int(line) for line in log.read_text().split()] if log.exists() else []


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_it_is_started_and_stopped_with_the_block(program: Callable[..., list[str]], tmp_path: Path) -> None:
    with Supervisor(program(), stop_seconds=5):
        wait_until(lambda: bool(pids(tmp_path)))
    assert len(pids(tmp_path)) == 1
    assert gone(pids(tmp_path)[0])


@pytest.mark.parametrize("how", ["killed", "failing", "ending"])
def test_it_is_started_again_however_it_ends(program: Callable[..., list[str]], tmp_path: Path, how: str) -> None:
    then = {"failing": "sys.exit(3)", "ending": "sys.exit(0)"}
    command = program(then[how]) if how in then else program()
    with Supervisor(command, stop_seconds=5, first_pause_seconds=0.01):
        for number in range(3):
            wait_until(lambda number=number: len(pids(tmp_path)) > number)  # type: ignore[misc]
            if how == "killed":
                os.kill(pids(tmp_path)[-1], signal.SIGKILL)
    assert all(gone(pid) for pid in pids(tmp_path))


def test_once_asked_to_stop_nothing_is_started(program: Callable[..., list[str]], tmp_path: Path) -> None:
    with Supervisor(program(), stop_seconds=5, first_pause_seconds=0.01) as supervisor:
        wait_until(lambda: bool(pids(tmp_path)))
        supervisor.ask_to_stop()
        wait_until(lambda: gone(pids(tmp_path)[0]))
    assert len(pids(tmp_path)) == 1


def test_one_that_does_not_obey_is_killed(
    program: Callable[..., list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qingting.jobs.supervisor._BEYOND_SECONDS", 0.1)
    with Supervisor(program(obeys=False), stop_seconds=0.1):
        wait_until(lambda: bool(pids(tmp_path)))
    assert gone(pids(tmp_path)[0])


def test_a_worker_ends_when_whoever_started_it_was_killed(tmp_path: Path) -> None:
    """Kill -9 of the service must not leave a worker behind that bars the next start."""
    child = (
        "import os, threading; from qingting.jobs.supervisor import end_with_parent\n"
        "stop = threading.Event()\n"
        "end_with_parent(int({parent}), stop.set, every_seconds=0.05)\n"
        "open({log!r}, 'a').write(f'{{os.getpid()}}\\n'); stop.wait(60)"
    )
    parent = (
        "import os, subprocess, sys, time\n"
        f"child = {child!r}.format(parent=os.getpid(), log={str(tmp_path / 'log')!r})\n"
        "subprocess.Popen([sys.executable, '-c', child]); time.sleep(60)"
    )
    started = subprocess.Popen([sys.executable, "-c", parent])
    wait_until(lambda: bool(pids(tmp_path)))
    started.kill()
    started.wait()
    wait_until(lambda: gone(pids(tmp_path)[0]))
