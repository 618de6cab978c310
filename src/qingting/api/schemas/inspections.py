"""The one result shape: what is known of a call's inspection, however it was asked for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from fastapi.responses import Response
from pydantic import Field

from qingting.api import problems
from qingting.api.problems import Problem
from qingting.api.schemas.common import EXAMPLE_ID, ULID, View
from qingting.model.job import JobState
from qingting.model.report import Report
from qingting.report.formats.json import to_plain

if TYPE_CHECKING:
    from qingting.model.job import InspectionJob
    from qingting.service.reading import Reading


class Inspection(View):
    """What became of a call."""

    call_id: str = Field(examples=["20261130-0042"])
    job_id: str = Field(pattern=ULID, examples=[EXAMPLE_ID])
    """The job that made the report, or will."""
    state: JobState
    """`done` comes with a report; `failed`, `set_aside` and `cancelled` come with an error."""
    masked: bool
    """Whether personal data in the report is hidden; its digests are those of the stored report."""
    report: Report | None
    """The report as its published schema has it; null as long as there is none."""
    error: Problem | None
    """Why there is no report; null while the job goes on, and when all went well."""


def inspection_of(job: InspectionJob, found: Reading | None) -> dict[str, Any]:
    """Write a job and its report as plain values of an Inspection."""
    failed = job.failure is not None and job.state.ended
    return {
        "call_id": job.call_id,
        "job_id": job.id,
        "state": job.state.value,
        "masked": found is None or found.masked,
        "report": None if found is None else to_plain(found.report),
        "error": problems.problem_of_failure(job.failure).model_dump() if failed and job.failure else None,
    }


def inspection_of_report(found: Reading) -> dict[str, Any]:
    """Write a call's latest report as plain values of an Inspection."""
    return {
        "call_id": found.call.call_id,
        "job_id": found.job_id,
        "state": JobState.DONE.value,
        "masked": found.masked,
        "report": to_plain(found.report),
        "error": None,
    }


def respond(plain: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Answer with an Inspection; reports are valid by their making, and large: they are not checked again."""
    text = json.dumps(plain, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Response(text.encode(), status_code=status, media_type="application/json", headers=headers)
