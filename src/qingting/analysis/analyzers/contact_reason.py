"""来电原因: why the customer calls, at its first mention; by words, and by example sentences where asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from qingting.analysis.analyzer import Analyzer, Watch
from qingting.analysis.analyzers._contact_mentions import OUTBOUND, Mention, Source, agent_mentions, mentions
from qingting.analysis.confidence import confidence_of
from qingting.analysis.findings import utterance_evidence, words_evidence
from qingting.analysis.intents import Intent, intents, phrase_labels
from qingting.analysis.lexicon import lexicon
from qingting.analysis.meaning import (
    MeaningOptions,
    SentenceVectors,
    content_characters,
    nearest,
    open_vectors,
)
from qingting.analysis.wording import at, quoted
from qingting.errors import MeaningError
from qingting.model.call import CallInfo, Role
from qingting.model.finding import Confidence, Finding, Level, Polarity

if TYPE_CHECKING:
    from collections.abc import Iterable

    from qingting.analysis.context import CallSoFar, UtteranceFacts

_RULE_CONFIDENCE = {
    Source.PHRASE: (1.0, ""),
    Source.PAIR: (0.9, "由同一句中的几个词合起来判断"),
    Source.PATTERN: (0.85, "客户用日常说法提到，按事物和情况合起来判断"),
    Source.SIGN: (0.7, "客户没有明说，只按一个词推断"),
    Source.EXAMPLE: (0.55, "客户没有用已知说法，按与例句意思相近判断"),
}
_ANOTHER = "another"
"""Words by which the customer goes on to another matter."""


@dataclass(frozen=True, kw_only=True)
class ContactReasonOptions:
    """Which reasons are known, and how far one may look for them."""

    line_of_business: str = ""
    """Take the intents of this line; empty takes the call's own (`general` has all)."""
    more_phrases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Intent id -> further words that say it."""
    ignored: tuple[str, ...] = ()
    """Ids of intents that shall not be reported."""
    most_reasons: int = 4
    """So many reasons of one call are reported, the first mentioned ones."""
    meaning: MeaningOptions = field(default_factory=MeaningOptions)
    """Compare by meaning when no words give a reason; off by default, for it costs tens of CPU ms per sentence."""
    compared_utterances: int = 3
    """So many of the customer's first utterances with content are compared by meaning."""
    content_characters: int = 4
    """An utterance must have so many characters of content to be compared: emotional turns are near everything."""
    least_margin: float = 0.009
    """The nearest reason counts when the next other one is farther by this cosine distance."""

    def __post_init__(self) -> None:
        if min(self.most_reasons, self.compared_utterances, self.content_characters) < 1:
            raise ValueError("most_reasons, compared_utterances and content_characters must be at least 1")
        if self.least_margin < 0:
            raise ValueError("least_margin must not be negative")
        known = {intent.id for intent in intents()}
        unknown = sorted({*self.more_phrases, *self.ignored} - known)
        if unknown:
            raise ValueError(f"no intent has the id {unknown[0]}")


class ContactReason(Analyzer):
    """Names the reasons of a call at their first mention, or says that none was understood."""

    id: ClassVar[str] = "contact_reason"
    name: ClassVar[str] = "来电原因"
    description: ClassVar[str] = "客户为什么来电：退款、物流、故障、账单等原因及首次提到的时刻，主要原因与其他原因。"
    version: ClassVar[str] = "1"
    Options: ClassVar[type] = ContactReasonOptions
    options: ContactReasonOptions

    def __init__(self, options: object | None = None, *, vectors: SentenceVectors | None = None) -> None:
        super().__init__(options)
        self._vectors = vectors or open_vectors(self.options.meaning)
        """Raises MissingExtraError when the options ask for vectors that are not installed."""

    def phrases(self) -> Mapping[str, Iterable[str]]:
        """Words of all intents; which of them count is chosen per call."""
        labels = dict(phrase_labels(intents()))
        for intent, words in self.options.more_phrases.items():
            label = f"phrase:{intent}"
            labels[label] = (*labels[label], *words)
        labels[_ANOTHER] = lexicon("new_problem")
        return labels

    def watch(self, call: CallInfo, so_far: CallSoFar) -> Watch:
        """Open the watch for one call."""
        chosen = intents(self.options.line_of_business or call.line_of_business)
        known = tuple(intent for intent in chosen if intent.id not in self.options.ignored)
        outbound = call.direction.strip().lower() in OUTBOUND
        return _ContactWatch(self.options, self.version, known, self._vectors, outbound=outbound)


