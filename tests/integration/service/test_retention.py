"""Forgetting: what is old or asked for goes, all of it, and nothing else; what could not go is tried again."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import pytest
from sqlalchemy import func, select

from qingting.bootstrap import plans
from qingting.errors import AccessDeniedError, InvalidRequestError, NotFoundError, StorageUnavailableError
from qingting.inspector import Heard, Plan, certain_roles, judge
from qingting.model.account import ROLE_PERMISSIONS, SYSTEM, Actor, Reach, UserRole
from qingting.model.alert import AlertPolicy
from qingting.model.call import CallInfo, DesktopEvent, DesktopKind
from qingting.model.delivery import Delivery, DeliveryKind, DeliveryState
from qingting.model.event import EventKind, ServiceEvent
from qingting.model.finding import Level
from qingting.model.ids import new_id
from qingting.model.job import InspectionJob, JobKind, JobState, Priority
from qingting.service import archive, contributions, retention
from qingting.service.center import Service
from qingting.service.documents import call_from_plain, call_to_plain
from qingting.service.retention import Deleted
from qingting.settings import Settings
from qingting.storage import (
    alert_policies,
    audit,
    calls,
    deliveries,
    discarded,
    events,
    idempotency,
    jobs,
    recordings,
    reports,
    search,
    sessions,
    tables,
)
from qingting.storage.audit import AuditEntry, AuditFilter
from qingting.storage.calls import CallFilter, CallRow, CallState
from qingting.storage.recording_store import FolderStore
from qingting.storage.recordings import RecordingRow
from qingting.testing import sample_call

ALL = Reach(everything=True)
DAY_MS = 24 * 3600 * 1000
SAMPLE = sample_call("refund_late_answer")
WORD = "退款"
ADMIN = Actor(id="u1", name="admin", role=UserRole.ADMIN, permissions=ROLE_PERMISSIONS[UserRole.ADMIN], reach=ALL)


@cache
def plan() -> Plan:
    return plans(Settings())("general")


@dataclass
class Centre:
    """Fills an installation with inspected calls, and looks at what is left."""

    service: Service

    def set_days(self, **days: int) -> None:
        section = self.service.settings.retention.model_copy(update=days)
        self.service = replace(self.service, settings=self.service.settings.model_copy(update={"retention": section}))

    def inspect(self, call_id: str, *, reported: bool = True, **known: Any) -> str:
        """A call with recording, words and report; returns the job's id."""
        info = CallInfo(
            call_id=call_id, fields={"备注": "客户姓王"}, **{"team": "A", "customer_reference": "k1", **known}
        )  # fmt: skip
        now, job_id = self.service.clock(), new_id()
        key = f"recordings/20261130/{job_id}.wav"
        self.service.recordings.save(key, [b"voice"])
        job = InspectionJob(
            id=job_id, kind=JobKind.INSPECT, call_id=call_id, state=JobState.RUNNING, priority=Priority.NORMAL,
            created_ms=now,
        )  # fmt: skip
        row = RecordingRow(
            id=job_id, call=0, key=key, name="a.wav", sha256="0" * 64, size_bytes=5, created_ms=now
        )  # fmt: skip
        with self.service.database.write() as connection:
            known_call = calls.find(connection, call_id)
            number = self._new(connection, info) if known_call is None else known_call.id
            recordings.add(connection, replace(row, call=number))
            jobs.add(connection, job, call=number, recording_id=job_id)
        transcript = SAMPLE.transcript()
        heard = Heard(call=info, recording=None, roles=certain_roles(transcript), transcript=transcript)
        archive.save_transcript(self.service, job_id, heard)
        if reported:
            report = judge(call=info, roles=heard.roles, transcript=transcript, plan=plan())
            assert archive.store_report(self.service, job_id, heard, report)
        return job_id

    def _new(self, connection, info: CallInfo) -> int:
        now = self.service.clock()
        day, hour = self.service.day_and_hour(now)
        number = calls.add(
            connection,
            {
                "call_id": info.call_id, "line_of_business": "general", "medium": "voice", "team": info.team,
                "customer_reference": info.customer_reference, "started_ms": now, "day": day, "hour": hour,
                "info": call_to_plain(info), "source": "api", "created_ms": now, "state": CallState.QUEUED.value,
            },
        )  # fmt: skip
        contributions.book_call(self.service, connection, before=None, after=calls.by_number(connection, number))
        return number

    def call(self, call_id: str) -> CallRow | None:
        with self.service.database.read() as connection:
            return calls.find(connection, call_id)

    def found(self) -> list[str]:
        """Calls that the search finds, oldest first."""
        with self.service.database.read() as connection:
            page = search.find(connection, words=WORD, reach=ALL, wanted=CallFilter(), limit=200)
        return [hit.call.call_id for hit in page.items][::-1]

    def files(self) -> int:
        assert isinstance(self.service.recordings, FolderStore)
        return sum(path.is_file() for path in self.service.recordings.folder.rglob("*"))

    def count(self, *names: str) -> list[int]:
        with self.service.database.read() as connection:
            return [
                int(connection.execute(select(func.count()).select_from(tables.metadata.tables[name])).scalar_one())
                for name in names
            ]

    def sums(self) -> list[tuple[Any, ...]]:
        with self.service.database.read() as connection:
            return [tuple(row) for row in connection.execute(select(tables.measures)).all()]

    def audited(self) -> list[AuditEntry]:
        with self.service.database.read() as connection:
            return list(audit.page(connection, wanted=AuditFilter(), limit=200).items)


