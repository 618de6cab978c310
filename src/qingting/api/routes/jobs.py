"""Jobs: calls submitted to be inspected in their turn, and what became of them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from qingting.api import problems
from qingting.api.dependencies import IdempotencyKey, Needs, TheService
from qingting.api.description import SUBMISSION
from qingting.api.limits import address_of
from qingting.api.schemas.common import CALL_ID, ULID, IdCursor, JobId, Limit, Page, Reveal
from qingting.api.schemas.inspections import Inspection, inspection_of, respond
from qingting.api.schemas.jobs import JobView, PriorityChange
from qingting.api.submissions import submission_of
from qingting.model.account import Actor, Permission
from qingting.model.job import JobState
from qingting.service import intake, job_control, reading
from qingting.service.job_control import JobFilter

router = APIRouter(prefix="/jobs", tags=["jobs"])
Submitter = Annotated[Actor, Depends(Needs(Permission.CALLS_SUBMIT))]
Looker = Annotated[Actor, Depends(Needs(Permission.JOBS_READ, Permission.CALLS_SUBMIT, Permission.CALLS_READ))]
Manager = Annotated[Actor, Depends(Needs(Permission.JOBS_MANAGE))]
_POLL_SECONDS = "2"


@router.post(
    "",
    operation_id="submit_job",
    summary="Submit a call",
    status_code=202,
    response_model=JobView,
    responses=problems.documented(409, 413, 415, 507),
    openapi_extra=SUBMISSION,
)
async def submit_job(request: Request, actor: Submitter, service: TheService, key: IdempotencyKey = "") -> Response:
    """Accept one call, as upload or by address, and answer at once.

    From then on it will be inspected, whatever breaks down. Ask for its job, watch the events, or let a webhook tell.
    """
    async with submission_of(request, service) as submission:
        accepted = await run_in_threadpool(
            intake.submit, service, actor, submission, idempotency_key=key, address=address_of(request)
        )
    headers = {"Location": f"{request.url.path.rstrip('/')}/{accepted.job.id}"}
    if accepted.replayed:
        headers["Idempotency-Replayed"] = "true"
    return JSONResponse(JobView.of(accepted.job).model_dump(mode="json"), status_code=202, headers=headers)


@router.get("", operation_id="list_jobs", summary="List jobs", responses=problems.documented())
def list_jobs(
    actor: Looker,
    service: TheService,
    limit: Limit = 50,
    cursor: IdCursor = "",
    state: Annotated[JobState | None, Query()] = None,
    batch_id: Annotated[str, Query(pattern=f"^({ULID[1:-1]})?$")] = "",
    call_id: Annotated[str, Query(max_length=128, pattern=f"^({CALL_ID[1:-1]})?$")] = "",
) -> Page[JobView]:
    """List jobs within reach, newest first."""
    wanted = JobFilter(state=state.value if state else "", batch_id=batch_id, call_id=call_id)
    page = job_control.list_jobs(service, actor, wanted, limit=limit, after=cursor)
    return Page(items=[JobView.of(job) for job in page.items], next_cursor=page.next_key or None)


@router.get("/{job_id}", operation_id="get_job", summary="Get a job", responses=problems.documented(404))
def get_job(job_id: JobId, actor: Looker, service: TheService) -> JobView:
    """Return how far a job is."""
    return JobView.of(job_control.get_job(service, actor, job_id))


@router.get(
    "/{job_id}/result",
    operation_id="get_job_result",
    summary="Get a job's result",
    response_model=Inspection,
    responses={
        **problems.documented(404),
        202: {"description": "The job goes on; ask again after Retry-After.", "model": Inspection},
    },
)
def get_job_result(
    job_id: JobId,
    actor: Annotated[Actor, Depends(Needs(Permission.CALLS_READ))],
    service: TheService,
    request: Request,
    *,
    reveal: Reveal = False,
) -> Response:
    """Return the report that a job made, or why it made none."""
    job, found = reading.read_result(service, actor, job_id, reveal=reveal, address=address_of(request))
    plain = inspection_of(job, found)
    return respond(plain) if job.state.ended else respond(plain, 202, {"Retry-After": _POLL_SECONDS})


@router.post(
    "/{job_id}/cancel", operation_id="cancel_job", summary="Cancel a job", responses=problems.documented(404, 409)
)
def cancel_job(job_id: JobId, actor: Manager, service: TheService, request: Request) -> JobView:
    """Cancel a job: at once while it waits, else at its next step (`cancel_requested`)."""
    return JobView.of(job_control.cancel(service, actor, job_id, address=address_of(request)))


@router.post(
    "/{job_id}/retry", operation_id="retry_job", summary="Try a job again", responses=problems.documented(404, 409)
)
def retry_job(job_id: JobId, actor: Manager, service: TheService, request: Request) -> JobView:
    """Give a job that failed, was set aside or cancelled new attempts."""
    return JobView.of(job_control.retry(service, actor, job_id, address=address_of(request)))


@router.patch(
    "/{job_id}", operation_id="change_job", summary="Change a job's priority", responses=problems.documented(404, 409)
)
def change_job(job_id: JobId, body: PriorityChange, actor: Manager, service: TheService, request: Request) -> JobView:
    """Put a waiting job before or behind others."""
    job = job_control.reprioritise(service, actor, job_id, body.priority, address=address_of(request))
    return JobView.of(job)
