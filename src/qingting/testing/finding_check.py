"""What makes a finding checkable, as assertions."""

from __future__ import annotations

import re

from qingting.model.finding import Evidence, Finding, Polarity
from qingting.model.transcript import Transcript

CHINESE = re.compile(r"[\u4e00-\u9fff]")
"""A text for call-centre people holds at least one such character."""


def expect(holds: bool, where: str, message: str) -> None:  # noqa: FBT001 - reads like assert
    """Raise AssertionError unless the condition holds."""
    if not holds:
        raise AssertionError(f"{where}: {message}")


def check_finding(finding: Finding, dimension: str, name: str, transcript: Transcript) -> None:
    """Assert that a finding is complete and that its evidence can be checked."""
    where = f"{name}: {finding.rule_id}"
    expect(finding.rule_id.startswith(f"{dimension}."), where, "`rule_id` must begin with the analyzer's id")
    expect(finding.dimension == dimension, where, "`dimension` must be the analyzer's id")
    expect(bool(finding.rule_version.strip()), where, "`rule_version` must not be blank")
    for text in ("title", "explanation"):
        expect(bool(CHINESE.search(getattr(finding, text))), where, f"`{text}` must be Chinese")
    has_advice = bool(CHINESE.search(finding.advice))
    expect(has_advice or finding.polarity is not Polarity.FAULT, where, "a fault must give `advice` in Chinese")
    sure = finding.confidence
    expect(0.0 <= sure.value <= 1.0, where, "`confidence.value` must be from 0 to 1")
    expect(sure.value == 1.0 or bool(sure.reasons), where, "a confidence below 1 must give its reasons")
    expect(0 <= finding.decided_ms <= transcript.duration_ms, where, "decided outside the call")
    expect(bool(finding.evidence), where, "a finding without evidence is a bug")
    for index, evidence in enumerate(finding.evidence):
        _check_evidence(evidence, f"{where}: evidence[{index}]", transcript, finding.decided_ms)


def _check_evidence(evidence: Evidence, where: str, transcript: Transcript, decided_ms: int) -> None:
    inside = 0 <= evidence.start_ms <= evidence.end_ms <= transcript.duration_ms
    expect(inside, where, "times must be in order and inside the call")
    expect(evidence.end_ms <= decided_ms, where, "ends after the finding was decided")
    expect(bool(evidence.operator), where, "`operator` must not be blank")
    if evidence.utterance is None:
        empty = (evidence.start_char, evidence.end_char, evidence.quote) == (0, 0, "")
        expect(empty, where, "a place without an utterance must have no quote and no offsets")
        return
    expect(0 <= evidence.utterance < len(transcript.utterances), where, "names an utterance that does not exist")
    utterance = transcript.utterances[evidence.utterance]
    expect(0 <= evidence.start_char < evidence.end_char <= len(utterance.text), where, "offsets leave the utterance")
    exact = utterance.text[evidence.start_char : evidence.end_char] == evidence.quote
    expect(exact, where, "`quote` must be exactly text[start_char:end_char]")
    inside = utterance.start_ms <= evidence.start_ms and evidence.end_ms <= utterance.end_ms
    expect(inside, where, "times must lie within the utterance it quotes")
    expect(utterance.end_ms <= decided_ms, where, "quotes words that were not yet heard when it was decided")
