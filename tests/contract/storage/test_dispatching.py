"""Between the table of jobs and the engine: loads, lost runs, jobs that are put back."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection

from qingting.model.account import SYSTEM
from qingting.model.ids import new_id
from qingting.model.job import InspectionJob, JobKind, JobState, Priority
from qingting.storage import calls, dispatching, jobs
from qingting.storage.database import Database
from qingting.storage.dispatching import UnfinishedRun, WorkerLoad


def add(connection: Connection, *, priority: Priority = Priority.NORMAL, due_ms: int = 0) -> str:
    job_id = new_id()
    values = {
        "call_id": job_id, "line_of_business": "general", "medium": "voice", "started_ms": 1, "day": 20261130,
        "hour": 9, "info": {}, "source": "api", "created_ms": 1, "state": "queued",
    }  # fmt: skip
    number = calls.add(connection, values)
    job = InspectionJob(
        id=job_id, kind=JobKind.INSPECT, call_id=job_id, state=JobState.QUEUED, priority=priority, created_ms=1,
        due_ms=due_ms,
    )  # fmt: skip
    jobs.add(connection, job, call=number, recording_id=None)
    return job_id


def run_of(job_id: str, state: JobState = JobState.QUEUED, attempts: int = 0, run: int = 1) -> UnfinishedRun:
    return UnfinishedRun(job_id=job_id, state=state, attempts=attempts, run=run, priority=3)


def test_a_worker_s_load_is_its_own(database: Database) -> None:
    with database.write() as connection:
        ids = [add(connection) for _ in range(2)] + [add(connection, priority=Priority.LOW)]
        add(connection, due_ms=100)
        taken = jobs.take_for_dispatch(connection, now_ms=50, limit=3, worker_id="w1")
        assert {job.id for job in taken} == set(ids)
        jobs.change(connection, ids[0], state="running", run=1, attempts=1)
        load = dispatching.load_of(connection, "w1")
        assert load == WorkerLoad(running=1, waiting={3: 1, 4: 1})
        assert [load.as_urgent(rank) for rank in (1, 3, 4)] == [1, 2, 3]
        assert dispatching.load_of(connection, "w2") == WorkerLoad(running=0, waiting={})
        assert dispatching.workers_with_jobs(connection) == {"w1"}


@pytest.mark.parametrize(
    ("priority", "due_ms", "lowest", "expected"),
    [
        (Priority.NORMAL, 10, Priority.LOW, True),
        (Priority.NORMAL, 11, Priority.LOW, False),
        (Priority.LOW, 10, Priority.NORMAL, False),
        (Priority.URGENT, 10, Priority.URGENT, True),
    ],
)
def test_what_is_due(database: Database, priority: Priority, due_ms: int, lowest: Priority, expected: bool) -> None:
    with database.write() as connection:
        add(connection, priority=priority, due_ms=due_ms)
        assert dispatching.anything_due(connection, now_ms=10, lowest=lowest) is expected
        assert bool(jobs.take_for_dispatch(connection, now_ms=10, limit=5, lowest=lowest)) is expected
        still = dispatching.anything_due(connection, now_ms=10, lowest=Priority.LOW)
    assert still is (due_ms <= 10 and not expected)


def test_unfinished_runs_name_the_run_they_have_or_will_have(database: Database) -> None:
    with database.write() as connection:
        waiting, running, done = (add(connection) for _ in range(3))
        jobs.take_for_dispatch(connection, now_ms=50, limit=3, worker_id="w1")
        jobs.change(connection, waiting, attempts=2)
        jobs.change(connection, running, state="running", run=1, attempts=3)
        jobs.change(connection, done, state="done")
        found = {one.job_id: one for one in dispatching.unfinished(connection, "w1")}
    assert found == {
        waiting: run_of(waiting, attempts=2, run=3),
        running: run_of(running, JobState.RUNNING, attempts=3, run=1),
    }


def test_a_lost_job_waits_again_under_a_number_that_was_not_used(database: Database) -> None:
    with database.write() as connection:
        waiting, running = add(connection), add(connection)
        jobs.take_for_dispatch(connection, now_ms=50, limit=3, worker_id="w1")
        jobs.change(connection, running, state="running", run=2, attempts=3)
        for lost in dispatching.unfinished(connection, "w1"):
            assert dispatching.put_back(connection, lost, now_ms=77)
            assert not dispatching.put_back(connection, lost, now_ms=77), "it went on meanwhile"
        first, second = (jobs.get(connection, one, SYSTEM.reach) for one in (waiting, running))
    assert (first.state, first.attempts, first.max_attempts, first.due_ms) == (JobState.QUEUED, 1, 4, 77)
    assert (second.state, second.attempts, second.max_attempts) == (JobState.QUEUED, 3, 3)


def test_a_job_that_went_on_is_not_put_back(database: Database) -> None:
    with database.write() as connection:
        job_id = add(connection)
        jobs.take_for_dispatch(connection, now_ms=50, limit=3, worker_id="w1")
        seen = dispatching.unfinished(connection, "w1")[0]
        jobs.change(connection, job_id, state="running", run=1, attempts=1)
        assert not dispatching.put_back(connection, seen, now_ms=1)
        dispatching.adopt(connection, seen, worker_id="w2")
        assert dispatching.workers_with_jobs(connection) == {"w1"}
        dispatching.adopt(connection, dispatching.unfinished(connection, "w1")[0], worker_id="w2")
        assert dispatching.workers_with_jobs(connection) == {"w2"}


def test_a_held_job_tells_which_run_has_it(database: Database) -> None:
    with database.write() as connection:
        job_id = add(connection)
        jobs.change(connection, job_id, run=4)
        held = dispatching.hold(connection, job_id)
        assert dispatching.hold(connection, "unknown") is None
    assert held is not None
    assert (held.job.id, held.run) == (job_id, 4)


def test_cancelled_jobs_that_wait_are_found(database: Database) -> None:
    with database.write() as connection:
        ids = [add(connection, due_ms=10**15) for _ in range(3)]
        for job_id in ids[:2]:
            jobs.change(connection, job_id, cancel_requested=True)
        jobs.change(connection, ids[1], dispatched=True)
        assert dispatching.cancelled_while_waiting(connection, limit=9) == [ids[0]]


def test_attempts_are_given_back_for_running_jobs_of_the_worker_only(database: Database) -> None:
    with database.write() as connection:
        ids = [add(connection) for _ in range(3)]
        for job_id, state, worker in zip(ids, ("running", "running", "queued"), ("w1", "w2", "w1"), strict=True):
            jobs.change(connection, job_id, state=state, worker_id=worker, attempts=2, run=1)
        assert dispatching.give_back(connection, "w1") == 1
        assert [jobs.get(connection, one, SYSTEM.reach).attempts for one in ids] == [1, 2, 2]
