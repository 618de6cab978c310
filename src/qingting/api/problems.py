"""Errors as problem details (RFC 9457): one shape for all, without any customer words."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from qingting import errors

if TYPE_CHECKING:
    from qingting.model.job import JobFailure

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
STATUS: tuple[tuple[type[errors.QingtingError], int], ...] = (
    (errors.NotSignedInError, 401),
    (errors.AccessDeniedError, 403),
    (errors.NotFoundError, 404),
    (errors.ConflictError, 409),
    (errors.UploadTooLargeError, 413),
    (errors.TooLongToWaitError, 413),
    (errors.AudioLimitError, 413),
    (errors.UnsupportedUploadError, 415),
    (errors.NotAudioError, 415),
    (errors.TooManyRequestsError, 429),
    (errors.RequestError, 422),
    (errors.InputError, 422),
    (errors.StorageFullError, 507),
    (errors.StorageUnavailableError, 503),
    (errors.EngineUnavailableError, 503),
    (errors.IdentityProviderError, 503),
    (errors.LiveUnavailableError, 503),
    (errors.EngineTimeoutError, 504),
    (errors.QingtingError, 500),
)
"""First match wins."""


class FieldProblem(BaseModel):
    """One wrong field of a request."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    field: str
    """Where it is: `body.call.call_id`, `query.limit` …"""
    problem: str
    """What is wrong; never the value."""


class Problem(BaseModel):
    """Problem details, RFC 9457."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    type: str = Field(examples=["urn:qingting:problem:not_found"])
    """Stable name of the kind of problem; docs/reference/errors.md lists them."""
    title: str = Field(examples=["No such call."])
    """The cause in words."""
    status: int = Field(examples=[404])
    """The HTTP status."""
    detail: str = Field(default="", examples=["Check the identifier."])
    """What to do about it."""
    retry: bool = False
    """Whether the same request may succeed later."""
    errors: list[FieldProblem] = []
    """Wrong fields, for 422."""


def status_of(error: errors.QingtingError) -> int:
    """HTTP status of an error."""
    return next(status for kind, status in STATUS if isinstance(error, kind))


def problem_of(error: errors.QingtingError) -> Problem:
    """Write an error as problem details."""
    return Problem(
        type=f"urn:qingting:problem:{error.code}",
        title=error.cause,
        status=status_of(error),
        detail=error.remedy,
        retry=error.can_retry,
        errors=_fields_of(error),
    )


def _fields_of(error: errors.QingtingError) -> list[FieldProblem]:
    if isinstance(error, errors.InvalidRequestError) and error.field:
        return [FieldProblem(field=error.field, problem=error.cause)]
    return []


def problem_of_failure(failure: JobFailure) -> Problem:
    """Write why a job failed as problem details, with the status that the same error has elsewhere."""
    kind = _KINDS.get(failure.code, errors.QingtingError)
    return Problem(
        type=f"urn:qingting:problem:{failure.code}",
        title=failure.cause,
        status=409 if failure.code == "cancelled" else next(status for one, status in STATUS if issubclass(kind, one)),
        detail=failure.remedy,
        retry=kind.can_retry,
    )


def _all_kinds(kind: type[errors.QingtingError]) -> list[type[errors.QingtingError]]:
    return [kind, *(one for below in kind.__subclasses__() for one in _all_kinds(below))]


_KINDS = {kind("").code: kind for kind in _all_kinds(errors.QingtingError)}
"""Code -> error."""


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Say in a route's description which problems it answers with, besides 401, 403, 422, 429, 500 and 503."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    common = (401, 403, 422, 429, 500, 503)
    return {status: {"description": _TITLES[status], "content": content} for status in sorted({*common, *statuses})}


_TITLES = {
    400: "The request is malformed",
    401: "Not signed in",
    403: "Not allowed",
    404: "Not found, or out of reach",
    405: "Method not allowed",
    409: "Contradicts what is stored",
    413: "Too large or too long",
    415: "Of a kind that is not taken",
    422: "A field is wrong",
    429: "Too many requests, or too much work is waiting",
    500: "A defect of Qingting",
    503: "Database, store or engine cannot be reached",
    504: "No answer in time",
    507: "No space left",
}


_OUTAGE_SECONDS = 5
"""When to ask again while database, store or engine cannot be reached."""


def respond(problem: Problem, headers: dict[str, str] | None = None) -> JSONResponse:
    """Answer with a problem."""
    return JSONResponse(problem.model_dump(), status_code=problem.status, media_type=MEDIA_TYPE, headers=headers)


def _ours(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, errors.QingtingError)  # noqa: S101  registered for this class
    headers = {}
    if isinstance(error, errors.TooManyRequestsError | errors.StillRunningError):
        headers["Retry-After"] = str(error.retry_after_seconds)
    if isinstance(error, errors.StorageUnavailableError | errors.EngineUnavailableError):
        headers["Retry-After"] = str(_OUTAGE_SECONDS)
    if isinstance(error, errors.NotSignedInError):
        headers["WWW-Authenticate"] = "Bearer"
    return respond(problem_of(error), headers)


def field_problems(found: Sequence[Any]) -> list[FieldProblem]:
    """Name wrong fields by place and kind; values stay out, and so do names that are not ours."""
    return [
        FieldProblem(field=".".join(str(part) for part in one["loc"])[:200], problem=str(one["msg"])[:300])
        for one in found
    ]


def _validation(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101  registered for this class
    malformed = any(one["type"] == "json_invalid" for one in error.errors())
    title = "The request is no JSON." if malformed else "A field of the request is wrong."
    return respond(_wrong_fields(title, error.errors()))


def _wrong_fields(title: str, found: Sequence[Any]) -> Problem:
    return Problem(
        type="urn:qingting:problem:invalid_request",
        title=title,
        status=422,
        detail=errors.InvalidRequestError.default_remedy,
        errors=field_problems(found),
    )


_UNREADABLE = "There was an error parsing the body"
"""The framework's words for a body that is no text."""


def _http(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101  registered for this class
    if error.status_code == 400 and error.detail == _UNREADABLE:
        return respond(_wrong_fields("The request is no JSON.", ()))
    title = _TITLES.get(error.status_code, "The request was refused")
    names = {404: "not_found", 405: "method_not_allowed", 400: "malformed_request", 413: "upload_too_large"}
    name = names.get(error.status_code, f"http_{error.status_code}")
    problem = Problem(type=f"urn:qingting:problem:{name}", title=f"{title}.", status=error.status_code)
    return respond(problem, dict(error.headers or {}))


def unexpected() -> JSONResponse:
    """Answer what nobody thought of."""
    return respond(
        Problem(
            type="urn:qingting:problem:unexpected",
            title="Something unexpected went wrong.",
            status=500,
            detail="This is a defect of Qingting: please report it.",
        )
    )


def too_large() -> JSONResponse:
    """Answer a request that says it is too large, before any of it is read."""
    return respond(problem_of(errors.UploadTooLargeError("The request has more bytes than are taken.")))


def _unexpected(_: Request, error: Exception) -> JSONResponse:
    # The message could hold customer words; its type is enough to report the defect.
    log.error("unexpected %s in a request", type(error).__name__)
    return unexpected()


def install(app: FastAPI) -> None:
    """Answer every error of the application as problem details."""
    app.add_exception_handler(errors.QingtingError, _ours)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unexpected)
