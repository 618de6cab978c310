"""情绪与语气: how strongly each side feels, where it turns, and what was left unanswered.

When each point is decided, so that a live call and the finished recording agree:

- escalation, repeated demand, agent's emotion: at the end of the utterance that shows them;
- potential dissatisfaction: at the end of the slow words;
- unanswered refusal: when its time is up, or the agent's words running then have ended, or at the end of the call;
- eased: when calm words follow the agent's answer; the curve: at the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from qingting.analysis.analyzer import Analyzer, SpeechStart, Watch
from qingting.analysis.analyzers._emotion_change import TENSE, EasingEye, EscalationEye
from qingting.analysis.analyzers._emotion_findings import EmotionWriter, mood_signal
from qingting.analysis.analyzers._emotion_mood import Mood, mood_of
from qingting.analysis.analyzers._emotion_refusal import OpenRefusal, RefusalEye
from qingting.analysis.analyzers._emotion_repeats import Repeat, RepeatEye, repeat_phrases
from qingting.analysis.analyzers._emotion_silence import SilenceEye
from qingting.analysis.analyzers._emotion_voice import Manner
from qingting.analysis.analyzers._emotion_words import emotion_phrases, read_agent, read_customer
from qingting.analysis.analyzers._solutions import offer_of, solution_phrases
from qingting.analysis.dialogue import dialogue_phrases
from qingting.analysis.lexicon import groups, lexicon
from qingting.analysis.pace import ENDLESS_MS, paced
from qingting.analysis.signals import SignalName
from qingting.model.call import CallInfo, Medium, Role
from qingting.model.finding import Finding

if TYPE_CHECKING:
    from qingting.analysis.context import CallSoFar, UtteranceFacts


_CLEARLY_STRONGER = 0.15


@dataclass(frozen=True, kw_only=True)
class EmotionOptions:
    """From when on a change, a silence or a repetition counts in a call; chats and e-mails have their own pace."""

    escalation_rise: float = 0.25
    """Rise of the negative intensity (0 to 1) that makes an escalation."""
    silence_ms: int = 7000
    """Silence of the customer after which slow words hint at unspoken dissatisfaction."""
    answer_within_ms: int = 30_000
    """So soon a strong refusal must get a workable answer."""
    repeat_window_ms: int = 90_000
    """The same demand again within this time is a repetition."""
    repeat_count: int = 3
    """So many mentions make a finding; one less when the customer is already upset."""
    agent_tension: float = 0.45
    """From this negative intensity on an agent's words are a finding."""
    agent_again_ms: int = 60_000
    """An agent's further outburst is a finding of its own after so long."""


class EmotionAnalyzer(Analyzer):
    """Measures the intensity of emotion per utterance against the speaker's own calm manner."""

    id: ClassVar[str] = "emotion_analyzer"
    name: ClassVar[str] = "情绪与语气"
    description: ClassVar[str] = "双方情绪强度与走势：语速、音量、音调相对本人平时的变化，用语、否定、反问与重复诉求。"
    version: ClassVar[str] = "1"
    Options: ClassVar[type] = EmotionOptions
    options: EmotionOptions

    def phrases(self) -> Mapping[str, Iterable[str]]:
        """Phrases of feelings, of the conversation's acts, of offers and of refusals."""
        attitude = {
            "accepts": tuple(one for name in ("explicit", "works") for one in groups("customer_acceptance")[name]),
            "objects": tuple(
                one for name in ("still", "reject", "give_up") for one in groups("customer_rejection")[name]
            ),
        }
        attitude["agent_complies"] = lexicon("agent_complies")
        return {**dialogue_phrases(), **solution_phrases(), **emotion_phrases(), **repeat_phrases(), **attitude}

    def watch(self, call: CallInfo, so_far: CallSoFar) -> Watch:
        """Open the watch for one call."""
        own = self.options
        options = replace(
            own,
            silence_ms=own.silence_ms if call.medium is Medium.VOICE else ENDLESS_MS,
            answer_within_ms=paced(own.answer_within_ms, call),
            repeat_window_ms=paced(own.repeat_window_ms, call),
            agent_again_ms=paced(own.agent_again_ms, call),
        )
        return _EmotionWatch(options, EmotionWriter(self.version), so_far)


