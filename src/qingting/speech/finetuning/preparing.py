"""From reviewed speech to a data set: cut, checked, split by call, written."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from qingting.errors import AudioError, DatasetError, WorkerError
from qingting.speech._units import units
from qingting.speech.engine import SAMPLE_RATE_HERTZ
from qingting.speech.finetuning.dataset import ABOUT, TRAIN, VALIDATION, label, write_clip
from qingting.speech.guards import FASTEST_UNITS_PER_SECOND
from qingting.speech.qwen3_prompt import LANGUAGES

if TYPE_CHECKING:
    from numpy.typing import NDArray

Reader = Callable[[Path], tuple[int, "NDArray[np.int16]"]]
"""Decodes a recording: rate in hertz and samples [channels, samples]. Raises AudioError or WorkerError."""
Progress = Callable[[int, int], None]
"""Called with (recordings done, recordings in all)."""


@dataclass(frozen=True, kw_only=True)
class Reviewed:
    """A stretch of speech whose words a person has checked."""

    recording: Path
    text: str
    language: str = "zh"
    """ISO 639-1 or `yue`; empty when unknown."""
    start_ms: int = 0
    end_ms: int | None = None
    """None takes the recording to its end."""
    channel: int = 0
    group: str = ""
    """Call it belongs to: a call is never split between training and validation. Empty takes the recording's name."""
    prompt: str = ""
    """Hot words to train with."""

    @property
    def call(self) -> str:
        """What it is split by."""
        return self.group or self.recording.name


@dataclass(frozen=True, kw_only=True)
class PreparationOptions:
    """What goes into a data set."""

    validation_share: float = 0.1
    """Share of the calls kept for validation."""
    shortest_ms: int = 300
    longest_ms: int = 30_000
    """Longer stretches are left out: cutting them needs times of their words."""
    margin_ms: int = 100
    """Sound kept on both sides of a stretch with times."""

    def __post_init__(self) -> None:
        """Refuse values that give no data set."""
        if not 0.0 < self.validation_share < 1.0 or not 0 < self.shortest_ms < self.longest_ms:
            raise DatasetError("The options of the data set contradict themselves.")


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """What a preparation came to."""

    train: int
    validation: int
    """Examples."""
    train_hours: float
    validation_hours: float
    left_out: dict[str, int] = field(default_factory=dict)
    """Reason -> number of stretches."""
    unreadable: tuple[str, ...] = ()
    """Names of recordings that could not be decoded."""


def prepare(
    reviewed: Iterable[Reviewed],
    folder: Path,
    read: Reader,
    options: PreparationOptions | None = None,
    progress: Progress | None = None,
) -> Prepared:
    """Write a data set into an empty or new folder.

    A recording that cannot be decoded, and stretches whose words cannot belong to their sound
    (empty, out of the recording, too long, denser than anyone speaks), are left out and counted.
    Raises DatasetError when the folder holds files, a language is unknown, or nothing is left
    for training or validation.
    """
    chosen = options or PreparationOptions()
    if folder.is_dir() and any(folder.iterdir()):
        raise DatasetError("The folder for the data set is not empty.", remedy="Name a new folder.")
    (folder / "audio").mkdir(parents=True, exist_ok=True)
    rows = list(reviewed)
    wrong = sorted({row.language for row in rows if row.language and row.language not in LANGUAGES})
    if wrong:
        raise DatasetError(
            f"Qwen3-ASR has no language {wrong[0]!r}.",
            remedy=f"Choose one of {', '.join(LANGUAGES)}, or leave it empty.",
        )
    held_out = _validation_calls({row.call for row in rows}, chosen.validation_share)
    with (
        (folder / TRAIN).open("w", encoding="utf-8") as train,
        (folder / VALIDATION).open("w", encoding="utf-8") as kept,
    ):
        writer = _Writer(folder, chosen, {False: train, True: kept}, held_out)
        by_recording: dict[Path, list[Reviewed]] = {}
        for row in rows:
            by_recording.setdefault(row.recording, []).append(row)
        for done, (recording, stretches) in enumerate(by_recording.items(), start=1):
            writer.take(recording, stretches, read)
            if progress is not None:
                progress(done, len(by_recording))
    result = writer.result()
    if not result.train or not result.validation:
        raise DatasetError(
            "Nothing is left for training or validation.", remedy="Give at least two calls with usable speech."
        )
    about = {
        "train": result.train, "validation": result.validation, "train_hours": result.train_hours,
        "validation_hours": result.validation_hours, "left_out": result.left_out, "unreadable": len(result.unreadable),
    }  # fmt: skip
    (folder / ABOUT).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    return result


