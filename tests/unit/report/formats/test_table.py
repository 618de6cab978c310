"""Rows for spreadsheets: openable in Excel, and never a formula."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import pytest

from qingting.report.formats.table import CALL_COLUMNS, FINDING_COLUMNS, calls_csv, findings_csv


def read(data):
    assert data.startswith(b"\xef\xbb\xbf")
    text = data.decode("utf-8-sig")
    assert text.count("\r\n") >= 1
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_one_row_per_call(reports):
    rows = read(calls_csv(reports.values()))
    assert len(rows) == len(reports)
    assert tuple(rows[0]) == CALL_COLUMNS
    by_id = {row["通话编号"]: row for row in rows}
    refund = by_id["call-20240618-0042"]
    assert (refund["得分"], refund["等级"], refund["是否评分"]) == ("70.0", "合格", "是")
    assert [refund[name] for name in ("严重", "中等", "轻微", "亮点", "待复核")] == ["2", "2", "4", "1", "1"]
    assert refund["最长静默（秒）"] == "24.48"


def test_unscored_call_has_no_number(reports):
    (row,) = read(calls_csv([reports["empty"]]))
    assert (row["得分"], row["等级"], row["是否评分"]) == ("", "", "否")
    assert row["未分析内容"]


def test_one_row_per_finding(reports):
    rows = read(findings_csv(reports.values()))
    assert len(rows) == sum(len(report.findings) for report in reports.values())
    assert tuple(rows[0]) == FINDING_COLUMNS
    late = rows[1]
    assert (late["名称"], late["维度"], late["引文"], late["时间"], late["分值"]) == (
        "回应过慢", "响应", "我要退款", "00:10", "-3.0",
    )  # fmt: skip
    assert "太慢了；没人管" in rows[2]["引文"]


def test_empty_batch_has_headers_only():
    assert read(calls_csv([])) == []
    assert calls_csv([]).decode("utf-8-sig").split(",")[0] == "通话编号"


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+1",
        "-1+cmd|' /C calc'!A0",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        " =1",
        "\n=1",
        "＝1",
        '=HYPERLINK("x")',
        "\u00a0=1",
    ],
)
def test_text_is_never_a_formula(reports, text):
    report = reports["refund"]
    nasty = replace(report, call=replace(report.call, call_id=text, agent_id=text), findings=report.findings[:1])
    nasty = replace(nasty, findings=(replace(nasty.findings[0], title=text, advice=text, explanation=text),))
    for row in (*read(calls_csv([nasty])), *read(findings_csv([nasty]))):
        for name in ("通话编号", "坐席", "名称", "说明", "建议"):
            assert row.get(name, "'").startswith("'")


def test_numbers_stay_numbers(reports):
    (row, *_) = read(findings_csv([reports["refund"]]))
    assert float(row["分值"]) == -2.0
