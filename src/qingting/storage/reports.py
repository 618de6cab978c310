"""Transcripts, reports and findings: what was heard, and what was said of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Connection, Row, Select, bindparam, delete, select, update

from qingting.errors import NotFoundError
from qingting.model.account import Reach
from qingting.model.finding import Finding
from qingting.storage.calls import CallRow
from qingting.storage.statements import (
    Page,
    add_new,
    add_rows,
    after_day_key,
    change_rows,
    day_key,
    newest_day_first,
    within,
)
from qingting.storage.tables import calls, findings, reports, transcripts

_NUMBER: BindParameter[int] = bindparam("number")
"""Of a call."""
_ID: BindParameter[str] = bindparam("id")
_LATEST = (reports.c.call == _NUMBER, reports.c.latest)
_TRANSCRIPT = select(transcripts).where(transcripts.c.id == _ID)
_TRANSCRIPT_OF_JOB = select(transcripts).where(transcripts.c.job_id == _ID)
_TRANSCRIPT_REPORTED = (
    select(transcripts).join(reports, reports.c.transcript_id == transcripts.c.id).where(*_LATEST).limit(1)
)
_TRANSCRIPT_HEARD = select(transcripts).where(transcripts.c.call == _NUMBER).order_by(transcripts.c.id.desc()).limit(1)
_REPORT = select(reports).where(reports.c.id == _ID)
_REPORT_OF_JOB = select(reports).where(reports.c.job_id == _ID)
_REPORT_LATEST = select(reports).where(*_LATEST).limit(1)
_SUPERSEDE = update(reports).where(*_LATEST).values(latest=False)
_UNLIST_FINDINGS = delete(findings).where(
    findings.c.report_id.in_(select(reports.c.id).where(reports.c.call == _NUMBER))
)


@dataclass(frozen=True, kw_only=True)
class TranscriptRow:
    """A call's words as one job heard them."""

    id: str
    call: int
    """The call's number."""
    job_id: str
    created_ms: int
    """When they were heard: words corrected later keep the time of the first hearing."""
    engine: str
    duration_ms: int
    document: bytes
    """See qingting.service.documents."""


@dataclass(frozen=True, kw_only=True)
class ReportRow:
    """A report; its words stand in the transcript."""

    id: str
    call: int
    """The call's number."""
    job_id: str
    transcript_id: str
    created_ms: int
    latest: bool
    """Whether it is the call's newest."""
    pack: str
    card: str
    score: float | None
    """None when the call could not be scored."""
    grade: str
    sha256: str
    """The report's seal."""
    document: bytes
    contributions: bytes
    """What it added to the measures."""


@dataclass(frozen=True, kw_only=True)
class ReportNote:
    """A report in the history of its call."""

    id: str
    job_id: str
    created_ms: int
    latest: bool
    pack: str
    card: str
    score: float | None
    grade: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class FindingRow:
    """A finding as listed; its words and evidence stand in the report."""

    id: int
    report_id: str
    call: int
    """The call's number."""
    call_id: str
    finding_id: str
    rule_id: str
    rule_version: str
    dimension: str
    title: str
    level: int
    polarity: str
    standing: str
    who: str
    points: float
    confidence: float
    start_ms: int
    day: int
    """Of the call."""
    agent_id: str
    team: str


@dataclass(frozen=True, kw_only=True)
class FindingFilter:
    """Which findings a list shows; empty fields do not restrict."""

    from_day: int | None = None
    to_day: int | None = None
    rule_id: str = ""
    dimension: str = ""
    level: int | None = None
    polarity: str = ""
    standing: str = ""
    agent_id: str = ""
    team: str = ""
    line_of_business: str = ""


def save_transcript(connection: Connection, row: TranscriptRow) -> str:
    """Insert a transcript; returns its id, or that of the one which the job has already."""
    if add_new(connection, transcripts, vars(row), unique=("job_id",)):
        return row.id
    query = select(transcripts.c.id).where(transcripts.c.job_id == row.job_id)
    return str(connection.execute(query).scalar_one())


def transcript_of_job(connection: Connection, job_id: str) -> TranscriptRow | None:
    """Return the words that a job heard; None before it did."""
    return _transcript(connection, _TRANSCRIPT_OF_JOB, id=job_id)


def latest_transcript(connection: Connection, call_number: int) -> TranscriptRow | None:
    """Return the words of the call's latest report, or those heard last when none is reported."""
    reported = _transcript(connection, _TRANSCRIPT_REPORTED, number=call_number)
    return reported or _transcript(connection, _TRANSCRIPT_HEARD, number=call_number)


def get_transcript(connection: Connection, transcript_id: str) -> TranscriptRow:
    """Return a transcript; raises NotFoundError."""
    found = _transcript(connection, _TRANSCRIPT, id=transcript_id)
    if found is None:
        raise NotFoundError("No such transcript.")
    return found


def correct_transcript(connection: Connection, transcript_id: str, document: bytes) -> None:
    """Write a transcript's words anew."""
    change_rows(connection, transcripts, {"id": transcript_id}, {"document": document})


