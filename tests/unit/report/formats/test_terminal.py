"""The terminal summary shows the score, the weightiest findings and what is missing."""

from __future__ import annotations

import io
from dataclasses import replace

from rich.console import Console

from qingting.report.formats.terminal import render_terminal


def text_of(report, width=110):
    out = io.StringIO()
    Console(file=out, width=width, color_system=None).print(render_terminal(report))
    return out.getvalue()


def test_summary_of_a_call_with_faults(reports):
    text = text_of(reports["refund"], width=140)
    lines = text.splitlines()
    assert "call-20240618-0042" in lines[0]
    assert "70分 合格" in lines[0]
    assert "得70分" in lines[1]
    assert lines[2].split()[:4] == ["01:19", "严重", "−10", "服务禁语"]
    assert "坐席“你急也没有用”" in lines[2]
    assert "另有2处" in text
    assert "未分析：1句" in text


def test_unscored_call_shows_no_number(reports):
    text = text_of(reports["one_sided"])
    assert "未评分" in text.splitlines()[0]
    assert "0分" not in text.splitlines()[0]
    assert "待复核" in text
    assert "未分析：只听到客户一方说话" in text


def test_credit_stands_in_a_faultless_call(reports):
    assert "亮点" in text_of(reports["faultless"])


def test_words_of_the_call_are_no_markup_and_no_escape_codes(reports):
    report = reports["refund"]
    nasty = replace(report.findings[0], title="[bold red]红[/] [link=x]\x1b[2J")
    text = text_of(replace(report, findings=(nasty,), call=replace(report.call, call_id="[red]\x1b]0;x")))
    assert "[bold red]红[/] [link=x]" in text
    assert "[red]" in text
    assert "\x1b" not in text


def test_every_sample_fits_a_narrow_terminal(report):
    from rich.cells import cell_len

    assert all(cell_len(line) <= 60 for line in text_of(report, width=60).splitlines())
