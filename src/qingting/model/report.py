"""The report of one call: the one result shape of every entrance."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from qingting.model.audio import RecordingFormat, RoleDecision
from qingting.model.call import CallInfo, Role
from qingting.model.finding import AnalyzerFailure, Finding
from qingting.model.transcript import Transcript

SCHEMA_VERSION = "1.0"
"""Of the report's JSON form; the first number changes when a reader must change."""


@dataclass(frozen=True, kw_only=True)
class PartyStatistics:
    """How one role took part in the call."""

    role: Role
    party: str
    speech_ms: int
    """Sum of its utterances' lengths."""
    talk_ratio: float
    """Its speech_ms over all parties' speech_ms, 0 to 1."""
    turns: int
    """Utterances grouped until another party speaks."""
    characters: int
    """Characters (Chinese) and words (Latin) said."""
    characters_per_second: float | None
    """characters over speech time without inner pauses; None without words."""
    longest_turn_ms: int


@dataclass(frozen=True, kw_only=True)
class CallStatistics:
    """The call in figures."""

    duration_ms: int
    parties: tuple[PartyStatistics, ...]
    silence_ms: int
    """Time in which nobody speaks."""
    longest_silence_ms: int
    longest_silence_start_ms: int
    overlap_ms: int
    """Time in which both parties speak."""
    mean_response_ms: int | None
    """Mean gap from a customer turn's end to the agent's next start; None if never."""


@dataclass(frozen=True, kw_only=True)
class Gap:
    """Something that was not analysed, and why: a missing analysis never looks clean."""

    what: str
    """Machine name: `analyzer:<id>`, `audio.truncated`, `roles`, `recognition` …"""
    reason: str
    """Chinese sentence for the reader."""


@dataclass(frozen=True, kw_only=True)
class ScoreLine:
    """One scorecard item and what it came to in this call."""

    item: str
    """Item id in the card."""
    name: str
    """Chinese name."""
    section: str
    """Chinese name of the card's section (维度)."""
    points: float
    """Sum added (positive) or deducted (negative)."""
    findings: tuple[str, ...] = ()
    """Ids of the findings that were looked at for it."""
    review: tuple[str, ...] = ()
    """Ids of those that wait for a person and did not count."""
    fatal: bool = False
    """True when this item set its scope to zero (一票否决)."""
    applicable: bool = True
    """False when the item does not apply to this call, or was not inspected."""
    by_hand: bool = False
    """True for items only a person scores; points stay 0 here."""
    reason: str = ""
    """Chinese sentence: how the points came about."""


@dataclass(frozen=True, kw_only=True)
class Score:
    """The card's verdict; machine part only, people's part is kept apart."""

    card: str
    """Card id."""
    card_name: str
    card_version: str
    base: float
    floor: float
    ceiling: float
    total: float
    """clamp(base + sum of points, floor, ceiling), 0 when a fatal item covers the card."""
    grade: str
    """Chinese grade band; empty when the call could not be scored."""
    lines: tuple[ScoreLine, ...]
    valid: bool = True
    """False when the call could not be scored at all (no speech, one-sided …)."""
    note: str = ""
    """Chinese sentence on validity and on what waits for review."""


@dataclass(frozen=True, kw_only=True)
class Advice:
    """One concrete piece of advice for the agent, grouped over findings."""

    title: str
    text: str
    """Chinese, with the call's own times and facts."""
    findings: tuple[str, ...]
    """Ids it rests on."""
    start_ms: int
    """Where to listen."""


class Likeness(StrEnum):
    """How the similarity of a past case was measured."""

    MEANING = "meaning"
    """Nearness of sentence vectors: 0 is that of unrelated sentences, 1 the same sentence."""
    CHARACTERS = "characters"
    """Share of common pairs of characters."""
    RULE = "rule"
    """Not measured, there are no words to compare: the newest cases of the same rule."""

    @property
    def chinese(self) -> str:
        """The words a report reader sees."""
        return {"meaning": "语义相似度", "characters": "字面相似度", "rule": "同一规则"}[self.value]


@dataclass(frozen=True, kw_only=True)
class SimilarCase:
    """A reviewed finding of another call that is like a serious finding of this one."""

    finding: str
    """Id of the finding in this report."""
    call_id: str
    """The other call."""
    rule_id: str
    """The rule that found it there."""
    verdict: str
    """Chinese: what the reviewer decided (成立, 不成立)."""
    quote: str
    """What was said there; empty for findings without words."""
    handling: str
    """How it was handled, in the reviewer's words."""
    date: str
    """Day or time of the review, ISO 8601; empty when unknown."""
    similarity: float | None
    """0 to 1; None where there are no words to compare."""
    likeness: Likeness
    """How the similarity was measured."""


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """What made the report: enough to make it again and to check it."""

    qingting_version: str
    created_at: str
    """ISO 8601, UTC."""
    pack: str
    """Pack id and version, `ecommerce@1`."""
    transcript_sha256: str
    """Digest over the canonical transcript; evidence refers to it."""
    analyzers: dict[str, str] = field(default_factory=dict)
    """Analyzer id -> version of all that ran."""
    analyzer_names: dict[str, str] = field(default_factory=dict)
    """Analyzer id -> Chinese name of the dimension, for readers of the report."""
    report_sha256: str = ""
    """Digest over the canonical report without this field: any later change of the report shows."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """Everything Qingting says about one call."""

    call: CallInfo
    recording: RecordingFormat | None
    """None for text conversations."""
    roles: RoleDecision
    transcript: Transcript
    statistics: CallStatistics
    findings: tuple[Finding, ...]
    """In order of decision."""
    failures: tuple[AnalyzerFailure, ...]
    gaps: tuple[Gap, ...]
    score: Score
    advice: tuple[Advice, ...]
    provenance: Provenance
    schema_version: str = SCHEMA_VERSION
    similar_cases: tuple[SimilarCase, ...] = ()
    """Reviewed findings of other calls, nearest first per finding; empty without a case library."""
