"""Takes in what agents did in the knowledge base, of many calls at once, before or after their recordings.

Each action names its call, or the agent and a time. A call that was inspected already is analysed again:
its words are known, nothing is recognised anew.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from qingting.analysis.desktop_events import MAX_EVENTS
from qingting.errors import AccessDeniedError, UploadTooLargeError
from qingting.model.account import Permission
from qingting.model.call import CallInfo
from qingting.model.ids import new_id
from qingting.model.job import InspectionJob, JobKind, JobState, Priority
from qingting.service import call_data, intake
from qingting.service.call_record_rows import RowProblem
from qingting.service.call_records import ImportResult, note_import
from qingting.service.contributions import book_call
from qingting.service.desktop_rows import DesktopRow, DesktopRowReader
from qingting.service.documents import call_from_plain
from qingting.service.tables_in import TableRow, open_table
from qingting.storage import call_records, calls, jobs
from qingting.storage.calls import CallRow, CallState

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from qingting.model.account import Actor
    from qingting.model.call import DesktopEvent
    from qingting.service.center import Service

MAX_LINES_BYTES = 200 * 1024**2
"""Largest JSON lines file."""
_AT_ONCE = 5000
"""Actions in memory at once."""
_DAY_MS = 24 * 3_600_000
_AROUND_MS = 120_000
"""An action so long before or after a call belongs to it: agents search before they answer, and note afterwards."""
_UNKNOWN_LENGTH_MS = 2 * 3_600_000
"""Calls of unknown length end so long after their start, or where the agent's next begins."""
_UNKNOWN = "no such call is known: import its record or recording first"


@dataclass(kw_only=True)
class DesktopResult(ImportResult):
    """What became of the actions of a file; calls are counted, refused are actions."""

    events: int = 0
    """Actions that were read and belong to a call."""
    analysed_again: int = 0
    """Jobs made for calls that were inspected before."""


def import_events(service: Service, actor: Actor, path: Path, *, address: str = "") -> DesktopResult:
    """Take in a file of actions: JSON lines, CSV or a workbook (docs/how-to/call-records.md).

    An action that is there already is not taken twice. Raises AccessDeniedError, UnsupportedUploadError,
    UploadTooLargeError, InvalidRequestError for no table, TooManyRequestsError when too many jobs wait, StorageError.
    """
    if not actor.may(Permission.CALLS_SUBMIT):
        raise AccessDeniedError("The role or the key's scopes do not allow this.")
    result = DesktopResult()
    reader = DesktopRowReader(service.zone)
    try:
        rows = _rows(path, reader.is_heading)
        while part := list(islice(rows, _AT_ONCE)):
            _take(service, actor, reader, part, result)
    finally:
        note_import(service, actor, "desktop_events", result, address=address)
    result.problems.sort(key=lambda problem: problem.row)
    return result


def analyse_again(service: Service, connection: Connection, call: CallRow, judged: CallInfo, *, by: str) -> None:
    """Make a job when a call's actions came in while it was judged; in the transaction that stores its report."""
    known = call_from_plain(call.info).desktop_events
    if known is not None and known != judged.desktop_events:
        _add_job(service, connection, call, by)


