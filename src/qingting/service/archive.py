"""Words and reports on their way into the database and out of it.

A report enters in one transaction with all that follows from it; nothing of it is ever seen half done,
and storing it again changes nothing.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from qingting.errors import NotFoundError
from qingting.model.event import EventKind, ServiceEvent
from qingting.model.finding import Polarity, Standing
from qingting.model.ids import new_id
from qingting.model.job import InspectionJob, JobKind, JobState, JobStep
from qingting.privacy.masking import Masker, hide_all, lines_of
from qingting.service import alerting, contacts, desktop, webhooks
from qingting.service.contributions import book_report, doubtful, reason_of, resolution_of
from qingting.service.documents import pack_heard, pack_report, unpack_heard, unpack_report
from qingting.storage import calls, events, jobs, reports, search
from qingting.storage.calls import CallState
from qingting.storage.reports import ReportRow, TranscriptRow

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from qingting.inspector import Heard
    from qingting.model.report import Report
    from qingting.model.transcript import Transcript
    from qingting.service.center import Service
    from qingting.storage.calls import CallRow


def save_transcript(service: Service, job_id: str, heard: Heard) -> str:
    """Keep the words that a job heard, before anything else happens; returns the transcript's id.

    Raises NotFoundError when job and call were deleted meanwhile, ReportError, StorageError.
    """
    document = pack_heard(heard)
    with service.database.write() as connection:
        job = jobs.lock(connection, job_id)
        call = None if job is None else calls.find(connection, job.call_id)
        if call is None:
            raise NotFoundError("The call was deleted while it was inspected.")
        row = _transcript_row(call.id, job_id, heard, document, service.clock())
        return reports.save_transcript(connection, row)


def saved_transcript(service: Service, job_id: str) -> Heard | None:
    """Return the words that a job heard; None before it did. Raises ReportError, StorageError."""
    with service.database.read() as connection:
        row = reports.transcript_of_job(connection, job_id)
    return None if row is None else unpack_heard(row.document)


def words_of_call(connection: Connection, call_number: int) -> Heard | None:
    """Return the words of a call as its latest report has them, or as they were heard; None without any."""
    row = reports.latest_transcript(connection, call_number)
    return None if row is None else unpack_heard(row.document)


def load_report(
    connection: Connection, call_number: int | None = None, *, report_id: str | None = None
) -> Report | None:
    """Return a call's latest report, or one by its id, unmasked; None when there is none.

    Raises ReportError when it cannot be read.
    """
    if report_id is not None:
        row = reports.find(connection, report_id)
    else:
        row = None if call_number is None else reports.latest_of_call(connection, call_number)
    if row is None:
        return None
    words = reports.get_transcript(connection, row.transcript_id)
    return unpack_report(row.document, unpack_heard(words.document).transcript)


@dataclass(frozen=True, kw_only=True)
class PackedReport:
    """A report made ready to be stored, before any row is held for it."""

    heard: Heard
    report: Report
    words: bytes
    document: bytes
    masked: str
    """Its words, masked, one utterance a line."""


@dataclass(frozen=True, kw_only=True)
class _Entry:
    """A report that is being stored."""

    job: InspectionJob
    call: CallRow
    """The call's row before this report."""
    at_ms: int
    packed: PackedReport


def pack(service: Service, heard: Heard, report: Report) -> PackedReport:
    """Make a report ready to be stored. Raises ReportError."""
    # Roles may have been corrected after hearing: what is stored is what the report rests on.
    heard = replace(heard, roles=report.roles, transcript=report.transcript)
    return PackedReport(
        heard=heard,
        report=report,
        words=pack_heard(heard),
        document=pack_report(report),
        masked=masked_lines(service, report.transcript),
    )


def store_report(service: Service, job_id: str, heard: Heard, report: Report) -> bool:
    """Store a report with everything that follows from it, and end its job: all at once or nothing.

    Follows: the findings, the call's summary, figures, search index, contacts, alerts, messages and the event.
    Returns False, and stores nothing, when the job was cancelled, or the call or its words were deleted
    meanwhile. Storing it again is harmless.
    Raises ReportError, StorageError.
    """
    packed = pack(service, heard, report)
    with service.database.write() as connection:
        return store_packed(service, connection, job_id, packed)


def store_packed(service: Service, connection: Connection, job_id: str, packed: PackedReport) -> bool:
    """Do what store_report does within the caller's transaction."""
    job = jobs.lock(connection, job_id)
    if job is None:
        return False
    if reports.report_of_job(connection, job_id) is not None:
        return True
    if job.cancel_requested or job.state is JobState.CANCELLED:
        return False
    call = calls.lock(connection, job.call_id)
    if call is None or not _has_words(connection, job, call):
        return False
    _store(service, connection, _Entry(job=job, call=call, at_ms=service.clock(), packed=packed))
    return True


def masked_lines(service: Service, transcript: Transcript) -> str:
    """A transcript's text with personal data masked, one utterance a line: what the search index holds."""
    masker = Masker(service.settings.privacy.mask, service.settings.privacy.names)
    lines = lines_of(transcript)
    masked = hide_all(lines, masker.found_in(lines))
    return "\n".join(" ".join(masked[one.index].splitlines()) for one in lines)


