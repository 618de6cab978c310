"""The intensity of emotion of an utterance, fused from words, voice and repetition.

Intensity is 0 (calm) to 1; valence is -1 (negative) to 1 (positive); tension is the negative
part of the intensity, what escalation is judged by. Words decide the sign: the voice only
strengthens what words say, because being loud and fast is anger as well as joy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from qingting.analysis.analyzers._emotion_cues import Cue, together

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qingting.analysis.analyzers._emotion_voice import VoiceReading
    from qingting.analysis.analyzers._emotion_words import WordReading
    from qingting.analysis.context import UtteranceFacts

_VOICE_SHARE = 0.8
_VOICE_ALONE_SHARE = 0.45
_JOY_SHARE = 0.5
_KIND_WORDS_SHARE = 0.6
"""Kind words beside complaints take so much of the tension: 效率太低，但是你态度挺好的."""
_STILL_TENSE = 0.5
"""After an utterance this tense, a raised voice without further words keeps half of its weight."""


@dataclass(frozen=True, kw_only=True)
class Mood:
    """What is known of the feeling in one utterance."""

    facts: UtteranceFacts
    intensity: float
    valence: float
    tension: float
    """Negative intensity, 0 to 1."""
    cues: tuple[Cue, ...]
    """Everything that raised it, heaviest first."""
    words: WordReading
    voice: VoiceReading

    def reasons(self, limit: int = 4) -> str:
        """Join the heaviest signs in Chinese."""
        return "、".join(dict.fromkeys(cue.reason for cue in self.cues[:limit]))


def mood_of(
    facts: UtteranceFacts, words: WordReading, voice: VoiceReading, *, repeats: Sequence[Cue], before: float
) -> Mood:
    """Fuse the signs of one utterance; `before` is the tension of the speaker's utterance before it."""
    arousal_cues = voice.arousal()
    arousal = together(cue.weight for cue in arousal_cues)
    negative = together(cue.weight for cue in (*words.negative, *repeats))
    positive = together(cue.weight for cue in words.positive)
    if negative > 0.0:
        tension = together((negative, arousal * _VOICE_SHARE)) * (1.0 - _KIND_WORDS_SHARE * positive)
        intensity, valence = max(tension, positive * _JOY_SHARE), positive * _JOY_SHARE - tension
    elif positive > 0.0:
        tension, intensity = 0.0, together((positive, arousal * _JOY_SHARE))
        valence = intensity
    else:
        tension = arousal * _STILL_TENSE if before >= _STILL_TENSE else 0.0
        intensity, valence = max(arousal * _VOICE_ALONE_SHARE, tension), -tension
    feelings = (*words.negative, *repeats) if negative > 0.0 else words.positive
    cues = sorted((*feelings, *arousal_cues), key=lambda cue: -cue.weight)
    return Mood(
        facts=facts,
        intensity=round(intensity, 4),
        valence=round(max(min(valence, 1.0), -1.0), 4) + 0.0,
        tension=round(tension, 4),
        cues=tuple(cues),
        words=words,
        voice=voice,
    )
