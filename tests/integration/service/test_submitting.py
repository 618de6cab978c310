"""Submitting calls: what is accepted is kept, what is refused leaves nothing."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from qingting.errors import StorageFullError
from qingting.model.account import SYSTEM, Permission, UserRole
from qingting.model.call import CallInfo
from qingting.model.job import JobFailure
from qingting.service import call_data, contributions, fetching, intake, retention
from qingting.storage import calls, recordings
from qingting.testing import sample_call

if TYPE_CHECKING:
    from tests.integration.service.conftest import Api, OpenApi

sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
RECORDING = sample_call("refund_late_answer").audio_path
CALL = {
    "call_id": "C-1",
    "line_of_business": "ecommerce",
    "agent_id": "A1",
    "team": "售后一组",
    "started_at": "2026-11-30T10:00:00+08:00",
    "fields": {"queue": "refund"},
}


def files(name: str = "call.mp3", content: bytes | None = None) -> dict[str, Any]:
    return {"file": (name, RECORDING.read_bytes() if content is None else content)}


def submit(api: Api, call: dict[str, Any] | None = None, **more: Any) -> Any:
    headers = {**api.admin, **more.pop("headers", {})}
    data = {"call": json.dumps(CALL if call is None else call), **more.pop("data", {})}
    return api.client.post("jobs", headers=headers, data=data, files=more.pop("files", None) or files(), **more)


def problem(answer: Any, status: int, name: str) -> Any:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == f"urn:qingting:problem:{name}"
    return answer.json()


def test_an_upload_becomes_a_call_a_recording_and_a_job(api: Api) -> None:
    answer = submit(api, data={"priority": "high", "options": '{"noise_reduction": "light"}'})
    assert answer.status_code == 202, answer.text
    job = answer.json()
    assert answer.headers["location"] == f"/api/v1/jobs/{job['id']}"
    assert (job["call_id"], job["state"], job["priority"], job["kind"]) == ("C-1", "queued", "high", "inspect")
    assert api.rows() == (1, 1, 1)
    (key,) = api.files()
    with api.service.recordings.local(key) as path:
        assert path.read_bytes() == RECORDING.read_bytes()
    call = api.client.get("calls/C-1", headers=api.admin).json()
    assert (call["state"], call["agent_id"], call["team"], call["day"]) == ("queued", "A1", "售后一组", 20261130)
    assert call["fields"] == {"queue": "refund"}
    assert call["recording"]["size_bytes"] == RECORDING.stat().st_size


@sqlite
def test_a_call_without_an_id_gets_one(api: Api) -> None:
    first, second = submit(api, {}).json(), submit(api, {}).json()
    assert len(first["call_id"]) == 26
    assert first["call_id"] != second["call_id"]


@sqlite
def test_an_address_is_accepted_without_fetching_it(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching.socket, "getaddrinfo", lambda *_, **__: [(0, 0, 0, "", ("93.184.216.34", 443))])
    body = {"url": "https://recorder.example.com/42.wav?token=secret", "call": CALL, "priority": "low"}
    answer = api.client.post("jobs", headers=api.admin, json=body)
    assert answer.status_code == 202, answer.text
    assert "secret" not in answer.text
    assert api.rows() == (1, 0, 1)


@sqlite
@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/x.wav", "http://localhost/x.wav", "http://169.254.169.254/latest/meta-data", "http://[::1]/x.wav",
        "http://10.0.0.1:8080/x.wav", "http://0x7f000001/", "http://2130706433/", "https://user:password@example.com/x.wav",
    ],
)  # fmt: skip
def test_private_addresses_are_refused(api: Api, url: str) -> None:
    problem(api.client.post("jobs", headers=api.admin, json={"url": url}), 422, "forbidden_address")
    assert api.rows() == (0, 0, 0)


@sqlite
@pytest.mark.parametrize("url", ["ftp://example.com/x", "file:///etc/passwd", "x", "http://", "https://a b/", 7, None])
def test_what_is_no_address_is_refused(api: Api, url: object) -> None:
    found = problem(api.client.post("jobs", headers=api.admin, json={"url": url}), 422, "invalid_request")
    assert found["errors"][0]["field"] == "body.url"


@sqlite
@pytest.mark.parametrize(
    ("call", "field"),
    [
        ({"line_of_business": "nonsense"}, "call.line_of_business"),
        ({"call_id": "a/b"}, "body.call.call_id"),
        ({"call_id": "a\\b"}, "body.call.call_id"),
        ({"call_id": ".."}, "call.call_id"),
        ({"call_id": " a"}, "call.call_id"),
        ({"call_id": ""}, "body.call.call_id"),
        ({"call_id": "x" * 129}, "body.call.call_id"),
        ({"call_id": "a\u0000b"}, "body.call.call_id"),
        ({"team": "a\nb"}, "body.call.team"),
        ({"direction": "sideways"}, "body.call.direction"),
        ({"started_at": "yesterday"}, "body.call.started_at"),
        ({"started_at": "2026-11-30T10:00:00"}, "body.call.started_at"),
        ({"started_at": "1066-10-14T09:00:00+00:00"}, "body.call.started_at"),
        ({"fields": {str(n): "x" for n in range(51)}}, "body.call.fields"),
        ({"fields": {"a": "x" * 1001}}, "body.call.fields.a"),
        ({"fields": {"a": 7}}, "body.call.fields.a"),
        ({"agent": "A1"}, "body.call.agent"),
        ({"agent_channel": "middle"}, "body.call.agent_channel"),
        ([], "body.call"),
    ],
)
def test_wrong_call_data_names_its_field(api: Api, call: Any, field: str) -> None:
    found = problem(submit(api, call), 422, "invalid_request")
    assert [one["field"] for one in found["errors"]] == [field]
    assert api.rows() == (0, 0, 0)
    assert api.files() == []


@sqlite
def test_wrong_desktop_events_name_their_line(api: Api) -> None:
    found = problem(submit(api, {"desktop_events": [{"at_ms": 5, "kind": "dance"}]}), 422, "script")
    assert "line 1" in found["title"]
    assert submit(api, {"desktop_events": [{"at_ms": 5, "kind": "search", "query": "退款"}]}).status_code == 202


def test_a_call_with_a_job_or_a_report_is_not_taken_again_unless_asked(api: Api) -> None:
    first = submit(api).json()
    problem(submit(api), 409, "conflict")
    assert (api.rows(), len(api.files())) == ((1, 1, 1), 1)
    api.work()
    problem(submit(api), 409, "conflict")
    assert (api.rows(), len(api.files())) == ((1, 1, 1), 1)
    again = submit(api, data={"replace": "true"})
    assert again.status_code == 202, again.text
    assert api.rows() == (1, 2, 2)
    call = api.client.get("calls/C-1", headers=api.admin).json()
    assert call["state"] == "inspected", "its report still stands"
    api.work()
    result = api.client.get("calls/C-1/report", headers=api.admin).json()
    assert result["job_id"] == again.json()["id"] != first["id"]


def test_a_call_that_failed_may_be_submitted_again(api: Api) -> None:
    submit(api)
    api.work(fail=JobFailure(code="broken_audio", cause="Broken."))
    assert submit(api).status_code == 202
    assert api.client.get("calls/C-1", headers=api.admin).json()["state"] == "queued"


@sqlite
def test_a_key_for_teams_submits_for_these_teams_only(api: Api) -> None:
    key = api.key(UserRole.INTEGRATOR, teams=("售后一组",))
    own = {"headers": key}
    answer = api.client.post("jobs", data={"call": '{"team": "售前组"}'}, files=files(), **own)
    problem(answer, 403, "access_denied")
    problem(api.client.post("jobs", data={"call": "{}"}, files=files(), **own), 403, "access_denied")
    assert (api.rows(), api.files()) == ((0, 0, 0), [])
    mine = api.client.post("jobs", data={"call": '{"team": "售后一组", "call_id": "mine"}'}, files=files(), **own)
    assert mine.status_code == 202
    submit(api, {"team": "售前组", "call_id": "theirs"})
    taken = api.client.post("jobs", data={"call": '{"team": "售后一组", "call_id": "theirs"}'}, files=files(), **own)
    problem(taken, 409, "conflict")
    assert [job["call_id"] for job in api.client.get("jobs", **own).json()["items"]] == ["mine"]
    assert api.client.get("calls/theirs", **own).status_code == 404


@sqlite
def test_who_may_not_submit_cannot(api: Api) -> None:
    for role in (UserRole.AGENT, UserRole.INSPECTOR, UserRole.SUPERVISOR, UserRole.MANAGER):
        key = api.key(role, teams=("A",))
        problem(api.client.post("jobs", headers=key, files=files()), 403, "access_denied")
    reader = api.key(UserRole.INTEGRATOR, Permission.CALLS_READ)
    problem(api.client.post("jobs", headers=reader, files=files()), 403, "access_denied")
    problem(api.client.post("jobs", files=files()), 401, "not_signed_in")
    assert api.files() == []


@sqlite
def test_a_full_backlog_refuses_more_and_says_when_to_come_back(open_api: OpenApi) -> None:
    api = open_api(jobs={"max_queued": 2})
    for number in range(2):
        assert submit(api, {"call_id": str(number)}).status_code == 202
    answer = submit(api, {"call_id": "3"})
    problem(answer, 429, "too_many_requests")
    assert int(answer.headers["retry-after"]) > 0
    assert (api.rows(), len(api.files())) == ((2, 2, 2), 2)
    api.work()
    assert submit(api, {"call_id": "3"}).status_code == 202


@sqlite
def test_a_full_disk_is_said_and_leaves_nothing(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise StorageFullError("No space is left for recordings.")

    monkeypatch.setattr(type(api.service.recordings), "put_file", full)
    problem(submit(api), 507, "storage_full")
    assert api.rows() == (0, 0, 0)


@sqlite
def test_a_failure_while_rows_are_written_leaves_no_file(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise StorageFullError("The database has no space left.")

    monkeypatch.setattr(intake, "add_job", fail)
    problem(submit(api), 507, "storage_full")
    assert (api.rows(), api.files()) == ((0, 0, 0), [])


KEY = {"Idempotency-Key": "k-1"}


def test_the_same_request_again_gets_the_same_answer_and_makes_nothing(api: Api) -> None:
    first = submit(api, headers=KEY)
    api.work()
    again = submit(api, headers=KEY)
    assert (first.status_code, again.status_code) == (202, 202)
    assert again.json() == first.json()
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert (api.rows(), len(api.files())) == ((1, 1, 1), 1)


@sqlite
def test_a_key_is_not_taken_for_another_request(api: Api) -> None:
    submit(api, headers=KEY)
    for other in (
        {"call": {**CALL, "team": "B"}},
        {"files": files(content=b"RIFF\x24\x00\x00\x00WAVEfmt ")},
        {"data": {"priority": "low"}},
    ):
        problem(submit(api, headers=KEY, **other), 409, "conflict")
    assert (api.rows(), len(api.files())) == ((1, 1, 1), 1)
    mine = api.key(UserRole.INTEGRATOR)
    other = api.client.post("jobs", headers={**mine, **KEY}, files=files())
    assert other.status_code == 202, "keys belong to who sends them"


def test_two_requests_with_one_key_at_once_make_one_job(api: Api) -> None:
    together = threading.Barrier(4)

    def request() -> Any:
        together.wait(30)
        return submit(api, {}, headers=KEY)

    with ThreadPoolExecutor(4) as pool:
        answers = [one.result(60) for one in [pool.submit(request) for _ in range(4)]]
    assert {answer.status_code for answer in answers} == {202}, [answer.text for answer in answers]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert (api.rows(), len(api.files())) == ((1, 1, 1), 1)


@sqlite
def test_a_key_whose_request_was_refused_may_be_used_again(api: Api) -> None:
    problem(submit(api, {"line_of_business": "nonsense"}, headers=KEY), 422, "invalid_request")
    assert submit(api, headers=KEY).status_code == 202


@sqlite
@pytest.mark.parametrize("key", ["a b", "x" * 256, "schlüssel"])
def test_a_malformed_key_is_refused(api: Api, key: str) -> None:
    found = problem(submit(api, headers={"Idempotency-Key": key.encode()}), 422, "invalid_request")
    assert found["errors"][0]["field"].lower() == "header.idempotency-key"


def test_a_known_call_is_completed_by_its_recording(api: Api) -> None:
    known = CallInfo(call_id="C-1", agent_id="A7", team="B", fields={"campaign": "x", "queue": "old"})
    with api.service.database.write() as connection:
        values = call_data.columns(api.service, known, now_ms=api.service.clock())
        number = calls.add(
            connection, {**values, "call_id": "C-1", "source": "import", "created_ms": 1, "state": "known", "csat": 4.0}
        )
        row = calls.by_number(connection, number)
        contributions.book_call(api.service, connection, before=None, after=row)
    assert submit(api, {"call_id": "C-1", "team": "售后一组", "fields": {"queue": "new"}}).status_code == 202
    call = api.client.get("calls/C-1", headers=api.admin).json()
    assert (call["state"], call["agent_id"], call["team"], call["csat"]) == ("queued", "A7", "售后一组", 4.0)
    assert call["fields"] == {"campaign": "x", "queue": "new"}
    assert api.rows() == (1, 1, 1)


@sqlite
def test_a_process_killed_between_file_and_rows_leaves_no_file_for_ever(api: Api) -> None:
    submission = intake.Submission(call=CallInfo(call_id="C-9"), file=RECORDING)
    intake.prepare(api.service, SYSTEM, submission)  # … and nobody goes on
    submit(api)
    both = api.files()
    assert retention.discard_files(api.service) == (0, 0)
    assert api.files() == both
    later = replace(api.service, clock=lambda: api.service.clock() + 25 * 3600 * 1000)
    assert retention.discard_files(later) == (1, 0)
    (left,) = api.files()
    with api.service.database.read() as connection:
        (stored,) = recordings.of_calls(connection, [1])
    assert stored.key == left
