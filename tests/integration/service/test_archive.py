"""A report enters the database with everything that follows from it: all at once, once, or not at all."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache

import pytest
from sqlalchemy import func, select

from qingting.audio.roles import apply_roles, swap
from qingting.bootstrap import plans
from qingting.errors import NotFoundError, StorageError
from qingting.inspector import Heard, Plan, certain_roles, judge
from qingting.model.account import Reach
from qingting.model.alert import AlertPolicy
from qingting.model.call import CallInfo, Role
from qingting.model.delivery import Webhook, WebhookEvent
from qingting.model.finding import Level, Polarity, Standing
from qingting.model.ids import new_id
from qingting.model.job import InspectionJob, JobKind, JobState, JobStep, Priority
from qingting.model.report import Report
from qingting.model.transcript import EngineIdentity, Transcript, Utterance
from qingting.report.verify import verify
from qingting.service import archive, contributions
from qingting.service.center import Service
from qingting.service.contacts import StoredContacts
from qingting.service.documents import call_to_plain
from qingting.settings import Settings
from qingting.storage import (
    alert_policies,
    alerts,
    calls,
    events,
    jobs,
    reports,
    search,
    tables,
    webhooks,
)
from qingting.storage.alerts import AlertFilter
from qingting.storage.calls import CallFilter, CallRow, CallState
from qingting.storage.reports import FindingFilter
from qingting.testing import sample_call

ALL = Reach(everything=True)
PHONE = "13812345678"
MORNING, LATER = "2026-11-01T09:00:00+08:00", "2026-11-03T21:00:00+08:00"


@cache
def plan(line: str) -> Plan:
    return plans(Settings())(line)


def made(*said: tuple[Role, str], call: CallInfo) -> Heard:
    utterances = tuple(
        Utterance(
            index=index, party="left" if role is Role.AGENT else "right", role=role, role_confidence=1.0,
            start_ms=4000 * index, end_ms=4000 * index + 3500, text=text, language="zh",
        )
        for index, (role, text) in enumerate(said)
    )  # fmt: skip
    engine = EngineIdentity(name="script", model="script", revision="")
    transcript = Transcript(utterances=utterances, engine=engine, duration_ms=4000 * len(said))
    return Heard(call=call, recording=None, roles=certain_roles(transcript), transcript=transcript)


def rude(call_id: str = "c1", **more: object) -> Heard:
    """A customer who wants money back, tells a number, and is told off."""
    known = {"agent_id": "x", "team": "A", "customer_reference": "k", "started_at": MORNING} | more
    call = CallInfo(call_id=call_id, **known)
    return made(
        (Role.AGENT, "您好，请问有什么可以帮您？"),
        (Role.CUSTOMER, f"我要退款，快递三天没到，我的手机号是{PHONE}。"),
        (Role.AGENT, "你烦不烦，自己去投诉吧。"),
        (Role.CUSTOMER, "那我就投诉你。"),
        call=call,
    )


def judged(heard: Heard) -> Report:
    return judge(
        call=heard.call, recording=heard.recording, roles=heard.roles, transcript=heard.transcript, gaps=heard.gaps,
        plan=plan(heard.call.line_of_business),
    )  # fmt: skip


@dataclass
class Desk:
    """Accepts calls as the intake does, and looks at what is stored."""

    service: Service

    def accept(self, call: CallInfo, *, kind: JobKind = JobKind.INSPECT) -> str:
        """A job for a call, which is made when it is new; returns the job's id."""
        now = self.service.clock()
        job = InspectionJob(
            id=new_id(), kind=kind, call_id=call.call_id, state=JobState.RUNNING, priority=Priority.NORMAL,
            created_ms=now, batch_id="b1",
        )  # fmt: skip
        with self.service.database.write() as connection:
            known = calls.find(connection, call.call_id)
            number = self._new(connection, call) if known is None else known.id
            jobs.add(connection, job, call=number, recording_id=None)
        return job.id

    def _new(self, connection, call: CallInfo) -> int:
        now = self.service.clock()
        day, hour = self.service.day_and_hour(now)
        number = calls.add(
            connection,
            {
                "call_id": call.call_id, "line_of_business": call.line_of_business, "medium": call.medium.value,
                "agent_id": call.agent_id, "team": call.team, "customer_reference": call.customer_reference,
                "started_ms": now, "day": day, "hour": hour, "info": call_to_plain(call), "source": "api",
                "created_ms": now, "state": CallState.QUEUED.value,
            },
        )  # fmt: skip
        contributions.book_call(self.service, connection, before=None, after=calls.by_number(connection, number))
        return number

    def inspect(self, heard: Heard) -> str:
        """Accept, hear and report; returns the job's id."""
        job_id = self.accept(heard.call)
        archive.save_transcript(self.service, job_id, heard)
        assert archive.store_report(self.service, job_id, heard, judged(heard))
        return job_id

    def call(self, call_id: str = "c1") -> CallRow:
        with self.service.database.read() as connection:
            found = calls.find(connection, call_id)
        assert found is not None
        return found

    def report(self, call_id: str = "c1") -> Report | None:
        with self.service.database.read() as connection:
            return archive.load_report(connection, self.call(call_id).id)

    def found(self, words: str) -> list[str]:
        with self.service.database.read() as connection:
            page = search.find(connection, words=words, reach=ALL, wanted=CallFilter(), limit=50)
        return [hit.call.call_id for hit in page.items]

    def counts(self) -> dict[str, int]:
        """Rows of every table that a report touches."""
        names = ("transcripts", "reports", "findings", "contacts", "alerts", "deliveries", "events", "measures")
        with self.service.database.read() as connection:
            return {
                name: int(connection.execute(select(func.count()).select_from(getattr(tables, name))).scalar_one())
                for name in names
            }

    def sums(self) -> dict[str, int]:
        """All figures of all days together, without those that are zero."""
        total = tables.measures.c.scope == "total"
        with self.service.database.read() as connection:
            rows = connection.execute(select(tables.measures).where(total)).mappings().all()
        return {n: sum(row[n] for row in rows) for n in tables.MEASURE_COUNTS if any(row[n] for row in rows)}


