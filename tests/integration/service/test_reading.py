"""Reports, words and sound: who sees what, masked unless revealed, and each access on record."""

from __future__ import annotations

import io
import json
import wave
from typing import TYPE_CHECKING, Any

import jsonschema
import numpy as np
import pytest
from sqlalchemy import select

from qingting.model.account import UserRole
from qingting.report.formats import json as report_json
from qingting.storage import tables
from qingting.testing import sample_call

if TYPE_CHECKING:
    from tests.integration.service.conftest import Api

sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
RECORDING = sample_call("refund_late_answer").audio_path
NUMBER = "13812345678"
CALL = {"call_id": "C-1", "agent_id": "A1", "team": "A", "fields": {"回拨": f"打 {NUMBER}"}}


@pytest.fixture
def read(api: Api) -> Api:
    """A call with a report: its customer says a telephone number."""
    submit(api, CALL)
    api.work()
    return api


def submit(api: Api, call: dict[str, Any]) -> Any:
    given = {"file": ("call.mp3", RECORDING.read_bytes())}
    answer = api.client.post("jobs", headers=api.admin, data={"call": json.dumps(call)}, files=given)
    assert answer.status_code == 202, answer.text
    return answer.json()


def actions(api: Api) -> list[tuple[str, str]]:
    """What the audit log says of reading: action and call."""
    with api.service.database.read() as connection:
        rows = connection.execute(select(tables.audit).order_by(tables.audit.c.id)).all()
    return [(row.action, row.object_id) for row in rows if not row.action.startswith(("key.", "call.submitted"))]


def test_a_report_is_masked_valid_and_on_record(read: Api) -> None:
    answer = read.client.get("calls/C-1/report", headers=read.key(UserRole.INSPECTOR))
    found = answer.json()
    assert (answer.status_code, found["masked"], found["state"]) == (200, True, "done")
    jsonschema.validate(found["report"], report_json.schema())
    assert NUMBER not in answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert actions(read) == [("report.read", "C-1")]


def test_revealing_needs_permission_and_leaves_its_own_line(read: Api) -> None:
    for role, status in ((UserRole.INSPECTOR, 200), (UserRole.INTEGRATOR, 403)):
        answer = read.client.get("calls/C-1/report", params={"reveal": True}, headers=read.key(role))
        assert answer.status_code == status
        assert (NUMBER in answer.text) is (status == 200)
    assert actions(read) == [("report.revealed", "C-1")]
    words = read.client.get(
        "calls/C-1/transcript", params={"reveal": True}, headers=read.key(UserRole.INSPECTOR)
    ).json()
    assert words["masked"] is False
    assert NUMBER in json.dumps(words)
    assert actions(read)[-1] == ("transcript.revealed", "C-1")


def test_administrators_read_nothing(read: Api) -> None:
    admin = read.key(UserRole.ADMIN)
    for path in ("calls", "calls/C-1", "calls/C-1/report", "calls/C-1/report.html", "calls/C-1/transcript",
                 "calls/C-1/recording", "calls/C-1/clip?start_ms=0&end_ms=5", "findings", "search?q=退款"):  # fmt: skip
        assert read.client.get(path, headers=admin).status_code == 403, path
    assert actions(read) == []


@sqlite
def test_a_job_result_is_only_for_those_who_may_read(read: Api) -> None:
    (job,) = read.client.get("jobs", headers=read.admin).json()["items"]
    for role, status in ((UserRole.INSPECTOR, 200), (UserRole.ADMIN, 403)):
        answer = read.client.get(f"jobs/{job['id']}/result", headers=read.key(role))
        assert answer.status_code == status
    assert actions(read) == [("report.read", "C-1")]


OUT_OF_REACH = ("calls/C-1", "calls/C-1/report", "calls/C-1/report.html", "calls/C-1/transcript", "calls/C-1/recording",
                "calls/C-1/clip?start_ms=0&end_ms=5")  # fmt: skip


@pytest.mark.parametrize(("team", "status"), [("A", 200), ("B", 404)])
def test_what_is_out_of_reach_is_as_if_it_were_not_there(read: Api, team: str, status: int) -> None:
    key = read.key(UserRole.SUPERVISOR, teams=(team,))
    for path in OUT_OF_REACH:
        answer = read.client.get(path, headers=key)
        assert answer.status_code == status, path
        if status == 404:
            unknown = read.client.get(path.replace("C-1", "C-9"), headers=key)
            assert {**answer.json(), "title": ""} == {**unknown.json(), "title": ""}
    assert len(read.client.get("calls", headers=key).json()["items"]) == (status == 200)
    assert bool(read.client.get("findings", headers=key).json()["items"]) == (status == 200)
    assert len(read.client.get("search?q=退款", headers=key).json()["items"]) == (status == 200)


