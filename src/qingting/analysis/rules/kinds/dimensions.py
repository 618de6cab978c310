"""Conditions on what other dimensions know: emotion, language, contact reason, resolution, knowledge, findings.

Emotion, language and the steps of a resolution are known when the utterance has ended; verdicts
and findings may come later than the words they are about, so their absence is certain only at
the end of the call.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, ClassVar, cast

from qingting.analysis.dialects import SURE, dialects
from qingting.analysis.intents import intents
from qingting.analysis.rules.kinds.base import Found
from qingting.analysis.rules.kinds.signals import SignalKind, found_of, moment, refuse_unknown
from qingting.analysis.signals import SignalName
from qingting.analysis.wording import at, quoted
from qingting.model.finding import Level, Polarity

if TYPE_CHECKING:
    from qingting.analysis.context import CallSoFar
    from qingting.analysis.rules.model import Condition
    from qingting.analysis.signals import Signal
    from qingting.model.call import Role

ANYTHING = "*"
_OWN = "custom_rules"


class LanguageKind(SignalKind):
    """Someone speaks one of these languages."""

    name: ClassVar[str] = "language"
    chinese: ClassVar[str] = "语种"
    analyzer: ClassVar[str] = "dialect_detector"
    signals: ClassVar[frozenset[str]] = frozenset({SignalName.LANGUAGE})
    shorthand: ClassVar[str] = "any"

    @dataclass(frozen=True, kw_only=True)
    class Options:
        """Which languages, and from which certainty on."""

        any: tuple[str, ...]
        """`mandarin`, `english`, or ids of dialects (cantonese, sichuan, wu …)."""
        least_confidence: float = SURE
        """Utterances whose language is less sure do not count, 0 to 1."""

        def __post_init__(self) -> None:
            """Refuse what can never hold."""
            if not self.any or not 0.0 <= self.least_confidence <= 1.0:
                raise ValueError("`any` needs a language, and `least_confidence` lies between 0 and 1")

    def __init__(self, condition: Condition) -> None:
        super().__init__(condition)
        self.options = cast("LanguageKind.Options", condition.options)
        self.wanted = self._wanted()

    def _wanted(self) -> frozenset[str]:
        refuse_unknown(self.options.any, languages(), "language")
        return frozenset(self.options.any)

    def take(self, signal: Signal) -> Found | None:
        """Compare the language of an utterance."""
        if signal.value not in self.wanted or signal.confidence.value < self.options.least_confidence:
            return None
        name = languages()[signal.value]
        return found_of(signal, f"{moment(signal)}说{name}", value=name)

    def label(self) -> str:
        """Write the languages."""
        return f"说{'、'.join(languages()[one] for one in self.options.any)}"


class DialectKind(LanguageKind):
    """Someone speaks a dialect: one of these, or any (`*`)."""

    name: ClassVar[str] = "dialect"
    chinese: ClassVar[str] = "方言"

    def _wanted(self) -> frozenset[str]:
        known = languages().keys() - {"mandarin", "english"}
        if self.options.any == (ANYTHING,):
            return frozenset(known)
        refuse_unknown(self.options.any, known, "dialect")
        return frozenset(self.options.any)

    def label(self) -> str:
        """Write the dialects."""
        return "说方言" if self.options.any == (ANYTHING,) else super().label()


@cache
def languages() -> dict[str, str]:
    """Ids and Chinese names of all languages that conditions may name."""
    return {**{one.id: one.name for one in dialects().values()}, "mandarin": "普通话"}


class IntentKind(SignalKind):
    """A contact reason is mentioned for the first time."""

    name: ClassVar[str] = "intent"
    chinese: ClassVar[str] = "来电原因"
    analyzer: ClassVar[str] = "contact_reason"
    signals: ClassVar[frozenset[str]] = frozenset({SignalName.FINDING})
    shorthand: ClassVar[str] = "any"

    @dataclass(frozen=True, kw_only=True)
    class Options:
        """Which contact reasons."""

        any: tuple[str, ...]
        """Ids of contact reasons (refund, logistics …), `unknown`, or `*` for every known one."""
        primary: bool = False
        """Only the call's main reason, the one mentioned first."""

        def __post_init__(self) -> None:
            """Refuse an empty list."""
            if not self.any:
                raise ValueError("`any` needs a contact reason")

    def __init__(self, condition: Condition) -> None:
        super().__init__(condition)
        self.options = cast("IntentKind.Options", condition.options)
        self.names = {**{one.id: one.name for one in intents()}, "unknown": "不明"}
        refuse_unknown(self.options.any, {*self.names, ANYTHING}, "contact reason")

    @property
    def late(self) -> bool:
        """A reason that no words gave is found by comparison at the end."""
        return True

    def take(self, signal: Signal) -> Found | None:
        """Compare the reason."""
        analyzer, _, intent = signal.value.partition(".")
        every = ANYTHING in self.options.any and intent != "unknown"
        if analyzer != self.analyzer or not (every or intent in self.options.any):
            return None
        main = signal.finding is not None and bool(signal.finding.facts.get("primary"))
        if self.options.primary and not main:
            return None
        name = self.names.get(intent, intent)
        return found_of(signal, f"{moment(signal)}提到来电原因“{name}”", value=name)

    def label(self) -> str:
        """Write the reasons."""
        if ANYTHING in self.options.any:
            return "提到来电原因"
        return f"提到来电原因{'、'.join(quoted(self.names[one]) for one in self.options.any)}"


