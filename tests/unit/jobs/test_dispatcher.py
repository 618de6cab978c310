"""How many jobs are handed over, and how those are found that got lost on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from qingting.errors import StorageUnavailableError
from qingting.jobs.dispatcher import Dispatcher
from qingting.jobs.takeover import TakeOver, Watch
from qingting.model.account import SYSTEM
from qingting.model.call import CallInfo
from qingting.model.ids import new_id
from qingting.model.job import JobState, Priority
from qingting.service import intake, job_control
from qingting.service.center import Service
from qingting.settings import Settings
from qingting.storage import dispatching, jobs, workers
from qingting.storage.database import Database
from qingting.storage.recording_store import RecordingStore
from qingting.storage.upgrading import upgrade
from qingting.storage.workers import WorkerRow


class FakeQueue:
    """A job engine in memory, shared by workers."""

    def __init__(self) -> None:
        self.known: dict[str, str] = {}
        """Run -> `waiting`, `begun` or `ended`."""
        self.priorities: dict[str, int] = {}
        self.here: set[str] = set()
        self.adopted: list[str] = []
        self.fails = False

    def enqueue(self, workflow: str, *, priority: int) -> None:
        if self.fails:
            raise StorageUnavailableError("The engine's database is away.")
        self.known.setdefault(workflow, "waiting")
        self.priorities[workflow] = priority

    def running(self) -> frozenset[str]:
        return frozenset(self.here)

    def active(self, workflows: Sequence[str]) -> Mapping[str, bool]:
        return {one: self.known[one] == "begun" for one in workflows if self.known.get(one, "ended") != "ended"}

    def adopt(self, workflows: Iterable[str]) -> None:
        for one in workflows:
            self.adopted.append(one)
            self.known[one] = "waiting"


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    database = Database.open(f"sqlite:///{tmp_path / 'q.sqlite'}")
    upgrade(database)
    yield Service(
        settings=Settings(), database=database, recordings=RecordingStore.open((tmp_path / "r").as_uri()),
        clock=lambda: 1_790_000_000_000,
    )  # fmt: skip
    database.close()


@pytest.fixture
def queue() -> FakeQueue:
    return FakeQueue()


@pytest.fixture
def dispatcher(service: Service, queue: FakeQueue) -> Dispatcher:
    return Dispatcher(service, queue, worker_id="w1", concurrency=4)


def add(service: Service, count: int = 1, priority: Priority = Priority.NORMAL) -> list[str]:
    ids = []
    for _ in range(count):
        submission = intake.Submission(call=CallInfo(call_id=new_id()), url="http://x/", priority=priority)
        prepared = intake.Prepared(submission=submission, recording=None, fingerprint="")
        ids.append(intake.accept(service, SYSTEM, prepared).job.id)
    return ids


def begin(service: Service, queue: FakeQueue, job_id: str) -> None:
    queue.known[f"{job_id}.1"] = "begun"
    queue.here.add(f"{job_id}.1")
    with service.database.write() as connection:
        jobs.change(connection, job_id, state="running", run=1, attempts=1)


def state_of(service: Service, job_id: str) -> JobState:
    with service.database.read() as connection:
        return jobs.get(connection, job_id, SYSTEM.reach).state


def test_only_as_many_are_handed_over_as_can_soon_begin(
    service: Service, queue: FakeQueue, dispatcher: Dispatcher
) -> None:
    add(service, 30)
    assert dispatcher.dispatch() == 5
    assert dispatcher.dispatch() == 0
    begun = next(iter(queue.known)).partition(".")[0]
    begin(service, queue, begun)
    assert dispatcher.dispatch() == 0, "it runs, but still has its place"
    with service.database.write() as connection:
        jobs.change(connection, begun, state="done")
    assert dispatcher.dispatch() == 1


def test_more_urgent_jobs_are_not_barred_by_those_in_the_queue(
    service: Service, queue: FakeQueue, dispatcher: Dispatcher
) -> None:
    add(service, 10, Priority.LOW)
    dispatcher.dispatch()
    urgent = add(service, 2, Priority.URGENT)
    assert dispatcher.dispatch() == 2
    assert {queue.priorities[f"{one}.1"] for one in urgent} == {1}
    assert dispatcher.dispatch() == 0
    for one in list(queue.known)[:5]:
        begin(service, queue, one.partition(".")[0])
    more = add(service, 2, Priority.URGENT)
    assert dispatcher.dispatch() == 0, "every place is taken by a running job"
    assert state_of(service, more[0]) is JobState.QUEUED


def test_a_crash_between_mark_and_engine_loses_nothing(
    service: Service, queue: FakeQueue, dispatcher: Dispatcher
) -> None:
    ids = add(service, 2)
    queue.fails = True
    with pytest.raises(StorageUnavailableError):
        dispatcher.dispatch()
    queue.fails = False
    assert dispatcher.dispatch() == 0
    assert dispatcher.recover() == 2
    assert dispatcher.dispatch() == 2
    assert set(queue.known) == {f"{one}.2" for one in ids}
    assert dispatcher.recover() == 0


def test_a_running_job_whose_run_ended_without_it_begins_a_new_run(
    service: Service, queue: FakeQueue, dispatcher: Dispatcher
) -> None:
    (job_id,) = add(service)
    dispatcher.dispatch()
    begin(service, queue, job_id)
    queue.known[f"{job_id}.1"] = "ended"
    assert dispatcher.recover() == 1
    dispatcher.dispatch()
    assert queue.known[f"{job_id}.2"] == "waiting"


def test_a_run_that_went_astray_is_put_back_after_a_second_look(
    service: Service, queue: FakeQueue, dispatcher: Dispatcher
) -> None:
    (job_id,) = add(service)
    dispatcher.dispatch()
    begin(service, queue, job_id)
    assert dispatcher.recover() == 0
    queue.here.clear()
    assert dispatcher.recover() == 0, "it may be on its way into the process"
    assert dispatcher.recover() == 1
    assert queue.adopted == [f"{job_id}.1"]


def test_jobs_cancelled_while_they_wait_for_a_later_attempt_end(service: Service, dispatcher: Dispatcher) -> None:
    job_id, other = add(service, 2)
    with service.database.write() as connection:
        jobs.change(connection, job_id, due_ms=10**15, cancel_requested=True)
    assert dispatcher.end_cancelled() == 1
    assert state_of(service, job_id) is JobState.CANCELLED
    assert state_of(service, other) is JobState.QUEUED
    job_control.retry(service, SYSTEM, job_id)
    assert dispatcher.end_cancelled() == 0


def row(name: str, seen_ms: int, stopped_ms: int | None = None) -> WorkerRow:
    return WorkerRow(
        id=name, host="h", pid=1, version="0", concurrency=1, started_ms=1, seen_ms=seen_ms, stopped_ms=stopped_ms
    )


def test_silence_is_measured_by_the_watcher_s_own_clock() -> None:
    now = [0.0]
    watch = Watch(lost_after_seconds=30, clock=lambda: now[0])
    steady, lost, wrong_clock = row("steady", 1), row("lost", 5), row("wrong clock", -(10**9))
    assert watch.silent([steady, lost, wrong_clock]) == {}
    now[0] = 20
    assert watch.silent([row("steady", 2), lost, row("wrong clock", -(10**9) + 1)]) == {}
    now[0] = 31
    assert watch.silent([row("steady", 2), lost, row("wrong clock", -(10**9) + 1)]) == {"lost": 5}
    now[0] = 32
    assert watch.silent([row("steady", 2), row("lost", 6)]) == {}, "it came back"
    now[0] = 51
    assert set(watch.silent([row("steady", 2), row("lost", 6)])) == {"steady"}
    watch.forget()
    assert watch.silent([row("steady", 2), row("lost", 6)]) == {}
    assert watch.silent([row("stopped", 9, stopped_ms=9)]) == {"stopped": 9}


@pytest.fixture
def take_over(service: Service, queue: FakeQueue) -> Callable[[str], TakeOver]:
    return lambda name: TakeOver(service, queue, worker_id=name)


def lose(service: Service, queue: FakeQueue, *, running: int, waiting: int) -> list[str]:
    """Give jobs to a worker that then stops."""
    ids = add(service, running + waiting)
    Dispatcher(service, queue, worker_id="lost", concurrency=8).dispatch()
    for job_id in ids[:running]:
        begin(service, queue, job_id)
    queue.here.clear()
    with service.database.write() as connection:
        workers.beat(connection, row("lost", 1, stopped_ms=1))
        workers.beat(connection, row("w1", 1))
    return ids


def test_running_and_waiting_jobs_of_a_lost_worker_are_taken_over_once(
    service: Service, queue: FakeQueue, take_over: Callable[[str], TakeOver]
) -> None:
    ids = lose(service, queue, running=2, waiting=3)
    first, second = take_over("w1"), take_over("w2")
    assert (first.look(), second.look()) == (5, 0)
    assert sorted(queue.adopted) == sorted(f"{one}.1" for one in ids)
    with service.database.read() as connection:
        assert dispatching.workers_with_jobs(connection) == {"w1"}


def test_jobs_that_the_engine_lost_with_the_worker_wait_again(
    service: Service, queue: FakeQueue, take_over: Callable[[str], TakeOver]
) -> None:
    ids = lose(service, queue, running=1, waiting=1)
    queue.known.clear()
    assert take_over("w1").look() == 2
    assert queue.adopted == []
    assert [state_of(service, one) for one in ids] == [JobState.QUEUED] * 2


def test_a_worker_that_nobody_knows_is_lost(
    service: Service, queue: FakeQueue, take_over: Callable[[str], TakeOver]
) -> None:
    lose(service, queue, running=1, waiting=0)
    with service.database.write() as connection:
        workers.forget_before(connection, 100)
    assert take_over("w1").look() == 1


def test_living_workers_keep_their_jobs(
    service: Service, queue: FakeQueue, take_over: Callable[[str], TakeOver]
) -> None:
    lose(service, queue, running=2, waiting=1)
    with service.database.write() as connection:
        workers.beat(connection, row("lost", 2))
    assert take_over("w1").look() == 0
    assert queue.adopted == []
