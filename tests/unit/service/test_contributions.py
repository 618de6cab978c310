"""What one report adds: which findings count, which wait, which items were judged, how long it took."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from types import SimpleNamespace
from typing import Any

import pytest

from qingting.bootstrap import plans
from qingting.inspector import certain_roles, judge
from qingting.model.finding import AnalyzerFailure, Confidence, Finding, Standing
from qingting.model.report import Gap, Report
from qingting.service.contributions import (
    bucket_of,
    moved,
    of_known_call,
    of_report,
    reason_of,
    resolution_of,
)
from qingting.settings import load_settings
from qingting.storage.calls import CallRow, CallState
from qingting.storage.measures import Contributions, Counts
from qingting.testing import sample_call

SERVICE: Any = SimpleNamespace(settings=load_settings())
NOW = 1_796_000_000_000


def row(**changes: Any) -> CallRow:
    values: dict[str, Any] = {
        "id": 1, "call_id": "c1", "line_of_business": "ecommerce", "medium": "voice", "direction": "", "agent_id": "a1",
        "team": "物流组", "customer_reference": "", "started_ms": NOW, "day": 20261130, "hour": 9, "duration_ms": None,
        "csat": None, "info": {}, "source": "api", "created_ms": NOW, "state": CallState.QUEUED, "report_id": None,
        "score": None, "grade": "", "worst_level": None, "faults": 0, "reviews": 0, "reason": "", "resolution": "",
        "language": "",
    }  # fmt: skip
    return CallRow(**{**values, **changes})


@cache
def report_of(name: str) -> Report:
    sample = sample_call(name)
    transcript, call = sample.transcript(), sample.script.call_info()
    plan = plans(load_settings())(call.line_of_business)
    return judge(call=call, roles=certain_roles(transcript), transcript=transcript, plan=plan)


def of(report: Report, **more: Any) -> Contributions:
    return of_report(SERVICE, row(), report, **{"reported_ms": NOW + 5_000, "arrived_ms": NOW, **more})


def total(report: Report, **more: Any) -> Counts:
    return of(report, **more).measures["total", 20261130, "", ""]


def rules_of(report: Report) -> Mapping[str, Counts]:
    return {rule: counts for (scope, rule, *_), counts in of(report).rule_measures.items() if scope == "total"}


def changed(report: Report, rule_id: str, **values: Any) -> Report:
    """The report with all findings of a rule changed."""
    return replace(report, findings=tuple(replace(f, **values) if f.rule_id == rule_id else f for f in report.findings))


def without(report: Report, rule_id: str) -> Report:
    return replace(report, findings=tuple(f for f in report.findings if f.rule_id != rule_id))


def first(report: Report, rule_id: str) -> Finding:
    return next(f for f in report.findings if f.rule_id == rule_id)


PROMISE = "absolute_promise"
"""The agent promises too much, twice, and does not check who calls; all other items are carried out."""


def test_every_scope_holds_the_same_sums_under_its_own_key() -> None:
    found = of(report_of(PROMISE))
    assert {(scope, key, team) for scope, _, key, team in found.measures} == {
        ("total", "", ""), ("team", "物流组", "物流组"), ("agent", "a1", "物流组"), ("hour", "09", "物流组"),
        ("reason", "logistics", "物流组"), ("line", "ecommerce", "物流组"), ("grade", "合格", "物流组"),
    }  # fmt: skip
    assert len({tuple(sorted(counts.items())) for counts in found.measures.values()}) == 1
    assert {scope for scope, *_ in found.rule_measures} == {"total", "team", "agent", "hour", "reason", "line"}
    assert list(found.latency_measures) == [
        ("total", 20261130, "", bucket_of(5_000)),
        ("team", 20261130, "物流组", bucket_of(5_000)),
    ]


def test_a_reports_own_sums() -> None:
    counts = total(report_of(PROMISE))
    assert {name: counts.get(name, 0) for name in ("inspected", "scored", "score_tenths", "medium", "unclear")} == {
        "inspected": 1, "scored": 1, "score_tenths": 750, "medium": 3, "unclear": 1,
    }  # fmt: skip
    assert (counts["items_judged"], counts["items_met"]) == (7, 5)
    assert (counts["agent_speech_ms"], counts["duration_ms"]) == (37_880, 58_180)
    assert counts["latency_ms"] == 5_000


@pytest.mark.parametrize(
    ("rule_id", "judged", "met"),
    [
        ("compliance.opening", 1, 1),
        ("compliance.identity_check", 1, 0),  # left out: the summary says so
        ("compliance.absolute_promise", 1, 0),  # forbidden and said
        ("compliance.forbidden_words", 1, 1),  # forbidden and not said: known from the pack
        ("compliance.refund_notice", 0, 0),  # applies only when a refund is agreed
        ("contact_reason.logistics", 0, 0),  # no item
    ],
)
def test_items_that_were_judged(rule_id: str, judged: int, met: int) -> None:
    counts = rules_of(report_of(PROMISE)).get(rule_id, {})
    assert (counts.get("judged", 0), counts.get("met", 0)) == (judged, met)


def test_a_rules_findings_calls_and_points() -> None:
    counts = rules_of(report_of(PROMISE))["compliance.absolute_promise"]
    assert counts == {"hits": 2, "calls": 1, "judged": 1, "tenths": -100}
    assert of(report_of(PROMISE)).titles["compliance.identity_check"] == ("核对订单或身份", "compliance")


def test_summaries_are_no_rules() -> None:
    assert first(report_of(PROMISE), "compliance.execution")
    assert (
        not {"compliance.execution", "emotion_analyzer.curve", "keywords.counts"} & rules_of(report_of(PROMISE)).keys()
    )


@pytest.mark.parametrize("rule_id", ["compliance.identity_check", "compliance.absolute_promise"])
def test_a_doubtful_finding_is_neither_missed_nor_met(rule_id: str) -> None:
    report = report_of(PROMISE)
    doubted = changed(report, rule_id, standing=Standing.REVIEW, points=0.0)
    assert rules_of(doubted)[rule_id] == {"doubtful": 1}
    counts = total(doubted)
    assert (counts["items_judged"], counts["items_met"], counts["items_doubtful"]) == (6, 5, 1)
    number = sum(finding.rule_id == rule_id for finding in report.findings)
    assert (counts["reviews"], counts["review_calls"], counts["medium"]) == (number, 1, 3 - number)


def test_of_one_sure_and_one_doubtful_finding_the_sure_one_decides() -> None:
    report = report_of(PROMISE)
    one, *_ = (f for f in report.findings if f.rule_id == "compliance.absolute_promise")
    mixed = replace(
        report, findings=tuple(replace(f, standing=Standing.REVIEW) if f is one else f for f in report.findings)
    )
    counts = rules_of(mixed)["compliance.absolute_promise"]
    assert (counts["judged"], counts.get("met", 0), counts["hits"], counts.get("doubtful", 0)) == (1, 0, 1, 0)


@pytest.mark.parametrize(("confidence", "sure"), [(0.59, 0), (0.6, 1)])
def test_findings_that_no_card_names_are_doubtful_by_their_confidence(confidence: float, sure: int) -> None:
    doubt = Confidence(value=confidence)
    report = changed(report_of(PROMISE), "contact_reason.logistics", confidence=doubt, standing=Standing.UNSCORED)
    assert rules_of(report)["contact_reason.logistics"].get("calls", 0) == sure


def test_a_call_that_cannot_be_scored_judges_nothing() -> None:
    report = report_of(PROMISE)
    void = replace(report, score=replace(report.score, valid=False, total=0.0, grade=""))
    counts = total(void)
    assert {name: counts.get(name, 0) for name in ("inspected", "scored", "score_tenths", "items_judged")} == {
        "inspected": 1, "scored": 0, "score_tenths": 0, "items_judged": 0,
    }  # fmt: skip
    assert ("grade", 20261130, "", "物流组") in of(void).measures


def test_a_dimension_that_did_not_inspect_the_call_judges_nothing() -> None:
    report = without(report_of(PROMISE), "compliance.execution")
    failed = AnalyzerFailure(analyzer="compliance", name="合规话术", error_type="ValueError", at_ms=1)
    gap = Gap(what="analyzer:compliance", reason="未检查。")
    ran = replace(report.provenance, analyzers={"keywords": "1"})
    for broken in (
        replace(report, failures=(failed,)),
        replace(report, gaps=(gap,)),
        replace(report, provenance=ran),
    ):
        assert rules_of(broken)["compliance.absolute_promise"]["hits"] == 2
        assert total(broken).get("items_met", 0) == 0
        assert "compliance.forbidden_words" not in rules_of(broken)


def test_an_item_that_the_card_excuses_is_not_judged() -> None:
    report = report_of(PROMISE)
    lines = tuple(replace(one, applicable=False) if one.item == "closing" else one for one in report.score.lines)
    excused = replace(report, score=replace(report.score, lines=lines))
    assert "compliance.closing" not in rules_of(excused)
    assert total(excused)["items_judged"] == 6


def test_forbidden_items_of_a_pack_that_is_not_at_hand_are_not_judged() -> None:
    report = report_of(PROMISE)
    older = replace(report, provenance=replace(report.provenance, pack="ecommerce@0"))
    assert "compliance.forbidden_words" not in rules_of(older)
    assert rules_of(older)["compliance.opening"] == {"judged": 1, "met": 1}


@pytest.mark.parametrize(
    ("name", "state", "repeated"),
    [("general_faultless", "resolved", 0), ("angry_escalation", "unresolved", 0), ("agent_interrupts", "unclear", 0)],
)
def test_the_outcome(name: str, state: str, repeated: int) -> None:
    counts = total(report_of(name))
    assert resolution_of(report_of(name)) == state
    assert [one for one in ("resolved", "unresolved", "unclear") if counts.get(one)] == [state]
    assert counts.get("repeated", 0) == repeated


def test_a_doubtful_verdict_is_unclear_and_a_repeated_contact_is_no_first_one() -> None:
    angry = report_of("angry_escalation")
    assert resolution_of(changed(angry, "resolution.unresolved", standing=Standing.REVIEW)) == "unclear"
    again = replace(first(angry, "resolution.repeat_contact"), standing=Standing.UNSCORED)
    report = report_of("general_faultless")
    counts = total(replace(report, findings=(*report.findings, again)))
    assert (counts["resolved"], counts["repeated"]) == (1, 1)


def test_reasons() -> None:
    report = report_of(PROMISE)
    assert reason_of(report) == "logistics"
    assert reason_of(without(report, "contact_reason.logistics")) == ""
    assert ("reason", 20261130, "logistics", "物流组") in of(report).measures


def test_emotion_and_knowledge() -> None:
    angry = total(report_of("angry_escalation"))
    assert (angry["emotion_alerts"], angry["emotion_calls"]) == (2, 1)
    counts = total(report_of("knowledge_mismatch"))
    assert (
        counts["knowledge_checks"] >= counts.get("knowledge_mismatches", 0) + counts.get("knowledge_doubtful", 0) >= 1
    )


@pytest.mark.parametrize(
    ("started_at", "arrived", "reported", "latency"),
    [
        ("", 0, 5_000, 5_000),
        ("2026-11-30T09:00:00+08:00", 70_000, 75_000, 5_000),  # uploaded after the call
        ("2026-11-30T09:00:00+08:00", 0, 60_180, 2_000),  # accepted while it ran: from hang-up on
        ("2026-11-30T09:00:00+08:00", 0, 50_000, 50_000),  # hung up in the future: that clock is wrong
        ("", 5_000, 0, 0),
    ],
)
def test_latency(started_at: str, arrived: int, reported: int, latency: int) -> None:
    report = report_of(PROMISE)
    report = replace(report, call=replace(report.call, started_at=started_at))
    found = of(report, arrived_ms=NOW + arrived, reported_ms=NOW + reported)
    assert found.measures["total", 20261130, "", ""]["latency_ms"] == latency
    assert {key[-1] for key in found.latency_measures} == {bucket_of(latency)}


def test_the_latency_of_the_first_report_is_passed_on() -> None:
    earlier = of(report_of(PROMISE))
    later = of(report_of("angry_escalation"), reported_ms=NOW + 90_000_000, earlier=earlier)
    assert later.latency_measures == earlier.latency_measures
    assert later.measures["total", 20261130, "", ""]["latency_ms"] == 5_000


@pytest.mark.parametrize(
    ("changes", "counts", "scopes"),
    [
        ({}, {"known": 1}, 5),
        ({"state": CallState.FAILED}, {"known": 1, "failed": 1}, 5),
        ({"csat": 4.5}, {"known": 1, "csat_count": 1, "csat_hundredths": 450}, 5),
        ({"state": CallState.INSPECTED, "reason": "refund", "grade": "良好"}, {"known": 1}, 7),
    ],
)
def test_a_known_call(changes: dict[str, Any], counts: Counts, scopes: int) -> None:
    found = of_known_call(SERVICE, row(**changes))
    assert found.measures["total", 20261130, "", ""] == counts
    assert len(found.measures) == scopes
    assert not found.rule_measures


def test_a_moved_call_takes_its_report_along() -> None:
    there = row(agent_id="b2", team="售后组", day=20261129, hour=20, line_of_business="general")
    report = report_of(PROMISE)
    counted = of_report(SERVICE, there, report, reported_ms=NOW + 5_000, arrived_ms=NOW)
    assert moved(of(report), there) == counted
    assert moved(counted, row()) == of(report)


def test_what_is_stored_is_what_was_counted() -> None:
    found = of(report_of(PROMISE))
    assert Contributions.from_bytes(found.to_bytes()) == found