@pytest.fixture
def desk(service: Service) -> Desk:
    policy = AlertPolicy(id="p1", name="严重问题", level=Level.SERIOUS, min_confidence=0.0)
    hook = Webhook(
        id="w1", url="https://example.com/hook", secret="whsec_x", events=tuple(WebhookEvent), created_ms=1,
        created_by="u",
    )  # fmt: skip
    with service.database.write() as connection:
        alert_policies.add(connection, policy, at_ms=1)
        webhooks.add(connection, hook)
    return Desk(service)


def test_words_are_kept_before_anything_else(desk: Desk) -> None:
    heard = rude()
    job_id = desk.accept(heard.call)
    assert archive.saved_transcript(desk.service, job_id) is None
    first = archive.save_transcript(desk.service, job_id, heard)
    assert archive.save_transcript(desk.service, job_id, rude("other")) == first
    assert archive.saved_transcript(desk.service, job_id) == heard


def test_words_of_a_call_that_was_deleted_are_not_kept(desk: Desk) -> None:
    with pytest.raises(NotFoundError):
        archive.save_transcript(desk.service, "no such job", rude())


@pytest.mark.parametrize("call_id", ["refund_late_answer", "angry_escalation"])
def test_a_report_comes_back_as_it_was_and_holds(desk: Desk, call_id: str) -> None:
    sample = sample_call(call_id)
    transcript = sample.transcript()
    heard = Heard(
        call=sample.script.call_info(), recording=None, roles=certain_roles(transcript), transcript=transcript
    )  # fmt: skip
    report = judged(heard)
    job_id = desk.accept(heard.call)
    archive.save_transcript(desk.service, job_id, heard)
    assert archive.store_report(desk.service, job_id, heard, report)
    read = desk.report(heard.call.call_id)
    assert read == report
    assert verify(read) == []
    with desk.service.database.read() as connection:
        row = reports.report_of_job(connection, job_id)
        assert row is not None
        assert archive.load_report(connection, report_id=row.id) == report
        assert archive.load_report(connection, report_id="none") is None
        assert archive.load_report(connection, 999_999) is None
        page = reports.findings_page(connection, reach=ALL, wanted=FindingFilter(), limit=200)
    assert sorted(one.finding_id for one in page.items) == sorted(one.id for one in report.findings)


def test_the_call_says_what_the_report_came_to(desk: Desk) -> None:
    heard = rude()
    report = judged(heard)
    desk.inspect(heard)
    row = desk.call()
    faults = [
        f for f in report.findings if f.polarity is Polarity.FAULT and not contributions.doubtful(report, f)
    ]  # fmt: skip
    assert (row.state, row.duration_ms, row.language) == (CallState.INSPECTED, 16000, "zh")
    assert (row.score, row.grade) == (report.score.total, report.score.grade)
    assert faults
    assert (row.faults, row.worst_level) == (len(faults), min(f.level.value for f in faults))
    assert row.reviews == sum(f.standing is Standing.REVIEW for f in report.findings)
    assert (row.reason, row.resolution) == (contributions.reason_of(report), contributions.resolution_of(report))
    assert row.resolution


