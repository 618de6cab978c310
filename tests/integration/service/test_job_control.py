"""Looking at jobs, cancelling, trying again, overtaking, analysing again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from qingting.model.account import UserRole
from qingting.model.job import JobFailure
from qingting.storage import jobs
from qingting.testing import sample_call

if TYPE_CHECKING:
    from tests.integration.service.conftest import Api, OpenApi

sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
RECORDING = sample_call("refund_late_answer").audio_path.read_bytes()
BROKEN = JobFailure(code="broken_audio", cause="Broken.", remedy="Fetch it again.")


def submit(api: Api, call_id: str = "C-1", **call: Any) -> str:
    data = {"call": json.dumps({"call_id": call_id, "team": "A", **call})}
    answer = api.client.post("jobs", headers=api.admin, data=data, files={"file": ("a.mp3", RECORDING)})
    assert answer.status_code == 202, answer.text
    number: str = answer.json()["id"]
    return number


def act(api: Api, job_id: str, what: str) -> Any:
    return api.client.post(f"jobs/{job_id}/{what}", headers=api.admin)


def job(api: Api, job_id: str) -> Any:
    return api.client.get(f"jobs/{job_id}", headers=api.admin).json()


def call_state(api: Api, call_id: str = "C-1") -> str:
    state: str = api.client.get(f"calls/{call_id}", headers=api.admin).json()["state"]
    return state


def test_a_waiting_job_is_cancelled_at_once_and_may_be_tried_again(api: Api) -> None:
    number = submit(api)
    answer = act(api, number, "cancel")
    assert answer.status_code == 200, answer.text
    assert (answer.json()["state"], answer.json()["error"]["code"]) == ("cancelled", "cancelled")
    assert act(api, number, "cancel").json()["state"] == "cancelled", "cancelling twice is no error"
    assert api.work() == []
    assert call_state(api) == "failed"
    again = act(api, number, "retry").json()
    assert (again["state"], again["error"], again["cancel_requested"], again["finished_ms"]) == (
        "queued",
        None,
        False,
        None,
    )
    assert call_state(api) == "queued"
    assert api.work() == [number]
    assert (job(api, number)["state"], call_state(api)) == ("done", "inspected")


def test_a_running_job_is_asked_to_stop(api: Api) -> None:
    number = submit(api)
    with api.service.database.write() as connection:
        jobs.change(connection, number, state="running", dispatched=True)
    found = act(api, number, "cancel").json()
    assert (found["state"], found["cancel_requested"]) == ("running", True)


def test_a_job_that_failed_gets_new_attempts(api: Api) -> None:
    number = submit(api)
    api.work(fail=BROKEN)
    assert (job(api, number)["state"], job(api, number)["error"]["code"]) == ("failed", "broken_audio")
    again = act(api, number, "retry").json()
    assert (again["attempts"], again["max_attempts"]) == (1, 4), "runs are numbered by attempts: these only rise"
    assert api.work() == [number]
    assert job(api, number)["state"] == "done"


@sqlite
def test_what_makes_no_sense_is_refused(open_api: OpenApi) -> None:
    api = open_api(jobs={"max_queued": 1})
    number = submit(api)
    assert act(api, number, "retry").status_code == 409, "it waits"
    api.work()
    for what in ("cancel", "retry"):
        assert act(api, number, what).status_code == 409, what
    change = api.client.patch(f"jobs/{number}", headers=api.admin, json={"priority": "high"})
    assert change.status_code == 409
    failed = submit(api, "C-2")
    api.work(fail=BROKEN)
    submit(api, "C-3")
    assert act(api, failed, "retry").status_code == 429, "the backlog is full"
    assert act(api, "01k5w3v0q8m2f7r4t9x1c6b3zd", "cancel").status_code == 404
    assert act(api, "nonsense", "cancel").status_code == 422


@sqlite
def test_a_call_has_one_job_at_a_time(api: Api) -> None:
    failed = submit(api)
    api.work(fail=BROKEN)
    submit(api)
    assert act(api, failed, "retry").status_code == 409


@sqlite
def test_an_urgent_job_overtakes(api: Api) -> None:
    numbers = [submit(api, f"c{n}") for n in range(3)]
    answer = api.client.patch(f"jobs/{numbers[2]}", headers=api.admin, json={"priority": "urgent"})
    assert answer.json()["priority"] == "urgent"
    assert api.work()[0] == numbers[2]
    assert api.client.patch(f"jobs/{numbers[0]}", headers=api.admin, json={"priority": "now"}).status_code == 422


def test_analysing_again_keeps_the_words_and_may_swap_the_parties(api: Api) -> None:
    submit(api)
    api.work()
    before = api.client.get("calls/C-1/report", headers=api.admin).json()
    answer = api.client.post("calls/C-1/reanalyse", headers=api.admin, json={"agent": "swap"})
    assert answer.status_code == 202, answer.text
    found = answer.json()
    assert (found["kind"], found["priority"], found["state"]) == ("reanalyse", "low", "queued")
    busy = api.client.post("calls/C-1/reanalyse", headers=api.admin, json={})
    assert busy.status_code == 409
    assert api.work() == [found["id"]]
    after = api.client.get("calls/C-1/report", headers=api.admin).json()
    assert after["job_id"] == found["id"] != before["job_id"]
    roles = before["report"]["roles"]["roles"]
    assert after["report"]["roles"]["roles"] == {
        party: {"agent": "customer", "customer": "agent"}[role] for party, role in roles.items()
    }
    first = api.client.get(f"jobs/{before['job_id']}/result", headers=api.admin).json()
    assert first["report"]["roles"]["roles"] == roles, "the earlier report stays as it was"


@sqlite
def test_what_cannot_be_analysed_again_is_refused(api: Api) -> None:
    again = {"headers": api.admin, "json": {}}
    assert api.client.post("calls/C-1/reanalyse", **again).status_code == 404
    submit(api)
    api.work(fail=BROKEN)
    assert api.client.post("calls/C-1/reanalyse", **again).status_code == 409
    submit(api, "C-2")
    api.work()
    wrong = api.client.post("calls/C-2/reanalyse", headers=api.admin, json={"agent": "nobody"})
    assert (wrong.status_code, wrong.json()["type"]) == (422, "urn:qingting:problem:input")


def test_who_may_not_manage_jobs_cannot_and_who_cannot_see_them_finds_none(api: Api) -> None:
    number = submit(api)
    supervisor = api.key(UserRole.SUPERVISOR, teams=("A",))
    stranger = api.key(UserRole.INSPECTOR, teams=("B",))
    inspector = api.key(UserRole.INSPECTOR, teams=("A",))
    for what in ("cancel", "retry"):
        assert api.client.post(f"jobs/{number}/{what}", headers=supervisor).status_code == 403
        assert api.client.post(f"jobs/{number}/{what}", headers=stranger).status_code == 404
    assert api.client.get(f"jobs/{number}", headers=stranger).status_code == 404
    assert api.client.get("jobs", headers=stranger).json() == {"items": [], "next_cursor": None}
    assert api.client.post(f"jobs/{number}/cancel", headers=inspector).status_code == 200


@sqlite
def test_jobs_are_listed_by_state_and_call(api: Api) -> None:
    numbers = [submit(api, f"c{n}") for n in range(3)]
    api.work()
    waiting = submit(api, "c9")

    def listed(**params: Any) -> list[str]:
        page = api.client.get("jobs", params=params, headers=api.admin).json()
        return [one["id"] for one in page["items"]]

    assert set(listed()) == {*numbers, waiting}
    assert listed(state="queued") == [waiting]
    assert listed(call_id="c1") == [numbers[1]]
    assert listed(batch_id="01k5w3v0q8m2f7r4t9x1c6b3zd") == []
    first = api.client.get("jobs", params={"limit": 3}, headers=api.admin).json()
    rest = api.client.get("jobs", params={"cursor": first["next_cursor"]}, headers=api.admin).json()
    assert {one["id"] for one in [*first["items"], *rest["items"]]} == {*numbers, waiting}
