"""Hints that findings, moods and risks of a running call give."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qingting.analysis.analyzers.compliance import Compliance
from qingting.live.assist.desk import Candidate
from qingting.live.assist.kit import times_in_chinese
from qingting.model.call import Role
from qingting.model.live_event import HintKind

if TYPE_CHECKING:
    from qingting.live.assist.kit import AssistKit
    from qingting.model.finding import Finding
    from qingting.model.live_event import EmotionChanged, RiskRaised

_MOODS = ("negative", "angry")
MOOD = "mood"
"""Topic of all hints about feelings: whatever showed them, one is enough for a while."""


def of_mood(kit: AssistKit, event: EmotionChanged) -> Candidate | None:
    """A customer's mood turned bad."""
    if event.role is not Role.CUSTOMER or event.mood not in _MOODS:
        return None
    return kit.candidate(f"mood_{event.mood}", event.at_ms, topic=MOOD)


def of_risk(kit: AssistKit, event: RiskRaised) -> Candidate | None:
    """Dangerous words, the customer's or the agent's own; nobody is told of words that may be either's."""
    if event.role is Role.AGENT:
        return kit.candidate("risk_agent", event.at_ms, topic="agent")
    if event.role is not Role.CUSTOMER:
        return None
    # A threat must be told of whatever came before; of other hard words one hint is enough for a while.
    topic = event.kind if event.kind == "threat" else "discontent"
    return kit.candidate(f"risk_{event.kind}", event.at_ms, topic=topic)


def of_finding(kit: AssistKit, finding: Finding, at_ms: int) -> Candidate | None:
    """A finding whose rule has a hint; omissions are the checklist's own matter."""
    if finding.confidence.value < kit.book.limits.least_confidence:
        return None
    advice = ""
    if finding.dimension == Compliance.id:
        # Of what must not be said the item's own advice is shown: a finding's quotes the call, numbers and all.
        advice = kit.checklists.advice_against(finding.rule_id) if kit.checklists is not None else ""
        if not advice:
            return None
    hint = kit.book.hint_of_rule(finding.rule_id)
    if hint is None:
        return None
    demand = str(finding.facts.get("demand", ""))
    values = {
        "advice": advice,
        "title": finding.title,
        "times": times_in_chinese(int(finding.facts.get("count", 0))),
        "demand": kit.book.demands.get(demand, demand),
    }
    topic = demand if hint.kind is HintKind.REPEAT and demand else finding.rule_id
    return Candidate(name=finding.rule_id, hint=hint, topic=topic, since_ms=at_ms, values=values, finding_id=finding.id)
