"""Checks every finding before anyone sees it: a finding without checkable evidence is a bug."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qingting.model.finding import Evidence, Finding, Polarity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qingting.model.transcript import Utterance


class InvalidFindingError(Exception):
    """An analyzer returned a finding that cannot be checked: counts as the analyzer's failure."""


def check_finding(finding: Finding, analyzer: str, heard: Mapping[int, Utterance], now_ms: int) -> None:
    """Raise InvalidFindingError unless the finding is complete and its evidence holds.

    `heard` are the utterances until now by index; `now_ms` is the call time of the decision:
    evidence cannot lie after it.
    """
    if finding.dimension != analyzer or not finding.rule_id.startswith(f"{analyzer}."):
        raise InvalidFindingError("rule_id and dimension must be the analyzer's own")
    if not (finding.rule_version and finding.title and finding.explanation):
        raise InvalidFindingError("rule_version, title and explanation must not be empty")
    if finding.polarity is Polarity.FAULT and not finding.advice:
        raise InvalidFindingError("a fault needs advice")
    if not 0.0 <= finding.confidence.value <= 1.0:
        raise InvalidFindingError("confidence must be between 0 and 1")
    if not finding.evidence:
        raise InvalidFindingError("a finding needs evidence")
    for evidence in finding.evidence:
        _check_evidence(evidence, heard, now_ms)


def _check_evidence(evidence: Evidence, heard: Mapping[int, Utterance], now_ms: int) -> None:
    if not evidence.operator:
        raise InvalidFindingError("evidence names its operator")
    if not 0 <= evidence.start_ms <= evidence.end_ms <= now_ms:
        raise InvalidFindingError("evidence must lie within the call until now")
    if evidence.utterance is None:
        if evidence.quote or evidence.start_char or evidence.end_char:
            raise InvalidFindingError("a quote needs its utterance")
        return
    utterance = heard.get(evidence.utterance)
    if utterance is None:
        raise InvalidFindingError("evidence quotes an utterance that was not heard")
    if not 0 <= evidence.start_char < evidence.end_char <= len(utterance.text):
        raise InvalidFindingError("evidence quotes outside the utterance's text")
    if evidence.quote != utterance.text[evidence.start_char : evidence.end_char]:
        raise InvalidFindingError("the quote differs from the utterance's text")
    if evidence.start_ms < utterance.start_ms or evidence.end_ms > utterance.end_ms:
        raise InvalidFindingError("a quote's times must lie within its utterance")
