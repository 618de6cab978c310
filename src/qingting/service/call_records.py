"""Takes in lists of all calls, so that it is known how many of them were inspected, and the customers' scores.

A list may come before the recordings or after them, several times, and twice at once: a row that says
nothing new changes nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qingting.analysis.packs import FOLDER, load_pack
from qingting.errors import AccessDeniedError, InvalidRequestError, PackError, StorageError, StorageUnavailableError
from qingting.model.account import Permission
from qingting.model.call import CallInfo
from qingting.service import auditing, call_data
from qingting.service.call_record_rows import CallRecord, RecordReader, RowProblem, column_of, plain_heading
from qingting.service.contributions import book_calls
from qingting.service.documents import call_from_plain
from qingting.service.tables_in import open_table
from qingting.storage import call_records
from qingting.storage.calls import CallRow, CallState

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from qingting.model.account import Actor
    from qingting.service.center import Service

log = logging.getLogger(__name__)

AT_ONCE = 1000
"""Rows of one transaction: other writers wait for it some tenths of a second at most."""
MOST_PROBLEMS = 1000
"""Problems that are listed; the others are counted."""
_ATTEMPTS = 3
_SCORE_HEADINGS = frozenset(plain_heading(one) for one in ("score", "rating", "评分", "得分", "客户评价", "评价"))
"""In a list of scores these can mean nothing else."""


@dataclass(kw_only=True)
class ImportResult:
    """What became of the rows of a list."""

    added: int = 0
    """Calls that were not known before."""
    changed: int = 0
    unchanged: int = 0
    """Rows that said nothing new."""
    refused: int = 0
    """Rows that were not taken."""
    problems: list[RowProblem] = field(default_factory=list)
    """Why, in the order of the rows; at most MOST_PROBLEMS."""
    problem_count: int = 0
    """All problems, also those that are not listed."""

    def refuse(self, problems: Sequence[RowProblem]) -> None:
        """Count a row that is not taken."""
        self.refused += 1
        self.problem_count += len(problems)
        self.problems += problems[: MOST_PROBLEMS - len(self.problems)]

    def refuse_each(self, rows: Iterable[int], column: str, problem: str) -> None:
        """Count rows that are not taken for one reason."""
        for row in rows:
            self.refuse([RowProblem(row=row, column=column, problem=problem)])


def import_calls(service: Service, actor: Actor, path: Path, *, address: str = "") -> ImportResult:
    """Take in a list of calls (CSV or workbook); docs/how-to/call-records.md lists its columns.

    Raises AccessDeniedError, UnsupportedUploadError, UploadTooLargeError, InvalidRequestError (no table, no
    column of call ids), StorageError: the rows before it are taken, the same list may be sent again.
    """
    return _import(service, actor, path, column_of, what="call_records", address=address)


def import_scores(service: Service, actor: Actor, path: Path, *, address: str = "") -> ImportResult:
    """Take in the customers' scores: a list of call id and score, other columns are ignored; else as import_calls."""
    return _import(service, actor, path, _score_column, what="csat", address=address)


def _score_column(heading: str) -> str:
    if plain_heading(heading) in _SCORE_HEADINGS:
        return "csat"
    found = column_of(heading)
    return found if found in ("call_id", "csat") else ""


def _import(
    service: Service, actor: Actor, path: Path, column: Callable[[str], str], *, what: str, address: str
) -> ImportResult:
    if not actor.may(Permission.CALLS_SUBMIT):
        raise AccessDeniedError("The role or the key's scopes do not allow this.")
    needed = {"call_id", "csat"} if what == "csat" else {"call_id"}
    importer = _Importer(service, actor)
    try:
        with open_table(path, lambda headings: needed <= {column(heading) for heading in headings}) as table:
            reader = RecordReader(table.headings, zone=service.zone, column=column)
            for row in table.rows:
                record, problems = reader.read(row)
                if record is None:
                    importer.result.refuse(problems)
                else:
                    importer.take(record if what == "call_records" else _score_only(record))
        importer.flush()
    finally:
        note_import(service, actor, what, importer.result, address=address)
    result = importer.result
    result.problems.sort(key=lambda problem: problem.row)
    log.info("%s: %d added, %d changed, %d refused", what, result.added, result.changed, result.refused)
    return result