class _EmotionWatch(Watch):
    """Keeps each side's manner and moods, and hands them to the eyes."""

    def __init__(self, options: EmotionOptions, write: EmotionWriter, so_far: CallSoFar) -> None:
        self._options = options
        self._write = write
        self._so_far = so_far
        self._manners = {role: Manner() for role in (Role.AGENT, Role.CUSTOMER)}
        self._moods: list[Mood] = []
        self._tension = dict.fromkeys(self._manners, 0.0)
        self._heard_voice = False
        self._silent_since_ms: int | None = None
        self._repeats = RepeatEye(options.repeat_window_ms)
        self._repeats_raised: set[str] = set()
        self._agent_raised_ms: int | None = None
        self._agent_raised = 0.0
        self._escalation = EscalationEye(options.escalation_rise)
        self._easing = EasingEye()
        self._silence = SilenceEye(options.silence_ms)
        self._refusal = RefusalEye(so_far, options.answer_within_ms)

    def on_speech_start(self, speech: SpeechStart) -> Iterable[Finding]:
        """A silence may end."""
        self._silence.start(speech.role, speech.at_ms, self._silent_since_ms)
        self._silent_since_ms = None
        return ()

    def on_utterance(self, facts: UtteranceFacts) -> Iterable[Finding]:
        """Measure the mood and look for what it changes."""
        found: list[Finding] = []
        mood = None
        self._heard_voice = self._heard_voice or facts.utterance.voice is not None
        if facts.role is Role.CUSTOMER:
            mood, found = self._hear_customer(facts)
        elif facts.role is Role.AGENT:
            found = self._hear_agent(facts)
        slow = self._silence.hear(facts, mood)
        if slow is not None:
            found.append(self._write.potential_dissatisfaction(slow))
        self._silent_since_ms = self._so_far.silent_since_ms
        return found

    def on_timer(self, at_ms: int, name: str) -> Iterable[Finding]:
        """A strong refusal waited too long."""
        refusal = self._refusal.time_is_up(name)
        return [] if refusal is None else [self._refused(refusal, at_ms)]

    def on_end(self, end_ms: int) -> Iterable[Finding]:
        """Judge the refusal that was never answered, and hand out the curve."""
        refusal = self._refusal.end()
        found = [] if refusal is None else [self._refused(refusal, end_ms)]
        if self._moods:
            found.append(self._write.curve(self._moods, text_only=not self._heard_voice))
        return found

    def _refused(self, refusal: OpenRefusal, now_ms: int) -> Finding:
        return self._write.unanswered_refusal(refusal, self._options.answer_within_ms, now_ms)

    def _hear_customer(self, facts: UtteranceFacts) -> tuple[Mood | None, list[Finding]]:
        if not facts.text.text:
            return None, []
        repeats = self._repeats.hear(facts)
        mood = self._measure(facts, repeats)
        found = [self._write.repeated_demand(one) for one in repeats if self._is_raised(one, mood)]
        change = self._escalation.hear(mood, repeated=bool(repeats))
        if change is not None:
            found.append(self._write.escalation(change))
        eased = self._easing.hear_customer(mood, objects=bool(facts.hits("objects")))
        if eased is not None:
            found.append(self._write.eased(eased))
        self._refusal.hear_customer(mood, accepts=bool(facts.hits("accepts")) and not facts.hits("objects"))
        return mood, found

    def _hear_agent(self, facts: UtteranceFacts) -> list[Finding]:
        found: list[Finding] = []
        refusal = self._refusal.hear_agent(facts)
        if refusal is not None:
            found.append(self._refused(refusal, facts.utterance.end_ms))
        if not facts.text.text:
            return found
        mood = self._measure(facts, ())
        self._easing.hear_agent(facts, offer_of(facts) if mood.tension < TENSE else None)
        if mood.words.negative and mood.tension >= self._options.agent_tension and self._agent_again(mood):
            self._agent_raised_ms, self._agent_raised = facts.utterance.end_ms, mood.tension
            found.append(self._write.agent_emotion(mood))
        return found

    def _measure(self, facts: UtteranceFacts, repeats: tuple[Repeat, ...]) -> Mood:
        manner = self._manners[facts.role]
        words = read_customer(facts) if facts.role is Role.CUSTOMER else read_agent(facts)
        mood = mood_of(
            facts,
            words,
            manner.compare(facts),
            repeats=[repeat.cue() for repeat in repeats],
            before=self._tension[facts.role],
        )
        if mood.tension < TENSE or manner.utterances < 1:
            manner.add(facts)
        self._tension[facts.role] = mood.tension
        self._moods.append(mood)
        if self._so_far.wants(SignalName.EMOTION):
            self._so_far.publish(mood_signal(mood))
        return mood

    def _is_raised(self, repeat: Repeat, mood: Mood) -> bool:
        """Once per demand and call."""
        needed = self._options.repeat_count - (1 if mood.tension >= TENSE else 0)
        if repeat.group in self._repeats_raised or repeat.count < needed or repeat.utterances < 2:
            return False
        self._repeats_raised.add(repeat.group)
        return True

    def _agent_again(self, mood: Mood) -> bool:
        """Whether an outburst is a finding of its own: the first, a clearly stronger one, one after a while."""
        raised_ms = self._agent_raised_ms
        if raised_ms is None or mood.tension >= self._agent_raised + _CLEARLY_STRONGER:
            return True
        return mood.facts.utterance.start_ms - raised_ms >= self._options.agent_again_ms
