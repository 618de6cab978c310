"""What the service answers, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self


class _Answer:
    """Reads the fields it knows: a newer service may answer with more."""

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Self:
        """Make it from the service's JSON."""
        known = {one.name for one in fields(cls)}  # type: ignore[arg-type]
        return cls(**{name: value for name, value in plain.items() if name in known})


@dataclass(frozen=True, kw_only=True)
class Job(_Answer):
    """A call that was accepted."""

    id: str
    call_id: str
    state: str
    """`queued`, `running`, `done`, `failed`, `set_aside` or `cancelled`."""
    step: str | None = None
    progress: float = 0.0
    """0 to 1."""
    priority: str = "normal"
    attempts: int = 0
    batch_id: str | None = None
    created_ms: int = 0
    """When it was accepted; milliseconds since 1970, UTC."""
    finished_ms: int | None = None
    """When it ended."""
    error: Mapping[str, str] | None = None
    """`code`, `cause` and `remedy` of the last attempt that failed."""

    @property
    def ended(self) -> bool:
        """Whether nothing more happens unless somebody retries it."""
        return self.state not in ("queued", "running")


@dataclass(frozen=True, kw_only=True)
class Inspection(_Answer):
    """What became of a call: the one result shape of the service."""

    call_id: str
    job_id: str
    state: str
    masked: bool
    """Whether personal data in the report is hidden."""
    report: Mapping[str, Any] | None = None
    """The report as its published schema has it; `qingting.report.formats.json.load` reads it into values."""
    error: Mapping[str, Any] | None = None
    """Problem details of a job that failed."""


@dataclass(frozen=True, kw_only=True)
class Batch(_Answer):
    """Many calls that were submitted together."""

    id: str
    accepted: int
    states: Mapping[str, int] = field(default_factory=dict)
    """State -> number of jobs."""
    finished: bool = False
    refused: tuple[Mapping[str, str], ...] = ()
    """Files that were not taken: `name`, `code`, `cause`, `remedy`."""
    jobs: tuple[Mapping[str, str], ...] = ()
    """`id` and `call_id` of each; only of a batch just submitted."""


@dataclass(frozen=True, kw_only=True)
class Event(_Answer):
    """Something that happened."""

    id: int
    kind: str
    """`job` or `alert`."""
    name: str
    """`job.done`, `alert.raised` …"""
    at_ms: int
    job_id: str = ""
    batch_id: str = ""
    call_id: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
