"""Batches: what is broken never stops the others, and what breaks off leaves nothing."""

from __future__ import annotations

import io
import tracemalloc
import zipfile
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import httpx2
import openpyxl
import pytest

from qingting.errors import StorageFullError
from qingting.model.account import UserRole
from qingting.service import fetching, intake

if TYPE_CHECKING:
    from tests.integration.service.conftest import Api, OpenApi

sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
WAV = b"RIFF\x24\x00\x00\x00WAVEfmt \x10\x00\x00\x00"


def send(api: Api, files: list[tuple[str, bytes]], *, table: tuple[str, bytes] | None = None, **more: Any) -> Any:
    listed = [("list", table)] if table else []
    headers = {**api.admin, **more.pop("headers", {})}
    return api.client.post(
        "batches", headers=headers, files=[*listed, *(("file", one) for one in files)], data=more or None
    )


def accepted(answer: Any) -> Any:
    assert answer.status_code == 202, answer.text
    return answer.json()


def test_a_broken_file_never_stops_the_others(api: Api) -> None:
    found = accepted(
        send(
            api,
            [("a.wav", WAV), ("b.wav", b""), ("c.pdf", b"%PDF-1.7"), ("d.json", b"{}"), ("e.wav", WAV)],
            name="十一月",
        )
    )
    assert sorted(job["call_id"] for job in found["jobs"]) == ["a", "e"]
    assert [(one["name"], one["code"]) for one in found["refused"]] == [
        ("b.wav", "empty_audio"), ("c.pdf", "not_audio"), ("d.json", "script"),
    ]  # fmt: skip
    assert (found["name"], found["accepted"], found["states"], found["finished"]) == ("十一月", 2, {"queued": 2}, False)
    assert (api.rows(), len(api.files())) == ((2, 2, 2), 2)
    api.work()
    later = api.client.get(f"batches/{found['id']}", headers=api.admin).json()
    assert (later["states"], later["finished"], len(later["refused"])) == ({"done": 2}, True, 3)
    jobs = api.client.get(f"batches/{found['id']}/jobs", headers=api.admin, params={"limit": 1}).json()
    assert (len(jobs["items"]), jobs["items"][0]["priority"], jobs["items"][0]["batch_id"]) == (1, "low", found["id"])
    rest = api.client.get(
        f"batches/{found['id']}/jobs", headers=api.admin, params={"cursor": jobs["next_cursor"]}
    ).json()
    assert {jobs["items"][0]["call_id"], rest["items"][0]["call_id"]} == {"a", "e"}
    assert rest["next_cursor"] is None


CSV = """\
file,call_id,team,agent_channel,started_at,满意度
录音/a.wav,K1,售后组,right,2026-11-30 09:30:00,5
b.wav,,售前组,,,
"""


def workbook() -> bytes:
    book = openpyxl.Workbook()
    for line in CSV.splitlines():
        book.active.append(line.split(","))
    packed = io.BytesIO()
    book.save(packed)
    return packed.getvalue()


@sqlite
@pytest.mark.parametrize(
    "table",
    [
        ("l.csv", CSV.encode()),
        ("l.csv", CSV.encode("gb18030")),
        ("l.csv", b"\xef\xbb\xbf" + CSV.encode()),
        ("l.xlsx", workbook()),
    ],
    ids=["utf-8", "gb18030", "bom", "excel"],
)
def test_a_list_gives_the_calls_their_data(api: Api, table: tuple[str, bytes]) -> None:
    accepted(send(api, [("sub/a.wav", WAV), ("b.wav", WAV), ("c.wav", WAV)], table=table, call='{"agent_id": "A1"}'))
    calls = {call["call_id"]: call for call in api.client.get("calls", headers=api.admin).json()["items"]}
    assert {name: (call["team"], call["agent_id"]) for name, call in calls.items()} == {
        "K1": ("售后组", "A1"), "b": ("售前组", "A1"), "c": ("", "A1"),
    }  # fmt: skip
    first = api.client.get("calls/K1", headers=api.admin).json()
    assert (first["day"], first["fields"]) == (20261130, {"满意度": "5"})
    assert api.service.local(first["started_ms"]).hour == 9


def bomb() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", b"<workbook/>")
        archive.writestr("xl/worksheets/sheet1.xml", b"0" * (600 << 20))
    return packed.getvalue()


