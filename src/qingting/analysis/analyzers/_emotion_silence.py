"""A customer who falls silent and comes back with slow words: dissatisfaction that is not spoken out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from qingting.analysis.dialogue import Act, agent_act, asks_something, is_presence
from qingting.model.call import Role

if TYPE_CHECKING:
    from qingting.analysis.analyzers._emotion_mood import Mood
    from qingting.analysis.context import UtteranceFacts

_SLOW = 0.85
_SOON_MS = 6000
"""The slow words may follow a mere 哦 so long after the silence."""
_DIGITS = 4
"""Reading out a number is slow by itself."""


@dataclass(frozen=True, kw_only=True)
class SlowReturn:
    """A long silence and the slow words that ended it."""

    start_ms: int
    end_ms: int
    before: UtteranceFacts
    """What the agent said before the silence."""
    mood: Mood
    """The slow words."""
    rate_ratio: float


class SilenceEye:
    """Watches for silences after the agent's words that the customer ends slowly."""

    def __init__(self, silence_ms: int) -> None:
        self._silence_ms = silence_ms
        self._last: UtteranceFacts | None = None
        self._silence: tuple[int, int] | None = None
        self._before: UtteranceFacts | None = None

    def start(self, role: Role, at_ms: int, silent_since_ms: int | None) -> None:
        """Someone begins to speak; `silent_since_ms` is None when someone else is speaking already."""
        if role is not Role.CUSTOMER:
            self._silence = None
            return
        last = self._last
        if silent_since_ms is None or last is None or at_ms - silent_since_ms < self._silence_ms:
            return
        self._silence = None
        # After a question the customer looks something up; after 稍等 it is the agent who is silent.
        if last.role is Role.AGENT and agent_act(last) is not Act.HOLD and not asks_something(last):
            self._silence, self._before = (silent_since_ms, at_ms), last

    def hear(self, facts: UtteranceFacts, mood: Mood | None) -> SlowReturn | None:
        """Take an utterance; return the finding's facts when it is the slow return."""
        self._last = facts
        silence, before = self._silence, self._before
        if mood is None or silence is None or before is None:
            return None
        if facts.utterance.start_ms - silence[1] > _SOON_MS or is_presence(facts):
            self._silence = None
            return None
        ratio = mood.voice.rate_ratio
        if ratio is None or ratio > _SLOW or sum(one.isdigit() for one in facts.text.text) >= _DIGITS:
            return None
        self._silence = None
        if mood.valence > 0:
            return None
        return SlowReturn(start_ms=silence[0], end_ms=silence[1], before=before, mood=mood, rate_ratio=ratio)
