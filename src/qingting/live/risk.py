"""Words that make a call high-risk the moment they are said, without waiting for the analysis.

The analysis hears an utterance when it has ended and everything before it is certain, which may take as
long as the other party goes on speaking. A supervisor must not wait for that: the same lexicons are
searched in stable partial text, and what is meant (not denied, not reported of others) warns at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from qingting.analysis.lexicon import groups
from qingting.analysis.text import NormalText, PhraseBook
from qingting.analysis.usage import meant
from qingting.model.call import Role
from qingting.model.finding import Level

_CUSTOMER = {
    "emotion_customer": {"threat": (Level.SERIOUS, "投诉或要求升级"), "rage": (Level.SERIOUS, "激烈用语")},
    "customer_discontent": {
        "threat": (Level.SERIOUS, "投诉或要求升级"),
        "insult": (Level.SERIOUS, "辱骂的话"),
        "ultimatum": (Level.SERIOUS, "最后通牒"),
        "challenge": (Level.MEDIUM, "顶撞叫板"),
    },
}
_AGENT = {
    "forbidden_words": {"insult": (Level.SERIOUS, "坐席辱骂"), "talk_back": (Level.SERIOUS, "坐席顶撞")},
}


@dataclass(frozen=True, kw_only=True)
class Risk:
    """One dangerous phrase."""

    kind: str
    title: str
    level: Level
    start_char: int
    end_char: int
    """Exclusive; offsets in the text that was searched."""


class RiskWatch:
    """Remembers for one call which warnings were given: each kind once per utterance."""

    def __init__(self) -> None:
        self._given: set[tuple[str, int, str]] = set()

    def look(self, text: str, *, party: str, role: Role, start_ms: int) -> list[Risk]:
        """Search the stable words of an utterance (again, as it grows); returns what is new."""
        found = []
        for risk in risks_in(text, role):
            key = (party, start_ms, risk.title)
            if key not in self._given:
                self._given.add(key)
                found.append(risk)
        return found

    def forget_before(self, at_ms: int) -> None:
        """Drop what is known of utterances that began earlier: they have ended."""
        self._given = {key for key in self._given if key[1] >= at_ms}


def risks_in(text: str, role: Role) -> list[Risk]:
    """Dangerous phrases of a text in order, as a customer (or whoever may be one) or an agent says them."""
    book, kinds = _book("agent" if role is Role.AGENT else "customer")
    normal = NormalText(text)
    found = []
    for (_, label), hits in book.find(normal).items():
        kind, level, title = kinds[label]
        found += [
            Risk(kind=kind, title=title, level=level, start_char=hit.start_char, end_char=hit.end_char)
            for hit in meant(normal, hits)
        ]
    return sorted(found, key=lambda risk: (risk.start_char, -risk.end_char))


@cache
def _book(who: str) -> tuple[PhraseBook, dict[str, tuple[str, Level, str]]]:
    phrases: dict[str, tuple[str, ...]] = {}
    kinds: dict[str, tuple[str, Level, str]] = {}
    for lexicon, wanted in (_AGENT if who == "agent" else _CUSTOMER).items():
        listed = groups(lexicon)
        for group, (level, title) in wanted.items():
            label = f"{lexicon}.{group}"
            phrases[label] = listed[group]
            kinds[label] = (group, level, title)
    return PhraseBook({"risk": phrases}), kinds
