"""What an agent's reply does with a complaint: takes it up, passes over it, or says something else."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from qingting.analysis.analyzers._solutions import offer_of
from qingting.analysis.dialogue import Act, agent_act, asks_something
from qingting.analysis.findings import utterance_evidence

if TYPE_CHECKING:
    from qingting.analysis.context import UtteranceFacts
    from qingting.model.finding import Finding

_DOUBTFUL = 0.55
"""Confidence where the reply is a statement that may or may not meet the complaint: a person decides."""
_DOUBT = "坐席有陈述，但是否回应了不满需人工判断"


class Reply(StrEnum):
    """How an agent's utterance treats the complaint before it."""

    NONE = "none"
    """No words, or a mere sound."""
    TAKEN_UP = "taken_up"
    """An apology, a reason, a step, or a request to wait."""
    PASSED_OVER = "passed_over"
    """Asks for something else, declines, or answers with impatience."""
    UNSURE = "unsure"
    """Another statement."""


def reply_of(facts: UtteranceFacts) -> Reply:
    """Say what an agent's utterance does with a complaint."""
    act = agent_act(facts)
    if act in (Act.SILENT, Act.SOUND):
        return Reply.NONE
    if facts.hits("impatient") or facts.hits("refusal"):
        return Reply.PASSED_OVER
    offer = offer_of(facts)
    concrete = offer is not None and offer.kind.concrete
    if act is Act.HOLD or concrete or any(facts.hits(label) for label in ("empathy", "reasons", "answer")):
        return Reply.TAKEN_UP
    return Reply.PASSED_OVER if asks_something(facts) else Reply.UNSURE


@dataclass(frozen=True, kw_only=True)
class PendingComplaint:
    """A complaint that waits for the agent's reply."""

    note: Finding
    """What it is when the agent takes it up."""
    fault: Finding
    """What it is when the agent does not."""
    unless_answered: bool
    """Whether the problem was open already: then only taking it up makes it a mere note."""

    def decide(self, reply: Reply, facts: UtteranceFacts) -> Finding:
        """Return the finding that the reply makes of the complaint."""
        if reply is Reply.TAKEN_UP:
            return self.note
        said = utterance_evidence(facts, operator="context", note="坐席未回应不满")
        fault = replace(self.fault, evidence=tuple(dict.fromkeys((*self.fault.evidence, said))))
        if reply is Reply.UNSURE and not self.unless_answered:
            value = min(_DOUBTFUL, fault.confidence.value)
            return replace(fault, confidence=replace(fault.confidence, value=value))
        return fault
