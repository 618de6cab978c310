"""Families of phrases written as one pattern, spelled out when a lexicon is read.

    (还有|还要)(什么|啥|别的)?<help>      alternatives, optional parts, a named slot
    通话…录音                            `…`: at most a few other characters of the same sentence
    !(礼|崇)拜了                         hides phrases of the same list that stand within it
    白白(啊|了)?$                        found only where a clause ends

The result is plain phrases, so that one search finds all of them wherever lexicons are used.
"""

from __future__ import annotations

from collections.abc import Mapping

from qingting.analysis.text import GAP

LIMIT = 20_000
"""A pattern of more phrases than this is a mistake."""


def expand(pattern: str, slots: Mapping[str, str]) -> tuple[str, ...]:
    """Return all phrases of a pattern, in the order in which they are written, without repeats.

    ValueError says what is wrong: brackets without a partner, an unknown slot, slots in a
    circle, a pattern that may be empty, or one of more than LIMIT phrases.
    """
    phrases = tuple(dict.fromkeys(_Reader(pattern, slots, ()).read()))
    if any(not phrase.strip(GAP) for phrase in phrases):
        raise ValueError("the pattern may be empty")
    return phrases


class _Reader:
    """Reads one pattern from left to right."""

    def __init__(self, pattern: str, slots: Mapping[str, str], within: tuple[str, ...]) -> None:
        self._pattern = pattern
        self._slots = slots
        self._within = within
        self._at = 0

    def read(self) -> list[str]:
        """Read the whole pattern."""
        phrases = self._alternatives()
        if self._at < len(self._pattern):
            raise ValueError(f"a bracket `{self._pattern[self._at]}` has no partner")
        return phrases

    def _alternatives(self) -> list[str]:
        found = self._sequence()
        while self._next() == "|":
            self._at += 1
            found += self._sequence()
        return found

    def _sequence(self) -> list[str]:
        found = [""]
        while (character := self._next()) and character not in "|)":
            parts = self._part(character)
            if len(found) * len(parts) > LIMIT:
                raise ValueError(f"the pattern has more than {LIMIT} phrases")
            found = [before + part for before in found for part in parts]
        return found

    def _part(self, character: str) -> list[str]:
        self._at += 1
        if character == "(":
            parts = self._alternatives()
            if self._next() != ")":
                raise ValueError("a bracket `(` has no partner")
            self._at += 1
        elif character == "<":
            parts = self._slot()
        elif character in "?>":
            raise ValueError(f"`{character}` has nothing to stand for")
        else:
            parts = [character]
        if self._next() == "?":
            self._at += 1
            parts = [*parts, ""]
        return parts

    def _slot(self) -> list[str]:
        end = self._pattern.find(">", self._at)
        name = self._pattern[self._at : end]
        if end < 0 or name not in self._slots:
            raise ValueError(f"no slot is named `{name}`")
        if name in self._within:
            raise ValueError(f"slot `{name}` holds itself")
        self._at = end + 1
        return _Reader(self._slots[name], self._slots, (*self._within, name)).read()

    def _next(self) -> str:
        return self._pattern[self._at : self._at + 1]
