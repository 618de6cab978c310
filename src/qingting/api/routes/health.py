"""Whether the service lives, and whether it can work."""

from __future__ import annotations

from fastapi import APIRouter, Response

from qingting.api.dependencies import TheService
from qingting.api.description import OPEN
from qingting.api.schemas.health import Life, Readiness
from qingting.service.readiness import readiness

router = APIRouter(tags=["operations"])


@router.get("/healthz", operation_id="is_alive", summary="Does the process live", openapi_extra=OPEN)
def is_alive() -> Life:
    """Answer as long as the process can; nothing else is looked at."""
    return Life(status="ok")


@router.get(
    "/readyz",
    operation_id="is_ready",
    summary="Can the service work",
    responses={503: {"description": "A part that is needed is missing.", "model": Readiness}},
    openapi_extra=OPEN,
)
def is_ready(service: TheService, response: Response) -> Readiness:
    """Look at database, tables, recording store and workers, and name each part."""
    parts = readiness(service)
    ready = all(part.ready for part in parts)
    if not ready:
        response.status_code = 503
        response.headers["Retry-After"] = "5"
    return Readiness.of(parts, ready=ready)
