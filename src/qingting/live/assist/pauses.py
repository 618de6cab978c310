"""Who waits for whom: silences that grow while the call runs, and talk without end.

The dimensions judge a silence when it is over; an agent must hear of it while something can be done.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from qingting.analysis.dialogue import Act, agent_act, asks_something, continues_hold, is_presence, is_sound, wish_of
from qingting.model.call import Role
from qingting.model.live_event import FinalUtterance, PartialText, SpeechDropped

if TYPE_CHECKING:
    from qingting.live.assist.desk import Candidate
    from qingting.live.assist.kit import AssistKit, Spoken
    from qingting.model.live_event import LiveEvent

_BREATH_MS = 5000
"""A longer silence of the agent ends a monologue."""
_HOLD_GOES_ON_MS = 2000
"""Words of the agent so soon after 稍等 may still belong to it."""


class _Pause(StrEnum):
    """Why nobody speaks."""

    NONE = "none"
    """Nothing to say about: the call has not begun, or they said goodbye."""
    ANSWER = "answer"
    """The customer wants something."""
    QUESTION = "question"
    """The agent asked something."""
    HOLD = "hold"
    """The agent asked to wait."""
    CUSTOMER_BUSY = "customer_busy"
    """The customer looks for something or tries it out."""
    SILENCE = "silence"


class Pauses:
    """Follows who speaks in one call."""

    def __init__(self, kit: AssistKit) -> None:
        self._kit = kit
        self._times = kit.book.times
        self._speaking: dict[str, tuple[int, Role]] = {}
        self._live_words = False
        self._pause = _Pause.NONE
        self._since_ms = 0
        self._heard: set[Role] = set()
        self._agent_ms: tuple[int, int] | None = None
        """Start and end of what the agent said without a word of the customer."""

    @property
    def silent_since_ms(self) -> int | None:
        """Since when nobody speaks; None while someone does, or as long as nobody can know."""
        return self._since_ms if self._live_words and not self._speaking else None

    def is_speaking(self, role: Role) -> bool:
        """Whether someone of this role is speaking now."""
        return any(speaker is role for _, speaker in self._speaking.values())

    def watch(self, event: LiveEvent) -> None:
        """Take note of who begins and ends to speak."""
        match event:
            case PartialText():
                self._live_words = True
                self._speaking[event.party] = event.start_ms, event.role
            case SpeechDropped():
                self._silent(event.party, event.start_ms)
            case FinalUtterance():
                self._silent(event.utterance.party, event.utterance.start_ms)
            case _:
                pass

    def hear(self, spoken: Spoken) -> None:
        """Take what was said: it tells what a silence after it means."""
        end_ms = spoken.utterance.end_ms
        if not spoken.text.text:
            self._since_ms = max(self._since_ms, end_ms)
            return
        self._heard.add(spoken.role)
        if spoken.role is Role.AGENT:
            self._pause = self._after_agent(spoken)
            self._go_on(spoken.utterance.start_ms, end_ms)
        elif spoken.role is Role.CUSTOMER:
            before, self._pause = self._pause, self._after_customer(spoken)
            if not is_sound(spoken.dialogue):
                self._agent_ms = None
            if before is self._pause is _Pause.HOLD:
                # 好的 while waiting does not make the wait shorter.
                return
        self._since_ms = max(self._since_ms, end_ms)

    def due(self, now_ms: int) -> Candidate | None:
        """Return the hint about what lasts too long now."""
        if not {Role.AGENT, Role.CUSTOMER} <= self._heard:
            return None
        return self._silence(now_ms) if not self._speaking else self._monologue(now_ms)

    def _silence(self, now_ms: int) -> Candidate | None:
        limits = {
            _Pause.ANSWER: ("waiting_answer", self._times.late_answer_seconds),
            _Pause.QUESTION: ("waiting_silence", self._times.after_question_seconds),
            _Pause.HOLD: ("waiting_hold", self._times.hold_seconds),
            _Pause.CUSTOMER_BUSY: ("waiting_silence", self._times.hold_seconds),
            _Pause.SILENCE: ("waiting_silence", self._times.dead_air_seconds),
        }
        if self._pause is _Pause.NONE or not self._live_words:
            return None
        name, seconds = limits[self._pause]
        waited_ms = now_ms - self._since_ms
        if waited_ms < 1000 * seconds:
            return None
        since_ms = self._since_ms + round(1000 * seconds)
        values = {"seconds": str(waited_ms // 1000)}
        return self._kit.candidate(name, since_ms, topic=name, values=values)

    def _monologue(self, now_ms: int) -> Candidate | None:
        begun_ms = min((start for start, role in self._speaking.values() if role is Role.AGENT), default=None)
        if self._agent_ms is None or begun_ms is None or begun_ms - self._agent_ms[1] > _BREATH_MS:
            return None
        due_ms = self._agent_ms[0] + round(1000 * self._times.monologue_seconds)
        return self._kit.candidate("monologue", due_ms, topic="monologue") if now_ms >= due_ms else None

    def _silent(self, party: str, start_ms: int) -> None:
        if party in self._speaking and self._speaking[party][0] <= start_ms:
            del self._speaking[party]

    def _go_on(self, start_ms: int, end_ms: int) -> None:
        if self._agent_ms is None or start_ms - self._agent_ms[1] > _BREATH_MS:
            self._agent_ms = start_ms, end_ms
        else:
            self._agent_ms = self._agent_ms[0], max(self._agent_ms[1], end_ms)

    def _after_agent(self, spoken: Spoken) -> _Pause:
        facts = spoken.dialogue
        soon = spoken.utterance.start_ms - self._since_ms <= _HOLD_GOES_ON_MS
        if agent_act(facts) is Act.HOLD or (self._pause is _Pause.HOLD and soon and continues_hold(facts)):
            return _Pause.HOLD
        if spoken.says_goodbye:
            return _Pause.NONE
        if facts.hits("waits"):
            return _Pause.CUSTOMER_BUSY
        return _Pause.QUESTION if asks_something(facts) else _Pause.SILENCE

    def _after_customer(self, spoken: Spoken) -> _Pause:
        facts = spoken.dialogue
        if spoken.says_goodbye:
            return _Pause.NONE
        if facts.hits("wait"):
            return _Pause.CUSTOMER_BUSY
        if is_sound(facts) or is_presence(facts):
            keeps = (_Pause.NONE, _Pause.ANSWER, _Pause.HOLD, _Pause.CUSTOMER_BUSY)
            return self._pause if self._pause in keeps else _Pause.SILENCE
        if self._pause is _Pause.HOLD and wish_of(facts) is None:
            return _Pause.HOLD
        return _Pause.ANSWER if wish_of(facts) is not None else _Pause.SILENCE
