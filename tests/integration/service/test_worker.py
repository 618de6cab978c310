"""Worker processes that die, stop, wait and meet bad luck: no accepted job is lost, none is reported twice."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from qingting.jobs.naming import Heart
from qingting.model.account import SYSTEM
from qingting.model.ids import new_id
from qingting.model.job import JobState, Priority
from qingting.service import job_control
from qingting.storage import calls, dispatching, jobs, workers
from qingting.storage.tables import reports
from qingting.testing.installation import Installation, WorkerProcess, installation, wait_until
from qingting.testing.postgres import PostgresServer, postgres_server
from qingting.testing.told_inspector import SECRET, ToldInspector

SCRIPT = Path(__file__).parent / "worker_script.py"
JOBS = {
    "concurrency": 2, "retry_seconds": 0.1, "poll_seconds": 0.05, "heartbeat_seconds": 0.3, "lost_after_seconds": 3.0,
    "stop_seconds": 1.0,
}  # fmt: skip

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def centre(database_url: str, tmp_path: Path) -> Iterator[Installation]:
    with installation(tmp_path, database_url=database_url, jobs=JOBS) as opened:
        yield opened


@pytest.fixture
def small_centre(tmp_path: Path) -> Iterator[Installation]:
    with installation(tmp_path, jobs=JOBS) as opened:
        yield opened


def start(centre: Installation, name: str = "w1", **settings: Any) -> WorkerProcess:
    return centre.start_script(SCRIPT, name, **settings).wait_until_ready()


def trace(centre: Installation) -> ToldInspector:
    return ToldInspector(centre.folder / "trace")


def reported(centre: Installation) -> dict[str, int]:
    with centre.service.database.read() as connection:
        counted = select(reports.c.job_id, func.count()).group_by(reports.c.job_id)
        return {job: int(number) for job, number in connection.execute(counted)}


def until_ended(centre: Installation, *job_ids: str, seconds: float = 90) -> None:
    wait_until(lambda: all(centre.job(one).state.ended for one in job_ids), seconds=seconds)


def start_until_ended(centre: Installation, *job_ids: str, most: int) -> WorkerProcess:
    """Start workers one after the other as they die; returns the one that lives to the end."""
    for _ in range(most):
        running = start(centre)
        died = running.process.poll
        wait_until(lambda died=died: died() is not None or all(centre.job(one).state.ended for one in job_ids))  # type: ignore[misc]
        if died() is None:
            return running
    raise AssertionError([worker.lines[-5:] for worker in centre.started])


def test_killed_in_the_middle_of_each_step_nothing_is_lost_and_nothing_reported_twice(centre: Installation) -> None:
    ids = [
        centre.tell({"decode": "die", "times": 1}),
        centre.tell({"transcribe": "die", "times": 1}),
        centre.tell({}, fields={"order": json.dumps({"judge": "die", "times": 1})}),
        centre.tell({}),
    ]
    running = start_until_ended(centre, *ids, most=6)
    assert [centre.job(one).state for one in ids] == [JobState.DONE] * 4
    assert reported(centre) == dict.fromkeys(ids, 1)
    lines = trace(centre).done("transcribe")
    # Only the step that was in the middle is done again.
    assert len(lines) <= len(ids) + 3
    assert running.stop() == 0


def test_a_poisoned_recording_is_set_aside_and_takes_no_other_job_with_it(small_centre: Installation) -> None:
    poison = small_centre.tell({"transcribe": "die"}, priority=Priority.URGENT)
    innocent = [small_centre.tell({"seconds": 0.5}) for _ in range(3)]
    start_until_ended(small_centre, poison, *innocent, most=8)
    job = small_centre.job(poison)
    assert job.state is JobState.SET_ASIDE
    assert job.failure is not None
    assert job.failure.code == "poisoned"
    assert [small_centre.job(one).state for one in innocent] == [JobState.DONE] * 3


def test_errors_nobody_foresaw_leave_no_words_anywhere(small_centre: Installation) -> None:
    job_id = small_centre.tell({"decode": "unforeseen"})
    running = start(small_centre)
    until_ended(small_centre, job_id)
    assert small_centre.job(job_id).state is JobState.SET_ASIDE
    running.stop()
    assert any("unexpected ValueError" in line for line in running.lines)
    # A time of day may hold the first digits of a number.
    assert not any("王" in line or "13812" in line for line in running.lines)
    for path in (small_centre.folder / "data").glob("*.sqlite*"):
        assert SECRET.encode() not in path.read_bytes()
    with closing(sqlite3.connect(small_centre.folder / "data" / "jobs.sqlite")) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        kept = json.dumps([connection.execute(f"SELECT * FROM {name}").fetchall() for name in tables], default=str)
    assert "decode" in kept
    assert "您好" not in kept


def test_an_orderly_stop_lets_running_jobs_end(small_centre: Installation) -> None:
    job_id = small_centre.tell({"seconds": 0.3})
    waiting = [small_centre.tell({"seconds": 0.3}) for _ in range(6)]
    running = start(small_centre, stop_seconds=20.0)
    wait_until(lambda: bool(trace(small_centre).done("decode")))
    assert running.stop() == 0
    assert small_centre.job(job_id).state is JobState.DONE
    states = [small_centre.job(one).state for one in waiting]
    assert JobState.RUNNING not in states
    assert JobState.QUEUED in states
    start(small_centre)
    until_ended(small_centre, *waiting)
    assert reported(small_centre) == dict.fromkeys([job_id, *waiting], 1)


def test_what_does_not_end_in_time_goes_on_at_the_next_start_and_keeps_its_attempts(
    small_centre: Installation,
) -> None:
    job_id = small_centre.tell({"transcribe": "wait", "times": 1})
    running = start(small_centre)
    wait_until(lambda: bool(trace(small_centre).done("transcribe")))
    assert running.stop() == 0
    assert small_centre.job(job_id).state is JobState.RUNNING
    assert small_centre.job(job_id).attempts == 0
    start(small_centre)
    until_ended(small_centre, job_id)
    assert small_centre.job(job_id).state is JobState.DONE
    assert len(trace(small_centre).done("decode")) == 2, "samples are not kept"


def test_a_running_job_is_cancelled(small_centre: Installation) -> None:
    job_id = small_centre.tell({"seconds": 1.0})
    start(small_centre)
    wait_until(lambda: small_centre.job(job_id).state is JobState.RUNNING)
    job_control.cancel(small_centre.service, SYSTEM, job_id)
    until_ended(small_centre, job_id)
    assert small_centre.job(job_id).state is JobState.CANCELLED
    assert reported(small_centre) == {}


def test_a_job_that_fails_once_is_tried_again(centre: Installation) -> None:
    job_id = centre.tell({"transcribe": "EngineTimeoutError", "times": 2})
    start(centre)
    until_ended(centre, job_id)
    job = centre.job(job_id)
    assert (job.state, job.attempts) == (JobState.DONE, 3)


def test_a_second_worker_of_the_same_name_is_refused(centre: Installation) -> None:
    first = start(centre)
    second = centre.start_script(SCRIPT, "w1")
    assert second.process.wait(60) == 1
    assert any("ConflictError" in line for line in second.lines)
    assert first.process.poll() is None
    job_id = centre.tell({})
    until_ended(centre, job_id)


def test_the_name_of_a_killed_worker_of_this_machine_is_free_at_once(small_centre: Installation) -> None:
    start(small_centre, lost_after_seconds=600.0).kill()
    began = time.monotonic()
    start(small_centre, lost_after_seconds=600.0)
    assert time.monotonic() - began < 300


def test_the_name_of_a_lost_machine_is_free_once_it_was_silent_for_long_enough(small_centre: Installation) -> None:
    service = small_centre.service
    lost = workers.WorkerRow(
        id="w1", host="elsewhere", pid=1, version="0", concurrency=1, started_ms=1, seen_ms=service.clock()
    )
    with service.database.write() as connection:
        workers.beat(connection, lost)
    start(small_centre, lost_after_seconds=1.0)


def test_jobs_marked_but_never_handed_over_are_found(small_centre: Installation) -> None:
    """As after a crash between the mark and the engine, or with the engine's database lost."""
    ids = [small_centre.tell({}) for _ in range(3)]
    with small_centre.service.database.write() as connection:
        taken = jobs.take_for_dispatch(connection, now_ms=small_centre.service.clock(), limit=2, worker_id="w1")
        jobs.change(connection, taken[0].id, state="running", run=1, attempts=1)
        jobs.change(connection, taken[1].id, max_attempts=1)
    start(small_centre)
    until_ended(small_centre, *ids)
    assert [small_centre.job(one).state for one in ids] == [JobState.DONE] * 3
    assert reported(small_centre) == dict.fromkeys(ids, 1)


