"""One row of a list of calls as values: which headings mean what, and how times, lengths and scores are written."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from itertools import islice
from math import isfinite
from zoneinfo import ZoneInfo

from qingting.chat.times import TimeKind, parse_time
from qingting.service.tables_in import Cell, TableRow

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "call_id": (
        "call_id", "callid", "ucid", "通话编号", "通话流水号", "流水号", "通话id", "通话标识", "呼叫编号",
        "呼叫id", "录音编号", "录音流水号", "会话编号", "会话id", "来电编号",
    ),
    "agent_id": (
        "agent_id", "agentid", "agent", "staff_id", "坐席工号", "座席工号", "坐席编号", "座席编号", "坐席", "座席",
        "工号", "客服工号", "客服编号", "员工编号",
    ),
    "team": ("team", "group", "skill_group", "班组", "技能组", "团队", "小组", "组别", "坐席班组", "座席班组"),
    "line_of_business": ("line_of_business", "business_line", "lob", "业务线", "业务条线"),
    "direction": ("direction", "call_direction", "呼叫方向", "通话方向", "方向", "呼入呼出"),
    "started_at": (
        "started_at", "start_time", "started", "begin_time", "call_time", "start", "开始时间", "通话开始时间",
        "呼叫开始时间", "呼叫时间", "来电时间", "起始时间",
    ),
    "duration": (
        "duration", "duration_seconds", "duration_ms", "talk_time", "call_duration", "length", "通话时长", "时长",
        "通话时间长度", "录音时长", "呼叫时长",
    ),
    "customer_reference": (
        "customer_reference", "customer_id", "customer", "client_id", "客户编号", "客户号", "客户id", "会员编号",
        "会员号", "客户标识",
    ),
    "csat": (
        "csat", "csat_score", "satisfaction", "satisfaction_score", "满意度", "满意度评分", "满意度得分", "满意度评价",
        "客户满意度", "客户满意度评分",
    ),
}  # fmt: skip
"""Column -> its headings; case, spaces, `_`, `-` and what stands in brackets do not matter."""

_DIRECTIONS: Mapping[str, tuple[str, ...]] = {
    "inbound": ("inbound", "in", "incoming", "呼入", "来电", "进线", "入呼"),
    "outbound": ("outbound", "out", "outgoing", "呼出", "外呼", "去电", "出呼"),
}
_DIRECTION_OF = {word: direction for direction, words in _DIRECTIONS.items() for word in words}
_SATISFACTION = {
    "非常满意": 5.0, "很满意": 5.0, "十分满意": 5.0, "满意": 4.0, "比较满意": 4.0, "较满意": 4.0,
    "一般": 3.0, "基本满意": 3.0, "中立": 3.0, "不满意": 2.0, "较不满意": 2.0, "比较不满意": 2.0,
    "非常不满意": 1.0, "很不满意": 1.0, "十分不满意": 1.0,
    "very satisfied": 5.0, "satisfied": 4.0, "neutral": 3.0, "dissatisfied": 2.0, "very dissatisfied": 1.0,
}  # fmt: skip
_NOTHING = frozenset(
    ("", "-", "--", "—", "/", "无", "未知", "未评价", "未评", "未参评", "n/a", "na", "null", "none", "nan")
)
"""What exports write into empty cells."""
LENGTHS = {"call_id": 128, "agent_id": 128, "team": 128, "line_of_business": 64, "customer_reference": 256}
"""Characters that the database keeps of each."""
MAX_FIELDS = 50
"""Further columns of a call; those after them are left out."""
MAX_FIELD = 1000
"""Characters kept of each."""
LONGEST_MS = 24 * 3_600_000
_EARLIEST, _LATEST = datetime(1995, 1, 1, tzinfo=UTC), datetime(2096, 1, 1, tzinfo=UTC)
_PRECISE = 10**15
"""Excel keeps 15 digits of a number; longer ones have changed."""
_COMPACT = re.compile(r"\d{14}", re.ASCII)
_SECONDS = re.compile(r"(\d{1,7}(?:\.\d{1,6})?)\s*(?:秒|s|sec)?", re.ASCII | re.IGNORECASE)
_CLOCK = re.compile(r"(?:(\d{1,3}):)?(\d{1,3}):([0-5]?\d(?:\.\d{1,6})?)", re.ASCII)
_WORDS = re.compile(r"(?:(\d{1,3})(?:小时|时|h))?(?:(\d{1,3})(?:分钟|分|m))?(?:(\d{1,5})(?:秒|s))?", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class CallRecord:
    """What a list says of one call; empty and None mean that it says nothing."""

    row: int
    call_id: str
    line_of_business: str = ""
    agent_id: str = ""
    team: str = ""
    direction: str = ""
    started_at: datetime | None = None
    """With zone."""
    duration_ms: int | None = None
    customer_reference: str = ""
    csat: float | None = None
    """1 to 5."""
    fields: Mapping[str, str] = field(default_factory=dict)
    """Columns of other headings."""


@dataclass(frozen=True, kw_only=True)
class RowProblem:
    """Why a row was not taken; never what stands in it."""

    row: int
    column: str
    """Name of the column as the documentation has it."""
    problem: str


class _WrongCellError(ValueError):
    """A cell cannot be read; the text says why, without the value."""


def plain_heading(heading: str) -> str:
    """Reduce a heading to what tells it from others: `通话时长（秒）` and `通话 时长` are one."""
    return re.sub(r"[\s_\-:：*]+", "", re.sub(r"[(（\[【].*?[)）\]】]", "", heading)).casefold()


_COLUMN_OF = {plain_heading(heading): column for column, headings in COLUMNS.items() for heading in headings}


def column_of(heading: str) -> str:
    """Return the column that a heading means; empty for further data."""
    return _COLUMN_OF.get(plain_heading(heading), "")


class RecordReader:
    """Reads rows under given headings; where two headings mean one column, the first that is filled counts."""

    def __init__(self, headings: Sequence[str], *, zone: ZoneInfo, column: Callable[[str], str] = column_of) -> None:
        """`zone`: of times that name none."""
        self._columns = {heading: column(heading) for heading in headings}
        self._readers: Mapping[str, Callable[[Cell], object]] = {
            **{name: _text_of_at_most(length) for name, length in LENGTHS.items()},
            "direction": _direction,
            "started_at": lambda cell: moment(cell, zone),
            "csat": _satisfaction,
        }

    def read(self, row: TableRow) -> tuple[CallRecord | None, list[RowProblem]]:
        """Return the row's record, or its problems."""
        values: dict[str, object] = {}
        problems: list[RowProblem] = []
        for heading, cell in row.values.items():
            column = self._columns[heading]
            if not column or column in values or _is_nothing(cell):
                continue
            try:
                values[column] = self._value(column, heading, cell)
            except _WrongCellError as error:
                problems.append(RowProblem(row=row.number, column=column, problem=str(error)))
        if "call_id" not in values and all(problem.column != "call_id" for problem in problems):
            problems.append(RowProblem(row=row.number, column="call_id", problem="is missing"))
        if problems:
            return None, problems
        values["duration_ms"] = values.pop("duration", None)
        return CallRecord(row=row.number, fields=self._further(row), **values), []  # type: ignore[arg-type]

    def _value(self, column: str, heading: str, cell: Cell) -> object:
        return _duration(cell, _unit_ms(heading)) if column == "duration" else self._readers[column](cell)

    def _further(self, row: TableRow) -> dict[str, str]:
        further = ((h, cell) for h, cell in row.values.items() if not self._columns[h] and not _is_nothing(cell))
        return {heading: plain_text(cell)[:MAX_FIELD] for heading, cell in islice(further, MAX_FIELDS)}


