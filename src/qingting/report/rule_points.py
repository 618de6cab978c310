"""Points that a finding's own rule names, for items that score `by_rule`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qingting.model.finding import Polarity
from qingting.report.card import tenths

if TYPE_CHECKING:
    from qingting.model.finding import Finding

POINTS = "rule_points"
"""Fact of a finding: points of its rule, negative for deductions."""
COUNTS_ONCE = "rule_counts_once"
"""Fact of a finding: its rule counts once in a call."""


def wanted_tenths(finding: Finding) -> int:
    """Tenths the finding's rule asks for; 0 where it asks for nothing, or for the opposite of what it is."""
    value = finding.facts.get(POINTS, 0.0)
    amount = tenths(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0
    fits = amount > 0 if finding.polarity is Polarity.CREDIT else amount < 0
    return amount if fits and finding.polarity is not Polarity.NOTE else 0


def counts_once(finding: Finding) -> bool:
    """Whether the finding's rule counts once in a call."""
    return finding.facts.get(COUNTS_ONCE) is True