def test_an_urgent_job_overtakes_a_backlog_and_the_engine_holds_few(small_centre: Installation) -> None:
    service = small_centre.service
    first = small_centre.job(small_centre.tell({"seconds": 0.02}))
    with service.database.write() as connection:
        recording = jobs.recording_of(connection, first.id)
        call = calls.get(connection, first.call_id, SYSTEM.reach)
        for _ in range(2000):
            job = replace(first, id=new_id(), priority=Priority.LOW)
            jobs.add(connection, job, call=call.id, recording_id=recording)
    start(small_centre)
    wait_until(lambda: small_centre.states().get("done", 0) > 5)
    urgent = small_centre.tell({}, priority=Priority.URGENT)
    most = 0
    while not small_centre.job(urgent).state.ended:
        with service.database.read() as connection:
            load = dispatching.load_of(connection, "w1")
        most = max(most, load.running + sum(load.waiting.values()))
    assert small_centre.job(urgent).state is JobState.DONE
    assert most <= 4
    with closing(sqlite3.connect(small_centre.folder / "data" / "jobs.sqlite")) as connection:
        query = "SELECT count(*) FROM workflow_status WHERE status IN ('ENQUEUED', 'PENDING')"
        assert connection.execute(query).fetchone()[0] <= 4
    assert small_centre.states()["queued"] > 1000


