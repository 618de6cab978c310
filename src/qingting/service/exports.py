"""Tables of many calls, findings or figures at once: streamed, within reach, masked, on record."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from qingting.errors import ReportError
from qingting.model.account import Permission
from qingting.privacy.masking import Masker
from qingting.privacy.report_masking import mask_report
from qingting.report.formats import table
from qingting.report.formats.json import to_plain
from qingting.service import auditing, figures
from qingting.service.archive import load_report
from qingting.service.auditing import Action
from qingting.service.export_rows import (
    CALL_COLUMNS,
    FINDING_COLUMNS,
    call_row,
    call_values,
    figure_columns,
    figure_row,
    finding_row,
    finding_values,
)
from qingting.service.figures import Dimension, Wanted
from qingting.service.reading import require
from qingting.storage import calls, exporting, measures
from qingting.storage.calls import CallFilter, CallRow

if TYPE_CHECKING:
    from qingting.model.account import Actor
    from qingting.model.report import Report
    from qingting.report.formats.table import Cell
    from qingting.service.center import Service
    from qingting.service.figure_formulas import Figures
    from qingting.storage.reports import FindingRow

log = logging.getLogger(__name__)

PAGE = 500
"""Calls that are read at once; each page has a transaction of its own, so that slow readers hold none."""


class Form(StrEnum):
    """How an export is written."""

    CSV = "csv"
    """UTF-8 with byte order mark, CRLF; texts that a spreadsheet would run are made harmless."""
    XLSX = "xlsx"
    """Excel; texts stay texts."""
    JSONL = "jsonl"
    """One JSON object a line."""

    @property
    def media_type(self) -> str:
        """For HTTP."""
        return {
            "csv": "text/csv; charset=utf-8",
            "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            "jsonl": "application/x-ndjson",
        }[self.value]


@dataclass(frozen=True, kw_only=True)
class Export:
    """A file on its way."""

    name: str
    """Suggested file name."""
    media_type: str
    parts: Iterator[bytes]


def export_calls(service: Service, actor: Actor, wanted: CallFilter, form: Form, *, address: str = "") -> Export:
    """Calls within reach, newest first; as JSON lines each with its whole report, masked.

    Raises AccessDeniedError, StorageError.
    """
    _open(service, actor, "calls", form, wanted, address)
    pages = _pages(service, actor, wanted)
    if form is Form.JSONL:
        masked = _masking(service)
        lines = ({"call": call_values(call, masked), "report": _report(service, call, masked)} for call in pages)
        return _export("calls", form, _json_lines(lines))
    masker, reason = _masking(service), _reasons(service)
    rows = (
        call_row(call, masker, started=service.local(call.started_ms), reason=reason(call.reason)) for call in pages
    )
    return _export("calls", form, _table(form, "通话", CALL_COLUMNS, rows))


def export_findings(
    service: Service, actor: Actor, wanted: CallFilter, form: Form, *, words: bool = False, address: str = ""
) -> Export:
    """Findings of calls within reach; `words` adds quotes, explanations and advice, masked, and takes far longer.

    Raises AccessDeniedError, StorageError.
    """
    _open(service, actor, "findings", form, wanted, address, words=words)
    pages = _pages(service, actor, wanted)
    if words:
        masked = _masking(service)
        reports = (report for call in pages if (report := _masked_report(service, call, masked)) is not None)
        if form is Form.JSONL:
            return _export("findings", form, _json_lines(_finding_objects(reports)))
        rows: Iterable[Sequence[Cell]] = (row for report in reports for row in table.finding_rows(report))
        return _export("findings", form, _table(form, "问题", table.FINDING_COLUMNS, rows))
    found = _findings(service, pages)
    if form is Form.JSONL:
        return _export("findings", form, _json_lines(finding_values(finding) for finding in found))
    rows = map(finding_row, found)
    return _export("findings", form, _table(form, "问题", FINDING_COLUMNS, rows))


def export_measures(
    service: Service, actor: Actor, wanted: Wanted, by: Dimension | None, form: Form, *, address: str = ""
) -> Export:
    """Figures by day (`by` is None), agent, team …; raises AccessDeniedError, InvalidRequestError, StorageError."""
    require(actor, Permission.EXPORT)
    rows = _measures(service, actor, wanted, by)
    detail = {"what": "measures", "form": form.value, "by": by.value if by else "day"}
    auditing.record_now(service, actor=actor, action=Action.EXPORTED, address=address, detail=detail)
    if form is Form.JSONL:
        lines = ({"key": key, "label": label, "figures": vars(found)} for key, label, found in rows)
        return _export("measures", form, _json_lines(lines))
    return _export("measures", form, _table(form, "指标", figure_columns(by), (figure_row(*row) for row in rows)))


def _open(
    service: Service, actor: Actor, what: str, form: Form, wanted: CallFilter, address: str, **more: bool
) -> None:
    """Check the permission and write the line of the audit log, before anything is given away."""
    require(actor, Permission.EXPORT)
    used = [field.name for field in fields(wanted) if getattr(wanted, field.name) not in (None, "")]
    # Which filters, not their values: a customer's reference may be a telephone number.
    detail = {"what": what, "form": form.value, "filters": used, **more}
    auditing.record_now(service, actor=actor, action=Action.EXPORTED, address=address, detail=detail)


def _export(what: str, form: Form, parts: Iterator[bytes]) -> Export:
    return Export(name=f"{what}.{form.value}", media_type=form.media_type, parts=parts)


def _table(form: Form, title: str, columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Iterator[bytes]:
    if form is Form.CSV:
        return table.csv_parts(columns, rows)
    from qingting.service._workbook_writing import workbook_parts

    return workbook_parts(title, columns, rows)


def _json_lines(objects: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
    return (json.dumps(one, ensure_ascii=False, allow_nan=False).encode() + b"\n" for one in objects)


def _pages(service: Service, actor: Actor, wanted: CallFilter) -> Iterator[CallRow]:
    after = ""
    while True:
        with service.database.read() as connection:
            page = calls.page(connection, reach=actor.reach, wanted=wanted, limit=PAGE, after=after)
        yield from page.items
        if not page.next_key:
            return
        after = page.next_key


def _masking(service: Service) -> Masker:
    return Masker(service.settings.privacy.mask, service.settings.privacy.names)


def _masked_report(service: Service, call: CallRow, masker: Masker) -> Report | None:
    if call.report_id is None:
        return None
    try:
        with service.database.read() as connection:
            report = load_report(connection, call.id)
    except ReportError:
        # One damaged report must not end a download of many.
        log.warning("a stored report cannot be read and is left out of an export")
        return None
    return None if report is None else mask_report(report, masker)


def _report(service: Service, call: CallRow, masker: Masker) -> dict[str, Any] | None:
    report = _masked_report(service, call, masker)
    return None if report is None else to_plain(report)


def _reasons(service: Service) -> Callable[[str], str]:
    """Chinese names of contact reasons, looked up as they come."""
    known: dict[str, str] = {"": ""}

    def name(reason: str) -> str:
        if reason not in known:
            rule_id = f"contact_reason.{reason}"
            with service.database.read() as connection:
                title, _ = measures.titles(connection, [rule_id]).get(rule_id, (reason, ""))
            known[reason] = title.removeprefix("来电原因：")
        return known[reason]

    return name


def _findings(service: Service, found: Iterator[CallRow]) -> Iterator[FindingRow]:
    """Findings of the calls, some hundred calls at a time."""
    while numbers := [call.id for call, _ in zip(found, range(PAGE), strict=False)]:
        with service.database.read() as connection:
            rows = exporting.findings_of_calls(connection, numbers)
        yield from rows


def _finding_objects(reports: Iterable[Report]) -> Iterator[dict[str, Any]]:
    for report in reports:
        call = {"call_id": report.call.call_id, "agent_id": report.call.agent_id, "team": report.call.team}
        for finding in to_plain(report)["findings"]:
            yield {**call, "finding": finding}


def _measures(service: Service, actor: Actor, wanted: Wanted, by: Dimension | None) -> list[tuple[str, str, Figures]]:
    if by is None:
        _, days = figures.trend(service, actor, wanted)
        return [(day.isoformat(), day.isoformat(), found) for day, found in days]
    _, rows = figures.compare(service, actor, wanted, by)
    return [(row.key, row.label, row.figures) for row in rows]
