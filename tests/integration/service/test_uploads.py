"""Nasty uploads over HTTP: each is refused with a problem that says why, and leaves no row and no file."""

from __future__ import annotations

import io
import json
import socket
import time
import zipfile
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from qingting.testing import sample_call

if TYPE_CHECKING:
    from tests.integration.service.conftest import Api, OpenApi

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
RECORDING = sample_call("refund_late_answer").audio_path.read_bytes()
WAV = b"RIFF\x24\x00\x00\x00WAVEfmt \x10\x00\x00\x00"
BOUNDARY = "b"
MULTIPART = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


def zip_bomb(*names: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, b"0" * (40 << 20))
    return packed.getvalue()


def part(disposition: str, content: bytes) -> bytes:
    return f"--{BOUNDARY}\r\nContent-Disposition: form-data; {disposition}\r\n\r\n".encode() + content + b"\r\n"


FILE = part('name="file"; filename="a.mp3"', RECORDING)
END = f"--{BOUNDARY}--\r\n".encode()


def post(api: Api, path: str, content: bytes | Iterator[bytes], headers: dict[str, str] | None = None) -> Any:
    return api.client.post(path, headers={**api.admin, **(headers or MULTIPART)}, content=content)


def refused(api: Api, answer: Any, status: int, name: str = "") -> Any:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    found = answer.json()
    assert name in ("", found["type"].rsplit(":", 1)[1])
    assert (api.rows(), api.files()) == ((0, 0, 0), [])
    return found


CHAT = json.dumps([{"role": "customer", "text": "退款"}, {"role": "agent", "text": "好的"}]).encode()


@pytest.mark.parametrize(
    ("name", "content", "status", "code"),
    [
        ("empty.wav", b"", 422, "empty_audio"),
        ("empty.json", b"", 422, "empty_audio"),
        ("text.wav", b"these are no samples", 415, "not_audio"),
        ("page.mp3", b"<html><body>404 not found</body></html>", 415, "not_audio"),
        ("bomb.wav", zip_bomb("a"), 415, "not_audio"),
        ("bomb.xlsx", zip_bomb("xl/workbook.xml"), 415, "not_audio"),
        ("program.wav", b"MZ\x90\x00" + bytes(100), 415, "not_audio"),
        ("picture.wav", b"\x89PNG\r\n\x1a\n" + bytes(100), 415, "not_audio"),
        ("chat.json", b"{}", 422, "script"),
        ("chat.json", b"[" * 200_000, 422, "script"),
        ("chat.json", b"\x00\xff\xfe", 422, "script"),
        ("chat.csv", b"a,b\r\n1,2", 422, "script"),
        ("recording.json", RECORDING, 422, "script"),
    ],
)
@pytest.mark.parametrize("path", ["jobs", "inspections"])
def test_files_that_are_no_recordings(api: Api, path: str, name: str, content: bytes, status: int, code: str) -> None:
    answer = api.client.post(path, headers=api.admin, files={"file": (name, content, "audio/wav")})
    found = refused(api, answer, status, code)
    assert name not in answer.text
    assert found["detail"]


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("a.mp3", RECORDING, "text/html"),
        ("a.mp3", RECORDING, "application/x-www-form-urlencoded"),
        ("a.exe", RECORDING, "application/octet-stream"),
        ("truncated.mp3", RECORDING[:3000], "audio/mpeg"),
        ("header_only.wav", WAV, "audio/wav"),
        ("chat.json", CHAT, "audio/wav"),
        ("../../../../etc/cron.d/x.mp3", RECORDING, "audio/mpeg"),
        ("..\\..\\x.mp3", RECORDING, "audio/mpeg"),
        ("/etc/passwd", RECORDING, "audio/mpeg"),
        ("x\x00y.mp3", RECORDING, "audio/mpeg"),
        ("a" * 3000 + ".mp3", RECORDING, "audio/mpeg"),
        ("", RECORDING, "audio/mpeg"),
        ("录音\u202egpj.mp3", RECORDING, "audio/mpeg"),
    ],
)
def test_bytes_decide_and_names_do_nothing(api: Api, name: str, content: bytes, kind: str) -> None:
    head = f'name="file"; filename="{name}"\r\nContent-Type: {kind}'
    answer = post(api, "jobs", part(head, content) + END)
    assert answer.status_code == 202, answer.text
    (key,) = api.files()
    folder, day, stored = key.split("/")
    assert (folder, day) == ("recordings", "20260921")
    assert stored.split(".")[0].isalnum()
    assert len(stored) <= 35


def test_declared_oversize_is_refused_before_it_is_read(open_api: OpenApi) -> None:
    api = open_api(api={"max_upload_bytes": 1000})
    read = 0

    def body() -> Iterator[bytes]:
        nonlocal read
        for _ in range(40):
            read += 1
            yield bytes(1 << 20)

    headers = {**MULTIPART, "Content-Length": str(40 << 20)}
    refused(api, post(api, "jobs", body(), headers), 413, "upload_too_large")


