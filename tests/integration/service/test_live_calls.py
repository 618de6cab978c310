"""A running call begins once and ends once, with a report or a job, whoever ends it."""

from __future__ import annotations

import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qingting.bootstrap import plans
from qingting.errors import (
    AccessDeniedError,
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    StorageFullError,
    UploadTooLargeError,
)
from qingting.inspector import Heard, Plan, certain_roles, judge
from qingting.live.session import LiveFormat
from qingting.live.spool import Spools, repair
from qingting.model.account import SYSTEM, Actor, Permission, Reach
from qingting.model.audio import RecordingFormat
from qingting.model.call import CallInfo
from qingting.model.finding import Level, Polarity
from qingting.model.job import JobState, Priority
from qingting.service import figures, intake, live_calls, retention
from qingting.service.alert_policies import ensure_default_policies
from qingting.service.center import Service
from qingting.service.figures import Wanted
from qingting.service.intake import Submission
from qingting.service.live_calls import Begun, LiveAlerts, Owner
from qingting.settings import Settings
from qingting.storage import alerts, calls, jobs
from qingting.storage import live_calls as rows
from qingting.storage.alerts import AlertFilter
from qingting.storage.calls import CallState
from qingting.testing import sample_call

OWNER = Owner(id="front-1", host="here")
LATER = Owner(id="front-2", host="here")
ELSEWHERE = Owner(id="front-3", host="there")
FORM = LiveFormat(rate_hertz=8000, channels=2)
CALL = CallInfo(call_id="c1", agent_id="8012", team="售后")


@pytest.fixture
def spools(tmp_path: Path) -> Spools:
    return Spools(tmp_path / "live")


def recorded(spools: Spools, begun: Begun) -> Path:
    """Two seconds of sound of a running call, as a process that was killed leaves it."""
    spool = spools.open(begun.id, FORM)
    spool.write(np.full((2, 16_000), 100, np.int16).T.tobytes())
    spool._file.close()
    return spool.path


@cache
def plan() -> Plan:
    return plans(Settings())("general")


def reported(call: CallInfo, sound: Path) -> tuple[Heard, Any]:
    transcript = sample_call("angry_escalation").transcript()
    roles = certain_roles(transcript)
    data = sound.read_bytes()
    form = RecordingFormat(
        container="wav", codec="pcm_s16le", sample_rate_hertz=8000, channels=2, duration_ms=2000,
        size_bytes=len(data), sha256=hashlib.sha256(data).hexdigest(),
    )  # fmt: skip
    heard = Heard(call=call, recording=form, roles=roles, transcript=transcript)
    report = judge(call=call, recording=form, roles=roles, transcript=transcript, plan=plan())
    return heard, report


def call_row(service: Service, call_id: str = "c1") -> Any:
    with service.database.read() as connection:
        return calls.find(connection, call_id)


def test_a_call_runs_and_its_report_is_stored_with_its_sound(service: Service, spools: Spools) -> None:
    begun = live_calls.begin(service, SYSTEM, CALL, OWNER)
    row = call_row(service)
    assert (row.state, row.agent_id, row.team) == (CallState.LIVE, "8012", "售后")
    sound = recorded(spools, begun)
    assert repair(sound)
    heard, report = reported(begun.call, sound)
    ended = live_calls.conclude(service, begun.id, sound, heard, report)
    assert ended is not None
    assert (ended.reported, ended.score) == (True, report.score.total)
    row = call_row(service)
    assert (row.state, row.score) == (CallState.INSPECTED, report.score.total)
    with service.database.read() as connection:
        job = jobs.get(connection, ended.job_id, Reach(everything=True))
        assert (job.state, job.submitted_by) == (JobState.DONE, "system")
        assert rows.running(connection) == 0
    assert live_calls.conclude(service, begun.id, sound, heard, report) is None, "once"
    counted = figures.overview(service, SYSTEM, Wanted()).figures
    assert (counted.calls, counted.inspected) == (1, 1)


