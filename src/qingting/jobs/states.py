"""A job's way from state to state: each change is one transaction, with its event and its messages."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from qingting.errors import (
    EngineUnavailableError,
    QingtingError,
    StorageFullError,
    StorageUnavailableError,
    WorkerError,
)
from qingting.model.event import EventKind, ServiceEvent
from qingting.model.job import InspectionJob, JobFailure, JobKind, JobState, JobStep
from qingting.service.contributions import book_call
from qingting.service.webhooks import announce_job
from qingting.storage import calls, dispatching, events, jobs
from qingting.storage.calls import CallRow, CallState

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from qingting.service.center import Service
    from qingting.storage.dispatching import HeldJob

_LONGEST_WAIT_MS = 3_600_000
_LONGEST_OUTAGE_WAIT_MS = 300_000
"""When database or engine come back, waiting jobs should not sleep on for long."""
_OUTAGES = (StorageUnavailableError, StorageFullError, EngineUnavailableError)
_WORKER_LOST_ATTEMPTS = 2
UNEXPECTED = "unexpected"
"""Code of errors that nobody foresaw."""


@dataclass(frozen=True, kw_only=True)
class Setback:
    """Why an attempt ended without a report, and what that means for the job."""

    failure: JobFailure
    can_retry: bool
    """Whether another attempt may go well."""
    outage: bool = False
    """It was not the recording's fault: the attempt does not count against it."""
    most_attempts: int | None = None
    """Of this kind of setback, where it is fewer than the job's."""


def setback_of(error: Exception) -> Setback:
    """Judge an error of a step; texts of unexpected ones are dropped, they could hold customer words."""
    if not isinstance(error, QingtingError):
        failure = JobFailure(
            code=UNEXPECTED,
            cause=f"unexpected {type(error).__name__} while inspecting",
            remedy="This is a defect of Qingting: please report it.",
        )
        return Setback(failure=failure, can_retry=True)
    failure = JobFailure(code=error.code, cause=error.cause, remedy=error.remedy)
    if isinstance(error, WorkerError):
        # A decoder that died mostly dies again, but it may have been the one that the kernel chose when
        # memory ran out: a second attempt tells.
        return Setback(failure=failure, can_retry=True, most_attempts=_WORKER_LOST_ATTEMPTS)
    return Setback(failure=failure, can_retry=error.can_retry, outage=isinstance(error, _OUTAGES))


POISONED = JobFailure(
    code="poisoned",
    cause="The worker died on each attempt.",
    remedy="The recording probably takes the process down; convert it to WAV or look at the worker's memory.",
)
_CANCELLED = JobFailure(code="cancelled", cause="The job was cancelled.")


def begin(service: Service, job_id: str, run: int, *, worker_id: str) -> InspectionJob | None:
    """Count an attempt and return the job, now running; None when there is nothing to do for this run.

    The attempt is counted before the work, so that a job which takes its worker down each time is set aside.
    """
    with service.database.write() as connection:
        held = dispatching.hold(connection, job_id)
        if held is None or not _has_it(held, run):
            return None
        if held.job.cancel_requested:
            end(service, connection, held.job, JobState.CANCELLED, _CANCELLED)
            return None
        if held.job.attempts >= held.job.max_attempts and _had_its_chances(held):
            end(service, connection, held.job, JobState.SET_ASIDE, POISONED)
            return None
        now = service.clock()
        running = replace(
            held.job, state=JobState.RUNNING, attempts=held.job.attempts + 1, started_ms=now, step=None, progress=0.0
        )
        values = {"attempts": running.attempts, "started_ms": now, "step": None, "progress": 0.0}
        jobs.change(
            connection, job_id, state=running.state.value, run=run, worker_id=worker_id, dispatched=True, **values
        )
        _tell(connection, running, now)
        return running


def reach(service: Service, job_id: str, run: int, step: JobStep, progress: float) -> bool:
    """Note the step that a job is at; False when it was cancelled or went on without this run."""
    with service.database.write() as connection:
        held = dispatching.hold(connection, job_id)
        if held is None or held.job.state is not JobState.RUNNING or held.run != run:
            return False
        if held.job.cancel_requested:
            end(service, connection, held.job, JobState.CANCELLED, _CANCELLED)
            return False
        jobs.change(connection, job_id, step=step.value, progress=progress)
        _tell(connection, replace(held.job, step=step, progress=progress), service.clock())
        return True