def plain_text(cell: Cell) -> str:
    """Write a cell as text: whole numbers without a point, times as ISO 8601."""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    if isinstance(cell, datetime | time):
        return cell.isoformat()
    return str(cell)


def _is_nothing(cell: Cell) -> bool:
    return cell is None or (isinstance(cell, str) and cell.strip().casefold() in _NOTHING)


def _text_of_at_most(length: int) -> Callable[[Cell], str]:
    def read(cell: Cell) -> str:
        if isinstance(cell, int | float) and abs(cell) >= _PRECISE:
            raise _WrongCellError("is a number that Excel has rounded: format the column as text")
        text = plain_text(cell)
        if len(text) > length:
            raise _WrongCellError(f"is longer than {length} characters")
        return text

    return read


def _direction(cell: Cell) -> str:
    found = _DIRECTION_OF.get(plain_text(cell).casefold())
    if found is None:
        raise _WrongCellError("is neither 呼入 (inbound) nor 呼出 (outbound)")
    return found


def _satisfaction(cell: Cell) -> float:
    text = plain_text(cell).casefold()
    if text in _SATISFACTION:
        return _SATISFACTION[text]
    try:
        score = float(text.removesuffix("分").removesuffix("星"))
    except ValueError:
        score = 0.0
    if not 1 <= score <= 5:
        raise _WrongCellError("is no score from 1 to 5")
    return score


