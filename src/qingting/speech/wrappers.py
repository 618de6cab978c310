"""Retry, fall-back, metrics, limits and answer checks: engines around engines, each once.

MeteredEngine(FallbackEngine(RetryingEngine(LimitedEngine(CheckedEngine(engine))), embedded))
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from qingting.errors import EngineAnswerError, EngineError, EngineTimeoutError
from qingting.model.transcript import EngineIdentity
from qingting.speech.engine import Capabilities, Clip, Recognition, RecognitionOptions, SpeechEngine


class _Around(SpeechEngine):
    """Passes everything on to the engine inside."""

    def __init__(self, inner: SpeechEngine) -> None:
        self._inner = inner

    @property
    def identity(self) -> EngineIdentity:
        """The inner engine's."""
        return self._inner.identity

    @property
    def capabilities(self) -> Capabilities:
        """The inner engine's."""
        return self._inner.capabilities

    def transcribe(self, clips: Sequence[Clip], options: RecognitionOptions) -> list[Recognition]:
        """Ask the inner engine."""
        return self._inner.transcribe(clips, options)

    def close(self) -> None:
        """Close the inner engine."""
        self._inner.close()


class CheckedEngine(_Around):
    """Holds an engine to its contract: one sane answer per clip, and only our errors.

    Raises EngineAnswerError for a wrong number of answers, negative or reversed word
    times, a confidence outside 0 to 1, and for any foreign exception.
    """

    def transcribe(self, clips: Sequence[Clip], options: RecognitionOptions) -> list[Recognition]:
        """Ask, then check."""
        try:
            answers = self._inner.transcribe(clips, options)
        except TimeoutError as error:
            raise EngineTimeoutError("The engine gave no answer in time.") from error
        except (OSError, ValueError, TypeError, LookupError, ArithmeticError, RuntimeError) as error:
            raise EngineAnswerError(f"The engine failed ({type(error).__name__}).") from error
        if len(answers) != len(clips):
            raise EngineAnswerError(f"The engine gave {len(answers)} answers for {len(clips)} clips.")
        for answer in answers:
            _check_answer(answer)
        return answers


def _check_answer(answer: Recognition) -> None:
    if answer.confidence is not None and not 0.0 <= answer.confidence <= 1.0:
        message = "The engine gave a confidence outside 0 to 1."
        raise EngineAnswerError(message)
    if any(word.start_ms < 0 or word.end_ms < word.start_ms for word in answer.words):
        message = "The engine gave negative or reversed word times."
        raise EngineAnswerError(message)


