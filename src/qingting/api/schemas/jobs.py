"""Jobs and batches, and what is submitted to become one."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, ConfigDict, Field, field_validator

from qingting.analysis.desktop_events import MAX_EVENTS
from qingting.api.schemas.common import (
    CALL_ID,
    EXAMPLE_ID,
    EXAMPLE_MS,
    PLAIN,
    ULID,
    Body,
    Text64,
    Text128,
    Text256,
    View,
)
from qingting.model.call import AgentChannel, Medium
from qingting.model.job import InspectionJob, JobKind, JobState, JobStep, Priority
from qingting.service.call_data import MAX_FIELD, MAX_FIELD_NAME, MAX_FIELDS
from qingting.storage.jobs import BatchRow

_CALL_EXAMPLE: dict[str, Any] = {
    "call_id": "20261130-0042",
    "line_of_business": "ecommerce",
    "agent_channel": "right",
    "agent_id": "A1017",
    "team": "售后一组",
    "direction": "inbound",
    "started_at": "2026-11-30T10:00:00+08:00",
    "customer_reference": "C-88121",
    "fields": {"queue": "refund", "csat": "5"},
}
Url = Annotated[
    str,
    Field(
        min_length=8,
        max_length=2048,
        pattern=r"^https?://[^\x00-\x20\x7f]+$",
        examples=["https://recorder.example.com/42.wav"],
    ),
]
FieldName = Annotated[str, Field(max_length=MAX_FIELD_NAME, pattern=PLAIN)]
FieldValue = Annotated[str, Field(max_length=MAX_FIELD, pattern=r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$")]


class CallData(Body):
    """What is known of a call before anybody listens to it."""

    model_config = ConfigDict(json_schema_extra={"examples": [_CALL_EXAMPLE]})

    call_id: Annotated[str, Field(max_length=128, pattern=CALL_ID)] | None = None
    """The caller's own id, unique within the installation; null lets the service make one."""
    line_of_business: Text64 = "general"
    """Chooses pack and scorecard: `general`, `ecommerce`, `finance`, `telecom` or one's own."""
    agent_channel: AgentChannel = AgentChannel.AUTO
    """Which channel of a two-channel recording is the agent."""
    agent_id: Text128 = ""
    """Staff number."""
    team: Text128 = ""
    """Team or skill group."""
    direction: Literal["", "inbound", "outbound"] = ""
    started_at: AwareDatetime | None = None
    """ISO 8601 with zone."""
    customer_reference: Text256 = ""
    """The customer's key in the centre's own systems."""
    fields: dict[FieldName, FieldValue] = Field(default_factory=dict, max_length=MAX_FIELDS)
    """Any further data of the call."""
    desktop_events: Annotated[list[dict[str, Any]], Field(max_length=MAX_EVENTS)] | None = None
    """What the agent did in the knowledge base, as docs/reference/conversations.md describes it; null when nobody
    recorded it."""
    medium: Medium = Medium.VOICE
    """A conversation's own file says whether it is a chat or e-mails."""

    @field_validator("started_at")
    @classmethod
    def _possible(cls, value: AwareDatetime | None) -> AwareDatetime | None:
        if value is not None and not 1970 <= value.year < 2100:
            raise ValueError("must lie between 1970 and 2100")
        return value


class JobOptions(Body):
    """How one recording is read."""

    noise_reduction: Literal["off", "light"] | None = None
    """Null takes the installation's setting."""
    raw: Annotated[str, Field(pattern=r"^(s16le|alaw|mulaw|g722):[1-9][0-9]{3,5}:[12]$")] | None = Field(
        default=None, examples=["alaw:8000:1"]
    )
    """Encoding, hertz and channels of a headerless recording."""


class SubmissionBody(Body):
    """A call whose recording is fetched from an address."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"url": "https://recorder.example.com/42.wav", "call": _CALL_EXAMPLE}]}
    )

    url: Url
    """Public http(s) address; private ones only where `api.allowed_hosts` names them."""
    call: CallData = CallData()
    options: JobOptions = JobOptions()
    priority: Priority = Priority.NORMAL
    replace: bool = False
    """Inspect a call again that has a report already."""


class BatchCall(Body):
    """One call of a batch of addresses."""

    url: Url
    call: CallData = CallData()


class BatchBody(Body):
    """Many calls whose recordings are fetched."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"name": "November", "calls": [{"url": "https://recorder.example.com/42.wav", "call": _CALL_EXAMPLE}]}
            ]
        }
    )

    calls: Annotated[list[BatchCall], Field(min_length=1)]
    """At most `api.max_batch_files`."""
    name: Text256 = ""
    """For people."""
    options: JobOptions = JobOptions()
    priority: Priority = Priority.LOW
    replace: bool = False


