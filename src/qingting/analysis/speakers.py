"""How each speaker has spoken so far: the measure for what follows."""

from __future__ import annotations

from bisect import insort
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qingting.analysis.text import NormalText

if TYPE_CHECKING:
    from qingting.model.call import Role
    from qingting.model.transcript import Utterance


@dataclass(frozen=True, kw_only=True, slots=True)
class Baseline:
    """How a role has spoken so far: the measure its further speech is compared with."""

    utterances: int
    """Utterances of the role so far."""
    characters: int
    """Characters (Chinese) and digits or letters said so far."""
    speech_ms: int
    """Speech time without inner pauses."""
    characters_per_second: float | None
    """characters over speech_ms; None without speech time."""
    loudness_dbfs: float | None
    """Mean loudness of the utterances with acoustic facts, weighted by speech time; None without any."""
    pitch_hertz: float | None
    """Median of the utterances' median pitch; None without any."""


def spoken_characters(utterance: Utterance, text: NormalText) -> int:
    """Count the characters of an utterance as spoken (一百二十, not 120)."""
    if utterance.spoken_text and utterance.spoken_text != utterance.text:
        return len(NormalText(utterance.spoken_text).text)
    return len(text.text)


def speech_time_ms(utterance: Utterance) -> int:
    """Speech time of an utterance in ms, inner pauses left out where they are known."""
    if utterance.voice is not None and utterance.voice.speech_ms > 0:
        return utterance.voice.speech_ms
    return utterance.end_ms - utterance.start_ms


class RoleSoFar:
    """How one role has taken part until now; grows with each event, so live equals afterwards."""

    def __init__(self, role: Role) -> None:
        self.role = role
        self.utterances = 0
        self.characters = 0
        self.speech_ms = 0
        """Speech time without inner pauses."""
        self.span_ms = 0
        """Sum of the utterances' lengths."""
        self.last_start_ms: int | None = None
        """When it last began to speak."""
        self.last_end_ms: int | None = None
        """When its last finished utterance ended."""
        self._loudness_weighted = 0.0
        self._loudness_ms = 0
        self._pitches: list[float] = []

    def baseline(self) -> Baseline:
        """Return the role's manner of speaking until now, as a value."""
        pitches, middle = self._pitches, len(self._pitches) // 2
        pitch = None
        if pitches:
            pitch = pitches[middle] if len(pitches) % 2 else (pitches[middle - 1] + pitches[middle]) / 2
        return Baseline(
            utterances=self.utterances,
            characters=self.characters,
            speech_ms=self.speech_ms,
            characters_per_second=self.characters * 1000 / self.speech_ms if self.speech_ms else None,
            loudness_dbfs=self._loudness_weighted / self._loudness_ms if self._loudness_ms else None,
            pitch_hertz=pitch,
        )

    def add(self, utterance: Utterance, characters: int) -> None:
        """Take a finished utterance into the baseline."""
        speech_ms = speech_time_ms(utterance)
        self.utterances += 1
        self.characters += characters
        self.speech_ms += speech_ms
        self.span_ms += utterance.end_ms - utterance.start_ms
        self.last_end_ms = max(utterance.end_ms, self.last_end_ms or 0)
        if utterance.voice is not None:
            self._loudness_weighted += utterance.voice.loudness_dbfs * speech_ms
            self._loudness_ms += speech_ms
            if utterance.voice.pitch_hertz is not None:
                insort(self._pitches, utterance.voice.pitch_hertz)