@sqlite
@pytest.mark.parametrize(
    ("table", "status"),
    [
        (("l.xlsx", bomb()), 422),
        (("l.xlsx", b"PK\x03\x04" + bytes(100)), 422),
        (("l.csv", b""), 422),
        (("l.csv", b"name,team\na.wav,x\n"), 422),
        (("l.csv", b"\x7fELF"), 422),
        (("l.html", b"<html><table>"), 415),
        (("l.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(100)), 415),
    ],
)
def test_a_broken_list_refuses_the_batch(api: Api, table: tuple[str, bytes], status: int) -> None:
    answer = send(api, [("a.wav", WAV)], table=table)
    assert answer.status_code == status, answer.text
    assert (api.rows(), api.files()) == ((0, 0, 0), [])


@sqlite
def test_a_list_opens_no_files_of_the_server(api: Api) -> None:
    found = accepted(send(api, [("a.wav", WAV)], table=("l.csv", b"file,desktop_events\na.wav,/etc/passwd\n")))
    assert [(one["name"], one["code"]) for one in found["refused"]] == [("a.wav", "invalid_request")]


@sqlite
@pytest.mark.parametrize(
    "row",
    ["a.wav,a/b,", "a.wav,,middle", "a.wav,..,", "a.wav," + "x" * 129 + ","],
    ids=["slash", "channel", "dots", "long"],
)
def test_a_wrong_row_refuses_its_file_only(api: Api, row: str) -> None:
    table = ("l.csv", f"file,call_id,agent_channel\n{row}\n".encode())
    found = accepted(send(api, [("a.wav", WAV), ("b.wav", WAV)], table=table))
    assert ([job["call_id"] for job in found["jobs"]], [one["name"] for one in found["refused"]]) == (["b"], ["a.wav"])
    assert len(api.files()) == 1


@sqlite
def test_fields_and_list_must_come_before_the_files(api: Api) -> None:
    answer = api.client.post(
        "batches", headers=api.admin, files=[("file", ("a.wav", WAV)), ("list", ("l.csv", CSV.encode()))]
    )
    assert answer.status_code == 422
    assert (api.rows(), api.files()) == ((0, 0, 0), [])


@sqlite
def test_files_of_one_name_get_ids_of_their_own_as_far_as_names_go(api: Api) -> None:
    found = accepted(send(api, [("a.wav", WAV), ("a.mp3", b"ID3" + WAV), ("x/a.wav", WAV), ("x/a.wav", WAV)]))
    assert sorted(job["call_id"] for job in found["jobs"]) == ["a", "a.mp3", "a.wav"]
    assert [one["code"] for one in found["refused"]] == ["conflict"]
    assert len(api.files()) == 3


@sqlite
def test_addresses_come_as_json(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def resolve(host: str, *_: object, **__: object) -> list[Any]:
        asked.append(host)
        return [(0, 0, 0, "", ("93.184.216.34" if host == "example.com" else "10.0.0.1", 443))]

    monkeypatch.setattr(fetching.socket, "getaddrinfo", resolve)
    calls = [{"url": f"https://example.com/{n}.wav", "call": {"call_id": f"c{n}"}} for n in range(20)]
    body = {"name": "n", "calls": [*calls, {"url": "https://inside.example/x.wav"}]}
    found = accepted(api.client.post("batches", headers=api.admin, json=body))
    assert (found["accepted"], [one["code"] for one in found["refused"]]) == (20, ["forbidden_address"])
    assert sorted(asked) == ["example.com", "inside.example"], "each host is asked for once"
    assert api.rows() == (20, 0, 20)


@sqlite
def test_more_files_than_allowed_are_refused(open_api: OpenApi) -> None:
    api = open_api(api={"max_batch_files": 3})
    assert send(api, [(f"{n}.wav", WAV) for n in range(4)]).status_code == 413
    assert (api.rows(), api.files()) == ((0, 0, 0), [])
    body = {"calls": [{"url": "https://example.com/x.wav"}] * 4}
    assert api.client.post("batches", headers=api.admin, json=body).status_code == 413
    accepted(send(api, [(f"{n}.wav", WAV) for n in range(3)]))


@sqlite
def test_a_batch_that_does_not_fit_into_the_backlog_is_refused_as_a_whole(open_api: OpenApi) -> None:
    api = open_api(jobs={"max_queued": 3})
    answer = send(api, [(f"{n}.wav", WAV) for n in range(4)])
    assert (answer.status_code, int(answer.headers["retry-after"]) > 0) == (429, True)
    assert (api.rows(), api.files()) == ((0, 0, 0), [])


@sqlite
def test_a_store_that_fails_in_the_middle_fails_the_batch(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    store, put = type(api.service.recordings), type(api.service.recordings).put_file
    stored: list[str] = []

    def full_after_two(self: Any, key: str, path: Any) -> Any:
        if len(stored) == 2:
            raise StorageFullError("No space is left for recordings.")
        stored.append(key)
        return put(self, key, path)

    monkeypatch.setattr(store, "put_file", full_after_two)
    assert send(api, [(f"{n}.wav", WAV) for n in range(4)]).status_code == 507
    assert (api.rows(), api.files()) == ((0, 0, 0), [])


@sqlite
def test_a_database_that_fails_in_the_middle_keeps_what_was_accepted_and_only_that(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qingting.service.batches._AT_ONCE", 2)
    write, written = intake.add_job, []

    def fail_at_fourth(*given: Any, **named: Any) -> None:
        if len(written) == 3:
            raise StorageFullError("The database has no space left.")
        written.append(1)
        write(*given, **named)

    monkeypatch.setattr(intake, "add_job", fail_at_fourth)
    headers = {"Idempotency-Key": "k"}
    assert send(api, [(f"{n}.wav", WAV) for n in range(6)], headers=headers).status_code == 507
    assert (api.rows(), len(api.files())) == ((2, 2, 2), 2)
    monkeypatch.setattr(intake, "add_job", write)
    again = accepted(send(api, [(f"{n}.wav", WAV) for n in range(6)], headers=headers))
    assert sorted(job["call_id"] for job in again["jobs"]) == ["2", "3", "4", "5"]
    assert [one["code"] for one in again["refused"]] == ["conflict", "conflict"]
    assert (api.rows(), len(api.files())) == ((6, 6, 6), 6)


def test_the_same_batch_again_gets_the_same_answer(api: Api) -> None:
    files, headers = [("a.wav", WAV), ("b.wav", b"")], {"Idempotency-Key": "k"}
    first, again = send(api, files, headers=headers), send(api, files, headers=headers)
    assert accepted(first) == accepted(again)
    assert again.headers["idempotency-replayed"] == "true"
    assert (api.rows(), len(api.files())) == ((1, 1, 1), 1)
    assert send(api, [("c.wav", WAV)], headers=headers).status_code == 409
    assert len(api.files()) == 1


def test_a_batch_is_seen_by_its_sender_and_those_who_see_everything(api: Api) -> None:
    sender, other = (api.key(UserRole.INTEGRATOR, teams=(team,)) for team in ("A", "B"))
    answer = api.client.post(
        "batches", headers=sender, files=[("file", ("a.wav", WAV))], data={"call": '{"team": "A"}'}
    )
    number = accepted(answer)["id"]
    assert api.client.get(f"batches/{number}", headers=sender).status_code == 200
    assert api.client.get(f"batches/{number}", headers=api.admin).status_code == 200
    assert api.client.get(f"batches/{number}", headers=other).status_code == 404
    assert api.client.get(f"batches/{number}/jobs", headers=other).status_code == 404
    assert api.client.get("batches/01k5w3v0q8m2f7r4t9x1c6b3zd", headers=sender).status_code == 404


@sqlite
def test_a_thousand_files_take_little_memory(server: tuple[Api, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Sent as a stream: 1,000 files of 64 KiB, never all in memory."""
    monkeypatch.setattr("os.fsync", lambda _: None)  # forcing each file to this disk would test the disk
    api, port = server
    content = WAV + bytes((64 << 10) - len(WAV))

    def body() -> Iterator[bytes]:
        yield b'--b\r\nContent-Disposition: form-data; name="call"\r\n\r\n{"team": "A"}\r\n'
        for number in range(1000):
            head = f'--b\r\nContent-Disposition: form-data; name="file"; filename="{number}.wav"\r\n\r\n'
            yield head.encode() + content + b"\r\n"
        yield b"--b--\r\n"

    headers = {**api.admin, "Content-Type": "multipart/form-data; boundary=b"}
    tracemalloc.start()
    with httpx2.Client(base_url=f"http://127.0.0.1:{port}/api/v1", timeout=250) as client:
        found = accepted(client.post("batches", headers=headers, content=body()))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (found["accepted"], len(found["jobs"]), found["refused"]) == (1000, 1000, [])
    assert (api.rows(), len(api.files())) == ((1000, 1000, 1000), 1000)
    assert peak < 20 << 20
