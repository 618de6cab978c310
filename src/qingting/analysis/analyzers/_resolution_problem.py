"""One problem of a customer on its way: stated, offered a solution, confirmed, accepted, contradicted."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from qingting.analysis.analyzers._solutions import Offer, OfferKind

if TYPE_CHECKING:
    from qingting.analysis.context import UtteranceFacts
    from qingting.analysis.text import Hit


_LITTLE = 4
"""A sentence with fewer characters beside the phrase is no statement by itself: 我想问一下."""


class Outcome(StrEnum):
    """What became of a problem by the end of the call."""

    RESOLVED = "resolved"
    UNRESOLVED = "unresolved"
    UNCLEAR = "unclear"

    @property
    def chinese(self) -> str:
        """The word a report reader sees."""
        return {"resolved": "已解决", "unresolved": "未解决", "unclear": "不明确"}[self.value]


@dataclass(frozen=True, kw_only=True)
class Step:
    """One place on the way."""

    facts: UtteranceFacts
    start_char: int
    end_char: int

    @property
    def end_ms(self) -> int:
        """When its utterance ended."""
        return self.facts.utterance.end_ms

    @property
    def words(self) -> str:
        """The exact words."""
        return self.facts.quote(self.start_char, self.end_char)


@dataclass(kw_only=True)
class Problem:
    """A customer's problem and every step taken on it so far."""

    statement: Step
    reason: str
    """Group of the words that state it: delivery, goods, money, account, service, refund …; empty when unknown."""
    offers: list[Offer] = field(default_factory=list)
    confirmation: Step | None = None
    """The agent's question whether the solution is right, after the latest solution."""
    acceptance: Step | None = None
    """The customer's yes to it."""
    echo: Step | None = None
    """A mere 好的 after a solution that nobody asked to confirm."""
    objection: Step | None = None
    """The customer's latest no, still standing."""
    objection_kind: str = ""
    """`still`, `reject`, `give_up` or `consider`."""
    accepted: Offer | None = None
    """The solution that was accepted."""
    agent_turns: int = 0
    """Utterances of substance by the agent since it was stated."""
    further_help_asked: bool = False

    @property
    def concrete(self) -> Offer | None:
        """The latest concrete solution."""
        return next((one for one in reversed(self.offers) if one.kind.concrete), None)

    @property
    def answer(self) -> Offer | None:
        """The solution that was accepted, else the latest concrete one, else the latest statement of facts."""
        if self.accepted is not None:
            return self.accepted
        told = next((one for one in reversed(self.offers) if one.kind is OfferKind.FACTS), None)
        return self.concrete or told

    @property
    def later(self) -> Offer | None:
        """What was done after the customer's yes."""
        last = self.concrete
        done = last is not None and last is not self.answer and last.kind is OfferKind.DONE
        return last if done and self.acceptance is not None else None

    @property
    def settled(self) -> bool:
        """Whether nothing is open about it for now."""
        return self.further_help_asked or (self.acceptance is not None and self.objection is None)

    def hear_offer(self, offer: Offer) -> None:
        """The agent offers something; what is concrete answers the objection before it."""
        self.offers.append(offer)
        if offer.kind.concrete and self.objection is not None:
            self.objection, self.objection_kind = None, ""
            self.confirmation = self.echo = None

    def accept(self, step: Step, *, asked: bool) -> None:
        """The customer says yes; the first yes to a question replaces one of his own accord before it."""
        earlier, question = self.acceptance, self.confirmation
        if earlier is None or (asked and question is not None and earlier.end_ms <= question.end_ms):
            self.accepted = self.accepted or self.answer
            self.acceptance = step

    def hear_objection(self, step: Step, kind: str) -> None:
        """The customer says no: what was accepted before no longer holds."""
        self.objection, self.objection_kind = step, kind
        self.acceptance = self.accepted = self.echo = self.confirmation = None

    def outcome(self) -> Outcome:
        """Judge the problem as it stands now."""
        if self.objection is not None and self.objection_kind != "consider":
            return Outcome.UNRESOLVED
        if self.objection is not None:
            return Outcome.UNCLEAR
        if self.acceptance is not None and self.answer is not None:
            return Outcome.RESOLVED
        if self.answer is None and (not self.offers or self.offers[-1].kind is OfferKind.DECLINED):
            return Outcome.UNRESOLVED
        return Outcome.UNCLEAR

    def missing(self) -> tuple[str, ...]:
        """What the way to a solution lacks, in Chinese."""
        lacks = []
        if self.concrete is None and not (self.answer is not None and self.acceptance is not None):
            vague = any(one.kind is OfferKind.VAGUE for one in self.offers)
            lacks.append("坐席只有笼统的承诺，没有具体办法和时限" if vague else "坐席没有给出具体的解决办法")
        if self.confirmation is None and self.answer is not None:
            lacks.append("坐席没有向客户确认处理结果")
        if self.acceptance is None and self.objection is None:
            lacks.append("客户只是应声，没有明确接受" if self.echo is not None else "客户没有表示接受")
        return tuple(lacks)


def step_of(facts: UtteranceFacts, hit: Hit) -> Step:
    """Take the clause around a phrase as a step."""
    first, last = facts.text.clause_at(hit.start_char)
    return Step(facts=facts, start_char=min(first, hit.start_char), end_char=max(last, hit.end_char))


def sentence_of(facts: UtteranceFacts, hit: Hit) -> Step:
    """Take the sentence around a phrase as a step; the whole utterance when the sentence says little else."""
    size = len(facts.utterance.text)
    first, last = next((span for span in facts.text.sentences if span[0] <= hit.start_char < span[1]), (0, size))
    if last - first < hit.end_char - hit.start_char + _LITTLE:
        first, last = 0, size
    last = first + len(facts.utterance.text[first:last].rstrip("。，！？,.!? "))
    return Step(facts=facts, start_char=min(first, hit.start_char), end_char=max(last, hit.end_char))


def whole(facts: UtteranceFacts) -> Step:
    """Take a whole utterance as a step."""
    return Step(facts=facts, start_char=0, end_char=len(facts.utterance.text))
