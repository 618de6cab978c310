"""What people see of calls: within their reach, masked unless they may and do reveal, and on record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qingting.errors import AccessDeniedError, NotFoundError
from qingting.model.account import Permission
from qingting.model.job import JobState
from qingting.privacy.masking import Masker
from qingting.privacy.report_masking import mask_report
from qingting.service import archive, auditing
from qingting.service.auditing import Action
from qingting.storage import calls, jobs, recordings, reports, search

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from qingting.model.account import Actor
    from qingting.model.job import InspectionJob
    from qingting.model.report import Report
    from qingting.service.center import Service
    from qingting.storage.calls import CallFilter, CallRow
    from qingting.storage.recordings import RecordingRow
    from qingting.storage.reports import FindingFilter, FindingRow, ReportNote
    from qingting.storage.search import Hit
    from qingting.storage.statements import Page


@dataclass(frozen=True, kw_only=True)
class CallDetail:
    """A call with what belongs to it, without its words."""

    call: CallRow
    reports: Sequence[ReportNote]
    """Newest first."""
    recording: RecordingRow | None
    """The newest one."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A report as somebody may see it."""

    call: CallRow
    job_id: str
    """The job that made it."""
    report: Report
    masked: bool


def list_calls(service: Service, actor: Actor, wanted: CallFilter, *, limit: int, after: str = "") -> Page[CallRow]:
    """List calls within reach, newest first."""
    require(actor, Permission.CALLS_READ)
    with service.database.read() as connection:
        return calls.page(connection, reach=actor.reach, wanted=wanted, limit=limit, after=after)


def get_call(service: Service, actor: Actor, call_id: str, *, address: str = "") -> CallDetail:
    """Return a call within reach; raises NotFoundError."""
    require(actor, Permission.CALLS_READ)
    with service.database.read() as connection:
        call = calls.get(connection, call_id, actor.reach)
        notes = reports.history(connection, call.id)
        recording = recordings.latest_of_call(connection, call.id)
    note(service, actor, Action.CALL_READ, call, address)
    return CallDetail(call=call, reports=notes, recording=recording)


def read_report(
    service: Service, actor: Actor, call_id: str, *, reveal: bool = False, address: str = "", words_only: bool = False
) -> Reading:
    """Return a call's latest report; `reveal` leaves personal data unmasked, `words_only` is for the record.

    Raises AccessDeniedError, NotFoundError for an unknown call and one without a report.
    """
    require_reading(actor, reveal=reveal)
    with service.database.read() as connection:
        call = calls.get(connection, call_id, actor.reach)
        row = reports.latest_of_call(connection, call.id)
        if row is None:
            raise NotFoundError("The call has no report.", remedy="See the state of its job.")
        reading = _reading(connection, call, row.id, row.job_id)
    actions = (Action.TRANSCRIPT_READ, Action.TRANSCRIPT_REVEALED) if words_only else _REPORT_ACTIONS
    note(service, actor, actions[reveal], call, address)
    return reading if reveal else _masked(service, reading)


def read_result(
    service: Service, actor: Actor, job_id: str, *, reveal: bool = False, address: str = ""
) -> tuple[InspectionJob, Reading | None]:
    """Return a job and the report it made; None as long as it made none. Raises as read_report."""
    require_reading(actor, reveal=reveal)
    with service.database.read() as connection:
        job = jobs.get(connection, job_id, actor.reach)
        row = reports.report_of_job(connection, job_id) if job.state is JobState.DONE else None
        if row is None:
            return job, None
        call = calls.get(connection, job.call_id, actor.reach)
        reading = _reading(connection, call, row.id, job_id)
    note(service, actor, _REPORT_ACTIONS[reveal], call, address)
    return job, reading if reveal else _masked(service, reading)


def list_findings(
    service: Service, actor: Actor, wanted: FindingFilter, *, limit: int, after: str = ""
) -> Page[FindingRow]:
    """List findings of latest reports within reach, newest first."""
    require(actor, Permission.CALLS_READ)
    with service.database.read() as connection:
        return reports.findings_page(connection, reach=actor.reach, wanted=wanted, limit=limit, after=after)


def search_calls(
    service: Service, actor: Actor, words: str, wanted: CallFilter, *, limit: int, after: str = "", address: str = ""
) -> Page[Hit]:
    """List calls within reach that say all the words, newest first; raises InvalidRequestError without words."""
    require(actor, Permission.CALLS_READ)
    with service.database.read() as connection:
        page = search.find(connection, words=words, reach=actor.reach, wanted=wanted, limit=limit, after=after)
    found = {"calls": len(page.items)}
    auditing.record_now(service, actor=actor, action=Action.SEARCHED, address=address, detail=found)
    return page


def require(actor: Actor, permission: Permission) -> None:
    """Raise AccessDeniedError unless the actor has a permission."""
    if not actor.may(permission):
        raise AccessDeniedError("The role or the key's scopes do not allow this.")


def require_reading(actor: Actor, *, reveal: bool) -> None:
    """Raise AccessDeniedError unless the actor may read words, and personal data in them if they are revealed."""
    require(actor, Permission.CALLS_READ)
    if reveal and not actor.may(Permission.CALLS_REVEAL):
        raise AccessDeniedError("Personal data may not be revealed with this role or key.", remedy="Leave out reveal.")


def masker_of(service: Service) -> Masker:
    """The masks that the settings ask for."""
    privacy = service.settings.privacy
    return Masker(privacy.mask, privacy.names)


def note(
    service: Service,
    actor: Actor,
    action: Action,
    call: CallRow,
    address: str,
    detail: auditing.Detail | None = None,
) -> None:
    """Write an access to a call into the audit log, before anything is given away."""
    auditing.record_now(
        service,
        actor=actor,
        action=action,
        object_kind="call",
        object_id=call.call_id,
        address=address,
        detail=detail,
    )


_REPORT_ACTIONS = (Action.REPORT_READ, Action.REPORT_REVEALED)


def _reading(connection: Connection, call: CallRow, report_id: str, job_id: str) -> Reading:
    report = archive.load_report(connection, report_id=report_id)
    if report is None:
        raise NotFoundError("The report is no longer stored.")
    return Reading(call=call, job_id=job_id, report=report, masked=False)


def _masked(service: Service, reading: Reading) -> Reading:
    report = mask_report(reading.report, masker_of(service))
    return Reading(call=reading.call, job_id=reading.job_id, report=report, masked=True)
