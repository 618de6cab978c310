"""The language of an utterance: the engine's label, held against script and function words of its text.

A label that the script contradicts does not count; without a label only clear evidence names a language;
what stays unclear stays unknown. A switch is told where both sides are clear: between scripts from a few
words on, between Cantonese and Mandarin by whole clauses of distinct function words only.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import NamedTuple

from qingting.model.transcript import LanguageSpan, TimedText
from qingting.speech._units import Unit, is_han, units

CHINESE, CANTONESE, ENGLISH = "zh", "yue", "en"
_HAN, _KANA, _HANGUL, _LATIN = "han", "kana", "hangul", "latin"
_SCRIPTS = (
    (_KANA, 0x3040, 0x30FF), (_HANGUL, 0xAC00, 0xD7AF), ("thai", 0x0E00, 0x0E7F), ("cyrillic", 0x0400, 0x052F),
    ("arabic", 0x0600, 0x06FF), ("greek", 0x0370, 0x03FF), ("devanagari", 0x0900, 0x097F), (_LATIN, 0x0041, 0x024F),
    (_LATIN, 0x1E00, 0x1EFF),
)  # fmt: skip
_OF_SCRIPT = {_KANA: "ja", _HANGUL: "ko", "thai": "th", "greek": "el"}
"""Scripts that one of the recognised languages is written in."""
_WRITTEN_IN = {
    "zh": (_HAN,), "yue": (_HAN,), "ja": (_KANA, _HAN), "ko": (_HANGUL,), "th": ("thai",), "el": ("greek",),
    "ru": ("cyrillic",), "mk": ("cyrillic",), "ar": ("arabic",), "fa": ("arabic",), "hi": ("devanagari", _LATIN),
}  # fmt: skip
_YUE_CHARACTERS = frozenset("嘅咗喺哋啲嗰嘢嚟噉㗎喎冚嚿揾攞瞓攰嬲啱冇佢乜咁睇咩")
_YUE_STRONG = frozenset("嘅咗喺哋啲嗰嘢嚟噉㗎喎揾攞瞓")
"""Written in Cantonese only; the others are seen in other dialects or old texts too."""
_YUE_WORDS = tuple(
    "唔该 唔使 唔好 唔系 唔知 唔得 唔可以 唔会 唔同 唔想 唔要 系咪 系唔系 点解 点样 边度 边个 而家"
    " 琴日 听日 寻日 几多钱"
    " 几时 即系 仲有 仲未 得唔得 多谢晒 唔识 唔记得 唔通"
    " 差唔多 得闲 返工 屋企 俾我 俾人 俾你 我系 呢度 呢个 呢排".split()
)
_YUE_MIXED = re.compile("呢[个度排]|我系|几时|得闲")
"""Among them those that Mandarin can write as well: they show something beside others only."""
_ZH_ONLY = tuple("的 了 是 不 没 这 那 吗 什么 怎么 我们 你们 他们 您 在 给".split())
"""Cantonese writes these otherwise (嘅 咗 系 唔 冇 呢 嗰 …)."""
_EN_WORDS = frozenset(
    "the to of and in is it you that for on with this my i was are be have not your we can what do me if will would"
    " please a an am at as but by from how has had he she they there when where which who no yes could should"
    " need want get don't can't i'm it's i'd i've didn't doesn't".split()
)
_LEAST_LATIN_WORDS = 3
_LEAST_ENGLISH_WORDS = 1
_RUN_LATIN_WORDS = 4
"""Inside a clause so many Latin words in a row are a switch; fewer are names and loans."""
_LEAST_HAN = 3
_DECISIVE = 3
"""Cantonese needs this score: a word or strong character counts 3, the other characters 2."""
_SWITCH_SCORE = 6
_SWITCH_HAN = 8
_SWITCH_MANDARIN = 3
_PAUSE_MS = 300
_BREAKS = frozenset("，。？！；：、…,.?!;:")


@dataclass(frozen=True, kw_only=True)
class SpokenLanguage:
    """What language an utterance is in, and by what that is known."""

    language: str = ""
    """ISO 639-1 or `yue`; empty when unknown."""
    source: str = ""
    """`engine`, `text` or `engine+text`; empty when unknown."""
    spans: tuple[LanguageSpan, ...] = ()
    """Its parts where it clearly switches, else empty."""


class _Part(NamedTuple):
    start: int
    end: int
    language: str


def judge_language(text: str, label: str = "", characters: Sequence[TimedText] = ()) -> SpokenLanguage:
    """The language of an utterance in the project's text form (simplified).

    `label` is the engine's (ISO 639-1 or `yue`; empty: none); `characters` are the times of the text's
    units, in order: a pause ends a clause as punctuation does.
    """
    found = units(text)
    if not found:
        return SpokenLanguage(language=label, source="engine" if label else "")
    parts = _merged(text, [_Part(a, b, _clear_language(text[a:b])) for a, b in _clauses(text, characters)])
    parts = parts if _is_switch(parts, text) else []
    if parts:
        sizes = {language: sum(len(units(text[p.start : p.end])) for p in parts if p.language == language)
                 for language in dict.fromkeys(part.language for part in parts)}  # fmt: skip
        main = max(sizes, key=lambda language: sizes[language])
        spans = tuple(LanguageSpan(start_char=p.start, end_char=p.end, language=p.language) for p in parts)
        return SpokenLanguage(language=main, source="engine+text" if main == label else "text", spans=spans)
    shown = _shown_language(text, found)
    if label and _fits(label, text, found):
        if label == CHINESE and shown == CANTONESE:
            return SpokenLanguage(language=CANTONESE, source="text")
        return SpokenLanguage(language=label, source="engine+text" if shown == label else "engine")
    return SpokenLanguage(language=shown, source="text" if shown else "")


def cantonese_score(text: str) -> int:
    """How much the words of a simplified text show Cantonese; from 3 on it is no chance."""
    words = {word for word in _YUE_WORDS if word in text}
    sure = {word for word in words if not _YUE_MIXED.fullmatch(word)}
    covered = "".join(sure)
    lone = {character for character in text if character in _YUE_CHARACTERS and character not in covered}
    score = 3 * len(sure) + sum(3 if character in _YUE_STRONG else 2 for character in lone)
    return score + len(words - sure)


def _shown_language(text: str, found: Sequence[Unit]) -> str:
    """The language that the text alone shows; empty when it is unclear."""
    counts = _script_counts(found)
    if not counts:
        return ""
    if _KANA in counts:
        return "ja"
    script = max(counts, key=lambda name: counts[name])
    if script == _HAN:
        return _chinese_language(text)
    if script == _LATIN:
        words = [unit.key for unit in found if _script(unit.text[0]) == _LATIN]
        enough = len(words) >= _LEAST_LATIN_WORDS and _english_words(words) >= 2
        return ENGLISH if enough else ""
    return _OF_SCRIPT.get(script, "")


def _chinese_language(text: str) -> str:
    score = cantonese_score(text)
    if score >= _DECISIVE and score > sum(word in text for word in _ZH_ONLY):
        return CANTONESE
    said = sum(word in text for word in _ZH_ONLY)
    return CHINESE if not score and said >= 2 else ""


def _fits(label: str, text: str, found: Sequence[Unit]) -> bool:
    """Whether a text in this script can be of the labelled language; a few words of another script may be mixed in."""
    counts = _script_counts(found)
    if not counts:
        return True
    own = sum(counts.get(script, 0) for script in _WRITTEN_IN.get(label, (_LATIN,)))
    # 好的，OK，bye bye is Chinese all the same: Latin words alone do not refute it while they are few.
    few_latin = set(counts) == {_LATIN} and counts[_LATIN] < _LEAST_LATIN_WORDS
    if label in (CHINESE, CANTONESE) and (_KANA in counts or (few_latin and text.isascii())):
        return _KANA not in counts
    return own * 2 >= max(counts.values())


def _clear_language(clause: str) -> str:
    """The language of a clause as far as a switch may rest on it."""
    found = units(clause)
    counts = _script_counts(found)
    latin, han = counts.get(_LATIN, 0), counts.get(_HAN, 0)
    if latin >= _LEAST_LATIN_WORDS and latin > han:
        words = [unit.key for unit in found if _script(unit.text[0]) == _LATIN]
        return ENGLISH if _english_words(words) >= _LEAST_ENGLISH_WORDS else ""
    if han >= _LEAST_HAN and latin <= han // 2 and _KANA not in counts:
        if cantonese_score(clause) >= _DECISIVE:
            return CANTONESE
        return CHINESE if len(set(counts)) <= 2 else ""
    return ""


def _is_switch(parts: Sequence[_Part], text: str) -> bool:
    """Whether every language of the parts is clear enough to tell of a switch."""
    languages = {part.language for part in parts}
    if len(languages) < 2 or "" in languages:
        return False
    if languages != {CHINESE, CANTONESE}:
        return True
    pieces = {language: [text[p.start : p.end] for p in parts if p.language == language] for language in languages}
    return any(cantonese_score(piece) >= _SWITCH_SCORE for piece in pieces[CANTONESE]) and any(
        _surely_mandarin(piece) for piece in pieces[CHINESE]
    )


def _surely_mandarin(text: str) -> bool:
    han = sum(is_han(character) for character in text)
    return han >= _SWITCH_HAN and not cantonese_score(text) and sum(w in text for w in _ZH_ONLY) >= _SWITCH_MANDARIN


def _merged(text: str, parts: Sequence[_Part]) -> list[_Part]:
    """Neighbours of one language joined; none where fewer than two languages are clear.

    Unclear ones belong to the part before, or after at the beginning; a few Latin words to an English part after them.
    Mandarin clauses beside Cantonese ones are Cantonese unless they are surely none: much is written alike.
    """
    languages = {part.language for part in parts}
    known = [part for part in parts if part.language]
    if len({part.language for part in known}) < 2:
        return []
    filled: list[_Part] = []
    current = known[0].language
    for index, part in enumerate(parts):
        following = next((later.language for later in parts[index + 1 :] if later.language), "")
        latin = set(_script_counts(units(text[part.start : part.end]))) == {_LATIN}
        current = part.language or (ENGLISH if latin and following == ENGLISH else current)
        filled.append(part._replace(language=current))
    if {CHINESE, CANTONESE, ENGLISH} <= languages:
        filled = [p._replace(language=CANTONESE) if p.language == CHINESE else p for p in filled]
    runs = [list(run) for _, run in groupby(filled, key=lambda part: part.language)]
    return [_Part(run[0].start, run[-1].end, run[0].language) for run in runs]


def _clauses(text: str, characters: Sequence[TimedText]) -> list[tuple[int, int]]:
    """Ranges of the clauses, which together are the text: punctuation, pauses and long runs of Latin words end them."""
    found = units(text)
    edges: list[int] = []
    timed = len(characters) == len(found)
    for index, (before, after) in enumerate(pairwise(found)):
        broken = any(character in _BREAKS for character in text[before.end : after.start])
        paused = timed and characters[index + 1].start_ms - characters[index].end_ms >= _PAUSE_MS
        if broken or paused or _starts_or_ends_run(found, index):
            edges.append(after.start)
    borders = [0, *edges, len(text)]
    return list(pairwise(borders))


def _starts_or_ends_run(found: Sequence[Unit], index: int) -> bool:
    """Whether the script changes behind a unit, with a long run of Latin words on one side."""
    left, right = _script(found[index].text[0]) == _LATIN, _script(found[index + 1].text[0]) == _LATIN
    if left == right:
        return False
    step = -1 if left else 1
    at, count = (index if left else index + 1), 0
    while 0 <= at < len(found) and _script(found[at].text[0]) == _LATIN:
        at, count = at + step, count + 1
    return count >= _RUN_LATIN_WORDS


def _english_words(words: Sequence[str]) -> int:
    return len({word for word in words if word in _EN_WORDS})


def _script_counts(found: Sequence[Unit]) -> dict[str, int]:
    """Units by script, the commonest decides; numbers belong to none."""
    counts: dict[str, int] = {}
    for unit in found:
        script = _script(unit.text[0])
        if script:
            counts[script] = counts.get(script, 0) + 1
    return counts


def _script(character: str) -> str:
    if is_han(character):
        return _HAN
    if not character.isalpha():
        return ""
    return next((name for name, first, last in _SCRIPTS if first <= ord(character) <= last), "other")
