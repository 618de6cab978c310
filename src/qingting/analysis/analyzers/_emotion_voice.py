"""Signs of emotion in the voice, against how the same person has spoken while calm.

Only relative measures are used; loudness and the middle of the pitch hold on the telephone band,
the pitch range does not.
"""

from __future__ import annotations

import math
from bisect import insort
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qingting.analysis.analyzers._emotion_cues import Cue

if TYPE_CHECKING:
    from qingting.analysis.context import UtteranceFacts

_CHARACTERS = 5
"""The rate of shorter utterances says nothing."""
_BASELINE_CHARACTERS = 12
"""So much must have been said before a rate is compared with it."""
_BASELINE_VOICE_MS = 1500
_FASTER = 1.12
_LOUDER_DB = 2.5
_HIGHER_SEMITONES = 1.5
_PLAUSIBLE_RATE = (0.8, 14.0)
"""Characters per second of human speech; other rates come from times that are no speaking times (chat)."""


@dataclass(frozen=True, kw_only=True)
class VoiceReading:
    """How an utterance was spoken, against the speaker's calm manner."""

    rate_ratio: float | None = None
    """Speech rate over the speaker's own; None when not comparable."""
    louder_db: float | None = None
    higher_semitones: float | None = None
    pause_share_change: float | None = None
    """Share of pauses inside the utterance minus the speaker's own."""

    @property
    def heard(self) -> bool:
        """Whether the sound itself could be compared, not only the rate."""
        return self.louder_db is not None or self.higher_semitones is not None

    def arousal(self) -> tuple[Cue, ...]:
        """Signs of being upset or excited; the voice alone does not tell which."""
        cues = []
        if self.rate_ratio is not None and self.rate_ratio >= _FASTER:
            weight = min(0.35, (self.rate_ratio - 1.0) * 1.2)
            cues.append(Cue(kind="fast", weight=weight, reason=f"语速较其平均快{_percent(self.rate_ratio - 1)}"))
            if self.pause_share_change is not None and self.pause_share_change <= -0.05:
                cues.append(Cue(kind="few_pauses", weight=0.08, reason="停顿比平时少"))
        if self.louder_db is not None and self.louder_db >= _LOUDER_DB:
            weight = min(0.35, self.louder_db * 0.05)
            cues.append(Cue(kind="loud", weight=weight, reason=f"音量比平时高{self.louder_db:.0f}分贝"))
        if self.higher_semitones is not None and self.higher_semitones >= _HIGHER_SEMITONES:
            weight = min(0.3, self.higher_semitones * 0.07)
            cues.append(Cue(kind="high", weight=weight, reason=f"音调比平时高{self.higher_semitones:.0f}个半音"))
        return tuple(cues)


class Manner:
    """How one role speaks while calm: an outburst must not become the measure of itself."""

    def __init__(self) -> None:
        self.utterances = 0
        self._characters = 0
        self._speech_ms = 0
        self._loudness = 0.0
        self._voice_ms = 0
        self._pauses_ms = 0
        self._pitches: list[float] = []

    def add(self, facts: UtteranceFacts) -> None:
        """Take a calm utterance into the measure."""
        self.utterances += 1
        if _rate(facts) is not None:
            self._characters += facts.characters
            self._speech_ms += facts.speech_ms
        voice = facts.utterance.voice
        if voice is not None and voice.speech_ms > 0:
            self._loudness += voice.loudness_dbfs * voice.speech_ms
            self._voice_ms += voice.speech_ms
            self._pauses_ms += sum(voice.pauses_inside_ms)
            if voice.pitch_hertz is not None:
                insort(self._pitches, voice.pitch_hertz)

    def compare(self, facts: UtteranceFacts) -> VoiceReading:
        """Measure an utterance against what was added before."""
        voice = facts.utterance.voice
        if voice is None or voice.speech_ms <= 0 or self._voice_ms < _BASELINE_VOICE_MS:
            return VoiceReading(rate_ratio=self._rate_ratio(facts))
        pauses = sum(voice.pauses_inside_ms)
        return VoiceReading(
            rate_ratio=self._rate_ratio(facts),
            louder_db=voice.loudness_dbfs - self._loudness / self._voice_ms,
            higher_semitones=self._semitones(voice.pitch_hertz),
            pause_share_change=pauses / (voice.speech_ms + pauses)
            - self._pauses_ms / (self._voice_ms + self._pauses_ms),
        )

    def _rate_ratio(self, facts: UtteranceFacts) -> float | None:
        rate = _rate(facts)
        if rate is None or facts.characters < _CHARACTERS or self._characters < _BASELINE_CHARACTERS:
            return None
        return rate / (self._characters * 1000 / self._speech_ms)

    def _semitones(self, pitch_hertz: float | None) -> float | None:
        if pitch_hertz is None or not self._pitches:
            return None
        return 12.0 * math.log2(pitch_hertz / self._pitches[len(self._pitches) // 2])


def _rate(facts: UtteranceFacts) -> float | None:
    rate = facts.characters_per_second
    low, high = _PLAUSIBLE_RATE
    return rate if rate is not None and low <= rate <= high else None


def _percent(share: float) -> str:
    return f"{round(share * 100)}%"
