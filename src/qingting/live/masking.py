"""Hides personal data in what a running call tells, line by line as it is said."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

from qingting.privacy.known_values import KnownValues
from qingting.privacy.lines import Line
from qingting.privacy.masking import hide_all

if TYPE_CHECKING:
    from qingting.model.finding import Finding
    from qingting.model.transcript import Utterance
    from qingting.privacy.lines import Found
    from qingting.privacy.masking import Masker

_LINES = 8
"""A number that is said in pieces, or a name that answers a question, stands within so many lines."""
_MOST_VALUES = 64
_GROWING = re.compile(r"[0-9０-９零〇一二三四五六七八九幺]{3,}\W*$")
"""Digits at the end of unfinished words: what they become is not known yet."""


class LiveMasking:
    """One call's masks. Values found once are hidden wherever they come again."""

    def __init__(self, masker: Masker) -> None:
        """`masker` finds what the settings want hidden."""
        self._masker = masker
        self._lines: deque[Line] = deque(maxlen=_LINES)
        self._found: dict[tuple[str, str], Found] = {}
        self._known = KnownValues(())

    def utterance(self, utterance: Utterance) -> str:
        """Mask the words of an utterance that is final."""
        line = Line(
            index=utterance.index,
            text=utterance.text,
            party=utterance.party,
            start_ms=utterance.start_ms,
            end_ms=utterance.end_ms,
        )
        self._lines.append(line)
        lines = list(self._lines)
        found = self._masker.found_in(lines)
        new = {(one.kind, one.value): one for one in found} | self._found
        if len(new) != len(self._found):
            self._found = dict(list(new.items())[:_MOST_VALUES])
            self._known = KnownValues(self._found.values())
        return self._known.mask(hide_all(lines, found)[utterance.index])

    def growing(self, stable: str, tail: str) -> tuple[str, str]:
        """Mask unfinished words: what may still become a number is hidden, too."""
        text = self.text(stable + tail)
        if self._masker.kinds:
            text = _GROWING.sub(lambda match: "*" * len(match.group()), text)
        return text[: len(stable)], text[len(stable) :]

    def text(self, text: str) -> str:
        """Mask any other words; as long as before."""
        return self._masker.mask_text(self._known.mask(text)) if text else text

    def finding(self, finding: Finding) -> Finding:
        """Mask what a finding says and quotes."""
        evidence = tuple(replace(one, quote=self.text(one.quote), note=self.text(one.note)) for one in finding.evidence)
        return replace(
            finding,
            evidence=evidence,
            explanation=self.text(finding.explanation),
            advice=self.text(finding.advice),
        )