def test_a_call_without_a_report_becomes_a_job(service: Service, spools: Spools) -> None:
    begun = live_calls.begin(service, SYSTEM, CALL, OWNER)
    sound = recorded(spools, begun)
    assert repair(sound)
    ended = live_calls.hand_over(service, begun.id, sound)
    assert ended is not None
    assert not ended.reported
    with service.database.read() as connection:
        job = jobs.get(connection, ended.job_id, Reach(everything=True))
    assert (job.state, job.priority) == (JobState.QUEUED, Priority.HIGH)
    assert call_row(service).state is CallState.QUEUED
    assert live_calls.hand_over(service, begun.id, sound) is None


def test_two_that_end_a_call_at_once_end_it_once(service: Service, spools: Spools) -> None:
    begun = live_calls.begin(service, SYSTEM, CALL, OWNER)
    sound = recorded(spools, begun)
    assert repair(sound)
    gate = threading.Barrier(4)

    def end() -> object:
        gate.wait()
        return live_calls.hand_over(service, begun.id, sound)

    with ThreadPoolExecutor(4) as pool:
        ended = [one.result() for one in [pool.submit(end) for _ in range(4)]]
    assert sum(one is not None for one in ended) == 1
    stored = list(Path(str(service.recordings.folder)).rglob("*.wav"))  # type: ignore[attr-defined]
    assert len(stored) == 1, "what was stored for nothing is gone"


def test_what_a_dead_process_left_is_ended_by_the_next_on_its_machine(
    service: Service, spools: Spools, clock: Any
) -> None:
    left = [live_calls.begin(service, SYSTEM, replace(CALL, call_id=f"c{n}"), OWNER) for n in range(3)]
    recorded(spools, left[0])
    spools.path_of(left[1].id).write_bytes(b"RIFF")
    alive = live_calls.begin(service, SYSTEM, replace(CALL, call_id="alive"), LATER)
    abroad = live_calls.begin(service, SYSTEM, replace(CALL, call_id="abroad"), ELSEWHERE)
    assert live_calls.recover(service, LATER, spools.existing, repair=repair) == 0, "nobody is silent yet"
    clock.ms += 60_000
    live_calls.beat(service, LATER, [alive.id])
    assert live_calls.recover(service, LATER, spools.existing, repair=repair) == 1
    states = {name: call_row(service, name).state for name in ("c0", "c1", "c2", "alive", "abroad")}
    assert states == {
        "c0": CallState.QUEUED,
        "c1": CallState.KNOWN,
        "c2": CallState.KNOWN,
        "alive": CallState.LIVE,
        "abroad": CallState.LIVE,
    }
    assert not list(spools.folder.iterdir())
    with service.database.read() as connection:
        assert {row.id for row in rows.left_behind(connection, "there", seen_before_ms=clock.ms)} == {abroad.id}
        assert rows.get(connection, alive.id) is not None


def test_a_call_that_its_process_could_not_end_is_ended_by_a_later_look(
    service: Service, spools: Spools, clock: Any
) -> None:
    unended = live_calls.begin(service, SYSTEM, CALL, OWNER)
    recorded(spools, unended)
    running = live_calls.begin(service, SYSTEM, replace(CALL, call_id="running"), OWNER)
    clock.ms += 60_000
    live_calls.beat(service, OWNER, [running.id])
    assert live_calls.recover(service, OWNER, spools.existing, repair=repair) == 1
    assert call_row(service).state is CallState.QUEUED
    assert call_row(service, "running").state is CallState.LIVE


def test_a_long_call_is_no_upload(service: Service, spools: Spools) -> None:
    narrow = service.settings.api.model_copy(update={"max_upload_bytes": 1000})
    service = replace(service, settings=service.settings.model_copy(update={"api": narrow}))
    begun = live_calls.begin(service, SYSTEM, CALL, OWNER)
    sound = recorded(spools, begun)
    assert repair(sound)
    with pytest.raises(UploadTooLargeError):
        intake.submit(service, SYSTEM, Submission(call=CallInfo(call_id="c2"), file=sound, file_name="a.wav"))
    assert live_calls.hand_over(service, begun.id, sound) is not None


