"""Qwen3-ASR in process, on Transformers' own classes: graphics card or processor, nothing to serve."""

from __future__ import annotations

import math
import shutil
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from qingting.errors import EngineAnswerError, EngineError, SettingsError
from qingting.model.transcript import EngineIdentity, Flag
from qingting.speech import qwen3_weights
from qingting.speech._units import units
from qingting.speech.engine import SAMPLE_RATE_HERTZ, Capabilities, Clip, Recognition, RecognitionOptions, SpeechEngine
from qingting.speech.guards import FASTEST_UNITS_PER_SECOND, find_hot_word_leak, find_loops
from qingting.speech.qwen3_prompt import (
    LANGUAGES,
    SHORTEST_SECONDS,
    ParsedAnswer,
    assistant_prefix,
    parse_answer,
    repeats,
    system_text,
    token_limit,
)
from qingting.speech.qwen3_weights import Kind, Source
from qingting.speech.unit_confidence import text_confidence

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from qingting.speech._qwen3_model import Qwen3Recogniser, Written

DEFAULT_MODEL = "Qwen/Qwen3-ASR-0.6B"
LONGEST_CLIP_SECONDS = 60.0
"""The model takes 20 minutes, but long inputs lose words; voice activity cuts far shorter."""
_SECOND_TRY_PENALTY = 1.1
"""Penalty on tokens already written, for clips that looped: enough to leave a loop, little enough for 对对对."""


@dataclass(frozen=True, kw_only=True)
class Qwen3LocalSettings:
    """How Qwen3-ASR runs in process."""

    model: str = DEFAULT_MODEL
    """Folder with weights, or a hub name."""
    source: str = Source.AUTO
    """`auto`, `modelscope` or `huggingface`; see Source."""
    device: str = "auto"
    """`auto`, `cpu`, `cuda`, `cuda:1` …"""
    dtype: str = "auto"
    """`auto`, `float32`, `float16` or `bfloat16`."""
    batch: int = 16
    """Clips decoded together, all of one length."""
    threads: int = 0
    """Processor threads for the whole process; 0 leaves them as they are."""
    shape_ms: int = 1_000
    """Clips are filled up with silence to a multiple of this, so that they can share a batch:
    the encoder works in chunks of one second anyway."""


@dataclass(frozen=True, kw_only=True)
class _Attempt:
    """What one decode made of a clip."""

    written: Written
    answer: ParsedAnswer
    looped: bool
    suspicious: bool
    """It looped, was cut off, is too dense, or hot words stand in place of speech."""