def summary_of(report: Report, report_id: str) -> dict[str, Any]:
    """What lists and filters show of a report: columns of `calls`."""
    sure = [f for f in report.findings if f.polarity is Polarity.FAULT and not doubtful(report, f)]
    return {
        "state": CallState.INSPECTED.value,
        "report_id": report_id,
        "duration_ms": report.statistics.duration_ms,
        "score": report.score.total if report.score.valid else None,
        "grade": report.score.grade if report.score.valid else "",
        "worst_level": min((finding.level.value for finding in sure), default=None),
        "faults": len(sure),
        "reviews": sum(finding.standing is Standing.REVIEW for finding in report.findings),
        "reason": reason_of(report)[:128],
        "resolution": resolution_of(report),
        "language": _main_language(report.transcript),
    }


def _store(service: Service, connection: Connection, entry: _Entry) -> None:
    report, before, report_id = entry.packed.report, entry.call, new_id()
    summary = summary_of(report, report_id)
    calls.change(connection, before.id, summary)
    after = replace(before, **{**summary, "state": CallState.INSPECTED})
    transcript_id = _keep_words(connection, entry)
    earlier = reports.latest_of_call(connection, before.id)
    row = _report_row(entry, report_id, transcript_id)
    search.index(connection, before.id, entry.packed.masked)
    contacts.remember(connection, before.id, report)
    done = _finish(connection, entry, after)
    alerting.raise_alerts(service, connection, job_id=done.id, call=after, report=report)
    webhooks.announce_job(service, connection, job=done, call=after, score=after.score, grade=after.grade)
    # Rows that all reports of a day write come last: others wait for them the shortest.
    contributions = book_report(
        service,
        connection,
        before=before,
        after=after,
        report=report,
        reported_ms=entry.at_ms,
        arrived_ms=entry.job.created_ms,
        earlier=b"" if earlier is None else earlier.contributions,
    )
    reports.save_report(connection, replace(row, contributions=contributions), report.findings, after)
    desktop.analyse_again(service, connection, after, report.call, by=entry.job.submitted_by)


def _has_words(connection: Connection, job: InspectionJob, call: CallRow) -> bool:
    """An analysis repeated over words that were deleted while it ran must not bring them back."""
    return job.kind is not JobKind.REANALYSE or reports.latest_transcript(connection, call.id) is not None


def _keep_words(connection: Connection, entry: _Entry) -> str:
    """Return the id of the transcript that the report rests on: the stored one, or a new one when roles changed."""
    old = reports.transcript_of_job(connection, entry.job.id)
    own = old is not None
    if old is None:
        old = reports.latest_transcript(connection, entry.call.id)
    if old is not None:
        if old.document == entry.packed.words or _same_words(unpack_heard(old.document), entry.packed.heard):
            return old.id
        if own:
            reports.correct_transcript(connection, old.id, entry.packed.words)
            return old.id
    # The words were heard when they were first heard: correcting roles must not keep them longer.
    heard_ms = entry.at_ms if old is None else old.created_ms
    row = _transcript_row(entry.call.id, entry.job.id, entry.packed.heard, entry.packed.words, heard_ms)
    return reports.save_transcript(connection, row)


def _same_words(stored: Heard, heard: Heard) -> bool:
    """Whether both say the same in the same roles; the call's data may have changed since."""
    return (stored.transcript, stored.roles) == (heard.transcript, heard.roles)


def _finish(connection: Connection, entry: _Entry, call: CallRow) -> InspectionJob:
    values: dict[str, Any] = {"finished_ms": entry.at_ms, "progress": 1.0}
    failure = {"error_code": "", "error_cause": "", "error_remedy": ""}
    state, step = JobState.DONE, JobStep.REPORT
    jobs.change(connection, entry.job.id, state=state.value, step=step.value, **values, **failure)
    event = ServiceEvent(
        kind=EventKind.JOB,
        name="job.done",
        at_ms=entry.at_ms,
        job_id=entry.job.id,
        batch_id=entry.job.batch_id,
        call_id=call.call_id,
        agent_id=call.agent_id,
        team=call.team,
        data={"score": call.score, "grade": call.grade, "state": state.value},
    )
    events.append(connection, event)
    return replace(entry.job, state=state, step=step, failure=None, **values)


def _transcript_row(call: int, job_id: str, heard: Heard, document: bytes, heard_ms: int) -> TranscriptRow:
    return TranscriptRow(
        id=new_id(),
        call=call,
        job_id=job_id,
        created_ms=heard_ms,
        engine=heard.transcript.engine.name[:64],
        duration_ms=heard.transcript.duration_ms,
        document=document,
    )


def _report_row(entry: _Entry, report_id: str, transcript_id: str) -> ReportRow:
    score = entry.packed.report.score
    return ReportRow(
        id=report_id,
        call=entry.call.id,
        job_id=entry.job.id,
        transcript_id=transcript_id,
        created_ms=entry.at_ms,
        latest=True,
        pack=entry.packed.report.provenance.pack[:128],
        card=f"{score.card}@{score.card_version}"[:128],
        score=score.total if score.valid else None,
        grade=score.grade if score.valid else "",
        sha256=entry.packed.report.provenance.report_sha256,
        document=entry.packed.document,
        contributions=b"",
    )


def _main_language(transcript: Transcript) -> str:
    """The language in which most characters were said; empty when unknown."""
    said: Counter[str] = Counter()
    for one in transcript.utterances:
        said[one.language] += len(one.text)
    del said[""]
    return said.most_common(1)[0][0] if said else ""
