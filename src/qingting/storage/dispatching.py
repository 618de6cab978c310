"""What lies between the table of jobs and the job engine: who has been handed over, and under which run.

A run is one workflow of the engine, `<job>.<number>`. The row names the run that has the job, so that a workflow
which comes back from a crash after its job went on without it does nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, func, or_, select, update

from qingting.model.job import InspectionJob, JobState, Priority
from qingting.storage import jobs as job_rows
from qingting.storage.tables import jobs

_QUEUED = jobs.c.state == JobState.QUEUED.value
_RUNNING = jobs.c.state == JobState.RUNNING.value
_WITH_ENGINE = or_(and_(_QUEUED, jobs.c.dispatched.is_(True)), _RUNNING)


@dataclass(frozen=True, kw_only=True)
class HeldJob:
    """A job that nobody else can change until the transaction ends."""

    job: InspectionJob
    run: int
    """Number of the run that has it; 0 before the first."""


@dataclass(frozen=True, kw_only=True)
class WorkerLoad:
    """How much a worker has."""

    running: int
    """Jobs that it works on."""
    waiting: Mapping[int, int]
    """Priority -> jobs in its queue; 1 is taken first."""

    def as_urgent(self, rank: int) -> int:
        """Count the jobs that run, or wait and are at least as urgent as a priority."""
        return self.running + sum(number for priority, number in self.waiting.items() if priority <= rank)


@dataclass(frozen=True, kw_only=True)
class UnfinishedRun:
    """A job that the engine should know."""

    job_id: str
    state: JobState
    attempts: int
    run: int
    """The run that it has, or will have when it begins."""
    priority: int
    """1 is taken first."""


def hold(connection: Connection, job_id: str) -> HeldJob | None:
    """Return a job and keep other writers from it until the transaction ends; None when it is gone."""
    job = job_rows.lock(connection, job_id)
    if job is None:
        return None
    run = connection.execute(select(jobs.c.run).where(jobs.c.id == job_id)).scalar_one()
    return HeldJob(job=job, run=run)


def load_of(connection: Connection, worker_id: str) -> WorkerLoad:
    """Count the jobs that a worker runs and those that wait in its queue."""
    counted = select(jobs.c.state, jobs.c.priority, func.count()).where(_WITH_ENGINE, jobs.c.worker_id == worker_id)
    running, waiting = 0, {}
    for state, priority, number in connection.execute(counted.group_by(jobs.c.state, jobs.c.priority)):
        if state == JobState.RUNNING.value:
            running += int(number)
        else:
            waiting[priority] = int(number)
    return WorkerLoad(running=running, waiting=waiting)


def anything_due(connection: Connection, *, now_ms: int, lowest: Priority) -> bool:
    """Whether a job of this urgency or more waits to be handed over: only reads."""
    # Each priority by name, so that the index is entered at its first due job, however many wait for later.
    urgent = range(1, lowest.rank + 1)
    due = and_(_QUEUED, jobs.c.dispatched.is_(False), jobs.c.priority.in_(urgent), jobs.c.due_ms <= now_ms)
    return connection.execute(select(jobs.c.id).where(due).limit(1)).first() is not None


def unfinished(connection: Connection, worker_id: str) -> list[UnfinishedRun]:
    """Return the jobs that wait in a worker's queue or run there."""
    columns = (jobs.c.id, jobs.c.state, jobs.c.attempts, jobs.c.run, jobs.c.priority)
    rows = connection.execute(select(*columns).where(_WITH_ENGINE, jobs.c.worker_id == worker_id))
    return [
        UnfinishedRun(
            job_id=row.id,
            state=JobState(row.state),
            attempts=row.attempts,
            run=row.run if row.state == JobState.RUNNING.value else row.attempts + 1,
            priority=row.priority,
        )
        for row in rows
    ]


def workers_with_jobs(connection: Connection) -> set[str]:
    """Return the workers that jobs wait for or run at."""
    return set(connection.execute(select(jobs.c.worker_id).where(_WITH_ENGINE).distinct()).scalars())


def adopt(connection: Connection, run: UnfinishedRun, *, worker_id: str) -> None:
    """Note that a job goes on at another worker."""
    unchanged = and_(jobs.c.id == run.job_id, jobs.c.state == run.state.value, jobs.c.attempts == run.attempts)
    connection.execute(update(jobs).where(unchanged).values(worker_id=worker_id))


def put_back(connection: Connection, lost: UnfinishedRun, *, now_ms: int) -> bool:
    """Let a job be handed over again under a new run; False when it went on meanwhile."""
    unchanged = and_(
        jobs.c.id == lost.job_id, jobs.c.state == lost.state.value, jobs.c.attempts == lost.attempts,
        or_(_QUEUED, jobs.c.run == lost.run),
    )  # fmt: skip
    # Runs are numbered by attempts: the lost one's number must not come again. If it never began, it costs nothing.
    attempts = max(lost.attempts, lost.run)
    forgiven = attempts - lost.attempts if lost.state is JobState.QUEUED else 0
    changed = (
        update(jobs)
        .where(unchanged)
        .values(
            state=JobState.QUEUED.value,
            dispatched=False,
            due_ms=now_ms,
            attempts=attempts,
            max_attempts=jobs.c.max_attempts + forgiven,
        )
    )
    return connection.execute(changed).rowcount == 1


def cancelled_while_waiting(connection: Connection, *, limit: int) -> list[str]:
    """Return jobs that were cancelled and wait for an attempt that is not due."""
    waiting = and_(_QUEUED, jobs.c.dispatched.is_(False), jobs.c.cancel_requested.is_(True))
    return list(connection.execute(select(jobs.c.id).where(waiting).limit(limit)).scalars())


def give_back(connection: Connection, worker_id: str) -> int:
    """Uncount the attempts of a worker's running jobs, which it leaves orderly; returns how many.

    The engine starts their runs again, and that counts anew.
    """
    own: Any = and_(_RUNNING, jobs.c.worker_id == worker_id, jobs.c.attempts > 0)
    return connection.execute(update(jobs).where(own).values(attempts=jobs.c.attempts - 1)).rowcount