def test_a_call_that_cannot_be_scored_has_no_score(desk: Desk) -> None:
    heard = made((Role.CUSTOMER, "喂？"), call=CallInfo(call_id="c1"))
    assert not judged(heard).score.valid
    desk.inspect(heard)
    assert (desk.call().score, desk.call().grade) == (None, "")
    assert desk.call().state is CallState.INSPECTED


def test_everything_follows_at_once(desk: Desk) -> None:
    job_id = desk.inspect(rude())
    with desk.service.database.read() as connection:
        job = jobs.get(connection, job_id, ALL)
        (event,) = [one for one in events.after(connection, 0) if one.name == "job.done"]
        raised = alerts.page(connection, reach=ALL, wanted=AlertFilter(), limit=100).items
    row = desk.call()
    assert (job.state, job.step, job.progress) == (JobState.DONE, JobStep.REPORT, 1.0)
    assert job.finished_ms == desk.service.clock()
    assert (event.job_id, event.batch_id, event.call_id, event.team, event.agent_id) == (job_id, "b1", "c1", "A", "x")
    assert dict(event.data) == {"score": row.score, "grade": row.grade, "state": "done"}
    assert raised
    assert desk.counts()["deliveries"] == 1 + len(raised)
    assert desk.counts()["contacts"] == 1
    assert desk.sums()["inspected"] == 1
    assert desk.found("退款") == ["c1"]


def test_personal_data_cannot_be_searched_for(desk: Desk) -> None:
    desk.inspect(rude())
    assert desk.found(PHONE) == []
    assert desk.found("手机号") == ["c1"]
    with desk.service.database.read() as connection:
        (hit,) = search.find(connection, words="手机号", reach=ALL, wanted=CallFilter(), limit=5).items
    assert hit.snippets
    assert PHONE not in "".join(hit.snippets)


def test_storing_again_changes_nothing(desk: Desk) -> None:
    heard = rude()
    job_id = desk.inspect(heard)
    before, row = (desk.counts(), desk.sums()), desk.call()
    assert archive.store_report(desk.service, job_id, heard, judged(heard))
    assert ((desk.counts(), desk.sums()), desk.call()) == (before, row)


def test_two_workers_with_the_same_job_store_one_report(desk: Desk) -> None:
    heard = rude()
    job_id = desk.accept(heard.call)
    archive.save_transcript(desk.service, job_id, heard)
    report = judged(heard)
    with ThreadPoolExecutor(4) as pool:
        stored = list(pool.map(lambda _: archive.store_report(desk.service, job_id, heard, report), range(4)))
    assert stored == [True] * 4
    assert desk.counts()["reports"] == 1
    assert desk.sums()["inspected"] == 1


def test_many_reports_of_one_team_at_once_lose_no_figure(desk: Desk) -> None:
    heards = [rude(f"c{number}") for number in range(12)]
    report_of = {heard.call.call_id: judged(heard) for heard in heards}
    job_of = {heard.call.call_id: desk.accept(heard.call) for heard in heards}

    def store(heard: Heard) -> bool:
        archive.save_transcript(desk.service, job_of[heard.call.call_id], heard)
        return archive.store_report(
            desk.service, job_of[heard.call.call_id], heard, report_of[heard.call.call_id]
        )  # fmt: skip

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(store, heards))
    assert desk.sums()["inspected"] == 12
    assert sorted(desk.found("退款")) == sorted(job_of)


STOPPED = [
    {"cancel_requested": True},
    {"state": JobState.CANCELLED.value},
    {"state": JobState.CANCELLED.value, "cancel_requested": True},
]


@pytest.mark.parametrize("values", STOPPED)
def test_a_job_cancelled_meanwhile_stores_nothing(desk: Desk, values: dict[str, object]) -> None:
    heard = rude()
    job_id = desk.accept(heard.call)
    archive.save_transcript(desk.service, job_id, heard)
    with desk.service.database.write() as connection:
        jobs.change(connection, job_id, **values)
    before = desk.counts()
    assert not archive.store_report(desk.service, job_id, heard, judged(heard))
    assert desk.counts() == before
    assert desk.call().state is CallState.QUEUED
    assert desk.found("退款") == []


def test_a_job_whose_call_was_deleted_stores_nothing(desk: Desk) -> None:
    heard = rude()
    job_id = desk.accept(heard.call)
    with desk.service.database.write() as connection:
        calls.remove(connection, desk.call().id)
    assert not archive.store_report(desk.service, job_id, heard, judged(heard))
    assert desk.counts()["reports"] == 0


