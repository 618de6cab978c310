"""Synchronous inspections: short recordings, answered with their result."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from qingting.model.account import Permission, UserRole
from qingting.model.job import JobFailure
from qingting.testing import sample_call

if TYPE_CHECKING:
    from tests.integration.service.conftest import Api, OpenApi

sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
RECORDING = sample_call("refund_late_answer").audio_path
KEYS = {"call_id", "job_id", "state", "masked", "report", "error"}


@contextmanager
def worker(api: Api, **how: Any) -> Iterator[None]:
    """Do jobs as they come, until the block ends."""
    over = threading.Event()

    def work() -> None:
        while not over.wait(0.05):
            api.work(**how)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def inspect(api: Api, headers: dict[str, str] | None = None, call: str = '{"call_id": "C-1"}', **more: Any) -> Any:
    given = {"file": (RECORDING.name, RECORDING.read_bytes())}
    return api.client.post(
        "inspections", headers={**api.admin, **(headers or {})}, data={"call": call}, files=more.pop("files", given)
    )


def test_a_short_call_is_answered_with_its_report(api: Api) -> None:
    with worker(api):
        answer = inspect(api)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert set(found) == KEYS
    assert (found["call_id"], found["state"], found["masked"], found["error"]) == ("C-1", "done", True, None)
    assert found["report"]["call"]["call_id"] == "C-1"
    assert "13812345678" not in answer.text
    job = api.client.get(f"jobs/{found['job_id']}", headers=api.admin).json()
    assert (job["priority"], job["state"]) == ("urgent", "done")
    assert api.client.get(f"jobs/{found['job_id']}/result", headers=api.admin).json() == found
    assert api.client.get("calls/C-1/report", headers=api.admin).json() == found


@sqlite
def test_a_call_that_is_not_done_in_time_goes_on(open_api: OpenApi) -> None:
    api = open_api(api={"sync_timeout_seconds": 0.2})
    answer = inspect(api)
    assert answer.status_code == 202
    found = answer.json()
    assert set(found) == KEYS
    assert (found["state"], found["report"], found["error"]) == ("queued", None, None)
    assert answer.headers["location"] == f"/api/v1/jobs/{found['job_id']}"
    result = api.client.get(f"jobs/{found['job_id']}/result", headers=api.admin)
    assert (result.status_code, result.json(), result.headers["retry-after"]) == (202, found, "2")
    api.work()
    assert api.client.get(f"jobs/{found['job_id']}/result", headers=api.admin).json()["state"] == "done"


@sqlite
@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("broken_audio", 422), ("empty_audio", 422), ("no_audio_track", 422), ("not_audio", 415), ("audio_limit", 413),
        ("worker_crashed", 500), ("engine_unavailable", 503), ("engine_timeout", 504), ("unexpected", 500),
        ("poisoned", 500), ("forbidden_address", 422), ("upload_too_large", 413),
    ],
)  # fmt: skip
def test_a_job_that_fails_is_answered_with_its_problem(api: Api, code: str, status: int) -> None:
    failure = JobFailure(code=code, cause="It is broken.", remedy="Mend it.")
    with worker(api, fail=failure):
        answer = inspect(api)
    assert answer.status_code == status
    problem = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert (problem["type"], problem["status"]) == (f"urn:qingting:problem:{code}", status)
    assert (problem["title"], problem["detail"]) == ("It is broken.", "Mend it.")
    (job,) = api.client.get("jobs", headers=api.admin).json()["items"]
    result = api.client.get(f"jobs/{job['id']}/result", headers=api.admin)
    assert (result.status_code, result.json()["state"], result.json()["error"]) == (200, "failed", problem)


@sqlite
def test_a_long_recording_is_sent_to_the_other_entrance(open_api: OpenApi) -> None:
    api = open_api(api={"sync_max_seconds": 30})
    answer = inspect(api)
    assert answer.status_code == 413
    assert answer.json()["type"] == "urn:qingting:problem:too_long_to_wait"
    assert "POST /api/v1/jobs" in answer.json()["detail"]
    assert (api.rows(), api.files()) == ((0, 0, 0), [])


@sqlite
def test_a_conversation_has_no_length(open_api: OpenApi) -> None:
    api = open_api(api={"sync_max_seconds": 1})
    chat = b'[{"role": "customer", "text": "\xe9\x80\x80\xe6\xac\xbe"}, {"role": "agent", "text": "\xe5\xa5\xbd"}]'
    with worker(api):
        assert inspect(api, files={"file": ("chat.json", chat)}).status_code == 200


@sqlite
def test_more_than_may_wait_are_refused(open_api: OpenApi) -> None:
    api = open_api(api={"sync_concurrency": 1, "sync_timeout_seconds": 60})
    answers: list[Any] = []
    first = threading.Thread(target=lambda: answers.append(inspect(api)))
    first.start()
    while not api.rows()[2]:
        threading.Event().wait(0.02)
    second = inspect(api, call='{"call_id": "C-2"}')
    assert (second.status_code, int(second.headers["retry-after"]) > 0) == (429, True)
    api.work()
    first.join(60)
    assert answers[0].status_code == 200
    with worker(api):
        assert inspect(api, call='{"call_id": "C-2"}').status_code == 200, "the place is free again"


@sqlite
def test_a_deleted_call_ends_the_waiting(api: Api) -> None:
    answers: list[Any] = []
    waiting = threading.Thread(target=lambda: answers.append(inspect(api)))
    waiting.start()
    while not api.rows()[2]:
        threading.Event().wait(0.02)
    (job,) = api.client.get("jobs", headers=api.admin).json()["items"]
    api.client.post(f"jobs/{job['id']}/cancel", headers=api.admin)
    waiting.join(60)
    assert answers[0].status_code == 409
    assert answers[0].json()["type"] == "urn:qingting:problem:cancelled"


def test_the_same_request_again_waits_for_the_same_job(api: Api) -> None:
    key = {"Idempotency-Key": "k"}
    with worker(api):
        first, again = inspect(api, key), inspect(api, key)
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.json() == first.json()
    assert again.headers["idempotency-replayed"] == "true"
    assert (api.rows(), len(api.files())) == ((1, 1, 1), 1)


@sqlite
def test_who_may_not_read_reports_gets_none_this_way(api: Api) -> None:
    blind = api.key(UserRole.INTEGRATOR, Permission.CALLS_SUBMIT)
    answer = api.client.post("inspections", headers=blind, files={"file": ("a.mp3", RECORDING.read_bytes())})
    assert answer.status_code == 403
    assert api.rows() == (0, 0, 0)
