"""Tables of many calls: complete, within reach, masked, harmless in spreadsheets, on record."""

from __future__ import annotations

import csv
import io
import json
import tracemalloc
import zipfile
from collections.abc import Iterator
from dataclasses import fields, replace
from functools import cache
from typing import Any

import openpyxl
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import insert, select

from qingting.api.app import build_app
from qingting.api.limits import Limits
from qingting.bootstrap import plans
from qingting.errors import AccessDeniedError
from qingting.inspector import Heard, certain_roles, judge
from qingting.model.account import SYSTEM, Permission, Reach, UserRole
from qingting.model.ids import new_id
from qingting.model.job import InspectionJob, JobKind, JobState, Priority
from qingting.model.report import Report
from qingting.model.transcript import Transcript
from qingting.service import accounts, archive, call_data, exports
from qingting.service.accounts import NewKey
from qingting.service.center import Service
from qingting.service.contributions import book_call
from qingting.service.export_rows import CALL_COLUMNS, FIGURE_COLUMNS, FINDING_COLUMNS
from qingting.service.exports import Form
from qingting.service.figure_formulas import Figures
from qingting.service.figures import Dimension, Wanted
from qingting.settings import load_settings
from qingting.storage import calls, jobs
from qingting.storage.calls import CallFilter
from qingting.storage.tables import audit as audit_table
from qingting.storage.tables import calls as calls_table
from qingting.testing import sample_call

PHONE = "13812345678"
FORMULA = '=HYPERLINK("http://x")'


def known(service: Service, call_id: str, **changes: Any) -> None:
    """A call without a recording."""
    call = replace(sample_call("absolute_promise").script.call_info(), call_id=call_id, **changes)
    with service.database.write() as connection:
        number = calls.add(
            connection,
            {
                **call_data.columns(service, call, now_ms=service.clock()),
                "call_id": call_id,
                "source": "api",
                "created_ms": service.clock(),
                "state": "known",
            },
        )
        book_call(service, connection, before=None, after=calls.by_number(connection, number))


@cache
def judged() -> tuple[Heard, Report]:
    """A call whose customer gives a telephone number; made once."""
    sample = sample_call("absolute_promise")
    call, transcript = sample.script.call_info(), sample.transcript()
    told = tuple(
        replace(one, text=f"{one.text}我的手机号是{PHONE}。", characters=()) if one.index == 1 else one
        for one in transcript.utterances
    )
    transcript = Transcript(utterances=told, engine=transcript.engine, duration_ms=transcript.duration_ms)
    heard = Heard(call=call, recording=None, roles=certain_roles(transcript), transcript=transcript)
    plan = plans(load_settings())(call.line_of_business)
    return heard, judge(call=call, roles=heard.roles, transcript=transcript, plan=plan)


def inspected(service: Service, call_id: str, **changes: Any) -> None:
    """A call with its report."""
    known(service, call_id, **changes)
    heard, report = judged()
    call = replace(report.call, call_id=call_id, **changes)
    heard, report = replace(heard, call=call), replace(report, call=call)
    job = InspectionJob(
        id=new_id(),
        kind=JobKind.INSPECT,
        call_id=call_id,
        state=JobState.RUNNING,
        priority=Priority.NORMAL,
        created_ms=service.clock(),
    )
    with service.database.write() as connection:
        row = calls.find(connection, call_id)
        assert row is not None
        jobs.add(connection, job, call=row.id, recording_id=None)
    archive.save_transcript(service, job.id, heard)
    assert archive.store_report(service, job.id, heard, report)


@pytest.fixture
def centre(service: Service) -> Service:
    inspected(service, "c1", team="物流组", agent_id="a1", customer_reference=PHONE)
    known(service, FORMULA, team="售后组", agent_id="@SUM(A1)", customer_reference="K77")
    inspected(service, "c3", team="售后组", agent_id="a2")
    return service


def everything(export: exports.Export) -> bytes:
    return b"".join(export.parts)


def csv_rows(data: bytes) -> list[dict[str, str]]:
    assert data.startswith(b"\xef\xbb\xbf")
    assert data.count(b"\r\n") == data.count(b"\n")
    return list(csv.DictReader(io.StringIO(data[3:].decode(), newline="")))


def sheet_rows(data: bytes) -> list[list[Any]]:
    sheet = openpyxl.load_workbook(io.BytesIO(data)).active
    assert sheet is not None
    return [[cell.value for cell in row] for row in sheet.iter_rows()]


def json_rows(data: bytes) -> list[dict[str, Any]]:
    assert data.endswith(b"\n")
    return [json.loads(line) for line in data.decode().splitlines()]