class ResolutionState(StrEnum):
    """A step on the way to a solution, or the verdict at the end."""

    PROBLEM = "problem"
    SOLUTION = "solution"
    CONFIRMATION = "confirmation"
    ACCEPTANCE = "acceptance"
    REJECTION = "rejection"
    RESOLVED = "resolved"
    UNRESOLVED = "unresolved"
    UNCLEAR = "unclear"
    REPEAT_CONTACT = "repeat_contact"

    @property
    def chinese(self) -> str:
        """What a reader sees."""
        return {
            "problem": "说明问题", "solution": "给出具体方案", "confirmation": "确认方案", "acceptance": "接受方案",
            "rejection": "否定方案", "resolved": "问题已解决", "unresolved": "问题未解决",
            "unclear": "问题是否解决不明确", "repeat_contact": "问题此前来电反映过",
        }[self.value]  # fmt: skip

    @property
    def is_verdict(self) -> bool:
        """Whether it is known at the end of the call only."""
        return self in _VERDICTS


_VERDICTS = (
    ResolutionState.RESOLVED, ResolutionState.UNRESOLVED, ResolutionState.UNCLEAR, ResolutionState.REPEAT_CONTACT,
)  # fmt: skip


class ResolutionKind(SignalKind):
    """A problem takes a step, or comes to its verdict."""

    name: ClassVar[str] = "resolution"
    chinese: ClassVar[str] = "首次解决"
    analyzer: ClassVar[str] = "resolution"
    signals: ClassVar[frozenset[str]] = frozenset({SignalName.RESOLUTION, SignalName.FINDING})
    shorthand: ClassVar[str] = "any"

    @dataclass(frozen=True, kw_only=True)
    class Options:
        """Which steps or verdicts."""

        any: tuple[ResolutionState, ...]
        """Steps when they are heard, verdicts at the end of the call."""

        def __post_init__(self) -> None:
            """Refuse an empty list."""
            if not self.any:
                raise ValueError("`any` needs a step or a verdict")

    def __init__(self, condition: Condition) -> None:
        super().__init__(condition)
        self.wanted = cast("ResolutionKind.Options", condition.options).any

    @property
    def late(self) -> bool:
        """Verdicts lie where the problem was stated and are given at the end."""
        return any(one.is_verdict for one in self.wanted)

    @property
    def at_end(self) -> bool:
        """Verdicts are given at the end."""
        return all(one.is_verdict for one in self.wanted)

    def take(self, signal: Signal) -> Found | None:
        """Compare the step or the verdict."""
        analyzer, _, value = signal.value.rpartition(".")
        if (signal.finding is not None and analyzer != self.analyzer) or value not in self.wanted:
            return None
        state = ResolutionState(value)
        when = at(signal.evidence[0].start_ms)
        says = f"{when}提出的{state.chinese}" if state.is_verdict else f"{moment(signal)}{state.chinese}"
        return found_of(signal, says, value=state.chinese)

    def is_meant(self, role: Role) -> bool:
        """Every step has its own speaker."""
        return True

    def label(self) -> str:
        """Write the states."""
        return "或".join(one.chinese for one in self.wanted)


class KnowledgeState(StrEnum):
    """How what was looked up goes with what was asked."""

    FITS = "fits"
    MISMATCH = "mismatch"
    SEARCHED_IN_VAIN = "searched_in_vain"
    NOT_SEARCHED = "not_searched"
    TIME_LOST = "time_lost"

    @property
    def chinese(self) -> str:
        """What a reader sees."""
        return {
            "fits": "知识与问题相符", "mismatch": "知识匹配偏差", "searched_in_vain": "检索未果",
            "not_searched": "不清楚而未检索", "time_lost": "检索周折过多",
        }[self.value]  # fmt: skip


