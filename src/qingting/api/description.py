"""Completes the description of the API (OpenAPI): bodies read by hand, the report's published schema, security."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from qingting.api.problems import Problem
from qingting.api.schemas.jobs import BatchBody, CallData, JobOptions, SubmissionBody
from qingting.report.formats import json as report_json

if TYPE_CHECKING:
    from fastapi import FastAPI

_REF = "#/components/schemas/{model}"
_BY_HAND: tuple[type[BaseModel], ...] = (SubmissionBody, BatchBody, CallData, JobOptions, Problem)
"""Models that routes read or answer with themselves."""
_CALL = {"$ref": _REF.format(model="CallData")}
_OPTIONS = {"$ref": _REF.format(model="JobOptions")}
_PRIORITY = {"type": "string", "enum": ["urgent", "high", "normal", "low"]}
_FILE = {"type": "string", "format": "binary", "description": "A recording, or a conversation as .json or .csv."}
_ENCODING = {"call": {"contentType": "application/json"}, "options": {"contentType": "application/json"}}

SUBMISSION: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "additionalProperties": False,
                    "properties": {
                        "file": _FILE,
                        "call": _CALL,
                        "options": _OPTIONS,
                        "priority": _PRIORITY,
                        "replace": {"type": "boolean"},
                    },
                },
                "encoding": _ENCODING,
            },
            "application/json": {"schema": {"$ref": _REF.format(model="SubmissionBody")}},
        },
    }
}
"""Request body of POST /jobs and POST /inspections."""
BATCH: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "additionalProperties": False,
                    "description": "Fields and the list come before the files.",
                    "properties": {
                        "name": {"type": "string", "maxLength": 255},
                        "call": _CALL,
                        "options": _OPTIONS,
                        "priority": _PRIORITY,
                        "replace": {"type": "boolean"},
                        "list": {
                            "type": "string",
                            "format": "binary",
                            "description": "CSV or Excel with a column `file` (the recording's name) and any of "
                            "call_id, line_of_business, agent_channel, agent_id, team, direction, started_at, "
                            "customer_reference; other columns become fields of the call.",
                        },
                        "file": {"type": "array", "minItems": 1, "items": _FILE},
                    },
                },
                "encoding": _ENCODING,
            },
            "application/json": {"schema": {"$ref": _REF.format(model="BatchBody")}},
        },
    }
}
"""Request body of POST /batches."""
OPEN: dict[str, Any] = {"security": []}
"""For operations that need nobody to be signed in."""


def install(app: FastAPI) -> None:
    """Let the application describe itself completely; written once, at the first request."""

    def describe() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = described(app)
        return app.openapi_schema

    app.openapi = describe  # type: ignore[method-assign]


def described(app: FastAPI) -> dict[str, Any]:
    """Write the description."""
    built = get_openapi(
        title=app.title,
        version=app.version,
        summary=app.summary,
        description=app.description,
        routes=app.routes,
        tags=app.openapi_tags,
    )
    schemas = built["components"]["schemas"]
    _, by_hand = models_json_schema([(model, "validation") for model in _BY_HAND], ref_template=_REF)
    for name, schema in by_hand["$defs"].items():
        schemas.setdefault(name, schema)
    schemas.update(_report_schemas())
    # The framework's own form of errors, which no route answers with.
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    return built


def _report_schemas() -> dict[str, Any]:
    """The published schema of reports as components."""
    text = json.dumps(report_json.schema()).replace("#/$defs/", "#/components/schemas/")
    published = json.loads(text)
    parts: dict[str, Any] = published.pop("$defs")
    del published["$schema"], published["$id"]
    return {**parts, "Report": published}
