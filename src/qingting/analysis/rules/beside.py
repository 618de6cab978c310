"""The dimensions that rules rest on, for running rules by themselves: examples and explanations."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qingting.analysis.analyzer import Analyzer
    from qingting.analysis.rules.compiling import CompiledRules

_APART = ("custom_rules", "llm_judge")
"""Never run beside: the rules themselves, and what asks a language model."""


def analyzers_for(rules: CompiledRules) -> tuple[Analyzer, ...]:
    """Return the analyzers that the rules need, with their default options; all when a rule takes any dimension."""
    if not rules.signals:
        return ()
    known = _all()
    wanted = known.keys() if rules.takes_any else rules.rests_on & known.keys()
    return tuple(known[name] for name in sorted(wanted))


@cache
def _all() -> dict[str, Analyzer]:
    """One instance of each analyzer: they are immutable and serve many calls."""
    from qingting.analysis.discovery import discover

    return {kind.id: kind() for kind in discover() if kind.id not in _APART}
