"""服务态度: what customers' praise and complaints say about the service, by their place in the call."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from qingting.analysis.analyzer import Analyzer, Watch
from qingting.analysis.analyzers._complaint_reply import PendingComplaint, Reply, reply_of
from qingting.analysis.analyzers._solutions import solution_phrases
from qingting.analysis.confidence import confidence_of
from qingting.analysis.dialogue import Act, agent_act, asks_something, dialogue_phrases, has_problem, is_sound
from qingting.analysis.findings import hit_evidence, quotes, sentence_evidence, utterance_evidence
from qingting.analysis.lexicon import groups, lexicon
from qingting.analysis.text import Hit, not_inside
from qingting.analysis.usage import meant
from qingting.analysis.wording import at, quoted
from qingting.model.call import CallInfo, Medium, Role
from qingting.model.finding import Evidence, Finding, Level, Polarity

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from qingting.analysis.context import CallSoFar, UtteranceFacts


@dataclass(frozen=True, kw_only=True)
class KeywordOptions:
    """Which words count, beside the bundled lexicons."""

    more_negative: tuple[str, ...] = ()
    """Further phrases by which customers complain."""
    more_positive: tuple[str, ...] = ()
    """Further phrases by which customers praise."""
    ignored: tuple[str, ...] = ()
    """Phrases of the bundled lexicons that shall not count here."""
    patience_ms: int = 3000
    """After a problem was stated, so much silence of the agent is a missed chance to answer."""
    text_patience_ms: int = 60_000
    """The same in chats and e-mail, where an answer is first to be written."""


_COMPLAINTS = (
    "insult", "threat", "questioning", "ultimatum", "irony", "neglect", "unfair", "repetition", "blame", "loss",
)  # fmt: skip
"""Groups of indirect discontent that are complaints by themselves; a mere long wait may only be the problem."""


class Keywords(Analyzer):
    """Finds praise and complaint and weighs complaints by what the agent had answered until then."""

    id: ClassVar[str] = "keywords"
    name: ClassVar[str] = "服务态度"
    description: ClassVar[str] = "客户的不满、中性与认可用语：次数、位置与上下文，问题未得到答复时的不满更重。"
    version: ClassVar[str] = "1"
    Options: ClassVar[type] = KeywordOptions
    options: KeywordOptions

    def phrases(self) -> Mapping[str, Iterable[str]]:
        """Phrases of the three groups and of the conversation's acts."""
        ignored = set(self.options.ignored)
        praise = groups("customer_positive")
        return {
            **dialogue_phrases(),
            **solution_phrases(),
            "reasons": groups("agent_answer")["reasons"],
            "impatient": lexicon("agent_impatience"),
            "negative": _kept((*lexicon("customer_negative"), *_indirect(), *self.options.more_negative), ignored),
            "praise": _kept((*praise["praise"], *self.options.more_positive), ignored),
            "thanks": praise["thanks"],
            "neutral": lexicon("customer_neutral"),
        }

    def watch(self, call: CallInfo, so_far: CallSoFar) -> Watch:
        """Open the watch for one call."""
        patience_ms = self.options.patience_ms if call.medium is Medium.VOICE else self.options.text_patience_ms
        return _KeywordWatch(self.version, patience_ms=patience_ms)


def _indirect() -> Iterable[str]:
    discontent = groups("customer_discontent")
    return (phrase for group in _COMPLAINTS for phrase in discontent[group])


def _kept(phrases: Iterable[str], ignored: set[str]) -> tuple[str, ...]:
    return tuple(phrase for phrase in phrases if phrase not in ignored)


