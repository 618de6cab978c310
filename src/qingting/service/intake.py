"""The one door for every call that comes in: by upload, by address, in a batch, from a watched folder.

A recording is checked and stored first; then one transaction writes call, recording, job and event. Whatever
fails before that transaction ends leaves no row and no file.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qingting.audio.source import HEAD_BYTES
from qingting.errors import (
    AccessDeniedError,
    ConflictError,
    FetchError,
    InvalidRequestError,
    StorageError,
    TooManyRequestsError,
    UnreadableAudioError,
    UploadTooLargeError,
)
from qingting.model.account import Permission
from qingting.model.event import EventKind, ServiceEvent
from qingting.model.ids import new_id
from qingting.model.job import InspectionJob, JobKind, JobState, Priority
from qingting.service import auditing, call_data, contributions, fetching
from qingting.service.documents import call_to_plain
from qingting.service.upload_checks import check_conversation, check_head, is_conversation, safe_suffix
from qingting.storage import calls, discarded, events, idempotency, jobs, live_calls, recordings
from qingting.storage.calls import CallRow, CallState
from qingting.storage.idempotency import Answer
from qingting.storage.recordings import RecordingRow

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from qingting.model.account import Actor
    from qingting.model.call import CallInfo
    from qingting.service.center import Service
    from qingting.service.fetching import Resolver

_RETRY_SECONDS = 30
_UNUSED_MS = 24 * 3600 * 1000
"""A stored file that has no row by then is deleted; a large batch may take hours to come in."""
_RAW = re.compile(r"(s16le|alaw|mulaw|g722):[1-9][0-9]{3,5}:[12]")
_NOISE_REDUCTION = ("off", "light")


@dataclass(frozen=True, kw_only=True)
class Submission:
    """One call that somebody brings: exactly one of `file` and `url` is given."""

    call: CallInfo
    """An empty call id lets the service make one."""
    file: Path | None = None
    """The recording or conversation, whole, on this machine; it is copied."""
    file_name: str = ""
    """As the sender named it: only a safe suffix of it is used."""
    url: str = ""
    """Where a worker shall fetch the recording."""
    options: Mapping[str, str] = field(default_factory=dict)
    """As InspectionJob.options."""
    priority: Priority = Priority.NORMAL
    replace: bool = False
    """Inspect a call again that has a report already."""
    source: str = "api"
    """`api`, `batch`, `watch`, `import` or `live`."""


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A submission that was checked, its recording stored; not yet accepted."""

    submission: Submission
    """With its final call id."""
    recording: RecordingRow | None
    """None for those to be fetched."""
    fingerprint: str
    """Digest of what was asked."""


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """A call that will be reported."""

    job: InspectionJob
    """As it was accepted."""
    replayed: bool = False
    """The same request came before: this is what it was told."""


def submit(
    service: Service, actor: Actor, submission: Submission, *, idempotency_key: str = "", address: str = ""
) -> Accepted:
    """Accept one call; when this returns, it will be inspected whatever breaks down.

    Raises InvalidRequestError, UploadTooLargeError, AudioError or ScriptError for what cannot be taken,
    AccessDeniedError, ConflictError for a call that has a report or a job, TooManyRequestsError while too much
    work waits, StorageFullError, StorageUnavailableError.
    """
    refuse_when_full(service)
    prepared = prepare(service, actor, submission)
    return accept(service, actor, prepared, idempotency_key=idempotency_key, address=address)


def prepare(
    service: Service, actor: Actor, submission: Submission, *, resolver: Resolver = fetching.resolve
) -> Prepared:
    """Check a submission and store its recording; whoever does not accept it afterwards must discard it."""
    if not actor.may(Permission.CALLS_SUBMIT):
        raise AccessDeniedError("The role or the key's scopes do not allow this.")
    asked = submission
    submission = replace(submission, call=replace(submission.call, call_id=submission.call.call_id or new_id()))
    call_data.check_call(service, submission.call)
    if not actor.reach.everything and submission.call.team:
        call_data.check_reach(actor.reach, agent_id=submission.call.agent_id, team=submission.call.team)
    check_options(submission.options)
    if submission.file is None:
        check_url(service, submission.url, resolver)
        return Prepared(submission=submission, recording=None, fingerprint=_fingerprint(asked, ""))
    recording = _store(service, submission, submission.file)
    return Prepared(submission=submission, recording=recording, fingerprint=_fingerprint(asked, recording.sha256))