def _score_only(record: CallRecord) -> CallRecord:
    return CallRecord(row=record.row, call_id=record.call_id, csat=record.csat)


def note_import(service: Service, actor: Actor, what: str, result: ImportResult, *, address: str) -> None:
    """Write a list that was taken in, as far as it was, into the audit log."""
    counts = {name: getattr(result, name) for name in ("added", "changed", "unchanged", "refused")}
    # When the import broke off because the database is away, its own error tells more than this one.
    with suppress(StorageError):
        auditing.record_now(
            service,
            actor=actor,
            action=auditing.Action.CALLS_IMPORTED,
            object_kind=what,
            address=address,
            detail=counts,
        )


class _Importer:
    """Collects records and writes them in transactions of AT_ONCE."""

    def __init__(self, service: Service, actor: Actor) -> None:
        self._service = service
        self._actor = actor
        self._waiting: dict[str, CallRecord] = {}
        self.result = ImportResult()

    def take(self, record: CallRecord) -> None:
        """Take one record; a call that comes twice is completed by its second row."""
        if record.call_id in self._waiting or len(self._waiting) == AT_ONCE:
            self.flush()
        checked, problem = self._checked(record)
        if problem is None:
            self._waiting[record.call_id] = checked
        else:
            self.result.refuse([problem])

    def flush(self) -> None:
        """Write what waits."""
        records, self._waiting = self._waiting, {}
        if not records:
            return
        with self._service.database.read() as connection:
            known = call_records.known(connection, list(records))
        new_or_changed = {
            call_id: record
            for call_id, record in records.items()
            if call_id not in known or _changes(self._service, known[call_id], record)
        }
        self.result.unchanged += len(records) - len(new_or_changed)
        if new_or_changed:
            self._write(new_or_changed)

    def _write(self, records: Mapping[str, CallRecord]) -> None:
        for attempt in range(1, _ATTEMPTS + 1):
            outcome = ImportResult()
            try:
                with self._service.database.write() as connection:
                    self._write_within(connection, records, outcome)
                break
            except StorageUnavailableError:
                # PostgreSQL ends one of two writers that wait for each other.
                if attempt == _ATTEMPTS:
                    raise
        for name in ("added", "changed", "unchanged"):
            setattr(self.result, name, getattr(self.result, name) + getattr(outcome, name))
        for problem in outcome.problems:
            self.result.refuse([problem])

    def _write_within(self, connection: Connection, records: Mapping[str, CallRecord], outcome: ImportResult) -> None:
        known = call_records.known(connection, list(records), lock=True)
        new = []
        for call_id, record in records.items():
            if call_id in known:
                continue
            if self._reaches(record):
                new.append(self._new(record))
            else:
                outcome.refuse([RowProblem(row=record.row, column="team", problem="is none of the key's")])
        added = call_records.add_missing(connection, new)
        outcome.added = len(added)
        lost = [row["call_id"] for row in new if row["call_id"] not in added]
        known |= call_records.known(connection, lost, lock=True) if lost else {}
        pairs = self._change(connection, known, records, outcome)
        book_calls(self._service, connection, [*((None, call) for call in added.values()), *pairs])

    def _new(self, record: CallRecord) -> dict[str, Any]:
        now = self._service.clock()
        call = _merged(CallInfo(call_id=record.call_id), record, inspected=False)
        return {
            **call_data.columns(self._service, call, now_ms=now),
            "call_id": record.call_id,
            "csat": record.csat,
            "duration_ms": record.duration_ms,
            "source": "import",
            "created_ms": now,
            "state": CallState.KNOWN.value,
        }

    def _change(
        self,
        connection: Connection,
        known: Mapping[str, CallRow],
        records: Mapping[str, CallRecord],
        outcome: ImportResult,
    ) -> list[tuple[CallRow, CallRow]]:
        changes: dict[int, Mapping[str, Any]] = {}
        pairs = []
        for call_id, before in known.items():
            columns = _changes(self._service, before, records[call_id])
            after = replace(before, **columns)
            if not columns:
                outcome.unchanged += 1
            elif not self._reaches(before) or not self._reaches(after):
                problem = "is known already, and the call is not the key's to change"
                outcome.refuse([RowProblem(row=records[call_id].row, column="call_id", problem=problem)])
            else:
                outcome.changed += 1
                changes[before.id] = columns
                pairs.append((before, after))
        call_records.change(connection, changes)
        for before, after in pairs:
            if before.report_id is not None:
                call_records.follow(connection, after)
        return pairs

    def _reaches(self, call: CallRow | CallRecord) -> bool:
        return self._actor.reach.covers(agent_id=call.agent_id, team=call.team)

    def _checked(self, record: CallRecord) -> tuple[CallRecord, RowProblem | None]:
        """Name the line of business by its id, and refuse what no call may be called."""

        def problem(column: str, words: str) -> RowProblem:
            return RowProblem(row=record.row, column=column, problem=words)

        if record.line_of_business and record.line_of_business not in self._lines:
            known = ", ".join(sorted(set(self._lines.values())))
            return record, problem("line_of_business", f"is none of this installation's: {known}")
        record = replace(record, line_of_business=self._lines.get(record.line_of_business, ""))
        try:
            call_data.check_texts(_merged(CallInfo(call_id=record.call_id), record, inspected=False))
        except InvalidRequestError as error:
            column = error.field.removeprefix("call.") or "fields"
            words = error.cause.removeprefix(f"{error.field} ").rstrip(".")
            return record, problem(column, words)
        if record.team and not self._reaches(record):
            return record, problem("team", "is none of the key's")
        return record, None

    @cached_property
    def _lines(self) -> dict[str, str]:
        """Ids and Chinese names of the lines of business (`电商客服`, `电商`) -> ids."""
        ids = call_data.known_lines(self._service)
        names: dict[str, str] = {}
        for line in ids:
            with suppress(PackError):
                name = load_pack(line, folder=self._service.settings.pack_folder or FOLDER).name
                names |= {name.removesuffix("客服").removesuffix("服务"): line, name: line}
        return {**names, **{line: line for line in ids}}


