"""The contract every speech engine fulfils.

An engine knows audio in, text out. It has no idea of calls, parties, files or sockets;
retry, fall-back, metrics and limits are wrappers with this same contract (wrappers.py).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qingting.model.transcript import EngineIdentity, Flag, TimedText

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SAMPLE_RATE_HERTZ = 16_000
"""Rate of every clip handed to an engine."""


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """What an engine can do, as data: callers never ask for its class."""

    languages: tuple[str, ...]
    """ISO 639-1 codes and `yue` it transcribes."""
    word_times: bool
    """Whether results carry words with times."""
    confidence: bool
    """Whether results carry a confidence."""
    hot_words: bool
    """Whether RecognitionOptions.hot_words has an effect."""
    longest_clip_seconds: float
    """Longer clips must be cut by the caller."""
    preferred_batch: int
    """Clips per transcribe() call at which it is most efficient."""
    live: bool
    """Whether it is fast enough to be asked again while someone speaks."""
    context_seconds: float = 0.0
    """Seconds of a voice's earlier sound (Clip.before) that help it; 0: it makes no use of any."""


@dataclass(frozen=True, kw_only=True)
class RecognitionOptions:
    """Wishes for one transcribe() call."""

    language: str | None = None
    """Force a language; None lets the engine decide where it can."""
    hot_words: tuple[str, ...] = ()
    """Few, relevant words expected in the audio."""


@dataclass(frozen=True, kw_only=True)
class Clip:
    """A piece of one party's speech."""

    samples: NDArray[np.float32]
    """Mono, 16 kHz, -1 to 1, shape [samples]."""
    voice: str = ""
    """Opaque key of who speaks: an engine that decodes clips together does so per voice only,
    so that no word can come to stand with another speaker."""
    before: tuple[NDArray[np.float32], ...] = ()
    """What the same voice said before, oldest first, as `samples`: it may help, its words are not asked for."""

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return len(self.samples) / SAMPLE_RATE_HERTZ


@dataclass(frozen=True, kw_only=True)
class Recognition:
    """An engine's answer for one clip."""

    text: str
    """As the engine wrote it; empty when it heard no words."""
    language: str = ""
    """ISO 639-1 or `yue`; empty when the engine does not say."""
    words: tuple[TimedText, ...] = ()
    """Units with times relative to the clip's start, when the engine has them."""
    confidence: float | None = None
    """0 to 1, or None."""
    unit_confidences: tuple[float, ...] = ()
    """0 to 1, one per unit of `text` as `_units.units` counts them, when the engine has them without times."""
    flags: tuple[Flag, ...] = ()
    """What the engine itself noticed (TRUNCATED, LOOP …); REFUSED: recognition of this clip alone failed."""
    engine: EngineIdentity | None = None
    """Set where another engine than the one asked made the text (fall-back)."""


class SpeechEngine(ABC):
    """Turns clips into text. Safe to call from several threads at once."""

    @property
    @abstractmethod
    def identity(self) -> EngineIdentity:
        """Name, model and revision for the evidence chain."""

    @property
    @abstractmethod
    def capabilities(self) -> Capabilities:
        """What this engine can do."""

    @abstractmethod
    def transcribe(self, clips: Sequence[Clip], options: RecognitionOptions) -> list[Recognition]:
        """Transcribe clips; the answer has one Recognition per clip, in order.

        Raises EngineUnavailableError, EngineTimeoutError (both may be retried) or
        EngineAnswerError.
        """

    def close(self) -> None:  # noqa: B027 - most engines hold nothing
        """Free what the engine holds; it is not used afterwards."""
