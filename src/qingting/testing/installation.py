"""An installation without HTTP: its rows, and worker processes that tests and benchmarks start and kill."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from qingting.bootstrap.service import open_service
from qingting.errors import QingtingError
from qingting.model.account import SYSTEM
from qingting.model.call import CallInfo
from qingting.model.ids import new_id
from qingting.model.job import InspectionJob, Priority
from qingting.service import intake
from qingting.service.center import Service
from qingting.settings import load_settings
from qingting.storage import jobs
from qingting.storage.recordings import RecordingRow


@dataclass
class WorkerProcess:
    """A worker process and what it wrote."""

    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)
    _ready: threading.Event = field(default_factory=threading.Event)

    def wait_until_ready(self, seconds: float = 150) -> WorkerProcess:
        """Wait until it takes jobs; raises QingtingError when it ends or takes too long."""
        if not self._ready.wait(seconds) or self.process.poll() is not None:
            raise QingtingError("the worker did not start", remedy="\n".join(self.lines[-20:]))
        return self

    def kill(self) -> None:
        """End it as a loss of power would."""
        self.process.kill()
        self.process.wait()

    def stop(self, seconds: float = 60) -> int:
        """Stop it orderly; returns its exit code."""
        self.process.terminate()
        return self.process.wait(seconds)

    def follow(self) -> None:
        """Body of a thread: keep what it writes, until it ends."""
        assert self.process.stdout is not None  # noqa: S101  a pipe was asked for
        with self.process.stdout as output:
            for line in output:
                self.lines.append(line.rstrip("\n"))
                if line.startswith("ready") or " is ready" in line:
                    self._ready.set()
        self._ready.set()


@dataclass
class Installation:
    """A service with its settings as plain values, for further processes."""

    folder: Path
    settings: Mapping[str, Any]
    service: Service
    started: list[WorkerProcess] = field(default_factory=list)

    def put(self, content: bytes, *, suffix: str = ".wav", call: CallInfo | None = None, **job: Any) -> str:
        """Accept a recording without looking at it; returns the job's id. `job` are fields of Submission."""
        number = new_id()
        key = f"recordings/20261130/{number}{suffix}"
        size, sha256 = self.service.recordings.save(key, [content])
        recording = RecordingRow(
            id=number, call=0, key=key, name=f"{number}{suffix}", sha256=sha256, size_bytes=size, created_ms=1
        )
        submission = intake.Submission(call=call or CallInfo(call_id=number), **job)
        prepared = intake.Prepared(submission=submission, recording=recording, fingerprint="")
        return intake.accept(self.service, SYSTEM, prepared).job.id

    def tell(self, order: Mapping[str, Any], *, priority: Priority = Priority.NORMAL, **call: Any) -> str:
        """Accept orders for a told inspector; `call` are fields of CallInfo."""
        info = replace(CallInfo(call_id=new_id()), **call)
        return self.put(json.dumps(order).encode(), call=info, priority=priority)

    def job(self, job_id: str) -> InspectionJob:
        """Return a job as it stands."""
        with self.service.database.read() as connection:
            return jobs.get(connection, job_id, SYSTEM.reach)

    def states(self) -> dict[str, int]:
        """State -> number of jobs."""
        with self.service.database.read() as connection:
            return jobs.state_counts(connection)

    def start(self, command: Sequence[str], **further: str) -> WorkerProcess:
        """Start a worker process; `further` are environment variables."""
        process = subprocess.Popen(  # noqa: S603  our own commands
            list(command),
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1", **further},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
        worker = WorkerProcess(process)
        threading.Thread(target=worker.follow, daemon=True).start()
        self.started.append(worker)
        return worker

    def start_script(self, script: Path, worker_id: str, **jobs_settings: Any) -> WorkerProcess:
        """Start a worker by a script that reads `settings` and `trace` from a JSON file."""
        own = {**self.settings["jobs"], "worker_id": worker_id, **jobs_settings}
        told = {"settings": {**self.settings, "jobs": own}, "trace": str(self.folder / "trace")}
        path = self.folder / f"{worker_id}-{len(self.started)}.json"
        path.write_text(json.dumps(told), encoding="utf-8")
        return self.start([sys.executable, str(script), str(path)])

    def close(self) -> None:
        """Kill what still runs."""
        for worker in self.started:
            with suppress(OSError):
                worker.kill()


def wait_until(condition: Callable[[], bool], *, seconds: float = 60, every_seconds: float = 0.05) -> None:
    """Wait for a condition; raises QingtingError when it does not come true."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise QingtingError(f"what was waited for did not come within {seconds:g} seconds")
        time.sleep(every_seconds)


@contextmanager
def installation(folder: Path, *, database_url: str = "", **sections: Mapping[str, Any]) -> Iterator[Installation]:
    """Open an installation in a folder; `sections` are sections of the settings."""
    storage = {"folder": str(folder / "data"), "min_free_bytes": 0, "database_url": database_url}
    settings: dict[str, Any] = {**sections, "storage": {**storage, **sections.get("storage", {})}}
    settings["jobs"] = dict(sections.get("jobs", {}))
    with open_service(load_settings(**settings)) as service:
        opened = Installation(folder=folder, settings=settings, service=service)
        try:
            yield opened
        finally:
            opened.close()
