"""首次解决率: whether each problem was solved in this call, step by step.

A problem is stated, the agent offers something concrete, asks whether that is right, and the
customer accepts, in this order and soon enough. Later words may contradict. Verdicts are given
when the call ends: until the last word any of them can still change.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from qingting.analysis.analyzer import Analyzer, Watch
from qingting.analysis.analyzers._contact_mentions import OUTBOUND
from qingting.analysis.analyzers._resolution_findings import ResolutionWriter, step_signal
from qingting.analysis.analyzers._resolution_problem import Problem, Step, step_of
from qingting.analysis.analyzers._resolution_words import (
    acceptance_of,
    confirmation_of,
    echo_of,
    names_matter,
    objection_of,
    only_confirms,
    reason_of,
    resolution_phrases,
    statement_of,
    states_problem,
    thanks_of,
)
from qingting.analysis.analyzers._solutions import OfferKind, offer_of
from qingting.analysis.dialogue import Act, agent_act, is_presence
from qingting.analysis.pace import paced
from qingting.analysis.signals import SignalName
from qingting.analysis.usage import meant
from qingting.model.call import CallInfo, Role
from qingting.model.finding import Finding

if TYPE_CHECKING:
    from qingting.analysis.contact_history import ContactHistory
    from qingting.analysis.context import CallSoFar, UtteranceFacts


@dataclass(frozen=True, kw_only=True)
class ResolutionOptions:
    """How close the steps must follow each other in a call; chats and e-mails have their own pace."""

    confirm_within_ms: int = 120_000
    """Longest time from the solution to the question whether it is right."""
    accept_within_ms: int = 30_000
    """Longest time from that question to the customer's yes."""
    repeat_within_days: int = 7
    """An earlier contact about the same matter within so many days is a repeat."""


class Resolution(Analyzer):
    """Judges for every problem of a call whether it was solved."""

    id: ClassVar[str] = "resolution"
    name: ClassVar[str] = "首次解决"
    description: ClassVar[str] = "客户的问题是否当次解决：问题、具体方案、确认、客户接受，以及事后的否定和重复来电。"
    version: ClassVar[str] = "1"
    uses: ClassVar[tuple[str, ...]] = ("history",)
    Options: ClassVar[type] = ResolutionOptions
    options: ResolutionOptions

    def __init__(self, options: object | None = None, *, history: ContactHistory | None = None) -> None:
        """Take the options, and the look-up for earlier contacts where the centre has one."""
        super().__init__(options)
        self.history = history

    def phrases(self) -> Mapping[str, Iterable[str]]:
        """Phrases of problems, solutions, confirmation, acceptance and objection."""
        return resolution_phrases()

    def watch(self, call: CallInfo, so_far: CallSoFar) -> Watch:
        """Open the watch for one call."""
        return _ResolutionWatch(self, call, so_far)


