"""A report in the terminal: score, weightiest findings with times and words, and what is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qingting.model.finding import Polarity, Standing
from qingting.report import wording
from qingting.report.advice import weighty
from qingting.report.formats.html_view import clean

if TYPE_CHECKING:
    from rich.console import Group, RenderableType
    from rich.table import Table
    from rich.text import Text

    from qingting.model.finding import Finding
    from qingting.model.report import Report

_MOST = 8
"""Findings shown; the others are counted."""
_STYLES = {1: "bold red", 2: "yellow", 3: "default"}


def render_terminal(report: Report) -> Group:
    """Build a rich renderable of a report, in Chinese; text of the call is never read as markup."""
    from rich.console import Group

    parts: list[RenderableType] = [_headline(report), _note(report)]
    shown = [finding for finding in weighty(report.findings) if finding.polarity is not Polarity.NOTE]
    if shown:
        parts.append(_findings(shown[:_MOST]))
    if len(shown) > _MOST:
        parts.append(_plain(f"另有{len(shown) - _MOST}处，见完整报告。", "dim"))
    parts += [_plain(f"未分析：{gap.reason}", "magenta") for gap in report.gaps]
    return Group(*parts)


def _headline(report: Report) -> Text:
    from rich.text import Text

    score = report.score
    line = Text()
    line.append(clean(report.call.call_id), style="bold")
    if report.call.agent_id:
        line.append(f"  坐席 {clean(report.call.agent_id)}", style="dim")
    line.append(f"  {wording.duration(report.statistics.duration_ms)}  ", style="dim")
    if score.valid:
        line.append(f"{wording.number(score.total)}分 {score.grade}", style="bold cyan")
    else:
        line.append("未评分", style="bold magenta")
    return line


def _note(report: Report) -> Text:
    return _plain(report.score.note, "")


def _plain(text: str, style: str) -> Text:
    from rich.text import Text

    return Text(clean(text), style=style)


def _findings(findings: list[Finding]) -> Table:
    from rich.table import Table

    table = Table(box=None, padding=(0, 1), show_header=False, pad_edge=False)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(overflow="fold")
    for finding in findings:
        style = "green" if finding.polarity is Polarity.CREDIT else _STYLES[int(finding.level)]
        effect = wording.signed(finding.points)
        if finding.standing is Standing.REVIEW:
            style, effect = "magenta", "待复核"
        elif finding.standing is not Standing.COUNTED:
            effect = "—"
        start = wording.clock(finding.evidence[0].start_ms) if finding.evidence else ""
        mark = "亮点" if finding.polarity is Polarity.CREDIT else finding.level.chinese
        table.add_row(_plain(start, "cyan"), _plain(mark, style), _plain(effect, style), _words(finding))
    return table


def _words(finding: Finding) -> Text:
    text = _plain(finding.title, "bold")
    for evidence in finding.evidence:
        if evidence.quote:
            text.append(f"  {evidence.role.chinese}“{clean(evidence.quote)}”")
            break
    return text
