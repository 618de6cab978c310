"""What a backtest says: per call, and over all calls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from qingting.backtest.versions import Side


class ChangeKind(StrEnum):
    """How a verdict changed."""

    FIRES = "fires"
    """Only the new version finds it."""
    GONE = "gone"
    """Only the old version finds it."""
    CHANGED = "changed"
    """Both find it, with another level, polarity, role or standing in the score."""

    @property
    def chinese(self) -> str:
        """The word people read."""
        return {"fires": "新增命中", "gone": "不再命中", "changed": "判定变化"}[self.value]


@dataclass(frozen=True, kw_only=True)
class Change:
    """One verdict that the two versions do not share, with its place in the call."""

    kind: ChangeKind
    call_id: str
    file: str
    """Stored report, as seen from the folder."""
    rule_id: str
    title: str
    level: str
    """Chinese; of the new version where both find it."""
    start_ms: int
    end_ms: int
    quote: str
    """Words of the evidence, empty where it has none."""
    explanation: str
    """Chinese: why it was found."""
    differs: str = ""
    """Chinese, for CHANGED: what differs (程度：中等→严重)."""
    reviewed: bool | None = None
    """What the labels say of this place: a true finding, a false one, or nothing."""

    @property
    def better(self) -> bool | None:
        """Whether the new version is right where the old one was wrong; None without label, or when both find it."""
        if self.reviewed is None or self.kind is ChangeKind.CHANGED:
            return None
        return self.reviewed is (self.kind is ChangeKind.FIRES)


@dataclass(frozen=True, kw_only=True)
class RuleCount:
    """How often a rule was found, in one call or in all."""

    title: str = ""
    old: int = 0
    """Findings of the old version."""
    new: int = 0
    calls_old: int = 0
    """Calls in which the old version finds it."""
    calls_new: int = 0
    fires: int = 0
    """Findings of the new version alone."""
    gone: int = 0
    """Findings of the old version alone."""
    changed: int = 0
    kept: int = 0
    """Found by both alike."""

    def plus(self, other: RuleCount) -> RuleCount:
        """Add another call's counts."""
        return RuleCount(
            title=other.title or self.title,
            old=self.old + other.old,
            new=self.new + other.new,
            calls_old=self.calls_old + other.calls_old,
            calls_new=self.calls_new + other.calls_new,
            fires=self.fires + other.fires,
            gone=self.gone + other.gone,
            changed=self.changed + other.changed,
            kept=self.kept + other.kept,
        )


@dataclass(frozen=True, kw_only=True)
class Quality:
    """One version's findings against the labels."""

    true_found: int = 0
    """Labelled yes, and found."""
    true_missed: int = 0
    """Labelled yes, and not found."""
    false_found: int = 0
    """Labelled no, and found."""
    false_avoided: int = 0
    """Labelled no, and not found."""
    not_inspected: int = 0
    """Labels in calls whose dimension could not be inspected: in no figure."""

    @property
    def precision(self) -> float | None:
        """Share of what was found and reviewed that is true; None when nothing of it was found."""
        found = self.true_found + self.false_found
        return self.true_found / found if found else None

    @property
    def recall(self) -> float | None:
        """Share of the true ones that were found; None without true ones."""
        true = self.true_found + self.true_missed
        return self.true_found / true if true else None

    @property
    def f1(self) -> float | None:
        """Harmonic mean of precision and recall; None where they are not both known."""
        precision, recall = self.precision, self.recall
        if precision is None or recall is None:
            return None
        return 2 * precision * recall / (precision + recall) if precision + recall else 0.0

    def plus(self, other: Quality) -> Quality:
        """Add other counts."""
        return Quality(
            true_found=self.true_found + other.true_found,
            true_missed=self.true_missed + other.true_missed,
            false_found=self.false_found + other.false_found,
            false_avoided=self.false_avoided + other.false_avoided,
            not_inspected=self.not_inspected + other.not_inspected,
        )


@dataclass(frozen=True, kw_only=True)
class CallScore:
    """A call's scores under both versions; None where a version could not score it."""

    call_id: str
    file: str
    old: float | None
    new: float | None
    old_grade: str
    new_grade: str

    @property
    def difference(self) -> float | None:
        """New minus old, in points; None unless both scored the call."""
        return None if self.old is None or self.new is None else round(self.new - self.old, 1)


@dataclass(frozen=True, kw_only=True)
class Failed:
    """A dimension that a version could not inspect in a call: its silence there says nothing."""

    call_id: str
    file: str
    side: Side
    analyzer: str
    error_type: str


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """A stored report that was not compared, and why."""

    file: str
    reason: str
    """Holds no words of the call."""
    damaged: bool
    """True when something is broken, false when it is none of this comparison's business."""


@dataclass(frozen=True, kw_only=True)
class CallComparison:
    """What the two versions say about one call."""

    call_id: str
    file: str
    score: CallScore
    changes: tuple[Change, ...] = ()
    rules: Mapping[str, RuleCount] = field(default_factory=dict)
    """Rule id -> counts."""
    quality: Mapping[str, Mapping[Side, Quality]] = field(default_factory=dict)
    """Rule id -> side -> this call's labels."""
    unreviewed: Mapping[Side, int] = field(default_factory=dict)
    """Findings that no label speaks of."""
    failed: tuple[Failed, ...] = ()