def test_calls_as_csv(centre: Service) -> None:
    rows = csv_rows(everything(exports.export_calls(centre, SYSTEM, CallFilter(), Form.CSV)))
    assert [row["通话编号"] for row in rows] == ["c3", f"'{FORMULA}", "c1"]
    assert rows[1]["坐席"] == "'@SUM(A1)"
    assert (rows[1]["状态"], rows[1]["得分"], rows[2]["状态"], rows[2]["等级"]) == ("未收到录音", "", "已质检", "良好")
    assert (rows[2]["业务"], rows[2]["来电原因"], rows[2]["解决情况"]) == ("电商", "物流查询", "不明确")
    assert PHONE not in str(rows)
    assert rows[2]["客户编号"].startswith("138")


def test_a_workbook_holds_the_same_as_text(centre: Service) -> None:
    data = everything(exports.export_calls(centre, SYSTEM, CallFilter(), Form.XLSX))
    head, *rows = sheet_rows(data)
    assert tuple(head) == CALL_COLUMNS
    assert [row[0] for row in rows] == ["c3", FORMULA, "c1"]
    book = openpyxl.load_workbook(io.BytesIO(data))
    cells = [cell for row in book.active.iter_rows() for cell in row]  # type: ignore[union-attr]
    assert {cell.data_type for cell in cells} <= {"s", "inlineStr", "n"}
    assert {cell.value for cell in cells if cell.quotePrefix} == {FORMULA, "@SUM(A1)"}
    sheet = zipfile.ZipFile(io.BytesIO(data)).read("xl/worksheets/sheet1.xml").decode()
    assert "<f>" not in sheet
    assert PHONE not in sheet
    assert isinstance(rows[2][CALL_COLUMNS.index("得分")], int | float)


def test_texts_that_no_workbook_can_hold_are_written_as_far_as_they_go(service: Service) -> None:
    known(service, "c1", agent_id="a\x0b\ufffe￿1", team="#N/A")
    row = sheet_rows(everything(exports.export_calls(service, SYSTEM, CallFilter(), Form.XLSX)))[1]
    assert row[CALL_COLUMNS.index("坐席")] == "a\ufffd\ufffd\ufffd1"
    assert row[CALL_COLUMNS.index("班组")] == "#N/A"


def test_json_lines_hold_whole_masked_reports(centre: Service) -> None:
    data = everything(exports.export_calls(centre, SYSTEM, CallFilter(), Form.JSONL))
    rows = json_rows(data)
    assert [row["call"]["call_id"] for row in rows] == ["c3", FORMULA, "c1"]
    assert rows[1]["report"] is None
    assert rows[0]["report"]["transcript"]["utterances"][1]["text"].endswith("。")
    assert PHONE not in data.decode()
    assert "138****5678" in data.decode()


@pytest.mark.parametrize("form", list(Form))
def test_findings_without_and_with_words(centre: Service, form: Form) -> None:
    read = {Form.CSV: csv_rows, Form.JSONL: json_rows, Form.XLSX: sheet_rows}[form]
    bare = everything(exports.export_findings(centre, SYSTEM, CallFilter(), form))
    told = everything(exports.export_findings(centre, SYSTEM, CallFilter(), form, words=True))
    assert len(read(bare)) == len(read(told)) > 10
    if form is Form.CSV:
        rows = csv_rows(bare)
        assert tuple(rows[0]) == FINDING_COLUMNS
        assert {row["通话编号"] for row in rows} == {"c1", "c3"}
        assert {row["维度"] for row in rows} >= {"合规话术"}
        quotes = [row["引文"] for row in csv_rows(told)]
        assert any("手机号" in quote for quote in quotes) or any(quotes)
    if form is not Form.XLSX:
        assert PHONE not in bare.decode() + told.decode()


@pytest.mark.parametrize(("by", "keys"), [(None, 30), (Dimension.TEAM, 2), (Dimension.AGENT, 3)])
def test_measures(centre: Service, by: Dimension | None, keys: int) -> None:
    rows = csv_rows(everything(exports.export_measures(centre, SYSTEM, Wanted(), by, Form.CSV)))
    assert len(rows) == keys
    assert sum(int(row["已知通话"]) for row in rows) == 3
    assert sum(int(row["已质检"]) for row in rows) == 2
    lines = json_rows(everything(exports.export_measures(centre, SYSTEM, Wanted(), by, Form.JSONL)))
    assert sum(line["figures"]["inspected"] for line in lines) == 2
    head, *_ = sheet_rows(everything(exports.export_measures(centre, SYSTEM, Wanted(), by, Form.XLSX)))
    assert tuple(head[2:]) == FIGURE_COLUMNS


def test_every_figure_has_a_heading() -> None:
    assert len(FIGURE_COLUMNS) == len(fields(Figures))


