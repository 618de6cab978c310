"""What happened in the service, for those who watch: job progress and alerts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class EventKind(StrEnum):
    """Kinds of events."""

    JOB = "job"
    """A job's state, step or progress changed."""
    ALERT = "alert"
    """An alert was raised, escalated, acknowledged or closed."""


@dataclass(frozen=True, kw_only=True)
class ServiceEvent:
    """One event; the log is read in order of `id`."""

    kind: EventKind
    name: str
    """`job.running`, `job.done`, `alert.raised` …"""
    at_ms: int
    job_id: str = ""
    batch_id: str = ""
    call_id: str = ""
    agent_id: str = ""
    team: str = ""
    """Agent and team of the call: decide who may see the event."""
    data: Mapping[str, object] = field(default_factory=dict)
    """Shown to whoever may see it; no customer words."""
    id: int = 0
    """Set by the log."""
