"""Transcripts, reports, findings and contacts in the database, on SQLite and PostgreSQL."""

from __future__ import annotations

from dataclasses import replace

import pytest

from qingting.errors import NotFoundError, StorageError
from qingting.model.account import NOTHING, Reach
from qingting.model.call import Role
from qingting.model.finding import Confidence, Evidence, Finding, Level, Polarity, Standing
from qingting.storage import calls, contacts, reports
from qingting.storage.calls import CallRow
from qingting.storage.contacts import ContactRow
from qingting.storage.database import Database
from qingting.storage.reports import FindingFilter, ReportRow, TranscriptRow

ALL = Reach(everything=True)
WORDS = TranscriptRow(
    id="t1", call=0, job_id="j1", created_ms=10, engine="script", duration_ms=2000, document=b"\x00\xffwords"
)  # fmt: skip
REPORT = ReportRow(
    id="r1", call=0, job_id="j1", transcript_id="t1", created_ms=20, latest=True, pack="general@1", card="general@1",
    score=87.5, grade="良好", sha256="0" * 64, document=b"\x00report", contributions=b"\x00",
)  # fmt: skip


def finding(rule: str = "keywords.rude", number: int = 1, **changes: object) -> Finding:
    plain = Finding(
        id=f"{rule}#{number}", rule_id=rule, rule_version="1", dimension=rule.split(".")[0], title="服务忌语",
        level=Level.SERIOUS, polarity=Polarity.FAULT, who=Role.AGENT, explanation="说明",
        evidence=(Evidence(operator="keyword", start_ms=1500, end_ms=1600, quote="别烦我"),),
        confidence=Confidence(value=0.9), points=-5.0, standing=Standing.COUNTED,
    )  # fmt: skip
    return replace(plain, **changes)


@pytest.fixture
def call(database: Database, add_call) -> CallRow:
    with database.write() as connection:
        return add_call(connection, "c1", team="A", agent_id="x", day=20261130)


def store(database: Database, call: CallRow, job: str, *found: Finding, words: str = "t1", at_ms: int = 20) -> None:
    with database.write() as connection:
        transcript = replace(WORDS, id=words, call=call.id, job_id=words if words != "t1" else "j1")
        reports.save_transcript(connection, transcript)
        row = replace(REPORT, id=f"r-{job}", call=call.id, job_id=job, transcript_id=words, created_ms=at_ms)
        reports.save_report(connection, row, found, call)


def listed(database: Database, reach: Reach = ALL, **wanted: object) -> list[str]:
    with database.read() as connection:
        page = reports.findings_page(connection, reach=reach, wanted=FindingFilter(**wanted), limit=100)
    return [row.finding_id for row in page.items]


def test_words_are_kept_once_for_a_job(database: Database, call: CallRow) -> None:
    row = replace(WORDS, call=call.id)
    with database.write() as connection:
        assert reports.transcript_of_job(connection, "j1") is None
        assert reports.save_transcript(connection, row) == "t1"
        assert reports.save_transcript(connection, replace(row, id="t2", document=b"other")) == "t1"
        assert reports.transcript_of_job(connection, "j1") == row
        assert reports.get_transcript(connection, "t1") == row
        with pytest.raises(NotFoundError):
            reports.get_transcript(connection, "t2")


def test_words_need_their_call(database: Database) -> None:
    with pytest.raises(StorageError), database.write() as connection:
        reports.save_transcript(connection, replace(WORDS, call=999))


def test_words_can_be_corrected(database: Database, call: CallRow) -> None:
    with database.write() as connection:
        reports.save_transcript(connection, replace(WORDS, call=call.id))
        reports.correct_transcript(connection, "t1", b"corrected")
        assert reports.get_transcript(connection, "t1").document == b"corrected"


def test_the_words_of_the_latest_report_count_else_those_heard_last(database: Database, call: CallRow) -> None:
    with database.write() as connection:
        assert reports.latest_transcript(connection, call.id) is None
        for number in (1, 2):
            reports.save_transcript(connection, replace(WORDS, call=call.id, id=f"t{number}", job_id=f"j{number}"))
        last = reports.latest_transcript(connection, call.id)
        assert last is not None
        assert last.id == "t2"
        reports.save_report(connection, replace(REPORT, call=call.id), [], call)
        reported = reports.latest_transcript(connection, call.id)
        assert reported is not None
        assert reported.id == "t1"


def test_a_report_is_read_back(database: Database, call: CallRow) -> None:
    store(database, call, "j1", finding())
    expected = replace(REPORT, id="r-j1", call=call.id)
    with database.read() as connection:
        assert reports.report_of_job(connection, "j1") == expected
        assert reports.latest_of_call(connection, call.id) == expected
        assert reports.get(connection, "r-j1") == expected
        assert reports.find(connection, "r2") is None
        with pytest.raises(NotFoundError):
            reports.get(connection, "r2")


def test_a_job_makes_one_report(database: Database, call: CallRow) -> None:
    store(database, call, "j1", finding())
    with pytest.raises(StorageError):
        store(database, call, "j1", finding("keywords.other"))
    assert listed(database) == ["keywords.rude#1"]


def test_only_the_latest_report_is_listed(database: Database, call: CallRow, add_call) -> None:
    with database.write() as connection:
        other = add_call(connection, "c2")
    store(database, other, "j9", finding("keywords.else"), words="t9")
    store(database, call, "j1", finding(), finding(number=2))
    store(database, call, "j2", finding("keywords.new"), at_ms=30)
    assert listed(database) == ["keywords.new#1", "keywords.else#1"]
    with database.read() as connection:
        notes = reports.history(connection, call.id)
        latest = reports.latest_of_call(connection, call.id)
    assert [(note.id, note.latest) for note in notes] == [("r-j2", True), ("r-j1", False)]
    assert latest is not None
    assert latest.id == "r-j2"


