"""What an analyzer found, and the evidence anyone can check."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

from qingting.model.call import Role


class Level(IntEnum):
    """Severity, 1 is worst."""

    SERIOUS = 1
    MEDIUM = 2
    LIGHT = 3

    @property
    def chinese(self) -> str:
        """The word a report reader sees."""
        return {1: "严重", 2: "中等", 3: "轻微"}[self.value]


class Polarity(StrEnum):
    """Whether a finding speaks against the service, for it, or only informs."""

    FAULT = "fault"
    CREDIT = "credit"
    NOTE = "note"


class Standing(StrEnum):
    """What became of a finding in the scorecard."""

    UNSCORED = "unscored"
    """No scorecard item names its rule: listed, without effect on the score."""
    COUNTED = "counted"
    """Its points count."""
    CAPPED = "capped"
    """Its item was already at its cap or counts once; listed without further points."""
    REVIEW = "review"
    """Too doubtful to count: waits for a person (待复核)."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """One checkable place in the call: words, or a stretch of time without words."""

    operator: str
    """What matched: `keyword`, `silence`, `response_time`, `overlap`, `omission` …"""
    start_ms: int
    end_ms: int
    utterance: int | None = None
    """Index of the utterance quoted; None for silences and omissions."""
    start_char: int = 0
    """Offset in that utterance's text, in characters."""
    end_char: int = 0
    """Exclusive."""
    quote: str = ""
    """Exactly utterance.text[start_char:end_char]; empty without an utterance."""
    role: Role = Role.UNSURE
    """Who is heard (or silent) there."""
    note: str = ""
    """Chinese words on what this place shows (e.g. 客户提出要求)."""


@dataclass(frozen=True, kw_only=True)
class Confidence:
    """How sure a finding is, and what lowers it."""

    value: float
    """0 to 1; the lowest of its reasons, never an average that hides one."""
    reasons: tuple[str, ...] = ()
    """Chinese sentences for everything that lowered it; empty when nothing did."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One inspected point of one call."""

    rule_id: str
    """`<analyzer>.<rule>`, stable over releases."""
    rule_version: str
    """Version of the analyzer or rule pack that decided."""
    dimension: str
    """Id of the analyzer that found it."""
    title: str
    """Short Chinese name of the point."""
    level: Level
    polarity: Polarity
    who: Role
    """Whose conduct it is about."""
    evidence: tuple[Evidence, ...]
    """At least one place; the first is where the player jumps to."""
    confidence: Confidence
    explanation: str
    """Chinese: what was found and why it counts, with the call's own times and words."""
    advice: str = ""
    """Chinese: what to do better, with the call's own facts; empty for notes and credits."""
    facts: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    """Measured values behind it (`delay_ms`, `threshold_ms`, `phrase` …), for programs."""
    id: str = ""
    """`<rule_id>#<n>`, n from 1 in order of decision; set by the runner."""
    decided_ms: int = 0
    """Call time at which it was decided; set by the runner."""
    points: float = 0.0
    """Effect on the score; set by the scorecard."""
    standing: Standing = Standing.UNSCORED
    """Set by the scorecard."""


@dataclass(frozen=True, kw_only=True)
class AnalyzerFailure:
    """An analyzer that could not finish: its dimension was NOT inspected."""

    analyzer: str
    """Its id."""
    name: str
    """Its Chinese name."""
    error_type: str
    """Exception class only: messages may hold customer words."""
    at_ms: int
    """Call time of the event it failed on; its findings from before still stand."""
