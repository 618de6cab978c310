"""The work that the service does for one call, and how far it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class JobState(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    """Accepted and kept; waits for a worker (or for its next attempt)."""
    RUNNING = "running"
    DONE = "done"
    """Its report is stored."""
    FAILED = "failed"
    """The recording cannot be used; another attempt would not help."""
    SET_ASIDE = "set_aside"
    """Failed on every attempt it had, or took its worker down each time: waits for a person."""
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether nothing more happens unless somebody retries it."""
        return self not in (JobState.QUEUED, JobState.RUNNING)


class JobKind(StrEnum):
    """What a job does."""

    INSPECT = "inspect"
    """Decode, transcribe, analyse and report a recording or a text conversation."""
    REANALYSE = "reanalyse"
    """Analyse stored words again under today's rules; nothing is recognised again."""


class JobStep(StrEnum):
    """The durable steps of a job in order; a finished step is never done again."""

    FETCH = "fetch"
    """Download the recording; only for calls submitted by address."""
    DECODE = "decode"
    TRANSCRIBE = "transcribe"
    ANALYSE = "analyse"
    REPORT = "report"
    """Store the report with its findings, figures, alerts and messages, all at once."""
    DELIVER = "deliver"
    """Hand messages to webhooks and push channels; goes on after the job is done."""


class Priority(StrEnum):
    """Which job a free worker takes first."""

    URGENT = "urgent"
    """Somebody waits for it (synchronous inspections)."""
    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"
    """Batches and repeated analyses."""

    @property
    def rank(self) -> int:
        """Smaller is taken first; 1 to 4."""
        return list(Priority).index(self) + 1


@dataclass(frozen=True, kw_only=True)
class JobFailure:
    """Why a job ended without a report: never any customer words."""

    code: str
    """`QingtingError.code`, or `unexpected`."""
    cause: str
    remedy: str = ""


@dataclass(frozen=True, kw_only=True)
class InspectionJob:
    """One job as stored."""

    id: str
    kind: JobKind
    call_id: str
    state: JobState
    priority: Priority
    created_ms: int
    """Times of the service are milliseconds since 1970, UTC."""
    step: JobStep | None = None
    """The step it is at, or was at when it ended; None before the first."""
    progress: float = 0.0
    """Share of the work done, 0 to 1."""
    attempts: int = 0
    """How often a worker started it."""
    max_attempts: int = 3
    due_ms: int = 0
    """Not started before this time."""
    batch_id: str = ""
    """The batch it came with; empty for single calls."""
    source_url: str = ""
    """Where the recording is fetched from; empty when it was uploaded."""
    options: Mapping[str, str] = field(default_factory=dict)
    """`noise_reduction`, `raw` (encoding:rate:channels), `agent` (for reanalyse: the agent's party)."""
    submitted_by: str = ""
    """Id of the user or API key."""
    started_ms: int | None = None
    """Start of the last attempt."""
    finished_ms: int | None = None
    failure: JobFailure | None = None
    """Of the last attempt; None when it went well."""
    cancel_requested: bool = False
