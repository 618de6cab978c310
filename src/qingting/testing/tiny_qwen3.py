"""A tiny Qwen3-ASR and its aligner, made on the spot: the real formats and the real code, without the real weights.

The model has some 200,000 parameters and knows a handful of made-up clips by heart, so
that it answers exactly as the released one does (`language Chinese<asr_text>…`, with a
confidence, stopping by itself). It is memory, not a recogniser: tests may check what is
done with its answers, never how well it hears.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from qingting.speech.engine import SAMPLE_RATE_HERTZ
from qingting.speech.qwen3_weights import require_libraries

if TYPE_CHECKING:
    from numpy.typing import NDArray

_UNIT_MS = 160
"""Length of a spoken unit of a made-up clip; two slots of the aligner's 80 ms grid."""
_PARTS = ("tiny_qwen3.py", "_tiny_qwen3_files.py", "_tiny_qwen3_training.py")


@dataclass(frozen=True, kw_only=True)
class TinyClip:
    """A made-up clip that the tiny model knows."""

    name: str
    """Says what the clip is for."""
    language: str
    """Label as the model writes it (`Chinese`); `None` where nobody speaks."""
    text: str
    """What the model answers, without its label."""
    samples: NDArray[np.float32]
    """Mono, 16 kHz; a whole number of seconds, the shape in which engines hand it over."""
    hot_words: tuple[str, ...] = ()
    """Hot words that must be given for this answer."""
    units: tuple[tuple[str, int, int], ...] = ()
    """What the aligner answers: text, start_ms, end_ms of every unit, on a grid of 80 ms."""

    @property
    def raw(self) -> str:
        """The model's whole answer."""
        return f"language {self.language}<asr_text>{self.text}"


@dataclass(frozen=True, kw_only=True)
class TinyQwen3:
    """Folders of the tiny checkpoints, in both layouts that the released ones have."""

    native: Path
    """Recogniser as Transformers' own classes write it (`Qwen3-ASR-0.6B-hf`)."""
    original: Path
    """Recogniser as first released (`Qwen3-ASR-0.6B`, with `thinker_config`)."""
    aligner_native: Path
    aligner_original: Path
    clips: tuple[TinyClip, ...]
    """What the models know."""

    def clip(self, name: str) -> TinyClip:
        """The clip of that name."""
        return {clip.name: clip for clip in self.clips}[name]


def tiny_qwen3(cache: Path) -> TinyQwen3:
    """Give the tiny checkpoints, made in `cache` at first use (about 15 s, then at once).

    The folder is named after the code that makes it, so that a change makes new ones. When
    several processes ask at once, one makes it and the others wait. Needs torch and
    Transformers (`pip install 'qingting[qwen]'`); raises MissingExtraError without them.
    """
    require_libraries()
    folder = cache / f"tiny-qwen3-{_source_digest()}"
    if not folder.is_dir():
        from filelock import FileLock  # torch needs it: it is here

        cache.mkdir(parents=True, exist_ok=True)
        with FileLock(cache / f"{folder.name}.lock"):
            if not folder.is_dir():
                _make(folder)
    return TinyQwen3(
        native=folder / "asr",
        original=folder / "asr-original",
        aligner_native=folder / "aligner",
        aligner_original=folder / "aligner-original",
        clips=tiny_clips(),
    )


@cache
def tiny_clips() -> tuple[TinyClip, ...]:
    """The clips the tiny model knows; always the same samples."""
    refund = _spoken("我要退宽", seed=3)
    return (
        _clip("greeting", "Chinese", "您好，请问有什么可以帮您？", _spoken("您好请问有什么可以帮您", seed=1)),
        _clip("order", "Chinese", "我查一下订单。", _spoken("我查一下订单", seed=2)),
        _clip("misheard", "Chinese", "我要退宽。", refund),
        _clip("corrected", "Chinese", "我要退款。", refund, hot_words=("退款", "订单")),
        _clip("english", "English", "Thank you for calling.", _spoken("Thank you for calling".split(), seed=4)),
        _clip("cantonese", "Cantonese", "我想查下張單。", _spoken("我想查下張單", seed=5)),
        _clip("noise", "None", "", (_noise(1.0, seed=6), ())),
    )


Spoken = tuple["NDArray[np.float32]", tuple[tuple[str, int, int], ...]]


def _clip(name: str, language: str, text: str, spoken: Spoken, *, hot_words: tuple[str, ...] = ()) -> TinyClip:
    samples, units = spoken
    kept = [character for character in text if character.isalnum()]
    if len(units) == len(kept):  # the aligner is asked for the text as written, 款 for the 宽 that was spoken
        units = tuple((character, start, end) for character, (_, start, end) in zip(kept, units, strict=True))
    return TinyClip(name=name, language=language, text=text, samples=samples, hot_words=hot_words, units=units)


def _spoken(words: str | list[str], *, seed: int) -> Spoken:
    """A buzz per unit, padded with faint noise to whole seconds; the pitch tells the clips apart."""
    draw = np.random.default_rng(seed)
    length = round(_UNIT_MS / 1000 * SAMPLE_RATE_HERTZ)
    time = np.arange(length) / SAMPLE_RATE_HERTZ
    first_ms = 2 * 80
    seconds = -(-(first_ms + _UNIT_MS * len(words) + 200) // 1000)
    samples = _noise(float(seconds), seed=seed)
    units = []
    for index, word in enumerate(words):
        pitch, tilt = 90 * 1.4**seed * draw.uniform(0.95, 1.05), draw.uniform(0.3, 1.2)
        partials = np.arange(1, 12)
        phases = draw.uniform(0, 2 * np.pi, len(partials))[:, None]
        buzz = (np.sin(2 * np.pi * pitch * partials[:, None] * time + phases) / partials[:, None] ** tilt).sum(axis=0)
        start_ms = first_ms + index * _UNIT_MS
        start = start_ms * SAMPLE_RATE_HERTZ // 1000
        samples[start : start + length] += (0.05 * buzz * np.hanning(length)).astype(np.float32)
        units.append((word, start_ms, start_ms + _UNIT_MS))
    return samples, tuple(units)


def _noise(seconds: float, *, seed: int) -> NDArray[np.float32]:
    draw = np.random.default_rng(1000 + seed)
    return (0.001 * draw.standard_normal(int(seconds * SAMPLE_RATE_HERTZ))).astype(np.float32)


def _source_digest() -> str:
    here = Path(__file__).parent
    return hashlib.sha256(b"".join((here / part).read_bytes() for part in _PARTS)).hexdigest()[:12]


def _make(folder: Path) -> None:
    """Train beside the folder and rename, so that it is there whole or not at all."""
    from qingting.testing._tiny_qwen3_training import make_checkpoints

    work = Path(tempfile.mkdtemp(dir=folder.parent, prefix="tiny-qwen3-", suffix=".part"))
    try:
        make_checkpoints(work, tiny_clips())
        work.rename(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)
