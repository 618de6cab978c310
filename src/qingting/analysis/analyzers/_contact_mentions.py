"""Finds contact reasons in one utterance, by words."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum
from itertools import pairwise, product
from typing import TYPE_CHECKING

from qingting.analysis.text import Hit, not_inside
from qingting.analysis.usage import meant

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from qingting.analysis.context import UtteranceFacts
    from qingting.analysis.intents import Intent

OUTBOUND = ("outbound", "呼出", "外呼")
"""How the direction of a call that the centre makes is written."""
PAIR_SPAN_CHARACTERS = 16
"""The words of a pair stand at most so many characters apart, from first to last."""


class Source(IntEnum):
    """What a reason is known by, the surest first."""

    PHRASE = 1
    """Words that say it."""
    PAIR = 2
    """Words that say it together."""
    PATTERN = 3
    """An everyday way to say it."""
    SIGN = 4
    """A hint."""
    EXAMPLE = 5
    """An example sentence of near meaning."""


@dataclass(frozen=True, kw_only=True)
class Mention:
    """A contact reason in an utterance."""

    intent: Intent
    source: Source
    start_char: int
    """Offset in utterance.text."""
    end_char: int
    """Exclusive."""
    margin: float = 0.0
    """For examples: by how much the next other reason is farther."""


def mentions(facts: UtteranceFacts, known: Sequence[Intent], *, states: bool, signs: bool) -> list[Mention]:
    """Return each reason once: wishes before troubles, then in order of the words.

    Everyday ways to say it count only where the customer `states` the matter: later they are
    details of it. Hints are only looked for when `signs` is set and nothing else is found.
    """
    said = {intent.id: meant(facts.text, facts.hits(f"phrase:{intent.id}")) for intent in known}
    everyday = {intent.id: meant(facts.text, facts.hits(f"pattern:{intent.id}")) for intent in known if states}
    longest = [hit for hits in (*said.values(), *everyday.values()) for hit in hits]
    found = [
        one
        for intent in known
        for one in _said(
            facts, intent, not_inside(said[intent.id], longest), not_inside(everyday.get(intent.id, ()), longest)
        )
    ]
    if not found and signs:
        found = [one for intent in known for one in _hinted(facts, intent)][:1]
    return sorted(found, key=lambda one: (one.intent.problem, one.start_char, one.source))


def agent_mentions(facts: UtteranceFacts, known: Sequence[Intent]) -> list[Mention]:
    """Return the reasons an agent gives for a call that the centre makes."""
    return [
        _mention(intent, Source.PHRASE, hits[0])
        for intent in known
        if (hits := meant(facts.text, facts.hits(f"agent:{intent.id}")))
    ]


def _said(facts: UtteranceFacts, intent: Intent, hits: Sequence[Hit], everyday: Sequence[Hit]) -> Iterator[Mention]:
    left_out = facts.hits(f"excluded:{intent.id}")
    for source, places in ((Source.PHRASE, hits), (Source.PATTERN, everyday)):
        kept = not_inside(places, left_out)
        if kept:
            yield _mention(intent, source, kept[0])
            return
    for pair in intent.pairs:
        joined = _together(facts, pair)
        if joined is not None and not_inside((joined,), left_out):
            yield _mention(intent, Source.PAIR, joined)
            return


def _hinted(facts: UtteranceFacts, intent: Intent) -> Iterator[Mention]:
    hits = not_inside(meant(facts.text, facts.hits(f"sign:{intent.id}")), facts.hits(f"excluded:{intent.id}"))
    if hits:
        yield _mention(intent, Source.SIGN, hits[0])


def _together(facts: UtteranceFacts, words: Sequence[str]) -> Hit | None:
    """Return the shortest stretch of one sentence that holds all words, each meant."""
    # Most pairs fail at their first word: whether words are meant is asked only when all stand there.
    if not all(facts.hits(f"term:{word}") for word in words):
        return None
    hits = [meant(facts.text, facts.hits(f"term:{word}")) for word in words]
    if not all(hits):
        return None
    stretches = [stretch for choice in product(*hits) if (stretch := _stretch(facts, choice)) is not None]
    return min(stretches, key=lambda one: one.normal_end - one.normal_start, default=None)


def _stretch(facts: UtteranceFacts, choice: Sequence[Hit]) -> Hit | None:
    ordered = sorted(choice, key=lambda one: one.normal_start)
    first, last = ordered[0], max(ordered, key=lambda one: one.normal_end)
    if last.normal_end - first.normal_start > PAIR_SPAN_CHARACTERS:
        return None
    if any(later.normal_start < earlier.normal_end for earlier, later in pairwise(ordered)):
        return None
    sentence = next((one for one in facts.text.sentences if one[0] <= first.start_char < one[1]), None)
    if sentence is None or last.end_char > sentence[1]:
        return None
    return replace(first, end_char=last.end_char, normal_end=last.normal_end)


def _mention(intent: Intent, source: Source, hit: Hit) -> Mention:
    return Mention(intent=intent, source=source, start_char=hit.start_char, end_char=hit.end_char)
