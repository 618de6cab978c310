"""Findings, versions and comparisons in short notation."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from qingting.backtest.values import CallComparison, CallScore, Change, ChangeKind
from qingting.model.call import Role
from qingting.model.finding import Confidence, Evidence, Finding, Level, Polarity, Standing


def place(start_ms, end_ms, *, utterance=None, chars=(0, 0), quote="", role=Role.AGENT):
    """A piece of evidence."""
    return Evidence(
        operator="keyword",
        start_ms=start_ms,
        end_ms=end_ms,
        utterance=utterance,
        start_char=chars[0],
        end_char=chars[1],
        quote=quote,
        role=role,
    )


def finding(rule, *places, level=Level.MEDIUM, who=Role.AGENT, polarity=Polarity.FAULT, standing=Standing.COUNTED):
    """A finding as a report holds it."""
    return Finding(
        rule_id=rule,
        rule_version="1",
        dimension=rule.split(".")[0],
        title=f"名称{rule}",
        level=level,
        polarity=polarity,
        who=who,
        evidence=places or (place(1000, 2000),),
        confidence=Confidence(value=0.9),
        explanation="说明。",
        standing=standing,
    )


def change(kind=ChangeKind.FIRES, **more):
    """A changed verdict."""
    values = {
        "call_id": "c1",
        "file": "c1.json",
        "rule_id": "custom_rules.a",
        "title": "名称",
        "level": "中等",
        "start_ms": 83_000,
        "end_ms": 85_000,
        "quote": "没人管",
        "explanation": "客户说没人管。",
    }
    return Change(kind=kind, **{**values, **more})


def score(call_id, old, new, *, grades=("合格", "合格")):
    """A call's scores."""
    return CallScore(
        call_id=call_id, file=f"{call_id}.json", old=old, new=new, old_grade=grades[0], new_grade=grades[1]
    )


def comparison(call_id, old=90.0, new=90.0, **more):
    """One compared call."""
    grades = more.pop("grades", ("合格", "合格"))
    one = score(call_id, old, new, grades=grades)
    return CallComparison(call_id=call_id, file=f"{call_id}.json", score=one, **more)


@pytest.fixture(scope="session")
def make():
    """The builders above as one namespace."""
    return SimpleNamespace(place=place, finding=finding, change=change, score=score, comparison=comparison)
