"""The engine that works right after installation: Whisper base, int8, on the processor."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from qingting.errors import EngineAnswerError, EngineError, SettingsError
from qingting.model.transcript import EngineIdentity, Flag, TimedText
from qingting.speech import _weights
from qingting.speech._units import is_han, units
from qingting.speech.engine import SAMPLE_RATE_HERTZ, Capabilities, Clip, Recognition, RecognitionOptions, SpeechEngine
from qingting.speech.guards import FASTEST_UNITS_PER_SECOND, find_hot_word_leak, find_loops, find_prompt_echo
from qingting.speech.packing import Placed, Window, pack, unpack

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from qingting.speech._whisper import Decoded, WhisperModel

CHINESE_PROMPT = "以下是普通话的句子。"
"""Makes the model write simplified characters and punctuation."""
LANGUAGES = ("zh", "en")
"""What the base model is fit for in a Chinese call centre; it has no Cantonese."""


@dataclass(frozen=True, kw_only=True)
class EmbeddedSettings:
    """How the embedded engine decodes; the defaults are measured (benchmarks/embedded_recognition.py)."""

    threads: int = 1
    """Processor threads per decode."""
    workers: int = 1
    """Decodes that may run at the same time when several threads call."""
    beam: int = 5
    window_ms: int = 20_000
    """Utterances are packed into windows of at most this length; longer ones stand alone."""
    gap_ms: int = 300
    """Silence between two utterances of a window."""
    margin_ms: int = 1_000
    """Silence behind the last utterance of a window."""
    shortest_ms: int = 10_000
    """The encoder loops on inputs shorter than this, so that shorter windows are padded."""
    batch_windows: int = 4
    """Windows decoded together: each step reads the decoder's weights once for all."""
    english_probability: float = 0.6
    """A window is decoded as English from this probability on, when no language is forced."""
    behind_ms: int = 15_000
    """A clip and earlier sound of its voice before it fill at most this; a longer clip stands alone."""
    lead_ms: int = 300
    """The decoder sees so much of the gap between earlier sound and the clip."""
    least_log_probability: float = -1.0
    """A window under this mean is decoded again clip by clip."""


@dataclass(frozen=True, kw_only=True)
class _Attempt:
    """Words of one clip and how far to trust them."""

    words: tuple[TimedText, ...]
    mean_log_probability: float
    truncated: bool
    suspicious: bool
    language: str


class EmbeddedEngine(SpeechEngine):
    """Whisper base through CTranslate2 with utterances packed into shared windows.

    The weights are joined into `cache` and loaded at the first transcribe() or warm_up();
    nothing is ever fetched from a network.
    """

    def __init__(self, *, cache: Path | None = None, settings: EmbeddedSettings | None = None) -> None:
        """Nothing heavy happens yet; raises MissingExtraError when the extra is not installed."""
        _weights.require_packages()
        self._cache = cache or _weights.default_cache_folder()
        self._settings = settings or EmbeddedSettings()
        self._model: WhisperModel | None = None
        self._closed = False
        self._lock = threading.Lock()

    @property
    def identity(self) -> EngineIdentity:
        """Engine, model and digest of the weights."""
        return EngineIdentity(name="embedded", model="Systran/faster-whisper-base", revision=_weights.MODEL_SHA256)

    @property
    def capabilities(self) -> Capabilities:
        """Fixed for this engine."""
        return Capabilities(
            languages=LANGUAGES,
            word_times=True,
            confidence=True,
            hot_words=True,
            longest_clip_seconds=29.0,
            preferred_batch=32,
            live=True,
            context_seconds=14.0,
        )

    def warm_up(self) -> None:
        """Join and load the weights now; raises EngineUnavailableError when that is impossible."""
        self._loaded()

    def transcribe(self, clips: Sequence[Clip], options: RecognitionOptions) -> list[Recognition]:
        """Transcribe clips of up to 29 s each; see SpeechEngine.transcribe.

        Windows that looped, hit the token limit, came out improbable, or left a clip with
        clear sound empty are decoded again clip by clip, at most twice. A clip with earlier sound of its voice
        (Clip.before) has a window of its own, in which that sound comes first.
        """
        self._check(clips, options)
        if not clips:
            return []
        model = self._loaded()
        try:
            return _Job(model, self._settings, clips, options).run()
        except EngineError:
            raise
        except Exception as error:
            raise EngineAnswerError(f"The embedded speech model failed ({type(error).__name__}).") from error

    def close(self) -> None:
        """Free the weights."""
        with self._lock:
            self._closed = True
            if self._model is not None:
                self._model.close()
                self._model = None

    def _check(self, clips: Sequence[Clip], options: RecognitionOptions) -> None:
        if options.language is not None and options.language not in LANGUAGES:
            raise SettingsError(
                "The embedded speech engine does not know the wanted language.",
                remedy=f"Choose one of {', '.join(LANGUAGES)}, or another engine.",
            )
        if any(clip.samples.ndim != 1 for clip in clips):
            message = "A clip is not mono."
            raise EngineAnswerError(message)
        if any(clip.seconds > self.capabilities.longest_clip_seconds for clip in clips):
            message = "A clip is longer than the engine takes."
            raise EngineAnswerError(message, remedy="Cut clips to capabilities.longest_clip_seconds.")

    def _loaded(self) -> WhisperModel:
        with self._lock:
            if self._closed:
                message = "The engine was closed."
                raise EngineAnswerError(message)
            if self._model is None:
                from qingting.speech._whisper import WhisperModel

                folder = _weights.prepare_weights(self._cache)
                self._model = WhisperModel(folder, threads=self._settings.threads, workers=self._settings.workers)
            return self._model


