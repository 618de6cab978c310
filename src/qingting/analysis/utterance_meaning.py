"""The meaning of one utterance as sentence vectors: made once in a call, shared by all who compare."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from qingting.analysis.signals import MEANING
from qingting.errors import MeaningError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from qingting.analysis.context import UtteranceFacts
    from qingting.analysis.meaning import SentenceVectors
    from qingting.analysis.signals import SignalBoard


@dataclass(frozen=True, kw_only=True)
class UtteranceMeaning:
    """Vectors of an utterance's sentences."""

    index: int
    """The utterance's index."""
    spans: tuple[tuple[int, int], ...]
    """(start, end) offsets in utterance.text of every stretch that was measured."""
    vectors: NDArray[np.float32]
    """float32 [n, d], each of length 1."""


def measure(facts: UtteranceFacts, vectors: SentenceVectors, board: SignalBoard) -> UtteranceMeaning | None:
    """Measure the sentences of an utterance and, when there are several, the whole; None when that fails.

    A failure is noted on the board: what rests on meaning is unknown from then on.
    """
    spans = spans_of(facts)
    made = embed([facts.quote(*span) for span in spans], vectors, board)
    return None if made is None else UtteranceMeaning(index=facts.utterance.index, spans=spans, vectors=made)


def embed(texts: Sequence[str], vectors: SentenceVectors, board: SignalBoard) -> NDArray[np.float32] | None:
    """Return one vector per text; None when the vectors fail, which the board then knows."""
    try:
        return vectors.embed(texts) if texts else np.zeros((0, 0), dtype=np.float32)
    except MeaningError as error:
        board.lost[MEANING] = f"语义比对不可用（{error.code}）"
        return None


def spans_of(facts: UtteranceFacts) -> tuple[tuple[int, int], ...]:
    """Return the sentences of an utterance, and all of it when there are two or more; none without words."""
    if not facts.text.text:
        return ()
    text = facts.utterance.text
    sentences = tuple(span for span in facts.text.sentences if text[slice(*span)].strip("。，！？；、,.!?; "))
    return sentences if len(sentences) == 1 else (*sentences, (0, len(text)))
