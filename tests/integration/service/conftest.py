"""An installation without workers, on SQLite and PostgreSQL, whose clock stands still until told."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from argon2 import PasswordHasher
from fastapi import FastAPI, Request
from fastapi.security.http import HTTPAuthorizationCredentials
from fastapi.testclient import TestClient
from sqlalchemy import func, select

from qingting.api.app import build_app
from qingting.api.auth import current_actor
from qingting.api.limits import Limits
from qingting.bootstrap import plans
from qingting.inspector import Heard, Plan, certain_roles, judge
from qingting.jobs import states
from qingting.jobs.steps import with_agent
from qingting.model.account import SYSTEM, Actor, Permission, UserRole
from qingting.model.audio import RecordingFormat
from qingting.model.call import Role
from qingting.model.job import InspectionJob, JobFailure, JobKind
from qingting.model.report import Report
from qingting.service import accounts, archive, passwords
from qingting.service.accounts import NewKey
from qingting.service.center import Service
from qingting.service.documents import call_from_plain
from qingting.settings import Settings
from qingting.storage import calls, jobs, recordings, tables
from qingting.storage.database import Database
from qingting.storage.recording_store import FolderStore, RecordingStore
from qingting.testing import sample_call


class Clock:
    """A clock that stands still until told."""

    def __init__(self) -> None:
        self.ms = 1_790_000_000_000

    def __call__(self) -> int:
        return self.ms


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def service(database: Database, tmp_path: Path, clock: Clock) -> Service:
    store = RecordingStore.open((tmp_path / "recordings").as_uri())
    return Service(settings=Settings(), database=database, recordings=store, clock=clock)


@pytest.fixture
def quick_digests(monkeypatch: pytest.MonkeyPatch) -> PasswordHasher:
    """Passwords are kept with so little work that tests may try many."""
    hasher = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
    dummy = hasher.hash("nobody")
    monkeypatch.setattr(passwords, "_hasher", lambda: hasher)
    monkeypatch.setattr(passwords, "_dummy_hash", lambda: dummy)
    return hasher


@dataclass(frozen=True)
class Api:
    """The service over HTTP, with its keys, and a stand-in for its workers."""

    service: Service
    client: TestClient
    admin: dict[str, str]
    """Headers of somebody with every permission, whom only tests can have."""

    def key(self, role: UserRole, *scopes: Permission, **more: Any) -> dict[str, str]:
        """Headers with a new API key."""
        wanted = NewKey(name="key", role=role, scopes=frozenset(scopes), **more)
        return {"Authorization": f"Bearer {accounts.add_key(self.service, SYSTEM, wanted)[1]}"}

    def work(self, *, fail: JobFailure | None = None) -> list[str]:
        """Do all jobs that wait, as a worker would; returns their ids."""
        now = self.service.clock() + 1
        with self.service.database.write() as connection:
            taken = jobs.take_for_dispatch(connection, now_ms=now, limit=5000)
        for job in taken:
            assert states.begin(self.service, job.id, job.attempts + 1, worker_id="test") is not None
            if fail is not None:
                states.settle(self.service, job.id, job.attempts + 1, states.Setback(failure=fail, can_retry=False))
            else:
                heard = _heard(self.service, job)
                assert archive.store_report(self.service, job.id, heard, _judged(heard))
        return [job.id for job in taken]

    def rows(self) -> tuple[int, int, int]:
        """How many calls, recordings and jobs there are."""
        with self.service.database.read() as connection:
            counts = [
                connection.execute(select(func.count()).select_from(table)).scalar_one()
                for table in (tables.calls, tables.recordings, tables.jobs)
            ]
        return counts[0], counts[1], counts[2]

    def files(self) -> list[str]:
        """Keys of all stored recordings."""
        assert isinstance(self.service.recordings, FolderStore)
        folder = self.service.recordings.folder
        return [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file()]


SAMPLE = sample_call("refund_late_answer")
WORDS = "我的电话是13812345678，"
"""Said by the customer at the start of every call that the stand-in hears."""


@cache
def _plan(line_of_business: str) -> Plan:
    return plans(Settings())(line_of_business)


def _judged(heard: Heard) -> Report:
    return judge(
        call=heard.call,
        recording=heard.recording,
        roles=heard.roles,
        transcript=heard.transcript,
        plan=_plan(heard.call.line_of_business),
    )


def _heard(service: Service, job: InspectionJob) -> Heard:
    """The words of the sample call, whatever the recording holds, and a telephone number."""
    with service.database.read() as connection:
        call = calls.find(connection, job.call_id)
        assert call is not None
        info = call_from_plain(call.info)
        if job.kind is JobKind.REANALYSE:
            again = archive.words_of_call(connection, call.id)
            assert again is not None
            return with_agent(again, job.options.get("agent", ""))
        recording_id = jobs.recording_of(connection, job.id)
        stored = recordings.get(connection, recording_id) if recording_id else None
    words = SAMPLE.transcript()
    first = next(one for one in words.utterances if one.role is Role.CUSTOMER)
    told = replace(first, text=WORDS + first.text, spoken_text="", characters=())
    utterances = tuple(told if one is first else one for one in words.utterances)
    transcript = replace(words, utterances=utterances)
    sound = None if stored is None else RecordingFormat(
        container="mp3", codec="mp3", sample_rate_hertz=16000, channels=2, duration_ms=words.duration_ms,
        size_bytes=stored.size_bytes, sha256=stored.sha256,
    )  # fmt: skip
    return Heard(call=info, recording=sound, roles=certain_roles(transcript), transcript=transcript)


@pytest.fixture(scope="session")
def do_jobs() -> Callable[[Service], None]:
    """Do all jobs of an installation that wait."""

    def work(service: Service) -> None:
        Api(service=service, client=TestClient(FastAPI()), admin={}).work()

    return work


OpenApi = Callable[..., Api]


@pytest.fixture
def open_api(service: Service, quick_digests: PasswordHasher) -> Iterator[OpenApi]:
    """Open the API with other settings: `open_api(api={"sync_concurrency": 1}, jobs={"max_queued": 2})`."""
    with ExitStack() as stack:

        def opened(**sections: dict[str, Any]) -> Api:
            changed = {
                name: getattr(service.settings, name).model_copy(update=values) for name, values in sections.items()
            }
            own = replace(service, settings=service.settings.model_copy(update=changed))
            app = build_app(own)
            app.dependency_overrides[current_actor] = almighty_or_real
            app.state.limits = Limits(requests_per_minute=0, sign_ins_per_minute=0)
            client = stack.enter_context(TestClient(app, base_url="http://qingting.test/api/v1"))
            return Api(service=own, client=client, admin={ALMIGHTY_HEADER: "1"})

        yield opened


@pytest.fixture
def api(open_api: OpenApi) -> Api:
    return open_api()


@pytest.fixture
def server(api: Api) -> Iterator[tuple[Api, int]]:
    """The same service behind a real server, and its port: what happens to connections cannot be tried without."""
    app = build_app(api.service)
    app.dependency_overrides[current_actor] = almighty_or_real
    app.state.limits = Limits(requests_per_minute=0, sign_ins_per_minute=0)
    running = uvicorn.Server(uvicorn.Config(app, log_level="critical", ws="none", timeout_graceful_shutdown=5))
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=running.run, args=([listening],), daemon=True)
        thread.start()
        while not running.started:
            time.sleep(0.01)
        yield api, listening.getsockname()[1]
        app.state.event_feed.close()
        running.should_exit = True
        thread.join(20)


def almighty_or_real(request: Request) -> Actor:
    """Somebody with every permission, whom only tests can have, or whoever the key belongs to."""
    if ALMIGHTY_HEADER in request.headers:
        return ALMIGHTY
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    bearer = HTTPAuthorizationCredentials(scheme=scheme, credentials=secret) if secret else None
    return current_actor(request, bearer)


ALMIGHTY_HEADER = "X-Test-Almighty"
ALMIGHTY = replace(SYSTEM, id="almighty", name="almighty", is_key=True)
