"""One fault, one deduction: findings of two items that rest on the same words of the call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qingting.model.call import Role

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from qingting.model.finding import Evidence, Finding

EVERY_ITEM = "*"
"""In `same_fault_as`: all items that are settled before."""
_CONTEXT = "context"
"""Evidence operator of words shown for understanding."""


def same_words(one: Finding, other: Finding) -> bool:
    """Whether two findings quote words that overlap; what an agent said as mere context does not count."""
    return any(_overlap(mine, yours) for mine in _words(one) for yours in _words(other))


def taken_for(finding: Finding, sign: int, counted: Iterable[tuple[str, Finding, int]]) -> tuple[int, str]:
    """Most tenths another item took (sign -1) or gave (1) for the same words, and the item's name.

    `counted` are (item name, finding, tenths) of the items that may be about the same fault.
    """
    most, name = 0, ""
    for item, other, amount in counted:
        if amount * sign > most and same_words(finding, other):
            most, name = amount * sign, item
    return most, name


def _words(finding: Finding) -> Iterator[Evidence]:
    for evidence in finding.evidence:
        if evidence.quote and not (evidence.operator == _CONTEXT and evidence.role is Role.AGENT):
            yield evidence


def _overlap(one: Evidence, other: Evidence) -> bool:
    return one.utterance == other.utterance and one.start_char < other.end_char and other.start_char < one.end_char