class KnowledgeKind(SignalKind):
    """The knowledge base was used well, badly, or not at all."""

    name: ClassVar[str] = "knowledge"
    chinese: ClassVar[str] = "知识库使用"
    analyzer: ClassVar[str] = "knowledge"
    signals: ClassVar[frozenset[str]] = frozenset({SignalName.KNOWLEDGE, SignalName.FINDING})
    shorthand: ClassVar[str] = "any"
    of_speech: ClassVar[bool] = False

    @dataclass(frozen=True, kw_only=True)
    class Options:
        """Which uses."""

        any: tuple[KnowledgeState, ...]
        """Known when the question was answered, or at the end of the call."""

        def __post_init__(self) -> None:
            """Refuse an empty list."""
            if not self.any:
                raise ValueError("`any` needs a state")

    def __init__(self, condition: Condition) -> None:
        super().__init__(condition)
        self.wanted = cast("KnowledgeKind.Options", condition.options).any

    @property
    def late(self) -> bool:
        """It lies where the question was asked and is known when that was answered."""
        return True

    def take(self, signal: Signal) -> Found | None:
        """Compare the state."""
        analyzer, _, value = signal.value.rpartition(".")
        if (signal.finding is not None and analyzer != self.analyzer) or value not in self.wanted:
            return None
        state = KnowledgeState(value)
        return found_of(signal, f"{at(signal.evidence[0].start_ms)}{state.chinese}", value=state.chinese)

    def is_meant(self, role: Role) -> bool:
        """Only the agent searches."""
        return True

    def label(self) -> str:
        """Write the states."""
        return "或".join(one.chinese for one in self.wanted)


class FindingKind(SignalKind):
    """Another dimension found something."""

    name: ClassVar[str] = "finding"
    chinese: ClassVar[str] = "其他维度的发现"
    signals: ClassVar[frozenset[str]] = frozenset({SignalName.FINDING})
    shorthand: ClassVar[str] = "rule"
    of_speech: ClassVar[bool] = False

    @dataclass(frozen=True, kw_only=True)
    class Options:
        """Which findings; everything given must fit."""

        rule: tuple[str, ...] = ()
        """Rule ids such as `responsiveness.dead_air`; `*` stands for any characters."""
        dimension: tuple[str, ...] = ()
        """Ids of dimensions."""
        level: Level | None = None
        """At least this severe."""
        polarity: Polarity | None = None
        """`fault`, `credit` or `note`."""
        least_confidence: float = 0.0
        """Findings that are less sure do not count, 0 to 1."""

        def __post_init__(self) -> None:
            """Refuse what can never hold."""
            if not (self.rule or self.dimension or self.level or self.polarity):
                raise ValueError("give at least one of rule, dimension, level and polarity")
            if not 0.0 <= self.least_confidence <= 1.0:
                raise ValueError("`least_confidence` lies between 0 and 1")

    def __init__(self, condition: Condition) -> None:
        super().__init__(condition)
        self.options = cast("FindingKind.Options", condition.options)
        self.patterns = tuple(re.compile(re.escape(one).replace(r"\*", ".*")) for one in self.options.rule)
        refuse_unknown(self._named(), _dimensions(), "dimension that rules may rest on")

    def _named(self) -> tuple[str, ...]:
        """Dimensions that the condition names, by themselves or in rule ids."""
        of_rules = (one.partition(".")[0] for one in self.options.rule)
        return (*self.options.dimension, *(one for one in of_rules if ANYTHING not in one))

    @property
    def late(self) -> bool:
        """A finding may be decided long after the words it is about."""
        return True

    def rests_on(self) -> tuple[str, ...]:
        """The dimensions it names."""
        return tuple(dict.fromkeys(self._named()))

    def missing(self, so_far: CallSoFar) -> str:
        """A condition on any dimension is unknown when one of them failed."""
        return super().missing(so_far) or ("" if self.rests_on() else so_far.failed)

    def take(self, signal: Signal) -> Found | None:
        """Compare the finding."""
        finding, asked = signal.finding, self.options
        if finding is None or finding.confidence.value < asked.least_confidence:
            return None
        fits = (
            not self.patterns or any(one.fullmatch(finding.rule_id) for one in self.patterns),
            not asked.dimension or finding.dimension in asked.dimension,
            asked.level is None or finding.level <= asked.level,
            asked.polarity is None or finding.polarity is asked.polarity,
        )
        if not all(fits):
            return None
        return found_of(signal, f"{moment(signal)}“{finding.title}”", value=finding.title)

    def label(self) -> str:
        """Write what is meant."""
        named = "、".join((*self.options.rule, *self.options.dimension))
        level = f"{self.options.level.chinese}及以上的" if self.options.level is not None else ""
        return f"出现{level}发现{f'（{named}）' if named else ''}"


@cache
def _dimensions() -> frozenset[str]:
    from qingting.analysis.discovery import analyzer_ids

    return frozenset(analyzer_ids()) - {_OWN}