@pytest.mark.parametrize("path", ["jobs", "inspections", "batches"])
@pytest.mark.parametrize("size", [1001, 30 << 20])
def test_undeclared_oversize_is_refused_when_it_shows(open_api: OpenApi, path: str, size: int) -> None:
    api = open_api(api={"max_upload_bytes": 1000})

    def body() -> Iterator[bytes]:
        yield part('name="file"; filename="a.wav"', WAV)[:-2]
        for _ in range(0, size, 1 << 20):
            yield bytes(min(size, 1 << 20))
        yield b"\r\n" + END

    refused(api, post(api, path, body()), 413, "upload_too_large")


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("jobs", b'{"url": "https://example.com/x", "call": {"fields": {"a": "' + b"x" * (17 << 20) + b'"}}}'),
        ("jobs/01k5w3v0q8m2f7r4t9x1c6b3zd", b'{"priority": "' + b"x" * (2 << 20) + b'"}'),
        ("calls/x/reanalyse", b'{"agent": "' + b"x" * (2 << 20) + b'"}'),
    ],
)
@pytest.mark.parametrize("declared", [True, False])
def test_large_json_is_refused(api: Api, path: str, content: bytes, *, declared: bool) -> None:
    method = "PATCH" if path.startswith("jobs/") else "POST"
    sent: Any = content if declared else iter([content[at : at + (1 << 16)] for at in range(0, len(content), 1 << 16)])
    headers = {**api.admin, "Content-Type": "application/json"}
    refused(api, api.client.request(method, path, headers=headers, content=sent), 413, "upload_too_large")


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (FILE + END, {"Content-Type": "multipart/form-data"}, 422),
        (FILE + END, {"Content-Type": "text/plain"}, 415),
        (FILE + END, {"Content-Type": ""}, 415),
        (FILE + END, {"Content-Type": "application/x-www-form-urlencoded"}, 415),
        (FILE + END, {"Content-Type": "application/json"}, 422),
        (FILE[:-500], MULTIPART, 422),
        (FILE, MULTIPART, 422),
        (END, MULTIPART, 422),
        (b"", MULTIPART, 422),
        (FILE + FILE + END, MULTIPART, 422),
        (FILE + part('name="call"', b"{}") + part('name="call"', b"{}") + END, MULTIPART, 422),
        (FILE + part('name="call"', b"{") + END, MULTIPART, 422),
        (FILE + part('name="call"', b"[]") + END, MULTIPART, 422),
        (FILE + part('name="call"', b'"\xff"') + END, MULTIPART, 422),
        (FILE + part('name="call"; filename="call.json"', b"{}") + END, MULTIPART, 422),
        (FILE + part('name="priority"', b"soon") + END, MULTIPART, 422),
        (FILE + part('name="replace"', b"maybe") + END, MULTIPART, 422),
        (FILE + part('name="options"', b'{"raw": "mp3"}') + END, MULTIPART, 422),
        (FILE + part('name="surprise"', b"x") + END, MULTIPART, 422),
        (part('name="file"', RECORDING) + END, MULTIPART, 422),
        (part('name="a"\r\nX: ' + "y" * (1 << 20), b"") + FILE + END, MULTIPART, 422),
        (part('name="a"\r\nContent-Disposition: form-data; name="file"; filename="a"', b"") + END, MULTIPART, 422),
        (b"{", {"Content-Type": "application/json"}, 422),
        (b"null", {"Content-Type": "application/json"}, 422),
        (b'{"url": "https://example.com/\\ud800"}', {"Content-Type": "application/json"}, 422),
        (b"[" * 100_000, {"Content-Type": "application/json"}, 422),
        (b'{"url": "https://example.com/a", "priority": "urgent", "x": 1}', {"Content-Type": "application/json"}, 422),
    ],
)
def test_malformed_requests(api: Api, content: bytes, headers: dict[str, str], status: int) -> None:
    refused(api, post(api, "jobs", content, headers), status)


def test_fields_may_come_before_or_after_the_file(api: Api) -> None:
    for number, content in enumerate(
        (
            part('name="call"', b'{"call_id": "0"}') + FILE + END,
            FILE + part('name="call"', b'{"call_id": "1"}') + END,
        )
    ):
        assert post(api, "jobs", content).json()["call_id"] == str(number)


def head(path: str, *lines: str) -> bytes:
    first = f"POST /api/v1/{path} HTTP/1.1\r\nHost: x\r\nX-Test-Almighty: 1\r\n"
    return (first + "".join(f"{line}\r\n" for line in lines) + "\r\n").encode()


@pytest.mark.parametrize("path", ["jobs", "batches", "inspections"])
def test_a_sender_who_goes_away_leaves_nothing(server: tuple[Api, int], path: str) -> None:
    api, port = server
    lines = (f"Content-Type: multipart/form-data; boundary={BOUNDARY}", "Content-Length: 10000000")
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(head(path, *lines) + FILE + FILE[: len(FILE) // 2])
        time.sleep(0.3)
    assert post(api, "jobs", FILE + END).status_code == 202, "the service goes on"
    assert (api.rows(), len(api.files())) == ((1, 1, 1), 1)


@pytest.mark.parametrize(
    "sent",
    [
        head("jobs", "X-Long: " + "y" * (1 << 20)),
        head("jobs", "Content-Length: -5"),
        head("jobs", "Content-Length: 5", "Content-Length: 6"),
        head("jobs", "Transfer-Encoding: chunked", "Content-Type: application/json") + b"zz\r\n",
        b"POST /api/v1/jobs HTTP/1.1\r\nHost: x\r\nBad Header: 1\r\n\r\n",
        b"POST /api/v1/jobs\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
def test_requests_that_break_http_are_refused_by_the_server(server: tuple[Api, int], sent: bytes) -> None:
    api, port = server
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        try:
            connection.sendall(sent)
            answer = connection.recv(100)
        except ConnectionError:
            answer = b""
    assert answer == b"" or answer.startswith(b"HTTP/1.1 4")
    assert (api.rows(), api.files()) == ((0, 0, 0), [])
    assert api.client.get("jobs", headers=api.admin).status_code == 200
