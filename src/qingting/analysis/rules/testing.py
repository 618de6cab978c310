"""Runs a rule's own examples: each positive one must give findings, each negative one none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qingting.analysis.rules.beside import analyzers_for
from qingting.analysis.rules.examples import example_call
from qingting.analysis.rules.eye import RuleEye
from qingting.analysis.rules.hearing import UNKNOWN
from qingting.analysis.rules.model import Example, Rule
from qingting.analysis.runner import Inspection

if TYPE_CHECKING:
    from qingting.analysis.meaning import SentenceVectors

FAILED = -1
UNJUDGED = -2


@dataclass(frozen=True, kw_only=True)
class ExampleResult:
    """How one example went."""

    rule: Rule
    example: Example
    number: int
    """Position among the rule's positive or negative examples, from 1."""
    findings: int
    """How many findings the rule gave; FAILED when it failed on the call, UNJUDGED when what it needs is missing."""

    @property
    def passed(self) -> bool:
        """Whether the rule did as its author says."""
        if not self.example.positive:
            return self.findings == 0
        return self.findings == self.example.findings if self.example.findings is not None else self.findings > 0

    @property
    def label(self) -> str:
        """Name of the example for its author."""
        kind = "positive" if self.example.positive else "negative"
        return f"{self.rule.id}: {kind} example {self.number}" + (
            f" ({self.example.name})" if self.example.name else ""
        )


def run_examples(rules: Sequence[Rule], *, vectors: SentenceVectors | None = None) -> list[ExampleResult]:
    """Run every example of every rule, each rule alone beside the dimensions it rests on (default options)."""
    results: list[ExampleResult] = []
    for rule in rules:
        eye = RuleEye([rule])
        inspection = Inspection([*analyzers_for(eye.compiled), eye], vectors=vectors)
        counts = {True: 0, False: 0}
        for example in rule.examples:
            counts[example.positive] += 1
            call, transcript = example_call(example)
            result = inspection.analyze(transcript, call)
            findings = sum(one.dimension == eye.id for one in result.findings)
            if result.failures:
                findings = FAILED
            elif any(one.what.startswith(UNKNOWN) for one in result.gaps):
                findings = UNJUDGED
            results.append(
                ExampleResult(rule=rule, example=example, number=counts[example.positive], findings=findings)
            )
    return results


def without_examples(rules: Sequence[Rule]) -> list[tuple[Rule, str]]:
    """Rules that lack a positive or a negative example, with what they lack."""
    lacking = []
    for rule in rules:
        kinds = {example.positive for example in rule.examples}
        lacking += [(rule, name) for name, wanted in (("positive", True), ("negative", False)) if wanted not in kinds]
    return lacking
