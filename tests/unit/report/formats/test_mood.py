"""The emotion curve: drawn from facts, and never from what is no curve."""

from __future__ import annotations

from dataclasses import replace

import pytest

from qingting.model.call import Role
from qingting.model.finding import Confidence, Evidence, Finding, Level, Polarity
from qingting.model.report import Report
from qingting.report.formats.html import render_html
from qingting.report.formats.mood import HEIGHT, WIDTH, mood_of


def with_curve(report: Report, **facts: str) -> Report:
    curve = Finding(
        rule_id="emotion_analyzer.curve",
        rule_version="1",
        dimension="emotion_analyzer",
        title="情绪曲线",
        level=Level.LIGHT,
        polarity=Polarity.NOTE,
        who=Role.CUSTOMER,
        evidence=(Evidence(operator="curve", start_ms=0, end_ms=1000),),
        confidence=Confidence(value=1.0),
        explanation="客户情绪<平稳>。",
        facts=facts,
        id="emotion_analyzer.curve#1",
    )
    return replace(report, findings=(*report.findings, curve))


@pytest.fixture
def plain(reports: dict[str, Report]) -> Report:
    return next(iter(reports.values()))


def test_points_stand_at_their_time_and_height(plain: Report) -> None:
    half = plain.statistics.duration_ms // 2
    mood = mood_of(with_curve(plain, customer_valence=f"0:1.00;{half}:-0.50;{plain.statistics.duration_ms}:-1"))
    assert mood is not None
    (line,) = mood.lines
    assert line.role is Role.CUSTOMER
    assert [point.y for point in line.points] == [0, HEIGHT * 0.75, HEIGHT]
    assert [point.x for point in line.points] == pytest.approx([0, WIDTH / 2, WIDTH], abs=0.1)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "100:0.5",
        "<script>",
        "1:2:3;4",
        "x:0.1;y:0.2",
        "-5:0.1;-6:0.2",
        "999999999:0.1;999999998:0.1",
        "1:nan;2:inf",
    ],
)
def test_what_is_no_curve_is_not_drawn(plain: Report, text: str) -> None:
    assert mood_of(with_curve(plain, customer_valence=text)) is None


def test_a_report_without_the_finding_has_no_curve(plain: Report) -> None:
    assert mood_of(plain) is None
    assert "情绪曲线" not in render_html(plain)


def test_the_page_draws_it_and_escapes_its_sentence(plain: Report) -> None:
    page = render_html(with_curve(plain, customer_valence="0:0.20;1000:-0.40", agent_valence="10:0.00;500:0.10"))
    assert page.count("<polyline") == 2
    assert 'data-seek="1000"' in page
    assert "客户情绪&lt;平稳&gt;。" in page
