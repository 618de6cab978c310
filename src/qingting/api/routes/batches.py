"""Batches: many calls in one request."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from qingting.api import problems
from qingting.api.dependencies import IdempotencyKey, Needs, TheService
from qingting.api.description import BATCH
from qingting.api.limits import address_of
from qingting.api.schemas.common import BatchId, IdCursor, Limit, Page
from qingting.api.schemas.jobs import AcceptedBatch, AcceptedJob, BatchView, JobView
from qingting.api.submissions import fill_batch
from qingting.model.account import Actor, Permission
from qingting.model.job import JobState
from qingting.service import batches

router = APIRouter(prefix="/batches", tags=["jobs"])
Submitter = Annotated[Actor, Depends(Needs(Permission.CALLS_SUBMIT))]
Looker = Annotated[Actor, Depends(Needs(Permission.JOBS_READ, Permission.CALLS_SUBMIT, Permission.CALLS_READ))]


@router.post(
    "",
    operation_id="submit_batch",
    summary="Submit many calls",
    status_code=202,
    response_model=AcceptedBatch,
    responses=problems.documented(409, 413, 415, 507),
    openapi_extra=BATCH,
)
async def submit_batch(request: Request, actor: Submitter, service: TheService, key: IdempotencyKey = "") -> Response:
    """Accept many calls, as uploads or by addresses.

    A broken file never stops the others: it stands under `refused` with its reason. A request that breaks off leaves
    nothing.
    """
    batch = await fill_batch(request, service, actor)
    batch_id, replayed = await run_in_threadpool(batch.close, idempotency_key=key, address=address_of(request))
    answer = await run_in_threadpool(_accepted, service, actor, batch_id)
    headers = {"Location": f"{request.url.path.rstrip('/')}/{batch_id}"}
    if replayed:
        headers["Idempotency-Replayed"] = "true"
    return JSONResponse(answer.model_dump(mode="json"), status_code=202, headers=headers)


@router.get("/{batch_id}", operation_id="get_batch", summary="Get a batch", responses=problems.documented(404))
def get_batch(batch_id: BatchId, actor: Looker, service: TheService) -> BatchView:
    """Return how far a batch is, to whoever sent it or may see everything."""
    return BatchView.of(batches.get_batch(service, actor, batch_id))


@router.get(
    "/{batch_id}/jobs",
    operation_id="list_batch_jobs",
    summary="List a batch's jobs",
    responses=problems.documented(404),
)
def list_batch_jobs(
    batch_id: BatchId,
    actor: Looker,
    service: TheService,
    limit: Limit = 50,
    cursor: IdCursor = "",
    state: Annotated[JobState | None, Query()] = None,
) -> Page[JobView]:
    """List a batch's jobs within reach, newest first."""
    wanted = state.value if state else ""
    page = batches.jobs_of_batch(service, actor, batch_id, limit=limit, after=cursor, state=wanted)
    return Page(items=[JobView.of(job) for job in page.items], next_cursor=page.next_key or None)


def _accepted(service: TheService, actor: Actor, batch_id: str) -> AcceptedBatch:
    view = BatchView.of(batches.get_batch(service, actor, batch_id))
    found = batches.accepted_jobs(service, actor, batch_id)
    jobs = [AcceptedJob(id=job_id, call_id=call_id) for job_id, call_id in found]
    return AcceptedBatch(**dict(view), jobs=jobs)
