import threading

import numpy as np
import pytest

from qingting.errors import EngineAnswerError, EngineError, EngineTimeoutError, EngineUnavailableError
from qingting.model.transcript import EngineIdentity, TimedText
from qingting.speech.engine import Capabilities, Clip, Recognition, RecognitionOptions, SpeechEngine
from qingting.speech.wrappers import CheckedEngine, FallbackEngine, LimitedEngine, MeteredEngine, RetryingEngine

OPTIONS = RecognitionOptions(language="zh")
CLIPS = [Clip(samples=np.zeros(8000, np.float32)), Clip(samples=np.zeros(16_000, np.float32))]


class Scripted(SpeechEngine):
    """Plays a list of answers and errors; the last one repeats."""

    def __init__(self, *plays, name="scripted", languages=("zh",), longest=30.0):
        self.plays = list(plays)
        self.asked = []
        self.closed = False
        self.name = name
        self.languages = languages
        self.longest = longest

    @property
    def identity(self):
        return EngineIdentity(name=self.name, model="m", revision="r")

    @property
    def capabilities(self):
        return Capabilities(
            languages=self.languages, word_times=True, confidence=True, hot_words=False,
            longest_clip_seconds=self.longest, preferred_batch=4, live=False,
        )  # fmt: skip

    def transcribe(self, clips, options):
        self.asked.append((len(clips), options))
        play = self.plays.pop(0) if len(self.plays) > 1 else self.plays[0]
        if isinstance(play, BaseException):
            raise play
        return play

    def close(self):
        self.closed = True


GOOD = [Recognition(text="好"), Recognition(text="的")]


def test_checked_passes_good_answers():
    assert CheckedEngine(Scripted(GOOD)).transcribe(CLIPS, OPTIONS) == GOOD


@pytest.mark.parametrize(
    "answer",
    [
        [],
        GOOD[:1],
        [*GOOD, Recognition(text="多")],
        [GOOD[0], Recognition(text="的", confidence=1.5)],
        [GOOD[0], Recognition(text="的", words=(TimedText(text="的", start_ms=-5, end_ms=5),))],
        [GOOD[0], Recognition(text="的", words=(TimedText(text="的", start_ms=9, end_ms=5),))],
        RuntimeError("secret words"),
        KeyError("secret words"),
        OSError("secret words"),
    ],
)
def test_checked_turns_broken_answers_into_one_error(answer):
    with pytest.raises(EngineAnswerError) as caught:
        CheckedEngine(Scripted(answer)).transcribe(CLIPS, OPTIONS)
    assert "secret" not in str(caught.value)


def test_checked_knows_timeouts_and_leaves_engine_errors_alone():
    with pytest.raises(EngineTimeoutError):
        CheckedEngine(Scripted(TimeoutError())).transcribe(CLIPS, OPTIONS)
    original = EngineUnavailableError("away")
    with pytest.raises(EngineUnavailableError) as caught:
        CheckedEngine(Scripted(original)).transcribe(CLIPS, OPTIONS)
    assert caught.value is original


def test_retrying_asks_again_with_growing_pauses():
    pauses = []
    inner = Scripted(EngineUnavailableError("away"), EngineTimeoutError("slow"), EngineUnavailableError("away"), GOOD)
    engine = RetryingEngine(inner, attempts=4, first_pause_seconds=1.0, longest_pause_seconds=3.0, sleep=pauses.append)
    assert engine.transcribe(CLIPS, OPTIONS) == GOOD
    assert pauses == [1.0, 2.0, 3.0]


def test_retrying_gives_up_with_the_last_error():
    pauses = []
    last = EngineTimeoutError("slow")
    engine = RetryingEngine(Scripted(EngineUnavailableError("away"), last), attempts=2, sleep=pauses.append)
    with pytest.raises(EngineTimeoutError) as caught:
        engine.transcribe(CLIPS, OPTIONS)
    assert caught.value is last
    assert len(pauses) == 1


