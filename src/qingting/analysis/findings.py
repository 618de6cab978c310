"""Small builders that keep every analyzer's findings complete and alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qingting.analysis.wording import quoted
from qingting.model.call import Role
from qingting.model.finding import Evidence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qingting.analysis.context import UtteranceFacts
    from qingting.analysis.text import Hit


def words_evidence(facts: UtteranceFacts, start_char: int, end_char: int, *, operator: str, note: str = "") -> Evidence:
    """Evidence that quotes a range of an utterance; the range must not be empty."""
    start_ms, end_ms = facts.time_of(start_char, end_char)
    return Evidence(
        operator=operator,
        start_ms=start_ms,
        end_ms=end_ms,
        utterance=facts.utterance.index,
        start_char=start_char,
        end_char=end_char,
        quote=facts.quote(start_char, end_char),
        role=facts.role,
        note=note,
    )


def hit_evidence(facts: UtteranceFacts, hit: Hit, *, operator: str = "keyword", note: str = "") -> Evidence:
    """Evidence that quotes the words of a phrase hit."""
    return words_evidence(facts, hit.start_char, hit.end_char, operator=operator, note=note)


def sentence_evidence(facts: UtteranceFacts, hit: Hit, *, operator: str = "keyword", note: str = "") -> Evidence:
    """Evidence that quotes the clause around a phrase hit: more to judge by than the bare phrase."""
    first, last = facts.text.clause_at(hit.start_char)
    return words_evidence(facts, min(first, hit.start_char), max(last, hit.end_char), operator=operator, note=note)


def utterance_evidence(facts: UtteranceFacts, *, operator: str, note: str = "") -> Evidence:
    """Evidence that quotes a whole utterance, or its time when it has no words."""
    if facts.utterance.text:
        return words_evidence(facts, 0, len(facts.utterance.text), operator=operator, note=note)
    return time_evidence(
        facts.utterance.start_ms, facts.utterance.end_ms, operator=operator, role=facts.role, note=note
    )


def time_evidence(start_ms: int, end_ms: int, *, operator: str, role: Role = Role.UNSURE, note: str = "") -> Evidence:
    """Evidence for a stretch of time without words."""
    return Evidence(operator=operator, start_ms=start_ms, end_ms=end_ms, role=role, note=note)


def apart(hits: Sequence[Hit]) -> tuple[tuple[int, int], ...]:
    """Join overlapping hits: source ranges (start_char, end_char) in order, none touching another."""
    joined: list[tuple[int, int]] = []
    for start, end in sorted((hit.start_char, hit.end_char) for hit in hits):
        if joined and start < joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return tuple(joined)


def quotes(facts: UtteranceFacts, hits: Sequence[Hit], limit: int = 3) -> str:
    """Quote the words of hits for a sentence: “太慢了”、“没人管”."""
    return "、".join(quoted(facts.quote(start, end)) for start, end in apart(hits)[:limit])
