"""Reads what is submitted: a recording with its call data as multipart, or its address as JSON."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.concurrency import run_in_threadpool

from qingting.analysis.desktop_events import parse_desktop_events
from qingting.api.schemas.jobs import BatchBody, CallData, JobOptions, SubmissionBody
from qingting.api.uploads import MULTIPART, Part, parts_of
from qingting.errors import InvalidRequestError, UnsupportedUploadError, UploadTooLargeError
from qingting.model.call import CallInfo
from qingting.model.job import Priority
from qingting.service.batches import BatchDefaults, BatchIntake
from qingting.service.intake import Submission

if TYPE_CHECKING:
    from fastapi import Request

    from qingting.model.account import Actor
    from qingting.service.center import Service

T = TypeVar("T")

MAX_JSON_BYTES = 16 * 1024**2
_MOST_FIELDS = 8
_JSON = "application/json"


@asynccontextmanager
async def submission_of(request: Request, service: Service) -> AsyncIterator[Submission]:
    """Give what a request submits; an uploaded file is removed at the block's end.

    Raises RequestValidationError, InvalidRequestError, UploadTooLargeError, UnsupportedUploadError.
    """
    kind = content_type(request)
    with ExitStack() as stack:
        if kind == MULTIPART:
            yield await _from_parts(request, service, stack)
        elif kind == _JSON:
            body = parsed(SubmissionBody, await json_body(request))
            yield Submission(
                call=call_of(body.call),
                url=body.url,
                options=options_of(body.options),
                priority=body.priority,
                replace=body.replace,
            )
        else:
            raise _unsupported()


async def fill_batch(request: Request, service: Service, actor: Actor) -> BatchIntake:
    """Take everything that a request brings into a batch, which the caller closes."""
    kind = content_type(request)
    if kind == MULTIPART:
        return await _batch_from_parts(request, service, actor)
    if kind != _JSON:
        raise _unsupported()
    body = parsed(BatchBody, await json_body(request))
    if len(body.calls) > service.settings.api.max_batch_files:
        raise UploadTooLargeError("The batch has more addresses than may come at once.")
    defaults = BatchDefaults(
        name=body.name, options=options_of(body.options), priority=body.priority, replace=body.replace
    )
    calls = [(one.url, call_of(one.call)) for one in body.calls]
    batch = await run_in_threadpool(BatchIntake, service, actor, defaults)

    def add_all() -> None:
        with batch.discarded_on_error():
            for url, call in calls:
                batch.add_url(url, call)

    await run_in_threadpool(add_all)
    return batch


def content_type(request: Request) -> str:
    """The media type that a request says it has, without parameters."""
    return request.headers.get("content-type", "").split(";", 1)[0].strip().lower()


async def json_body(request: Request) -> bytes:
    """Read a JSON body; raises UploadTooLargeError before much of a larger one is in memory."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_JSON_BYTES:
            raise UploadTooLargeError("The JSON of the request has more bytes than are taken.")
    return bytes(body)


def parsed(kind: type[T], text: str | bytes, *place: str) -> T:
    """Read JSON into a model or type; raises RequestValidationError naming the field."""
    try:
        if issubclass(kind, BaseModel):
            return kind.model_validate_json(text)
        return TypeAdapter(kind).validate_json(text)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=False)
        raise RequestValidationError([{**one, "loc": ("body", *place, *one["loc"])} for one in found]) from None


def call_of(data: CallData) -> CallInfo:
    """Turn call data into the service's value; raises ScriptError for wrong desktop events."""
    started_at = data.started_at.isoformat() if data.started_at else ""
    call = CallInfo(
        call_id=data.call_id or "",
        line_of_business=data.line_of_business,
        agent_channel=data.agent_channel,
        agent_id=data.agent_id,
        team=data.team,
        direction=data.direction,
        started_at=started_at,
        customer_reference=data.customer_reference,
        fields=dict(data.fields),
        medium=data.medium,
    )
    if data.desktop_events is None:
        return call
    lines = "\n".join(json.dumps(one) for one in data.desktop_events)
    found = parse_desktop_events(lines, source="call.desktop_events", started_at=started_at)
    return replace(call, desktop_events=found)


def options_of(options: JobOptions) -> dict[str, str]:
    """Turn a job's options into the service's value."""
    given: dict[str, str] = options.model_dump(exclude_none=True)
    return given