def test_search_finds_words_and_never_personal_data(read: Api) -> None:
    key = read.key(UserRole.INSPECTOR)
    (hit,) = read.client.get("search", params={"q": "退款"}, headers=key).json()["items"]
    assert hit["call"]["call_id"] == "C-1"
    assert "退款" in hit["snippets"][0]
    (near,) = read.client.get("search", params={"q": "我的电话是"}, headers=key).json()["items"]
    assert NUMBER not in json.dumps(near)
    for words in (NUMBER, "天气预报"):
        assert read.client.get("search", params={"q": words}, headers=key).json()["items"] == []
    assert read.client.get("search", params={"q": "，。"}, headers=key).status_code == 422
    assert ("calls.searched", "") in actions(read)


def test_call_data_is_masked_too(read: Api) -> None:
    answer = read.client.get("calls/C-1", headers=read.key(UserRole.INSPECTOR))
    found = answer.json()
    assert NUMBER not in answer.text
    assert found["fields"]["回拨"].startswith("打 ")
    assert (found["state"], len(found["reports"]), found["reports"][0]["latest"]) == ("inspected", 1, True)
    assert actions(read) == [("call.read", "C-1")]


@sqlite
def test_lists_are_filtered_and_come_in_pages(api: Api) -> None:
    for number in range(5):
        submit(api, {"call_id": f"c{number}", "team": "AB"[number % 2], "agent_id": f"a{number}"})
    api.work()
    seen, cursor = [], ""
    while True:
        page = api.client.get("calls", params={"limit": 2, "cursor": cursor}, headers=api.admin).json()
        seen += [call["call_id"] for call in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == ["c4", "c3", "c2", "c1", "c0"]
    for params, expected in (
        ({"team": "A"}, ["c4", "c2", "c0"]), ({"agent_id": "a3"}, ["c3"]), ({"state": "known"}, []),
        ({"state": "inspected", "team": "B"}, ["c3", "c1"]), ({"min_score": 1000}, []), ({"from_day": 20991231}, []),
    ):  # fmt: skip
        found = api.client.get("calls", params=params, headers=api.admin).json()["items"]
        assert [call["call_id"] for call in found] == expected, params
    every = api.client.get("findings", params={"limit": 200}, headers=api.admin).json()["items"]
    wanted = {"team": "A", "rule_id": every[0]["rule_id"], "level": every[0]["level"]}
    findings = api.client.get("findings", params=wanted, headers=api.admin).json()["items"]
    assert {one["call_id"] for one in findings} == {"c0", "c2", "c4"}
    assert findings == [one for one in every if {name: one[name] for name in wanted} == wanted]


@sqlite
@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=201", "cursor=x", "cursor=-1", "cursor=99999999999999999999", "state=nonsense", "from_day=1",
     "team=a%00b", "min_score=nan", "min_score=inf", "worst_level=4", "nonsense=1", "agent_id=" + "x" * 129],
)  # fmt: skip
def test_wrong_filters_are_named(api: Api, query: str) -> None:
    answer = api.client.get(f"calls?{query}", headers=api.admin)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == f"query.{query.split('=')[0]}"


def samples(answer: Any) -> np.ndarray:
    with wave.open(io.BytesIO(answer.content)) as file:
        data = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        return data.reshape(-1, file.getnchannels()).T