def accept(
    service: Service, actor: Actor, prepared: Prepared, *, idempotency_key: str = "", address: str = ""
) -> Accepted:
    """Write a prepared submission's rows in one transaction; its recording is removed when that fails."""
    with discarded_on_error(service, prepared) as outcome, service.database.write() as connection:
        answer = _claim(service, connection, actor, prepared, idempotency_key)
        if answer is None:
            require_room(service, connection)
            changes: list[Change] = []
            job = write(service, connection, actor, prepared, changes, address=address)
            _complete(connection, actor, idempotency_key, job)
            contributions.book_calls(service, connection, changes)
            outcome.written = True
    if answer is None:
        return Accepted(job=job)
    discard(service, prepared)
    return Accepted(job=_job_from(answer.response), replayed=True)


def refuse_when_full(service: Service) -> None:
    """Raise TooManyRequestsError while too much work waits: before a recording is stored for nothing."""
    with service.database.read() as connection:
        require_room(service, connection)


def require_room(service: Service, connection: Connection, *, more: int = 1) -> None:
    """Raise TooManyRequestsError when `more` jobs would be over the backlog's limit."""
    if jobs.waiting(connection) + more > service.settings.jobs.max_queued:
        raise TooManyRequestsError("Too many jobs are waiting.", retry_after_seconds=_RETRY_SECONDS)


Change = tuple[CallRow | None, CallRow]
"""A call's row before (None for a new one) and after."""


def write(
    service: Service,
    connection: Connection,
    actor: Actor,
    prepared: Prepared,
    changes: list[Change],
    *,
    batch_id: str = "",
    address: str = "",
) -> InspectionJob:
    """Write call, recording, job and event in the caller's transaction; raises before it has written anything.

    What changed is added to `changes`, for the caller to book at the end: rows of figures, which everybody writes,
    should be held for the shortest.
    """
    submission, now = prepared.submission, service.clock()
    before, call = _write_call(service, connection, actor, submission, now)
    changes.append((before, call))
    if prepared.recording is not None:
        recordings.add(connection, replace(prepared.recording, call=call.id, created_ms=now))
        discarded.remove(connection, [prepared.recording.key])
    job = InspectionJob(
        id=new_id(),
        kind=JobKind.INSPECT,
        call_id=call.call_id,
        state=JobState.QUEUED,
        priority=submission.priority,
        created_ms=now,
        max_attempts=service.settings.jobs.max_attempts,
        due_ms=now,
        batch_id=batch_id,
        source_url=submission.url,
        options=dict(submission.options),
        submitted_by=actor.id,
    )
    add_job(connection, job, call, recording_id=prepared.recording.id if prepared.recording else None)
    auditing.record(
        connection,
        actor=actor,
        action=auditing.Action.CALL_SUBMITTED,
        at_ms=now,
        object_kind="call",
        object_id=call.call_id,
        address=address,
        detail={"job_id": job.id},
    )
    return job


def add_job(connection: Connection, job: InspectionJob, call: CallRow, *, recording_id: str | None) -> None:
    """Insert a new job with the event that tells of it."""
    jobs.add(connection, job, call=call.id, recording_id=recording_id)
    tell(connection, job, call, at_ms=job.created_ms)


def tell(connection: Connection, job: InspectionJob, call: CallRow, *, at_ms: int) -> None:
    """Append the event of a job's present state."""
    events.append(
        connection,
        ServiceEvent(
            kind=EventKind.JOB,
            name=f"job.{job.state.value}",
            at_ms=at_ms,
            job_id=job.id,
            batch_id=job.batch_id,
            call_id=job.call_id,
            agent_id=call.agent_id,
            team=call.team,
            data={"state": job.state.value, "step": None, "progress": job.progress, "attempts": job.attempts},
        ),
    )


def discard(service: Service, *prepared: Prepared) -> None:
    """Remove the recordings of submissions that are not accepted; what cannot be removed now is swept later."""
    for one in prepared:
        if one.recording is not None:
            with suppress(StorageError):
                service.recordings.delete(one.recording.key)


@dataclass
class Outcome:
    """How far the writing of rows came."""

    written: bool = False
    """Set when all statements are through: if the connection breaks at the commit, the rows may be there, and their
    recordings must stay."""


@contextmanager
def discarded_on_error(service: Service, *prepared: Prepared) -> Iterator[Outcome]:
    """Remove stored recordings when the block fails before everything is written."""
    outcome = Outcome()
    try:
        yield outcome
    except BaseException:
        if not outcome.written:
            discard(service, *prepared)
        raise


def check_options(options: Mapping[str, str]) -> None:
    """Refuse options that no step understands; raises InvalidRequestError naming the option."""
    for name, value in options.items():
        if name == "noise_reduction" and value in _NOISE_REDUCTION:
            continue
        if name == "raw" and _RAW.fullmatch(value):
            continue
        raise InvalidRequestError(f"options.{name[:32]} is not understood.", field=f"options.{name[:32]}")