class RetryingEngine(_Around):
    """Asks again after errors that may pass (`can_retry`), with growing pauses.

    Waits `first_pause_seconds`, then twice as long each time up to `longest_pause_seconds`;
    after `attempts` tries the last error is raised.
    """

    def __init__(
        self,
        inner: SpeechEngine,
        *,
        attempts: int = 3,
        first_pause_seconds: float = 0.5,
        longest_pause_seconds: float = 8.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`sleep` is replaced in tests."""
        super().__init__(inner)
        if attempts < 1:
            message = "attempts must be at least 1"
            raise ValueError(message)
        self._attempts = attempts
        self._first_pause = first_pause_seconds
        self._longest_pause = longest_pause_seconds
        self._sleep = sleep

    def transcribe(self, clips: Sequence[Clip], options: RecognitionOptions) -> list[Recognition]:
        """Ask until it succeeds, the error is lasting, or the attempts are used up."""
        pause = self._first_pause
        for attempt in range(1, self._attempts + 1):
            try:
                return self._inner.transcribe(clips, options)
            except EngineError as error:
                if not error.can_retry or attempt == self._attempts:
                    raise
            self._sleep(min(pause, self._longest_pause))
            pause *= 2
        message = "unreachable: the loop returns or raises"
        raise AssertionError(message)


class FallbackEngine(_Around):
    """Asks a second engine when the first fails; `identity` is the first one's.

    Answers of the second carry its identity in `Recognition.engine`, so that the report
    says who made which text. `on_fallback` is told the first engine's error.
    """

    def __init__(
        self, inner: SpeechEngine, substitute: SpeechEngine, *, on_fallback: Callable[[EngineError], None] | None = None
    ) -> None:
        """Both engines are closed with this one."""
        super().__init__(inner)
        self._substitute = substitute
        self._on_fallback = on_fallback

    @property
    def capabilities(self) -> Capabilities:
        """The first engine's, with clips no longer than the substitute takes."""
        own = self._inner.capabilities
        longest = min(own.longest_clip_seconds, self._substitute.capabilities.longest_clip_seconds)
        return replace(own, longest_clip_seconds=longest)

    def transcribe(self, clips: Sequence[Clip], options: RecognitionOptions) -> list[Recognition]:
        """Ask the first engine, on its EngineError the second; the second's error is raised."""
        try:
            return self._inner.transcribe(clips, options)
        except EngineError as error:
            if self._on_fallback is not None:
                self._on_fallback(error)
        answers = self._substitute.transcribe(clips, self._understood(options))
        return [replace(answer, engine=answer.engine or self._substitute.identity) for answer in answers]

    def close(self) -> None:
        """Close both."""
        try:
            self._inner.close()
        finally:
            self._substitute.close()

    def _understood(self, options: RecognitionOptions) -> RecognitionOptions:
        """Options without a language the substitute does not know."""
        if options.language is None or options.language in self._substitute.capabilities.languages:
            return options
        return RecognitionOptions(hot_words=options.hot_words)


@dataclass(frozen=True, kw_only=True)
class EngineMetrics:
    """What an engine did so far; holds no words."""

    calls: int = 0
    failures: int = 0
    """Calls that raised an EngineError."""
    clips: int = 0
    """Clips answered."""
    audio_seconds: float = 0.0
    """Length of the clips answered."""
    wall_seconds: float = 0.0
    """Time spent in calls, failed ones too, summed over threads."""
    processor_seconds: float = 0.0
    """Processor time of the calling threads alone: work in an engine's own threads or server is not in it."""

    @property
    def times_real_time(self) -> float:
        """Seconds of audio per second of waiting; 0.0 before any call."""
        return self.audio_seconds / self.wall_seconds if self.wall_seconds else 0.0


class MeteredEngine(_Around):
    """Counts calls, audio and time."""

    def __init__(self, inner: SpeechEngine) -> None:
        """Starts from zero."""
        super().__init__(inner)
        self._lock = threading.Lock()
        self._metrics = EngineMetrics()

    @property
    def metrics(self) -> EngineMetrics:
        """The counts so far."""
        with self._lock:
            return self._metrics

    def transcribe(self, clips: Sequence[Clip], options: RecognitionOptions) -> list[Recognition]:
        """Ask and count."""
        wall, processor = time.perf_counter(), time.thread_time()
        answered = False
        try:
            answers = self._inner.transcribe(clips, options)
            answered = True
            return answers
        finally:
            self._count(clips if answered else (), time.perf_counter() - wall, time.thread_time() - processor, answered)

    def _count(self, clips: Sequence[Clip], wall: float, processor: float, answered: bool) -> None:  # noqa: FBT001
        with self._lock:
            old = self._metrics
            self._metrics = EngineMetrics(
                calls=old.calls + 1,
                failures=old.failures + (not answered),
                clips=old.clips + len(clips),
                audio_seconds=old.audio_seconds + sum(clip.seconds for clip in clips),
                wall_seconds=old.wall_seconds + wall,
                processor_seconds=old.processor_seconds + processor,
            )


class LimitedEngine(_Around):
    """Lets only so many calls in at a time; others wait, at most `patience_seconds`."""

    def __init__(self, inner: SpeechEngine, *, concurrent: int, patience_seconds: float | None = None) -> None:
        """Without patience_seconds calls wait as long as it takes."""
        super().__init__(inner)
        if concurrent < 1:
            message = "concurrent must be at least 1"
            raise ValueError(message)
        self._places = threading.BoundedSemaphore(concurrent)
        self._patience = patience_seconds

    def transcribe(self, clips: Sequence[Clip], options: RecognitionOptions) -> list[Recognition]:
        """Wait for a place, then ask; raises EngineTimeoutError when none came free in time."""
        if not self._places.acquire(timeout=self._patience):
            message = "The engine is busy: no place came free within the time limit."
            raise EngineTimeoutError(message)
        try:
            return self._inner.transcribe(clips, options)
        finally:
            self._places.release()
