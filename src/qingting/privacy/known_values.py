"""Values that were said in a call, wherever else they are written: in digits, in words, with gaps, in quotes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from qingting.particulars.digits import LAST_OF_ID, digit_of, forms_of
from qingting.particulars.names import is_ordinary
from qingting.privacy.hiding import MASK, hidden_in, masked_value
from qingting.privacy.lines import Found, Line

_GAP = r"[\s，,。.、\-—]{0,2}"
_ENDS = 4
"""Rules write long numbers as 4401****0012."""
_LONG = 7
"""Shorter digit strings are replaced only where no digit and no unit stands beside them."""
_UNIT = "(?!毫秒|秒|元|块|分|次|字|%|[.:]\\d)"
_FEWEST = 4
_QUOTE = re.compile("“([^“”]*)”")
_CUT = "……"


class KnownValues:
    """The personal data of one call."""

    def __init__(self, found: Iterable[Found]) -> None:
        """Take what was found in any of the call's texts."""
        patterns: dict[str, str] = {}
        for one in found:
            patterns |= _patterns(one)
        ordered = sorted(patterns, key=lambda pattern: (-len(pattern), pattern))
        self._kinds = [patterns[pattern] for pattern in ordered]
        self._pattern = re.compile("|".join(f"({pattern})" for pattern in ordered)) if ordered else None

    def mask(self, text: str) -> str:
        """Mask every known value in a text; as long as before."""
        return self._pattern.sub(self._masked, text) if self._pattern else text

    def _masked(self, match: re.Match[str]) -> str:
        kind = self._kinds[(match.lastindex or 1) - 1]
        if kind == "rest":
            return re.sub(f"[^{re.escape(MASK)}\\s]", MASK, match.group())
        return masked_value(kind, match.group())


def _patterns(found: Found) -> dict[str, str]:
    """Patterns of all forms of a value, each with the kind whose ends it keeps (`rest` keeps nothing)."""
    if found.spelling or found.kind in ("name", "address"):
        literal = found.value.strip()
        kind = "rest" if found.spelling else found.kind
        return {} if found.kind == "name" and is_ordinary(literal) else {re.escape(literal): kind}
    digits = _digits(found.value)
    patterns = {_form(digits): found.kind} if len(digits) >= _FEWEST else {}
    if len(digits) > 2 * _ENDS:
        patterns[f"{digits[:_ENDS]}\\*{{4}}{digits[-_ENDS:]}"] = "rest"
    hidden, at = set(hidden_in(found.kind, found.value)), 0
    for text in found.texts if len(found.texts) > 1 else ():
        piece = _digits(text)
        inside = {at + offset for offset, one in enumerate(text) if digit_of(one)}
        if len(piece) >= _FEWEST and inside <= hidden:
            patterns[_form(piece)] = "rest"
        at += len(text)
    return patterns


def _form(digits: str) -> str:
    written = _GAP.join(f"[{re.escape(forms_of(digit))}]" for digit in digits)
    if len(digits) >= _LONG:
        return written
    any_digit = "0-9０-９零〇一二三四五六七八九幺"
    return f"(?<![{any_digit}]){written}(?![{any_digit}]){_UNIT}"


def _digits(value: str) -> str:
    return "".join("X" if one in LAST_OF_ID else digit_of(one) for one in value)


class Quotes:
    """Words of the transcript that sentences quote, cut again from the masked text."""

    def __init__(self, lines: Sequence[Line], masked: Mapping[int, str]) -> None:
        """Take the lines and their masked texts."""
        self._changed = [(line.text, masked[line.index]) for line in lines if masked[line.index] != line.text]

    def recut(self, text: str) -> str:
        """Mask the quotations “…” in a sentence; as long as before."""
        return _QUOTE.sub(lambda match: f"“{self.words(match[1])}”", text) if self._changed else text

    def words(self, quoted: str) -> str:
        """Mask words that were taken from a line, perhaps shortened in their middle."""
        return _CUT.join(map(self._part, quoted.split(_CUT)))

    def _part(self, part: str) -> str:
        if not part:
            return part
        for text, masked in self._changed:
            at = text.find(part)
            while at >= 0:
                cut = masked[at : at + len(part)]
                if cut != part:
                    return cut
                at = text.find(part, at + 1)
        return part
