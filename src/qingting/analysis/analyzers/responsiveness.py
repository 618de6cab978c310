"""响应: how soon the agent answers, silences, holds, interruptions, and how the talk is shared.

When each point is decided, so that a live call and the finished recording agree:

- late answer: at the end of the agent's utterance that answers or asks to wait (its words tell
  a mere 嗯 from an answer), when the customer speaks again after having waited too long, or at
  the end of the call;
- dead air and long hold: when the silence or hold ends, its length then being known;
- interruption: when both utterances have ended;
- monologue: when the customer speaks again; fast speech: when enough fast text was heard;
  talk ratio: at the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from qingting.analysis.analyzer import Analyzer, SpeechStart, Watch
from qingting.analysis.analyzers._pauses import OpenHold, OpenWish, Silence
from qingting.analysis.analyzers._responsiveness_findings import FindingWriter
from qingting.analysis.analyzers._talk import InterruptionEye, MonologueEye, RateEye
from qingting.analysis.analyzers._text_responses import TextResponseWatch
from qingting.analysis.dialogue import (
    Act,
    agent_act,
    asks_something,
    continues_hold,
    dialogue_phrases,
    is_presence,
    is_sound,
    wish_of,
)
from qingting.model.call import CallInfo, Medium, Role
from qingting.model.finding import Finding

if TYPE_CHECKING:
    from qingting.analysis.context import CallSoFar, UtteranceFacts


@dataclass(frozen=True, kw_only=True)
class ResponsivenessOptions:
    """From when on a delay, a silence or a rate counts."""

    late_answer_ms: int = 5000
    """Longest time from the end of the customer's demand or question to the agent's answer."""
    dead_air_ms: int = 6000
    """Longest silence that nobody announced."""
    dead_air_after_question_ms: int = 12_000
    """The same after the agent asked something: the customer may have to look it up."""
    hold_continues_ms: int = 2000
    """Words of the agent so soon after 稍等 may still belong to it (稍等，[停顿] 我查一下账单)."""
    long_hold_ms: int = 30_000
    """Longest wait after 稍等 without another word of the agent."""
    interruption_ms: int = 800
    """Longest time the agent may talk over the customer."""
    customer_interruption_ms: int = 1500
    """From this overlap on a customer's interruption is noted."""
    interruption_lead_ms: int = 500
    """The other side must have been speaking so long already, else both merely began together."""
    monologue_ms: int = 60_000
    """Longest time the agent may talk without a word of the customer."""
    monologue_pause_ms: int = 5000
    """A longer pause of the agent ends a monologue."""
    fast_speech_per_second: float = 6.5
    """Characters per second above which the agent speaks too fast."""
    fast_speech_characters: int = 100
    """So many consecutive characters of the agent must be that fast."""
    talk_ratio: float = 0.85
    """Largest share of the agent in all speech."""
    talk_ratio_speech_ms: int = 30_000
    """Calls with less speech are not judged by their talk ratio."""
    chat_late_answer_ms: int = 60_000
    """Longest time from the customer's message to the agent's in a chat."""
    chat_hold_ms: int = 180_000
    """Longest time after 请稍等 to the agent's next message in a chat."""
    email_late_answer_ms: int = 24 * 3_600_000
    """Longest time from the customer's e-mail to the agent's."""


class Responsiveness(Analyzer):
    """Measures answering times, silences, holds, interruptions, speech rate and talk share."""

    id: ClassVar[str] = "responsiveness"
    name: ClassVar[str] = "响应"
    description: ClassVar[str] = "坐席对客户要求的响应时间、静默、等待、插话、独白、语速与双方说话占比。"
    version: ClassVar[str] = "1"
    needs_times: ClassVar[bool] = True
    Options: ClassVar[type] = ResponsivenessOptions
    options: ResponsivenessOptions

    def phrases(self) -> Mapping[str, Iterable[str]]:
        """Phrases of the conversation's acts."""
        return dialogue_phrases()

    def watch(self, call: CallInfo, so_far: CallSoFar) -> Watch:
        """Open the watch for one call."""
        if call.medium is not Medium.VOICE:
            return TextResponseWatch(self.options, self.version, call.medium)
        return _ResponseWatch(self.options, FindingWriter(self.options, self.version), so_far)


