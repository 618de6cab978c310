"""Times for texts whose engine gives none: forced alignment behind one contract."""

from __future__ import annotations

import importlib.util
import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from qingting.errors import EngineAnswerError, EngineError, SettingsError
from qingting.model.transcript import EngineIdentity, TimedText
from qingting.speech import qwen3_weights
from qingting.speech._units import is_han
from qingting.speech.aligned_times import RawWord, mended_times
from qingting.speech.engine import Clip
from qingting.speech.qwen3_weights import Kind, Source

if TYPE_CHECKING:
    from qingting.speech._qwen3_model import Qwen3Aligner as Model

DEFAULT_MODEL = "Qwen/Qwen3-ForcedAligner-0.6B"
LONGEST_CLIP_SECONDS = 180.0
"""The published code cuts here; beyond, the last words pile up."""
_LANGUAGES = ("zh", "en", "yue", "fr", "de", "it", "pt", "ru", "es")
_SEGMENTERS = {"ja": "nagisa", "ko": "soynlp"}
"""Languages that need a library to be split into words as in training."""


class Aligner(ABC):
    """Finds when the words of a known text are said. Safe to call from several threads at once."""

    @property
    @abstractmethod
    def identity(self) -> EngineIdentity:
        """Name, model and revision for the evidence chain."""

    @property
    @abstractmethod
    def languages(self) -> tuple[str, ...]:
        """ISO 639-1 codes and `yue` it aligns."""

    @property
    @abstractmethod
    def longest_clip_seconds(self) -> float:
        """Longer clips are refused."""

    @abstractmethod
    def align(self, clip: Clip, text: str, language: str) -> tuple[TimedText, ...]:
        """Times of the text's words (Chinese: characters) from the clip's start, in order, checked and mended.

        Punctuation is left out. `confidence` is how sure the aligner is of the time, not of
        the word. Empty when the text has no words, its language is not among `languages`, or
        the times cannot be trusted: the caller then has to estimate. Raises
        EngineUnavailableError or EngineAnswerError.
        """

    def close(self) -> None:  # noqa: B027 - some hold nothing
        """Free what the aligner holds; it is not used afterwards."""


@dataclass(frozen=True, kw_only=True)
class Qwen3AlignerSettings:
    """How the aligner runs."""

    model: str = DEFAULT_MODEL
    """Folder with weights, or a hub name."""
    source: str = Source.AUTO
    """`auto`, `modelscope` or `huggingface`; see Source."""
    device: str = "auto"
    """`auto`, `cpu`, `cuda`, `cuda:1` …"""
    dtype: str = "auto"
    """`auto`, `float32`, `float16` or `bfloat16`."""


class Qwen3ForcedAligner(Aligner):
    """Qwen3-ForcedAligner in process: one pass of the model gives a time slot of 80 ms to every word's start and end.

    The weights are loaded at the first align(); a failure to load is remembered.
    """

    def __init__(self, settings: Qwen3AlignerSettings | None = None) -> None:
        """Nothing heavy happens yet.

        Raises MissingExtraError without the extra, EngineUnavailableError when the weights
        are missing or not whole, SettingsError for a wrong setting.
        """
        qwen3_weights.require_libraries()
        self._settings = settings or Qwen3AlignerSettings()
        try:
            source = Source(self._settings.source)
        except ValueError:
            message = "The setting `source` of the aligner names no place that models come from."
            raise SettingsError(message, remedy=f"Choose one of {', '.join(Source)}.") from None
        self._folder: Path = qwen3_weights.require_model(self._settings.model, source)
        self._checkpoint = qwen3_weights.read_checkpoint(self._folder, Kind.ALIGNER)
        self._lock = threading.Lock()
        self._model: Model | None = None
        self._failure: EngineError | None = None
        self._closed = False

    @property
    def identity(self) -> EngineIdentity:
        """Aligner, model and digest of its files."""
        named = self._settings.model
        model = self._folder.name if qwen3_weights.is_folder(named) else named
        return EngineIdentity(name="aligner", model=model, revision=qwen3_weights.revision(self._folder))

    @property
    def languages(self) -> tuple[str, ...]:
        """Nine, with Japanese and Korean where their word splitters are installed."""
        return languages_to_align()

    @property
    def longest_clip_seconds(self) -> float:
        """Three minutes."""
        return LONGEST_CLIP_SECONDS

    def align(self, clip: Clip, text: str, language: str) -> tuple[TimedText, ...]:
        """See Aligner.align."""
        if clip.samples.ndim != 1 or clip.seconds > LONGEST_CLIP_SECONDS:
            message = "The aligner was given a clip that is not mono or too long."
            raise EngineAnswerError(message)
        if language not in self.languages:
            return ()
        words = words_to_align(text, language)
        if not words or not len(clip.samples):
            return ()
        model = self._loaded()
        try:
            slots = model.slots(clip.samples, words)
        except EngineError:
            raise
        except Exception as error:
            raise EngineAnswerError(f"The aligner failed ({type(error).__name__}).") from error
        return times_of_slots(words, slots, slot_ms=model.slot_ms, clip=clip)

    def close(self) -> None:
        """Free the weights and the device's memory."""
        with self._lock:
            self._closed = True
            if self._model is not None:
                self._model.close()
                self._model = None

    def _loaded(self) -> Model:
        with self._lock:
            if self._closed:
                message = "The aligner was closed."
                raise EngineAnswerError(message)
            if self._failure is not None:
                raise self._failure
            if self._model is None:
                from qingting.speech._qwen3_model import Placement, Qwen3Aligner

                placement = Placement(device=self._settings.device, dtype=self._settings.dtype)
                try:
                    self._model = Qwen3Aligner(self._checkpoint, placement)
                except EngineError as error:
                    self._failure = error
                    raise
            return self._model