def _changes(service: Service, known: CallRow, record: CallRecord) -> dict[str, Any]:
    """Columns of a known call that a record changes, all that may; nothing when it says nothing new."""
    before = call_from_plain(known.info)
    call = _merged(before, record, inspected=known.report_id is not None)
    columns = call_data.columns(service, call, now_ms=known.started_ms) if call != before else {}
    csat = known.csat if record.csat is None else record.csat
    # What was measured on the recording is more exact than what was written down.
    keeps = record.duration_ms is None or known.report_id is not None
    duration_ms = known.duration_ms if keeps else record.duration_ms
    if not columns and (csat, duration_ms) == (known.csat, known.duration_ms):
        return {}
    unchanged = call_data.columns(service, before, now_ms=known.started_ms)
    return {**(columns or unchanged), "csat": csat, "duration_ms": duration_ms}


def _merged(call: CallInfo, record: CallRecord, *, inspected: bool) -> CallInfo:
    """A call with what a record says of it; the line of business that was inspected stays."""
    said = {
        name: value
        for name in ("agent_id", "team", "direction", "customer_reference", "line_of_business")
        if (value := getattr(record, name)) and not (inspected and name == "line_of_business")
    }
    if record.started_at is not None and not _same_moment(call.started_at, record.started_at):
        said["started_at"] = record.started_at.isoformat()
    fields = dict(list({**call.fields, **record.fields}.items())[: call_data.MAX_FIELDS])
    return replace(call, **said, fields=fields)


def _same_moment(written: str, at: datetime) -> bool:
    return bool(written) and call_data.started_ms(written) == round(at.timestamp() * 1000)
