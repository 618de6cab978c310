"""What the tables of an export hold: columns with Chinese headings, and a call, a finding, figures as a row."""

from __future__ import annotations

from dataclasses import astuple
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from qingting.analysis.discovery import discover
from qingting.model.call import Medium, Role
from qingting.model.finding import Level, Polarity, Standing
from qingting.report import wording
from qingting.report.formats.table import POLARITY_WORDS, STANDING_WORDS
from qingting.service.figures import Dimension
from qingting.storage.calls import CallRow, CallState

if TYPE_CHECKING:
    from qingting.privacy.masking import Masker
    from qingting.report.formats.table import Cell
    from qingting.service.figure_formulas import Figures
    from qingting.storage.reports import FindingRow

CALL_COLUMNS = (
    "通话编号", "开始时间", "坐席", "班组", "业务", "渠道", "方向", "客户编号", "时长（秒）", "状态",
    "得分", "等级", "最重程度", "问题数", "待复核", "来电原因", "解决情况", "语种", "满意度",
)  # fmt: skip
FINDING_COLUMNS = (
    "通话编号", "日期", "坐席", "班组", "问题编号", "规则", "规则版本", "维度", "名称", "程度", "性质", "涉及",
    "开始（秒）", "时间", "把握", "计分状态", "分值",
)  # fmt: skip
FIGURE_COLUMNS = (
    "已知通话", "已质检", "质检失败", "质检覆盖率", "已评分", "平均分", "严重问题", "中等问题", "轻微问题", "亮点",
    "待复核问题", "待复核通话", "已解决", "未解决", "解决不明", "重复来电", "解决率", "首次解决率",
    "情绪预警", "情绪预警通话", "情绪预警率", "知识检索核对", "知识匹配偏差", "待复核知识偏差", "知识匹配率",
    "评价通话", "满意度均分", "应执行话术", "已执行话术", "待复核话术", "话术执行率",
    "坐席说话占比", "静默占比", "平均时长（毫秒）", "平均出报告用时（毫秒）",
)  # fmt: skip
"""In the order of the fields of Figures."""
_DIMENSIONS = {
    Dimension.AGENT: "坐席",
    Dimension.TEAM: "班组",
    Dimension.HOUR: "时段",
    Dimension.REASON: "来电原因",
    Dimension.LINE: "业务",
    Dimension.GRADE: "等级",
}
_STATES = {
    CallState.KNOWN: "未收到录音",
    CallState.QUEUED: "质检中",
    CallState.INSPECTED: "已质检",
    CallState.FAILED: "质检失败",
}
_RESOLUTIONS = {"resolved": "已解决", "unresolved": "未解决", "unclear": "不明确"}
_MEDIA = {Medium.VOICE.value: "电话", Medium.CHAT.value: "在线会话", Medium.EMAIL.value: "邮件"}


def figure_columns(by: Dimension | None) -> tuple[str, ...]:
    """Headings of figures by agent, team …; by day for None."""
    return (_DIMENSIONS[by] if by else "日期", "名称", *FIGURE_COLUMNS)


def figure_row(key: str, label: str, figures: Figures) -> tuple[Cell, ...]:
    """Figures in the order of their headings."""
    return (key, label, *astuple(figures))


def call_row(call: CallRow, masker: Masker, *, started: datetime, reason: str) -> tuple[Cell, ...]:
    """A call in the order of CALL_COLUMNS; `reason` is the Chinese name of its contact reason."""
    return (
        call.call_id,
        started.strftime("%Y-%m-%d %H:%M:%S"),
        call.agent_id,
        call.team,
        wording.business(call.line_of_business),
        _MEDIA.get(call.medium, call.medium),
        wording.direction(call.direction),
        masker.mask_text(call.customer_reference),
        None if call.duration_ms is None else call.duration_ms / 1000,
        _STATES[call.state],
        call.score,
        call.grade,
        Level(call.worst_level).chinese if call.worst_level else "",
        call.faults,
        call.reviews,
        reason,
        _RESOLUTIONS.get(call.resolution, call.resolution),
        wording.language(call.language),
        call.csat,
    )


def call_values(call: CallRow, masker: Masker) -> dict[str, Any]:
    """A call as JSON has it; what somebody wrote of it stands, masked, in its report."""
    left_out = ("id", "info", "customer_reference", "state")
    values = {name: value for name, value in vars(call).items() if name not in left_out}
    return {**values, "customer_reference": masker.mask_text(call.customer_reference), "state": call.state.value}


def finding_row(finding: FindingRow) -> tuple[Cell, ...]:
    """A finding in the order of FINDING_COLUMNS."""
    day = finding.day
    return (
        finding.call_id,
        f"{day // 10_000}-{day // 100 % 100:02}-{day % 100:02}",
        finding.agent_id,
        finding.team,
        finding.finding_id,
        finding.rule_id,
        finding.rule_version,
        wording.dimension(finding.dimension, _analyzer_names()),
        finding.title,
        Level(finding.level).chinese,
        POLARITY_WORDS[Polarity(finding.polarity)],
        Role(finding.who).chinese,
        finding.start_ms / 1000,
        wording.clock(finding.start_ms),
        finding.confidence,
        STANDING_WORDS[Standing(finding.standing)],
        finding.points,
    )


def finding_values(finding: FindingRow) -> dict[str, Any]:
    """A finding as JSON has it."""
    return {name: value for name, value in vars(finding).items() if name not in ("id", "call")}


@cache
def _analyzer_names() -> dict[str, str]:
    return {analyzer.id: analyzer.name for analyzer in discover()}