@dataclass(frozen=True, kw_only=True)
class AlignerAvailability:
    """Whether the aligner can run here and now."""

    available: bool
    detail: str
    """What was found, one sentence."""
    remedy: str = ""
    """What to do when it is not available."""


def aligner_availability(settings: Qwen3AlignerSettings) -> AlignerAvailability:
    """Look whether libraries and weights are here; loads nothing."""
    missing = qwen3_weights.missing_libraries()
    if missing:
        return AlignerAvailability(
            available=False,
            detail=f"not installed: {', '.join(missing)}",
            remedy=f"Run: {qwen3_weights.INSTALL_COMMAND}",
        )
    folder = qwen3_weights.find_model(settings.model, Source(settings.source))
    if folder is None:
        return AlignerAvailability(
            available=False,
            detail="the weights are not on this machine: times of engines without word times are estimates",
            remedy=qwen3_weights.how_to_get(settings.model),
        )
    try:
        qwen3_weights.read_checkpoint(folder, Kind.ALIGNER)
    except EngineError as error:
        return AlignerAvailability(available=False, detail=error.cause, remedy=error.remedy)
    return AlignerAvailability(available=True, detail=f"weights in {folder}")


def languages_to_align() -> tuple[str, ...]:
    """Languages the model knows and whose texts can be split into words here."""
    split = tuple(code for code, library in _SEGMENTERS.items() if importlib.util.find_spec(library) is not None)
    return _LANGUAGES + split


def times_of_slots(
    words: Sequence[str], slots: Sequence[tuple[int, float]], *, slot_ms: float, clip: Clip
) -> tuple[TimedText, ...]:
    """Checked and mended times of words from the model's slots: start and end of each word, with probabilities."""
    raw = [
        RawWord(
            text=word,
            start_ms=first * slot_ms,
            end_ms=last * slot_ms,
            probability=min(sure_of_first, sure_of_last),
        )
        for word, (first, sure_of_first), (last, sure_of_last) in zip(words, slots[::2], slots[1::2], strict=True)
    ]
    return mended_times(raw, length_ms=round(clip.seconds * 1000))


def words_to_align(text: str, language: str) -> list[str]:
    """Words as the aligner learnt them: a Chinese character each, else what spaces part, without punctuation.

    Japanese and Korean are split by their libraries (nagisa, soynlp).
    """
    if language == "ja":
        import nagisa

        return _bare(nagisa.tagging(text).words)
    if language == "ko":
        from soynlp.tokenizer import LTokenizer

        return _bare(LTokenizer().tokenize(text))
    return _bare("".join(f" {character} " if is_han(character) else character for character in text).split())


def _bare(words: list[str]) -> list[str]:
    kept = ("".join(character for character in word if character.isalnum() or character == "'") for word in words)
    return [word for word in kept if any(character.isalnum() for character in word)]