def check_url(service: Service, url: str, resolver: Resolver) -> None:
    """Refuse an address that no worker may fetch from; a host that is unknown now may be known when it is fetched.

    Raises ForbiddenAddressError.
    """
    with suppress(FetchError):
        fetching.check_url(service.settings, url, resolver=resolver)


def _store(service: Service, submission: Submission, path: Path) -> RecordingRow:
    suffix = safe_suffix(submission.file_name or path.name)
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError as error:
        raise UnreadableAudioError(f"The file cannot be read: {type(error).__name__}.") from None
    # The sound of a running call is bounded while it comes, by live.max_minutes.
    if submission.source != "live" and size > service.settings.api.max_upload_bytes:
        raise UploadTooLargeError("The recording has more bytes than may be uploaded.")
    if is_conversation(suffix):
        check_conversation(path, submission.call)
    else:
        check_head(head, suffix, raw=submission.options.get("raw", ""))
    now, number = service.clock(), new_id()
    day, _ = service.day_and_hour(now)
    key = f"recordings/{day}/{number}{suffix}"
    with service.database.write() as connection:
        # Unless its rows are written by then: a process killed in between leaves no file for ever.
        discarded.add(connection, [key], now + _UNUSED_MS)
    stored, sha256 = service.recordings.put_file(key, path)
    return RecordingRow(
        id=number, call=0, key=key, name=f"{number}{suffix}", sha256=sha256, size_bytes=stored, created_ms=now
    )


def _write_call(service: Service, connection: Connection, actor: Actor, submission: Submission, now: int) -> Change:
    """Write a new call, or complete a known one; all refusals come before the first write."""
    given = submission.call
    known = calls.lock(connection, given.call_id)
    if known is not None:
        return known, _complete_call(service, connection, actor, known, submission)
    call_data.check_reach(actor.reach, agent_id=given.agent_id, team=given.team)
    number = calls.add(
        connection,
        {
            **call_data.columns(service, given, now_ms=now),
            "call_id": given.call_id,
            "source": submission.source,
            "created_ms": now,
            "state": CallState.QUEUED.value,
        },
    )
    return None, calls.by_number(connection, number)


def _complete_call(
    service: Service, connection: Connection, actor: Actor, known: CallRow, submission: Submission
) -> CallRow:
    if not actor.reach.covers(agent_id=known.agent_id, team=known.team):
        # Ids are unique in the installation; that one is taken cannot be hidden, whose it is can.
        raise ConflictError("A call of this id is known already.", remedy="Use another call id.")
    if jobs.unfinished_of_call(connection, known.id) is not None:
        raise ConflictError("The call has a job that waits or runs.", remedy="Wait for it, or cancel it.")
    if live_calls.of_call(connection, known.id) is not None:
        raise ConflictError("The call runs now, and is listened to.", remedy="Wait until it is over.")
    if known.report_id is not None and not submission.replace:
        raise ConflictError(
            "The call has a report already.", remedy="Send `replace: true` to inspect a new recording of it."
        )
    call = call_data.merged(known, submission.call)
    call_data.check_reach(actor.reach, agent_id=call.agent_id, team=call.team)
    changed = call_data.columns(service, call, now_ms=known.started_ms)
    if known.report_id is None:
        changed["state"] = CallState.QUEUED.value
    calls.change(connection, known.id, changed)
    return calls.by_number(connection, known.id)


def _claim(service: Service, connection: Connection, actor: Actor, prepared: Prepared, key: str) -> Answer | None:
    if not key:
        return None
    now = service.clock()
    return idempotency.claim(connection, actor_id=actor.id, key=key, fingerprint=prepared.fingerprint, now_ms=now)


def _complete(connection: Connection, actor: Actor, key: str, job: InspectionJob) -> None:
    if key:
        answer = Answer(status=202, response=_job_to_plain(job))
        idempotency.complete(connection, actor_id=actor.id, key=key, answer=answer)


def _job_to_plain(job: InspectionJob) -> dict[str, Any]:
    return {
        "id": job.id,
        "call_id": job.call_id,
        "priority": job.priority.value,
        "created_ms": job.created_ms,
        "max_attempts": job.max_attempts,
        "source_url": job.source_url,
        "options": dict(job.options),
        "submitted_by": job.submitted_by,
    }


def _job_from(plain: Mapping[str, Any]) -> InspectionJob:
    values = {**plain, "priority": Priority(plain["priority"])}
    return InspectionJob(kind=JobKind.INSPECT, state=JobState.QUEUED, due_ms=plain["created_ms"], **values)


def _fingerprint(asked: Submission, sha256: str) -> str:
    plain = {
        "call": call_to_plain(asked.call),
        "suffix": safe_suffix(asked.file_name),
        "url": asked.url,
        "options": dict(asked.options),
        "priority": asked.priority.value,
        "replace": asked.replace,
        "sha256": sha256,
    }
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()