class _Writer:
    """Keeps count while examples are written."""

    def __init__(
        self, folder: Path, options: PreparationOptions, files: dict[bool, object], held_out: frozenset[str]
    ) -> None:
        self._folder = folder
        self._options = options
        self._files = files
        self._held_out = held_out
        self._samples = {False: 0, True: 0}
        self._count = {False: 0, True: 0}
        self._left_out: Counter[str] = Counter()
        self._unreadable: list[str] = []

    def take(self, recording: Path, stretches: list[Reviewed], read: Reader) -> None:
        try:
            rate, pcm = read(recording)
        except (AudioError, WorkerError, OSError):
            self._unreadable.append(recording.name)
            self._left_out["recording cannot be decoded"] += len(stretches)
            return
        for row in stretches:
            samples, reason = self._cut(row, rate, pcm)
            if samples is None:
                self._left_out[reason] += 1
            else:
                self._write(row, samples)

    def _cut(self, row: Reviewed, rate: int, pcm: NDArray[np.int16]) -> tuple[NDArray[np.int16] | None, str]:
        length_ms = pcm.shape[1] * 1000 // rate
        end_ms = length_ms if row.end_ms is None else row.end_ms
        spoken = len(units(row.text))
        whole = row.end_ms is None and row.start_ms == 0
        margin = 0 if whole else self._options.margin_ms
        if not 0 <= row.channel < pcm.shape[0]:
            return None, "no such channel"
        if not 0 <= row.start_ms < end_ms or row.start_ms >= length_ms:
            return None, "outside the recording"
        if end_ms - row.start_ms < self._options.shortest_ms:
            return None, "too short"
        if end_ms - row.start_ms > self._options.longest_ms:
            return None, "too long"
        if not spoken and row.text.strip():
            return None, "no words"
        if spoken > max(4.0, FASTEST_UNITS_PER_SECOND * (end_ms - row.start_ms) / 1000):
            return None, "denser than anyone speaks"
        first, last = max(row.start_ms - margin, 0), min(end_ms + margin, length_ms)
        return _at_16_khz(pcm[row.channel, first * rate // 1000 : last * rate // 1000], rate), ""

    def _write(self, row: Reviewed, samples: NDArray[np.int16]) -> None:
        kept = row.call in self._held_out
        name = f"audio/{sum(self._count.values()):07d}.wav"
        write_clip(self._folder / name, samples)
        line = {"audio": name, "text": label(row.text.strip(), row.language if row.text.strip() else "")}
        if row.prompt:
            line["prompt"] = row.prompt
        self._files[kept].write(json.dumps(line, ensure_ascii=False) + "\n")  # type: ignore[attr-defined]
        self._count[kept] += 1
        self._samples[kept] += len(samples)

    def result(self) -> Prepared:
        hours = {kept: round(count / SAMPLE_RATE_HERTZ / 3600, 4) for kept, count in self._samples.items()}
        return Prepared(
            train=self._count[False],
            validation=self._count[True],
            train_hours=hours[False],
            validation_hours=hours[True],
            left_out=dict(sorted(self._left_out.items())),
            unreadable=tuple(self._unreadable),
        )


def _validation_calls(calls: set[str], share: float) -> frozenset[str]:
    """The calls with the smallest digests: the same ones however the input is ordered, at least one of two."""
    ranked = sorted(calls, key=lambda call: hashlib.sha256(call.encode()).hexdigest())
    return frozenset(ranked[: max(1, round(share * len(ranked)))] if len(ranked) > 1 else ())


def _at_16_khz(samples: NDArray[np.int16], rate_hertz: int) -> NDArray[np.int16]:
    if rate_hertz == SAMPLE_RATE_HERTZ:
        return samples
    import soxr

    resampled: NDArray[np.int16] = soxr.resample(np.ascontiguousarray(samples), rate_hertz, SAMPLE_RATE_HERTZ)
    return resampled
