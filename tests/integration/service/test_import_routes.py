"""Lists over HTTP: what comes back, and what is refused before it is read."""

from __future__ import annotations

import io
import json
from typing import Any

import openpyxl
import pytest

from qingting.model.account import Permission, UserRole
from qingting.service import tables_in
from qingting.storage import audit

PATHS = ["imports/call-records", "imports/csat", "imports/desktop-events"]
TABLE = "通话编号,坐席工号,满意度\nc1,1001,5\nc2,1002,9\n"


def send(api: Any, path: str, data: bytes | str, name: str = "list.csv", **more: Any) -> Any:
    content = data.encode() if isinstance(data, str) else data
    return api.client.post(path, files={"file": (name, content)}, headers=more.get("headers", api.admin))


def test_a_list_is_taken_and_its_wrong_rows_are_named(api: Any) -> None:
    answer = send(api, "imports/call-records", TABLE)
    assert answer.status_code == 200
    assert answer.json() == {
        "added": 1, "changed": 0, "unchanged": 0, "refused": 1, "problem_count": 1,
        "problems": [{"row": 3, "column": "csat", "problem": "is no score from 1 to 5"}],
    }  # fmt: skip
    call = api.client.get("calls/c1", headers=api.admin).json()
    assert (call["call_id"], call["state"]) == ("c1", "known")
    with api.service.database.read() as connection:
        lines = audit.page(connection, wanted=audit.AuditFilter(), limit=50).items
    (line,) = [one for one in lines if one.action == "calls.imported"]
    assert (line.object_kind, line.address) == ("call_records", "testclient")
    assert line.detail == {"added": 1, "changed": 0, "unchanged": 0, "refused": 1}


def test_a_workbook_of_scores(api: Any) -> None:
    send(api, "imports/call-records", TABLE)
    book, data = openpyxl.Workbook(), io.BytesIO()
    for row in (["流水号", "评分"], ["c1", 2], ["c9", "非常满意"]):
        book.active.append(row)
    book.save(data)
    answer = send(api, "imports/csat", data.getvalue(), "scores.xlsx")
    assert (answer.json()["added"], answer.json()["changed"]) == (1, 1)


def test_actions_in_the_knowledge_base(api: Any) -> None:
    send(api, "imports/call-records", TABLE)
    lines = "\n".join(json.dumps({"call_id": one, "at_ms": 5, "kind": "search", "query": "x"}) for one in ("c1", "c1"))
    answer = send(api, "imports/desktop-events", lines, "events.jsonl").json()
    assert (answer["events"], answer["changed"], answer["analysed_again"]) == (2, 1, 0)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("data", "status", "kind"),
    [
        (b"", 422, "invalid_request"),
        (b"a,b\n1,2\n", 422, "invalid_request"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", 415, "unsupported_upload"),
        (b"<html>", 415, "unsupported_upload"),
        (b"PK\x03\x04 no archive", 422, "invalid_request"),
        (b"RIFF\x00\x00\x00\x00WAVE", 415, "unsupported_upload"),
    ],
)
def test_what_is_no_list_is_refused(api: Any, path: str, data: bytes, status: int, kind: str) -> None:
    answer = send(api, path, data)
    assert (answer.status_code, answer.json()["type"]) == (status, f"urn:qingting:problem:{kind}")


@pytest.mark.parametrize("path", PATHS)
def test_requests_of_another_form_are_refused(api: Any, path: str) -> None:
    assert api.client.post(path, json={"a": 1}, headers=api.admin).status_code == 415
    assert api.client.post(path, headers=api.admin).status_code == 415
    two = [("file", ("a.csv", b"call_id\n1\n")), ("file", ("b.csv", b"call_id\n1\n"))]
    assert api.client.post(path, files=two, headers=api.admin).status_code == 413
    other = api.client.post(path, files={"list": ("a.csv", b"call_id\n1\n")}, headers=api.admin)
    assert other.status_code == 422
    field = api.client.post(path, files={"file": (None, b"call_id")}, headers=api.admin)
    assert field.status_code == 422


@pytest.mark.parametrize("path", PATHS)
def test_a_list_over_the_limit_is_refused(api: Any, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables_in, "MAX_ROWS", 2)
    heading = "call_id,csat,kind,at_ms,query"
    answer = send(api, path, f"{heading}\n" + "c,5,search,1,x\n" * 3)
    assert answer.status_code == 422
    assert "rows" in answer.json()["title"]


@pytest.mark.parametrize("path", PATHS)
def test_who_may(api: Any, path: str) -> None:
    assert send(api, path, TABLE, headers={}).status_code == 401
    reader = api.key(UserRole.INTEGRATOR, Permission.CALLS_READ)
    assert send(api, path, TABLE, headers=reader).status_code == 403
