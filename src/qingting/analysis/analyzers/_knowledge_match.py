"""How well a search or an article fits what the customer asked.

Two measures: topics (a lexicon of what call-centre customers ask about: other words for one thing
share a topic) and similarity of the words. Only different topics prove a mismatch; unlike words
alone may still mean the same, so that such findings go to a person.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from qingting.analysis.lexicon import groups
from qingting.analysis.text import NormalText, PhraseBook, normalise

Scorer = Callable[[str, str], float]
"""(what was asked, what was looked up) -> similarity from 0 to 1."""

_SENTENCE = re.compile(r"[。！？!?；;\n]+")
_EMPTY = re.compile(
    "你好|您好|喂|请问|麻烦|想问一下|问一下|咨询一下|想咨询|咨询|了解一下|我想|我要|我的|你们|我们|您的|这个|那个|一下|就是|然后|怎么"
    "|什么|为什么|可以|能不能|是不是|有没有|多少|多久|什么时候|如何|哪里|办理|查询|处理|问题|说明|流程|规则|方法|指南|介绍"
)
_LIGHT = frozenset("的了吗呢吧啊呀嘛么我你您他她它们是在有和与及或就都也还很不没要想请到给把被让")
_LIGHT_WEIGHT = 0.2
"""Weight of a piece of two function characters against one of two content characters."""


class Fit(StrEnum):
    """What a comparison came to."""

    FITS = "fits"
    MISMATCH = "mismatch"
    """The two speak of different topics."""
    UNLIKE = "unlike"
    """No topic tells, and the words have next to nothing in common."""
    UNCLEAR = "unclear"


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two sentences compared."""

    fit: Fit
    similarity: float
    """0 to 1."""
    asked: str
    """The customer's sentence that came nearest."""
    found: str
    """The query, title or sentence of the article that came nearest."""
    asked_topics: tuple[str, ...] = ()
    found_topics: tuple[str, ...] = ()


def character_similarity(asked: str, found: str) -> float:
    """Share of the shorter text's two-character pieces that the other holds, weighted by content.

    0 to 1; pieces of function words weigh little, words of politeness and asking nothing.
    """
    one, other = _pieces(asked), _pieces(found)
    if not one or not other:
        return 0.0
    smaller = min(_weight(one), _weight(other))
    return _weight(one & other) / smaller if smaller else 0.0


def _pieces(text: str) -> frozenset[str]:
    bare = _EMPTY.sub("\n", normalise(text))
    words = [part for part in bare.split("\n") if part]
    return frozenset(part[at : at + 2] for part in words for at in range(max(len(part) - 1, 1)))


def _weight(pieces: Iterable[str]) -> float:
    return sum(_LIGHT_WEIGHT if any(c in _LIGHT for c in piece) else 1.0 for piece in sorted(pieces))


class Matcher:
    """Compares what customers ask with what agents look up; immutable, shared by all calls."""

    def __init__(self, *, fits_from: float, unlike_below: float, scorer: Scorer = character_similarity) -> None:
        self._fits_from = fits_from
        self._unlike_below = unlike_below
        self._scorer = scorer

    def compare(self, asked: Sequence[str], found: Sequence[str]) -> Comparison:
        """Compare all of what was asked with all of what was looked up: the nearest pair counts.

        Neither may be empty; the first of each is the main one, shown when nothing comes near.
        """
        pairs = [
            (self._scorer(question, answer), -number, question, answer)
            for number, (question, answer) in enumerate((q, a) for q in asked for a in found)
        ]
        similarity, _, question, answer = max(pairs, key=lambda pair: pair[:2])
        similarity = min(max(similarity, 0.0), 1.0)
        asked_topics, found_topics = topics(asked), topics(found)
        return Comparison(
            fit=self._fit(similarity, asked_topics, found_topics),
            similarity=round(similarity, 3),
            asked=question,
            found=answer,
            asked_topics=asked_topics,
            found_topics=found_topics,
        )

    def _fit(self, similarity: float, asked: tuple[str, ...], found: tuple[str, ...]) -> Fit:
        if set(asked) & set(found) or similarity >= self._fits_from:
            return Fit.FITS
        if asked and found:
            return Fit.MISMATCH
        return Fit.UNLIKE if similarity < self._unlike_below else Fit.UNCLEAR


@cache
def _topic_book() -> PhraseBook:
    return PhraseBook({"": groups("knowledge_topics")})


def topics(texts: Iterable[str]) -> tuple[str, ...]:
    """Topics of the lexicon that the texts speak of, in order of first mention, each once."""
    found: dict[str, None] = {}
    for text in texts:
        hits = _topic_book().find(NormalText(text))
        places = [(hit.normal_start, label) for (_, label), listed in hits.items() for hit in listed]
        found.update(dict.fromkeys(label for _, label in sorted(places)))
    return tuple(found)


def sentences(text: str, limit: int = 200) -> tuple[str, ...]:
    """Sentences of an article or utterance that hold words, the first `limit`."""
    parts = [part.strip() for part in _SENTENCE.split(text)]
    return tuple(part for part in parts if len(normalise(part)) > 1)[:limit]