@pytest.fixture
def centre(service: Service) -> Centre:
    policy = AlertPolicy(id="p1", name="全部", level=Level.LIGHT, min_confidence=0.0)
    with service.database.write() as connection:
        alert_policies.add(connection, policy, at_ms=1)
    return Centre(service)


WORDS_TABLES = ("transcripts", "reports", "findings")


def test_nothing_goes_before_its_time(centre: Centre, clock) -> None:
    centre.set_days(recording_days=10, transcript_days=10)
    centre.inspect("c1")
    clock.ms += 10 * DAY_MS
    retention.apply_retention(centre.service)
    assert centre.files() == 1
    assert centre.found() == ["c1"]


def test_old_recordings_go_and_the_row_says_so(centre: Centre, clock) -> None:
    centre.set_days(recording_days=10, transcript_days=0)
    old = centre.inspect("c1")
    clock.ms += 5 * DAY_MS
    new = centre.inspect("c2")
    clock.ms += 5 * DAY_MS + 1
    assert retention.apply_retention(centre.service).recordings == 1
    assert retention.apply_retention(centre.service).recordings == 0
    with centre.service.database.read() as connection:
        row = recordings.get(connection, old)
        assert row.deleted_ms == clock.ms
        assert not centre.service.recordings.exists(row.key)
        assert recordings.get(connection, new).deleted_ms is None
    assert centre.files() == 1
    assert centre.found() == ["c1", "c2"]


