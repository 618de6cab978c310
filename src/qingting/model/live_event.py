"""What a running call tells while people speak; numbered, so that whoever lost some can ask for them again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from qingting.model.call import Role
from qingting.model.finding import Finding, Level
from qingting.model.transcript import Utterance


class LiveState(StrEnum):
    """Where a running call stands."""

    RUNNING = "running"
    ENDING = "ending"
    """No more sound comes; the last words are being recognised."""
    REPORTED = "reported"
    FAILED = "failed"
    """No report could be made here; its recording is kept and inspected as a job."""


@dataclass(frozen=True, kw_only=True)
class LiveEvent:
    """One thing a call tells."""

    at_ms: int
    """Call time at which it was told."""
    sequence: int = 0
    """1, 2, 3 … within the session; set by the session's log."""


@dataclass(frozen=True, kw_only=True)
class PartialText(LiveEvent):
    """Words of an utterance that is still being spoken."""

    party: str
    role: Role
    start_ms: int
    stable_text: str
    """Will not change any more, save by the final."""
    tail_text: str
    """May change."""


@dataclass(frozen=True, kw_only=True)
class FinalUtterance(LiveEvent):
    """An utterance as the report will have it."""

    utterance: Utterance


@dataclass(frozen=True, kw_only=True)
class SpeechDropped(LiveEvent):
    """What began as speech had no words: partial text of this start is void."""

    party: str
    start_ms: int


@dataclass(frozen=True, kw_only=True)
class FindingRaised(LiveEvent):
    """The analysis decided something; it is never taken back."""

    finding: Finding


@dataclass(frozen=True, kw_only=True)
class RiskRaised(LiveEvent):
    """Words that make a call high-risk at once, before the analysis can decide: 我要投诉 in a sentence that still runs.

    A warning, no finding: it does not stand in the report and takes off no points.
    """

    level: Level
    kind: str
    """`threat`, `insult`, `ultimatum` …"""
    title: str
    """Chinese name of the kind."""
    role: Role
    start_ms: int
    """Start of the utterance."""
    quote: str
    """The words; for those who may read the call only."""


@dataclass(frozen=True, kw_only=True)
class EmotionChanged(LiveEvent):
    """A speaker's mood became another."""

    role: Role
    mood: str
    """`positive`, `calm`, `negative` or `angry`."""
    intensity: float
    """0 to 1."""


@dataclass(frozen=True, kw_only=True)
class AssistHint(LiveEvent):
    """A gentle hint for the agent."""

    hint_id: str
    kind: str
    """`empathy`, `checklist`, `knowledge`, `repeat`, `waiting` …"""
    text: str
    """Chinese."""
    finding_id: str = ""
    """The finding it rests on, if any."""


@dataclass(frozen=True, kw_only=True)
class ReportReady(LiveEvent):
    """The call's report is stored."""

    call_id: str
    score: float | None
    grade: str
    findings: int


@dataclass(frozen=True, kw_only=True)
class LiveFault(LiveEvent):
    """Something went wrong; the call goes on unless `fatal`."""

    code: str
    cause: str
    remedy: str = ""
    fatal: bool = False
    data: Mapping[str, str] = field(default_factory=dict)
