"""Which findings of a report become alerts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from qingting.delivery.alerts import hits, matches
from qingting.model.alert import AlertPolicy
from qingting.model.call import Role
from qingting.model.finding import Confidence, Evidence, Finding, Level, Polarity, Standing

POLICY = AlertPolicy(id="p", name="严重", level=Level.SERIOUS)
FINDING = Finding(
    rule_id="compliance.forbidden_words",
    rule_version="1",
    dimension="compliance",
    title="服务禁语",
    level=Level.SERIOUS,
    polarity=Polarity.FAULT,
    who=Role.AGENT,
    evidence=(Evidence(operator="keyword", start_ms=5000, end_ms=6000),),
    confidence=Confidence(value=0.9),
    explanation="",
    id="compliance.forbidden_words#1",
    standing=Standing.COUNTED,
)


def found(policy: AlertPolicy, *findings: Finding, line: str = "general", team: str = "一组") -> list[tuple[str, str]]:
    hit = hits([policy], findings, line_of_business=line, team=team)
    return [(one.policy.id, one.finding.id) for one in hit]


@pytest.mark.parametrize(
    ("policy", "finding", "alerts"),
    [
        ({}, {}, True),
        ({"enabled": False}, {}, False),
        ({"finding_levels": (Level.SERIOUS,)}, {}, True),
        ({"finding_levels": (Level.MEDIUM, Level.LIGHT)}, {}, False),
        ({"lines_of_business": ("general", "finance")}, {}, True),
        ({"lines_of_business": ("finance",)}, {}, False),
        ({"teams": ("一组",)}, {}, True),
        ({"teams": ("二组",)}, {}, False),
        ({"rules": ("compliance.forbidden_words",)}, {}, True),
        ({"rules": ("compliance.*",)}, {}, True),
        ({"rules": ("emotion_analyzer.*",)}, {}, False),
        ({"rules": ("!compliance.*",)}, {}, False),
        ({}, {"confidence": Confidence(value=0.69)}, False),
        ({}, {"confidence": Confidence(value=0.7)}, True),
        ({"min_confidence": 0.95}, {}, False),
        ({"min_confidence": 0.0}, {"standing": Standing.REVIEW}, False),
        ({"rules": ("compliance.forbidden_words",)}, {"standing": Standing.REVIEW}, False),
        ({}, {"standing": Standing.CAPPED}, True),
        ({}, {"standing": Standing.UNSCORED}, True),
        ({}, {"polarity": Polarity.CREDIT}, False),
        ({}, {"polarity": Polarity.NOTE}, False),
        ({"rules": ("compliance.*",)}, {"polarity": Polarity.NOTE}, False),
        ({"rules": ("compliance.forbidden_words",)}, {"polarity": Polarity.NOTE}, True),
        ({"rules": ("compliance.forbidden_words",)}, {"polarity": Polarity.CREDIT}, True),
    ],
)
def test_a_policy_wants_a_finding_or_not(
    policy: dict[str, object], finding: dict[str, object], *, alerts: bool
) -> None:
    assert bool(found(replace(POLICY, **policy), replace(FINDING, **finding))) is alerts  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rules", "rule", "meant"),
    [
        ((), "compliance.opening", True),
        (("compliance.opening",), "compliance.opening", True),
        (("compliance.opening",), "compliance.opening_2", False),
        (("compliance.*",), "compliance2.opening", False),
        (("compliance.*", "!compliance.opening"), "compliance.opening", False),
        (("compliance.*", "!compliance.opening"), "compliance.closing", True),
        (("!compliance.opening",), "keywords.negative", True),
        (("!compliance.opening", "keywords.negative"), "compliance.closing", False),
    ],
)
def test_patterns_of_rules(rules: tuple[str, ...], rule: str, *, meant: bool) -> None:
    assert matches(rules, rule) is meant


def at(finding: Finding, number: int, start_ms: int, **changes: object) -> Finding:
    evidence = (replace(finding.evidence[0], start_ms=start_ms),)
    changed = replace(finding, evidence=evidence, **changes)  # type: ignore[arg-type]
    return replace(changed, id=f"{changed.rule_id}#{number}")


def test_one_hit_per_policy_and_rule_and_it_is_the_worst_and_earliest() -> None:
    later = at(FINDING, 1, 9000)
    earlier = at(FINDING, 2, 3000)
    lighter = at(FINDING, 3, 1000, level=Level.LIGHT)
    assert found(POLICY, later, lighter, earlier) == [("p", earlier.id)]


def test_worst_policies_and_findings_come_first() -> None:
    medium = replace(POLICY, id="medium", level=Level.MEDIUM)
    other = at(FINDING, 1, 1000, rule_id="emotion_analyzer.escalation", level=Level.MEDIUM)
    order = [
        (one.policy.id, one.finding.rule_id)
        for one in hits([medium, POLICY], [other, FINDING], line_of_business="general", team="")
    ]
    assert order == [
        ("p", FINDING.rule_id), ("p", other.rule_id), ("medium", FINDING.rule_id), ("medium", other.rule_id),
    ]  # fmt: skip


def test_a_policy_for_teams_ignores_calls_without_one() -> None:
    assert found(replace(POLICY, teams=("一组",)), FINDING, team="") == []
