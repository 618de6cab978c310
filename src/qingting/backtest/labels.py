"""Reviewed verdicts: for calls and rules (or places in calls) whether a finding there is right.

CSV with a header row, or JSON lines (`.jsonl`), with these columns or fields:

- `call_id`, `rule_id` (an id without a dot is a custom rule's), `verdict`: yes or no;
- `utterance` (index from 0) or `at_ms` (call time): the place; without either the verdict is about the whole call.

A table of changed verdicts (`--csv`) whose column 复核 people have filled in is a label file as it
is: rows without a verdict are skipped. JSON lines may be a case library (qingting.report.case_file),
whose other fields are not needed here.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qingting.errors import InputError
from qingting.report.case_file import CASE_FIELDS, json_lines

if TYPE_CHECKING:
    from pathlib import Path

    from qingting.model.finding import Evidence, Finding

TOLERANCE_MS = 2000
"""How far a finding may lie from a labelled time: people note times by ear."""
_VERDICTS = {
    **dict.fromkeys(("yes", "true", "1", "是", "成立", "confirmed"), True),
    **dict.fromkeys(("no", "false", "0", "否", "不成立", "rejected"), False),
}
_NEEDED = ("call_id", "rule_id", "verdict")
_KNOWN = {*_NEEDED, "utterance", "at_ms", "note"}
TABLE_NAMES = {"通话编号": "call_id", "规则": "rule_id", "复核": "verdict", "开始（毫秒）": "at_ms"}
"""Columns of the table of changed verdicts that a label needs."""
_REMEDY = "Write call_id, rule_id and verdict (yes or no), and utterance or at_ms for a place in the call."


@dataclass(frozen=True, kw_only=True)
class Label:
    """One reviewed verdict."""

    call_id: str
    rule_id: str
    right: bool
    """Whether a finding there is right."""
    utterance: int | None = None
    at_ms: int | None = None
    """The place; without it and `utterance`, the call as a whole."""

    @property
    def place(self) -> tuple[str, str, int | None, int | None]:
        """What the verdict is about."""
        return (self.call_id, self.rule_id, self.utterance, self.at_ms)

    def meets(self, finding: Finding) -> bool:
        """Whether the verdict is about this finding."""
        if finding.rule_id != self.rule_id:
            return False
        if self.utterance is None and self.at_ms is None:
            return True
        return any(self._covers(place) for place in finding.evidence)

    def _covers(self, place: Evidence) -> bool:
        # An utterance says more than a time: neighbours may be close.
        if self.utterance is not None and place.utterance is not None:
            return place.utterance == self.utterance
        return self.at_ms is not None and place.start_ms - TOLERANCE_MS <= self.at_ms < place.end_ms + TOLERANCE_MS


class Labels:
    """All reviewed verdicts, by call."""

    def __init__(self, labels: Iterable[Label] = ()) -> None:
        self.by_call: dict[str, list[Label]] = {}
        for label in labels:
            self.by_call.setdefault(label.call_id, []).append(label)

    def of(self, call_id: str) -> list[Label]:
        """Verdicts about one call."""
        return self.by_call.get(call_id, [])

    def __len__(self) -> int:
        return sum(len(labels) for labels in self.by_call.values())


def read_labels(path: Path) -> Labels:
    """Read a label file; `.csv` is read as CSV (UTF-8 or GB18030), all others as JSON lines.

    A verdict that stands twice counts once. JSON lines are a log of reviews: the later verdict on a
    place replaces the earlier one; in a table two that contradict each other are an error. Raises
    InputError naming file, line and field, never the content.
    """
    is_table = path.suffix.lower() == ".csv"
    rows = _csv_rows(path) if is_table else json_lines(path)
    known: dict[tuple[str, str, int | None, int | None], tuple[Label, str]] = {}
    for place, row in rows:
        label = _label(row, place)
        before, where = known.get(label.place, (label, place))
        if is_table and before.right is not label.right:
            raise InputError(f"{place}: verdict: contradicts {where}", remedy="Keep the right one of the two.")
        known[label.place] = (label, place)
    if not known:
        raise InputError(f"{path.name} holds no labels", remedy=_REMEDY)
    return Labels(label for label, _ in known.values())


def _csv_rows(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path.name} cannot be read: {type(error).__name__}", remedy="Check the path.") from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        # Excel on a Chinese desktop saves CSV in the system's encoding.
        text = data.decode("gb18030", errors="replace")
    rows = csv.DictReader(io.StringIO(text, newline=""))
    try:
        is_table = "复核" in (rows.fieldnames or ())
        columns = [TABLE_NAMES.get(name, name) for name in rows.fieldnames or ()]
        missing = [name for name in _NEEDED if name not in columns]
        if missing:
            raise InputError(f"{path.name}, line 1: {missing[0]}: the column is missing", remedy=_REMEDY)
        for row in rows:
            place = f"{path.name}, line {rows.line_num}"
            if None in row:
                raise InputError(f"{place}: has more cells than the header", remedy="Quote cells with commas.")
            if not is_table:
                if any(row.values()):
                    yield place, row
            elif row["复核"]:
                yield place, {TABLE_NAMES[name]: _unguarded(row[name]) for name in TABLE_NAMES if name in row}
    except csv.Error as error:
        raise InputError(f"{path.name}, line {rows.line_num}: is no CSV: {error}", remedy=_REMEDY) from None


def _unguarded(cell: str) -> str:
    """Undo the apostrophe that keeps spreadsheets from running a cell as a formula."""
    return cell.removeprefix("'") if cell else ""


def _label(row: Mapping[str, Any], place: str) -> Label:
    if row.keys() - _KNOWN - CASE_FIELDS:
        raise InputError(f"{place}: a field has no known name", remedy=f"Known are {', '.join(sorted(_KNOWN))}.")
    call_id, rule_id, verdict = (_word(row, name, place) for name in _NEEDED)
    if verdict.lower() not in _VERDICTS:
        raise InputError(f"{place}: verdict: must be yes or no", remedy=_REMEDY)
    return Label(
        call_id=call_id,
        rule_id=rule_id if "." in rule_id else f"custom_rules.{rule_id}",
        right=_VERDICTS[verdict.lower()],
        utterance=_number(row, "utterance", place),
        at_ms=_number(row, "at_ms", place),
    )


def _word(row: Mapping[str, Any], name: str, place: str) -> str:
    value = row.get(name)
    if isinstance(value, bool | int):
        value = str(value)
    if not isinstance(value, str) or not value.strip():
        raise InputError(f"{place}: {name}: is required", remedy=_REMEDY)
    return value.strip()


def _number(row: Mapping[str, Any], name: str, place: str) -> int | None:
    value = row.get(name)
    if value is None or value == "":
        return None
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdecimal():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise InputError(f"{place}: {name}: must be a whole number from 0", remedy=_REMEDY)
    return value
