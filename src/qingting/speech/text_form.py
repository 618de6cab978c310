"""The one form of text that reaches analysis: Simplified Chinese, punctuated, numbers written.

engine text -> script (OpenCC t2s) -> spaces -> numbers -> punctuation
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import cache
from typing import Any

from qingting.speech._punctuation import end_sentence, tidy_spaces, widen
from qingting.speech._units import is_han
from qingting.speech.numerals import to_spoken, to_written

_KEPT = str.maketrans(
    {"妳": "你", "祂": "他", "牠": "它"} | dict(zip("𠮶㖞𪠳㖊𩠌㶶𨅬𤶊㓥䢂", "嗰喎唓噚餸燶躝癐劏𨋢", strict=True))
)
"""Pronouns that OpenCC leaves, since it has no other character in its tables; and Cantonese characters, which it turns
into analogous simplified forms that nobody writes (HKCanCor has 嗰 2,087 times and 喎 931 times)."""
_LOCK = threading.Lock()


@dataclass(frozen=True, kw_only=True)
class TextForm:
    """A text in the project's form."""

    text: str
    """Simplified, punctuated, numbers in digits; empty when the engine's text has no words."""
    spoken_text: str
    """The same with numbers in words; equals text when there are none."""
    simplified: bool
    """Whether Traditional characters were converted."""


def to_text_form(raw: str) -> TextForm:
    """Bring an engine's text into the one form.

    Numbers the engine wrote in words keep those words in `spoken_text`; digits it wrote
    are said as context demands (numerals.to_spoken), 1 as 一.
    """
    simple = simplify(raw)
    tidy = tidy_spaces(simple)
    text = end_sentence(widen(to_written(tidy)))
    spoken = end_sentence(widen(to_spoken(tidy)))
    return TextForm(text=text, spoken_text=spoken, simplified=simple != raw)


def simplify(text: str) -> str:
    """Convert Traditional to Simplified characters; other text is returned as it is."""
    if not any(is_han(character) for character in text):
        return text
    converter = _converter()
    with _LOCK:
        return str(converter.convert(text)).translate(_KEPT)


@cache
def _converter() -> Any:
    import opencc

    return opencc.OpenCC("t2s")