class Qwen3LocalEngine(SpeechEngine):
    """Qwen3-ASR through Transformers; the weights are loaded at the first transcribe() or warm_up().

    Calls from several threads wait for each other: one batch fills the device.
    """

    def __init__(self, settings: Qwen3LocalSettings | None = None) -> None:
        """Nothing heavy happens yet.

        Raises MissingExtraError without the extra, EngineUnavailableError when the weights
        are missing (and must not be downloaded) or are not whole, SettingsError for a wrong
        setting.
        """
        qwen3_weights.require_libraries()
        self._settings = settings or Qwen3LocalSettings()
        self._source = _source(self._settings.source)
        self._lock = threading.Lock()
        self._model: Qwen3Recogniser | None = None
        self._folder: Path | None = None
        self._closed = False
        found = qwen3_weights.find_model(self._settings.model, self._source)
        if found is not None or self._source is Source.AUTO:
            self._checkpoint_folder()

    @property
    def identity(self) -> EngineIdentity:
        """Engine, model and digest of its files; the first call reads them all (one to four seconds)."""
        folder = self._checkpoint_folder()
        model = folder.name if qwen3_weights.is_folder(self._settings.model) else self._settings.model
        return EngineIdentity(name="qwen3-local", model=model, revision=qwen3_weights.revision(folder))

    @property
    def capabilities(self) -> Capabilities:
        """Fixed for this engine; live only on a graphics card."""
        return Capabilities(
            languages=LANGUAGES,
            word_times=False,
            confidence=True,
            hot_words=True,
            longest_clip_seconds=LONGEST_CLIP_SECONDS,
            preferred_batch=4 * self._settings.batch,
            live=self._settings.device != "cpu" and gpu_seen(),
        )

    def warm_up(self) -> None:
        """Load the weights now; raises EngineUnavailableError when that is impossible."""
        self._loaded()

    def transcribe(self, clips: Sequence[Clip], options: RecognitionOptions) -> list[Recognition]:
        """Transcribe clips of up to 60 s each; see SpeechEngine.transcribe.

        Digital silence is answered without the model. Clips that looped, ran into the token
        limit, came out too dense or as a list of hot words are decoded once more, without
        hot words and with a penalty on repetition; the better answer counts.
        """
        self._check(clips, options)
        heard = [index for index, clip in enumerate(clips) if _has_sound(clip)]
        if not heard:
            return [Recognition(text="") for _ in clips]
        model = self._loaded()
        try:
            attempts = _Job(model, self._settings, clips, options).run(heard)
        except EngineError:
            raise
        except Exception as error:
            raise EngineAnswerError(f"Qwen3-ASR failed ({type(error).__name__}).") from error
        return [_recognition(attempts.get(index)) for index in range(len(clips))]

    def close(self) -> None:
        """Free the weights and the device's memory, after a running decode has ended."""
        with self._lock:
            self._closed = True
            if self._model is not None:
                self._model.close()
                self._model = None

    def _checkpoint_folder(self) -> Path:
        if self._folder is None:
            folder = qwen3_weights.require_model(self._settings.model, self._source)
            qwen3_weights.read_checkpoint(folder, Kind.RECOGNISER)
            self._folder = folder
        return self._folder

    def _check(self, clips: Sequence[Clip], options: RecognitionOptions) -> None:
        if options.language is not None and options.language not in LANGUAGES:
            raise SettingsError(
                "Qwen3-ASR does not know the wanted language.",
                remedy=f"Choose one of {', '.join(LANGUAGES)}; other dialects have no label.",
            )
        if any(clip.samples.ndim != 1 for clip in clips):
            message = "A clip is not mono."
            raise EngineAnswerError(message)
        if any(clip.seconds > LONGEST_CLIP_SECONDS for clip in clips):
            message = "A clip is longer than the engine takes."
            raise EngineAnswerError(message, remedy="Cut clips to capabilities.longest_clip_seconds.")

    def _loaded(self) -> Qwen3Recogniser:
        with self._lock:
            if self._closed:
                message = "The engine was closed."
                raise EngineAnswerError(message)
            if self._model is None:
                from qingting.speech._qwen3_model import Placement, Qwen3Recogniser

                checkpoint = qwen3_weights.read_checkpoint(self._checkpoint_folder(), Kind.RECOGNISER)
                settings = self._settings
                placement = Placement(device=settings.device, dtype=settings.dtype, threads=settings.threads)
                self._model = Qwen3Recogniser(checkpoint, placement)
            return self._model


