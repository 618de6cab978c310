"""Digits as they are written and as they are said one by one: 1, 一, 幺."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_DIGITS = {
    **dict(zip("0123456789", "0123456789", strict=True)),
    **dict(zip("０１２３４５６７８９", "0123456789", strict=True)),
    **dict(zip("零一二三四五六七八九", "0123456789", strict=True)),
    "〇": "0",
    "洞": "0",
    "幺": "1",
    "两": "2",
    "拐": "7",
}
_SAID = "零〇一二三四五六七八九幺两洞拐"
_WRITTEN = "0-9０-９"
# 一百, 三点, 第一: parts of other numerals.
_RUN = re.compile(
    rf"(?<![A-Za-z{_WRITTEN}])(?<![A-Za-z]-)(?<![{_WRITTEN}][.,])[{_WRITTEN}]+(?:\s?[Xx叉](?![A-Za-z]))?"
    rf"|(?<![第十百千万亿点{_SAID}])[{_SAID}]{{2,}}(?:\s?[Xx叉](?![A-Za-z]))?(?![十百千万亿])"
)
# 5000元, 30兆: a measure, not a number that names something.
_MEASURE = re.compile(
    r"\s?(?:元|块|万|亿|千|百|兆|度|个|件|公里|毫秒|秒|分钟|分(?!机)|积分|年|月|天|日|%|％|角|毛|克|斤|米|平|次|人|位|[.,]\d|[KkMmGg][BbWw]?(?![A-Za-z]))"
)
LAST_OF_ID = frozenset("Xx叉")


@dataclass(frozen=True, kw_only=True)
class DigitRun:
    """Digits that stand together."""

    start: int
    """Offset in the text."""
    end: int
    """Exclusive."""
    digits: str
    """0 to 9; a last X of an identity number."""


def digit_of(character: str) -> str:
    """Return the digit that a character stands for; empty when it is none."""
    return _DIGITS.get(character, "")


def forms_of(digit: str) -> str:
    """All characters that stand for a digit (or X)."""
    if digit == "X":
        return "".join(sorted(LAST_OF_ID))
    return "".join(character for character, value in _DIGITS.items() if value == digit)


def digit_runs(text: str) -> Iterator[DigitRun]:
    """Give the runs of digits of a text in order, left out those that measure something or belong to a code (SF123)."""
    for match in _RUN.finditer(text):
        if _MEASURE.match(text, match.end()):
            continue
        said = match.group()
        digits = "".join("X" if one in LAST_OF_ID else digit_of(one) for one in said if not one.isspace())
        yield DigitRun(start=match.start(), end=match.end(), digits=digits)
