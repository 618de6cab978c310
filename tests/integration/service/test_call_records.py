"""Lists of calls: what is taken, what is refused, and what the figures say afterwards."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import openpyxl
import pytest
from sqlalchemy import func, select

from qingting.bootstrap import plans
from qingting.errors import AccessDeniedError, InvalidRequestError, UnsupportedUploadError
from qingting.inspector import judge, read_conversation
from qingting.model.account import SYSTEM, Actor, Permission, Reach, UserRole
from qingting.model.call import CallInfo
from qingting.service import archive, call_records
from qingting.service.call_records import ImportResult, import_calls, import_scores
from qingting.service.center import Service
from qingting.service.intake import Submission, submit
from qingting.settings import load_settings
from qingting.storage import audit, calls, measures
from qingting.storage.calls import CallRow, CallState
from qingting.storage.database import Database
from qingting.storage.measures import Scope, Slice
from qingting.storage.recording_store import RecordingStore
from qingting.storage.tables import findings

NOW = 1_796_000_000_000
"""2026-11-30 in Shanghai."""
HEADINGS = "通话编号,坐席工号,班组,业务线,呼叫方向,开始时间,通话时长,客户编号,满意度,渠道"
ROW = "c1,1001,物流组,电商,呼入,2026-11-30 09:15:02,3:05,K77,满意,APP"


@pytest.fixture
def service(database: Database, tmp_path: Path) -> Service:
    store = RecordingStore.open((tmp_path / "recordings").as_uri(), min_free_bytes=0)
    return Service(settings=load_settings(), database=database, recordings=store, clock=lambda: NOW)


def table(folder: Path, *rows: str, headings: str = HEADINGS, name: str = "calls.csv") -> Path:
    path = folder / name
    path.write_text("\n".join([headings, *rows]) + "\n", encoding="utf-8")
    return path


def counts(result: ImportResult) -> tuple[int, int, int, int]:
    return result.added, result.changed, result.unchanged, result.refused


def row(service: Service, call_id: str) -> CallRow:
    with service.database.read() as connection:
        found = calls.find(connection, call_id)
    assert found is not None
    return found


def total(service: Service, scope: Scope = Scope.TOTAL, **wanted: object) -> dict[str, int]:
    with service.database.read() as connection:
        chosen = Slice(scope=scope, from_day=20000101, to_day=20991231, **wanted)  # type: ignore[arg-type]
        return {name: value for name, value in measures.sums(connection, chosen)[""].items() if value}


def inspected(service: Service, folder: Path, call: CallInfo) -> None:
    """Let a conversation of the call be reported, as a worker does."""
    said = [
        {"role": "agent", "time": "2026-11-30T09:15:02+08:00", "text": "您好，请问有什么可以帮您？"},
        {"role": "customer", "time": "2026-11-30T09:15:20+08:00", "text": "你们这是什么垃圾服务，我要投诉！"},
        {"role": "agent", "time": "2026-11-30T09:16:02+08:00", "text": "你爱投诉就去投诉，烦死了。"},
    ]
    path = folder / f"{call.call_id}.json"
    path.write_text(json.dumps(said), encoding="utf-8")
    job = submit(service, SYSTEM, Submission(call=call, file=path, file_name=path.name)).job
    heard = read_conversation(path, replace(call, call_id=job.call_id))
    plan = plans(service.settings)(call.line_of_business)
    report = judge(
        call=heard.call,
        roles=heard.roles,
        transcript=heard.transcript,
        plan=plan,
        now=datetime(2026, 11, 30, tzinfo=UTC),
    )
    assert archive.store_report(service, job.id, heard, report)


def actor(*, teams: tuple[str, ...] = (), permissions: frozenset[Permission] | None = None) -> Actor:
    return Actor(
        id="k1",
        name="key",
        role=UserRole.INTEGRATOR,
        permissions=frozenset({Permission.CALLS_SUBMIT}) if permissions is None else permissions,
        reach=Reach(teams=teams) if teams else Reach(everything=True),
    )


def test_a_row_becomes_a_known_call(service: Service, tmp_path: Path) -> None:
    assert counts(import_calls(service, SYSTEM, table(tmp_path, ROW))) == (1, 0, 0, 0)
    found = row(service, "c1")
    assert (found.agent_id, found.team, found.line_of_business) == ("1001", "物流组", "ecommerce")
    assert (found.direction, found.customer_reference, found.csat) == ("inbound", "K77", 4.0)
    assert (found.day, found.hour, found.duration_ms) == (20261130, 9, 185_000)
    assert (found.state, found.source) == (CallState.KNOWN, "import")
    assert found.info["fields"] == {"渠道": "APP"}
    assert found.info["started_at"] == "2026-11-30T09:15:02+08:00"
    assert total(service) == {"known": 1, "csat_count": 1, "csat_hundredths": 400}


def test_the_same_list_again_changes_nothing(service: Service, tmp_path: Path) -> None:
    path = table(tmp_path, ROW, "c2,1002,物流组,,,,,,,")
    import_calls(service, SYSTEM, path)
    before = row(service, "c1"), total(service)
    assert counts(import_calls(service, SYSTEM, path)) == (0, 0, 2, 0)
    assert (row(service, "c1"), total(service)) == before


def test_a_workbook_with_date_cells_says_the_same_as_its_csv(service: Service, tmp_path: Path) -> None:
    import_calls(service, SYSTEM, table(tmp_path, ROW))
    book = openpyxl.Workbook()
    book.active.append(HEADINGS.split(","))
    book.active.append(
        ["c1", 1001, "物流组", "电商", "呼入", datetime(2026, 11, 30, 9, 15, 2), 185, "K77", "满意", "APP"]
    )
    book.save(tmp_path / "calls.xlsx")
    assert counts(import_calls(service, SYSTEM, tmp_path / "calls.xlsx")) == (0, 0, 1, 0)


def test_later_lists_complete_and_correct(service: Service, tmp_path: Path) -> None:
    import_calls(service, SYSTEM, table(tmp_path, "c1,,,,,,,,,"))
    assert row(service, "c1").started_ms == NOW, "it counts for the moment of its registration"
    result = import_calls(service, SYSTEM, table(tmp_path, ROW))
    assert counts(result) == (0, 1, 0, 0)
    assert (row(service, "c1").team, row(service, "c1").hour) == ("物流组", 9)
    import_calls(service, SYSTEM, table(tmp_path, "c1,,账务组,,,2026-11-29 23:00:00,,,1,"))
    found = row(service, "c1")
    assert (found.team, found.day, found.csat, found.agent_id) == ("账务组", 20261129, 1.0, "1001")
    assert found.info["fields"] == {"渠道": "APP"}
    assert total(service) == {"known": 1, "csat_count": 1, "csat_hundredths": 100}
    assert total(service, Scope.TEAM, key="账务组") == total(service)
    assert total(service, Scope.TEAM, key="物流组") == {}


def test_a_start_in_another_zone_is_no_change(service: Service, tmp_path: Path) -> None:
    import_calls(service, SYSTEM, table(tmp_path, ROW))
    path = table(tmp_path, ROW.replace("2026-11-30 09:15:02", "2026-11-30T01:15:02Z"))
    assert counts(import_calls(service, SYSTEM, path)) == (0, 0, 1, 0)


def test_wrong_rows_are_listed_and_stop_no_others(service: Service, tmp_path: Path) -> None:
    secret = "王小明13812345678"
    rows = [
        "c1,,,,,,,,,",
        ",1001,,,,,,,,",
        f"c2,,,,{secret},{secret},,,,",
        f"c3,,,{secret},,,,,,",
        "a/b,,,,,,,,,",
        "c4,,,,,,,,9,",
        "c5,,,,,,,,,",
    ]
    result = import_calls(service, SYSTEM, table(tmp_path, *rows))
    assert counts(result) == (2, 0, 0, 5)
    assert [(p.row, p.column) for p in result.problems] == [
        (3, "call_id"), (4, "direction"), (4, "started_at"), (5, "line_of_business"), (6, "call_id"), (7, "csat"),
    ]  # fmt: skip
    assert secret not in str(result)


def test_more_problems_than_are_listed_are_counted(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(call_records, "MOST_PROBLEMS", 3)
    result = import_calls(service, SYSTEM, table(tmp_path, *["c,,,,?,?,,,,"] * 5))
    assert (result.refused, len(result.problems), result.problem_count) == (5, 3, 10)


def test_a_call_that_comes_twice_is_completed_by_its_second_row(service: Service, tmp_path: Path) -> None:
    result = import_calls(service, SYSTEM, table(tmp_path, "c1,1001,,,,,,,,", "c1,,物流组,,,,,,,", "c1,,物流组,,,,,,,"))
    assert counts(result) == (1, 1, 1, 0)
    assert (row(service, "c1").agent_id, row(service, "c1").team) == ("1001", "物流组")


@pytest.mark.parametrize("more", [0, 1, 3])
def test_lists_longer_than_a_transaction(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: int
) -> None:
    monkeypatch.setattr(call_records, "AT_ONCE", 4)
    path = table(tmp_path, *[f"c{n},1001,物流组,,,2026-11-30 09:15:02,,,," for n in range(8 + more)])
    assert counts(import_calls(service, SYSTEM, path)) == (8 + more, 0, 0, 0)
    assert total(service) == {"known": 8 + more}


def test_scores_may_come_before_and_after_the_report(service: Service, tmp_path: Path) -> None:
    call = CallInfo(call_id="c1", agent_id="1001", team="物流组", started_at="2026-11-30T09:15:02+08:00")
    assert counts(import_scores(service, SYSTEM, table(tmp_path, "c1,5", headings="通话编号,评分"))) == (1, 0, 0, 0)
    inspected(service, tmp_path, call)
    before = total(service)
    assert (before["known"], before["inspected"], before["csat_hundredths"]) == (1, 1, 500)
    path = table(tmp_path, "c1,2", "c2,非常满意", headings="call_id,score")
    assert counts(import_scores(service, SYSTEM, path)) == (1, 1, 0, 0)
    assert total(service) == {**before, "known": 2, "csat_count": 2, "csat_hundredths": 700}
    assert total(service, Scope.AGENT, key="1001")["csat_hundredths"] == 200
    assert counts(import_scores(service, SYSTEM, path)) == (0, 0, 2, 0)


def test_a_list_of_scores_changes_nothing_else(service: Service, tmp_path: Path) -> None:
    import_calls(service, SYSTEM, table(tmp_path, ROW))
    before = row(service, "c1")
    import_scores(service, SYSTEM, table(tmp_path, "c1,9999,客服部,5", headings="通话编号,坐席工号,班组,评分"))
    assert row(service, "c1") == replace(before, csat=5.0)


def test_a_list_of_scores_needs_scores(service: Service, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match="headings"):
        import_scores(service, SYSTEM, table(tmp_path, "c1,5", headings="通话编号,备注"))


def test_a_report_follows_its_call_to_another_team_and_day(service: Service, tmp_path: Path) -> None:
    call = CallInfo(call_id="c1", agent_id="1001", team="物流组", started_at="2026-11-30T09:15:02+08:00")
    inspected(service, tmp_path, call)
    before = total(service)
    duration = row(service, "c1").duration_ms
    result = import_calls(service, SYSTEM, table(tmp_path, "c1,2002,账务组,电商,,2026-11-29 23:00:00,999,,4,"))
    assert counts(result) == (0, 1, 0, 0)
    found = row(service, "c1")
    assert (found.state, found.duration_ms) == (CallState.INSPECTED, duration), "the recording knows its length better"
    assert found.line_of_business == "general", "it was inspected as that"
    expected = {**before, "csat_count": 1, "csat_hundredths": 400}
    assert total(service) == total(service, Scope.AGENT, key="2002") == expected
    assert total(service, Scope.TEAM, key="物流组") == total(service, Scope.AGENT, key="1001") == {}
    with service.database.read() as connection:
        places = connection.execute(select(findings.c.agent_id, findings.c.team, findings.c.day).distinct()).all()
    assert [tuple(place) for place in places] == [("2002", "账务组", 20261129)]


def test_a_recording_completes_a_known_call(service: Service, tmp_path: Path) -> None:
    import_calls(service, SYSTEM, table(tmp_path, ROW.replace("电商", "通用")))
    inspected(service, tmp_path, CallInfo(call_id="c1"))
    found = row(service, "c1")
    assert (found.state, found.team, found.csat) == (CallState.INSPECTED, "物流组", 4.0)
    assert total(service)["known"] == 1
    assert total(service, Scope.AGENT, key="1001")["inspected"] == 1


def test_a_key_changes_only_calls_of_its_teams(service: Service, tmp_path: Path) -> None:
    import_calls(service, SYSTEM, table(tmp_path, "c1,,账务组,,,,,,,", "c2,,物流组,,,,,,,"))
    rows = ["c1,,物流组,,,,,,,", "c2,7,,,,,,,,", "c3,,账务组,,,,,,,", "c4,,,,,,,,,", "c5,,物流组,,,,,,,"]
    result = import_calls(service, actor(teams=("物流组",)), table(tmp_path, *rows))
    assert counts(result) == (1, 1, 0, 3)
    assert {(p.row, p.column) for p in result.problems} == {(2, "call_id"), (4, "team"), (5, "team")}
    assert row(service, "c1").team == "账务组"
    assert row(service, "c2").agent_id == "7"


def test_without_the_permission_nothing_is_read(service: Service, tmp_path: Path) -> None:
    with pytest.raises(AccessDeniedError):
        import_calls(service, actor(permissions=frozenset({Permission.CALLS_READ})), tmp_path / "missing.csv")


@pytest.mark.parametrize(
    ("data", "kind"),
    [(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", UnsupportedUploadError), ("姓名,年龄\n".encode(), InvalidRequestError)],
)
def test_no_table_of_calls(service: Service, tmp_path: Path, data: bytes, kind: type[Exception]) -> None:
    (tmp_path / "x.csv").write_bytes(data)
    with pytest.raises(kind):
        import_calls(service, SYSTEM, tmp_path / "x.csv")


def test_what_came_before_a_broken_end_is_kept(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(call_records, "AT_ONCE", 2)
    path = table(tmp_path, "c1,,,,,,,,,", "c2,,,,,,,,,", "c3,,,,,,,,,", 'c4,,,,,,,,,"' + "x" * 200_000)
    with pytest.raises(InvalidRequestError):
        import_calls(service, SYSTEM, path)
    assert total(service) == {"known": 2}
    with service.database.read() as connection:
        (line,) = audit.page(connection, wanted=audit.AuditFilter(), limit=5).items
    assert (line.action, line.object_kind, line.detail["added"]) == ("calls.imported", "call_records", 2)


def test_two_lists_at_once(service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Overlapping lists in opposite orders: every call once, and no writer waits for ever."""
    monkeypatch.setattr(call_records, "AT_ONCE", 7)
    rows = [f"c{n},{n % 5},组{n % 3},,,2026-11-{n % 20 + 1:02} 09:15:02,,,{n % 5 + 1}," for n in range(60)]
    paths = [table(tmp_path, *rows, name="a.csv"), table(tmp_path, *reversed(rows), name="b.csv")]
    results: list[ImportResult] = []
    threads = [
        threading.Thread(target=lambda path=path: results.append(import_calls(service, SYSTEM, path))) for path in paths
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(result.added for result in results) == 60
    assert sum(sum(counts(result)) for result in results) == 120
    with service.database.read() as connection:
        assert calls.count(connection) == connection.execute(select(func.count(calls.calls.c.id))).scalar_one() == 60
    assert total(service)["known"] == total(service)["csat_count"] == 60
