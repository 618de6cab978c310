"""Lists that complete what recordings tell: all calls of a day, customers' scores, actions in the knowledge base."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Request
from starlette.concurrency import run_in_threadpool

from qingting.api import problems
from qingting.api.dependencies import Needs, TheService
from qingting.api.limits import address_of
from qingting.api.schemas.imports import DesktopImportView, ImportView
from qingting.api.submissions import content_type
from qingting.api.uploads import MULTIPART, Part, parts_of
from qingting.errors import InvalidRequestError, UnsupportedUploadError
from qingting.model.account import Actor, Permission
from qingting.service import call_records, desktop
from qingting.service.center import Service
from qingting.service.tables_in import MAX_BYTES

router = APIRouter(prefix="/imports", tags=["imports"])
Submitter = Annotated[Actor, Depends(Needs(Permission.CALLS_SUBMIT))]
Result = TypeVar("Result", bound=call_records.ImportResult)


def _table(description: str) -> dict[str, Any]:
    file = {"type": "string", "format": "binary", "description": description}
    schema = {"type": "object", "required": ["file"], "additionalProperties": False, "properties": {"file": file}}
    return {"requestBody": {"required": True, "content": {MULTIPART: {"schema": schema}}}}


_REFUSALS = problems.documented(413, 415, 507)


@router.post(
    "/call-records",
    operation_id="import_call_records",
    summary="Import a list of calls",
    responses=_REFUSALS,
    openapi_extra=_table(
        "CSV (UTF-8, GB18030, UTF-16) or Excel (.xlsx) with a column 通话编号 or call_id, and any of 坐席工号, 班组, "
        "业务线, 呼叫方向, 开始时间, 通话时长, 客户编号, 满意度; further columns become fields of the call."
    ),
)
async def import_call_records(request: Request, actor: Submitter, service: TheService) -> ImportView:
    """Take in a list of all calls, so that it is known how many of them were inspected.

    New calls become known, known ones get missing and corrected data. A wrong row is listed and stops no other;
    sending the same list again changes nothing.
    """
    return ImportView.of(await _import(request, actor, service, call_records.import_calls))


@router.post(
    "/csat",
    operation_id="import_csat",
    summary="Import customers' scores",
    responses=_REFUSALS,
    openapi_extra=_table(
        "CSV or Excel (.xlsx) with a column 通话编号 or call_id, and 满意度, 评分, csat or score (1 to 5)."
    ),
)
async def import_csat(request: Request, actor: Submitter, service: TheService) -> ImportView:
    """Take in customers' scores of calls, before or after their inspection."""
    return ImportView.of(await _import(request, actor, service, call_records.import_scores))


@router.post(
    "/desktop-events",
    operation_id="import_desktop_events",
    summary="Import actions in the knowledge base",
    responses=_REFUSALS,
    openapi_extra=_table(
        "JSON lines, CSV or Excel (.xlsx): call_id, or agent_id with a date and time; time or at_ms; kind (search, "
        "open, close, copy); query, results, article, title, text."
    ),
)
async def import_desktop_events(request: Request, actor: Submitter, service: TheService) -> DesktopImportView:
    """Take in what agents did in the knowledge base; calls that were inspected before are analysed again."""
    return DesktopImportView.of_desktop(await _import(request, actor, service, desktop.import_events))


async def _import(request: Request, actor: Actor, service: Service, take: Callable[..., Result]) -> Result:
    if content_type(request) != MULTIPART:
        raise UnsupportedUploadError(
            "The request's Content-Type is not multipart/form-data.", remedy="Send the list as the part `file`."
        )
    with ExitStack() as stack:
        path = await _file(request, stack)
        return await run_in_threadpool(take, service, actor, path, address=address_of(request))


async def _file(request: Request, stack: ExitStack) -> Path:
    found: Part | None = None
    async with parts_of(request, max_file_bytes=MAX_BYTES, max_parts=1) as parts:
        async for part in parts:
            if part.name != "file" or part.file_name is None:
                raise InvalidRequestError("The request has a part that is not known.", field="body")
            found = part
            stack.callback(part.keep().close)
    if found is None:
        raise InvalidRequestError("file is missing: the list.", field="body.file")
    return found.path
