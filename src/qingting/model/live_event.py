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


class HintKind(StrEnum):
    """What a hint wants from the agent."""

    RISK = "risk"
    WORDING = "wording"
    EMPATHY = "empathy"
    UNANSWERED = "unanswered"
    WAITING = "waiting"
    REPEAT = "repeat"
    CHECKLIST = "checklist"
    KNOWLEDGE = "knowledge"
    PACE = "pace"
    PRAISE = "praise"
    OTHER = "other"
    """Of a pack's own rules."""

    @property
    def chinese(self) -> str:
        """The word an agent reads."""
        return {
            "risk": "风险", "wording": "措辞", "empathy": "安抚", "unanswered": "待答复", "waiting": "等待",
            "repeat": "重复询问", "checklist": "话术", "knowledge": "知识", "pace": "节奏", "praise": "鼓励",
            "other": "提示",
        }[self.value]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class AssistHint(LiveEvent):
    """A gentle hint for the agent."""

    hint_id: str
    """Unique within the call."""
    kind: HintKind
    topic: str
    """What it is about, for programs: a rule id, a checklist item, a contact reason, an entry; no words of the call."""
    text: str
    """Chinese."""
    urgent: bool = False
    finding_id: str = ""
    """The finding it rests on, if any."""


class ItemState(StrEnum):
    """Where an item of the script checklist stands."""

    OPEN = "open"
    """Still to be said."""
    SAID = "said"
    MISSED = "missed"
    """Decided as the report has it: not said in its time."""
    NOT_NEEDED = "not_needed"
    """Nothing in the call has asked for it, so far."""

    @property
    def chinese(self) -> str:
        """The word an agent reads."""
        return {"open": "待说", "said": "已说", "missed": "遗漏", "not_needed": "暂不需要"}[self.value]


@dataclass(frozen=True, kw_only=True)
class ChecklistItem:
    """One thing that the pack wants said or asked in the call."""

    id: str
    """The item's id in the pack; `compliance.<id>` is its rule."""
    name: str
    """Chinese."""
    state: ItemState
    when: str
    """Chinese: where in the call it belongs (`开场30秒内`, `同意退款后`); empty is anywhere."""
    advice: str
    """Chinese: what to say."""
    said_ms: int | None = None
    """Call time at which it was said."""
    utterance: int | None = None
    """Index of the utterance that says it."""


@dataclass(frozen=True, kw_only=True)
class ChecklistChanged(LiveEvent):
    """The script checklist as it stands now: told at the call's start, and whenever an item changes."""

    items: tuple[ChecklistItem, ...]


@dataclass(frozen=True, kw_only=True)
class ReportReady(LiveEvent):
    """The call's report is stored."""

    call_id: str
    job_id: str
    score: float | None
    grade: str


@dataclass(frozen=True, kw_only=True)
class ReportDelayed(LiveEvent):
    """The call's sound is stored and inspected as a job: its session could not write the report."""

    call_id: str
    job_id: str


@dataclass(frozen=True, kw_only=True)
class AlertRaised(LiveEvent):
    """A policy tells of the call at once; the same alert as in the list of alerts."""

    alert_id: str
    level: Level
    title: str
    rule_id: str
    finding_id: str = ""


@dataclass(frozen=True, kw_only=True)
class LiveFault(LiveEvent):
    """Something went wrong; the call goes on unless `fatal`."""

    code: str
    cause: str
    remedy: str = ""
    fatal: bool = False
    data: Mapping[str, str] = field(default_factory=dict)
