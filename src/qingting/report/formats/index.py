"""The first page of a batch: every call with its score, what was found most, what failed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from qingting.model.finding import Level, Polarity, Standing
from qingting.report import wording
from qingting.report.formats.html_view import clean

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from jinja2 import Template

    from qingting.model.report import Report

_MOST_RULES = 8


@dataclass(frozen=True, kw_only=True)
class IndexRow:
    """What the index shows of one call: holds no transcript, so that a batch fits in memory."""

    call_id: str
    agent: str
    business: str
    """Chinese name of the line of business."""
    duration_ms: int
    total: float | None
    """None when the call could not be scored."""
    grade: str
    serious: int
    """Sure faults of level 1."""
    medium: int
    light: int
    review: int
    """Findings that wait for a person."""
    gaps: int
    titles: tuple[str, ...]
    """Titles of the sure faults, worst first, each once."""
    page: str
    """File name of the call's report; empty without one."""


def index_row(report: Report, page: str) -> IndexRow:
    """Keep of a report what the index shows."""
    faults = [f for f in report.findings if f.polarity is Polarity.FAULT and f.standing is not Standing.REVIEW]
    counts = Counter(fault.level for fault in faults)
    return IndexRow(
        call_id=clean(report.call.call_id),
        agent=clean(report.call.agent_id),
        business=wording.business(report.call.line_of_business),
        duration_ms=report.statistics.duration_ms,
        total=report.score.total if report.score.valid else None,
        grade=report.score.grade,
        serious=counts[Level.SERIOUS],
        medium=counts[Level.MEDIUM],
        light=counts[Level.LIGHT],
        review=sum(finding.standing is Standing.REVIEW for finding in report.findings),
        gaps=len(report.gaps),
        titles=tuple(dict.fromkeys(fault.title for fault in sorted(faults, key=lambda fault: fault.level))),
        page=page,
    )


def render_index(rows: Iterable[IndexRow], failures: Sequence[tuple[str, str]]) -> str:
    """Render the index as a complete HTML document in Chinese, lowest score first.

    `failures` are (file name, cause) of recordings without a report; they stand above the
    table, because what was not inspected must not look clean.
    """
    ordered = sorted(rows, key=lambda row: (row.total is not None, row.total or 0.0, row.call_id))
    totals = [row.total for row in ordered if row.total is not None]
    common = Counter(title for row in ordered for title in row.titles).most_common(_MOST_RULES)
    return _template().render(
        css=resources.files("qingting.report").joinpath("formats", "report.css").read_text(encoding="utf-8"),
        rows=ordered,
        failures=[(clean(name), cause) for name, cause in failures],
        common=common,
        mean=sum(totals) / len(totals) if totals else None,
        duration_ms=sum(row.duration_ms for row in ordered),
        faultless=sum(not row.titles and row.total is not None for row in ordered),
        review=sum(row.review for row in ordered),
    )


@cache
def _template() -> Template:
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters |= {"duration": wording.duration, "number": wording.number}
    source = resources.files("qingting.report").joinpath("formats", "index.html.jinja").read_text(encoding="utf-8")
    return environment.from_string(source)
