"""Tables of many calls at once, as files."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import StreamingResponse

from qingting.api import problems
from qingting.api.dependencies import Needs, TheService
from qingting.api.limits import address_of
from qingting.api.schemas.exports import CallExport, FindingExport, MeasureExport
from qingting.model.account import Actor, Permission
from qingting.service import exports
from qingting.service.exports import Export, Form

router = APIRouter(prefix="/exports", tags=["exports"])
Exporter = Annotated[Actor, Depends(Needs(Permission.EXPORT))]
_FILE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The file, as it is made.",
        "content": {form.media_type.partition(";")[0]: {"schema": {"type": "string"}} for form in Form},
    }
}
_RESPONSES = {**problems.documented(), **_FILE}


@router.get(
    "/calls",
    operation_id="export_calls",
    summary="Export calls",
    response_class=StreamingResponse,
    responses=_RESPONSES,
)
def export_calls(
    query: Annotated[CallExport, Query()], actor: Exporter, service: TheService, request: Request
) -> StreamingResponse:
    """Give calls within reach, newest first, as CSV, Excel or JSON lines; personal data masked."""
    address = address_of(request)
    return _download(exports.export_calls(service, actor, query.wanted(), query.format, address=address))


@router.get(
    "/findings",
    operation_id="export_findings",
    summary="Export findings",
    response_class=StreamingResponse,
    responses=_RESPONSES,
)
def export_findings(
    query: Annotated[FindingExport, Query()], actor: Exporter, service: TheService, request: Request
) -> StreamingResponse:
    """Give the findings of calls within reach; personal data masked."""
    found = exports.export_findings(
        service, actor, query.wanted(), query.format, words=query.words, address=address_of(request)
    )
    return _download(found)


@router.get(
    "/measures",
    operation_id="export_measures",
    summary="Export figures",
    response_class=StreamingResponse,
    responses=_RESPONSES,
)
def export_measures(
    query: Annotated[MeasureExport, Query()], actor: Exporter, service: TheService, request: Request
) -> StreamingResponse:
    """Give figures by day, agent, team, hour, contact reason, line of business or grade."""
    address = address_of(request)
    return _download(exports.export_measures(service, actor, query.wanted(), query.by, query.format, address=address))


def _download(export: Export) -> StreamingResponse:
    # What goes wrong before the first part is still answered as a problem.
    first = next(export.parts, b"")
    parts: Iterator[bytes] = chain((first,), export.parts)
    headers = {"Content-Disposition": f'attachment; filename="{export.name}"', "X-Content-Type-Options": "nosniff"}
    return StreamingResponse(parts, media_type=export.media_type, headers=headers)
