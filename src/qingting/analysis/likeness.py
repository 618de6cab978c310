"""How near sentences are in meaning, on a scale that people can read.

Cosines of sentence vectors lie close together (two sentences that have nothing to do with each
other reach 0.85 and more with the embedded model), and where they lie depends on the model. So
each sentence is first compared with everyday sentences that no service call is about: their mean
cosine is 0 on the scale, the sentence itself is 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qingting.analysis.meaning import SentenceVectors

_UNRELATED = (
    "今天早上公园里的花都开了。",
    "他小时候住在海边的村子里。",
    "这条河从北向南流过城市。",
    "孩子们在操场上踢足球。",
    "窗外开始下雨了。",
    "爷爷每天傍晚听一段京剧。",
    "桌子上放着一本旧书和一只茶杯。",
    "火车穿过隧道，山谷里起了雾。",
)


class MeaningLikeness:
    """Nearness in meaning, 0 (unrelated) to 1 (the same). Safe to share between threads."""

    def __init__(self, vectors: SentenceVectors) -> None:
        self._vectors = vectors

    def __call__(self, text: str, others: Sequence[str]) -> list[float]:
        """Return how near each other sentence is to the text; raises MeaningError when that cannot be told."""
        made = self._vectors.embed([text, *_UNRELATED, *others])
        cosines = made @ made[0]
        unrelated = float(np.mean(cosines[1 : 1 + len(_UNRELATED)]))
        room = max(1.0 - unrelated, 1e-6)
        return [min(max((float(one) - unrelated) / room, 0.0), 1.0) for one in cosines[1 + len(_UNRELATED) :]]
