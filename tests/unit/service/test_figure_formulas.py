"""Rates, averages and percentiles from sums."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qingting.service.contributions import LATENCY_RATIO, bucket_middle_ms, bucket_of
from qingting.service.figure_formulas import figures_of, latency_of, rule_figures_of


def test_nothing_is_divided_by_nothing() -> None:
    figures = figures_of({})
    rates = [name for name in vars(figures) if name.endswith(("_rate", "_share", "coverage", "resolution", "average"))]
    assert len(rates) >= 8
    assert all(getattr(figures, name) is None for name in [*rates, "average_score", "average_latency_ms"])
    assert (figures.calls, figures.inspected, figures.reviews) == (0, 0, 0)
    assert rule_figures_of({}, 0).rate is None
    assert latency_of({}) == latency_of({3: 0})
    assert latency_of({}).p50_ms is None


@pytest.mark.parametrize(
    ("sums", "name", "expected"),
    [
        ({"known": 8, "inspected": 6}, "coverage", 0.75),
        ({"scored": 3, "score_tenths": 2550}, "average_score", 85.0),
        ({"scored": 3, "score_tenths": 2551}, "average_score", 85.03),
        # Unclear outcomes are in no rate; a repeated contact was not resolved the first time.
        ({"resolved": 6, "unresolved": 2, "unclear": 92}, "resolution_rate", 0.75),
        ({"resolved": 6, "unresolved": 2, "repeated": 2}, "first_call_resolution", 0.5),
        ({"inspected": 50, "emotion_calls": 4, "emotion_alerts": 9}, "emotion_call_rate", 0.08),
        ({"knowledge_checks": 10, "knowledge_mismatches": 1, "knowledge_doubtful": 5}, "knowledge_match_rate", 0.9),
        ({"knowledge_checks": 1, "knowledge_mismatches": 2}, "knowledge_match_rate", 0.0),
        ({"csat_count": 2, "csat_hundredths": 950}, "csat_average", 4.75),
        ({"items_judged": 8, "items_met": 7, "items_doubtful": 3}, "compliance_rate", 0.875),
        ({"agent_speech_ms": 30_000, "customer_speech_ms": 10_000}, "agent_talk_share", 0.75),
        ({"silence_ms": 6_000, "duration_ms": 60_000, "inspected": 2}, "silence_share", 0.1),
        ({"duration_ms": 60_000, "inspected": 2}, "average_duration_ms", 30_000),
        ({"latency_count": 4, "latency_ms": 10_000}, "average_latency_ms", 2_500),
    ],
)
def test_figures(sums: dict[str, int], name: str, expected: float) -> None:
    assert getattr(figures_of(sums), name) == expected


def test_a_rules_figures() -> None:
    figures = rule_figures_of({"hits": 7, "calls": 5, "doubtful": 2, "judged": 40, "met": 35, "tenths": -125}, 50)
    assert (figures.call_rate, figures.rate, figures.missed, figures.points) == (0.1, 0.875, 5, -12.5)


@given(st.integers(0, 10**10))
def test_a_bucket_stands_for_its_latencies_within_five_percent(latency_ms: int) -> None:
    middle = bucket_middle_ms(bucket_of(latency_ms))
    if latency_ms >= 10:
        assert abs(middle - latency_ms) <= 0.05 * latency_ms * (1 + 1e-9)
        assert middle / math.sqrt(LATENCY_RATIO) <= latency_ms * (1 + 1e-9)
    else:
        assert middle < 11


def test_percentiles_are_off_by_five_percent_at_most() -> None:
    own = random.Random(1)
    latencies = sorted(round(own.lognormvariate(8, 1.5)) + 10 for _ in range(5000))
    buckets: dict[int, int] = {}
    for one in latencies:
        buckets[bucket_of(one)] = buckets.get(bucket_of(one), 0) + 1
    found = latency_of(buckets)
    assert found.reports == 5000
    for part, value in ((0.5, found.p50_ms), (0.9, found.p90_ms), (0.95, found.p95_ms), (0.99, found.p99_ms)):
        exact = latencies[math.ceil(part * 5000) - 1]
        assert value is not None
        assert abs(value - exact) <= 0.05 * exact + 1
