"""A customer's strong no that the agent leaves without a workable answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from qingting.analysis.analyzers._emotion_change import TENSE, workable
from qingting.analysis.dialogue import Act, agent_act, asks_something, has_problem
from qingting.model.call import Role

if TYPE_CHECKING:
    from qingting.analysis.analyzers._emotion_mood import Mood
    from qingting.analysis.context import CallSoFar, UtteranceFacts
    from qingting.analysis.text import Hit

_TIMER = "refusal"


@dataclass(kw_only=True)
class OpenRefusal:
    """A refusal that waits for an answer."""

    mood: Mood
    hit: Hit
    deadline_ms: int
    replies: list[UtteranceFacts]
    """What the agent has said since, without an answer in it."""

    @property
    def facts(self) -> UtteranceFacts:
        """Utterance that refuses."""
        return self.mood.facts


class RefusalEye:
    """Opens at a strong no, closes at a workable answer; overdue when neither came in time."""

    def __init__(self, so_far: CallSoFar, answer_within_ms: int) -> None:
        self._so_far = so_far
        self._within_ms = answer_within_ms
        self._open: OpenRefusal | None = None
        self._agent_said: UtteranceFacts | None = None
        self._overdue = False
        self._has_problem = False

    def hear_customer(self, mood: Mood, *, accepts: bool) -> None:
        """Take a customer's utterance: a strong no opens, an acceptance closes."""
        self._has_problem = self._has_problem or has_problem(mood.facts)
        hit = mood.words.refusal
        if hit is None:
            if accepts and mood.tension < TENSE:
                self._close()
            return
        asked = self._agent_said is not None and asks_something(self._agent_said)
        # 不可能 as the answer to 是不是没插好 denies a fact; only a heated one refuses the service.
        if self._open is not None or not self._has_problem or (asked and mood.tension < TENSE):
            return
        deadline_ms = mood.facts.utterance.end_ms + self._within_ms
        self._open = OpenRefusal(mood=mood, hit=hit, deadline_ms=deadline_ms, replies=[])
        self._so_far.set_timer(deadline_ms, _TIMER)

    def hear_agent(self, facts: UtteranceFacts) -> OpenRefusal | None:
        """Take an agent's utterance; return the refusal when time was up while it was spoken."""
        self._agent_said = facts
        refusal = self._open
        if refusal is None or facts.utterance.end_ms <= refusal.facts.utterance.end_ms:
            return None
        if workable(facts) is not None or facts.hits("agent_complies"):
            self._close()
            return None
        if facts.utterance.text:
            refusal.replies.append(facts)
        if self._overdue:
            return self._raise()
        if agent_act(facts) is Act.HOLD:
            # Who is asked to wait gets the answer's time anew.
            refusal.deadline_ms = max(refusal.deadline_ms, facts.utterance.end_ms + self._within_ms)
            self._so_far.set_timer(refusal.deadline_ms, _TIMER)
        return None

    def time_is_up(self, name: str) -> OpenRefusal | None:
        """Return the refusal at its deadline; an answer being spoken right then is heard out."""
        if name != _TIMER or self._open is None:
            return None
        if self._so_far.is_speaking(Role.AGENT):
            self._overdue = True
            return None
        return self._raise()

    def end(self) -> OpenRefusal | None:
        """Return a refusal that the agent had the chance to answer before the call ended."""
        return self._raise() if self._open is not None and self._open.replies else None

    def _raise(self) -> OpenRefusal | None:
        refusal = self._open
        self._close()
        return refusal

    def _close(self) -> None:
        self._open, self._overdue = None, False
        self._so_far.cancel_timer(_TIMER)
