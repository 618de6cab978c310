"""Jobs and batches: what was accepted, and how far it is. A row here is the promise that a call will be reported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, func, insert, select, update

from qingting.errors import NotFoundError
from qingting.model.account import Reach
from qingting.model.job import InspectionJob, JobFailure, JobKind, JobState, JobStep, Priority
from qingting.storage.statements import Page, add_rows, change_rows, within
from qingting.storage.tables import batches, calls, jobs

_PRIORITIES = {priority.rank: priority for priority in Priority}
_SELECTED = select(jobs, calls.c.call_id).join(calls, calls.c.id == jobs.c.call)
_LOCKED = _SELECTED.where(jobs.c.id == bindparam("id")).with_for_update(of=jobs)
_UNFINISHED = (
    select(jobs.c.id)
    .where(jobs.c.call == bindparam("number"), jobs.c.state.in_((JobState.QUEUED.value, JobState.RUNNING.value)))
    .limit(1)
)


@dataclass(frozen=True, kw_only=True)
class BatchRow:
    """A batch and how far its jobs are."""

    id: str
    name: str
    created_ms: int
    created_by: str
    refused: Sequence[Mapping[str, str]]
    """Files that were not accepted: `name`, `code`, `cause`, `remedy`."""
    states: Mapping[str, int]
    """State -> number of jobs."""


def add(connection: Connection, job: InspectionJob, *, call: int, recording_id: str | None) -> None:
    """Insert a job; `call` is the call's number."""
    row = {
        "id": job.id,
        "kind": job.kind.value,
        "call": call,
        "recording_id": recording_id,
        "batch_id": job.batch_id,
        "state": job.state.value,
        "priority": job.priority.rank,
        "max_attempts": job.max_attempts,
        "due_ms": job.due_ms,
        "dispatched": False,
        "source_url": job.source_url,
        "options": dict(job.options),
        "submitted_by": job.submitted_by,
        "created_ms": job.created_ms,
        "cancel_requested": False,
    }
    add_rows(connection, jobs, row)


def get(connection: Connection, job_id: str, reach: Reach) -> InspectionJob:
    """Return a job whose call is within reach; raises NotFoundError."""
    allowed = within(reach, calls)
    query = _SELECTED.where(jobs.c.id == job_id)
    row = connection.execute(query if allowed is None else query.where(allowed)).one_or_none()
    if row is None:
        raise NotFoundError("No such job.")
    return _job(row)


def lock(connection: Connection, job_id: str) -> InspectionJob | None:
    """Return a job and keep other writers from it until the transaction ends; None when it is gone."""
    row = connection.execute(_LOCKED, {"id": job_id}).one_or_none()
    return None if row is None else _job(row)


def page(
    connection: Connection,
    *,
    reach: Reach,
    limit: int,
    after: str = "",
    state: str = "",
    batch_id: str = "",
    call_id: str = "",
) -> Page[InspectionJob]:
    """List jobs within reach, newest first."""
    query = _SELECTED.order_by(jobs.c.id.desc()).limit(limit + 1)
    allowed = within(reach, calls)
    wanted = [
        *([] if allowed is None else [allowed]),
        *([jobs.c.id < after] if after else []),
        *([jobs.c.state == state] if state else []),
        *([jobs.c.batch_id == batch_id] if batch_id else []),
        *([calls.c.call_id == call_id] if call_id else []),
    ]
    rows = [_job(row) for row in connection.execute(query.where(*wanted))]
    more = len(rows) > limit
    return Page(items=tuple(rows[:limit]), next_key=rows[limit - 1].id if more else "")


def waiting(connection: Connection) -> int:
    """Count jobs that wait or run: the backlog."""
    states = (JobState.QUEUED.value, JobState.RUNNING.value)
    return int(connection.execute(select(func.count()).select_from(jobs).where(jobs.c.state.in_(states))).scalar_one())