def test_a_report_without_findings_takes_the_old_ones_away(database: Database, call: CallRow) -> None:
    store(database, call, "j1", finding())
    store(database, call, "j2")
    assert listed(database) == []


def test_a_finding_is_listed_with_what_its_call_is(database: Database, call: CallRow) -> None:
    store(database, call, "j1", finding(title="长" * 300))
    with database.read() as connection:
        (row,) = reports.findings_page(connection, reach=ALL, wanted=FindingFilter(), limit=10).items
    assert (row.call_id, row.team, row.agent_id, row.day, row.report_id) == ("c1", "A", "x", 20261130, "r-j1")
    assert (row.level, row.polarity, row.standing, row.who) == (1, "fault", "counted", "agent")
    assert (row.points, row.confidence, row.start_ms, row.title) == (-5.0, 0.9, 1500, "长" * 255)


FILTERS = [
    ({}, ["b", "a"]),
    ({"rule_id": "keywords.a"}, ["a"]),
    ({"dimension": "emotion"}, ["b"]),
    ({"level": 1}, ["a"]),
    ({"polarity": "note"}, ["b"]),
    ({"standing": "review"}, ["b"]),
    ({"agent_id": "x"}, ["a"]),
    ({"team": "B"}, ["b"]),
    ({"line_of_business": "finance"}, ["b"]),
    ({"from_day": 20261130}, ["b"]),
    ({"to_day": 20261129}, ["a"]),
    ({"from_day": 20261129, "to_day": 20261130}, ["b", "a"]),
    ({"team": "B", "level": 1}, []),
]


@pytest.mark.parametrize(("wanted", "expected"), FILTERS)
def test_filters_hold(database: Database, add_call, wanted: dict[str, object], expected: list[str]) -> None:
    with database.write() as connection:
        first = add_call(connection, "c1", team="A", agent_id="x", day=20261129)
        second = add_call(connection, "c2", team="B", agent_id="y", day=20261130, line_of_business="finance")
    store(database, first, "j1", finding("keywords.a", id="a"))
    other = finding("emotion.b", id="b", level=Level.LIGHT, polarity=Polarity.NOTE, standing=Standing.REVIEW)
    store(database, second, "j2", other, words="t2")
    assert listed(database, **wanted) == expected


def test_no_more_than_what_is_within_reach(database: Database, call: CallRow) -> None:
    store(database, call, "j1", finding())
    assert len(listed(database, Reach(teams=("A", "B")))) == 1
    assert len(listed(database, Reach(agent_id="x"))) == 1
    assert listed(database, Reach(teams=("B",))) == []
    assert listed(database, NOTHING) == []


def test_pages_hold_every_finding_once(database: Database, call: CallRow) -> None:
    store(database, call, "j1", *(finding(number=n) for n in range(1, 8)))
    seen: list[str] = []
    after = ""
    with database.read() as connection:
        while True:
            page = reports.findings_page(connection, reach=ALL, wanted=FindingFilter(), limit=3, after=after)
            seen += [row.finding_id for row in page.items]
            after = page.next_key
            if not after:
                break
    assert seen == [f"keywords.rude#{n}" for n in range(7, 0, -1)]


def test_everything_goes_with_its_call(database: Database, call: CallRow) -> None:
    store(database, call, "j1", finding())
    with database.write() as connection:
        contacts.replace_of_call(connection, call.id, [MATTER])
        calls.remove(connection, call.id)
        assert reports.find(connection, "r-j1") is None
        assert reports.transcript_of_job(connection, "j1") is None
        assert earlier(connection) == []
    assert listed(database) == []


MATTER = ContactRow(reason="delivery", customer_reference="k", started_ms=100, state="unresolved")


def earlier(connection, **changes: object) -> list[str]:
    asked = {"customer_reference": "k", "reason": "delivery", "from_ms": 100, "before_ms": 200} | changes
    return [call_id for call_id, _ in contacts.earlier(connection, **asked)]


def test_earlier_contacts_are_those_of_the_customer_the_matter_and_the_time(database: Database, add_call) -> None:
    rows = {
        "first": MATTER,
        "second": replace(MATTER, started_ms=150),
        "too late": replace(MATTER, started_ms=200),
        "too early": replace(MATTER, started_ms=99),
        "another matter": replace(MATTER, reason="money"),
        "another customer": replace(MATTER, customer_reference="k2"),
    }
    with database.write() as connection:
        for call_id, row in rows.items():
            contacts.replace_of_call(connection, add_call(connection, call_id).id, [row])
    with database.read() as connection:
        assert earlier(connection) == ["second", "first"]
        assert earlier(connection, limit=1) == ["second"]
        assert contacts.earlier(
            connection, customer_reference="k", reason="delivery", from_ms=150, before_ms=200
        ) == [("second", rows["second"])]  # fmt: skip


def test_a_new_report_replaces_the_contacts_of_the_old_one(database: Database, call: CallRow) -> None:
    with database.write() as connection:
        contacts.replace_of_call(connection, call.id, [MATTER, replace(MATTER, reason="money")])
        contacts.replace_of_call(connection, call.id, [replace(MATTER, reason="money", state="resolved")])
        assert earlier(connection) == []
        assert earlier(connection, reason="money") == ["c1"]
        contacts.replace_of_call(connection, call.id, [])
        assert earlier(connection, reason="money") == []
