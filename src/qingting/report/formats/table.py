"""Reports of a batch as CSV: one row per call, and one row per finding.

UTF-8 with a byte order mark and CRLF line ends, so that Excel opens it as it is. A text that a
spreadsheet would run as a formula gets a leading apostrophe, which spreadsheets do not show.
"""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from qingting.model.call import Role
from qingting.model.finding import Level, Polarity, Standing
from qingting.report import wording
from qingting.report.formats.html_view import clean

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from qingting.model.finding import Finding
    from qingting.model.report import Report

Cell = str | int | float | None

CALL_COLUMNS = (
    "通话编号", "坐席", "班组", "业务", "方向", "开始时间", "时长（秒）", "得分", "等级", "是否评分", "评分说明",
    "严重", "中等", "轻微", "亮点", "待复核", "坐席说话占比", "客户说话占比", "静默（秒）", "最长静默（秒）",
    "重叠（秒）", "平均响应（秒）", "坐席语速（字/分）", "未分析内容",
)  # fmt: skip
FINDING_COLUMNS = (
    "通话编号", "坐席", "问题编号", "规则", "规则版本", "维度", "名称", "程度", "性质", "涉及",
    "开始（秒）", "结束（秒）", "时间", "引文", "把握", "存疑原因", "计分状态", "分值", "说明", "建议",
)  # fmt: skip
POLARITY_WORDS = {Polarity.FAULT: "问题", Polarity.CREDIT: "亮点", Polarity.NOTE: "提示"}
STANDING_WORDS = {
    Standing.UNSCORED: "不计分",
    Standing.COUNTED: "已计分",
    Standing.CAPPED: "已达上限",
    Standing.REVIEW: "待复核",
}
_ROWS_PER_PART = 500
_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")


def calls_csv(reports: Iterable[Report]) -> bytes:
    """Write one row per call, with a header row."""
    return csv_bytes(CALL_COLUMNS, (call_row(report) for report in reports))


def findings_csv(reports: Iterable[Report]) -> bytes:
    """Write one row per finding of every call, with a header row."""
    return csv_bytes(FINDING_COLUMNS, (row for report in reports for row in finding_rows(report)))


def call_row(report: Report) -> tuple[Cell, ...]:
    """One call's values in the order of CALL_COLUMNS."""
    call, score, figures = report.call, report.score, report.statistics
    speech = {party.role: party for party in figures.parties}
    agent, customer = speech.get(Role.AGENT), speech.get(Role.CUSTOMER)
    rate = agent.characters_per_second if agent else None
    return (
        call.call_id,
        call.agent_id,
        call.team,
        call.line_of_business,
        wording.direction(call.direction),
        call.started_at,
        _seconds(figures.duration_ms),
        score.total if score.valid else None,
        score.grade,
        "是" if score.valid else "否",
        score.note,
        *_counts(report.findings),
        agent.talk_ratio if agent else None,
        customer.talk_ratio if customer else None,
        _seconds(figures.silence_ms),
        _seconds(figures.longest_silence_ms),
        _seconds(figures.overlap_ms),
        _seconds(figures.mean_response_ms),
        round(rate * 60) if rate is not None else None,
        "".join(gap.reason for gap in report.gaps),
    )


def finding_rows(report: Report) -> list[tuple[Cell, ...]]:
    """One row per finding in the order of FINDING_COLUMNS, in order of decision."""
    return [_finding_row(report, finding) for finding in report.findings]


def _finding_row(report: Report, finding: Finding) -> tuple[Cell, ...]:
    first = finding.evidence[0] if finding.evidence else None
    return (
        report.call.call_id,
        report.call.agent_id,
        finding.id,
        finding.rule_id,
        finding.rule_version,
        wording.dimension(finding.dimension, report.provenance.analyzer_names),
        finding.title,
        finding.level.chinese,
        POLARITY_WORDS[finding.polarity],
        finding.who.chinese,
        _seconds(first.start_ms) if first else None,
        _seconds(first.end_ms) if first else None,
        wording.clock(first.start_ms) if first else "",
        "；".join(evidence.quote for evidence in finding.evidence if evidence.quote),
        finding.confidence.value,
        "".join(finding.confidence.reasons),
        STANDING_WORDS[finding.standing],
        finding.points,
        finding.explanation,
        finding.advice,
    )


def _counts(findings: Iterable[Finding]) -> tuple[int, ...]:
    """Sure faults by level, credits, and all that wait for review."""
    listed = list(findings)
    sure = [finding for finding in listed if finding.standing is not Standing.REVIEW]
    by_level = [sum(f.polarity is Polarity.FAULT and f.level is level for f in sure) for level in Level]
    return (*by_level, sum(f.polarity is Polarity.CREDIT for f in sure), len(listed) - len(sure))


def _seconds(ms: int | None) -> float | None:
    return None if ms is None else ms / 1000


def csv_bytes(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> bytes:
    """Write a table as every table of ours is written, with a header row."""
    return b"".join(csv_parts(columns, rows))


def csv_parts(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Iterator[bytes]:
    """Write a table part by part: no more than some hundred rows are in memory."""
    text = io.StringIO()
    text.write("\ufeff")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(columns)
    for number, row in enumerate(rows, start=1):
        writer.writerow([_cell(value) for value in row])
        if number % _ROWS_PER_PART == 0:
            yield text.getvalue().encode()
            text.seek(0)
            text.truncate()
    yield text.getvalue().encode()


def is_formula(text: str) -> bool:
    """Whether a spreadsheet would run a text; it skips blanks before a formula."""
    return text.lstrip().startswith(_FORMULA)


def _cell(value: Cell) -> Cell:
    if not isinstance(value, str):
        return value
    safe = clean(value)
    return f"'{safe}" if is_formula(value) else safe