class _ContactWatch(Watch):
    """Keeps which reasons were named, and the first utterances with content for the end."""

    def __init__(
        self,
        options: ContactReasonOptions,
        version: str,
        known: tuple[Intent, ...],
        vectors: SentenceVectors | None,
        *,
        outbound: bool,
    ) -> None:
        self._options = options
        self._version = version
        self._known = known
        self._vectors = vectors
        self._outbound = outbound
        self._named: list[str] = []
        self._first: list[UtteranceFacts] = []

    def on_utterance(self, facts: UtteranceFacts) -> Iterable[Finding]:
        """Name the reasons that the utterance mentions for the first time."""
        if facts.role is Role.CUSTOMER:
            self._keep(facts)
            if len(self._named) >= self._options.most_reasons:
                return ()
            states = not self._named or bool(facts.hits(_ANOTHER))
            found = mentions(facts, self._known, states=states, signs=self._may_hint(facts))
        elif facts.role is Role.AGENT and self._outbound:
            found = agent_mentions(facts, self._known)
        else:
            return ()
        return [finding for one in found if (finding := self._name(facts, one)) is not None]

    def on_end(self, end_ms: int) -> Iterable[Finding]:
        """Compare by meaning when no words gave a reason; say so when that gives none either."""
        if self._named or not self._first:
            return ()
        how = "未启用语义比对。"
        if self._vectors is not None:
            try:
                found = self._compared(self._vectors)
            except MeaningError as error:
                how = f"语义比对不可用（{error.code}）。"
            else:
                if found is not None:
                    finding = self._name(*found)
                    return () if finding is None else (finding,)
                how = "与各原因的例句比对也没有明显相近的。"
        return (self._unknown(how),)

    def _may_hint(self, facts: UtteranceFacts) -> bool:
        """Whether a hint counts: nothing is named, and the customer is still at the beginning."""
        begins = len(self._first) < self._options.compared_utterances or facts is self._first[-1]
        return begins and not self._named

    def _keep(self, facts: UtteranceFacts) -> None:
        enough = len(self._first) >= self._options.compared_utterances
        if not enough and content_characters(facts.text) >= self._options.content_characters:
            self._first.append(facts)

    def _compared(self, vectors: SentenceVectors) -> tuple[UtteranceFacts, Mention] | None:
        """Return the utterance whose nearest reason stands out most, if it stands out enough."""
        examples = [(intent, text) for intent in self._known for text in intent.examples if not intent.agent]
        if not examples:
            return None
        candidates = vectors.embed([text for _, text in examples])
        labels = [intent.id for intent, _ in examples]
        said = vectors.embed([facts.utterance.text for facts in self._first])
        rankings = [nearest(vector, candidates, labels) for vector in said]
        chosen = max(range(len(rankings)), key=lambda place: rankings[place].margin)
        best, margin = rankings[chosen].best, rankings[chosen].margin
        if best is None or margin < self._options.least_margin:
            return None
        facts, intent = self._first[chosen], examples[best.example][0]
        end = len(facts.utterance.text)
        return facts, Mention(intent=intent, source=Source.EXAMPLE, start_char=0, end_char=end, margin=margin)

    def _name(self, facts: UtteranceFacts, mention: Mention) -> Finding | None:
        intent = mention.intent
        if intent.id in self._named or len(self._named) >= self._options.most_reasons:
            return None
        self._named.append(intent.id)
        start_ms, _ = facts.time_of(mention.start_char, mention.end_char)
        words = quoted(facts.quote(mention.start_char, mention.end_char))
        kind = "主要来电原因" if len(self._named) == 1 else "另一来电原因"
        called = "本次外呼的事由" if facts.role is Role.AGENT else kind
        return self._finding(
            facts,
            rule=intent.id,
            title=f"来电原因：{intent.name}",
            span=(mention.start_char, mention.end_char),
            confidence=_confidence(facts, mention),
            explanation=f"{facts.role.chinese}在{at(start_ms)}说{words}，{called}是{intent.name}。",
            extra={
                "intent": intent.id,
                "intent_name": intent.name,
                "primary": len(self._named) == 1,
                "order": len(self._named),
                "source": mention.source.name.lower(),
                "margin": round(mention.margin, 4),
            },
        )

    def _unknown(self, how: str) -> Finding:
        facts = self._first[0]
        moment = at(facts.utterance.start_ms)
        return self._finding(
            facts,
            rule="unknown",
            title="来电原因不明",
            span=None,
            confidence=confidence_of([facts.utterance], rule=0.7, rule_reason="没有已知说法，不等于没有来电原因"),
            explanation=f"客户在{moment}说{quoted(facts.utterance.text)}，没有听到已知来电原因的说法；{how}",
            extra={"intent": "unknown", "primary": True},
        )

    def _finding(
        self,
        facts: UtteranceFacts,
        *,
        rule: str,
        title: str,
        span: tuple[int, int] | None,
        confidence: Confidence,
        explanation: str,
        extra: Mapping[str, str | int | float | bool],
    ) -> Finding:
        if span is None:
            evidence = utterance_evidence(facts, operator="context", note="客户最先说的内容")
        else:
            operator = "similar" if extra["source"] == "example" else "keyword"
            evidence = words_evidence(facts, *span, operator=operator, note="首次提到来电原因")
        return Finding(
            rule_id=f"contact_reason.{rule}",
            rule_version=self._version,
            dimension="contact_reason",
            title=title,
            level=Level.LIGHT,
            polarity=Polarity.NOTE,
            who=facts.role,
            evidence=(evidence,),
            confidence=confidence,
            explanation=explanation,
            facts=extra,
        )


def _confidence(facts: UtteranceFacts, mention: Mention) -> Confidence:
    value, reason = _RULE_CONFIDENCE[mention.source]
    if mention.source is Source.EXAMPLE:
        reason = f"{reason}，与次近原因的差距为{mention.margin:.3f}"
    return confidence_of([facts.utterance], rule=value, rule_reason=reason)
