"""Similar past cases: for each serious finding, how reviewers handled the nearest ones of other calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from qingting.model.finding import Level, Polarity
from qingting.model.report import Likeness, SimilarCase

if TYPE_CHECKING:
    from collections.abc import Iterable

    from qingting.model.call import CallInfo
    from qingting.model.finding import Finding

CASES_SHOWN = 3
"""Cases per finding: more are not read."""
_SHARED_WORDS = 0.15
"""A case of another rule must share that much wording to be shown at all."""
_MOST_COMPARED = 32
"""Cases whose vectors are compared per finding, the most alike in characters: a new sentence costs 10 to 20 ms CPU."""

MeaningOf = Callable[[str, Sequence[str]], Sequence[float]]
"""(text, others) -> how near in meaning each other text is, 0 to 1; raises QingtingError when it cannot tell."""


class Review(StrEnum):
    """What a person decided about a finding."""

    CONFIRMED = "confirmed"
    REJECTED = "rejected"

    @property
    def chinese(self) -> str:
        """The word a report reader sees."""
        return {"confirmed": "成立", "rejected": "不成立"}[self.value]


@dataclass(frozen=True, kw_only=True)
class ReviewedCase:
    """A finding that a person has reviewed, with what was done about it."""

    call_id: str
    rule_id: str
    """`<analyzer>.<rule>`."""
    dimension: str
    """Id of the analyzer."""
    verdict: Review
    quote: str = ""
    """What was said; empty for findings without words (silences, omissions)."""
    handling: str = ""
    """How it was handled, in the reviewer's words."""
    reviewer: str = ""
    date: str = ""
    """ISO 8601."""
    utterance: int | None = None
    """Utterance it was found at; None without words."""
    at_ms: int | None = None
    """Call time it was found at."""


class CaseLibrary(Protocol):
    """The centre's memory of reviewed findings; safe to share between threads."""

    def find(
        self, *, dimension: str, rule_id: str, text: str, limit: int, other_than: str
    ) -> Sequence[tuple[ReviewedCase, float | None, Likeness]]:
        """Return at most `limit` cases of the dimension, nearest first, with similarity and how it was measured.

        `text` is the finding's quote, empty without words. Cases of the call `other_than` are left out.
        """
        ...


class ListedCases:
    """Cases in memory, compared by meaning where that can be told, else by their characters."""

    def __init__(self, cases: Iterable[ReviewedCase], *, likeness: MeaningOf | None = None) -> None:
        # A later review of the same finding replaces the earlier one.
        latest = {(one.call_id, one.rule_id, one.utterance, one.at_ms): one for one in cases}
        self._by_dimension: dict[str, list[ReviewedCase]] = {}
        # The newest first, so that among equally near ones it wins; dates are ISO and sort as text.
        for case in sorted(latest.values(), key=lambda one: one.date, reverse=True):
            self._by_dimension.setdefault(case.dimension, []).append(case)
        self._pieces = {case.quote: _pieces(case.quote) for known in self._by_dimension.values() for case in known}
        self._meaning = likeness

    def find(
        self, *, dimension: str, rule_id: str, text: str, limit: int, other_than: str
    ) -> Sequence[tuple[ReviewedCase, float | None, Likeness]]:
        """Return the nearest cases; see CaseLibrary.

        Cases of the same rule always stand for comparison, those of other rules only when they share
        words with the text. Where there are no words to compare, the newest cases of the rule are given.
        """
        cases = [case for case in self._by_dimension.get(dimension, ()) if case.call_id != other_than]
        wanted = _pieces(text)
        if not wanted:
            return [(case, None, Likeness.RULE) for case in cases if case.rule_id == rule_id][:limit]
        shared = [(case, _shared(wanted, self._pieces[case.quote])) for case in cases]
        near = [pair for pair in shared if pair[0].rule_id == rule_id or pair[1] >= _SHARED_WORDS]
        near.sort(key=lambda pair: -pair[1])
        by_meaning = self._by_meaning(text, [case for case, _ in near if case.quote])
        if by_meaning is not None:
            return [(case, value, Likeness.MEANING) for case, value in by_meaning[:limit]]
        return [(case, value, Likeness.CHARACTERS) for case, value in near[:limit]]

    def _by_meaning(self, text: str, cases: list[ReviewedCase]) -> list[tuple[ReviewedCase, float]] | None:
        """Order the cases by meaning; None when that cannot be told now."""
        from qingting.errors import QingtingError

        if self._meaning is None or not cases:
            return None
        compared = cases[:_MOST_COMPARED]
        try:
            values = self._meaning(text, [case.quote for case in compared])
        except QingtingError:
            # A report without neighbours by meaning is better than none: the characters still tell.
            return None
        return sorted(zip(compared, map(float, values), strict=True), key=lambda pair: -pair[1])


def similar_cases(findings: Iterable[Finding], call: CallInfo, library: CaseLibrary | None) -> tuple[SimilarCase, ...]:
    """Return the nearest reviewed cases of every serious fault, in order of the findings; never of the call itself."""
    if library is None:
        return ()
    return tuple(
        similar
        for finding in findings
        if finding.polarity is Polarity.FAULT and finding.level is Level.SERIOUS
        for similar in _of(finding, call, library)
    )


def _of(finding: Finding, call: CallInfo, library: CaseLibrary) -> list[SimilarCase]:
    found = library.find(
        dimension=finding.dimension,
        rule_id=finding.rule_id,
        text=quote_of(finding),
        limit=CASES_SHOWN,
        other_than=call.call_id,
    )
    return [
        SimilarCase(
            finding=finding.id,
            call_id=case.call_id,
            rule_id=case.rule_id,
            verdict=case.verdict.chinese,
            quote=case.quote,
            handling=case.handling,
            date=case.date,
            similarity=None if similarity is None else round(min(max(similarity, 0.0), 1.0), 3),
            likeness=how,
        )
        for case, similarity, how in found
        if case.call_id != call.call_id
    ]


def quote_of(finding: Finding) -> str:
    """Return the words a finding rests on, the pieces of its evidence joined; empty without any."""
    return "；".join(dict.fromkeys(place.quote for place in finding.evidence if place.quote))


def reviewed(
    finding: Finding, call_id: str, verdict: Review, *, handling: str = "", reviewer: str = "", date: str = ""
) -> ReviewedCase:
    """Turn a person's verdict on a finding into a case."""
    first = finding.evidence[0]
    case = ReviewedCase(
        call_id=call_id, rule_id=finding.rule_id, dimension=finding.dimension, verdict=verdict, at_ms=first.start_ms
    )
    return replace(
        case,
        quote=quote_of(finding),
        handling=handling,
        reviewer=reviewer,
        date=date,
        utterance=first.utterance,
    )


def _pieces(text: str) -> frozenset[str]:
    """Pairs of neighbouring characters, punctuation and blanks left out; a single character stands for itself."""
    bare = "".join(c for c in text.lower() if c.isalnum())
    return frozenset(bare[at : at + 2] for at in range(max(len(bare) - 1, 1))) if bare else frozenset()


def _shared(one: frozenset[str], other: frozenset[str]) -> float:
    """Sørensen-Dice coefficient of two sets of pieces, 0 to 1."""
    return 2 * len(one & other) / (len(one) + len(other)) if one and other else 0.0