def test_a_database_that_is_restarted_costs_no_job(tmp_path: Path, postgres: PostgresServer) -> None:
    """A server of its own, since the others' tests use the common one."""
    with (
        postgres_server(durable=False) as server,
        installation(tmp_path, database_url=server.new_database(), jobs=JOBS) as centre,
    ):
        ids = [centre.tell({"seconds": 0.4}) for _ in range(8)]
        running = start(centre)
        for _ in range(2):
            wait_until(lambda: bool(trace(centre).done("decode")))
            server.stop(kill=True)
            time.sleep(1.0)
            server.start()
            time.sleep(0.5)
        until_ended(centre, *ids, seconds=150)
        assert [centre.job(one).state for one in ids] == [JobState.DONE] * 8
        assert reported(centre) == dict.fromkeys(ids, 1)
        assert running.process.poll() is None
        assert running.stop() == 0
        assert not any("postgresql://" in line for line in running.lines)


def test_two_processes_that_start_at_once_under_one_name_do_not_both_go_on(small_centre: Installation) -> None:
    row = workers.WorkerRow(id="w1", host="h", pid=1, version="0", concurrency=1, started_ms=10, seen_ms=10)
    stops = [threading.Event(), threading.Event()]
    first = Heart(small_centre.service, row, stops[0])
    second = Heart(small_centre.service, replace(row, pid=2, started_ms=11), stops[1])
    for one in (first, second, first, second):
        one.beat()
    assert [stop.is_set() for stop in stops] == [True, False]
    assert first.stop() == 0
    with small_centre.service.database.read() as connection:
        left = workers.get(connection, "w1")
    assert left is not None
    assert (left.pid, left.stopped_ms) == (2, None)