def test_old_words_go_with_all_that_quotes_them_and_figures_stay(centre: Centre, clock) -> None:
    centre.set_days(recording_days=0, transcript_days=10)
    searched = (DesktopEvent(kind=DesktopKind.SEARCH, at_ms=1, query="王小明的订单"),)
    centre.inspect("c1", desktop_events=searched, agent_id="x", direction="inbound")
    clock.ms += DAY_MS
    centre.inspect("c2")
    before, figures = centre.call("c1"), centre.sums()
    per_call = [number // 2 for number in centre.count(*WORDS_TABLES)]
    clock.ms += 9 * DAY_MS + 1
    assert retention.apply_retention(centre.service).calls == 1
    after = centre.call("c1")
    assert before is not None
    assert after is not None
    assert after == replace(before, report_id=None, info=after.info)
    info = call_from_plain(after.info)
    assert (info.fields, info.desktop_events) == ({}, None)
    assert (info.agent_id, info.direction, info.team) == ("x", "inbound", "A")
    assert centre.found() == ["c2"]
    assert centre.count(*WORDS_TABLES) == per_call
    assert centre.sums() == figures
    with centre.service.database.read() as connection:
        assert archive.load_report(connection, after.id) is None
        assert archive.words_of_call(connection, after.id) is None
    assert centre.files() == 2


def test_a_call_heard_anew_keeps_its_new_words_and_report(centre: Centre, clock) -> None:
    centre.set_days(recording_days=0, transcript_days=10)
    centre.inspect("c1")
    clock.ms += 5 * DAY_MS
    again = centre.inspect("c1")
    clock.ms += 6 * DAY_MS
    assert retention.apply_retention(centre.service).calls == 0
    assert centre.count("transcripts", "reports") == [1, 1]
    assert centre.found() == ["c1"]
    call = centre.call("c1")
    assert call is not None
    with centre.service.database.read() as connection:
        latest = reports.latest_of_call(connection, call.id)
    assert latest is not None
    assert (latest.job_id, call.report_id) == (again, latest.id)
    assert call_from_plain(call.info).fields


def test_a_call_whose_old_report_went_keeps_new_words_that_wait_for_theirs(centre: Centre, clock) -> None:
    centre.set_days(recording_days=0, transcript_days=10)
    centre.inspect("c1")
    clock.ms += 5 * DAY_MS
    waiting = centre.inspect("c1", reported=False)
    clock.ms += 6 * DAY_MS
    retention.apply_retention(centre.service)
    assert archive.saved_transcript(centre.service, waiting) is not None
    assert centre.count("transcripts", "reports") == [1, 0]
    assert centre.found() == []
    call = centre.call("c1")
    assert call is not None
    assert call.report_id is None
    assert call_from_plain(call.info).fields


def test_zero_days_are_for_ever(centre: Centre, clock) -> None:
    centre.set_days(recording_days=0, transcript_days=0, audit_days=0)
    centre.inspect("c1")
    with centre.service.database.write() as connection:
        audit.append(connection, AuditEntry(at_ms=1, actor_id="a", actor_name="a", action="x"))
    clock.ms += 10_000 * DAY_MS
    retention.apply_retention(centre.service)
    assert centre.files() == 1
    assert centre.found() == ["c1"]
    assert len(centre.audited()) == 1


def test_logs_are_forgotten_by_age(centre: Centre, clock) -> None:
    centre.set_days(event_days=7, audit_days=30)
    now = clock.ms
    with centre.service.database.write() as connection:
        for days in (0, 6, 8, 20, 31, 400):
            at_ms = now - days * DAY_MS
            events.append(connection, ServiceEvent(kind=EventKind.JOB, name="job.done", at_ms=at_ms))
            audit.append(connection, AuditEntry(at_ms=at_ms, actor_id="a", actor_name="a", action="x"))
            deliveries.add(
                connection,
                [
                    Delivery(
                        id=f"{state}{days}", kind=DeliveryKind.WEBHOOK, target="w", event="job.done", created_ms=at_ms
                    )
                    for state in DeliveryState
                ],
            )
            for state in DeliveryState:
                delivery = tables.deliveries.update().where(tables.deliveries.c.id == f"{state}{days}")
                connection.execute(delivery.values(state=state.value))
            idempotency.claim(connection, actor_id="a", key=f"k{days}", fingerprint="f", now_ms=at_ms)
            connection.execute(
                tables.users.insert().values(
                    id=f"u{days}", name=f"u{days}", display_name="u", role="agent", teams=[], contact=[],
                    disabled=False, created_ms=1,
                )
            )  # fmt: skip
            sessions.add(connection, token_sha256=f"t{days}", user_id=f"u{days}", created_ms=1, expires_ms=at_ms + 1)
    done = retention.apply_retention(centre.service)
    assert centre.count("events", "audit", "deliveries", "idempotency_keys", "sessions") == [2, 4, 6 + 2 * 2, 1, 1]
    assert done.log_entries == 4 + 2 + 8 + 5 + 5
    assert retention.apply_retention(centre.service).log_entries == 0


def unreachable(*_: object) -> None:
    raise StorageUnavailableError("away")


def test_a_recording_that_cannot_be_deleted_is_not_called_deleted_and_is_tried_again(
    centre: Centre, clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    centre.set_days(recording_days=10)
    job_id = centre.inspect("c1")
    clock.ms += 11 * DAY_MS
    with monkeypatch.context() as patched:
        patched.setattr(FolderStore, "delete", unreachable)
        done = retention.apply_retention(centre.service)
    assert (done.recordings, done.files_left) == (0, 1)
    with centre.service.database.read() as connection:
        assert recordings.get(connection, job_id).deleted_ms is None
    assert retention.apply_retention(centre.service).recordings == 1
    assert centre.files() == 0


def test_portions_and_two_machines_at_once(centre: Centre, clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "_CALLS", 2)
    monkeypatch.setattr(retention, "_FILES", 2)
    centre.set_days(recording_days=10, transcript_days=10)
    for number in range(7):
        centre.inspect(f"c{number}")
    clock.ms += 11 * DAY_MS
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: retention.apply_retention(centre.service), range(2)))
    assert centre.files() == 0
    assert centre.found() == []
    assert centre.count(*WORDS_TABLES) == [0, 0, 0]
    assert centre.count("calls") == [7]