class _KeywordWatch(Watch):
    """Follows the customer's problem from its statement to the agent's answer."""

    def __init__(self, version: str, *, patience_ms: int) -> None:
        self._patience_ms = patience_ms
        self._version = version
        self._problem: UtteranceFacts | None = None
        self._turn_end_ms = 0
        self._agent_had_chance = False
        self._raised = False
        self._agent_said: UtteranceFacts | None = None
        self._answered = False
        self._asked_only = False
        self._stated: UtteranceFacts | None = None
        self._agent_spoke = False
        self._pending: PendingComplaint | None = None
        self._counts: Counter[str] = Counter()
        self._places: list[Evidence] = []

    def on_utterance(self, facts: UtteranceFacts) -> Iterable[Finding]:
        """Count the groups and judge the customer's words by what was answered before."""
        if facts.role is Role.AGENT:
            self._counts["agent_courtesy"] += len(facts.hits("courtesy"))
            found = self._weigh_reply(facts)
            self._hear_agent(facts)
            return found
        if facts.role is Role.CUSTOMER:
            return self._hear_customer(facts)
        return ()

    def _hear_agent(self, facts: UtteranceFacts) -> None:
        act = agent_act(facts)
        if self._problem is None or act is Act.SILENT:
            return
        if act is Act.ANSWER:
            self._problem, self._answered = None, True
        elif facts.utterance.end_ms > self._turn_end_ms:
            self._asked_only = asks_something(facts) and (self._asked_only or not self._agent_had_chance)
            self._agent_had_chance = True
            self._agent_said = facts

    def _hear_customer(self, facts: UtteranceFacts) -> list[Finding]:
        waited = self._problem is not None and facts.utterance.start_ms - self._turn_end_ms >= self._patience_ms
        self._agent_had_chance = self._problem is not None and (self._agent_had_chance or waited)
        found = [] if is_sound(facts) else self._no_reply()
        found += self._judge(facts)
        if self._problem is None and has_problem(facts):
            self._problem, self._agent_said, self._answered = facts, None, False
            self._agent_had_chance = self._raised = self._asked_only = False
            self._stated = self._stated or facts
        if self._problem is not None and not is_sound(facts):
            self._turn_end_ms = facts.utterance.end_ms
        return found

    def _judge(self, facts: UtteranceFacts) -> list[Finding]:
        negative = meant(facts.text, facts.hits("negative"))
        praise = not_inside(meant(facts.text, facts.hits("praise")), facts.hits("negative"))
        self._counts["customer_negative"] += len(negative)
        self._counts["customer_positive"] += len(praise) + len(facts.hits("thanks"))
        self._counts["customer_neutral"] += len(facts.hits("neutral"))
        found: list[Finding] = []
        if negative and not self._is_courtesy(facts, negative):
            self._places.append(hit_evidence(facts, negative[0], note="客户不满用语"))
            found += self._complaint(facts, negative)
        if praise:
            self._places.append(hit_evidence(facts, praise[0], note="客户认可用语"))
            found.append(self._praise(facts, praise))
        return found

    def _is_courtesy(self, facts: UtteranceFacts, negative: tuple[Hit, ...]) -> bool:
        """Whether the words stand in a closing thanks after the answer, with no "but"."""
        if not self._answered or self._problem is not None:
            return False
        thanked = any(hit.normal_start > negative[-1].normal_start for hit in facts.hits("thanks"))
        return thanked and not any(word in facts.text.text for word in ("但是", "不过", "可是"))

    def _complaint(self, facts: UtteranceFacts, negative: tuple[Hit, ...]) -> list[Finding]:
        """Judge at once what is plain, else wait for the agent's reply.

        One fault per unanswered problem: the customer's further words about it are listed, not deducted again.
        """
        problem, note = self._problem, self._note(facts, negative)
        if self._raised:
            return [note]
        if problem is not None and self._agent_had_chance:
            fault = self._fault(facts, negative, problem)
            if not self._asked_only:
                self._raised = True
                return [fault]
            # Asking for a number is a first step: who then says sorry and answers has taken the matter up.
            self._pending = PendingComplaint(note=note, fault=fault, unless_answered=True)
        elif self._stated is not None and self._agent_spoke:
            fault = self._fault(facts, negative, self._stated)
            self._pending = PendingComplaint(note=note, fault=fault, unless_answered=False)
        else:
            return [note]
        return []

    def _weigh_reply(self, facts: UtteranceFacts) -> list[Finding]:
        """Decide a complaint by the agent's reply to it."""
        self._agent_spoke = self._agent_spoke or self._stated is not None
        reply = reply_of(facts)
        pending = self._pending
        if pending is None or reply is Reply.NONE:
            return []
        self._pending = None
        decided = pending.decide(reply, facts)
        self._raised = self._raised or decided is not pending.note
        return [decided]

    def _no_reply(self) -> list[Finding]:
        """Decide a complaint that got no reply before the customer's next words or the end."""
        pending, self._pending = self._pending, None
        if pending is None:
            return []
        self._raised = self._raised or pending.unless_answered
        return [pending.fault if pending.unless_answered else pending.note]

    def _fault(self, facts: UtteranceFacts, negative: tuple[Hit, ...], problem: UtteranceFacts) -> Finding:
        words = quotes(facts, negative)
        moment = at(facts.time_of(negative[0].start_char, negative[0].end_char)[0])
        stated = at(problem.utterance.start_ms)
        evidence = [sentence_evidence(facts, hit, note="客户表达不满") for hit in negative]
        evidence.append(utterance_evidence(problem, operator="context", note="客户陈述问题"))
        instead = ""
        involved = [facts.utterance, problem.utterance]
        if self._agent_said is not None:
            said = self._agent_said
            evidence.append(utterance_evidence(said, operator="context", note="坐席尚未给出答复"))
            involved.append(said.utterance)
            instead = f"其间坐席只说了{quoted(said.utterance.text)}。"
        return Finding(
            rule_id="keywords.unanswered_complaint",
            rule_version=self._version,
            dimension="keywords",
            title="问题未答复，客户不满",
            level=Level.MEDIUM,
            polarity=Polarity.FAULT,
            who=Role.AGENT,
            evidence=tuple(dict.fromkeys(evidence)),
            confidence=confidence_of(involved),
            explanation=f"客户在{stated}说明问题，到{moment}仍未得到答复，说{words}表达不满。{instead}",
            advice=(
                f"客户在{stated}已说明{quoted(problem.utterance.text, 24)}，"
                "建议当即回应问题本身，并告知下一步与所需时间；"
                f"客户在{moment}已说出{quoted(facts.quote(negative[0].start_char, negative[0].end_char))}时，"
                "先致歉共情，再给出处理方案。"
            ),
            facts={
                "phrase": negative[0].phrase,
                "phrases": len(negative),
                "waited_ms": max(facts.utterance.start_ms - problem.utterance.end_ms, 0),
            },
        )

    def _note(self, facts: UtteranceFacts, negative: tuple[Hit, ...]) -> Finding:
        words = quotes(facts, negative)
        moment = at(facts.time_of(negative[0].start_char, negative[0].end_char)[0])
        if self._answered:
            place = "坐席已给出答复之后"
        elif self._raised:
            place = "同一问题仍未得到答复"
        else:
            place = "陈述问题时" if self._problem is None else "坐席尚未有机会答复时"
        return Finding(
            rule_id="keywords.negative",
            rule_version=self._version,
            dimension="keywords",
            title="客户不满用语",
            level=Level.LIGHT,
            polarity=Polarity.NOTE,
            who=Role.CUSTOMER,
            evidence=tuple(sentence_evidence(facts, hit, note="客户表达不满") for hit in negative),
            confidence=confidence_of([facts.utterance]),
            explanation=f"客户在{moment}（{place}）说{words}。",
            facts={"phrase": negative[0].phrase, "phrases": len(negative), "after_answer": self._answered},
        )

    def _praise(self, facts: UtteranceFacts, praise: tuple[Hit, ...]) -> Finding:
        words = quotes(facts, praise)
        moment = at(facts.time_of(praise[0].start_char, praise[0].end_char)[0])
        return Finding(
            rule_id="keywords.positive",
            rule_version=self._version,
            dimension="keywords",
            title="客户认可服务",
            level=Level.LIGHT,
            polarity=Polarity.CREDIT,
            who=Role.CUSTOMER,
            evidence=tuple(sentence_evidence(facts, hit, note="客户认可") for hit in praise),
            confidence=confidence_of([facts.utterance]),
            explanation=f"客户在{moment}说{words}，对服务表示认可。",
            facts={"phrase": praise[0].phrase, "phrases": len(praise)},
        )

    def on_end(self, end_ms: int) -> Iterable[Finding]:
        """Sum up how often the groups were said, when there is a place to show."""
        found = self._no_reply()
        if not self._places:
            return found
        counts = {name: self._counts[name] for name in sorted(self._counts)}
        explanation = (
            f"客户不满用语{counts['customer_negative']}处、认可与感谢{counts['customer_positive']}处、"
            f"中性应答{counts['customer_neutral']}处；坐席礼貌用语{counts.get('agent_courtesy', 0)}处。"
        )
        return [
            *found,
            Finding(
                rule_id="keywords.counts",
                rule_version=self._version,
                dimension="keywords",
                title="用语统计",
                level=Level.LIGHT,
                polarity=Polarity.NOTE,
                who=Role.CUSTOMER,
                evidence=tuple(self._places),
                confidence=confidence_of(()),
                explanation=explanation,
                facts=counts,
            ),
        ]
