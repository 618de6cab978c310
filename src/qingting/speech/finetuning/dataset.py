"""Training data on disk: one JSON line per clip, as Qwen3-ASR's own training script reads it, and WAV files beside it.

A line: `{"audio": "audio/0001.wav", "text": "language Chinese<asr_text>您好。", "prompt": "订单、退款"}`.
Audio paths are relative to the file's folder; `prompt` (hot words) may be absent. Files of any
size are read by offset, never as a whole.
"""

from __future__ import annotations

import hashlib
import json
import wave
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from qingting.errors import DatasetError
from qingting.speech.engine import SAMPLE_RATE_HERTZ
from qingting.speech.qwen3_prompt import TEXT_TAG, assistant_prefix, parse_answer

if TYPE_CHECKING:
    from numpy.typing import NDArray

TRAIN, VALIDATION, ABOUT = "train.jsonl", "validation.jsonl", "dataset.json"


@dataclass(frozen=True, kw_only=True)
class Example:
    """One clip with what the model shall write for it."""

    audio: Path
    """WAV file, mono, 16 kHz, 16 bit."""
    answer: str
    """The model's whole answer, label included."""
    prompt: str = ""
    """Text of the system turn."""

    @property
    def text(self) -> str:
        """The words alone."""
        return parse_answer(self.answer).text

    @property
    def language(self) -> str:
        """Code of the label; empty for None."""
        return parse_answer(self.answer).language


class Examples(Sequence[Example]):
    """The examples of one file, by offset: a file of millions of lines costs 8 bytes each."""

    def __init__(self, path: Path) -> None:
        """Read where lines begin. Raises DatasetError when there is no file or it holds no example."""
        self._path = path
        self._offsets = array("Q")
        try:
            with path.open("rb") as lines:
                offset = 0
                for line in lines:
                    if line.strip():
                        self._offsets.append(offset)
                    offset += len(line)
        except OSError as error:
            raise DatasetError(
                f"The data set's file {path.name} cannot be read.", remedy="Run `qingting finetune prepare` first."
            ) from error
        if not self._offsets:
            raise DatasetError(f"The data set's file {path.name} holds no example.")

    def __len__(self) -> int:
        return len(self._offsets)

    def __getitem__(self, index: int) -> Example:  # type: ignore[override]  # slices are not needed
        with self._path.open("rb") as lines:
            lines.seek(self._offsets[index])
            return self._example(lines.readline(), index)

    def __iter__(self) -> Iterator[Example]:
        return (self[index] for index in range(len(self)))

    def check(self) -> None:
        """Read every line and see that its recording is there; raises DatasetError at the first fault."""
        for index, example in enumerate(self):
            if not example.audio.is_file():
                raise self._wrong(index, "its recording is missing")

    def digest(self) -> str:
        """SHA-256 over the file's bytes: names the data in a model's papers."""
        with self._path.open("rb") as lines:
            return hashlib.file_digest(lines, "sha256").hexdigest()

    def _example(self, line: bytes, index: int) -> Example:
        try:
            row = json.loads(line)
            audio, answer, prompt = row["audio"], row["text"], row.get("prompt", "")
        except (ValueError, KeyError, TypeError, AttributeError):
            raise self._wrong(index, "it is no JSON object with `audio` and `text`") from None
        if not all(isinstance(value, str) for value in (audio, answer, prompt)):
            raise self._wrong(index, "`audio`, `text` and `prompt` must be text")
        if TEXT_TAG not in answer:
            raise self._wrong(index, f"`text` must be written `language Chinese{TEXT_TAG}…`")
        return Example(audio=self._path.parent / audio, answer=answer, prompt=prompt)

    def _wrong(self, index: int, what: str) -> DatasetError:
        return DatasetError(f"{self._path.name}, example {index + 1}: {what}.", remedy="Prepare the data set again.")


def label(text: str, language: str) -> str:
    """The whole answer for a text: `language Chinese<asr_text>您好`; label None for an unknown language.

    Raises KeyError for a code that is none of Qwen3-ASR's 30 languages.
    """
    return f"{assistant_prefix(language) or f'language None{TEXT_TAG}'}{text}"


def write_clip(path: Path, samples: NDArray[np.int16]) -> None:
    """Write mono samples at 16 kHz as WAV."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HERTZ)
        file.writeframes(np.ascontiguousarray(samples, dtype="<i2").tobytes())


def read_clip(path: Path) -> NDArray[np.float32]:
    """Read a clip: float32, -1 to 1, shape [samples]. Raises DatasetError for anything but mono 16 kHz 16-bit WAV."""
    try:
        with wave.open(str(path), "rb") as file:
            shape = (file.getnchannels(), file.getsampwidth(), file.getframerate())
            data = file.readframes(file.getnframes())
    except (OSError, EOFError, wave.Error) as error:
        raise DatasetError("A recording of the data set cannot be read.") from error
    if shape != (1, 2, SAMPLE_RATE_HERTZ):
        raise DatasetError("A recording of the data set is not mono with 16 bit at 16 kHz.")
    return np.frombuffer(data, dtype="<i2").astype(np.float32) / 32768.0