@pytest.mark.parametrize("part", ["qingting.service.alerting.raise_alerts", "qingting.service.webhooks.announce_job",
                                  "qingting.storage.reports.save_report"])  # fmt: skip
def test_a_failure_anywhere_leaves_nothing_and_the_next_try_works(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    heard = rude()
    job_id = desk.accept(heard.call)
    archive.save_transcript(desk.service, job_id, heard)
    before = (desk.counts(), desk.sums())

    def fail(*_: object, **__: object) -> None:
        raise StorageError("broken")

    with monkeypatch.context() as patched:
        patched.setattr(part, fail)
        with pytest.raises(StorageError):
            archive.store_report(desk.service, job_id, heard, judged(heard))
    assert (desk.counts(), desk.sums()) == before
    assert desk.found("退款") == []
    assert archive.store_report(desk.service, job_id, heard, judged(heard))
    assert desk.sums()["inspected"] == 1


def test_an_analysis_repeated_takes_the_place_of_the_first(desk: Desk) -> None:
    heard = rude()
    desk.inspect(heard)
    first = desk.sums()
    job_id = desk.accept(heard.call, kind=JobKind.REANALYSE)
    report = judged(heard)
    assert archive.store_report(desk.service, job_id, heard, report)
    counts = desk.counts()
    assert (counts["transcripts"], counts["reports"], counts["contacts"]) == (1, 2, 1)
    assert counts["findings"] == len(report.findings)
    assert desk.sums() == first
    with desk.service.database.read() as connection:
        notes = reports.history(connection, desk.call().id)
        assert [note.latest for note in notes].count(True) == 1
        assert desk.call().report_id == next(note.id for note in notes if note.latest)
        assert all(archive.load_report(connection, report_id=note.id) is not None for note in notes)


def test_exchanged_roles_are_new_words_as_old_as_the_first_and_both_reports_hold(desk: Desk, clock) -> None:
    heard = rude()
    desk.inspect(heard)
    clock.ms += 1_000_000
    roles = swap(heard.roles)
    corrected = replace(
        heard,
        roles=roles,
        transcript=replace(heard.transcript, utterances=apply_roles(heard.transcript.utterances, roles)),
    )
    job_id = desk.accept(heard.call, kind=JobKind.REANALYSE)
    report = judged(corrected)
    assert archive.store_report(desk.service, job_id, heard, report)
    assert desk.counts()["transcripts"] == 2
    assert desk.report() == report
    with desk.service.database.read() as connection:
        assert archive.words_of_call(connection, desk.call().id) == corrected
        row = reports.transcript_of_job(connection, job_id)
        assert row is not None
        assert row.created_ms == clock.ms - 1_000_000
        for note in reports.history(connection, desk.call().id):
            read = archive.load_report(connection, report_id=note.id)
            assert read is not None
            assert verify(read) == []


def test_an_analysis_repeated_over_words_deleted_meanwhile_does_not_bring_them_back(desk: Desk) -> None:
    heard = rude()
    desk.inspect(heard)
    job_id = desk.accept(heard.call, kind=JobKind.REANALYSE)
    with desk.service.database.write() as connection:
        connection.execute(tables.transcripts.delete())
    assert not archive.store_report(desk.service, job_id, heard, judged(heard))
    assert desk.counts()["transcripts"] == desk.counts()["reports"] == 0


def test_earlier_contacts_about_the_same_matter_are_remembered(desk: Desk) -> None:
    desk.inspect(rude("c1"))
    desk.inspect(rude("c0", started_at=""))
    reason = str(next(f.facts["reason"] for f in judged(rude()).findings if f.dimension == "resolution"))
    history = StoredContacts(desk.service.database)
    asking = rude("c2", started_at=LATER).call
    (past,) = history.find(asking, reason, 7)
    assert (past.call_id, past.days_ago) == ("c1", 2.5)
    assert past.state in ("unresolved", "unclear")
    assert history.find(asking, reason, 2) == []
    assert history.find(asking, "another", 7) == []
    assert history.find(replace(asking, customer_reference="k2"), reason, 7) == []
    assert history.find(replace(asking, customer_reference=""), reason, 7) == ()
    assert history.find(replace(asking, started_at=""), reason, 7) == ()
    assert history.find(replace(asking, started_at=MORNING), reason, 7) == []
    assert history.find(replace(asking, call_id="c1"), reason, 7) == []