class PriorityChange(Body):
    """A job's new place among those that wait."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"priority": "high"}]})

    priority: Priority


class ReanalysisBody(Body):
    """How a call's words are analysed again."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"agent": "swap"}, {}]})

    agent: Annotated[str, Field(pattern="^[a-z0-9_]{0,32}$")] = ""
    """The agent's party (`left`, `right`, `speaker_1` …), or `swap` to exchange agent and customer; empty keeps the
    roles."""
    priority: Priority = Priority.LOW


class JobFailureView(View):
    """Why a job ended without a report, or why its last attempt did."""

    code: str = Field(examples=["broken_audio"])
    """As in docs/reference/errors.md."""
    cause: str
    remedy: str


class JobView(View):
    """A job: what was accepted, and how far it is."""

    id: str = Field(pattern=ULID, examples=[EXAMPLE_ID])
    kind: JobKind
    call_id: str = Field(examples=["20261130-0042"])
    state: JobState
    step: JobStep | None
    """The step it is at, or was at when it ended; null before the first."""
    progress: float = Field(ge=0, le=1)
    """Share of the work done."""
    priority: Priority
    attempts: int
    """How often a worker began it."""
    max_attempts: int
    batch_id: str | None
    created_ms: int = Field(examples=[EXAMPLE_MS])
    """Milliseconds since 1970, UTC, like all times of the service."""
    started_ms: int | None
    """Start of the last attempt."""
    finished_ms: int | None
    cancel_requested: bool
    error: JobFailureView | None
    """Of the last attempt; null when it went well."""

    @classmethod
    def of(cls, job: InspectionJob) -> JobView:
        """Show a job; where its recording is fetched from stays out: addresses may carry keys."""
        failure = job.failure
        return cls(
            id=job.id,
            kind=job.kind,
            call_id=job.call_id,
            state=job.state,
            step=job.step,
            progress=job.progress,
            priority=job.priority,
            attempts=job.attempts,
            max_attempts=job.max_attempts,
            batch_id=job.batch_id or None,
            created_ms=job.created_ms,
            started_ms=job.started_ms,
            finished_ms=job.finished_ms,
            cancel_requested=job.cancel_requested,
            error=JobFailureView(**vars(failure)) if failure else None,
        )


class RefusedFile(View):
    """A file or address of a batch that was not taken."""

    name: str = Field(examples=["broken.wav"])
    code: str = Field(examples=["not_audio"])
    cause: str
    remedy: str


class BatchView(View):
    """A batch and how far it is."""

    id: str = Field(pattern=ULID, examples=[EXAMPLE_ID])
    name: str
    created_ms: int = Field(examples=[EXAMPLE_MS])
    accepted: int
    """Jobs."""
    states: dict[str, int] = Field(examples=[{"done": 997, "failed": 3}])
    """State -> number of its jobs."""
    finished: bool
    """Whether all its jobs have ended."""
    refused: list[RefusedFile]

    @classmethod
    def of(cls, batch: BatchRow) -> BatchView:
        """Show a batch."""
        going_on = batch.states.get("queued", 0) + batch.states.get("running", 0)
        return cls(
            id=batch.id,
            name=batch.name,
            created_ms=batch.created_ms,
            accepted=sum(batch.states.values()),
            states=dict(batch.states),
            finished=not going_on,
            refused=[RefusedFile(**one) for one in batch.refused],
        )


class AcceptedJob(View):
    """A call of a batch that will be reported."""

    id: str = Field(pattern=ULID, examples=[EXAMPLE_ID])
    """The job's id."""
    call_id: str = Field(examples=["20261130-0042"])


class AcceptedBatch(BatchView):
    """A batch that has just come in."""

    jobs: list[AcceptedJob]