def moment(cell: Cell, zone: ZoneInfo) -> datetime:
    """Read a date with time, in a zone where it names none; raises ValueError, without the value, for anything else."""
    try:
        at = cell if isinstance(cell, datetime) else _written_moment(plain_text(cell))
        at = at if at.tzinfo is not None else at.replace(tzinfo=zone)
        if _EARLIEST <= at < _LATEST:
            return at
    except (ValueError, OverflowError):
        pass
    raise _WrongCellError("is no date with time, such as 2026-11-30 09:15:02")


def _written_moment(text: str) -> datetime:
    if _COMPACT.fullmatch(text):
        return datetime.strptime(text, "%Y%m%d%H%M%S")
    read = parse_time(text)
    if read.kind not in (TimeKind.LOCAL, TimeKind.WORLD):
        raise ValueError("no date")
    return datetime.fromisoformat(read.iso)


def _unit_ms(heading: str) -> int:
    """Milliseconds of a bare number under a heading that names its unit; seconds where it names none."""
    plain = heading.casefold()
    if "毫秒" in plain or re.search(r"(?<![a-z])ms(?![a-z])", plain):
        return 1
    return 60_000 if re.search(r"[(（\[【_ ](?:分钟|分|min|minutes)", plain) else 1000


def _duration(cell: Cell, unit_ms: int) -> int:
    milliseconds = _duration_ms(cell, unit_ms)
    if milliseconds is None or not 0 <= milliseconds <= LONGEST_MS:
        raise _WrongCellError("is no length such as 185, 3:05 or 0:03:05, of at most 24 hours")
    return round(milliseconds)


def _duration_ms(cell: Cell, unit_ms: int) -> float | None:
    if isinstance(cell, timedelta):
        return cell.total_seconds() * 1000
    if isinstance(cell, time):
        return ((cell.hour * 60 + cell.minute) * 60 + cell.second) * 1000 + cell.microsecond / 1000
    if isinstance(cell, int | float):
        return cell * unit_ms if isfinite(cell) else None
    text = plain_text(cell).strip().replace("：", ":")
    if number := _SECONDS.fullmatch(text):
        return float(number[1]) * (unit_ms if number[0] == number[1] else 1000)
    parts = _CLOCK.fullmatch(text) or (_WORDS.fullmatch(text) if text else None)
    if parts is None:
        return None
    hours, minutes, seconds = (float(part or 0) for part in parts.groups())
    return ((hours * 60 + minutes) * 60 + seconds) * 1000
