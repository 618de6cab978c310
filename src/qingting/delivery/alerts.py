"""Decides which findings of a report become alerts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from qingting.model.alert import AlertPolicy
from qingting.model.finding import Finding, Polarity, Standing


@dataclass(frozen=True, kw_only=True)
class Hit:
    """A finding that a policy wants told."""

    policy: AlertPolicy
    finding: Finding


def hits(
    policies: Iterable[AlertPolicy], findings: Sequence[Finding], *, line_of_business: str, team: str
) -> tuple[Hit, ...]:
    """Return at most one hit per policy and rule, worst and earliest findings first.

    Findings that wait for a person's review, and those too doubtful for the policy, raise nothing.
    """
    found: dict[tuple[str, str], Hit] = {}
    ranked = sorted(findings, key=_worst_then_earliest)
    for policy in policies:
        if not _concerns(policy, line_of_business, team):
            continue
        for finding in ranked:
            if _wants(policy, finding):
                found.setdefault((policy.id, finding.rule_id), Hit(policy=policy, finding=finding))
    return tuple(sorted(found.values(), key=lambda hit: (hit.policy.level, *_worst_then_earliest(hit.finding))))


def matches(rules: Sequence[str], rule_id: str) -> bool:
    """Whether a list of rule patterns means a rule.

    `compliance.opening` is one rule, `compliance.*` a dimension, `!compliance.*` leaves it out; a list that only
    leaves out, and an empty one, mean all others.
    """
    wanted = [rule for rule in rules if not rule.startswith("!")]
    if any(_is(rule[1:], rule_id) for rule in rules if rule.startswith("!")):
        return False
    return not wanted or any(_is(rule, rule_id) for rule in wanted)


def _is(pattern: str, rule_id: str) -> bool:
    return rule_id.startswith(pattern[:-1]) if pattern.endswith("*") else rule_id == pattern


def _concerns(policy: AlertPolicy, line_of_business: str, team: str) -> bool:
    return (
        policy.enabled
        and (not policy.lines_of_business or line_of_business in policy.lines_of_business)
        and (not policy.teams or team in policy.teams)
    )


def _wants(policy: AlertPolicy, finding: Finding) -> bool:
    # Praise and mere notes are told only where the policy names their rule itself.
    told = finding.polarity is Polarity.FAULT or finding.rule_id in policy.rules
    return (
        told
        and finding.standing is not Standing.REVIEW
        and finding.confidence.value >= policy.min_confidence
        and (not policy.finding_levels or finding.level in policy.finding_levels)
        and matches(policy.rules, finding.rule_id)
    )


def _worst_then_earliest(finding: Finding) -> tuple[int, int, str]:
    return finding.level, finding.evidence[0].start_ms, finding.id
