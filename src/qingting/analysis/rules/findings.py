"""Findings of rules in words: what held where, with exact places."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from qingting.analysis.confidence import confidence_of
from qingting.analysis.findings import time_evidence
from qingting.analysis.rules.model import Condition, ScoreCount, Speaker
from qingting.analysis.rules.scopes import Clock, Stamped, Support, Verdict
from qingting.analysis.rules.templates import fill
from qingting.analysis.wording import at
from qingting.model.call import CallInfo, Role
from qingting.model.finding import Confidence, Evidence, Finding

if TYPE_CHECKING:
    from qingting.analysis.rules.kinds import Found, Kind
    from qingting.analysis.rules.matching import RuleState
    from qingting.model.transcript import Utterance

_MOST_EVIDENCE = 8
"""More places show nothing new."""


class RuleFindings:
    """Writes the findings of one call's rules."""

    def __init__(self, dimension: str, call: CallInfo) -> None:
        self._dimension = dimension
        self._call = call

    def finding(self, state: RuleState, verdict: Verdict, each: Stamped | None) -> Finding:
        """Write what a rule found."""
        rule, clock = state.compiled.rule, state.judge.clock
        support = _each_once(verdict.support)
        hits: dict[str, Sequence[Stamped]] = {one.condition: one.hits for one in support if one.hits}
        for name in rule.conditions:
            known = state.judge.qualified(name, each)
            if name not in hits and known:
                hits[name] = known[:1]
        parts = [self._part(state, one, clock) for one in support]
        evidence = tuple(place for _, places in parts for place in places)[:_MOST_EVIDENCE]
        reasons = "；".join(dict.fromkeys(says for says, _ in parts if says))
        return Finding(
            rule_id=f"{self._dimension}.{rule.id}",
            rule_version=rule.version,
            dimension=self._dimension,
            title=rule.name,
            level=rule.level,
            polarity=rule.polarity,
            who=rule.who,
            evidence=evidence or (time_evidence(0, clock.now_ms, operator="rule", role=rule.who),),
            confidence=_confidence(state, support, clock),
            explanation=fill(rule.explanation, hits, self._call) if rule.explanation else f"{reasons}。",
            advice=fill(rule.advice, hits, self._call),
            facts=_facts(state, hits),
        )

    def _part(self, state: RuleState, support: Support, clock: Clock) -> tuple[str, Sequence[Evidence]]:
        """Say why one condition holds, and show where."""
        kind = state.compiled.kinds[support.condition]
        if support.hits:
            says = "；".join(dict.fromkeys(one.found.says for one in support.hits))
            return says, [place for one in support.hits for place in one.found.evidence]
        low_ms, high_ms = _stretch(support, clock)
        who = kind.condition.speaker.chinese if kind.condition.speaker is not Speaker.ANY else ""
        says = f"{at(low_ms)}至{at(high_ms)}{who}没有{kind.label_text}"
        role = kind.condition.speaker.role or Role.UNSURE
        return says, [time_evidence(low_ms, high_ms, operator="omission", role=role, note=f"没有{kind.label_text}")]


def _each_once(support: Sequence[Support]) -> list[Support]:
    kept: dict[tuple[str, tuple[int, ...]], Support] = {}
    for one in support:
        kept.setdefault((one.condition, tuple(hit.number for hit in one.hits)), one)
    return list(kept.values())


def _stretch(support: Support, clock: Clock) -> tuple[int, int]:
    """Where an absence was looked for, within the call until now."""
    scope, now_ms = support.scope, clock.now_ms
    if scope.utterances is not None:
        same = [one for one in clock.so_far.utterances if one.index in scope.utterances]
        return min(one.start_ms for one in same), max(one.end_ms for one in same)
    low_ms = min(scope.low_ms, now_ms)
    return low_ms, max(low_ms, now_ms if scope.high_ms is None else min(scope.high_ms, now_ms))


def _confidence(state: RuleState, support: Sequence[Support], clock: Clock) -> Confidence:
    """Join the doubts of what was heard and of what may have been said unheard."""
    found = [one.found for item in support for one in item.hits]
    worst = min(found, key=lambda one: one.confidence, default=None)
    rule = 1.0 if worst is None else worst.confidence
    if rule == 1.0 and all(map(_is_sure, {id(one): one for item in found for one in item.utterances}.values())):
        parts = [Confidence(value=1.0)]
    else:
        parts = [
            confidence_of(_utterances(found, words=True), rule=rule, rule_reason=worst.reason if worst else ""),
            confidence_of(_utterances(found, words=False), words=False),
        ]
    parts += [_absence(state.compiled.kinds[one.condition], one, clock) for one in support if not one.hits]
    reasons = tuple(dict.fromkeys(reason for part in parts for reason in part.reasons))
    return Confidence(value=min(part.value for part in parts), reasons=reasons)


def _is_sure(utterance: Utterance) -> bool:
    """Whether nothing about an utterance is in doubt."""
    return utterance.role_confidence >= 1.0 and utterance.confidence in (None, 1.0) and not utterance.flags


def _utterances(found: Sequence[Found], *, words: bool) -> list[Utterance]:
    return [utterance for one in found if one.words is words for utterance in one.utterances]


def _absence(kind: Kind, support: Support, clock: Clock) -> Confidence:
    """Doubt an absence when the speaker's words in that stretch are themselves doubtful."""
    if not kind.of_speech:
        return Confidence(value=1.0)
    low_ms, high_ms = _stretch(support, clock)
    role = kind.condition.speaker.role
    heard = [one for one in clock.so_far.utterances if role is None or one.role is role]
    inside = [one for one in heard if one.end_ms > low_ms and one.start_ms < high_ms]
    flagged = [one for one in inside if any(flag.doubtful for flag in one.flags)]
    sure = confidence_of(flagged)
    roles = confidence_of(inside or heard[-1:], words=False)
    known = sorted(one.confidence for one in inside if one.confidence is not None)
    typical = known[len(known) // 2] if known else 1.0
    reasons = (*sure.reasons, *roles.reasons)
    if typical < 1.0:
        reasons = (*reasons, f"该时段语句的识别置信度中位数为{typical:.2f}，可能说过而未识别")
    return Confidence(value=min(sure.value, roles.value, typical), reasons=reasons)


def _facts(state: RuleState, hits: Mapping[str, Sequence[Stamped]]) -> dict[str, str | int | float | bool]:
    """Measured values for programs: captured values masked, lengths, points."""
    rule = state.compiled.rule
    facts: dict[str, str | int | float | bool] = {}
    for name, found in hits.items():
        facts[f"{name}_count"] = len(found)
        first = found[0].found
        if first.length_ms is not None:
            facts[f"{name}_ms"] = first.length_ms
        if first.value:
            facts[f"{name}_value"] = first.value
    if rule.score.points:
        facts["rule_points"] = rule.score.points
        if rule.score.count is ScoreCount.ONCE:
            facts["rule_counts_once"] = True
    return facts


def condition_words(condition: Condition, kind: Kind) -> str:
    """Write a condition for people: 客户说“退款”."""
    return f"{condition.speaker.chinese}{kind.label_text}"
