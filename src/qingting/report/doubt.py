"""What must not be scored: doubtful findings (待复核), and calls nobody can judge."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qingting.model.call import Role
from qingting.model.transcript import Flag, Transcript, Utterance
from qingting.report import wording

if TYPE_CHECKING:
    from collections.abc import Iterable

    from qingting.model.finding import Evidence, Finding
    from qingting.model.report import Gap

OMISSION = "omission"
"""Evidence operator of something that should have been said and was not heard."""
_UNHEARD_MS = 1000
"""Shorter speech without words is a breath or a 嗯: no sentence can hide in it."""
_UNHEARD = frozenset({Flag.REFUSED, Flag.EMPTY_ANSWER, Flag.TRUNCATED, Flag.INVENTED})


class DoubtGate:
    """Decides whether a finding is too doubtful to count."""

    def __init__(self, threshold: float, transcript: Transcript, gaps: Iterable[Gap]) -> None:
        self._threshold = threshold
        self._utterances = transcript.utterances
        self._truncated = any(gap.what == "audio.truncated" for gap in gaps)

    def doubt(self, finding: Finding) -> str:
        """Chinese reason why the finding waits for a person; empty when it counts."""
        if finding.confidence.value < self._threshold:
            because = (
                f"：{'；'.join(reason.rstrip('。') for reason in finding.confidence.reasons)}"
                if (finding.confidence.reasons)
                else ""
            )
            limit = wording.percent(self._threshold)
            return f"把握{wording.percent(finding.confidence.value)}，低于{limit}{because}"
        if finding.who is Role.UNSURE:
            return "说话人角色未定"
        if any(self._garbled(evidence) for evidence in finding.evidence):
            return "所引语句识别存疑"
        return self._may_be_unheard(finding)

    def _garbled(self, evidence: Evidence) -> bool:
        index = evidence.utterance
        if index is None or not evidence.quote or not 0 <= index < len(self._utterances):
            return False
        return any(flag.doubtful for flag in self._utterances[index].flags)

    def _may_be_unheard(self, finding: Finding) -> str:
        omissions = [evidence for evidence in finding.evidence if evidence.operator == OMISSION]
        if omissions and self._truncated:
            return "录音不完整，无法确认确属遗漏"
        for evidence in omissions:
            if any(_unheard(u, finding.who, evidence) for u in self._utterances):
                return "该时段有语句未能识别，无法确认确属遗漏"
        return ""


def _unheard(utterance: Utterance, who: Role, window: Evidence) -> bool:
    return (
        utterance.role in (who, Role.UNSURE)
        and utterance.start_ms < window.end_ms
        and utterance.end_ms > window.start_ms
        and utterance.end_ms - utterance.start_ms >= _UNHEARD_MS
        and not _UNHEARD.isdisjoint(utterance.flags)
    )


ROLES_UNSURE = "roles.unsure"
"""Gap of a call whose roles are only likely: it was inspected, but nothing in it counts."""


def unscorable(transcript: Transcript, gaps: Iterable[Gap] = ()) -> str:
    """Chinese reason (without 。) why nobody can score the call; empty when it can be scored."""
    worded = [u for u in transcript.utterances if u.text.strip()]
    if not transcript.utterances:
        return "录音中没有检测到说话声，可能未接通或为空录音，未评分"
    if not worded:
        return "检测到说话声，但未能识别出任何文字，未评分"
    roles = {u.role for u in worded}
    if any(gap.what == ROLES_UNSURE for gap in gaps):
        return "坐席与客户的判断把握不足，未评分；请指定坐席后重新分析"
    if Role.AGENT not in roles:
        if Role.UNSURE in roles and len({u.party for u in worded}) > 1:
            return "未能分清坐席与客户，未评分；请指定坐席声道后重新质检"
        if Role.UNSURE in roles:
            return "只听到一方说话且身份不明，可能为语音信箱或单边录音，未评分"
        return "没有听到坐席说话，可能为语音信箱、未接通或单边录音，未评分"
    if roles == {Role.AGENT}:
        return "没有听到客户说话，可能为语音信箱、未接通或单边录音，未评分"
    return ""
