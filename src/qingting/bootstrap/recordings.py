"""Worker processes for recordings, and the inspector over them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from qingting.audio.options import AudioLimits, AudioOptions, NoiseReduction, RawFormat
from qingting.audio.worker import WorkerPool
from qingting.bootstrap.planning import plans
from qingting.bootstrap.speech import open_aligner, open_engine
from qingting.errors import WorkerError
from qingting.inspector import Inspector
from qingting.speech.recognizer import Recognizer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from qingting.analysis.contact_history import ContactHistory
    from qingting.model.audio import PreparedAudio
    from qingting.settings import Settings
    from qingting.speech.aligner import Aligner
    from qingting.speech.engine import SpeechEngine

PREPARE = "qingting.audio.front_end:prepare"
"""Runs in worker processes: recordings from outside may crash a decoder."""
FIRST_LOOK = "qingting.audio.duration:stated_seconds"
_FIRST_LOOK_SECONDS = 20.0


@contextmanager
def open_inspector(
    settings: Settings,
    *,
    engine: SpeechEngine | None = None,
    raw: RawFormat | None = None,
    noise_reduction: str | None = None,
    text_only: bool = False,
    history: ContactHistory | None = None,
) -> Iterator[Inspector]:
    """Give an Inspector with its worker processes and engine; both are closed afterwards.

    With `text_only` no engine is opened: chats and e-mails need none. `history` as in plans(). `engine` replaces
    the one that the settings choose (tests, own engines). Raises UnknownEngineError, EngineUnavailableError or
    MissingExtraError when none can run.
    """
    owned = engine is None
    chosen = engine if engine is not None or text_only else open_engine(settings)
    options = audio_options(settings, raw=raw, noise_reduction=noise_reduction)
    timeout = settings.audio.decode_timeout_seconds
    aligner: Aligner | None = None
    try:
        aligner = None if chosen is None else open_aligner(settings, chosen)
        with WorkerPool(PREPARE, workers=settings.workers, timeout_seconds=timeout) as pool:

            def prepare(path: Path, audio: AudioOptions) -> PreparedAudio:
                prepared: PreparedAudio = pool.run(path, audio)
                return prepared

            yield Inspector(
                prepare=prepare,
                recognizer=None if chosen is None else Recognizer(chosen, aligner=aligner),
                plan_for=plans(settings, history=history),
                audio_options=options,
                role_threshold=settings.role_threshold,
            )
    finally:
        if aligner is not None:
            aligner.close()
        if owned and chosen is not None:
            chosen.close()


def audio_options(
    settings: Settings, *, raw: RawFormat | None = None, noise_reduction: str | None = None
) -> AudioOptions:
    """The audio stage's options from the settings."""
    audio = settings.audio
    return AudioOptions(
        limits=AudioLimits(
            max_bytes=audio.max_bytes,
            max_seconds=audio.max_seconds,
            max_channels=audio.max_channels,
            decode_timeout_seconds=audio.decode_timeout_seconds,
        ),
        raw=raw,
        noise_reduction=NoiseReduction(noise_reduction or audio.noise_reduction),
        separate_speakers=audio.separate_speakers,
    )


@contextmanager
def open_reader(settings: Settings) -> Iterator[Callable[[Path], tuple[int, NDArray[np.int16]]]]:
    """Give a function that decodes a recording in a worker process: rate in hertz, samples [channels, samples].

    It raises AudioError or WorkerError.
    """
    options = audio_options(settings)
    with WorkerPool(PREPARE, workers=1, timeout_seconds=settings.audio.decode_timeout_seconds) as pool:

        def read(path: Path) -> tuple[int, NDArray[np.int16]]:
            prepared: PreparedAudio = pool.run(path, options)
            return prepared.rate_hertz, prepared.pcm

        yield read


@contextmanager
def open_first_look() -> Iterator[Callable[[Path], float | None]]:
    """Give a function that reads in a worker process how long a recording says it is; None when it says nothing."""
    with WorkerPool(FIRST_LOOK, workers=1, timeout_seconds=_FIRST_LOOK_SECONDS) as pool:

        def look(path: Path) -> float | None:
            try:
                seconds: float | None = pool.run(path)
            except WorkerError:
                return None
            return seconds

        yield look
