"""Adds up what a backtest found over all calls."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import fmean
from typing import TYPE_CHECKING

from qingting.backtest.values import CallComparison, CallScore, Change, Failed, LeftOut, Quality, RuleCount
from qingting.backtest.versions import Side

if TYPE_CHECKING:
    from qingting.backtest.labels import Labels

_BANDS = (
    "低20分以上", "低10至20分", "低5至10分", "低不到5分", "不变", "高不到5分", "高5至10分", "高10至20分", "高20分以上",
)  # fmt: skip
_BORDERS = (20.0, 10.0, 5.0)


@dataclass(kw_only=True)
class Summary:
    """What a backtest says over all calls."""

    old: str
    """Label of the old version."""
    new: str
    labels: int = 0
    """Reviewed verdicts given; 0 without a label file."""
    calls: int = 0
    """Calls compared."""
    calls_changed: int = 0
    """Calls with at least one changed verdict."""
    changes: list[Change] = field(default_factory=list)
    rules: dict[str, RuleCount] = field(default_factory=dict)
    scores: list[CallScore] = field(default_factory=list)
    """In order of the files."""
    quality: dict[str, dict[Side, Quality]] = field(default_factory=dict)
    unreviewed: Counter[Side] = field(default_factory=Counter)
    failed: list[Failed] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    labels_unused: int = 0
    """Labels about calls or rules that are not in the comparison."""

    @property
    def complete(self) -> bool:
        """Whether every stored report could be compared in all dimensions."""
        return not self.failed and not any(one.damaged for one in self.left_out)

    def total_quality(self, side: Side) -> Quality:
        """Add up a version's quality over all rules."""
        total = Quality()
        for by_side in self.quality.values():
            total = total.plus(by_side[side])
        return total

    @property
    def both_scored(self) -> list[CallScore]:
        """Calls that both versions could score."""
        return [one for one in self.scores if one.difference is not None]

    def mean_score(self, side: Side) -> float | None:
        """Mean score over the calls that both versions could score; None without any."""
        values = [one.old if side is Side.OLD else one.new for one in self.both_scored]
        return fmean(value for value in values if value is not None) if values else None

    @property
    def mean_difference(self) -> float | None:
        """Mean of new minus old over the calls that both versions could score; None without any."""
        return fmean(one.difference or 0.0 for one in self.both_scored) if self.both_scored else None

    def differences(self) -> list[tuple[str, int]]:
        """Count the score differences in bands, the largest losses first."""
        found = Counter(_band(one.difference or 0.0) for one in self.both_scored)
        return [(name, found[number]) for number, name in enumerate(_BANDS)]

    def grade_changes(self) -> list[tuple[str, str, int]]:
        """(old grade, new grade, calls) of the calls whose grade changed, most frequent first."""
        moved = Counter((one.old_grade, one.new_grade) for one in self.scores if one.old_grade != one.new_grade)
        return [(old, new, count) for (old, new), count in moved.most_common()]


def summarise(outcomes: Iterable[CallComparison | LeftOut], *, old: str, new: str, labels: Labels) -> Summary:
    """Add up the outcomes of a backtest; holds changes and scores, never whole reports."""
    summary = Summary(old=old, new=new, labels=len(labels))
    used = 0
    for outcome in outcomes:
        if isinstance(outcome, LeftOut):
            summary.left_out.append(outcome)
        else:
            used += _add(summary, outcome)
    summary.labels_unused = len(labels) - used
    return summary


def _add(summary: Summary, one: CallComparison) -> int:
    """Add one call; returns how many labels spoke of it."""
    summary.calls += 1
    summary.calls_changed += bool(one.changes)
    summary.changes += one.changes
    summary.scores.append(one.score)
    summary.failed += one.failed
    summary.unreviewed.update(one.unreviewed)
    for rule, count in one.rules.items():
        summary.rules[rule] = summary.rules.get(rule, RuleCount()).plus(count)
    used = 0
    for rule, by_side in one.quality.items():
        before = summary.quality.setdefault(rule, {side: Quality() for side in Side})
        summary.quality[rule] = {side: before[side].plus(by_side[side]) for side in Side}
        old = by_side[Side.OLD]
        used += old.true_found + old.true_missed + old.false_found + old.false_avoided + old.not_inspected
    return used


def _band(difference: float) -> int:
    """Position in _BANDS of a score difference."""
    if difference == 0:
        return 4
    size = next((number for number, border in enumerate(_BORDERS) if abs(difference) >= border), 3)
    return size if difference < 0 else 8 - size