EVERYTHING = ("calls", "recordings", "jobs", "alerts", "contacts", "discarded_files", *WORDS_TABLES)


def test_a_deleted_call_leaves_nothing_but_figures_and_the_line_that_says_so(centre: Centre) -> None:
    centre.inspect("c1")
    figures = centre.sums()
    assert centre.count("alerts") != [0]
    assert retention.delete_call(centre.service, ADMIN, "c1", address="10.0.0.1") == Deleted(calls=1)
    assert centre.count(*EVERYTHING) == [0] * len(EVERYTHING)
    assert centre.found() == []
    assert centre.files() == 0
    assert centre.sums() == figures
    (line,) = centre.audited()
    assert (line.action, line.object_id, line.actor_id, line.address) == ("call.deleted", "c1", "u1", "10.0.0.1")
    with pytest.raises(NotFoundError):
        retention.delete_call(centre.service, ADMIN, "c1")


def test_a_running_job_of_a_deleted_call_has_nothing_to_write_to(centre: Centre) -> None:
    job_id = centre.inspect("c1", reported=False)
    heard = archive.saved_transcript(centre.service, job_id)
    assert heard is not None
    retention.delete_call(centre.service, ADMIN, "c1")
    report = judge(call=heard.call, roles=heard.roles, transcript=heard.transcript, plan=plan())
    assert not archive.store_report(centre.service, job_id, heard, report)
    with pytest.raises(NotFoundError):
        archive.save_transcript(centre.service, job_id, heard)
    assert centre.count(*WORDS_TABLES) == [0, 0, 0]


def test_all_data_of_one_customer_goes_and_that_of_others_stays(
    centre: Centre, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "_CALLS", 2)
    for number in range(5):
        centre.inspect(f"c{number}", customer_reference="13812345678")
    centre.inspect("other", customer_reference="138123456789")
    centre.inspect("nobody", customer_reference="")
    done = retention.delete_customer(centre.service, ADMIN, "13812345678")
    assert done == Deleted(calls=5)
    assert centre.found() == ["other", "nobody"]
    assert centre.files() == 2
    assert centre.count("calls", "transcripts", "discarded_files") == [2, 2, 0]
    lines = centre.audited()
    assert [line.action for line in lines].count("call.deleted") == 5
    assert lines[0].action == "customer.deleted"
    assert dict(lines[0].detail) == {"calls": 5}
    assert "13812345678" not in repr(lines)
    assert retention.delete_customer(centre.service, ADMIN, "13812345678") == Deleted(calls=0)