async def _from_parts(request: Request, service: Service, stack: ExitStack) -> Submission:
    fields: dict[str, str] = {}
    upload: Part | None = None
    limit = service.settings.api.max_upload_bytes
    async with parts_of(request, max_file_bytes=limit, max_parts=_MOST_FIELDS) as parts:
        async for part in parts:
            if part.name == "file" and part.file_name is not None and upload is None:
                upload = part
                stack.callback(part.keep().close)
            else:
                _take_field(fields, part, ("call", "options", "priority", "replace"))
    if upload is None:
        raise InvalidRequestError("file is missing: the recording.", field="body.file")
    return Submission(
        call=call_of(parsed(CallData, fields.get("call", "{}"), "call")),
        file=upload.path,
        file_name=upload.file_name or "",
        options=options_of(parsed(JobOptions, fields.get("options", "{}"), "options")),
        priority=_word(Priority, fields.get("priority", "normal"), "priority"),
        replace=_truth(fields.get("replace", "false"), "replace"),
    )


async def _batch_from_parts(request: Request, service: Service, actor: Actor) -> BatchIntake:
    api = service.settings.api
    fields: dict[str, str] = {}
    batch: BatchIntake | None = None
    most = api.max_batch_files + _MOST_FIELDS
    with ExitStack() as stack:
        async with parts_of(request, max_file_bytes=api.max_upload_bytes, max_parts=most) as parts:
            async for part in parts:
                if part.file_name is None:
                    if batch is not None:
                        raise InvalidRequestError("Fields must come before the files.", field=f"body.{part.name}")
                    _take_field(fields, part, ("name", "call", "options", "priority", "replace"))
                    continue
                if batch is None:
                    batch = await run_in_threadpool(BatchIntake, service, actor, _defaults(fields))
                    stack.enter_context(batch.discarded_on_error())
                await _add_part(batch, part, api.max_batch_files)
    if batch is None or not batch.size:
        raise InvalidRequestError("file is missing: at least one recording.", field="body.file")
    return batch


async def _add_part(batch: BatchIntake, part: Part, most: int) -> None:
    if part.name == "list":
        if batch.size:
            raise InvalidRequestError("The call list must come before the files.", field="body.list")
        await run_in_threadpool(batch.use_list, part.path)
        return
    if part.name != "file":
        raise InvalidRequestError("A file's part must be named file or list.", field="body")
    if batch.size >= most:
        raise UploadTooLargeError(f"The batch has more than {most} files.")
    await run_in_threadpool(batch.add_file, part.path, part.file_name or "")


def _defaults(fields: dict[str, str]) -> BatchDefaults:
    call = call_of(parsed(CallData, fields.get("call", "{}"), "call"))
    if call.call_id:
        raise InvalidRequestError("call.call_id cannot hold for all calls of a batch.", field="body.call.call_id")
    return BatchDefaults(
        name=fields.get("name", "")[:255],
        call=call,
        options=options_of(parsed(JobOptions, fields.get("options", "{}"), "options")),
        priority=_word(Priority, fields.get("priority", "low"), "priority"),
        replace=_truth(fields.get("replace", "false"), "replace"),
    )


def _take_field(fields: dict[str, str], part: Part, known: tuple[str, ...]) -> None:
    if part.name not in known or part.file_name is not None:
        raise InvalidRequestError("The request has a part that is not known, or a second file.", field="body")
    if part.name in fields:
        raise InvalidRequestError(f"{part.name} stands twice.", field=f"body.{part.name}")
    fields[part.name] = part.text


def _word(kind: type[Any], text: str, name: str) -> Any:
    try:
        return kind(text.strip().strip('"'))
    except ValueError:
        known = ", ".join(one.value for one in kind)
        raise InvalidRequestError(f"{name} must be one of {known}.", field=f"body.{name}") from None


def _truth(text: str, name: str) -> bool:
    found = {"true": True, "1": True, "false": False, "0": False, "": False}.get(text.strip().lower())
    if found is None:
        raise InvalidRequestError(f"{name} must be true or false.", field=f"body.{name}")
    return found


def _unsupported() -> UnsupportedUploadError:
    return UnsupportedUploadError(
        "The request's Content-Type is neither multipart/form-data nor application/json.",
        remedy="Upload a recording as multipart/form-data, or send its address as JSON.",
    )
