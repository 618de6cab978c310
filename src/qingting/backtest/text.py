"""A backtest's result for the terminal, in Chinese."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len

from qingting.backtest.versions import Side
from qingting.report import wording
from qingting.report.formats.html_view import clean

if TYPE_CHECKING:
    from qingting.backtest.summary import Summary
    from qingting.backtest.values import Change, Quality

_MOST_LEFT_OUT = 20
"""Reports named one by one; the rest is counted."""


def summary_text(summary: Summary, *, show: int) -> str:
    """Write the result: rules, quality, scores, then at most `show` changed verdicts with their quotes."""
    parts = [_head(summary), _left_out(summary), _rules(summary), _quality(summary), _scores(summary)]
    parts.append(_changes(summary, show))
    return "\n\n".join("\n".join(part) for part in parts if part)


def _head(summary: Summary) -> list[str]:
    return [
        f"回测：{summary.old} → {summary.new}",
        f"比较通话{summary.calls}通，其中{summary.calls_changed}通判定有变化，共{len(summary.changes)}处",
    ]


def _left_out(summary: Summary) -> list[str]:
    damaged = [one for one in summary.left_out if one.damaged]
    lines = []
    for title, found in (
        ("未能比较（请处理）", damaged),
        ("不在比较范围", [one for one in summary.left_out if not one.damaged]),
    ):
        if found:
            lines.append(f"{title}：{len(found)}份报告")
            lines += [f"  {one.file}：{clean(one.reason)}" for one in found[:_MOST_LEFT_OUT]]
            lines += [f"  … 其余{len(found) - _MOST_LEFT_OUT}份"] if len(found) > _MOST_LEFT_OUT else []
    lines += [
        f"{one.side.chinese}的 {one.analyzer} 在通话 {clean(one.call_id)} 中出错（{one.error_type}），该维度未质检"
        for one in summary.failed[:_MOST_LEFT_OUT]
    ]
    more = len(summary.failed) - _MOST_LEFT_OUT
    return [*lines, *([f"… 其余{more}处分析出错"] if more > 0 else [])]


def _rules(summary: Summary) -> list[str]:
    if not summary.rules:
        return ["两个版本都没有发现。"]
    # What changed most comes first; the rest follows by name.
    ordered = sorted(summary.rules.items(), key=lambda one: (-(one[1].fires + one[1].gone + one[1].changed), one[0]))
    rows = [
        (
            rule,
            clean(count.title),
            *(str(n) for n in (count.old, count.new, count.fires, count.gone, count.changed, count.kept)),
            f"{count.calls_old}→{count.calls_new}",
        )
        for rule, count in ordered
    ]
    heads = ("规则", "名称", "旧版", "新版", "新增", "消失", "变化", "不变", "涉及通话")
    return ["各规则的发现数：", *_table(heads, rows, left=2)]


def _quality(summary: Summary) -> list[str]:
    if not summary.labels:
        return []
    rows = [
        (rule, *_figures(by_side[Side.OLD]), *_figures(by_side[Side.NEW]))
        for rule, by_side in sorted(summary.quality.items())
    ]
    rows.append(("合计", *_figures(summary.total_quality(Side.OLD)), *_figures(summary.total_quality(Side.NEW))))
    heads = ("规则", "旧版精确率", "召回率", "F1", "新版精确率", "召回率", "F1")
    lines = [f"与{summary.labels}条复核结论对照：", *_table(heads, rows, left=1)]
    old, new = summary.unreviewed[Side.OLD], summary.unreviewed[Side.NEW]
    if old or new:
        lines.append(f"没有复核结论的发现：旧版{old}处，新版{new}处，未计入上表；用 --csv 导出变化并复核。")
    missing = {side: summary.total_quality(side).not_inspected for side in Side}
    if any(missing.values()):
        lines.append(f"因该维度未质检而未计入：旧版{missing[Side.OLD]}条，新版{missing[Side.NEW]}条。")
    if summary.labels_unused:
        lines.append(f"{summary.labels_unused}条复核结论的通话或规则不在本次比较中。")
    return lines


def _figures(quality: Quality) -> tuple[str, str, str]:
    values = (quality.precision, quality.recall, quality.f1)
    precision, recall, f1 = ("—" if value is None else f"{value:.2f}" for value in values)
    return precision, recall, f1


def _scores(summary: Summary) -> list[str]:
    scored = summary.both_scored
    old, new, difference = summary.mean_score(Side.OLD), summary.mean_score(Side.NEW), summary.mean_difference
    if old is None or new is None or difference is None:
        return ["没有两个版本都能评分的通话。"] if summary.calls else []
    lines = [f"得分（{len(scored)}通）：平均 {old:.1f} → {new:.1f}（{wording.signed(difference)}）"]
    lines.append("  分差分布：" + "，".join(f"{name}{count}通" for name, count in summary.differences() if count))
    grades = [f"{before or '未评分'}→{after or '未评分'} {count}通" for before, after, count in summary.grade_changes()]
    if grades:
        lines.append("  等级变化：" + "，".join(grades))
    moved = sorted((one for one in scored if one.difference), key=lambda one: -abs(one.difference or 0.0))
    lines += [
        f"  {clean(one.call_id)}：{wording.number(one.old or 0.0)} → {wording.number(one.new or 0.0)}"
        f"（{wording.signed(one.difference or 0.0)}）"
        for one in moved[:10]
    ]
    return lines


def _changes(summary: Summary, show: int) -> list[str]:
    if not summary.changes:
        return ["没有变化的判定。"]
    lines = ["变化的判定："]
    for change in summary.changes[:show]:
        lines += _change(change)
    more = len(summary.changes) - show
    return [*lines, f"… 其余{more}处见 --show、--csv 或 --json"] if more > 0 else lines


def _change(change: Change) -> list[str]:
    verdict = {True: "，与复核一致", False: "，与复核相反", None: ""}[change.better]
    lines = [
        f"  [{change.kind.chinese}] {clean(change.call_id)} {wording.clock(change.start_ms)} "
        f"{change.rule_id} {clean(change.title)}（{change.level}{verdict}）"
    ]
    if change.quote:
        lines.append(f"      “{clean(change.quote)}”")
    lines.append(f"      {clean(change.differs or change.explanation)}")
    return lines


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], *, left: int) -> list[str]:
    """Lay out columns for a terminal, where a Chinese character is two cells wide; the first `left` are words."""
    widths = [max(cell_len(row[at]) for row in [heads, *rows]) for at in range(len(heads))]
    return ["  " + "  ".join(_cell(row[at], widths[at], words=at < left) for at in range(len(heads))).rstrip()
            for row in [heads, *rows]]  # fmt: skip


def _cell(text: str, width: int, *, words: bool) -> str:
    blank = " " * (width - cell_len(text))
    return text + blank if words else blank + text
