"""What an engine really carries: clips asked one by one with so many in flight, timed."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from qingting.errors import EngineError
from qingting.speech.engine import Clip, RecognitionOptions, SpeechEngine


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """What was measured; wall time of a machine that may have had other work."""

    clips: int
    failed: int
    """Clips without an answer; they count neither as audio nor as latency."""
    in_flight: int
    audio_seconds: float
    """Of the clips answered."""
    wall_seconds: float
    latency_p50_seconds: float
    latency_p95_seconds: float

    @property
    def throughput(self) -> float:
        """Seconds of audio recognised per second; 0.0 when nothing was."""
        return self.audio_seconds / self.wall_seconds if self.wall_seconds > 0 else 0.0


def measure(
    engine: SpeechEngine,
    clips: Sequence[Clip],
    *,
    in_flight: int,
    rounds: int = 1,
    clock: Callable[[], float] = time.perf_counter,
) -> Measurement:
    """Ask for every clip `rounds` times with `in_flight` requests at once, after one request that warms up.

    Raises the engine's error when no clip is answered, ValueError without clips.
    """
    if not clips or in_flight < 1 or rounds < 1:
        message = "there must be clips, a request in flight and a round"
        raise ValueError(message)
    options = RecognitionOptions()
    engine.transcribe([clips[0]], options)
    work = [clip for _ in range(rounds) for clip in clips]
    errors: list[EngineError] = []

    def ask(clip: Clip) -> float | None:
        started = clock()
        try:
            engine.transcribe([clip], options)
        except EngineError as error:
            errors.append(error)
            return None
        return clock() - started

    started = clock()
    with ThreadPoolExecutor(in_flight) as pool:
        times = list(pool.map(ask, work))
    wall = clock() - started
    answered = sorted(seconds for seconds in times if seconds is not None)
    if not answered:
        raise errors[0]
    return Measurement(
        clips=len(work),
        failed=len(errors),
        in_flight=in_flight,
        audio_seconds=sum(clip.seconds for clip, seconds in zip(work, times, strict=True) if seconds is not None),
        wall_seconds=wall,
        latency_p50_seconds=_quantile(answered, 0.5),
        latency_p95_seconds=_quantile(answered, 0.95),
    )


def _quantile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, round(share * (len(ordered) - 1)))]
