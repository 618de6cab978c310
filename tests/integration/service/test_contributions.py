"""Whatever happens to calls, the sums are those that the calls and reports at hand come to."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Protocol

import pytest
from sqlalchemy import delete, select, update

from qingting.bootstrap import plans
from qingting.inspector import Heard, certain_roles, judge
from qingting.jobs import states
from qingting.model.account import SYSTEM
from qingting.model.call import CallInfo
from qingting.model.job import JobFailure, JobState
from qingting.model.report import Report
from qingting.service import archive, contributions
from qingting.service.center import Service
from qingting.service.contributions import book_call, of_known_call, of_report
from qingting.service.intake import Submission, submit
from qingting.service.recounting import rebuild
from qingting.settings import load_settings
from qingting.storage import calls, jobs, measures, reports
from qingting.storage.measures import Contributions, net
from qingting.storage.tables import calls as calls_table
from qingting.storage.tables import latency_measures, rule_measures, rules, transcripts
from qingting.storage.tables import measures as measures_table
from qingting.testing import sample_call


class Clock(Protocol):
    """The fixture's clock."""

    ms: int


KINDS = ("absolute_promise", "angry_escalation", "cantonese_card_lost", "dead_air_no_closing", "hurried_agent")


@cache
def judged() -> tuple[tuple[Heard, Report], ...]:
    """A few calls that differ in score, reason, outcome, items; made once."""
    plan_for = plans(load_settings())
    found = []
    for name in KINDS:
        sample = sample_call(name)
        transcript, call = sample.transcript(), sample.script.call_info()
        heard = Heard(call=call, recording=None, roles=certain_roles(transcript), transcript=transcript)
        plan = plan_for(call.line_of_business)
        found.append((heard, judge(call=call, roles=heard.roles, transcript=transcript, plan=plan)))
    return tuple(found)


class Centre:
    """Does to an installation what a busy centre does, at random."""

    def __init__(self, service: Service, folder: Path, seed: int) -> None:
        self.service, self.random = service, random.Random(seed)
        self.file = folder / "chat.json"
        said = [{"role": "agent", "text": "您好"}, {"role": "customer", "text": "你好"}]
        self.file.write_text(json.dumps(said), encoding="utf-8")
        self.waiting: dict[str, str] = {}
        """Call id -> its job."""

    def call(self, call_id: str) -> CallInfo:
        day, hour = self.random.randrange(28, 31), self.random.randrange(9, 12)
        return CallInfo(
            call_id=call_id,
            agent_id=self.random.choice(["a1", "a2", ""]),
            team=self.random.choice(["物流组", "售后组", ""]),
            line_of_business=self.random.choice(["general", "ecommerce"]),
            started_at=f"2026-11-{day}T{hour:02}:30:00+08:00",
        )

    def run(self, steps: int) -> None:
        for _ in range(steps):
            self.random.choice([self.submit, self.submit, self.report, self.report, self.fail, self.correct])()

    def submit(self, call_id: str = "") -> None:
        call_id = call_id or f"c{self.random.randrange(8)}"
        if call_id not in self.waiting:
            given = Submission(call=self.call(call_id), file=self.file, file_name="chat.json", replace=True)
            self.waiting[call_id] = submit(self.service, SYSTEM, given).job.id

    def report(self) -> None:
        if not self.waiting:
            return
        call_id = self.random.choice(sorted(self.waiting))
        heard, report = self.random.choice(judged())
        call = replace(report.call, call_id=call_id)
        job_id = self.waiting.pop(call_id)
        assert archive.store_report(self.service, job_id, replace(heard, call=call), replace(report, call=call))

    def fail(self) -> None:
        if not self.waiting:
            return
        job_id = self.waiting.pop(self.random.choice(sorted(self.waiting)))
        with self.service.database.write() as connection:
            job = jobs.lock(connection, job_id)
            assert job is not None
            states.end(self.service, connection, job, JobState.FAILED, JobFailure(code="not_audio", cause="No sound."))

    def correct(self) -> None:
        """A call record comes later and knows better who had the call, and what the customer thought."""
        with self.service.database.write() as connection:
            before = calls.lock(connection, f"c{self.random.randrange(8)}")
            if before is None:
                return
            changes = {
                "agent_id": self.random.choice(["a1", "a3"]),
                "team": self.random.choice(["物流组", "投诉组"]),
                "csat": self.random.choice([None, 1.0, 4.5]),
            }
            calls.change(connection, before.id, changes)
            book_call(self.service, connection, before=before, after=replace(before, **changes))


KEYS = {"rule_measures": ["scope", "rule", "day", "key", "team"]}
"""As contributions have them; else in the order of the columns."""


