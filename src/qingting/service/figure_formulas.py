"""The figures that follow from sums: rates, averages, percentiles. docs/reference/measures.md defines each of them."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any, ClassVar

from qingting.service.contributions import bucket_middle_ms

if TYPE_CHECKING:
    from qingting.storage.measures import Counts

DOCUMENTED: dict[str, Any] = {"use_attribute_docstrings": True}
"""How pydantic shall describe the values below."""


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What is known of some calls; rates are None where there is nothing to divide by."""

    __pydantic_config__: ClassVar = DOCUMENTED

    calls: int
    """已知通话: all calls by call record or submission."""
    inspected: int
    """已质检: calls with a report."""
    failed: int
    """质检失败: calls whose recording could not be inspected."""
    coverage: float | None
    """质检覆盖率: inspected / calls."""
    scored: int
    """已评分: inspected calls that could be scored."""
    average_score: float | None
    """平均分, of scored calls."""
    serious: int
    """严重问题: sure faults of level 1."""
    medium: int
    """中等问题: sure faults of level 2."""
    light: int
    """轻微问题: sure faults of level 3."""
    credits: int
    """亮点: sure findings that speak for the service."""
    reviews: int
    """待复核: findings too doubtful to count."""
    review_calls: int
    """待复核通话: calls with at least one of them."""
    resolved: int
    """已解决: calls in which every problem was resolved."""
    unresolved: int
    """未解决: calls with a problem that was not."""
    unclear: int
    """解决不明: calls whose outcome is unclear or doubtful; in neither rate."""
    repeated: int
    """重复来电: resolved calls that were not the first about their matter."""
    resolution_rate: float | None
    """解决率: resolved / (resolved + unresolved)."""
    first_call_resolution: float | None
    """首次解决率 FCR: (resolved - repeated) / (resolved + unresolved)."""
    emotion_alerts: int
    """情绪预警: sure emotion faults."""
    emotion_calls: int
    """情绪预警通话: calls with at least one."""
    emotion_call_rate: float | None
    """情绪预警率: emotion_calls / inspected."""
    knowledge_checks: int
    """知识检索核对: searches and articles that were compared with the customer's question."""
    knowledge_mismatches: int
    """知识匹配偏差: sure mismatches."""
    knowledge_doubtful: int
    """待复核的知识偏差: doubtful ones, not among the mismatches."""
    knowledge_match_rate: float | None
    """知识匹配率: 1 - knowledge_mismatches / knowledge_checks."""
    csat_count: int
    """评价通话: calls that the customer rated."""
    csat_average: float | None
    """满意度均分, on the centre's own scale."""
    items_judged: int
    """应执行话术: compliance items that applied and were inspected."""
    items_met: int
    """已执行话术: of these, carried out."""
    items_doubtful: int
    """待复核话术: compliance items with doubtful findings only; in no rate."""
    compliance_rate: float | None
    """话术执行率: items_met / items_judged."""
    agent_talk_share: float | None
    """坐席说话占比: agents' speech / all speech."""
    silence_share: float | None
    """静默占比: silence / duration."""
    average_duration_ms: int | None
    """平均时长, of inspected calls."""
    average_latency_ms: int | None
    """平均出报告用时."""


