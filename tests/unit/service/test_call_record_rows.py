"""How lists of calls write ids, times, lengths and scores."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from qingting.service.call_record_rows import COLUMNS, CallRecord, RecordReader, RowProblem, column_of
from qingting.service.tables_in import Cell, TableRow

SHANGHAI = ZoneInfo("Asia/Shanghai")


def read(**cells: Cell) -> tuple[CallRecord | None, list[RowProblem]]:
    values = {"通话编号": "c1", **cells}
    row = TableRow(number=5, values={name: cell for name, cell in values.items() if cell is not None})
    return RecordReader(list(values), zone=SHANGHAI).read(row)


def record(**cells: Cell) -> CallRecord:
    found, problems = read(**cells)
    assert problems == []
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("heading", "column"),
    [
        ("通话编号", "call_id"), ("Call ID", "call_id"), ("call-id", "call_id"), ("流水号", "call_id"),
        ("坐席 工号", "agent_id"), ("技能组", "team"), ("通话时长（秒）", "duration"), ("通话时长(mm:ss)", "duration"),
        ("开始时间：", "started_at"), ("*满意度", "csat"), ("备注", ""), ("ID", ""), ("坐席姓名", ""), ("", ""),
    ],
)  # fmt: skip
def test_headings(heading: str, column: str) -> None:
    assert column_of(heading) == column


def test_no_heading_means_two_columns() -> None:
    every = [heading for headings in COLUMNS.values() for heading in headings]
    assert [heading for heading in every if heading not in COLUMNS[column_of(heading)]] == []


@pytest.mark.parametrize(
    "written",
    [
        "2026-11-30 09:15:02", "2026/11/30 9:15:02", "2026年11月30日 9:15:02", "2026-11-30T09:15:02+08:00",
        "2026-11-30T01:15:02Z", "20261130091502", datetime(2026, 11, 30, 9, 15, 2), "1796001302", 1796001302000,
    ],
)  # fmt: skip
def test_starts(written: Cell) -> None:
    at = record(开始时间=written).started_at
    assert at is not None
    assert at.astimezone(UTC) == datetime(2026, 11, 30, 1, 15, 2, tzinfo=UTC)


def test_a_start_to_the_minute() -> None:
    assert record(开始时间="2026/11/30 9:15").started_at == datetime(2026, 11, 30, 9, 15, tzinfo=SHANGHAI)


@pytest.mark.parametrize(
    "written",
    ["09:15:03", "yesterday", "2026-13-01 10:00:00", "2026-12-01", "0001-01-01 00:00:00", 12.5, "9999-12-31 23:59:59",
     datetime(1900, 1, 1), time(9, 15), "20269930091502"],
)  # fmt: skip
def test_what_is_no_start(written: Cell) -> None:
    found, problems = read(开始时间=written)
    assert found is None
    assert [(p.row, p.column) for p in problems] == [(5, "started_at")]
    assert str(written) not in problems[0].problem


@pytest.mark.parametrize(
    ("heading", "written", "milliseconds"),
    [
        ("通话时长", "185", 185_000), ("通话时长", 185, 185_000), ("通话时长", 185.5, 185_500),
        ("通话时长", "3:05", 185_000), ("通话时长", "03：05", 185_000), ("通话时长", "0:03:05", 185_000),
        ("通话时长", "1:00:00", 3_600_000), ("通话时长", "75:10", 4_510_000), ("通话时长", "185秒", 185_000),
        ("通话时长", "3分5秒", 185_000), ("通话时长", "1小时2分3秒", 3_723_000), ("通话时长", "3分钟", 180_000),
        ("通话时长", time(0, 3, 5), 185_000), ("通话时长", timedelta(minutes=3), 180_000), ("通话时长", "0", 0),
        ("通话时长(分钟)", "1.5", 90_000), ("通话时长（毫秒）", "185000", 185_000), ("duration_ms", 185_000, 185_000),
        ("通话时长(分钟)", "3:05", 185_000), ("通话时长(分钟)", "90秒", 90_000), ("duration (min)", 2, 120_000),
    ],
)  # fmt: skip
def test_lengths(heading: str, written: Cell, milliseconds: int) -> None:
    assert record(**{heading: written}).duration_ms == milliseconds


@pytest.mark.parametrize(
    "written", ["long", "-5", -5, "25:00:00", "1:2:3:4", "3:99", float("inf"), "分", "秒", "9" * 30]
)
def test_what_is_no_length(written: Cell) -> None:
    found, problems = read(通话时长=written)
    assert found is None
    assert [p.column for p in problems] == ["duration"]


@pytest.mark.parametrize(
    ("written", "score"),
    [(5, 5.0), ("5", 5.0), ("4.5", 4.5), ("5分", 5.0), ("3星", 3.0), ("非常满意", 5.0), ("满意", 4.0), ("一般", 3.0),
     ("不满意", 2.0), ("非常不满意", 1.0), ("Very Satisfied", 5.0), ("未评价", None), ("-", None), ("N/A", None)],
)  # fmt: skip
def test_scores(written: Cell, score: float | None) -> None:
    assert record(满意度=written).csat == score


@pytest.mark.parametrize("written", ["0", "6", 10, "还行吧", "nan1", float("nan"), "1e999"])
def test_what_is_no_score(written: Cell) -> None:
    found, problems = read(满意度=written)
    assert found is None
    assert [p.column for p in problems] == ["csat"]


@pytest.mark.parametrize(
    ("written", "direction"), [("呼入", "inbound"), ("Inbound", "inbound"), ("外呼", "outbound"), ("OUT", "outbound")]
)
def test_directions(written: str, direction: str) -> None:
    assert record(呼叫方向=written).direction == direction


def test_identifiers_are_texts_as_people_read_them() -> None:
    found = record(坐席工号=1001, 班组="  ".strip() or None, 客户编号=88.0, 技能组="账务组")
    assert (found.agent_id, found.customer_reference, found.team) == ("1001", "88", "账务组")


@pytest.mark.parametrize(
    ("cells", "column", "words"),
    [
        ({"通话编号": None}, "call_id", "missing"),
        ({"通话编号": "-"}, "call_id", "missing"),
        ({"通话编号": "x" * 129}, "call_id", "longer"),
        ({"通话编号": 1234567890123456789}, "call_id", "rounded"),
        ({"坐席工号": "x" * 129}, "agent_id", "longer"),
        ({"业务线": "x" * 65}, "line_of_business", "longer"),
        ({"呼叫方向": "内部"}, "direction", "neither"),
    ],
)
def test_wrong_cells_are_named_by_column(cells: dict[str, Cell], column: str, words: str) -> None:
    found, problems = read(**cells)
    assert found is None
    assert [p.column for p in problems] == [column]
    assert words in problems[0].problem


def test_every_problem_of_a_row_is_told() -> None:
    _, problems = read(呼叫方向="?", 满意度="9", 通话时长="?")
    assert {p.column for p in problems} == {"direction", "csat", "duration"}


def test_of_two_headings_for_one_column_the_first_that_is_filled_counts() -> None:
    assert record(班组="-", 技能组="乙", 团队="丙").team == "乙"
    assert record(通话时长="10", 时长="20").duration_ms == 10_000


def test_other_headings_are_further_data_within_bounds() -> None:
    found = record(备注="x" * 2000, 坐席姓名="王", 次数=3, **{f"c{n}": "v" for n in range(80)})
    assert found.fields["坐席姓名"] == "王"
    assert found.fields["次数"] == "3"
    assert len(found.fields["备注"]) == 1000
    assert len(found.fields) == 50
