"""How sure a finding is: the one place where doubt about words, roles and rules is joined."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qingting.analysis.wording import at
from qingting.model.finding import Confidence

if TYPE_CHECKING:
    from collections.abc import Iterable

    from qingting.model.transcript import Utterance

FLAGGED = 0.4
"""Confidence of words that a guard found doubtful: under every scorecard's doubt threshold."""


def confidence_of(
    utterances: Iterable[Utterance], *, rule: float = 1.0, rule_reason: str = "", words: bool = True
) -> Confidence:
    """Return the lowest of recognition confidence, doubtful flags, role confidence and the rule's own.

    `utterances` are those the finding rests on; `words` is False for findings that rest on
    their times alone. Every value under 1 leaves a Chinese reason, one per kind.
    """
    doubts: dict[str, tuple[float, str]] = {}

    def doubt(kind: str, value: float, reason: str) -> None:
        if value < doubts.get(kind, (1.0, ""))[0]:
            doubts[kind] = (max(value, 0.0), reason)

    if rule < 1.0:
        doubt("rule", rule, rule_reason or f"判断依据不充分（{rule:.2f}）")
    for utterance in utterances:
        moment = at(utterance.start_ms)
        if utterance.role_confidence < 1.0:
            doubt("role", utterance.role_confidence, f"说话人身份判断的把握为{utterance.role_confidence:.2f}")
        if not words:
            continue
        if utterance.confidence is not None:
            doubt("words", utterance.confidence, f"{moment}一句的识别置信度为{utterance.confidence:.2f}")
        for flag in utterance.flags:
            if flag.doubtful:
                doubt("flag", FLAGGED, f"{moment}一句{flag.chinese}")
    ordered = sorted(doubts.values(), key=lambda item: item[0])
    return Confidence(value=ordered[0][0] if ordered else 1.0, reasons=tuple(reason for _, reason in ordered))
