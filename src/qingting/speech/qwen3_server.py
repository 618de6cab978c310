"""Qwen3-ASR behind one or more servers that speak the OpenAI chat protocol (vLLM).

Every clip is a request of its own, many in flight at once; vLLM batches them. Each clip has
exactly one answer: a request that failed is sent again, to another server where there is one,
and only the answer that came back whole counts.
"""

from __future__ import annotations

import concurrent.futures
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import urlsplit

import numpy as np

from qingting.errors import EngineAnswerError, EngineUnavailableError, SettingsError
from qingting.model.transcript import EngineIdentity
from qingting.speech.balancing import BreakerOptions, BreakerState
from qingting.speech.engine import Capabilities, Clip, Recognition, RecognitionOptions, SpeechEngine
from qingting.speech.qwen3_prompt import LANGUAGES, language_name
from qingting.speech.qwen3_protocol import Forcing

if TYPE_CHECKING:
    from qingting.speech._qwen3_requests import Requests

MODEL = "Qwen/Qwen3-ASR-0.6B"
LONGEST_SECONDS = 120.0
"""Audio and answer fit into --max-model-len 4096; the model itself takes 1,200 s, but loses quality over 180."""
UNSTATED = "unstated"
"""Revision of weights nobody named: a server does not tell it."""


@dataclass(frozen=True, kw_only=True)
class Qwen3ServerSettings:
    """Where the servers are and how they are asked."""

    section: ClassVar[str] = "qwen3_server"
    """Section of the settings that remedies name."""
    needed_tokens: ClassVar[int] = 4096
    """Audio and text together that clips of the longest length need of a server."""

    urls: tuple[str, ...]
    """Addresses, with or without /v1."""
    model: str = MODEL
    """Name the servers serve it by."""
    revision: str = ""
    """Commit of the weights, for the evidence chain."""
    api_key: str = ""
    max_in_flight: int = 32
    """Requests one server gets at once; not more than its --max-num-seqs helps."""
    connect_timeout_seconds: float = 5.0
    request_timeout_seconds: float = 60.0
    """For one request; a late one is asked again elsewhere."""
    total_timeout_seconds: float = 180.0
    """For one clip, with every repetition and the wait for a server that starts again."""
    attempts: int = 4
    """Requests per clip that may reach a server and fail; a clip that breaks servers must not break them for ever."""
    verify_tls: bool = True
    ca_file: Path | None = None
    """Certificates to trust besides the system's."""
    breaker: BreakerOptions = field(default_factory=BreakerOptions)

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        if not self.urls:
            raise SettingsError("No speech server is named.", remedy=f"Set {self.section}.urls.")
        for url in self.urls:
            _check_address(url, self.section)
        bases = [base_address(url) for url in self.urls]
        if len(set(bases)) < len(bases):
            raise SettingsError("A speech server is named twice.", remedy=f"Correct {self.section}.urls.")
        times = (self.connect_timeout_seconds, self.request_timeout_seconds, self.total_timeout_seconds)
        if min(self.max_in_flight, self.attempts) < 1 or min(times) <= 0:
            raise SettingsError(
                f"A number of the {self.section} section is out of range.",
                remedy="Use whole numbers from 1 and time limits over 0.",
            )

    def __repr__(self) -> str:
        """Without the key."""
        return f"{type(self).__name__}(urls={self.urls!r}, model={self.model!r}, max_in_flight={self.max_in_flight})"


@dataclass(frozen=True, kw_only=True)
class ServerReport:
    """One server's figures so far; holds no words."""

    url: str
    state: BreakerState
    in_flight: int
    answered: int
    failed: int
    forcing: Forcing
    """How it forces a language, as far as is known."""


def base_address(url: str) -> str:
    """The address before /v1."""
    return url.rstrip("/").removesuffix("/v1").rstrip("/")


def _check_address(url: str, section: str) -> None:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable:
        raise SettingsError(
            f"An address in {section}.urls is no http(s) address.", remedy="Give it as http://host:port."
        )
    if parts.username or parts.password or parts.query or parts.fragment:
        raise SettingsError(
            f"An address in {section}.urls carries a password or a query.",
            remedy=f"Give the bare address, and the key as {section}.api_key.",
        )


class Qwen3ServerEngine(SpeechEngine):
    """Asks Qwen3-ASR servers; keeps connections, and answers any number of threads."""

    def __init__(self, settings: Qwen3ServerSettings) -> None:
        """Nothing is asked yet."""
        self._settings = settings
        self._lock = threading.Lock()
        self._requests: Requests | None = None
        self._closed = False

    @property
    def identity(self) -> EngineIdentity:
        """The model's name on the servers and the revision from the settings."""
        settings = self._settings
        return EngineIdentity(name="qwen3-server", model=settings.model, revision=settings.revision or UNSTATED)

    @property
    def capabilities(self) -> Capabilities:
        """Thirty languages, no word times; batches as large as all servers take at once."""
        return Capabilities(
            languages=LANGUAGES,
            word_times=False,
            confidence=True,
            hot_words=True,
            longest_clip_seconds=LONGEST_SECONDS,
            preferred_batch=self._settings.max_in_flight * len(self._settings.urls),
            live=True,
        )

    @property
    def servers(self) -> tuple[ServerReport, ...]:
        """What is known of every server."""
        requests = self._requests
        return requests.reports() if requests is not None else ()

    def transcribe(self, clips: Sequence[Clip], options: RecognitionOptions) -> list[Recognition]:
        """Transcribe clips of up to 120 s each; see SpeechEngine.transcribe.

        A clip that alone cannot be recognised comes back without text, flagged REFUSED, so
        that the others keep theirs; when none could be, its error is raised. Leaving early
        (KeyboardInterrupt, close()) ends the requests in flight, on the servers too.
        """
        _check(clips, options)
        if not clips:
            return []
        try:
            return self._opened().run(clips, options)
        except concurrent.futures.CancelledError:
            raise EngineUnavailableError("The engine was closed while it worked.") from None

    def close(self) -> None:
        """End requests in flight and close the connections."""
        with self._lock:
            self._closed = True
            requests, self._requests = self._requests, None
        if requests is not None:
            requests.close()

    def _opened(self) -> Requests:
        with self._lock:
            if self._closed:
                raise EngineUnavailableError("The engine is closed.")
            if self._requests is None:
                from qingting.speech._qwen3_requests import Requests

                self._requests = Requests(self._settings)
            return self._requests


def _check(clips: Sequence[Clip], options: RecognitionOptions) -> None:
    if options.language is not None:
        try:
            language_name(options.language)
        except KeyError:
            raise SettingsError(
                "Qwen3-ASR does not know the wanted language.", remedy=f"Choose one of {', '.join(LANGUAGES)}."
            ) from None
    if any(clip.samples.ndim != 1 for clip in clips):
        raise EngineAnswerError("A clip is not mono.")
    if any(clip.seconds > LONGEST_SECONDS for clip in clips):
        raise EngineAnswerError(
            f"A clip is longer than {LONGEST_SECONDS:g} s.", remedy="Cut clips at capabilities.longest_clip_seconds."
        )


def is_silent(clip: Clip) -> bool:
    """Whether nothing can be heard: such clips are never sent, since models invent words for them."""
    return not len(clip.samples) or not bool(np.any(np.abs(clip.samples) > SILENT_PEAK))


SILENT_PEAK = 3.0 / 32768.0
"""Sound that never leaves three steps of 16-bit audio is line noise at most."""
