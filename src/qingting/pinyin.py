"""Words by their sound: syllables, sounds that are easily confused, and how alike two words are.

Readings come from pypinyin's table (MIT). A character counts with its commonest reading, common
polyphones with two; a word's own reading is chosen by its context.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, lru_cache
from itertools import product


class Confusion(StrEnum):
    """A pair of sounds that speakers or recognisers mix up."""

    Z_ZH = "z_zh"
    C_CH = "c_ch"
    S_SH = "s_sh"
    N_L = "n_l"
    F_H = "f_h"
    R_L = "r_l"
    HU_FU = "hu_fu"
    IN_ING = "in_ing"
    EN_ENG = "en_eng"
    AN_ANG = "an_ang"


DEFAULT_CONFUSIONS = (
    Confusion.Z_ZH, Confusion.C_CH, Confusion.S_SH, Confusion.N_L, Confusion.IN_ING, Confusion.EN_ENG,
)  # fmt: skip
Reading = tuple[str, int]
"""A syllable without tone mark (ü as v) and its tone, 5 for none."""
_TONES = {"\u0304": 1, "\u0301": 2, "\u030c": 3, "\u0300": 4}
_INITIALS = ("zh", "ch", "sh", "b", "p", "m", "f", "d", "t", "n", "l", "g", "k", "h", "j", "q", "x", "r", "z", "c", "s")
_INITIAL_FOLDS = {
    Confusion.Z_ZH: ("zh", "z"),
    Confusion.C_CH: ("ch", "c"),
    Confusion.S_SH: ("sh", "s"),
    Confusion.N_L: ("n", "l"),
    Confusion.R_L: ("r", "l"),
    Confusion.F_H: ("h", "f"),
}
_FINAL_FOLDS = {Confusion.IN_ING: "in", Confusion.EN_ENG: "en", Confusion.AN_ANG: "an"}
_HU_FINALS = {"u": "u", "ua": "a", "uo": "o", "ui": "ei", "uan": "an", "un": "en", "uang": "ang"}
_POLYPHONES = frozenset(
    "行长重还都得了着大会没差乐传调弹参曾藏降校角觉解率落露模塞色省盛什熟宿提吓血择粘折系给薄便泊车称匙臭畜的地度佛"
    "咖核壳俩绿埋脉秘哪那弄胖曝奇圈单石识属谁伺似拓钥这爪扒炸朝仇兴量当种数更应中转"
)
"""Characters whose second reading is common in speech; rare readings of others would only find wrong words."""
_MOST_VARIANTS = 8
"""Readings of one word that are searched for; words with more polyphones keep their commonest."""


@lru_cache(maxsize=4096)
def split_tone(marked: str) -> Reading:
    """Take a syllable with tone mark apart: (lüè) -> (lve, 4)."""
    tone = 5
    plain: list[str] = []
    for part in unicodedata.normalize("NFD", marked):
        if part in _TONES:
            tone = _TONES[part]
        elif part == "\u0308":
            plain[-1] = "v"
        elif part.isalpha():
            plain.append(part)
    return "".join(plain), tone


@cache
def _table() -> dict[int, tuple[Reading, ...]]:
    """Readings of every common character by code point: the first with all its tones, polyphones' second too."""
    from pypinyin.pinyin_dict import pinyin_dict

    table: dict[int, tuple[Reading, ...]] = {}
    for code, text in pinyin_dict.items():
        if not 0x4E00 <= code <= 0x9FFF:
            continue
        readings = [split_tone(one) for one in text.split(",")]
        first = [one for one in readings if one[0] == readings[0][0]]
        second = [one for one in readings if one[0] != readings[0][0]]
        second = [one for one in second if one[0] == second[0][0]] if chr(code) in _POLYPHONES else []
        table[code] = tuple(first + second)
    return table


def readings(character: str) -> tuple[Reading, ...]:
    """Common readings of a character with all tones they have; empty for what is no Chinese character."""
    return _table().get(ord(character), ())


@cache
def fold(syllable: str, confusions: frozenset[Confusion]) -> str:
    """Write a syllable without tone so that confused ones are equal: zhong -> zong."""
    initial = next((one for one in _INITIALS if syllable.startswith(one)), "")
    final = syllable[len(initial) :]
    if Confusion.HU_FU in confusions and initial == "h" and final in _HU_FINALS:
        initial, final = "f", _HU_FINALS[final]
    for confusion, (confused, plain) in _INITIAL_FOLDS.items():
        if confusion in confusions and initial == confused:
            initial = plain
    for confusion, plain in _FINAL_FOLDS.items():
        if confusion in confusions and final.endswith(plain + "g"):
            final = final[:-1]
    return initial + final