class _ResponseWatch(Watch):
    """Keeps who is to speak next, and hands utterances to the eyes on talking itself."""

    def __init__(self, options: ResponsivenessOptions, write: FindingWriter, so_far: CallSoFar) -> None:
        self._options = options
        self._write = write
        self._so_far = so_far
        self._wish: OpenWish | None = None
        self._hold: OpenHold | None = None
        self._pending_hold: OpenHold | None = None
        self._last: UtteranceFacts | None = None
        self._silent_since_ms: int | None = None
        self._goodbye = False
        self._eyes = (
            InterruptionEye(options, write),
            MonologueEye(options, write),
            RateEye(options, write),
        )

    def on_speech_start(self, speech: SpeechStart) -> Iterable[Finding]:
        """A silence ends: judge it, and the hold when the agent comes back."""
        found: list[Finding] = []
        if self._silent_since_ms is not None and self._last is not None:
            silence = Silence(start_ms=self._silent_since_ms, end_ms=speech.at_ms, after=self._last)
            found += self._end_silence(silence)
            if speech.role is Role.CUSTOMER:
                found += self._customer_again(silence)
        self._silent_since_ms = None
        if speech.role is Role.AGENT and self._hold is not None:
            self._pending_hold = None
            if speech.at_ms - self._hold.since_ms <= self._options.hold_continues_ms:
                self._pending_hold = self._hold
            found += self._end_hold(speech.at_ms)
        return found

    def on_utterance(self, facts: UtteranceFacts) -> Iterable[Finding]:
        """Words are known: answers close wishes, demands open them, 稍等 opens a hold."""
        found: list[Finding] = []
        if facts.role is Role.AGENT:
            found += self._hear_agent(facts)
        elif facts.role is Role.CUSTOMER:
            self._hear_customer(facts)
        self._goodbye = bool(facts.hits("farewell")) or (self._goodbye and is_sound(facts))
        self._last = facts
        self._silent_since_ms = self._so_far.silent_since_ms
        for eye in self._eyes:
            found += eye.on_utterance(facts)
        return found

    def on_end(self, end_ms: int) -> Iterable[Finding]:
        """Judge what never came: the answer, the end of the hold, the silence before hanging up."""
        found: list[Finding] = []
        if self._last is not None and self._silent_since_ms is not None and not self._goodbye:
            silence = Silence(start_ms=self._silent_since_ms, end_ms=end_ms, after=self._last)
            found += self._end_silence(silence)
        if self._wish is not None and not self._goodbye and self._is_late(end_ms - self._wish.turn_end_ms):
            found.append(self._write.never_answered(self._wish, end_ms))
        found += self._end_hold(end_ms)
        for eye in self._eyes:
            found += eye.on_end(self._so_far)
        return found

    def _hear_agent(self, facts: UtteranceFacts) -> list[Finding]:
        act = agent_act(facts)
        found: list[Finding] = []
        wish = self._wish
        if wish is not None and act not in (Act.SILENT, Act.SOUND) and facts.utterance.end_ms > wish.turn_end_ms:
            delay_ms = facts.utterance.start_ms - wish.turn_end_ms
            if self._is_late(delay_ms):
                found.append(self._write.late_answer(wish, facts, delay_ms, act))
            self._wish = None
        if act is Act.HOLD:
            self._hold = OpenHold(facts=facts, since_ms=facts.utterance.end_ms)
        elif self._pending_hold is not None and continues_hold(facts):
            self._hold = OpenHold(facts=self._pending_hold.facts, since_ms=facts.utterance.end_ms)
        self._pending_hold = None
        return found

    def _hear_customer(self, facts: UtteranceFacts) -> None:
        utterance = facts.utterance
        if self._hold is not None:
            self._hold.customer_ms += utterance.end_ms - max(utterance.start_ms, self._hold.since_ms)
        if is_presence(facts) or is_sound(facts):
            return
        hit = wish_of(facts)
        if hit is not None:
            self._wish = OpenWish(facts=facts, hit=hit, turn_end_ms=utterance.end_ms)
        elif self._wish is not None:
            self._wish.turn_end_ms = max(self._wish.turn_end_ms, utterance.end_ms)

    def _customer_again(self, silence: Silence) -> list[Finding]:
        """The customer had to speak again: late, if the wait was too long by then."""
        wish = self._wish
        if wish is None or self._hold is not None or not self._is_late(silence.end_ms - wish.turn_end_ms):
            return []
        self._wish = None
        return [self._write.asked_again(wish, silence.end_ms)]

    def _is_late(self, delay_ms: int) -> bool:
        return delay_ms > self._options.late_answer_ms

    def _end_silence(self, silence: Silence) -> list[Finding]:
        if self._hold is not None or silence.after.role is Role.UNSURE:
            return []
        # The same silence is not held against the agent twice.
        if self._wish is not None and self._is_late(silence.end_ms - self._wish.turn_end_ms):
            return []
        limit_ms = self._options.dead_air_ms
        if silence.after.role is Role.AGENT and asks_something(silence.after):
            limit_ms = max(limit_ms, self._options.dead_air_after_question_ms)
        if silence.after.hits("wait" if silence.after.role is Role.CUSTOMER else "waits"):
            # Who looks for a number or restarts a device, as asked to, is silent for good reason.
            limit_ms = max(limit_ms, self._options.long_hold_ms)
        return [self._write.dead_air(silence, limit_ms)] if silence.length_ms > limit_ms else []

    def _end_hold(self, at_ms: int) -> list[Finding]:
        hold, self._hold = self._hold, None
        if hold is None or at_ms - hold.since_ms - hold.customer_ms <= self._options.long_hold_ms:
            return []
        return [self._write.long_hold(hold, at_ms)]
