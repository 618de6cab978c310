"""Running calls in the installation: how they begin, and how each of them ends with a report or a job.

While a call runs its sound grows on the disk of the machine that takes it (`live/spool.py`), and a row says
who takes it. Whoever deletes the row ends the call, in the transaction that stores what became of it: the
report of its session, or a job that inspects its sound like any recording. A process that dies leaves rows and
files, and so does one that cannot end a call because the database or the disk is away; the next look of a process on
the same machine ends these calls.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from qingting.delivery.alerts import hits
from qingting.errors import AccessDeniedError, ConflictError, QingtingError
from qingting.model.account import SYSTEM, Permission
from qingting.model.ids import new_id
from qingting.model.job import Priority
from qingting.service import alerting, archive, auditing, call_data, contributions, intake
from qingting.service.documents import call_from_plain
from qingting.storage import alert_policies, calls, jobs, live_calls
from qingting.storage.calls import CallState
from qingting.storage.live_calls import LiveCallRow

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    from sqlalchemy import Connection

    from qingting.inspector import Heard
    from qingting.model.account import Actor
    from qingting.model.alert import Alert, AlertPolicy
    from qingting.model.call import CallInfo
    from qingting.model.finding import Finding
    from qingting.model.report import Report
    from qingting.service.center import Service
    from qingting.storage.calls import CallRow

log = logging.getLogger(__name__)

SOURCE = "live"


@dataclass(frozen=True, kw_only=True)
class Owner:
    """The process that takes the sound of calls."""

    id: str
    host: str
    """The machine's name: files of its disk are this machine's."""


@dataclass(frozen=True, kw_only=True)
class Begun:
    """A call that runs."""

    id: str
    """Of the running call; names its sound."""
    call: CallInfo
    """With everything known of it, and its final call id."""
    number: int
    """The call's number in the database."""


@dataclass(frozen=True, kw_only=True)
class Ended:
    """What became of a running call."""

    call_id: str
    job_id: str
    reported: bool
    """Whether its report is stored; otherwise the job makes it."""
    score: float | None = None
    grade: str = ""


def begin(service: Service, actor: Actor, call: CallInfo, owner: Owner, *, address: str = "") -> Begun:
    """Register a call that runs now; a call known from the records is completed.

    Raises AccessDeniedError, InvalidRequestError, ConflictError for a call that has a report, a job or runs
    already, StorageError.
    """
    if not actor.may(Permission.CALLS_SUBMIT):
        raise AccessDeniedError("The role or the key's scopes do not allow this.")
    call = replace(call, call_id=call.call_id or new_id())
    call_data.check_call(service, call)
    now = service.clock()
    with service.database.write() as connection:
        known = calls.lock(connection, call.call_id)
        if known is not None:
            _require_new(connection, actor, known)
            call = call_data.merged(known, call)
        call_data.check_reach(actor.reach, agent_id=call.agent_id, team=call.team)
        row = _write_call(service, connection, known, call, now)
        begun = Begun(id=new_id(), call=call, number=row.id)
        live_calls.add(
            connection,
            LiveCallRow(
                id=begun.id, call=row.id, owner=owner.id, host=owner.host, actor_id=actor.id, begun_ms=now, seen_ms=now
            ),
        )
        auditing.record(
            connection,
            actor=actor,
            action=auditing.Action.CALL_SUBMITTED,
            at_ms=now,
            object_kind="call",
            object_id=call.call_id,
            address=address,
            detail={"live": True},
        )
        contributions.book_calls(service, connection, [(known, row)])
    return begun


def conclude(service: Service, live_id: str, sound: Path, heard: Heard, report: Report) -> Ended | None:
    """Store a call's report with its sound, and end the call; None when it was deleted or ended elsewhere.

    The file of sound stays with the caller. Raises AudioError for a file that is no recording, ReportError,
    StorageError.
    """
    return _end(service, live_id, sound, archive.pack(service, heard, report))


def hand_over(service: Service, live_id: str, sound: Path) -> Ended | None:
    """End a call without a report of its own: a job inspects its sound. Returns and raises as conclude."""
    return _end(service, live_id, sound, None)


def forget(service: Service, live_id: str) -> None:
    """End a call that had no sound: it stays known, without a report."""
    with service.database.write() as connection:
        row = live_calls.take(connection, live_id)
        if row is not None:
            _change_state(service, connection, row, CallState.KNOWN)


def beat(service: Service, owner: Owner, live_ids: Collection[str]) -> None:
    """Say that a process lives and has these calls; others that it had and could not end are left behind."""
    with service.database.write() as connection:
        live_calls.beat(connection, owner.id, live_ids, service.clock())


def left_behind(service: Service, owner: Owner) -> list[LiveCallRow]:
    """Return calls of this machine of which their process says no more that it has them."""
    before = service.clock() - round(service.settings.jobs.lost_after_seconds * 1000)
    with service.database.read() as connection:
        return live_calls.left_behind(connection, owner.host, seen_before_ms=before)