@sqlite
def test_personal_data_is_silent_unless_revealed(read: Api) -> None:
    transcript = read.client.get("calls/C-1/transcript", params={"reveal": True}, headers=read.admin).json()
    said = next(one for one in transcript["transcript"]["utterances"] if NUMBER in one["text"])
    span = {"start_ms": said["start_ms"], "end_ms": said["end_ms"], "format": "wav"}
    row = ("left", "right").index(said["party"]) if said["party"] in ("left", "right") else 0
    inspector = read.key(UserRole.INSPECTOR)
    masked = read.client.get("calls/C-1/clip", params=span, headers=inspector)
    shown = read.client.get("calls/C-1/clip", params={**span, "reveal": True}, headers=inspector)
    assert (masked.status_code, shown.status_code) == (200, 200), masked.text
    assert masked.headers["content-type"] == "audio/wav"
    assert masked.headers["cache-control"] == "no-store"
    quiet, loud = samples(masked)[row], samples(shown)[row]
    assert len(quiet) == len(loud)
    assert np.abs(loud.astype(int)).max() > 100
    middle = slice(len(quiet) // 10, len(quiet) - len(quiet) // 10)
    assert not quiet[middle].any()
    assert actions(read)[-2:] == [("clip.listened", "C-1"), ("clip.revealed", "C-1")]


@sqlite
def test_the_recording_comes_whole_in_both_forms(read: Api) -> None:
    inspector = read.key(UserRole.INSPECTOR)
    whole = read.client.get("calls/C-1/recording", params={"format": "wav"}, headers=inspector)
    with wave.open(io.BytesIO(whole.content)) as file:
        seconds = file.getnframes() / file.getframerate()
    report = read.client.get("calls/C-1/report", headers=read.admin).json()["report"]
    assert seconds == pytest.approx(report["statistics"]["duration_ms"] / 1000, abs=1)
    mp3 = read.client.get("calls/C-1/recording", headers=inspector)
    assert (mp3.headers["content-type"], mp3.content[:1]) == ("audio/mpeg", b"\xff")
    assert mp3.headers["content-disposition"] == 'inline; filename="recording.mp3"'


@sqlite
@pytest.mark.parametrize("query", ["start_ms=5&end_ms=5", "start_ms=9&end_ms=5", "start_ms=-1&end_ms=5", "start_ms=0",
                                   "start_ms=90000000&end_ms=90000001", "start_ms=0&end_ms=5&format=exe"])  # fmt: skip
def test_pieces_outside_the_call_are_refused(read: Api, query: str) -> None:
    assert read.client.get(f"calls/C-1/clip?{query}", headers=read.admin).status_code == 422


@sqlite
def test_of_another_recording_than_the_reports_nothing_is_heard(read: Api) -> None:
    """A new recording waits: its words are not known, so that the wrong places would be silenced."""
    given = {"file": ("other.mp3", sample_call("agent_interrupts").audio_path.read_bytes())}
    data = {"call": '{"call_id": "C-1"}', "replace": "true"}
    assert read.client.post("jobs", headers=read.admin, data=data, files=given).status_code == 202
    before = read.client.get("calls/C-1/recording", params={"format": "wav"}, headers=read.admin)
    report = read.client.get("calls/C-1/report", headers=read.admin).json()["report"]
    with wave.open(io.BytesIO(before.content)) as file:
        assert file.getnframes() / file.getframerate() == pytest.approx(
            report["statistics"]["duration_ms"] / 1000, abs=1
        )


@sqlite
def test_without_report_or_sound_nothing_is_heard(api: Api) -> None:
    submit(api, {"call_id": "C-2"})
    assert api.client.get("calls/C-2/recording", headers=api.admin).status_code == 404
    assert api.client.get("calls/C-2/report", headers=api.admin).status_code == 404
    api.work()
    for key in api.files():
        api.service.recordings.delete(key)
    assert api.client.get("calls/C-2/recording", headers=api.admin).status_code == 404


@sqlite
def test_the_page_stands_alone_and_holds_masked_words_and_sound(read: Api) -> None:
    inspector = read.key(UserRole.INSPECTOR)
    page = read.client.get("calls/C-1/report.html", headers=inspector)
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["content-security-policy"] == "frame-ancestors 'self'"
    assert NUMBER not in page.text
    assert "data:audio/mpeg;base64," in page.text
    assert actions(read) == [("report.read", "C-1"), ("recording.listened", "C-1")]
    silent = read.client.get("calls/C-1/report.html", params={"sound": False}, headers=inspector)
    assert "data:audio/mpeg;base64," not in silent.text
    reader = read.key(UserRole.INTEGRATOR)
    deaf = read.client.get("calls/C-1/report.html", headers=reader)
    assert (deaf.status_code, "data:audio/mpeg;base64," in deaf.text) == (200, False)


@sqlite
def test_deleting_a_call_leaves_nothing(read: Api) -> None:
    submit(read, {"call_id": "C-2", "customer_reference": "客户/7"})
    assert read.client.delete("calls/C-1", headers=read.key(UserRole.INTEGRATOR)).status_code == 403
    assert read.client.delete("calls/C-1", headers=read.key(UserRole.ADMIN)).json() == {"calls": 1, "files_left": 0}
    assert read.client.get("calls/C-1", headers=read.admin).status_code == 404
    assert read.client.delete("calls/C-1", headers=read.admin).status_code == 404
    gone = read.client.delete("customers/%E5%AE%A2%E6%88%B7%2F7", headers=read.admin)
    assert gone.json() == {"calls": 1, "files_left": 0}, gone.text
    assert (read.rows(), read.files()) == ((0, 0, 0), [])