def test_what_cannot_be_stored_now_is_kept_for_the_next_look(
    service: Service, spools: Spools, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = live_calls.begin(service, SYSTEM, CALL, OWNER)
    path = recorded(spools, begun)
    clock.ms += 60_000

    def full(*_: object) -> None:
        raise StorageFullError("full")

    with monkeypatch.context() as patch:
        patch.setattr(type(service.recordings), "put_file", full)
        assert live_calls.recover(service, LATER, spools.existing, repair=repair) == 0
    assert path.exists()
    assert live_calls.recover(service, LATER, spools.existing, repair=repair) == 1
    assert not path.exists()


def test_a_deleted_call_stays_deleted(service: Service, spools: Spools) -> None:
    begun = live_calls.begin(service, SYSTEM, CALL, OWNER)
    sound = recorded(spools, begun)
    assert repair(sound)
    retention.delete_call(service, SYSTEM, "c1")
    heard, report = reported(begun.call, sound)
    assert live_calls.conclude(service, begun.id, sound, heard, report) is None
    assert live_calls.hand_over(service, begun.id, sound) is None
    live_calls.forget(service, begun.id)
    assert call_row(service) is None


def test_a_known_call_is_completed_and_a_used_id_refused(service: Service, spools: Spools) -> None:
    begun = live_calls.begin(service, SYSTEM, CALL, OWNER)
    with pytest.raises(ConflictError, match="runs already"):
        live_calls.begin(service, SYSTEM, CALL, OWNER)
    sound = recorded(spools, begun)
    assert repair(sound)
    with pytest.raises(ConflictError, match="runs now"):
        intake.submit(service, SYSTEM, Submission(call=CALL, file=sound, file_name="a.wav"))
    live_calls.forget(service, begun.id)
    assert call_row(service).state is CallState.KNOWN
    again = live_calls.begin(service, SYSTEM, CallInfo(call_id="c1", customer_reference="K7"), OWNER)
    assert (again.call.agent_id, again.call.customer_reference) == ("8012", "K7")
    live_calls.hand_over(service, again.id, sound)
    with pytest.raises(ConflictError, match="report or a job"):
        live_calls.begin(service, SYSTEM, CALL, OWNER)


def test_who_may_begin_a_call(service: Service) -> None:
    nobody = Actor(
        id="k", name="k", role=SYSTEM.role, permissions=frozenset({Permission.CALLS_READ}), reach=SYSTEM.reach
    )
    with pytest.raises(AccessDeniedError):
        live_calls.begin(service, nobody, CALL, OWNER)
    narrow = replace(nobody, permissions=frozenset({Permission.CALLS_SUBMIT}), reach=Reach(teams=("售前",)))
    with pytest.raises(AccessDeniedError):
        live_calls.begin(service, narrow, CALL, OWNER)
    with pytest.raises(InvalidRequestError):
        live_calls.begin(service, SYSTEM, replace(CALL, line_of_business="nonesuch"), OWNER)
    with pytest.raises(NotFoundError):
        retention.delete_call(service, SYSTEM, "c1")


def test_alerts_are_raised_at_once_and_not_again_with_the_report(service: Service, spools: Spools) -> None:
    ensure_default_policies(service)
    begun = live_calls.begin(service, SYSTEM, CALL, OWNER)
    sound = recorded(spools, begun)
    assert repair(sound)
    heard, report = reported(begun.call, sound)
    told = LiveAlerts(service)
    serious = [
        finding
        for finding in report.findings
        if finding.polarity is Polarity.FAULT and finding.level is Level.SERIOUS and told.wants(begun.call, finding)
    ]
    assert serious
    raised = [alert for finding in serious for alert in told.raise_for("c1", finding)]
    assert raised
    assert told.raise_for("c1", serious[0]) == []
    live_calls.conclude(service, begun.id, sound, heard, report)
    with service.database.read() as connection:
        stored = alerts.page(connection, reach=Reach(everything=True), wanted=AlertFilter(), limit=100).items
    pairs = [(one.policy_id, one.rule_id) for one in stored]
    assert len(pairs) == len(set(pairs))
    assert {one.id for one in raised} <= {one.id for one in stored}
    assert told.raise_for("nonesuch", serious[0]) == []
