"""What people do with jobs: look, cancel, try again, put before others, analyse again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from qingting.audio.roles import assign_agent, swap
from qingting.errors import AccessDeniedError, ConflictError, NotFoundError
from qingting.jobs.states import cancel_waiting
from qingting.jobs.steps import SWAP
from qingting.model.account import Permission
from qingting.model.ids import new_id
from qingting.model.job import InspectionJob, JobKind, JobState, Priority
from qingting.service import auditing, contributions, intake
from qingting.service.archive import words_of_call
from qingting.storage import calls, jobs
from qingting.storage.calls import CallState

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from qingting.model.account import Actor
    from qingting.service.center import Service
    from qingting.storage.calls import CallRow
    from qingting.storage.statements import Page

_READERS = (Permission.JOBS_READ, Permission.CALLS_SUBMIT, Permission.CALLS_READ, Permission.JOBS_MANAGE)


@dataclass(frozen=True, kw_only=True)
class JobFilter:
    """Which jobs a list shows; empty fields do not restrict."""

    state: str = ""
    batch_id: str = ""
    call_id: str = ""


def get_job(service: Service, actor: Actor, job_id: str) -> InspectionJob:
    """Return a job within reach; raises NotFoundError."""
    _require(actor, *_READERS)
    with service.database.read() as connection:
        return jobs.get(connection, job_id, actor.reach)


def list_jobs(service: Service, actor: Actor, wanted: JobFilter, *, limit: int, after: str = "") -> Page[InspectionJob]:
    """List jobs within reach, newest first."""
    _require(actor, *_READERS)
    with service.database.read() as connection:
        return jobs.page(connection, reach=actor.reach, limit=limit, after=after, **vars(wanted))


def cancel(service: Service, actor: Actor, job_id: str, *, address: str = "") -> InspectionJob:
    """Cancel a job: at once while it waits, else at its next step; a cancelled one stays as it is.

    Raises NotFoundError, ConflictError for a job that ended otherwise.
    """
    with service.database.write() as connection:
        job, _ = _held(service, connection, actor, job_id)
        if job.state is JobState.CANCELLED:
            return job
        if job.state.ended:
            raise ConflictError("The job has ended already.")
        jobs.change(connection, job_id, cancel_requested=True)
        _record(service, connection, actor, job, "cancel", address)
    if job.state is JobState.QUEUED:
        cancel_waiting(service, job_id)
    return get_job(service, actor, job_id)


def retry(service: Service, actor: Actor, job_id: str, *, address: str = "") -> InspectionJob:
    """Give a job that failed, was set aside or cancelled as many new attempts as a new one has.

    Raises NotFoundError, ConflictError for a job that waits, runs or is done, or whose call has another job,
    TooManyRequestsError.
    """
    with service.database.write() as connection:
        job, call = _held(service, connection, actor, job_id)
        if job.state is JobState.DONE:
            raise ConflictError("The job is done.", remedy="Analyse the call again, or submit it with `replace`.")
        if not job.state.ended or jobs.unfinished_of_call(connection, call.id) is not None:
            raise ConflictError("The job or another one of its call waits or runs.")
        intake.require_room(service, connection)
        now = service.clock()
        # Runs are numbered by attempts, so that these only rise.
        most = job.attempts + service.settings.jobs.max_attempts
        fresh: dict[str, Any] = {"max_attempts": most, "due_ms": now, "finished_ms": None, "cancel_requested": False}
        empty = {"step": None, "progress": 0.0, "error_code": "", "error_cause": "", "error_remedy": ""}
        jobs.change(connection, job_id, state=JobState.QUEUED.value, dispatched=False, **fresh, **empty)
        if call.report_id is None and job.kind is JobKind.INSPECT:
            _queue_again(service, connection, call)
        again = replace(job, state=JobState.QUEUED, step=None, progress=0.0, failure=None)
        intake.tell(connection, again, call, at_ms=now)
        _record(service, connection, actor, job, "retry", address)
    return get_job(service, actor, job_id)


def reprioritise(
    service: Service, actor: Actor, job_id: str, priority: Priority, *, address: str = ""
) -> InspectionJob:
    """Put a waiting job before or behind others; raises NotFoundError, ConflictError for one that waits no more."""
    with service.database.write() as connection:
        job, _ = _held(service, connection, actor, job_id)
        if job.state is not JobState.QUEUED:
            raise ConflictError("The job does not wait any more.")
        jobs.change(connection, job_id, priority=priority.rank)
        _record(service, connection, actor, job, f"priority {priority.value}", address)
    return get_job(service, actor, job_id)


def reanalyse(
    service: Service,
    actor: Actor,
    call_id: str,
    *,
    agent: str = "",
    priority: Priority = Priority.LOW,
    address: str = "",
) -> InspectionJob:
    """Analyse a call's stored words again under today's rules; nothing is recognised again.

    `agent` names the agent's party, or `swap` exchanges both; empty keeps the roles. Raises NotFoundError,
    ConflictError without stored words or with a job under way, InputError when the agent cannot be named so,
    TooManyRequestsError.
    """
    _require(actor, Permission.JOBS_MANAGE)
    with service.database.write() as connection:
        call = calls.get(connection, call_id, actor.reach)
        if jobs.unfinished_of_call(connection, call.id) is not None:
            raise ConflictError("The call has a job that waits or runs.", remedy="Wait for it, or cancel it.")
        words = words_of_call(connection, call.id)
        if words is None:
            raise ConflictError("No words of the call are stored.", remedy="Submit its recording.")
        if agent:
            _ = swap(words.roles) if agent == SWAP else assign_agent(words.roles, agent)
        intake.require_room(service, connection)
        now = service.clock()
        job = InspectionJob(
            id=new_id(),
            kind=JobKind.REANALYSE,
            call_id=call.call_id,
            state=JobState.QUEUED,
            priority=priority,
            created_ms=now,
            max_attempts=service.settings.jobs.max_attempts,
            due_ms=now,
            options={"agent": agent} if agent else {},
            submitted_by=actor.id,
        )
        intake.add_job(connection, job, call, recording_id=None)
        _record(service, connection, actor, job, "analyse again", address)
    return job


def _held(service: Service, connection: Connection, actor: Actor, job_id: str) -> tuple[InspectionJob, CallRow]:
    """Return a job and its call, kept from other writers; raises AccessDeniedError, NotFoundError."""
    _require(actor, Permission.JOBS_MANAGE)
    job = jobs.lock(connection, job_id)
    if job is None:
        raise NotFoundError("No such job.")
    call = calls.find(connection, job.call_id)
    if call is None or not actor.reach.covers(agent_id=call.agent_id, team=call.team):
        raise NotFoundError("No such job.")
    return job, call


def _queue_again(service: Service, connection: Connection, call: CallRow) -> None:
    calls.change(connection, call.id, {"state": CallState.QUEUED.value})
    contributions.book_call(service, connection, before=call, after=replace(call, state=CallState.QUEUED))


def _record(
    service: Service, connection: Connection, actor: Actor, job: InspectionJob, what: str, address: str
) -> None:
    auditing.record(
        connection,
        actor=actor,
        action=auditing.Action.JOB_CHANGED,
        at_ms=service.clock(),
        object_kind="job",
        object_id=job.id,
        address=address,
        detail={"change": what},
    )


def _require(actor: Actor, *permissions: Permission) -> None:
    if not any(actor.may(permission) for permission in permissions):
        raise AccessDeniedError("The role or the key's scopes do not allow this.")
