"""A backtest's result as JSON, and its changed verdicts as a table for people."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from qingting.backtest.values import Quality
from qingting.backtest.versions import Side
from qingting.report.formats.table import csv_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qingting.backtest.summary import Summary
    from qingting.backtest.values import Change

FORM = "qingting-backtest/1"
"""Name and version of the JSON form; the number changes when a reader must change."""
CHANGE_COLUMNS = (
    "通话编号", "报告", "规则", "名称", "变化", "程度", "开始（毫秒）", "结束（毫秒）", "时间",
    "引文", "说明", "差异", "复核",
)  # fmt: skip


def to_plain(summary: Summary) -> dict[str, Any]:
    """Turn the result into dictionaries, lists, texts and numbers; see docs/how-to/backtest.md."""
    plain: dict[str, Any] = {
        "form": FORM,
        "old": summary.old,
        "new": summary.new,
        "calls": {
            "compared": summary.calls,
            "changed": summary.calls_changed,
            "complete": summary.complete,
            "left_out": [asdict(one) for one in summary.left_out],
            "failed": [asdict(one) for one in summary.failed],
        },
        "rules": {
            rule: {**asdict(count), **_with_quality(summary.quality.get(rule))}
            for rule, count in sorted(summary.rules.items())
        },
        "changes": [{**asdict(change), "better": change.better} for change in summary.changes],
        "scores": {
            "both_scored": len(summary.both_scored),
            "mean": {side.value: summary.mean_score(side) for side in Side},
            "mean_difference": summary.mean_difference,
            "differences": [{"band": name, "calls": count} for name, count in summary.differences()],
            "grades": [{"old": old, "new": new, "calls": count} for old, new, count in summary.grade_changes()],
            "calls": [{**asdict(one), "difference": one.difference} for one in summary.scores],
        },
    }
    if summary.labels:
        rules = {rule: _with_quality(by_side)["quality"] for rule, by_side in sorted(summary.quality.items())}
        plain["labels"] = {
            "given": summary.labels,
            "unused": summary.labels_unused,
            "unreviewed_findings": {side.value: summary.unreviewed[side] for side in Side},
            "quality": {side.value: quality_figures(summary.total_quality(side)) for side in Side},
            "rules": rules,
        }
    return plain


def quality_figures(quality: Quality) -> dict[str, float | int | None]:
    """Counts and shares of one version's findings against the labels."""
    return {**asdict(quality), "precision": quality.precision, "recall": quality.recall, "f1": quality.f1}


def _with_quality(by_side: Mapping[Side, Quality] | None) -> dict[str, Any]:
    if by_side is None:
        return {}
    return {"quality": {side.value: quality_figures(by_side[side]) for side in Side}}


def changes_csv(summary: Summary) -> bytes:
    """Write one row per changed verdict, for Excel; the last column takes people's verdicts (是 or 否)."""
    return csv_bytes(CHANGE_COLUMNS, (_row(change) for change in summary.changes))


def _row(change: Change) -> tuple[str | int | None, ...]:
    from qingting.report import wording

    return (
        change.call_id,
        change.file,
        change.rule_id,
        change.title,
        change.kind.chinese,
        change.level,
        change.start_ms,
        change.end_ms,
        wording.clock(change.start_ms),
        change.quote,
        change.explanation,
        change.differs,
        {True: "是", False: "否", None: ""}[change.reviewed],
    )