@pytest.mark.parametrize("error", [EngineAnswerError("broken"), ValueError("foreign")])
def test_retrying_does_not_repeat_lasting_errors(error):
    inner = Scripted(error)
    with pytest.raises(type(error)):
        RetryingEngine(inner, sleep=lambda _: pytest.fail("paused")).transcribe(CLIPS, OPTIONS)
    assert len(inner.asked) == 1


def test_fallback_marks_who_answered():
    told = []
    first = Scripted(EngineUnavailableError("away"), GOOD, name="first", languages=("zh", "yue"))
    second = Scripted(GOOD, name="second")
    engine = FallbackEngine(first, second, on_fallback=told.append)
    answers = engine.transcribe(CLIPS, RecognitionOptions(language="yue", hot_words=("退款",)))
    assert [answer.engine.name for answer in answers] == ["second", "second"]
    assert second.asked == [(2, RecognitionOptions(hot_words=("退款",)))]
    assert [type(error) for error in told] == [EngineUnavailableError]
    assert engine.transcribe(CLIPS, OPTIONS) == GOOD
    assert engine.identity.name == "first"


def test_fallback_takes_only_clips_both_can_take_and_raises_the_second_error():
    first, second = Scripted(EngineAnswerError("one")), Scripted(EngineTimeoutError("two"), longest=10.0)
    engine = FallbackEngine(first, second)
    assert engine.capabilities.longest_clip_seconds == 10.0
    with pytest.raises(EngineTimeoutError):
        engine.transcribe(CLIPS, OPTIONS)
    engine.close()
    assert first.closed
    assert second.closed


def test_metered_counts_answers_and_failures():
    engine = MeteredEngine(Scripted(GOOD, EngineError("no"), GOOD))
    engine.transcribe(CLIPS, OPTIONS)
    with pytest.raises(EngineError):
        engine.transcribe(CLIPS, OPTIONS)
    engine.transcribe(CLIPS, OPTIONS)
    metrics = engine.metrics
    assert (metrics.calls, metrics.failures, metrics.clips, metrics.audio_seconds) == (3, 1, 4, 3.0)
    assert metrics.wall_seconds > 0
    assert metrics.times_real_time == pytest.approx(3.0 / metrics.wall_seconds)


def test_limited_lets_only_so_many_in():
    inside, most, lock = 0, 0, threading.Lock()
    gate = threading.Event()

    class Slow(Scripted):
        def transcribe(self, clips, options):
            nonlocal inside, most
            with lock:
                inside += 1
                most = max(most, inside)
            gate.wait(5)
            with lock:
                inside -= 1
            return GOOD

    engine = LimitedEngine(Slow(GOOD), concurrent=2)
    threads = [threading.Thread(target=engine.transcribe, args=(CLIPS, OPTIONS)) for _ in range(5)]
    for thread in threads:
        thread.start()
    gate.set()
    for thread in threads:
        thread.join(10)
    assert most <= 2
    assert inside == 0


def test_limited_loses_patience_and_frees_its_place_after_errors():
    engine = LimitedEngine(Scripted(EngineError("no")), concurrent=1, patience_seconds=0.01)
    for _ in range(3):
        with pytest.raises(EngineError, match="no"):
            engine.transcribe(CLIPS, OPTIONS)
    entered, release = threading.Event(), threading.Event()

    class Holding(Scripted):
        def transcribe(self, clips, options):
            entered.set()
            release.wait(5)
            return GOOD

    busy = LimitedEngine(Holding(GOOD), concurrent=1, patience_seconds=0.01)
    thread = threading.Thread(target=busy.transcribe, args=(CLIPS, OPTIONS))
    thread.start()
    assert entered.wait(5)
    with pytest.raises(EngineTimeoutError):
        busy.transcribe(CLIPS, OPTIONS)
    release.set()
    thread.join(5)


@pytest.mark.parametrize("make", [lambda e: RetryingEngine(e, attempts=0), lambda e: LimitedEngine(e, concurrent=0)])
def test_senseless_settings_are_refused(make):
    with pytest.raises(ValueError, match="at least 1"):
        make(Scripted(GOOD))