class _ResolutionWatch(Watch):
    """Follows the problems of one call; the latest is the one being talked about."""

    def __init__(self, analyzer: Resolution, call: CallInfo, so_far: CallSoFar) -> None:
        self._so_far = so_far
        self._confirm_within_ms = paced(analyzer.options.confirm_within_ms, call)
        self._accept_within_ms = paced(analyzer.options.accept_within_ms, call)
        self._repeat_within_days = analyzer.options.repeat_within_days
        self._history = analyzer.history
        self._call = call
        self._inbound = call.direction.strip().lower() not in OUTBOUND
        """On a call the centre makes, words of a contact reason are no problem of the customer's."""
        asks = self._history is not None and bool(call.customer_reference)
        self._write = ResolutionWriter(analyzer.version, self._repeat_within_days, has_history=asks)
        self._problems: list[Problem] = []
        self._said_again: tuple[Problem, Step] | None = None

    def on_utterance(self, facts: UtteranceFacts) -> Iterable[Finding]:
        """Take the step that the utterance makes."""
        if facts.text.text and facts.role is Role.AGENT:
            self._hear_agent(facts)
        elif facts.text.text and facts.role is Role.CUSTOMER:
            self._hear_customer(facts)
        return ()

    def on_end(self, end_ms: int) -> Iterable[Finding]:
        """Give the verdicts."""
        problems = self._problems
        found = [self._write.verdict(one, number, len(problems)) for number, one in enumerate(problems, start=1)]
        return [*found, *self._repeats()]

    def _tell(self, value: str, step: Step) -> None:
        if self._so_far.wants(SignalName.RESOLUTION):
            self._so_far.publish(step_signal(value, step))

    def _repeats(self) -> Iterable[Finding]:
        known = False
        if self._history is not None and self._call.customer_reference:
            for problem in {one.reason: one for one in reversed(self._problems) if one.reason}.values():
                past = self._history.find(self._call, problem.reason, self._repeat_within_days)
                if past:
                    known = True
                    yield self._write.repeat_contact(problem, past)
        if self._said_again is not None and not known:
            yield self._write.said_again(*self._said_again)

    def _hear_agent(self, facts: UtteranceFacts) -> None:
        if not self._problems:
            return
        problem = self._problems[-1]
        problem.agent_turns += agent_act(facts) is not Act.SOUND
        offer, confirmation = offer_of(facts), confirmation_of(facts)
        closing = bool(facts.hits("further_help") or facts.hits("farewell"))
        asks_only = closing or (confirmation is not None and only_confirms(facts))
        if offer is not None and not (asks_only and offer.kind is OfferKind.FACTS):
            problem.hear_offer(offer)
            if offer.kind.concrete:
                self._tell("solution", Step(facts=facts, start_char=offer.start_char, end_char=offer.end_char))
        if confirmation is not None and problem.answer is not None:
            since_ms = facts.utterance.start_ms - problem.answer.facts.utterance.end_ms
            if since_ms <= self._confirm_within_ms:
                problem.confirmation = confirmation
                self._tell("confirmation", confirmation)
        problem.further_help_asked = problem.further_help_asked or bool(facts.hits("further_help"))

    def _hear_customer(self, facts: UtteranceFacts) -> None:
        if is_presence(facts):
            return
        objection = objection_of(facts) if self._problems else None
        if objection is not None and self._object(facts, *objection):
            pass
        elif self._is_new(facts):
            self._problems.append(Problem(statement=statement_of(facts), reason=reason_of(facts)))
            self._tell("problem", self._problems[-1].statement)
        elif self._problems:
            self._accept(self._problems[-1], facts)
        self._hear_again(facts)

    def _is_new(self, facts: UtteranceFacts) -> bool:
        """Whether the utterance opens a problem: the first, one after the last is settled, or one announced."""
        if not self._problems and self._inbound and names_matter(facts):
            return True
        if not states_problem(facts):
            return False
        if not self._problems:
            return True
        current, reason = self._problems[-1], reason_of(facts)
        announced = bool(meant(facts.text, facts.hits("another")))
        other = bool(reason) and bool(current.reason) and reason != current.reason and reason != "escalation"
        # A question about what was agreed (那什么时候到账？) belongs to the same problem.
        return announced or current.further_help_asked or (current.settled and other)

    def _object(self, facts: UtteranceFacts, step: Step, kind: str) -> bool:
        """Book a no against the problem it is about; False when it answers nothing."""
        problem = self._problems[-1]
        if not problem.offers or (kind == "consider" and problem.acceptance is not None):
            return False
        if facts.hits("another") and states_problem(facts):
            return False
        problem.hear_objection(step, kind)
        if kind != "consider":
            self._tell("rejection", step)
        return True

    def _accept(self, problem: Problem, facts: UtteranceFacts) -> None:
        if problem.answer is None:
            return
        question = problem.confirmation
        asked = question is not None and (
            0 <= facts.utterance.start_ms - question.end_ms + 300 <= self._accept_within_ms + 300
        )
        if problem.objection is not None or problem.further_help_asked:
            return
        accepted = acceptance_of(facts, asked=asked)
        if accepted is None and problem.concrete is not None:
            accepted = thanks_of(facts)
        if accepted is not None:
            problem.accept(accepted, asked=asked)
            self._tell("acceptance", accepted)
        elif problem.echo is None:
            problem.echo = echo_of(facts)

    def _hear_again(self, facts: UtteranceFacts) -> None:
        if self._said_again is not None or not self._problems:
            return
        hits = meant(facts.text, facts.hits("again"))
        if hits:
            self._said_again = (self._problems[-1], step_of(facts, hits[0]))
