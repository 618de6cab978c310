"""What dimensions tell each other during a call: typed signals, given once and never taken back.

An analyzer publishes what it knows through CallSoFar (`publish`), findings are signals by
themselves, and analyzers that declare `listens` are asked after all others at every event, so
that they know what the others made of that very event. The order of signals follows from the
order of events alone: live and afterwards give the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from qingting.model.call import Role
from qingting.model.finding import Confidence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qingting.model.finding import Evidence, Finding
    from qingting.model.transcript import Utterance

MEANING = "meaning"
"""Stands for the sentence vectors where a condition says what it rests on."""

FAILED = "检查时出错"
"""Why a dimension is missing that raised an error."""


class SignalName(StrEnum):
    """What a signal is about."""

    EMOTION = "emotion"
    """Mood of an utterance: value `positive`, `calm`, `negative` or `angry`, strength the negative intensity."""
    LANGUAGE = "language"
    """Language of an utterance: value the id, empty when it does not show."""
    RESOLUTION = "resolution"
    """A step towards a solution: `problem`, `solution`, `confirmation`, `acceptance`, `rejection`."""
    KNOWLEDGE = "knowledge"
    """What was looked up `fits` the question."""
    FINDING = "finding"
    """A finding of any dimension: value its rule id."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Signal:
    """One thing a dimension knows."""

    name: SignalName
    value: str
    role: Role
    """Whose speech or conduct it is about."""
    evidence: tuple[Evidence, ...]
    """At least one place; the first is where it lies in the call."""
    confidence: Confidence
    utterances: tuple[Utterance, ...] = ()
    """What it rests on."""
    strength: float = 0.0
    """0 to 1, where the name has a measure."""
    says: str = ""
    """Chinese: what stands behind it."""
    finding: Finding | None = None
    """The finding it is, for FINDING."""


class SignalBoard:
    """The signals of one call in order, and which dimensions cannot tell anything; the runner's own."""

    def __init__(self, wanted: frozenset[str] = frozenset(), analyzers: Sequence[str] = ()) -> None:
        """`wanted` are the names somebody listens to; `analyzers` the ids of those that were asked to run."""
        self.wanted = wanted
        self.signals: list[Signal] = []
        self.lost: dict[str, str] = {}
        """Analyzer id (or MEANING) -> Chinese: why it tells nothing from now on."""
        self._known = frozenset((*analyzers, MEANING))

    def missing(self, source: str) -> str:
        """Say in Chinese why a dimension tells nothing; empty when it does."""
        if source not in self._known:
            return "未启用"
        return self.lost.get(source, "")

    @property
    def failed(self) -> str:
        """Say in Chinese that some dimension failed on the call; empty when none did."""
        return FAILED if FAILED in self.lost.values() else ""
