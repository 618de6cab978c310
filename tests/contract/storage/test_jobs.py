"""Jobs and batches in the database, on SQLite and PostgreSQL: each job is taken once, urgent ones first."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from qingting.errors import NotFoundError, StorageError
from qingting.model.account import NOTHING, Reach
from qingting.model.job import InspectionJob, JobFailure, JobKind, JobState, JobStep, Priority
from qingting.storage import calls, jobs
from qingting.storage.database import Database
from qingting.storage.jobs import BatchRow

ALL = Reach(everything=True)
JOB = InspectionJob(
    id="j1", kind=JobKind.INSPECT, call_id="c1", state=JobState.QUEUED, priority=Priority.NORMAL, created_ms=5,
    due_ms=10, batch_id="b1", options={"raw": "alaw:8000:2"}, submitted_by="u1", max_attempts=4,
)  # fmt: skip


@pytest.fixture
def call(database: Database, add_call) -> int:
    with database.write() as connection:
        return add_call(connection, "c1", team="A", agent_id="x").id


def add(database: Database, call: int, *added: InspectionJob) -> None:
    with database.write() as connection:
        for job in added:
            jobs.add(connection, job, call=call, recording_id=None)


def take(database: Database, now_ms: int = 1000, limit: int = 10, **more: object) -> list[str]:
    with database.write() as connection:
        return [job.id for job in jobs.take_for_dispatch(connection, now_ms=now_ms, limit=limit, **more)]


def test_a_job_is_read_back(database: Database, call: int) -> None:
    with database.write() as connection:
        jobs.add(connection, JOB, call=call, recording_id="r1")
        assert jobs.get(connection, "j1", ALL) == jobs.lock(connection, "j1") == JOB
        assert jobs.recording_of(connection, "j1") == "r1"
        assert jobs.lock(connection, "j2") is None
        assert jobs.recording_of(connection, "j2") is None


def test_a_job_needs_its_call(database: Database) -> None:
    with pytest.raises(StorageError):
        add(database, 999, JOB)


def test_a_job_is_seen_by_those_who_see_its_call(database: Database, call: int) -> None:
    add(database, call, JOB)
    with database.read() as connection:
        assert jobs.get(connection, "j1", Reach(teams=("A",))) == JOB
        assert jobs.get(connection, "j1", Reach(agent_id="x")) == JOB
        for reach in (NOTHING, Reach(teams=("B",)), Reach(agent_id="y")):
            with pytest.raises(NotFoundError):
                jobs.get(connection, "j1", reach)
            assert jobs.page(connection, reach=reach, limit=10).items == ()
        with pytest.raises(NotFoundError):
            jobs.get(connection, "j2", ALL)


def test_changes_are_seen(database: Database, call: int) -> None:
    add(database, call, JOB)
    with database.write() as connection:
        jobs.change(
            connection, "j1", state=JobState.SET_ASIDE.value, step=JobStep.DECODE.value, progress=0.5, attempts=3,
            started_ms=7, finished_ms=8, error_code="broken_audio", error_cause="Broken.", error_remedy="Fetch it.",
            cancel_requested=True, priority=Priority.URGENT.rank,
        )  # fmt: skip
        changed = jobs.get(connection, "j1", ALL)
    failure = JobFailure(code="broken_audio", cause="Broken.", remedy="Fetch it.")
    assert changed == replace(
        JOB, state=JobState.SET_ASIDE, step=JobStep.DECODE, progress=0.5, attempts=3, started_ms=7, finished_ms=8,
        failure=failure, cancel_requested=True, priority=Priority.URGENT,
    )  # fmt: skip


def test_urgent_jobs_are_taken_first_then_those_due_longest(database: Database, call: int) -> None:
    add(
        database, call,
        replace(JOB, id="low", priority=Priority.LOW, due_ms=1),
        replace(JOB, id="late", due_ms=30),
        replace(JOB, id="early", due_ms=20),
        replace(JOB, id="urgent", priority=Priority.URGENT, due_ms=40),
    )  # fmt: skip
    assert [take(database, limit=1) for _ in range(5)] == [["urgent"], ["early"], ["late"], ["low"], []]


def test_only_what_is_due_and_waits_is_taken(database: Database, call: int) -> None:
    add(database, call, *(replace(JOB, id=state.value, state=state) for state in JobState))
    add(database, call, replace(JOB, id="later", due_ms=1001), replace(JOB, id="now", due_ms=1000))
    assert set(take(database)) == {"queued", "now"}
    assert take(database, now_ms=2000) == ["later"]


def test_less_urgent_jobs_can_be_left(database: Database, call: int) -> None:
    add(database, call, *(replace(JOB, id=priority.value, priority=priority) for priority in Priority))
    assert take(database, lowest=Priority.URGENT) == ["urgent"]
    assert set(take(database)) == {"high", "normal", "low"}


def test_dispatchers_at_once_never_take_the_same_job(database: Database, call: int) -> None:
    add(database, call, *(replace(JOB, id=f"j{number:02}") for number in range(40)))
    with ThreadPoolExecutor(4) as pool:
        taken = [job for jobs_taken in pool.map(lambda _: take(database, limit=7), range(8)) for job in jobs_taken]
    rest = take(database, limit=100)
    assert sorted(taken + rest) == [f"j{number:02}" for number in range(40)]


def test_a_job_put_back_is_taken_again(database: Database, call: int) -> None:
    add(database, call, JOB)
    assert take(database) == ["j1"]
    with database.write() as connection:
        jobs.change(connection, "j1", dispatched=False, due_ms=500)
    assert take(database, now_ms=499) == []
    assert take(database, now_ms=500) == ["j1"]


LISTS = [
    ({}, ["j3", "j2", "j1"]),
    ({"state": "done"}, ["j2"]),
    ({"batch_id": "b1"}, ["j2", "j1"]),
    ({"call_id": "c1"}, ["j2", "j1"]),
    ({"call_id": "c1", "state": "queued"}, ["j1"]),
    ({"call_id": "c9"}, []),
    ({"after": "j3"}, ["j2", "j1"]),
]


@pytest.mark.parametrize(("wanted", "expected"), LISTS)
def test_lists_are_filtered(
    database: Database, call: int, add_call, wanted: dict[str, str], expected: list[str]
) -> None:
    add(database, call, JOB, replace(JOB, id="j2", state=JobState.DONE))
    with database.write() as connection:
        other = add_call(connection, "c2").id
    add(database, other, replace(JOB, id="j3", batch_id=""))
    with database.read() as connection:
        page = jobs.page(connection, reach=ALL, limit=10, **wanted)
    assert [job.id for job in page.items] == expected
    assert page.next_key == ""


def test_pages_hold_every_job_once(database: Database, call: int) -> None:
    add(database, call, *(replace(JOB, id=f"j{number}") for number in range(5)))
    with database.read() as connection:
        first = jobs.page(connection, reach=ALL, limit=3)
        second = jobs.page(connection, reach=ALL, limit=3, after=first.next_key)
    assert [[job.id for job in page.items] for page in (first, second)] == [["j4", "j3", "j2"], ["j1", "j0"]]
    assert second.next_key == ""


def test_the_backlog_is_what_waits_or_runs(database: Database, call: int) -> None:
    with database.read() as connection:
        assert jobs.oldest_waiting_ms(connection) is None
        assert jobs.unfinished_of_call(connection, call) is None
    add(database, call, *(replace(JOB, id=state.value, state=state, created_ms=50) for state in JobState))
    add(database, call, replace(JOB, id="old", created_ms=20))
    with database.write() as connection:
        assert jobs.waiting(connection) == 3
        assert jobs.state_counts(connection) == {state.value: 1 + (state is JobState.QUEUED) for state in JobState}
        assert jobs.oldest_waiting_ms(connection) == 20
        assert jobs.unfinished_of_call(connection, call) in {"queued", "running", "old"}
        for job_id in ("queued", "running", "old"):
            jobs.change(connection, job_id, state=JobState.DONE.value)
        assert jobs.unfinished_of_call(connection, call) is None


def test_a_batch_tells_how_far_its_jobs_are(database: Database, call: int) -> None:
    batch = BatchRow(id="b1", name="十一月", created_ms=1, created_by="u1", refused=[], states={})
    refused = [{"name": "a.txt", "code": "not_audio", "cause": "No recording.", "remedy": "Send one."}]
    with database.write() as connection:
        jobs.add_batch(connection, batch)
        jobs.refuse_in_batch(connection, "b1", refused)
        assert jobs.get_batch(connection, "b1") == replace(batch, refused=refused)
        with pytest.raises(NotFoundError):
            jobs.get_batch(connection, "b2")
    add(database, call, JOB, replace(JOB, id="j2"), replace(JOB, id="j3", state=JobState.DONE))
    add(database, call, replace(JOB, id="j4", batch_id="b2"))
    with database.read() as connection:
        assert jobs.get_batch(connection, "b1").states == {"queued": 2, "done": 1}
        assert jobs.ids_of_batch(connection, "b1") == [("j1", "c1"), ("j2", "c1"), ("j3", "c1")]


def test_jobs_go_with_their_call(database: Database, call: int) -> None:
    add(database, call, JOB)
    with database.write() as connection:
        calls.remove(connection, call)
        assert jobs.lock(connection, "j1") is None
