"""What a kind of condition is: options, what it listens to, and its eye on one call.

A new kind is one class here or beside, named in `kinds/__init__.py`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from qingting.analysis.analyzer import SpeechStart
    from qingting.analysis.context import CallSoFar, UtteranceFacts
    from qingting.analysis.rules.model import Condition, Homophones
    from qingting.analysis.signals import Signal
    from qingting.analysis.text import Hit
    from qingting.model.finding import Evidence
    from qingting.model.transcript import Utterance
    from qingting.pinyin import Likeness


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """One hit of a condition."""

    at_ms: int
    """Moment by which positions and anchors judge it."""
    start_ms: int
    end_ms: int
    evidence: tuple[Evidence, ...]
    says: str
    """What was found, as a Chinese clause with its time: 客户在第0分12秒说“我要投诉”."""
    quote: str = ""
    """The words for templates."""
    utterances: tuple[Utterance, ...] = ()
    """What it rests on."""
    term: int = 0
    """Which of the condition's terms it is."""
    value: str = ""
    """Captured value as texts may show it."""
    length_ms: int | None = None
    """Measured length, of a silence or an overlap."""
    confidence: float = 1.0
    reason: str = ""
    """Chinese: why the confidence is lower."""
    words: bool = True
    """Whether it rests on words and not on times alone."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Term:
    """A word to find for a condition."""

    word: str
    number: int = 0
    """Which of the condition's terms it stands for."""
    homophones: Homophones | None = None
    """How it may be mis-heard; None finds it as written only."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TermHit:
    """A term found in an utterance."""

    hit: Hit
    number: int
    likeness: Likeness | None = None
    """How it differs when it was found by its sound."""
    confidence: float = 1.0


class Eye:
    """A condition's state in one call; every method returns what was found just now."""

    settled: bool = False
    """Whether nothing more can be found."""

    def on_terms(self, facts: UtteranceFacts, hits: Sequence[TermHit]) -> Iterable[Found]:
        """Terms stand in an utterance of the condition's speaker."""
        return ()

    def on_utterance(self, facts: UtteranceFacts) -> Iterable[Found]:
        """An utterance of the condition's speaker (of anyone where the kind hears all) has ended."""
        return ()

    def on_speech_start(self, speech: SpeechStart) -> Iterable[Found]:
        """Someone begins to speak."""
        return ()

    def on_timer(self, at_ms: int) -> Iterable[Found]:
        """Handle the wished time."""
        return ()

    def on_end(self, end_ms: int) -> Iterable[Found]:
        """The call is over."""
        return ()

    def on_signal(self, signal: Signal) -> Iterable[Found]:
        """Another dimension knows something; only signals that the kind names come here."""
        return ()


class Kind(ABC):
    """A kind of condition, prepared for one condition; shared by all calls."""

    name: ClassVar[str]
    """Key in rule files."""
    chinese: ClassVar[str]
    """What people call it."""
    Options: ClassVar[type]
    """Frozen dataclass; raises ValueError for what can never work."""
    shorthand: ClassVar[str] = ""
    """Option that a bare value stands for: `words: [退款]`."""
    needs_voice: ClassVar[bool] = False
    """Whether it needs acoustic facts: unknown, never absent, in calls without."""
    hears_all: ClassVar[bool] = False
    """Whether it listens to everyone and picks its speaker itself."""
    waits: ClassVar[bool] = False
    """Whether it wants timers or the start of the call, so that its eye opens with the call."""
    delayable: ClassVar[bool] = False
    """Whether earlier utterances may be shown to its eye later: it needs nothing but their words and facts."""
    captures: ClassVar[bool] = False
    """Whether its hits carry a value for templates."""
    anchorable: ClassVar[bool] = True
    """Whether its hits have a place in the call."""
    of_speech: ClassVar[bool] = True
    """Whether its absence can only be judged when both sides were heard."""
    signals: ClassVar[frozenset[str]] = frozenset()
    """Names of the signals of other dimensions that it listens to."""
    may_miss: ClassVar[bool] = False
    """Whether what it rests on may be missing in a call: then it is unknown, neither present nor absent."""
    needs_terms: int = 0
    """So many different terms must be among the hits of one scope; 0 asks for no variety."""

    def __init__(self, condition: Condition) -> None:
        self.condition = condition

    def problem(self) -> str:
        """Say why the condition cannot work as a whole (English, for its author); empty when it can."""
        return ""

    @property
    def late(self) -> bool:
        """Whether its hits may become known long after their place in the call: absence is certain at the end only."""
        return False

    @property
    def at_end(self) -> bool:
        """Whether its hits come at the end of the call only."""
        return False

    def rests_on(self) -> tuple[str, ...]:
        """Ids of the analyzers it needs, or signals.MEANING."""
        return ()

    def missing(self, so_far: CallSoFar) -> str:
        """Say in Chinese why it cannot be known in this call; empty when it can."""
        for source in self.rests_on():
            reason = so_far.missing(source)
            if reason:
                return f"{self.chinese}：{reason}"
        return ""

    def terms(self) -> Iterable[Term]:
        """Words to find in the one pass over each utterance."""
        return ()

    @abstractmethod
    def open(self, so_far: CallSoFar, wake: Callable[[int], None]) -> Eye:
        """Open the eye for one call; `wake(at_ms)` asks for on_timer."""

    @abstractmethod
    def label(self) -> str:
        """Write what is looked for as a Chinese verb phrase: 说“退款”等."""

    @property
    def label_text(self) -> str:
        """The condition's own name, else the label."""
        return self.condition.name or self.label()