class _Job:
    """One transcribe() call."""

    def __init__(
        self, model: Qwen3Recogniser, settings: Qwen3LocalSettings, clips: Sequence[Clip], options: RecognitionOptions
    ) -> None:
        self._model = model
        self._settings = settings
        self._clips = clips
        self._options = options

    def run(self, heard: Sequence[int]) -> dict[int, _Attempt]:
        attempts = self._decode(heard, hot_words=True, penalty=1.0)
        again = [index for index in heard if attempts[index].suspicious]
        looped = [index for index in again if attempts[index].looped or attempts[index].written.truncated]
        others = [index for index in again if index not in looped] if self._options.hot_words else []
        second = self._decode(looped, hot_words=False, penalty=_SECOND_TRY_PENALTY)
        second |= self._decode(others, hot_words=False, penalty=1.0)
        better = {index: new for index, new in second.items() if _better(new, attempts[index])}
        return attempts | better

    def _decode(self, indices: Sequence[int], *, hot_words: bool, penalty: float) -> dict[int, _Attempt]:
        attempts: dict[int, _Attempt] = {}
        for shape, batch in batches_of_equal_length(
            {index: len(self._clips[index].samples) for index in indices},
            step=max(1, self._settings.shape_ms * SAMPLE_RATE_HERTZ // 1000),
            size=self._settings.batch,
        ):
            written = self._write(batch, shape, hot_words=hot_words, penalty=penalty)
            attempts.update(
                (index, self._attempt(index, item)) for index, item in zip(batch, written, strict=True)
            )  # fmt: skip
        return attempts

    def _write(self, batch: Sequence[int], shape: int, *, hot_words: bool, penalty: float) -> list[Written]:
        """Decode clips together; a batch too large for the device is halved."""
        from qingting.speech._qwen3_model import DeviceFullError

        try:
            return self._model.write(
                [_filled(self._clips[index].samples, shape) for index in batch],
                context=system_text(self._options.hot_words) if hot_words else "",
                prefix=assistant_prefix(self._options.language),
                limit_tokens=token_limit(shape / SAMPLE_RATE_HERTZ),
                repetition_penalty=penalty,
            )
        except DeviceFullError as error:
            if len(batch) == 1:
                raise EngineAnswerError(
                    "A single clip does not fit into the device's memory.",
                    remedy="Free memory on the device, or set device to cpu.",
                ) from error
        half = len(batch) // 2
        return [
            item
            for part in (batch[:half], batch[half:])
            for item in self._write(part, shape, hot_words=hot_words, penalty=penalty)
        ]

    def _attempt(self, index: int, written: Written) -> _Attempt:
        answer = parse_answer(written.raw, forced=self._options.language)
        seconds = self._clips[index].seconds
        looped = repeats(answer.text) or bool(find_loops(answer.text, seconds))
        dense = len(units(answer.text)) > max(4.0, FASTEST_UNITS_PER_SECOND * seconds)
        leaked = bool(find_hot_word_leak(answer.text, self._options.hot_words, seconds=seconds))
        return _Attempt(
            written=written,
            answer=answer,
            looped=looped,
            suspicious=looped or dense or leaked or written.truncated,
        )


def batches_of_equal_length(
    lengths: dict[int, int], *, step: int, size: int
) -> Iterable[tuple[int, list[int]]]:  # fmt: skip
    """Group keys whose lengths in samples round up to the same multiple of step, at most `size` together.

    Gives (common length, keys), longest first. No clip gets shorter than the half second
    that the model's own feature extraction fills up to.
    """
    shortest = math.ceil(SHORTEST_SECONDS * SAMPLE_RATE_HERTZ)
    groups: dict[int, list[int]] = {}
    for key, length in lengths.items():
        shape = -(-max(length, shortest) // step) * step
        groups.setdefault(shape, []).append(key)
    for shape in sorted(groups, reverse=True):
        keys = groups[shape]
        for first in range(0, len(keys), size):
            yield shape, keys[first : first + size]


def gpu_seen() -> bool:
    """Whether this machine seems to have a graphics card that torch can use; loads nothing."""
    return Path("/dev/nvidiactl").exists() or Path("/dev/kfd").exists() or shutil.which("nvidia-smi") is not None


def _recognition(attempt: _Attempt | None) -> Recognition:
    if attempt is None or not attempt.answer.text:
        return Recognition(text="")
    answer, written = attempt.answer, attempt.written
    sure = text_confidence(answer.text, written.tokens)
    return Recognition(
        text=answer.text,
        language=answer.language,
        confidence=sure.overall if sure else math.exp(_mean_log_probability(written)),
        unit_confidences=sure.by_unit if sure else (),
        flags=(Flag.TRUNCATED,) if written.truncated else (),
    )


def _better(new: _Attempt, old: _Attempt) -> bool:
    """Prefer an answer that is not suspicious, then a complete one, then one with words, then the more probable."""

    def rank(attempt: _Attempt) -> tuple[bool, bool, bool, float]:
        complete, words = not attempt.written.truncated, bool(attempt.answer.text)
        return not attempt.suspicious, complete, words, _mean_log_probability(attempt.written)

    return rank(new) > rank(old)


def _mean_log_probability(written: Written) -> float:
    values = [min(0.0, token.log_probability) for token in written.tokens]
    return sum(values) / len(values) if values else 0.0


def _filled(samples: NDArray[np.float32], length: int) -> NDArray[np.float32]:
    return np.pad(samples.astype(np.float32, copy=False), (0, length - len(samples)))


def _has_sound(clip: Clip) -> bool:
    """Whether a clip holds anything but digital silence for at least 50 ms."""
    return clip.seconds >= 0.05 and bool(np.any(np.abs(clip.samples) > 1e-5))


def _source(name: str) -> Source:
    try:
        return Source(name)
    except ValueError:
        message = "The setting `source` names no place that models come from."
        raise SettingsError(message, remedy=f"Choose one of {', '.join(Source)}.") from None