class _Job:
    """One transcribe() call."""

    def __init__(
        self, model: WhisperModel, settings: EmbeddedSettings, clips: Sequence[Clip], options: RecognitionOptions
    ) -> None:
        self._model = model
        self._settings = settings
        self._clips = clips
        self._options = options
        self._lengths = [len(clip.samples) * 1000 // SAMPLE_RATE_HERTZ for clip in clips]

    def run(self) -> list[Recognition]:
        settings = self._settings
        order = [index for index, clip in enumerate(self._clips) if _has_sound(clip)]
        attempts: dict[int, _Attempt] = {}
        behind = [index for index in order if self._earlier(index)]
        windows = self._shared_windows([index for index in order if index not in behind])
        for first in windows_in_batches(windows, self._lengths, settings.batch_windows):
            attempts.update(self._decode(first, prompt=True, shortest_ms=settings.shortest_ms))
        for index in behind:
            attempts.update(self._decode_behind(index))
        shared = {*behind, *(index for window in windows if len(window) > 1 for index in window)}
        self._again(attempts, [i for i in order if i in shared], shortest_ms=settings.shortest_ms, prompt=True)
        self._again(attempts, order, shortest_ms=30_000, prompt=False)
        return [self._recognition(attempts.get(index)) for index in range(len(self._clips))]

    def _shared_windows(self, order: Sequence[int]) -> list[list[int]]:
        """Clips of each voice packed into windows, as indices."""
        windows: list[list[int]] = []
        for voice in dict.fromkeys(self._clips[index].voice for index in order):
            own = [index for index in order if self._clips[index].voice == voice]
            lengths = [self._lengths[index] for index in own]
            packed = pack(lengths, limit_ms=self._settings.window_ms, gap_ms=self._settings.gap_ms)
            windows.extend([own[place.clip] for place in window.placed] for window in packed)
        return windows

    def _again(self, attempts: dict[int, _Attempt], among: Iterable[int], *, shortest_ms: int, prompt: bool) -> None:
        """Decode suspicious clips alone and keep the better answer."""
        doubtful = [[index] for index in among if attempts[index].suspicious]
        for group in windows_in_batches(doubtful, self._lengths, self._settings.batch_windows):
            for index, attempt in self._decode(group, prompt=prompt, shortest_ms=shortest_ms).items():
                if _better(attempt, attempts[index]):
                    attempts[index] = attempt

    def _decode(self, windows: Sequence[Sequence[int]], *, prompt: bool, shortest_ms: int) -> dict[int, _Attempt]:
        """Decode windows (lists of clips) together."""
        from qingting.speech._whisper import window_frames

        settings = self._settings
        packed = [self._window(window) for window in windows]
        longest = max(window.length_ms for window in packed)
        frames = window_frames(longest, margin_ms=settings.margin_ms, shortest_ms=shortest_ms)
        states = self._model.encode([self._samples(w, c) for w, c in zip(packed, windows, strict=True)], frames)
        return self._write(states, packed, windows, prompt=prompt)

    def _earlier(self, index: int) -> list[NDArray[np.float32]]:
        """The latest earlier sound of a clip's voice that finds room in the clip's window, oldest first."""
        per_ms = SAMPLE_RATE_HERTZ // 1000
        room_ms = self._settings.behind_ms - self._lengths[index]
        found: list[NDArray[np.float32]] = []
        for samples in reversed(self._clips[index].before):
            room_ms -= len(samples) // per_ms + self._settings.gap_ms
            if room_ms < 0:
                break
            found.insert(0, samples)
        return found

    def _decode_behind(self, index: int) -> dict[int, _Attempt]:
        """Decode one clip behind earlier sound of its voice.

        The encoder hears both and so knows the voice; the decoder is shown the states of the clip alone, so that
        the earlier words cost no decoding and cannot come to stand here.
        """
        from qingting.speech._whisper import part_of, window_frames

        settings, per_ms = self._settings, SAMPLE_RATE_HERTZ // 1000
        gap = np.zeros(settings.gap_ms * per_ms, dtype=np.float32)
        sound = [part for samples in self._earlier(index) for part in (samples, gap)]
        start_ms = sum(len(part) for part in sound) // per_ms
        end_ms = start_ms + self._lengths[index]
        frames = window_frames(end_ms, margin_ms=settings.margin_ms, shortest_ms=settings.shortest_ms)
        states = self._model.encode([np.concatenate([*sound, self._clips[index].samples])], frames)
        first_ms = max(0, start_ms - settings.lead_ms) // 20 * 20
        states = part_of(states, first_ms, end_ms + settings.margin_ms)
        place = Placed(clip=0, start_ms=start_ms - first_ms, end_ms=end_ms - first_ms)
        return self._write(states, [Window(placed=(place,))], [[index]], prompt=True)

    def _write(
        self, states: NDArray[np.float32], packed: Sequence[Window], windows: Sequence[Sequence[int]], *, prompt: bool
    ) -> dict[int, _Attempt]:
        """The words of encoded windows, given back to their clips."""
        settings = self._settings
        languages = self._languages(states)
        decoded = self._model.generate(
            states,
            languages=languages,
            prompt=self._prompt(languages) if prompt else "",
            beam=settings.beam,
            limit_tokens=_token_limit(max(window.length_ms for window in packed)),
        )
        lengths = [window.length_ms for window in packed]
        words = self._model.align(states, decoded, languages=languages, lengths_ms=lengths)
        attempts: dict[int, _Attempt] = {}
        for window, clips, item, spoken, language in zip(packed, windows, decoded, words, languages, strict=True):
            attempts.update(self._attempts(window, clips, item, spoken, language))
        return attempts

    def _attempts(
        self, window: Window, clips: Sequence[int], item: Decoded, words: Sequence[TimedText], language: str
    ) -> dict[int, _Attempt]:
        speech_ms = sum(self._lengths[index] for index in clips)
        text = "".join(word.text for word in words)
        bad = (
            item.truncated
            or item.mean_log_probability < self._settings.least_log_probability
            or len(units(text)) * 1000 > FASTEST_UNITS_PER_SECOND * max(speech_ms, 300)
            or bool(find_loops(text, speech_ms / 1000))
            or bool(find_prompt_echo(text))
        )
        answer = {}
        for index, own in zip(clips, unpack(window, words), strict=True):
            own_text = "".join(word.text for word in own)
            dense = len(units(own_text)) * 1000 > FASTEST_UNITS_PER_SECOND * max(self._lengths[index], 300)
            answer[index] = _Attempt(
                words=own,
                mean_log_probability=item.mean_log_probability,
                truncated=item.truncated,
                suspicious=bad or dense or not units(own_text) or self._leaked(own_text, index),
                language=language,
            )
        return answer

    def _leaked(self, text: str, index: int) -> bool:
        """Whether hot words stand in place of what was said: the last try goes without them."""
        return bool(find_hot_word_leak(text, self._options.hot_words, seconds=self._lengths[index] / 1000))

    def _window(self, clips: Sequence[int]) -> Window:
        lengths = [self._lengths[index] for index in clips]
        (window,) = pack(
            lengths, limit_ms=sum(lengths) + self._settings.gap_ms * len(clips), gap_ms=self._settings.gap_ms
        )
        return window

    def _samples(self, window: Window, clips: Sequence[int]) -> NDArray[np.float32]:
        per_ms = SAMPLE_RATE_HERTZ // 1000
        samples = np.zeros(window.length_ms * per_ms, dtype=np.float32)
        for place, index in zip(window.placed, clips, strict=True):
            piece = self._clips[index].samples[: (place.end_ms - place.start_ms) * per_ms]
            samples[place.start_ms * per_ms : place.start_ms * per_ms + len(piece)] = piece
        return samples

    def _languages(self, states: NDArray[np.float32]) -> list[str]:
        if self._options.language is not None:
            return [self._options.language] * len(states)
        heard = self._model.languages(states)
        return ["en" if row.get("en", 0.0) >= self._settings.english_probability else "zh" for row in heard]

    def _prompt(self, languages: Sequence[str]) -> str:
        """Prompt for windows decoded together; with an English one among them there is none but hot words."""
        opening = CHINESE_PROMPT if all(language == "zh" for language in languages) else ""
        return opening + " ".join(self._options.hot_words)

    def _recognition(self, attempt: _Attempt | None) -> Recognition:
        if attempt is None or not attempt.words:
            return Recognition(text="")
        text = "".join(word.text for word in attempt.words).strip()
        confidences = [word.confidence for word in attempt.words if word.confidence is not None]
        return Recognition(
            text=text,
            language=_language_of(text, attempt.language),
            words=tuple(_stripped(word) for word in attempt.words if word.text.strip()),
            confidence=sum(confidences) / len(confidences) if confidences else None,
            flags=(Flag.TRUNCATED,) if attempt.truncated else (),
        )


def windows_in_batches(
    windows: Sequence[Sequence[int]], lengths_ms: Sequence[int], size: int
) -> Iterable[list[Sequence[int]]]:
    """Group windows of similar length: all windows of a batch are padded to its longest."""
    by_length = sorted(windows, key=lambda window: -sum(lengths_ms[index] for index in window))
    return [list(by_length[first : first + size]) for first in range(0, len(by_length), size)]


def _token_limit(length_ms: int) -> int:
    """Tokens nobody exceeds in that time: stops a loop early. Chinese needs up to 2 tokens a character."""
    return min(224, 16 + math.ceil(length_ms * FASTEST_UNITS_PER_SECOND / 1000))


def _has_sound(clip: Clip) -> bool:
    """Whether a clip holds anything but digital silence for at least 50 ms."""
    return clip.seconds >= 0.05 and bool(np.any(np.abs(clip.samples) > 1e-5))


def _better(new: _Attempt, old: _Attempt) -> bool:
    """Prefer an answer that is not suspicious, then one with words, then the more probable."""

    def rank(attempt: _Attempt) -> tuple[bool, bool, float]:
        return (not attempt.suspicious, bool(attempt.words), attempt.mean_log_probability)

    return rank(new) > rank(old)


def _language_of(text: str, decoded_as: str) -> str:
    """Label of an utterance: the script it is written in tells more than its window's language."""
    if any(is_han(character) for character in text):
        return "zh"
    return "en" if any(character.isascii() and character.isalpha() for character in text) else decoded_as


def _stripped(word: TimedText) -> TimedText:
    return TimedText(text=word.text.strip(), start_ms=word.start_ms, end_ms=word.end_ms, confidence=word.confidence)