def transcripts_before(connection: Connection, at_ms: int, limit: int) -> list[tuple[str, int]]:
    """Return id and call number of transcripts heard before a time."""
    query = select(transcripts.c.id, transcripts.c.call).where(transcripts.c.created_ms < at_ms).limit(limit)
    return [(row.id, row.call) for row in connection.execute(query)]


def remove_of_calls(connection: Connection, call_numbers: Sequence[int]) -> None:
    """Delete all transcripts of calls with their reports and findings."""
    connection.execute(delete(transcripts).where(transcripts.c.call.in_(call_numbers)))


def save_report(connection: Connection, row: ReportRow, found: Sequence[Finding], call: CallRow) -> None:
    """Insert a report with its findings as the call's latest; older reports stay, their findings are not listed."""
    connection.execute(_UNLIST_FINDINGS, {"number": row.call})
    connection.execute(_SUPERSEDE, {"number": row.call})
    add_rows(connection, reports, {**vars(row), "latest": True})
    add_rows(connection, findings, *(_finding_values(one, row, call) for one in found))


def report_of_job(connection: Connection, job_id: str) -> ReportRow | None:
    """Return the report that a job made; None before it did."""
    return _report(connection, _REPORT_OF_JOB, id=job_id)


def latest_of_call(connection: Connection, call_number: int) -> ReportRow | None:
    """Return the call's latest report; None without any."""
    return _report(connection, _REPORT_LATEST, number=call_number)


def find(connection: Connection, report_id: str) -> ReportRow | None:
    """Return a report; None when unknown."""
    return _report(connection, _REPORT, id=report_id)


def get(connection: Connection, report_id: str) -> ReportRow:
    """Return a report; raises NotFoundError."""
    found = find(connection, report_id)
    if found is None:
        raise NotFoundError("No such report.")
    return found


def history(connection: Connection, call_number: int) -> list[ReportNote]:
    """List the call's reports, newest first."""
    c = reports.c
    columns = (c.id, c.job_id, c.created_ms, c.latest, c.pack, c.card, c.score, c.grade, c.sha256)
    query = select(*columns).where(c.call == call_number).order_by(c.created_ms.desc(), c.id.desc())
    return [ReportNote(**row._mapping) for row in connection.execute(query)]  # noqa: SLF001  documented access


def findings_page(
    connection: Connection, *, reach: Reach, wanted: FindingFilter, limit: int, after: str = ""
) -> Page[FindingRow]:
    """List findings of latest reports within reach, of the newest day first; `after` is the key of the page before."""
    query = select(findings, calls.c.call_id).join(calls, calls.c.id == findings.c.call)
    query = query.where(*_finding_conditions(reach, wanted)).order_by(*newest_day_first(findings)).limit(limit + 1)
    if after:
        query = query.where(after_day_key(findings, after))
    rows = [FindingRow(**row._mapping) for row in connection.execute(query)]  # noqa: SLF001  documented access
    last = rows[limit - 1] if len(rows) > limit else None
    return Page(items=tuple(rows[:limit]), next_key=day_key(day=last.day, number=last.id) if last else "")


def _finding_conditions(reach: Reach, wanted: FindingFilter) -> list[ColumnElement[bool]]:
    c = findings.c
    equal = (
        (c.rule_id, wanted.rule_id), (c.dimension, wanted.dimension), (c.level, wanted.level),
        (c.polarity, wanted.polarity), (c.standing, wanted.standing), (c.agent_id, wanted.agent_id),
        (c.team, wanted.team), (calls.c.line_of_business, wanted.line_of_business),
    )  # fmt: skip
    allowed = within(reach, findings)
    return [
        *([] if allowed is None else [allowed]),
        *(column == value for column, value in equal if value not in ("", None)),
        *([] if wanted.from_day is None else [c.day >= wanted.from_day]),
        *([] if wanted.to_day is None else [c.day <= wanted.to_day]),
    ]


def _finding_values(finding: Finding, row: ReportRow, call: CallRow) -> dict[str, Any]:
    return {
        "report_id": row.id,
        "call": row.call,
        "finding_id": finding.id,
        "rule_id": finding.rule_id,
        "rule_version": finding.rule_version,
        "dimension": finding.dimension,
        "title": finding.title[:255],
        "level": finding.level.value,
        "polarity": finding.polarity.value,
        "standing": finding.standing.value,
        "who": finding.who.value,
        "points": finding.points,
        "confidence": finding.confidence.value,
        "start_ms": finding.evidence[0].start_ms,
        "day": call.day,
        "agent_id": call.agent_id,
        "team": call.team,
    }


def _transcript(connection: Connection, query: Select[Any], **parameters: str | int) -> TranscriptRow | None:
    row = connection.execute(query, parameters).one_or_none()
    return None if row is None else TranscriptRow(**_plain(row))


def _report(connection: Connection, query: Select[Any], **parameters: str | int) -> ReportRow | None:
    row = connection.execute(query, parameters).one_or_none()
    return None if row is None else ReportRow(**_plain(row))


def _plain(row: Row[Any]) -> dict[str, Any]:
    return dict(row._mapping)  # noqa: SLF001  SQLAlchemy's documented access