def rows_of(service: Service) -> dict[str, dict[tuple[object, ...], dict[str, int]]]:
    """All sums that are not zero, by key; rules by id."""
    with service.database.read() as connection:
        ids = {row.id: row.rule_id for row in connection.execute(select(rules))}
        found: dict[str, dict[tuple[object, ...], dict[str, int]]] = {}
        for table in (measures_table, rule_measures, latency_measures):
            keys = KEYS.get(table.name) or [column.name for column in table.primary_key]
            found[table.name] = {}
            for row in connection.execute(select(table)).mappings():
                counts = {name: value for name, value in row.items() if name not in keys and value}
                key = tuple(ids[row[name]] if name == "rule" else row[name] for name in keys)
                if counts:
                    found[table.name][key] = counts
        return found


def expected(service: Service) -> dict[str, dict[tuple[object, ...], dict[str, int]]]:
    """What the calls and the latest reports come to, counted from nothing."""
    parts: list[Contributions] = []
    with service.database.read() as connection:
        for number in connection.execute(select(calls_table.c.id)).scalars():
            call = calls.by_number(connection, number)
            parts.append(of_known_call(service, call))
            row = reports.latest_of_call(connection, number)
            report = archive.load_report(connection, number)
            if row is not None and report is not None:
                first = Contributions.from_bytes(row.contributions)
                parts.append(of_report(service, call, report, reported_ms=row.created_ms, earlier=first))
    whole = net(parts)

    def told(counts: dict[tuple[object, ...], dict[str, int]]) -> dict[tuple[object, ...], dict[str, int]]:
        return {key: {name: value for name, value in found.items() if value} for key, found in counts.items()}

    return {
        "measures": told({key: dict(counts) for key, counts in whole.measures.items()}),
        "rule_measures": told({key: dict(counts) for key, counts in whole.rule_measures.items()}),
        "latency_measures": {key: {"reports": number} for key, number in whole.latency_measures.items()},
    }


@pytest.mark.parametrize("seed", range(4))
def test_sums_are_those_of_the_calls_and_reports_at_hand(service: Service, tmp_path: Path, seed: int) -> None:
    Centre(service, tmp_path, seed).run(60)
    booked = rows_of(service)
    assert sum(counts.get("inspected", 0) for key, counts in booked["measures"].items() if key[0] == "total") > 2
    assert booked == expected(service)
    assert rebuild(service, portion=3).changed == 0
    assert rows_of(service) == booked


def test_reports_counted_by_an_older_release_are_counted_anew(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    centre = Centre(service, tmp_path, 7)
    with monkeypatch.context() as older:
        older.setattr(contributions, "inspected_items", lambda *_: [])
        older.setattr(contributions, "SUMMARIES", frozenset())
        centre.run(50)
    assert rows_of(service) != expected(service)
    done = rebuild(service, portion=2)
    assert (done.changed, done.unreadable) == (done.reports, 0)
    assert done.reports > 2
    assert rows_of(service) == expected(service)


def test_what_is_deleted_by_age_stays_in_the_sums(service: Service, tmp_path: Path) -> None:
    Centre(service, tmp_path, 3).run(40)
    booked = rows_of(service)
    with service.database.write() as connection:
        connection.execute(delete(transcripts))
    assert rebuild(service).reports == 0
    assert rows_of(service) == booked


def test_a_report_that_cannot_be_read_keeps_what_it_counted(service: Service, tmp_path: Path) -> None:
    Centre(service, tmp_path, 5).run(30)
    booked = rows_of(service)
    with service.database.write() as connection:
        connection.execute(update(transcripts).values(document=b"broken"))
    done = rebuild(service)
    assert done.unreadable == done.reports > 0
    assert rows_of(service) == booked


def test_a_call_that_fails_and_then_succeeds_counts_once(service: Service, tmp_path: Path) -> None:
    centre = Centre(service, tmp_path, 1)
    whole = measures.Slice(scope=measures.Scope.TOTAL, from_day=20000101, to_day=20991231)

    def total() -> tuple[int, ...]:
        with service.database.read() as connection:
            counts = measures.sums(connection, whole)[""]
        return tuple(counts[name] for name in ("known", "failed", "inspected", "latency_count"))

    seen = []
    for act in (lambda: centre.submit("c1"), centre.fail, lambda: centre.submit("c1"), centre.report):
        act()
        seen.append(total())
    assert seen == [(1, 0, 0, 0), (1, 1, 0, 0), (1, 0, 0, 0), (1, 0, 1, 1)]


def test_the_latency_is_that_of_the_first_report(service: Service, tmp_path: Path, clock: Clock) -> None:
    """Analysing a call again a day later says nothing of how long its report took."""
    centre = Centre(service, tmp_path, 2)
    buckets = []
    for took_ms in (4_000, 60_000):
        centre.submit("c1")
        clock.ms += took_ms
        centre.report()
        buckets.append([key[-1] for key in rows_of(service)["latency_measures"]])
        clock.ms += 86_400_000
    assert buckets == [[contributions.bucket_of(4_000)] * 2] * 2