class LiveAlerts:
    """Raises alerts of running calls: most findings concern no policy, and cost no look into the database."""

    def __init__(self, service: Service, *, refresh_seconds: float = 5.0) -> None:
        """Policies are read again after so long."""
        self._service = service
        self._refresh_ms = refresh_seconds * 1000
        self._policies: list[AlertPolicy] = []
        self._read_ms: float | None = None

    def wants(self, call: CallInfo, finding: Finding) -> bool:
        """Whether some policy may tell of a finding."""
        return bool(hits(self._current(), [finding], line_of_business=call.line_of_business, team=call.team))

    def raise_for(self, call_id: str, finding: Finding) -> list[Alert]:
        """Raise the alerts of a finding; returns those that are new."""
        with self._service.database.write() as connection:
            call = calls.lock(connection, call_id)
            if call is None:
                return []
            return alerting.raise_at_once(self._service, connection, call=call, finding=finding)

    def _current(self) -> list[AlertPolicy]:
        now = self._service.clock()
        if self._read_ms is None or not 0 <= now - self._read_ms < self._refresh_ms:
            with self._service.database.read() as connection:
                self._policies = list(alert_policies.all_of(connection, enabled_only=True))
            self._read_ms = now
        return self._policies


def recover(
    service: Service, owner: Owner, sound_of: Callable[[str], Path | None], *, repair: Callable[[Path], bool]
) -> int:
    """End the calls that dead processes of this machine left; returns how many.

    `sound_of` gives a call's file by the running call's id, None where there is none; `repair` makes a file that
    was being written whole and says whether there is sound in it.
    """
    ended = 0
    for row in left_behind(service, owner):
        path = sound_of(row.id)
        try:
            if path is None or not repair(path):
                forget(service, row.id)
            elif hand_over(service, row.id, path) is not None:
                ended += 1
            if path is not None:
                path.unlink(missing_ok=True)
        except QingtingError as error:
            # Its row and file stay: the next look tries again.
            log.warning("a call that a process left cannot be ended yet: %s", error.code)
        except OSError as error:
            log.warning("a call that a process left cannot be ended yet: %s", type(error).__name__)
    if ended:
        log.warning("%d running calls of a process that is gone are inspected as recordings", ended)
    return ended


def _require_new(connection: Connection, actor: Actor, known: CallRow) -> None:
    if not actor.reach.covers(agent_id=known.agent_id, team=known.team):
        raise ConflictError("A call of this id is known already.", remedy="Use another call id.")
    if live_calls.of_call(connection, known.id) is not None:
        raise ConflictError("The call runs already.", remedy="Resume it with its token, or use another call id.")
    if known.report_id is not None or jobs.unfinished_of_call(connection, known.id) is not None:
        raise ConflictError("The call has a report or a job already.", remedy="Use another call id.")


def _write_call(service: Service, connection: Connection, known: CallRow | None, call: CallInfo, now: int) -> CallRow:
    begun_ms = now if known is None else known.started_ms
    values = {**call_data.columns(service, call, now_ms=begun_ms), "state": CallState.LIVE.value}
    if known is not None:
        calls.change(connection, known.id, values)
        return calls.by_number(connection, known.id)
    more = {"call_id": call.call_id, "source": SOURCE, "created_ms": now}
    return calls.by_number(connection, calls.add(connection, {**values, **more}))


def _end(service: Service, live_id: str, sound: Path, packed: archive.PackedReport | None) -> Ended | None:
    with service.database.read() as connection:
        found = live_calls.get(connection, live_id)
        if found is None:
            return None
        call = call_from_plain(calls.by_number(connection, found.call).info)
    actor = replace(SYSTEM, id=found.actor_id)
    submission = intake.Submission(call=call, file=sound, file_name="call.wav", priority=Priority.HIGH, source=SOURCE)
    prepared = intake.prepare(service, actor, submission)
    with intake.discarded_on_error(service, prepared) as outcome, service.database.write() as connection:
        if live_calls.take(connection, live_id) is None:
            taken = False
        else:
            taken = True
            ended = _store(service, connection, actor, prepared, packed)
        outcome.written = taken
    if not taken:
        intake.discard(service, prepared)
        return None
    return ended


def _store(
    service: Service,
    connection: Connection,
    actor: Actor,
    prepared: intake.Prepared,
    packed: archive.PackedReport | None,
) -> Ended:
    changes: list[intake.Change] = []
    job = intake.write(service, connection, actor, prepared, changes)
    contributions.book_calls(service, connection, changes)
    if packed is None:
        return Ended(call_id=job.call_id, job_id=job.id, reported=False)
    archive.store_packed(service, connection, job.id, packed)
    score = packed.report.score
    return Ended(
        call_id=job.call_id,
        job_id=job.id,
        reported=True,
        score=score.total if score.valid else None,
        grade=score.grade if score.valid else "",
    )


def _change_state(service: Service, connection: Connection, row: LiveCallRow, state: CallState) -> None:
    before = calls.by_number(connection, row.call)
    calls.change(connection, row.call, {"state": state.value})
    contributions.book_calls(service, connection, [(before, calls.by_number(connection, row.call))])
