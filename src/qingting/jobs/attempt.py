"""One run of a job: its steps in order, each kept by the engine, and what becomes of the job."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from qingting.errors import NotFoundError, StorageError
from qingting.jobs import states, steps
from qingting.jobs.states import Setback
from qingting.model.account import SYSTEM
from qingting.model.job import JobFailure, JobKind, JobStep
from qingting.storage import jobs
from qingting.telemetry import about, span

if TYPE_CHECKING:
    from qingting.jobs.steps import Bench
    from qingting.model.job import InspectionJob

log = logging.getLogger(__name__)
T = TypeVar("T")

Outcome = dict[str, object]
Checkpoint = Callable[[str, Callable[[], Outcome]], Outcome]
"""Runs a step under a name and keeps its outcome; in a later run of the same workflow, gives what was kept."""

_PROGRESS: Mapping[JobStep, float] = {
    JobStep.FETCH: 0.0, JobStep.DECODE: 0.05, JobStep.TRANSCRIBE: 0.15, JobStep.ANALYSE: 0.9, JobStep.REPORT: 0.95,
}  # fmt: skip
"""Recognition takes nearly all of the time."""
_STORAGE_PAUSE_SECONDS = 1.0


class RunLostError(Exception):
    """The engine does not know the run as it is; the job is found again by the dispatcher."""


class _EndedError(Exception):
    """The job was cancelled, is gone, or went on without this run."""


class _SetbackError(Exception):
    """A step failed, now or in an earlier life of the run."""

    def __init__(self, setback: Setback) -> None:
        super().__init__(setback.failure.code)
        self.setback = setback


def workflow_id(job_id: str, run: int) -> str:
    """Name the workflow of a run."""
    return f"{job_id}.{run}"


def run_attempt(bench: Bench, workflow: str, checkpoint: Checkpoint) -> str:
    """Do one run of a job and return what became of it.

    The job's own troubles are written to its row. While the database does not answer, it waits: a run that
    returned would count as finished.
    """
    job_id, _, number = workflow.rpartition(".")
    with about(job_id=job_id, run=int(number)):
        return _run(bench, job_id, int(number), checkpoint)


def _run(bench: Bench, job_id: str, run: int, checkpoint: Checkpoint) -> str:
    alone = _persistently(partial(_suspected, bench, job_id))
    with bench.room.enter(alone=alone):
        job = _persistently(partial(states.begin, bench.service, job_id, run, worker_id=bench.worker_id))
        if job is None:
            return "nothing to do"
        try:
            _work(bench, job, run, checkpoint)
        except (_EndedError, RunLostError):
            return "ended"
        except _SetbackError as error:
            return _settle(bench, job, run, error.setback)
        except Exception as error:  # noqa: BLE001  whatever it is, the job must not stay in the middle
            return _settle(bench, job, run, states.setback_of(error))
        finally:
            bench.samples.pop(job_id, None)
        return "done"


def _work(bench: Bench, job: InspectionJob, run: int, checkpoint: Checkpoint) -> None:
    def do(step: JobStep, work: Callable[[Bench, InspectionJob], object]) -> None:
        _reach(bench, job, run, step)
        with span(f"job.{step.value}"):
            _kept(checkpoint(step.value, partial(_outcome, bench, partial(work, bench, job))))

    if job.kind is JobKind.INSPECT:
        if job.source_url:
            do(JobStep.FETCH, steps.fetch)
        if steps.is_text(bench, job):
            do(JobStep.TRANSCRIBE, steps.read)
        else:
            do(JobStep.DECODE, steps.decode)
            do(JobStep.TRANSCRIBE, steps.transcribe)
    _reach(bench, job, run, JobStep.ANALYSE)
    reach_report = partial(_reach, bench, job, run, JobStep.REPORT)
    store = partial(steps.conclude, bench, job, reach_report)
    with span("job.report"):
        outcome = _kept(checkpoint(JobStep.REPORT.value, partial(_outcome, bench, store)))
    if not outcome["stored"]:
        # Cancelled in the last moment: ends here.
        reach_report()


def _reach(bench: Bench, job: InspectionJob, run: int, step: JobStep) -> None:
    if not states.reach(bench.service, job.id, run, step, _PROGRESS[step]):
        raise _EndedError


def _outcome(bench: Bench, work: Callable[[], object]) -> Outcome:
    """Do a step and describe its end in plain values: errors with their texts never reach the engine."""
    try:
        facts = work()
    except _EndedError:
        return {"stored": False}
    except Exception as error:  # noqa: BLE001  every end of a step is kept
        _stand_still_if_abandoned(bench)
        setback = states.setback_of(error)
        if setback.failure.code == states.UNEXPECTED:
            log.error(setback.failure.cause)
        return {
            "code": setback.failure.code, "cause": setback.failure.cause, "remedy": setback.failure.remedy,
            "can_retry": setback.can_retry, "outage": setback.outage, "most_attempts": setback.most_attempts,
        }  # fmt: skip
    return dict(facts) if isinstance(facts, dict) else {}


def _kept(outcome: Outcome) -> Outcome:
    if "code" not in outcome:
        return outcome
    most = outcome["most_attempts"]
    raise _SetbackError(
        Setback(
            failure=JobFailure(code=str(outcome["code"]), cause=str(outcome["cause"]), remedy=str(outcome["remedy"])),
            can_retry=bool(outcome["can_retry"]),
            outage=bool(outcome["outage"]),
            most_attempts=most if isinstance(most, int) else None,
        )
    )


def _settle(bench: Bench, job: InspectionJob, run: int, setback: Setback) -> str:
    _stand_still_if_abandoned(bench)
    state = _persistently(partial(states.settle, bench.service, job.id, run, setback))
    now = state.value if state else "elsewhere"
    log.warning("%s in attempt %d, now %s", setback.failure.code, job.attempts, now)
    return now


def _stand_still_if_abandoned(bench: Bench) -> None:
    """Wait for the end of the process: what fails while decoder and engine are taken down is not the job's fault."""
    if bench.abandoned.is_set():
        threading.Event().wait()


def _suspected(bench: Bench, job_id: str) -> bool:
    with bench.service.database.read() as connection:
        try:
            return states.suspected(jobs.get(connection, job_id, SYSTEM.reach))
        except NotFoundError:
            return False


def _persistently(work: Callable[[], T]) -> T:
    """Do something with the database, again and again while it is away."""
    while True:
        try:
            return work()
        except StorageError as error:
            if not error.can_retry:
                raise
        time.sleep(_STORAGE_PAUSE_SECONDS)
