"""Advice for the agent: the findings' own sentences, heaviest first, repeats of one rule merged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qingting.model.finding import Evidence, Finding, Polarity, Standing
from qingting.model.report import Advice
from qingting.report import wording
from qingting.report.score_words import places

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_MOST_CREDITS = 3
"""Credits named when there is nothing to improve; more would read as praise by rote."""


def build_advice(findings: Sequence[Finding]) -> tuple[Advice, ...]:
    """Group findings into advice; nothing is said that no finding says.

    Faults with advice text are grouped by rule: the heaviest speaks, the others are named by
    their times. Groups are ordered by points lost, then severity, then time; findings that wait
    for review come after those that count and say so. Without any fault the credits are
    recognised in one sentence; without credits either, there is no advice.
    """
    faults = [finding for finding in findings if finding.polarity is Polarity.FAULT]
    if not faults:
        return _recognition([finding for finding in findings if finding.polarity is Polarity.CREDIT])
    groups: dict[str, list[Finding]] = {}
    for finding in faults:
        if finding.advice:
            groups.setdefault(finding.rule_id, []).append(finding)
    ordered = [sorted(group, key=_weight) for group in groups.values()]
    return tuple(_advice(group) for group in sorted(ordered, key=_group_weight))


def _weight(finding: Finding) -> tuple[bool, float, int, int]:
    return (finding.standing is Standing.REVIEW, finding.points, int(finding.level), _start(finding))


def _group_weight(group: Sequence[Finding]) -> tuple[bool, float, int, int]:
    first = group[0]
    lost = sum(finding.points for finding in group)
    return (first.standing is Standing.REVIEW, lost, int(first.level), _start(first))


def _start(finding: Finding) -> int:
    return finding.evidence[0].start_ms if finding.evidence else 0


def _advice(group: Sequence[Finding]) -> Advice:
    first, *others = group
    text = first.advice.strip()
    for waiting in (False, True):
        named = sorted((f for f in others if (f.standing is Standing.REVIEW) is waiting), key=_start)
        if named:
            closing = "" if text.endswith(("。", "！", "？", "”")) else "。"
            text += f"{closing}另有{len(named)}处{'待复核' if waiting else ''}：{places(named)}。"
    if first.standing is Standing.REVIEW:
        text += "（待复核）"
    return Advice(title=first.title, text=text, findings=tuple(finding.id for finding in group), start_ms=_start(first))


def _recognition(good: Sequence[Finding]) -> tuple[Advice, ...]:
    sure = [finding for finding in good if finding.standing is not Standing.REVIEW]
    named = sorted(sure, key=_start)[:_MOST_CREDITS]
    if not named:
        return ()
    rest = len(sure) - len(named)
    text = "；".join(_good(finding) for finding in named) + (f"；另有{rest}处" if rest else "") + "。"
    return (
        Advice(title="做得好", text=text, findings=tuple(finding.id for finding in sure), start_ms=_start(named[0])),
    )


def _good(finding: Finding) -> str:
    quoted = next((evidence for evidence in finding.evidence if evidence.quote), None)
    if quoted is None:
        return f"{wording.moment(_start(finding))}{finding.title}"
    return f"{wording.moment(quoted.start_ms)}{finding.title}（{_said(quoted)}）"


def _said(evidence: Evidence) -> str:
    return f"{evidence.role.chinese}：“{evidence.quote}”"


def weighty(findings: Iterable[Finding]) -> list[Finding]:
    """Order findings as a reader wants them: counted faults by points, review, then the rest."""
    order = {Polarity.FAULT: 0, Polarity.CREDIT: 1, Polarity.NOTE: 2}
    return sorted(findings, key=lambda finding: (order[finding.polarity], *_weight(finding)))