def _rows(path: Path, is_heading: Callable[[Sequence[str]], bool]) -> Iterator[TableRow]:
    with path.open("rb") as file:
        is_lines = file.read(4096).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{")
    if not is_lines:
        with open_table(path, is_heading) as table:
            yield from table.rows
        return
    if path.stat().st_size > MAX_LINES_BYTES:
        raise UploadTooLargeError("The file has more bytes than one import may have.", remedy="Split it by day.")
    with path.open(encoding="utf-8-sig", errors="replace") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield TableRow(number=number, values=_plain(line))


def _plain(line: str) -> dict[str, str | int | float | None]:
    """The values of a JSON object; what is none is left to the reader of rows to refuse."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {name: value for name, value in found.items() if isinstance(value, str | int | float)}


def _take(
    service: Service, actor: Actor, reader: DesktopRowReader, part: Sequence[TableRow], result: DesktopResult
) -> None:
    read: list[DesktopRow] = []
    for row in part:
        found, problem = reader.read(row)
        if found is not None:
            read.append(found)
        elif problem is not None:
            result.refuse([problem])
    for call_id, actions in _by_call(service, read, result).items():
        _add(service, actor, call_id, actions, result)


def _by_call(service: Service, rows: Sequence[DesktopRow], result: DesktopResult) -> dict[str, list[DesktopRow]]:
    """Call id -> its actions; those that name only the agent are put to the call at their time."""
    found: defaultdict[str, list[DesktopRow]] = defaultdict(list)
    of_agents: defaultdict[str, list[DesktopRow]] = defaultdict(list)
    for row in rows:
        if row.call_id:
            found[row.call_id].append(row)
        else:
            of_agents[row.agent_id].append(row)
    for agent_id, actions in of_agents.items():
        times = [action.at_ms for action in actions if action.at_ms is not None]
        with service.database.read() as connection:
            first, last = min(times) - _DAY_MS, max(times) + _AROUND_MS
            own = call_records.of_agent(connection, agent_id, from_ms=first, to_ms=last)
        for action in actions:
            call = _at(own, action.at_ms or 0)
            if call is not None:
                found[call.call_id].append(action)
            else:
                problem = "no call of the agent at this time is known: import its record or recording first"
                result.refuse([RowProblem(row=action.row, column="time", problem=problem)])
    return found


def _at(own: Sequence[CallRow], at_ms: int) -> CallRow | None:
    """Of an agent's calls in order of time, the one during which something happened, else the nearest one."""
    place = bisect_right(own, at_ms, key=lambda call: call.started_ms)
    before = own[place - 1] if place else None
    after = own[place] if place < len(own) else None
    if before is not None and at_ms <= _end_ms(before):
        return before
    since = at_ms - _end_ms(before) if before is not None else _DAY_MS
    until = after.started_ms - at_ms if after is not None else _DAY_MS
    if min(since, until) > _AROUND_MS:
        return None
    return before if since <= until else after


def _end_ms(call: CallRow) -> int:
    return call.started_ms + (_UNKNOWN_LENGTH_MS if call.duration_ms is None else call.duration_ms)


def _add(service: Service, actor: Actor, call_id: str, rows: Sequence[DesktopRow], result: DesktopResult) -> None:
    """Add actions to one call, all in one transaction."""
    with service.database.write() as connection:
        known = calls.lock(connection, call_id)
        call = known or _new_call(service, connection, actor, call_id, rows)
        if call is None or not actor.reach.covers(agent_id=call.agent_id, team=call.team):
            result.refuse_each((row.row for row in rows), "call_id", _UNKNOWN)
            return
        info = call_from_plain(call.info)
        events, refused = _placed(rows, info)
        for problem in refused:
            result.refuse([problem])
        # The same action told twice is one.
        joined = sorted({*(info.desktop_events or ()), *events}, key=_in_order)
        if len(joined) > MAX_EVENTS:
            result.refuse_each((row.row for row in rows), "call_id", f"the call would have over {MAX_EVENTS} actions")
            return
        result.events += len(events)
        if events and tuple(joined) != info.desktop_events:
            changed = call_data.columns(service, replace(info, desktop_events=tuple(joined)), now_ms=call.started_ms)
            calls.change(connection, call.id, {"info": changed["info"]})
            result.added += known is None
            result.changed += known is not None
            result.analysed_again += _again(service, connection, actor, call)
        else:
            result.unchanged += bool(events)


def _in_order(event: DesktopEvent) -> tuple[object, ...]:
    results = -1 if event.results is None else event.results
    return event.at_ms, event.kind.value, event.query, event.article, event.title, event.text, results


def _placed(rows: Sequence[DesktopRow], call: CallInfo) -> tuple[list[DesktopEvent], list[RowProblem]]:
    """The actions in call time, and those that cannot be told in it."""
    events: list[DesktopEvent] = []
    problems: list[RowProblem] = []
    for row in rows:
        event, problem = row.in_call(call.started_at)
        if event is not None:
            events.append(event)
        elif problem is not None:
            problems.append(problem)
    return events, problems


def _new_call(
    service: Service, connection: Connection, actor: Actor, call_id: str, rows: Sequence[DesktopRow]
) -> CallRow | None:
    """Register a call that only its actions tell of; None when its reach or its start must be known first."""
    agent_id = next((row.agent_id for row in rows if row.agent_id), "")
    info = CallInfo(call_id=call_id, agent_id=agent_id)
    if not actor.reach.covers(agent_id=agent_id, team="") or any(row.at_ms is not None for row in rows):
        return None
    now = service.clock()
    fixed = {"call_id": call_id, "source": "import", "created_ms": now, "state": CallState.KNOWN.value}
    added = call_records.add_missing(connection, [{**call_data.columns(service, info, now_ms=now), **fixed}])
    call = added.get(call_id)
    if call is not None:
        book_call(service, connection, before=None, after=call)
    return call or calls.lock(connection, call_id)


def _again(service: Service, connection: Connection, actor: Actor, call: CallRow) -> int:
    """Have an inspected call analysed again, unless a job is under way that sees the actions anyway."""
    if call.report_id is None or jobs.unfinished_of_call(connection, call.id) is not None:
        return 0
    intake.require_room(service, connection)
    _add_job(service, connection, call, actor.id)
    return 1


def _add_job(service: Service, connection: Connection, call: CallRow, by: str) -> None:
    now = service.clock()
    job = InspectionJob(
        id=new_id(),
        kind=JobKind.REANALYSE,
        call_id=call.call_id,
        state=JobState.QUEUED,
        priority=Priority.LOW,
        created_ms=now,
        max_attempts=service.settings.jobs.max_attempts,
        due_ms=now,
        submitted_by=by,
    )
    intake.add_job(connection, job, call, recording_id=None)
