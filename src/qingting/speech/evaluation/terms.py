"""Business terms: how many that were said stand in a text, and how many stand there unsaid."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from qingting.speech._units import units
from qingting.speech.text_form import simplify


@dataclass(frozen=True, kw_only=True)
class TermCounts:
    """Terms of a reference found again in a hypothesis."""

    said: int = 0
    """Terms in the reference."""
    found: int = 0
    """Those that stand in the hypothesis too."""
    false: int = 0
    """Terms of the hypothesis that the reference lacks."""

    @property
    def recall(self) -> float | None:
        """Share of the said terms that were found; None when none was said."""
        return self.found / self.said if self.said else None


def count_terms(hypothesis: str, reference: str, terms: Iterable[str]) -> TermCounts:
    """Compare the terms of two texts, by number of occurrences; a longer term hides the shorter ones inside it.

    Punctuation, spaces, case and script do not matter.
    """
    keys = sorted({_plain(term) for term in terms} - {""}, key=lambda key: (-len(key), key))
    said, heard = _occurrences(_plain(reference), keys), _occurrences(_plain(hypothesis), keys)
    return TermCounts(
        said=said.total(), found=(said & heard).total(), false=sum((heard - said).values())
    )  # fmt: skip


def add_terms(parts: Iterable[TermCounts]) -> TermCounts:
    """Sum of several counts."""
    rows = list(parts)
    return TermCounts(
        said=sum(row.said for row in rows), found=sum(row.found for row in rows), false=sum(row.false for row in rows)
    )


def _plain(text: str) -> str:
    return "".join(unit.key for unit in units(simplify(text)))


def _occurrences(text: str, keys: Sequence[str]) -> Counter[str]:
    """Terms of a text from left to right, the longest at each place."""
    found: Counter[str] = Counter()
    at = 0
    while at < len(text):
        hit = next((key for key in keys if text.startswith(key, at)), "")
        if hit:
            found[hit] += 1
        at += len(hit) or 1
    return found
