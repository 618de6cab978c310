"""Actions in the knowledge base: which call they belong to, and when a call is analysed again."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from qingting.bootstrap import plans
from qingting.errors import AccessDeniedError
from qingting.inspector import judge, read_conversation
from qingting.model.account import SYSTEM, Actor, Permission, Reach, UserRole
from qingting.model.call import CallInfo, DesktopKind
from qingting.model.job import JobKind, JobState, Priority
from qingting.service import archive, call_records, desktop
from qingting.service.center import Service
from qingting.service.desktop import DesktopResult, import_events
from qingting.service.documents import call_from_plain
from qingting.service.intake import Submission, submit
from qingting.settings import load_settings
from qingting.storage import calls, jobs
from qingting.storage.database import Database
from qingting.storage.recording_store import RecordingStore

NOW = 1_796_000_000_000


@pytest.fixture
def service(database: Database, tmp_path: Path) -> Service:
    store = RecordingStore.open((tmp_path / "recordings").as_uri(), min_free_bytes=0)
    return Service(settings=load_settings(), database=database, recordings=store, clock=lambda: NOW)


def lines(folder: Path, *events: dict[str, object]) -> Path:
    path = folder / "events.jsonl"
    path.write_text("\n".join(json.dumps(one, ensure_ascii=False) for one in events), encoding="utf-8")
    return path


def known_calls(service: Service, folder: Path) -> None:
    """Two calls of one agent, one of another."""
    rows = [
        "通话编号,坐席工号,班组,开始时间,通话时长",
        "c1,1001,甲组,2026-11-30 09:00:00,5:00",
        "c2,1001,甲组,2026-11-30 09:10:00,5:00",
        "c3,1002,乙组,2026-11-30 09:00:00,",
    ]
    (folder / "calls.csv").write_text("\n".join(rows), encoding="utf-8")
    assert call_records.import_calls(service, SYSTEM, folder / "calls.csv").added == 3


def actions(service: Service, call_id: str) -> list[tuple[str, int, str]]:
    with service.database.read() as connection:
        row = calls.find(connection, call_id)
    assert row is not None
    return [(e.kind.value, e.at_ms, e.name) for e in call_from_plain(row.info).desktop_events or ()]


def told(result: DesktopResult) -> tuple[int, int, int, int, int]:
    return result.events, result.changed, result.unchanged, result.analysed_again, result.refused


def open_jobs(service: Service) -> list[tuple[JobKind, str, Priority]]:
    with service.database.read() as connection:
        page = jobs.page(connection, reach=SYSTEM.reach, limit=50, state=JobState.QUEUED.value)
    return [(job.kind, job.call_id, job.priority) for job in page.items]


SEARCH = {"kind": "search", "query": "退款多久到账", "results": 4}


def test_actions_name_their_call_or_the_agent_and_a_time(service: Service, tmp_path: Path) -> None:
    known_calls(service, tmp_path)
    path = lines(
        tmp_path,
        {"call_id": "c1", "at_ms": 15200, **SEARCH},
        {"call_id": "c1", "time": "2026-11-30T09:00:20+08:00", "kind": "open", "article": "KB-1"},
        {"agent_id": "1001", "time": "2026-11-30 09:11:00", "kind": "打开", "title": "退款说明"},
        {"agent_id": "1002", "time": "2026-11-30T01:30:00Z", **SEARCH},
    )
    assert told(import_events(service, SYSTEM, path)) == (4, 3, 0, 0, 0)
    assert actions(service, "c1") == [("search", 15200, "退款多久到账"), ("open", 20_000, "KB-1")]
    assert actions(service, "c2") == [("open", 60_000, "退款说明")]
    assert actions(service, "c3") == [("search", 1_800_000, "退款多久到账")], "of unknown length"


@pytest.mark.parametrize(
    ("time", "call_id"),
    [
        ("08:57:59", ""), ("08:58:01", "c1"), ("09:00:00", "c1"), ("09:05:00", "c1"), ("09:06:59", "c1"),
        ("09:07:30", ""), ("09:08:30", "c2"), ("09:16:59", "c2"), ("09:17:01", ""),
    ],
)  # fmt: skip
def test_an_action_belongs_to_the_call_at_its_time(service: Service, tmp_path: Path, time: str, call_id: str) -> None:
    known_calls(service, tmp_path)
    result = import_events(
        service, SYSTEM, lines(tmp_path, {"agent_id": "1001", "time": f"2026-11-30 {time}", **SEARCH})
    )
    assert [one for one in ("c1", "c2") if actions(service, one)] == ([call_id] if call_id else [])
    assert result.refused == int(not call_id)


def test_a_table_says_the_same_as_lines(service: Service, tmp_path: Path) -> None:
    known_calls(service, tmp_path)
    path = tmp_path / "events.csv"
    path.write_text(
        "坐席工号,操作时间,操作类型,检索词,结果数,知识编号,内容\n"
        "1001,2026-11-30 09:00:15,搜索,退款多久到账,4,,\n"
        "1001,2026-11-30 09:00:20,打开,,,102,退款三天到账。\n",
        encoding="gb18030",
    )
    assert told(import_events(service, SYSTEM, path)) == (2, 1, 0, 0, 0)
    with service.database.read() as connection:
        row = calls.find(connection, "c1")
    assert row is not None
    search, opened = call_from_plain(row.info).desktop_events or ()
    assert (search.kind, search.results, search.at_ms) == (DesktopKind.SEARCH, 4, 15_000)
    assert (opened.article, opened.text) == ("102", "退款三天到账。")


def test_the_same_file_again_changes_nothing(service: Service, tmp_path: Path) -> None:
    known_calls(service, tmp_path)
    path = lines(tmp_path, *({"call_id": "c1", "at_ms": 5, "kind": "open", "article": f"{n}"} for n in range(20)))
    assert told(import_events(service, SYSTEM, path)) == (20, 1, 0, 0, 0)
    before = actions(service, "c1")
    assert told(import_events(service, SYSTEM, path)) == (20, 0, 1, 0, 0)
    assert actions(service, "c1") == before
    import_events(service, SYSTEM, lines(tmp_path, {"call_id": "c1", "at_ms": 1, **SEARCH}))
    assert len(actions(service, "c1")) == 21, "later files add"


def test_wrong_actions_are_listed_without_their_words(service: Service, tmp_path: Path) -> None:
    known_calls(service, tmp_path)
    secret = "王小明13812345678"
    path = lines(
        tmp_path,
        {"call_id": "c1", "at_ms": 1, "kind": secret},
        {"call_id": "c1", "at_ms": 1, "kind": "search"},
        {"call_id": "c1", "at_ms": 1, "kind": "open", "article": "A"},
        {"call_id": "c1", "kind": "open", "article": "A", "time": secret},
        {"at_ms": 1, **SEARCH},
        {"agent_id": "1001", "time": 12, **SEARCH},
        {"call_id": "a/b", "at_ms": 1, **SEARCH},
        {"call_id": "unknown", "time": "2026-11-30 09:00:00", **SEARCH},
        {"call_id": "c1", "time": "2025-11-30 09:00:00", **SEARCH},
    )
    with path.open("a", encoding="utf-8") as file:
        file.write(f"\n{secret}\n[1]\n")
    result = import_events(service, SYSTEM, path)
    assert told(result) == (1, 1, 0, 0, 10)
    assert [(p.row, p.column) for p in result.problems] == [
        (1, "kind"), (2, "query"), (4, "time"), (5, "call_id"), (6, "call_id"), (7, "call_id"), (8, "call_id"),
        (9, "time"), (10, "time"), (11, "time"),
    ]  # fmt: skip
    assert secret not in str(result)


def test_actions_in_call_time_register_a_call_before_anything_else(service: Service, tmp_path: Path) -> None:
    path = lines(tmp_path, {"call_id": "new", "agent_id": "1001", "at_ms": 10, **SEARCH})
    assert import_events(service, SYSTEM, path).added == 1
    assert actions(service, "new") == [("search", 10, "退款多久到账")]
    call = replace(CallInfo(call_id="new"), team="甲组")
    heard = conversation(service, tmp_path, call)
    assert heard.desktop_events is not None, "the inspection sees them"


def conversation(service: Service, folder: Path, call: CallInfo, *, late: Path | None = None) -> CallInfo:
    """Let a conversation of the call be reported; `late` is imported while it is judged."""
    path = folder / f"{call.call_id}.json"
    said = [{"role": "customer", "time": 1, "text": "退款多久到账？"}, {"role": "agent", "time": 9, "text": "三天。"}]
    path.write_text(json.dumps(said), encoding="utf-8")
    job = submit(service, SYSTEM, Submission(call=call, file=path, file_name=path.name)).job
    with service.database.read() as connection:
        row = calls.find(connection, call.call_id)
    assert row is not None
    heard = read_conversation(path, call_from_plain(row.info))
    plan = plans(service.settings)(heard.call.line_of_business)
    report = judge(call=heard.call, roles=heard.roles, transcript=heard.transcript, plan=plan)
    if late is not None:
        assert import_events(service, SYSTEM, late).analysed_again == 0
    assert archive.store_report(service, job.id, heard, report)
    return heard.call


def test_an_inspected_call_is_analysed_again_once(service: Service, tmp_path: Path) -> None:
    conversation(service, tmp_path, CallInfo(call_id="c9"))
    assert told(import_events(service, SYSTEM, lines(tmp_path, {"call_id": "c9", "at_ms": 1, **SEARCH}))) == (
        1,
        1,
        0,
        1,
        0,
    )
    assert open_jobs(service) == [(JobKind.REANALYSE, "c9", Priority.LOW)]
    more = lines(tmp_path, {"call_id": "c9", "at_ms": 2, **SEARCH})
    assert told(import_events(service, SYSTEM, more)) == (1, 1, 0, 0, 0), "the job that waits will see it"
    assert len(open_jobs(service)) == 1


def test_actions_that_come_while_a_call_is_judged_are_not_lost(service: Service, tmp_path: Path) -> None:
    late = lines(tmp_path, {"call_id": "c9", "at_ms": 1, **SEARCH})
    conversation(service, tmp_path, CallInfo(call_id="c9"), late=late)
    assert open_jobs(service) == [(JobKind.REANALYSE, "c9", Priority.LOW)]


def test_a_key_adds_only_to_calls_of_its_teams(service: Service, tmp_path: Path) -> None:
    known_calls(service, tmp_path)
    key = Actor(
        id="k", name="k", role=UserRole.INTEGRATOR, permissions=frozenset({Permission.CALLS_SUBMIT}),
        reach=Reach(teams=("甲组",)),
    )  # fmt: skip
    path = lines(tmp_path, *({"call_id": one, "at_ms": 1, **SEARCH} for one in ("c1", "c3", "new")))
    result = import_events(service, key, path)
    assert told(result) == (1, 1, 0, 0, 2)
    assert len({p.problem for p in result.problems}) == 1, "calls of others look like unknown ones"
    with pytest.raises(AccessDeniedError):
        import_events(service, replace(key, permissions=frozenset()), path)


def test_more_actions_than_a_call_can_have(service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known_calls(service, tmp_path)
    monkeypatch.setattr(desktop, "MAX_EVENTS", 2)
    result = import_events(
        service, SYSTEM, lines(tmp_path, *({"call_id": "c1", "at_ms": n, **SEARCH} for n in range(3)))
    )
    assert (result.changed, result.refused) == (0, 3)
    assert actions(service, "c1") == []
