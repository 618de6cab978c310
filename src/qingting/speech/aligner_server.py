"""The forced aligner behind one or more vLLM servers (`--runner pooling`), asked over HTTP.

No weights and no torch are needed here. Several servers are balanced, rested and asked again
as those of the recogniser (qwen3_server); the slots they give are read, checked and mended as
those of the aligner in process.
"""

from __future__ import annotations

import concurrent.futures
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from qingting.errors import EngineAnswerError, EngineUnavailableError
from qingting.model.transcript import EngineIdentity, TimedText
from qingting.speech.aligner import (
    DEFAULT_MODEL,
    LONGEST_CLIP_SECONDS,
    Aligner,
    languages_to_align,
    times_of_slots,
    words_to_align,
)
from qingting.speech.aligner_protocol import SLOT_MS
from qingting.speech.engine import Clip
from qingting.speech.qwen3_server import UNSTATED, Qwen3ServerSettings

if TYPE_CHECKING:
    from qingting.speech._aligner_requests import AlignerRequests


@dataclass(frozen=True, kw_only=True, repr=False)
class ServedAlignerSettings(Qwen3ServerSettings):
    """Where the aligner's servers are and how they are asked."""

    section: ClassVar[str] = "aligner"
    needed_tokens: ClassVar[int] = 8192
    """Three minutes are 2,340 tokens of sound; their words, with two tokens each for the times, are up to 5,400."""

    model: str = DEFAULT_MODEL
    """Name the servers serve it by."""
    max_in_flight: int = 16
    request_timeout_seconds: float = 20.0
    total_timeout_seconds: float = 30.0
    """For one clip; shorter than the recogniser's, since times can be estimated."""
    attempts: int = 3


class ServedForcedAligner(Aligner):
    """Qwen3-ForcedAligner on servers; keeps connections, and answers any number of threads."""

    def __init__(self, settings: ServedAlignerSettings) -> None:
        """Nothing is asked yet."""
        self._settings = settings
        self._lock = threading.Lock()
        self._requests: AlignerRequests | None = None
        self._closed = False

    @property
    def identity(self) -> EngineIdentity:
        """The model's name on the servers and the revision from the settings."""
        settings = self._settings
        return EngineIdentity(name="aligner", model=settings.model, revision=settings.revision or UNSTATED)

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
        try:
            slots = self._opened().slots(clip, words)
        except concurrent.futures.CancelledError:
            raise EngineUnavailableError("The aligner was closed while it worked.") from None
        return times_of_slots(words, slots, slot_ms=SLOT_MS, clip=clip)

    def close(self) -> None:
        """End requests in flight and close the connections."""
        with self._lock:
            self._closed = True
            requests, self._requests = self._requests, None
        if requests is not None:
            requests.close()

    def _opened(self) -> AlignerRequests:
        with self._lock:
            if self._closed:
                raise EngineAnswerError("The aligner was closed.")
            if self._requests is None:
                from qingting.speech._aligner_requests import AlignerRequests

                self._requests = AlignerRequests(self._settings, name="aligner-server")
            return self._requests
