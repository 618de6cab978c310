"""One action in the knowledge base as a row or line of a file gives it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from qingting.analysis.desktop_events import parse_desktop_events
from qingting.errors import InvalidRequestError, ScriptError
from qingting.model.call import CallInfo
from qingting.service import call_data
from qingting.service.call_record_rows import COLUMNS, RowProblem, moment, plain_heading, plain_text
from qingting.service.tables_in import Cell, TableRow

if TYPE_CHECKING:
    from qingting.model.call import DesktopEvent

HEADINGS: Mapping[str, tuple[str, ...]] = {
    "call_id": COLUMNS["call_id"],
    "agent_id": COLUMNS["agent_id"],
    "time": ("time", "at", "timestamp", "event_time", "时间", "操作时间", "发生时间"),
    "at_ms": ("at_ms",),
    "kind": ("kind", "action", "event", "type", "动作", "操作", "操作类型", "行为"),
    "query": ("query", "keyword", "search", "检索词", "搜索词", "关键词", "查询内容"),
    "results": ("results", "result_count", "结果数", "结果条数", "命中数"),
    "article": ("article", "article_id", "文章编号", "知识编号", "文档编号"),
    "title": ("title", "article_title", "文章标题", "知识标题", "标题"),
    "text": ("text", "content", "正文", "内容", "文章内容"),
}
"""Field of an action -> headings of its column, or names in a JSON object."""

_FIELD_OF = {plain_heading(heading): name for name, headings in HEADINGS.items() for heading in headings}
_NUMBERS = ("at_ms", "results")
_SOURCE = "row"
_LATEST_SECOND = 1e8
"""Larger numbers are dates in seconds or milliseconds since 1970."""


@dataclass(frozen=True, kw_only=True)
class DesktopRow:
    """One action, and whose it is."""

    row: int
    call_id: str
    """Empty where only agent and time are told."""
    agent_id: str
    at_ms: int | None
    """Since 1970; None for an action in call time."""
    line: str
    """As qingting.analysis.desktop_events reads it."""

    def in_call(self, started_at: str) -> tuple[DesktopEvent | None, RowProblem | None]:
        """Return the action in the time of a call that began then, or why it cannot be told."""
        if self.at_ms is not None and not started_at:
            problem = "the start of the call is not known: import its record or recording first"
            return None, RowProblem(row=self.row, column="time", problem=problem)
        try:
            (event,) = parse_desktop_events(self.line, source=_SOURCE, started_at=started_at)
        except ScriptError as error:
            return None, _problem(self.row, error)
        return event, None


class DesktopRowReader:
    """Reads rows and lines of actions."""

    def __init__(self, zone: ZoneInfo) -> None:
        """`zone`: of times that name none."""
        self._zone = zone

    @staticmethod
    def is_heading(headings: Sequence[str]) -> bool:
        """Whether a row names the columns that an action needs."""
        named = {_FIELD_OF.get(plain_heading(heading), "") for heading in headings}
        return "kind" in named and bool(named & {"call_id", "agent_id"}) and bool(named & {"time", "at_ms"})

    def read(self, row: TableRow) -> tuple[DesktopRow | None, RowProblem | None]:
        """Return the row's action, checked as far as it can be without its call; or its problem."""
        plain = _by_field(row.values)
        try:
            call_id, agent_id = plain_text(plain.pop("call_id", "")), plain_text(plain.pop("agent_id", ""))
            call_data.check_texts(CallInfo(call_id=call_id or "by agent and time", agent_id=agent_id))
        except InvalidRequestError as error:
            words = error.cause.removeprefix(f"{error.field} ").rstrip(".")
            return None, RowProblem(row=row.number, column=error.field.removeprefix("call."), problem=words)
        at = None
        if "at_ms" not in plain and not _is_second(plain.get("time")):
            try:
                at = moment(plain.get("time"), self._zone)
            except ValueError as error:
                return None, RowProblem(row=row.number, column="time", problem=str(error))
            plain["time"] = at.isoformat()
        if not call_id and (not agent_id or at is None):
            problem = "is missing, and so is the agent with a date and time"
            return None, RowProblem(row=row.number, column="call_id", problem=problem)
        return _checked(row.number, call_id, agent_id, at, plain)


def _checked(
    number: int, call_id: str, agent_id: str, at: datetime | None, plain: Mapping[str, Cell]
) -> tuple[DesktopRow | None, RowProblem | None]:
    line = json.dumps(dict(plain), ensure_ascii=False)
    at_ms = None if at is None else round(at.timestamp() * 1000)
    found = DesktopRow(row=number, call_id=call_id, agent_id=agent_id, at_ms=at_ms, line=line)
    # What is wrong besides its place in the call is told whether or not the call is known.
    _, problem = found.in_call("" if at is None else at.isoformat())
    return (found, None) if problem is None else (None, problem)


def _by_field(values: Mapping[str, Cell]) -> dict[str, Cell]:
    found: dict[str, Cell] = {}
    for heading, cell in values.items():
        name = _FIELD_OF.get(plain_heading(heading), "")
        if name and name not in found and cell is not None and cell != "":
            found[name] = _number(cell) if name in _NUMBERS else cell if name == "time" else plain_text(cell)
    return found


def _number(cell: Cell) -> Cell:
    """Whole numbers stand in CSV as text."""
    try:
        return int(plain_text(cell))
    except ValueError:
        return plain_text(cell)


def _is_second(time: Cell) -> bool:
    return isinstance(time, int | float) and not isinstance(time, bool) and abs(time) < _LATEST_SECOND


def _problem(row: int, error: ScriptError) -> RowProblem:
    """`row, line 1: kind: must be one of …` as column and problem."""
    words = error.cause.removeprefix(f"{_SOURCE}, line 1: ")
    column, colon, problem = words.partition(": ")
    if colon and column in HEADINGS:
        return RowProblem(row=row, column=column, problem=problem)
    return RowProblem(row=row, column="", problem=words)