def test_files_of_a_deleted_call_are_tried_until_they_are_gone(centre: Centre, monkeypatch: pytest.MonkeyPatch) -> None:
    centre.inspect("c1")
    with monkeypatch.context() as patched:
        patched.setattr(FolderStore, "delete", unreachable)
        assert retention.delete_call(centre.service, ADMIN, "c1") == Deleted(calls=1, files_left=1)
        assert retention.apply_retention(centre.service).files_left == 1
    assert centre.count("calls", "discarded_files") == [0, 1]
    assert centre.files() == 1
    retention.apply_retention(centre.service)
    assert centre.count("discarded_files") == [0]
    assert centre.files() == 0


def test_a_file_announced_before_it_was_stored_goes_unless_it_got_its_row(centre: Centre, clock) -> None:
    store = centre.service.recordings
    for key in ("recordings/1/lost.wav", "recordings/1/kept.wav"):
        with centre.service.database.write() as connection:
            discarded.add(connection, [key], clock.ms + DAY_MS)
        store.save(key, [b"voice"])
    with centre.service.database.write() as connection:
        discarded.remove(connection, ["recordings/1/kept.wav"])
    retention.apply_retention(centre.service)
    assert centre.files() == 2
    clock.ms += DAY_MS
    retention.apply_retention(centre.service)
    assert store.exists("recordings/1/kept.wav")
    assert not store.exists("recordings/1/lost.wav")


@pytest.mark.parametrize("role", [role for role in UserRole if role is not UserRole.ADMIN])
def test_only_who_may_delete_deletes(centre: Centre, role: UserRole) -> None:
    centre.inspect("c1")
    actor = Actor(id="u", name="u", role=role, permissions=ROLE_PERMISSIONS[role], reach=ALL)
    for act in (lambda: retention.delete_call(centre.service, actor, "c1"),
                lambda: retention.delete_customer(centre.service, actor, "k1")):  # fmt: skip
        with pytest.raises(AccessDeniedError):
            act()
    assert centre.found() == ["c1"]


def test_who_sees_some_teams_deletes_no_call_of_others_and_no_customer(centre: Centre) -> None:
    centre.inspect("c1")
    limited = replace(ADMIN, reach=Reach(teams=("B",)))
    with pytest.raises(NotFoundError):
        retention.delete_call(centre.service, limited, "c1")
    with pytest.raises(AccessDeniedError):
        retention.delete_customer(centre.service, limited, "k1")
    assert centre.found() == ["c1"]


def test_an_empty_reference_deletes_nothing(centre: Centre) -> None:
    centre.inspect("c1", customer_reference="")
    with pytest.raises(InvalidRequestError):
        retention.delete_customer(centre.service, SYSTEM, "")
    assert centre.found() == ["c1"]


def test_deletion_while_reports_are_stored_loses_neither(centre: Centre) -> None:
    """Both take the rows of jobs before those of calls: neither waits for the other for ever."""
    waiting = {f"c{number}": centre.inspect(f"c{number}", reported=False) for number in range(6)}
    heards = {job_id: archive.saved_transcript(centre.service, job_id) for job_id in waiting.values()}

    def store(job_id: str) -> Callable[[], object]:
        heard = heards[job_id]
        assert heard is not None
        report = judge(call=heard.call, roles=heard.roles, transcript=heard.transcript, plan=plan())
        return lambda: archive.store_report(centre.service, job_id, heard, report)

    work = [store(job_id) for job_id in waiting.values()]
    work += [lambda call_id=call_id: retention.delete_call(centre.service, ADMIN, call_id) for call_id in waiting]
    with ThreadPoolExecutor(6) as pool:
        for running in [pool.submit(one) for one in work]:
            running.result()
    assert centre.count(*EVERYTHING) == [0] * len(EVERYTHING)
    assert centre.found() == []
    assert centre.files() == 0
