"""The units a text consists of: what is counted, timed and compared.

A unit is one Chinese (or kana, hangul) character, one ASCII digit, or one run of letters of an alphabetic script
(`iPhone`, `don't`). Punctuation, symbols and spaces are no units.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import lru_cache

_JOINERS = "'’-"


@dataclass(frozen=True, kw_only=True)
class Unit:
    """One unit and where it stands."""

    text: str
    start: int
    """Offset in the text, in characters."""
    end: int
    """Exclusive."""

    @property
    def key(self) -> str:
        """For comparing: lower case."""
        return self.text.casefold()


def units(text: str) -> tuple[Unit, ...]:
    """Units of a text in order."""
    found: list[Unit] = []
    index = 0
    while index < len(text):
        counts, alphabet = _kind(text[index])
        if not counts:
            index += 1
            continue
        end = index + 1
        if alphabet:
            while end < len(text) and (alphabetic(text[end]) or _joins(text, end)):
                end += 1
        found.append(Unit(text=text[index:end], start=index, end=end))
        index = end
    return tuple(found)


def is_han(character: str) -> bool:
    """Whether a character is a Chinese one."""
    return (
        "\u4e00" <= character <= "\u9fff"
        or "\u3400" <= character <= "\u4dbf"
        or character == "〇"
        or "\U00020000" <= character <= "\U0003ffff"
        or "\uf900" <= character <= "\ufaff"
    )


def alphabetic(character: str) -> bool:
    """Whether a character belongs to a script that writes words with letters."""
    if character.isascii():
        return character.isalpha()
    return character.isalpha() and not is_han(character) and unicodedata.category(character) != "Lo"


@lru_cache(maxsize=16_384)
def _kind(character: str) -> tuple[bool, bool]:
    """Whether a character is part of a unit, and of an alphabetic script: texts use the same few thousand."""
    return character.isalnum() or unicodedata.category(character)[0] == "N", alphabetic(character)


def _joins(text: str, index: int) -> bool:
    return text[index] in _JOINERS and index + 1 < len(text) and alphabetic(text[index + 1])
