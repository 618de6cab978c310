"""Whisper on CTranslate2, one step lower than a transcriber: encode, generate, align."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qingting.errors import EngineAnswerError, EngineUnavailableError
from qingting.model.transcript import TimedText
from qingting.speech._mel import log_mel
from qingting.speech.engine import SAMPLE_RATE_HERTZ

_FRAME_MS = 10
_TOKEN_MS = 20
_LONGEST_FRAMES = 3000
_CONTEXT_TOKENS = 448
_LONGEST_CHARACTER_MS = 480
_LONGEST_LETTER_MS = 320
_PROMPT_TOKENS = 160
"""Room for prompt and hot words; the rest of the 448 tokens is for the answer."""


@dataclass(frozen=True, kw_only=True)
class Decoded:
    """What the model wrote for one window."""

    tokens: tuple[int, ...]
    """Text tokens only."""
    mean_log_probability: float
    """Natural logarithm, mean over the tokens and the end token."""
    no_speech_probability: float
    truncated: bool
    """The token limit was reached before the end token."""


class WhisperModel:
    """Weights, tokenizer and the three calls; safe from several threads at once."""

    def __init__(self, folder: Path, *, threads: int, workers: int) -> None:
        """Load from a local folder; raises EngineUnavailableError when that fails."""
        try:
            import ctranslate2
            import tokenizers

            self._model: Any = ctranslate2.models.Whisper(
                str(folder), device="cpu", compute_type="int8", intra_threads=threads, inter_threads=workers
            )
            self._tokenizer: Any = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        except Exception as error:
            raise EngineUnavailableError(
                f"The embedded speech model could not be loaded ({type(error).__name__})."
            ) from error
        self._view: Any = ctranslate2.StorageView
        self._start = self._special("startoftranscript")
        self._transcribe = self._special("transcribe")
        self._no_times = self._special("notimestamps")
        self._end = self._special("endoftext")
        self._previous = self._special("startofprev")
        self._lock = threading.Lock()

    def encode(self, windows: Sequence[NDArray[np.float32]], frames: int) -> NDArray[np.float32]:
        """Encoder states of windows of 16 kHz samples, shape [windows, frames // 2, 512].

        `frames` (even, at most 3000) is the common length in 10 ms steps. One window at a
        time: the activations of a batch leave the processor's cache and cost twice as much.
        """
        states = []
        for samples in windows:
            view = self._view.from_array(np.ascontiguousarray(log_mel(samples, frames)[None]))
            states.append(np.array(self._model.encode(view)))
        return np.concatenate(states)

    def generate(
        self, states: NDArray[np.float32], *, languages: Sequence[str], prompt: str, beam: int, limit_tokens: int
    ) -> list[Decoded]:
        """Decode windows together at temperature 0, without timestamp tokens."""
        before = self._prompt_tokens(prompt)
        prompts = [[*before, *self._sequence(language), self._no_times] for language in languages]
        length = min(_CONTEXT_TOKENS, len(prompts[0]) + limit_tokens)
        results = self._model.generate(
            self._view.from_array(states), prompts, beam_size=beam, max_length=length, return_scores=True,
            return_no_speech_prob=True,
        )  # fmt: skip
        if len(results) != len(prompts):
            message = "The model answered another number of windows than it was given."
            raise EngineAnswerError(message)
        return [self._decoded(result, length - len(prompts[0])) for result in results]

    def _decoded(self, result: Any, room: int) -> Decoded:
        raw = result.sequences_ids[0]
        tokens = tuple(token for token in raw if token < self._end)
        # CTranslate2's score is the sum of log probabilities over the length (length penalty 1).
        mean = float(result.scores[0]) * len(raw) / (len(raw) + 1)
        return Decoded(
            tokens=tokens,
            mean_log_probability=mean,
            no_speech_probability=float(result.no_speech_prob),
            truncated=len(raw) >= room,
        )

    def align(
        self,
        states: NDArray[np.float32],
        decoded: Sequence[Decoded],
        *,
        languages: Sequence[str],
        lengths_ms: Sequence[int],
    ) -> list[tuple[TimedText, ...]]:
        """Words of each window with times from its start, by dynamic time warping over cross attention.

        A unit is a Chinese character (or the few characters of one token) or a Latin word;
        punctuation hangs on the unit before it, a space before a Latin word stays. Their
        texts joined are the window's text.
        """
        answers: list[tuple[TimedText, ...]] = [() for _ in decoded]
        by_language: dict[str, list[int]] = {}
        for index, item in enumerate(decoded):
            if item.tokens:
                by_language.setdefault(languages[index], []).append(index)
        for language, indices in by_language.items():
            results = self._model.align(
                self._view.from_array(np.ascontiguousarray(states[indices])),
                self._sequence(language),
                [list(decoded[index].tokens) for index in indices],
                [max(1, lengths_ms[index] // _FRAME_MS) for index in indices],
            )
            for index, result in zip(indices, results, strict=True):
                answers[index] = self._words(decoded[index].tokens, result)
        return answers

    def languages(self, states: NDArray[np.float32]) -> list[dict[str, float]]:
        """Probability of each language, by ISO 639-1 code, per window."""
        found = self._model.detect_language(self._view.from_array(states))
        return [{token[2:-2]: float(probability) for token, probability in row} for row in found]

    def text(self, tokens: Sequence[int]) -> str:
        """The text of tokens."""
        return str(self._tokenizer.decode(list(tokens)))

    def close(self) -> None:
        """Free the weights."""
        with self._lock:
            self._model.unload_model()

    def _words(self, tokens: Sequence[int], result: Any) -> tuple[TimedText, ...]:
        starts: dict[int, int] = {}
        last = 0
        for token, time in result.alignments:
            starts.setdefault(token, time)
            last = max(last, time)
        edges = [starts.get(index, last) for index in range(len(tokens))] + [last + 1]
        probabilities = [float(value) for value in result.text_token_probs]
        words: list[TimedText] = []
        for text, first, end in self._pieces(tokens):
            start_ms, end_ms = edges[first] * _TOKEN_MS, edges[end] * _TOKEN_MS
            probability = float(np.mean(probabilities[first:end])) if probabilities else None
            piece = TimedText(text=text, start_ms=start_ms, end_ms=end_ms, confidence=probability)
            if words and _hangs_on(words[-1].text, text):
                piece = _joined(words.pop(), piece)
            words.append(piece)
        return tuple(_without_pause(word) for word in words)

    def _pieces(self, tokens: Sequence[int]) -> list[tuple[str, int, int]]:
        """Smallest runs of tokens that are whole characters, as (text, first, end)."""
        pieces = []
        first = 0
        for end in range(1, len(tokens) + 1):
            text = self.text(tokens[first:end])
            if "\ufffd" in text and end < len(tokens):
                continue
            pieces.append((text, first, end))
            first = end
        return pieces

    def _sequence(self, language: str) -> list[int]:
        return [self._start, self._special(language), self._transcribe]

    def _prompt_tokens(self, prompt: str) -> list[int]:
        if not prompt:
            return []
        ids = self._tokenizer.encode(prompt, add_special_tokens=False).ids
        return [self._previous, *ids[-_PROMPT_TOKENS:]]

    def _special(self, name: str) -> int:
        token = self._tokenizer.token_to_id(f"<|{name}|>")
        if token is None:
            message = f"The model has no token for {name}."
            raise EngineAnswerError(message)
        return int(token)


def _hangs_on(previous: str, text: str) -> bool:
    """Whether a piece belongs to the unit before it: punctuation, or the rest of a Latin word or number."""
    head, tail = text[:1], previous[-1:]
    if not any(character.isalnum() for character in text):
        return True
    return _latin(head) and _latin(tail)


def _joined(word: TimedText, piece: TimedText) -> TimedText:
    """A word with what hangs on it; punctuation adds no time."""
    sounds = any(character.isalnum() for character in piece.text)
    end_ms = piece.end_ms if sounds else word.end_ms
    return TimedText(text=word.text + piece.text, start_ms=word.start_ms, end_ms=end_ms, confidence=word.confidence)


def _without_pause(word: TimedText) -> TimedText:
    """Time warping gives the pause before a word to that word: cut it to the longest likely length."""
    characters = sum(1 for character in word.text if character.isalnum())
    per_character = _LONGEST_LETTER_MS if word.text.isascii() else _LONGEST_CHARACTER_MS
    longest = max(_LONGEST_CHARACTER_MS, characters * per_character)
    start = max(word.start_ms, word.end_ms - longest)
    return TimedText(text=word.text, start_ms=start, end_ms=word.end_ms, confidence=word.confidence)


def _latin(character: str) -> bool:
    return character.isalnum() and character.isascii()


def window_frames(length_ms: int, *, margin_ms: int, shortest_ms: int) -> int:
    """Encoder frames for a window: even, with silence behind it, between shortest and 30 s."""
    frames = max(length_ms + margin_ms, shortest_ms) // _FRAME_MS
    return min(_LONGEST_FRAMES, frames + frames % 2)


def part_of(states: NDArray[np.float32], first_ms: int, end_ms: int) -> NDArray[np.float32]:
    """Encoder states of all windows between two times from their start, shape [windows, steps, 512]."""
    return np.ascontiguousarray(states[:, first_ms // _TOKEN_MS : -(-end_ms // _TOKEN_MS)])


def samples_of(milliseconds: int) -> int:
    """Samples at 16 kHz."""
    return milliseconds * SAMPLE_RATE_HERTZ // 1000