def figures_of(counts: Counts) -> Figures:
    """Work the figures out from sums; names that are missing count as zero."""
    n = _Zeros(counts)
    judged = n["resolved"] + n["unresolved"]
    plain = (
        "inspected", "failed", "scored", "serious", "medium", "light", "credits", "reviews", "review_calls", "resolved",
        "unresolved", "unclear", "repeated", "emotion_alerts", "emotion_calls", "knowledge_checks",
        "knowledge_mismatches", "knowledge_doubtful", "csat_count", "items_judged", "items_met", "items_doubtful",
    )  # fmt: skip
    unfit = share(n["knowledge_mismatches"], n["knowledge_checks"])
    return Figures(
        **{name: n[name] for name in plain},
        calls=n["known"],
        coverage=share(n["inspected"], n["known"]),
        average_score=_mean(n["score_tenths"], n["scored"], 10),
        resolution_rate=share(n["resolved"], judged),
        first_call_resolution=share(n["resolved"] - n["repeated"], judged),
        emotion_call_rate=share(n["emotion_calls"], n["inspected"]),
        knowledge_match_rate=None if unfit is None else round(max(1 - unfit, 0.0), 4),
        csat_average=_mean(n["csat_hundredths"], n["csat_count"], 100),
        compliance_rate=share(n["items_met"], n["items_judged"]),
        agent_talk_share=share(n["agent_speech_ms"], n["agent_speech_ms"] + n["customer_speech_ms"]),
        silence_share=share(n["silence_ms"], n["duration_ms"]),
        average_duration_ms=_mean_ms(n["duration_ms"], n["inspected"]),
        average_latency_ms=_mean_ms(n["latency_ms"], n["latency_count"]),
    )


@dataclass(frozen=True, kw_only=True)
class RuleFigures:
    """How often one rule was found, and for compliance items how often they were carried out."""

    __pydantic_config__: ClassVar = DOCUMENTED

    hits: int
    """命中次数: sure findings."""
    calls: int
    """命中通话: calls with at least one."""
    call_rate: float | None
    """命中率: calls / inspected calls."""
    doubtful: int
    """待复核通话: calls with doubtful findings of the rule only."""
    judged: int
    """应执行: calls in which the compliance item applied and was inspected; 0 for other rules."""
    met: int
    """已执行."""
    missed: int
    """未执行: judged - met."""
    rate: float | None
    """执行率: met / judged."""
    points: float
    """得分影响: sum of points, negative for deductions."""


def rule_figures_of(counts: Counts, inspected: int) -> RuleFigures:
    """Work a rule's figures out from its sums and the number of inspected calls among which they were found."""
    n = _Zeros(counts)
    return RuleFigures(
        hits=n["hits"],
        calls=n["calls"],
        call_rate=share(n["calls"], inspected),
        doubtful=n["doubtful"],
        judged=n["judged"],
        met=n["met"],
        missed=n["judged"] - n["met"],
        rate=share(n["met"], n["judged"]),
        points=n["tenths"] / 10,
    )


@dataclass(frozen=True, kw_only=True)
class Latency:
    """出报告用时: from a recording's arrival (or hang-up, when that is later) to its stored report."""

    __pydantic_config__: ClassVar = DOCUMENTED

    reports: int
    """How many."""
    p50_ms: int | None
    """Half of the reports took no longer; off by at most 5 %, as all percentiles here."""
    p90_ms: int | None
    p95_ms: int | None
    p99_ms: int | None


def latency_of(buckets: Mapping[int, int]) -> Latency:
    """Work percentiles out from reports per bucket (nearest rank, the middle of its bucket)."""
    parts = (0.5, 0.9, 0.95, 0.99)
    p50, p90, p95, p99 = _percentiles(buckets, parts) if any(buckets.values()) else (None,) * len(parts)
    return Latency(reports=sum(buckets.values()), p50_ms=p50, p90_ms=p90, p95_ms=p95, p99_ms=p99)


def _percentiles(buckets: Mapping[int, int], parts: Sequence[float]) -> list[int]:
    """Nearest rank; `parts` in order."""
    ordered = sorted(buckets)
    until = list(accumulate(buckets[bucket] for bucket in ordered))
    places = (bisect_left(until, math.ceil(part * until[-1])) for part in parts)
    return [round(bucket_middle_ms(ordered[place])) for place in places]


class _Zeros(dict[str, int]):
    """Sums, of which those that are missing are zero."""

    def __missing__(self, key: str) -> int:
        return 0


def share(part: float, whole: float) -> float | None:
    """Divide, to four decimals; None where there is nothing to divide by."""
    return round(part / whole, 4) if whole else None


def _mean(total: int, number: int, unit: int) -> float | None:
    return round(total / unit / number, 2) if number else None


def _mean_ms(total: int, number: int) -> int | None:
    return round(total / number) if number else None