def test_filters_and_reach_hold(centre: Service) -> None:
    supervisor = replace(SYSTEM, reach=Reach(teams=("售后组",)))
    rows = csv_rows(everything(exports.export_calls(centre, supervisor, CallFilter(), Form.CSV)))
    assert [row["通话编号"] for row in rows] == ["c3", f"'{FORMULA}"]
    rows = csv_rows(everything(exports.export_findings(centre, supervisor, CallFilter(agent_id="a1"), Form.CSV)))
    assert rows == []
    rows = csv_rows(everything(exports.export_calls(centre, SYSTEM, CallFilter(state="inspected"), Form.CSV)))
    assert [row["通话编号"] for row in rows] == ["c3", "c1"]
    rows = csv_rows(everything(exports.export_measures(centre, supervisor, Wanted(), Dimension.TEAM, Form.CSV)))
    assert [row["班组"] for row in rows] == ["售后组"]


def test_each_export_is_on_record_before_anything_is_given_away(centre: Service) -> None:
    exports.export_calls(centre, SYSTEM, CallFilter(customer_reference=PHONE), Form.CSV, address="10.0.0.1")
    exports.export_findings(centre, SYSTEM, CallFilter(), Form.JSONL, words=True)
    exports.export_measures(centre, SYSTEM, Wanted(), Dimension.HOUR, Form.XLSX)
    with centre.database.read() as connection:
        found = connection.execute(select(audit_table).where(audit_table.c.action == "calls.exported")).all()
    assert [row.detail["what"] for row in found] == ["calls", "findings", "measures"]
    assert found[0].detail == {"what": "calls", "form": "csv", "filters": ["customer_reference"]}
    assert found[0].address == "10.0.0.1"


def test_without_the_permission_nothing_is_given_away(centre: Service) -> None:
    reader = replace(SYSTEM, permissions=frozenset({Permission.CALLS_READ, Permission.MEASURES_READ}))
    for refused in (
        lambda: exports.export_calls(centre, reader, CallFilter(), Form.CSV),
        lambda: exports.export_findings(centre, reader, CallFilter(), Form.CSV),
        lambda: exports.export_measures(centre, reader, Wanted(), None, Form.CSV),
    ):
        with pytest.raises(AccessDeniedError):
            refused()


def test_a_damaged_report_ends_no_download(centre: Service) -> None:
    with centre.database.write() as connection:
        connection.exec_driver_sql("UPDATE reports SET document = contributions")
    rows = json_rows(everything(exports.export_calls(centre, SYSTEM, CallFilter(), Form.JSONL)))
    assert [row["report"] for row in rows] == [None, None, None]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("form", [Form.CSV, Form.XLSX])
def test_many_calls_take_little_memory(service: Service, form: Form) -> None:
    known(service, "c0")
    number = 2_500
    with service.database.write() as connection:
        first = dict(connection.execute(select(calls_table)).mappings().one())
        del first["id"]
        connection.execute(insert(calls_table), [{**first, "call_id": f"c{one}"} for one in range(1, number)])
    written = 0
    tracemalloc.start()
    try:
        for part in exports.export_calls(service, SYSTEM, CallFilter(), form).parts:
            written += len(part)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert written > 50_000
    # As objects the rows would take more than 7 MB.
    assert peak < 5_000_000


@pytest.fixture
def client(centre: Service) -> Iterator[TestClient]:
    app = build_app(centre)
    app.state.limits = Limits(requests_per_minute=0, sign_ins_per_minute=0)
    with TestClient(app, base_url="http://qingting.test/api/v1/exports/") as opened:
        yield opened


def bearer(service: Service, *scopes: Permission) -> dict[str, str]:
    wanted = NewKey(name="key", role=UserRole.INTEGRATOR, scopes=frozenset(scopes))
    return {"Authorization": f"Bearer {accounts.add_key(service, SYSTEM, wanted)[1]}"}


def test_downloads(centre: Service, client: TestClient) -> None:
    headers = bearer(centre, Permission.EXPORT)
    for path, name, media_type in (
        ("calls?format=csv&team=物流组", "calls.csv", "text/csv; charset=utf-8"),
        ("findings?format=jsonl", "findings.jsonl", "application/x-ndjson"),
        ("measures?format=xlsx&by=agent", "measures.xlsx", Form.XLSX.media_type),
    ):
        answer = client.get(path, headers=headers)
        assert answer.status_code == 200
        assert answer.headers["content-type"] == media_type
        assert answer.headers["content-disposition"] == f'attachment; filename="{name}"'
        assert answer.content
    assert len(csv_rows(client.get("calls?team=物流组", headers=headers).content)) == 1


@pytest.mark.parametrize(
    ("path", "status"),
    [("calls?format=pdf", 422), ("calls?limit=5", 422), ("measures?by=agent&hour=9", 422), ("findings?words=x", 422)],
)
def test_wrong_questions(centre: Service, client: TestClient, path: str, status: int) -> None:
    assert client.get(path, headers=bearer(centre, Permission.EXPORT)).status_code == status


def test_exports_need_their_permission(centre: Service, client: TestClient) -> None:
    for path in ("calls", "findings", "measures"):
        assert client.get(path).status_code == 401
        assert client.get(path, headers=bearer(centre, Permission.CALLS_READ)).status_code == 403
