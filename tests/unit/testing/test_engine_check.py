"""Each broken engine breaks one rule of the contract and must be caught for that rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from threading import Lock

import numpy as np
import pytest

from qingting.model.transcript import EngineIdentity, TimedText
from qingting.speech.engine import Capabilities, Clip, Recognition, RecognitionOptions, SpeechEngine
from qingting.testing import check_engine

LIMITED = Capabilities(
    languages=("zh",),
    word_times=True,
    confidence=True,
    hot_words=False,
    longest_clip_seconds=30,
    preferred_batch=4,
    live=False,
)


class GoodEngine(SpeechEngine):
    """Writes a clip's loudness as words, so that answers depend on the clip alone."""

    identity = EngineIdentity(name="good", model="loudness", revision="1")
    capabilities = LIMITED

    def transcribe(self, clips: Sequence[Clip], options: RecognitionOptions) -> list[Recognition]:
        return [self.answer(clip) for clip in clips]

    def answer(self, clip: Clip) -> Recognition:
        level = int(1000 * np.abs(clip.samples).mean())
        text = "响" * min(level, 300) or "静"
        return Recognition(
            text=text,
            language="zh",
            words=(TimedText(text=text, start_ms=0, end_ms=round(clip.seconds * 1000)),),
            confidence=0.5,
        )


def test_a_good_engine_passes() -> None:
    check_engine(GoodEngine())


def test_real_speech_of_the_author_is_asked_too() -> None:
    asked: list[int] = []

    class Counting(GoodEngine):
        def answer(self, clip: Clip) -> Recognition:
            asked.append(len(clip.samples))
            return super().answer(clip)

    check_engine(Counting(), speech=[Clip(samples=np.full(12_345, 0.1, np.float32))])
    assert 12_345 in asked


class NoName(GoodEngine):
    identity = EngineIdentity(name=" ", model="m", revision="")


class NoLanguage(GoodEngine):
    capabilities = replace(LIMITED, languages=())


class OddLanguage(GoodEngine):
    capabilities = replace(LIMITED, languages=("Chinese",))


class NoBatch(GoodEngine):
    capabilities = replace(LIMITED, preferred_batch=0)


class MovingIdentity(GoodEngine):
    def __init__(self) -> None:
        self.count = 0

    @property  # type: ignore[override]
    def identity(self) -> EngineIdentity:
        return EngineIdentity(name="n", model="m", revision=str(self.count // 10))

    def answer(self, clip: Clip) -> Recognition:
        self.count += 1
        return super().answer(clip)


class ForgetsOne(GoodEngine):
    def transcribe(self, clips: Sequence[Clip], options: RecognitionOptions) -> list[Recognition]:
        return super().transcribe(clips, options)[: max(len(clips) - 1, 1)]


class AnswersNothing(GoodEngine):
    def transcribe(self, clips: Sequence[Clip], options: RecognitionOptions) -> list[Recognition]:
        return super().transcribe(clips, options) or [Recognition(text="")]


class Reverses(GoodEngine):
    def transcribe(self, clips: Sequence[Clip], options: RecognitionOptions) -> list[Recognition]:
        return [replace(answer, words=()) for answer in super().transcribe(clips, options)[::-1]]


class ChangesSamples(GoodEngine):
    def answer(self, clip: Clip) -> Recognition:
        answer = super().answer(clip)
        clip.samples[:] = 0
        return answer


class OtherLanguage(GoodEngine):
    def answer(self, clip: Clip) -> Recognition:
        return replace(super().answer(clip), language="en")


class DeniedTimes(GoodEngine):
    capabilities = replace(LIMITED, word_times=False)


class DeniedConfidence(GoodEngine):
    capabilities = replace(LIMITED, confidence=False)


class OverSure(GoodEngine):
    def answer(self, clip: Clip) -> Recognition:
        return replace(super().answer(clip), confidence=1.5)


class WordsOf(GoodEngine):
    times: tuple[tuple[int, int], ...] = ()

    def answer(self, clip: Clip) -> Recognition:
        words = tuple(TimedText(text="字", start_ms=start, end_ms=end) for start, end in self.times)
        return replace(super().answer(clip), words=words)


class WordsBack(WordsOf):
    times = ((5, 6), (2, 3))


class WordsInsideOut(WordsOf):
    times = ((5, 4),)


class WordsBeyond(WordsOf):
    times = ((0, 5000),)


class OneAtATime(GoodEngine):
    """Fails when a second thread comes in."""

    def __init__(self) -> None:
        self.busy = Lock()

    def transcribe(self, clips: Sequence[Clip], options: RecognitionOptions) -> list[Recognition]:
        if not self.busy.acquire(blocking=False):
            return []
        try:
            if len(clips) > 1:
                np.linalg.svd(np.random.default_rng(0).standard_normal((300, 300)))
            return super().transcribe(clips, options)
        finally:
            self.busy.release()


@pytest.mark.parametrize(
    ("engine", "message"),
    [
        (NoName, "identity.name"),
        (NoLanguage, "must name a language"),
        (OddLanguage, "ISO 639-1"),
        (NoBatch, "preferred_batch"),
        (MovingIdentity, "`identity` changed"),
        (ForgetsOne, "clips got"),
        (AnswersNothing, "no clips must give an empty list"),
        (Reverses, "belongs to another clip"),
        (ChangesSamples, "changed the samples"),
        (OtherLanguage, "one of the capabilities' languages"),
        (DeniedTimes, "capabilities deny them"),
        (DeniedConfidence, "capabilities deny it"),
        (OverSure, "`confidence` must be"),
        (WordsBack, "must not go back"),
        (WordsInsideOut, "must not end before"),
        (WordsBeyond, "inside the clip"),
        (OneAtATime, "clips got 0 answers"),
    ],
)
def test_a_broken_engine_is_caught_for_its_fault(engine: type[SpeechEngine], message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_engine(engine())
