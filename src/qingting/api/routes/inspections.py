"""Synchronous inspections: short recordings, answered with their report."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, Request, Response
from starlette.concurrency import run_in_threadpool

from qingting.api import problems
from qingting.api.dependencies import IdempotencyKey, Needs, TheService
from qingting.api.description import SUBMISSION
from qingting.api.limits import address_of
from qingting.api.schemas.inspections import Inspection, inspection_of, respond
from qingting.api.submissions import submission_of
from qingting.api.waiting import end_of_job
from qingting.errors import TooLongToWaitError
from qingting.model.account import Actor, Permission
from qingting.model.job import JobState, Priority
from qingting.service import intake, reading
from qingting.service.upload_checks import is_conversation, safe_suffix

if TYPE_CHECKING:
    from qingting.service.intake import Submission

router = APIRouter(prefix="/inspections", tags=["jobs"])


@router.post(
    "",
    operation_id="inspect_call",
    summary="Inspect a short call and wait for the result",
    response_model=Inspection,
    responses={
        **problems.documented(404, 409, 413, 415, 504, 507),
        202: {
            "description": "Not done within `api.sync_timeout_seconds`: the job goes on, Location names it.",
            "model": Inspection,
        },
    },
    openapi_extra=SUBMISSION,
)
async def inspect_call(
    request: Request,
    actor: Annotated[Actor, Depends(Needs(Permission.CALLS_SUBMIT))],
    service: TheService,
    key: IdempotencyKey = "",
) -> Response:
    """Inspect one call before all others and answer with its report.

    For recordings shorter than `api.sync_max_seconds`; longer ones belong to POST /jobs.
    """
    reading.require_reading(actor, reveal=False)
    state, address = request.app.state, address_of(request)
    with state.room.place():
        async with submission_of(request, service) as given:
            submission = replace(given, priority=Priority.URGENT)
            await run_in_threadpool(_refuse_long, request, submission)
            accepted = await run_in_threadpool(
                intake.submit, service, actor, submission, idempotency_key=key, address=address
            )
        seconds = service.settings.api.sync_timeout_seconds
        job = await end_of_job(service, state.event_feed, actor, accepted.job.id, timeout_seconds=seconds)
    headers = {"Idempotency-Replayed": "true"} if accepted.replayed else {}
    if not job.state.ended:
        location = request.url.path.rstrip("/").removesuffix("/inspections") + f"/jobs/{job.id}"
        return respond(inspection_of(job, None), 202, {**headers, "Location": location, "Retry-After": "2"})
    if job.state is not JobState.DONE and job.failure is not None:
        return problems.respond(problems.problem_of_failure(job.failure))
    job, found = await run_in_threadpool(reading.read_result, service, actor, job.id, address=address)
    plain = await run_in_threadpool(inspection_of, job, found)
    return respond(plain, headers=headers)


def _refuse_long(request: Request, submission: Submission) -> None:
    """Raise TooLongToWaitError for a recording that says it is longer than anybody should wait for."""
    most = request.app.state.service.settings.api.sync_max_seconds
    if submission.file is None or is_conversation(safe_suffix(submission.file_name)):
        return
    seconds = request.app.state.first_look(submission.file)
    if seconds is not None and seconds >= most:
        raise TooLongToWaitError(f"The recording is not shorter than {most:g} seconds.")