class SoundAlphabet:
    """Writes texts as strings with one character per syllable, equal where the sounds may be confused."""

    def __init__(self, confusions: frozenset[Confusion]) -> None:
        letters: dict[str, str] = {}
        first: dict[int, str] = {}
        second: dict[int, str] = {}
        for code, known in _table().items():
            sounds = list(dict.fromkeys(fold(syllable, confusions) for syllable, _ in known))
            coded = [letters.setdefault(sound, chr(0xE000 + len(letters))) for sound in sounds]
            first[code] = coded[0]
            second[code] = coded[-1]
        self._first, self._second = first, second
        self._letters, self._confusions = letters, confusions

    def write(self, text: str) -> tuple[str, ...]:
        """Sounds of a text by the characters' first readings, then by their second where any has one."""
        first, second = text.translate(self._first), text.translate(self._second)
        return (first,) if first == second else (first, second)

    def write_syllables(self, syllables: Sequence[str]) -> str:
        """Sounds of syllables without tones, as `write` gives them; empty when one of them is no common sound."""
        found = [self._letters.get(fold(syllable, self._confusions), "") for syllable in syllables]
        return "".join(found) if all(found) else ""

    def variants(self, word: str) -> tuple[str, ...]:
        """All sounds a word can have by its characters' readings, at most eight."""
        choices = []
        count = 1
        for character in word:
            one = self._first.get(ord(character), character)
            other = self._second.get(ord(character), character)
            both = (one, other) if one != other and count < _MOST_VARIANTS else (one,)
            count *= len(both)
            choices.append(both)
        return tuple("".join(sounds) for sounds in product(*choices))


@lru_cache(maxsize=8192)
def reading_of(word: str) -> tuple[Reading | None, ...]:
    """How a word is said, by its context; None for what is no Chinese character."""
    from pypinyin import Style, pinyin

    if any(ord(character) not in _table() for character in word):
        return tuple((readings(one) or (None,))[0] for one in word)
    said = pinyin(word, style=Style.TONE)
    return tuple(split_tone(marked) for marked, *_ in said)


@cache
def _known_words() -> frozenset[str]:
    from pypinyin.phrases_dict import phrases_dict

    return frozenset(phrases_dict)


def cuts_known_word(text: str, start: int, end: int) -> bool:
    """Whether an edge of a stretch cuts a known word of two characters: 以帮您 in 可以帮您."""
    known = _known_words()
    return (start > 0 and text[start - 1 : start + 1] in known) or text[end - 1 : end + 1] in known


@dataclass(frozen=True, kw_only=True, slots=True)
class Likeness:
    """How a heard text differs from the word it sounds like."""

    same: int
    """Characters that are the word's own."""
    confused: int
    """Syllables that are equal only because their sounds are easily confused."""


def likeness(word: str, heard: str, confusions: frozenset[Confusion]) -> Likeness | None:
    """Return how a text of the word's length sounds like it; None when it does not.

    The text may not be another known word. Words of two syllables must agree in tone; longer ones
    may be confused in at most half of their syllables, and one character must be their own.
    """
    strict = len(word) < 3
    if heard in _known_words():
        return None
    same = confused = 0
    for own, other, reading in zip(word, heard, reading_of(word), strict=True):
        if own == other:
            same += 1
            continue
        if reading is None:
            return None
        step = _sound_step(reading, readings(other), confusions, strict=strict)
        if step is None:
            return None
        confused += step
    if same == 0 or confused * 2 > len(word):
        return None
    return Likeness(same=same, confused=confused)


def _sound_step(
    own: Reading, others: tuple[Reading, ...], confusions: frozenset[Confusion], *, strict: bool
) -> int | None:
    """0 for the same syllable, 1 for a confused one, None for another."""
    fitting = [syllable for syllable, tone in others if not strict or tone == own[1]]
    if own[0] in fitting:
        return 0
    folded = fold(own[0], confusions)
    return 1 if any(fold(syllable, confusions) == folded for syllable in fitting) else None
