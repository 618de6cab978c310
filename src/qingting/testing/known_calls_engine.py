"""A speech engine that knows the sample calls by their sound and answers from their scripts.

For live tests and load: it costs next to nothing, may be asked in any order and by any number of calls at
once, and answers an utterance that is still being spoken with the words said so far.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from qingting.model.transcript import EngineIdentity, TimedText
from qingting.speech.engine import SAMPLE_RATE_HERTZ, Capabilities, Clip, Recognition, RecognitionOptions, SpeechEngine
from qingting.speech.recognizer import Recognizer
from qingting.testing.scripted_engine import answers_for_spans

if TYPE_CHECKING:
    from qingting.model.audio import PreparedAudio
    from qingting.testing.call_script import CallScript

_HEAD_SAMPLES = SAMPLE_RATE_HERTZ // 5
"""A clip is known by its first 200 ms: resampling makes them the same whatever follows."""
_STEP = 64
"""They are compared in steps of this many 16-bit units."""


class KnownCallsEngine(SpeechEngine):
    """Answers clips of known calls; unknown sound is silence to it."""

    def __init__(self, calls: Iterable[tuple[CallScript, PreparedAudio]]) -> None:
        """Learn the calls: script and prepared recording of each."""
        self._known: dict[bytes, Recognition] = {}
        for script, audio in calls:
            answers = answers_for_spans(script, audio.spans)
            for clip, answer in zip(Recognizer(self).clips(audio), answers, strict=True):
                self._known[_name(clip)] = answer

    @property
    def identity(self) -> EngineIdentity:
        """Name itself, so that no report passes for a recognised one."""
        return EngineIdentity(name="known-calls", model="scripts", revision="")

    @property
    def capabilities(self) -> Capabilities:
        """Claim what a perfect engine could do."""
        return Capabilities(
            languages=("zh", "yue", "en"),
            word_times=True,
            confidence=True,
            hot_words=False,
            longest_clip_seconds=30.0,
            preferred_batch=8,
            live=True,
        )

    def transcribe(self, clips: Sequence[Clip], options: RecognitionOptions) -> list[Recognition]:
        """Return the words that were said by the end of each clip."""
        return [_until(self._known.get(_name(clip)), round(clip.seconds * 1000)) for clip in clips]


def _name(clip: Clip) -> bytes:
    units = np.rint(clip.samples[:_HEAD_SAMPLES] * (32768 / _STEP)).astype(np.int16)
    head: bytes = units.tobytes()
    return clip.voice.encode() + head


def _until(answer: Recognition | None, end_ms: int) -> Recognition:
    if answer is None:
        return Recognition(text="", language="")
    words: tuple[TimedText, ...] = answer.words
    said = [word for word in words if word.end_ms <= end_ms]
    if len(said) == len(words):
        return answer
    text, at = "", 0
    for word in said:
        at = answer.text.index(word.text, at) + len(word.text)
        text = answer.text[:at]
    return Recognition(text=text, language=answer.language if text else "", words=tuple(said), confidence=1.0)