def settle(service: Service, job_id: str, run: int, setback: Setback) -> JobState | None:
    """End a failed attempt: the job waits for the next one, or has failed, or is set aside; None for a lost run."""
    with service.database.write() as connection:
        held = dispatching.hold(connection, job_id)
        if held is None or held.job.state is not JobState.RUNNING or held.run != run:
            return None
        job = held.job
        if job.cancel_requested:
            return end(service, connection, job, JobState.CANCELLED, _CANCELLED)
        if not setback.can_retry:
            return end(service, connection, job, JobState.FAILED, setback.failure)
        if setback.most_attempts is not None and job.attempts >= setback.most_attempts:
            return end(service, connection, job, JobState.FAILED, setback.failure)
        if job.attempts >= job.max_attempts and not setback.outage:
            return end(service, connection, job, JobState.SET_ASIDE, setback.failure)
        return _wait(service, connection, job, setback)


def cancel_waiting(service: Service, job_id: str) -> bool:
    """End a job that was cancelled before it began; False when it began or ended meanwhile."""
    with service.database.write() as connection:
        held = dispatching.hold(connection, job_id)
        if held is None or held.job.state is not JobState.QUEUED or not held.job.cancel_requested:
            return False
        end(service, connection, held.job, JobState.CANCELLED, _CANCELLED)
        return True


def end(service: Service, connection: Connection, job: InspectionJob, state: JobState, failure: JobFailure) -> JobState:
    """End a job without a report: row, call, event and webhook messages in the caller's transaction."""
    now = service.clock()
    ended = replace(job, state=state, finished_ms=now, failure=failure)
    jobs.change(connection, job.id, state=state.value, finished_ms=now, **_failure_columns(failure))
    call = calls.lock(connection, job.call_id)
    if call is not None:
        if call.report_id is None and job.kind is JobKind.INSPECT:
            calls.change(connection, call.id, {"state": CallState.FAILED.value})
            book_call(service, connection, before=call, after=replace(call, state=CallState.FAILED))
        _tell(connection, ended, now, call)
        announce_job(service, connection, job=ended, call=call, score=None, grade="")
    return state


def suspected(job: InspectionJob) -> bool:
    """Whether a job must run alone: its run broke off with its worker, and there is no further attempt after this."""
    return job.state is JobState.RUNNING and job.attempts >= job.max_attempts - 1


def _had_its_chances(held: HeldJob) -> bool:
    # A run that broke off once, in its first attempt, may have had bad company: it gets one attempt alone.
    return held.job.state is not JobState.RUNNING or held.job.attempts > held.run


def _has_it(held: HeldJob, run: int) -> bool:
    """Whether a run has the job, or may take it."""
    if held.job.state is JobState.RUNNING:
        return held.run == run
    return held.job.state is JobState.QUEUED and held.job.attempts < run


def _wait(service: Service, connection: Connection, job: InspectionJob, setback: Setback) -> JobState:
    now = service.clock()
    longest = _LONGEST_OUTAGE_WAIT_MS if setback.outage else _LONGEST_WAIT_MS
    wait_ms = min(longest, round(service.settings.jobs.retry_seconds * 1000 * 4 ** min(job.attempts - 1, 12)))
    # Attempts number the runs and only rise: what does not count raises the limit instead.
    most = job.max_attempts + 1 if setback.outage else job.max_attempts
    due = {"due_ms": now + wait_ms, "dispatched": False, "max_attempts": most}
    jobs.change(connection, job.id, state=JobState.QUEUED.value, **due, **_failure_columns(setback.failure))
    _tell(connection, replace(job, state=JobState.QUEUED, failure=setback.failure), now)
    return JobState.QUEUED


def _failure_columns(failure: JobFailure) -> dict[str, Any]:
    return {"error_code": failure.code, "error_cause": failure.cause, "error_remedy": failure.remedy}


def _tell(connection: Connection, job: InspectionJob, at_ms: int, call: CallRow | None = None) -> None:
    call = call or calls.find(connection, job.call_id)
    events.append(
        connection,
        ServiceEvent(
            kind=EventKind.JOB,
            name=f"job.{job.state.value}",
            at_ms=at_ms,
            job_id=job.id,
            batch_id=job.batch_id,
            call_id=job.call_id,
            agent_id="" if call is None else call.agent_id,
            team="" if call is None else call.team,
            data=_told(job),
        ),
    )


def _told(job: InspectionJob) -> dict[str, object]:
    told: dict[str, object] = {
        "state": job.state.value,
        "step": job.step.value if job.step else None,
        "progress": job.progress,
        "attempts": job.attempts,
    }
    if job.failure is not None and job.state is not JobState.RUNNING:
        told["error"] = job.failure.code
    return told