def take_for_dispatch(
    connection: Connection, *, now_ms: int, limit: int, lowest: Priority = Priority.LOW, worker_id: str = ""
) -> list[InspectionJob]:
    """Mark jobs that are due as handed to a worker's queue in the job engine, urgent ones first, and return them.

    Jobs less urgent than `lowest` are left. Two dispatchers never take the same job for the same attempt.
    """
    due = and_(jobs.c.state == JobState.QUEUED.value, jobs.c.dispatched.is_(False), jobs.c.due_ms <= now_ms)
    if lowest is not Priority.LOW:
        due = and_(due, jobs.c.priority <= lowest.rank)
    chosen = select(jobs.c.id).where(due).order_by(jobs.c.priority, jobs.c.due_ms).limit(limit)
    ids = list(connection.execute(chosen.with_for_update(skip_locked=True)).scalars())
    if not ids:
        return []
    connection.execute(update(jobs).where(jobs.c.id.in_(ids)).values(dispatched=True, worker_id=worker_id))
    return [
        _job(row)
        for row in connection.execute(_SELECTED.where(jobs.c.id.in_(ids)).order_by(jobs.c.priority, jobs.c.due_ms))
    ]


def change(connection: Connection, job_id: str, **values: Any) -> None:
    """Change columns of a job; enumerations by value, priority by rank."""
    change_rows(connection, jobs, {"id": job_id}, values)


def recording_of(connection: Connection, job_id: str) -> str | None:
    """Return the id of the job's recording; None for jobs without (not yet fetched, or repeated analyses)."""
    found: str | None = connection.execute(select(jobs.c.recording_id).where(jobs.c.id == job_id)).scalar_one_or_none()
    return found


def unfinished_of_call(connection: Connection, call: int) -> str | None:
    """Return the id of a job of the call that waits or runs; None without any. `call` is the call's number."""
    found: str | None = connection.execute(_UNFINISHED, {"number": call}).scalar_one_or_none()
    return found


def add_batch(connection: Connection, batch: BatchRow) -> None:
    """Insert a batch."""
    connection.execute(
        insert(batches).values(
            id=batch.id,
            name=batch.name,
            created_ms=batch.created_ms,
            created_by=batch.created_by,
            refused=[dict(one) for one in batch.refused],
        )
    )


def refuse_in_batch(connection: Connection, batch_id: str, refused: Sequence[Mapping[str, str]]) -> None:
    """Set the list of the batch's files that were not accepted."""
    connection.execute(update(batches).where(batches.c.id == batch_id).values(refused=[dict(one) for one in refused]))


def get_batch(connection: Connection, batch_id: str) -> BatchRow:
    """Return a batch with the states of its jobs; raises NotFoundError."""
    row = connection.execute(select(batches).where(batches.c.id == batch_id)).one_or_none()
    if row is None:
        raise NotFoundError("No such batch.")
    counted = select(jobs.c.state, func.count()).where(jobs.c.batch_id == batch_id).group_by(jobs.c.state)
    states = {state: int(number) for state, number in connection.execute(counted)}
    return BatchRow(**row._mapping, states=states)  # noqa: SLF001  SQLAlchemy's documented access


def ids_of_batch(connection: Connection, batch_id: str) -> list[tuple[str, str]]:
    """Return job id and call id of a batch's jobs, about in the order in which they came."""
    query = select(jobs.c.id, calls.c.call_id).join(calls, calls.c.id == jobs.c.call).where(jobs.c.batch_id == batch_id)
    return [(row.id, row.call_id) for row in connection.execute(query.order_by(jobs.c.created_ms, jobs.c.id))]


def state_counts(connection: Connection) -> dict[str, int]:
    """State -> number of jobs."""
    counted = select(jobs.c.state, func.count()).group_by(jobs.c.state)
    return {state: int(number) for state, number in connection.execute(counted)}


def oldest_waiting_ms(connection: Connection) -> int | None:
    """Return when the oldest waiting job was accepted; None without any."""
    oldest = select(func.min(jobs.c.created_ms)).where(jobs.c.state == JobState.QUEUED.value)
    found: int | None = connection.execute(oldest).scalar_one()
    return found


def _job(row: Row[Any]) -> InspectionJob:
    failure = JobFailure(code=row.error_code, cause=row.error_cause, remedy=row.error_remedy)
    return InspectionJob(
        id=row.id,
        kind=JobKind(row.kind),
        call_id=row.call_id,
        state=JobState(row.state),
        priority=_PRIORITIES[row.priority],
        created_ms=row.created_ms,
        step=JobStep(row.step) if row.step else None,
        progress=row.progress,
        attempts=row.attempts,
        max_attempts=row.max_attempts,
        due_ms=row.due_ms,
        batch_id=row.batch_id,
        source_url=row.source_url,
        options=row.options,
        submitted_by=row.submitted_by,
        started_ms=row.started_ms,
        finished_ms=row.finished_ms,
        failure=failure if row.error_code else None,
        cancel_requested=row.cancel_requested,
    )
