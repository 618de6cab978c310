"""Multipart requests, part by part, also hostile ones."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import IO, Any

import pytest
from fastapi import Request
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import ClientDisconnect

from qingting.api.uploads import MAX_FIELD_BYTES, parts_of
from qingting.errors import InvalidRequestError, QingtingError, UploadTooLargeError

BOUNDARY = "frontier"
TYPE = f"multipart/form-data; boundary={BOUNDARY}"


def body(*parts: tuple[str, bytes], end: str = "--\r\n") -> bytes:
    written = b"".join(
        f"--{BOUNDARY}\r\nContent-Disposition: form-data; {head}\r\n\r\n".encode() + content + b"\r\n"
        for head, content in parts
    )
    return written + f"--{BOUNDARY}{end}".encode()


def read(
    content: bytes,
    *,
    content_type: str = TYPE,
    step: int = 0,
    max_file_bytes: int = 1000,
    max_parts: int = 10,
    disconnects: bool = False,
) -> list[tuple[str, str | None, bytes]]:
    """All parts: name, file name, content."""
    chunks = [content[at : at + step] for at in range(0, len(content), step)] if step else [content]
    messages: list[dict[str, Any]] = [{"type": "http.request", "body": one, "more_body": True} for one in chunks]
    messages.append({"type": "http.disconnect"} if disconnects else {"type": "http.request", "body": b""})

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    async def run() -> list[tuple[str, str | None, bytes]]:
        scope = {"type": "http", "method": "POST", "headers": [(b"content-type", content_type.encode())]}
        found = []
        async with parts_of(Request(scope, receive), max_file_bytes=max_file_bytes, max_parts=max_parts) as parts:
            async for part in parts:
                value = part.text.encode() if part.file_name is None else part.path.read_bytes()
                found.append((part.name, part.file_name, value))
        return found

    return asyncio.run(run())


@pytest.fixture(autouse=True)
def own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tests upload at the same time."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def left_behind() -> set[str]:
    return {path.name for path in Path(tempfile.gettempdir()).glob("qingting-upload-*")}


@pytest.mark.parametrize("step", [0, 1, 7, 64])
def test_parts_come_in_order_however_they_are_cut(step: int) -> None:
    content = body(
        ('name="call"', '{"team": "售后"}'.encode()),
        ('name="file"; filename="a.wav"', b"\r\n--not the end\r\n" * 10),
        ('name="file"; filename="空.mp3"', b""),
    )
    before = left_behind()
    assert read(content, step=step) == [
        ("call", None, '{"team": "售后"}'.encode()),
        ("file", "a.wav", b"\r\n--not the end\r\n" * 10),
        ("file", "空.mp3", b""),
    ]
    assert left_behind() == before


FILE = ('name="file"; filename="a.wav"', b"x" * 100)


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (b"", TYPE),
        (b"nothing like it", TYPE),
        (body(FILE, end=""), TYPE),
        (body(FILE)[:-40], TYPE),
        (body(FILE)[:60], TYPE),
        (body(FILE), "multipart/form-data"),
        (body(FILE), "multipart/form-data; boundary="),
        (body(FILE), f"multipart/form-data; boundary={'x' * 300}"),
        (body(FILE), "multipart/form-data; boundary=another"),
        (body(FILE), "text/plain; boundary=frontier"),
        (body(FILE), ""),
        (body(("filename=a.wav", b"")), TYPE),
        (body(('name=""', b"")), TYPE),
        (body(('name="a"\r\nContent-Disposition: form-data; name="b"', b"")), TYPE),
        (body(('name="a"\r\ncontent-disposition: form-data; name="b"', b"")), TYPE),
        (body((f'name="a"; filename="{"x" * 2**20}"', b"")), TYPE),
        (body(('name="a"' + "".join(f"\r\nX-{n}: y" for n in range(50)), b"")), TYPE),
        (body(('name="a"', b"\xff\xfe\xff")), TYPE),
        (f"--{BOUNDARY}\r\nNo colon\r\n\r\nx\r\n--{BOUNDARY}--".encode(), TYPE),
        (f"--{BOUNDARY}\r\n\r\nx\r\n--{BOUNDARY}--".encode(), TYPE),
    ],
)
@pytest.mark.parametrize("step", [0, 1024])
def test_what_is_no_multipart_request_is_refused(content: bytes, content_type: str, step: int) -> None:
    before = left_behind()
    with pytest.raises(InvalidRequestError):
        read(content, content_type=content_type, step=step)
    assert left_behind() == before


@pytest.mark.parametrize(
    ("content", "limits"),
    [
        (body(('name="file"; filename="a.wav"', b"x" * 1001)), {}),
        (body(*[('name="a"', b"")] * 11), {}),
        (body(*[FILE] * 3), {"max_parts": 2}),
        (body(('name="a"', b"x" * (MAX_FIELD_BYTES + 1))), {}),
    ],
)
def test_what_is_too_large_is_refused(content: bytes, limits: dict[str, int]) -> None:
    before = left_behind()
    with pytest.raises(UploadTooLargeError):
        read(content, step=1 << 16, **limits)
    assert left_behind() == before


def test_a_file_of_just_the_limit_passes() -> None:
    assert len(read(body(('name="file"; filename="a"', b"x" * 1000)))) == 1


def test_a_sender_who_goes_away_leaves_no_file() -> None:
    before = left_behind()
    with pytest.raises(ClientDisconnect):
        read(body(FILE, ('name="file"; filename="b.wav"', b"y" * 500))[:-100], disconnects=True, step=50)
    assert left_behind() == before


@pytest.mark.parametrize(
    ("head", "name", "file_name"),
    [
        ('name="file"; filename="../../x.wav"', "file", "../../x.wav"),
        ('name="file"; filename="C:\\Users\\x.wav"', "file", "x.wav"),
        ('name="file"; filename="a\x00b.wav"', "file", "a\x00b.wav"),
        ("name=\"file\"; filename*=UTF-8''evil.wav", "file", None),
        ('name="file"; filename="a.wav"; filename="b.wav"', "file", "b.wav"),
        ('name="file"; filename=""', "file", ""),
    ],
)
def test_tricks_in_heads_name_a_file_at_most(head: str, name: str, file_name: str | None) -> None:
    try:
        ((found, found_file, _),) = read(body((head, b"x")))
    except InvalidRequestError:
        return
    assert (found, found_file) == (name, file_name)


def test_a_kept_file_outlives_the_request_until_it_is_closed() -> None:
    before = left_behind()
    messages = [{"type": "http.request", "body": body(FILE, ('name="b"', b"")), "more_body": False}]

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    async def run() -> IO[bytes]:
        scope = {"type": "http", "method": "POST", "headers": [(b"content-type", TYPE.encode())]}
        async with parts_of(Request(scope, receive), max_file_bytes=1000, max_parts=3) as parts:
            kept = [part.keep() async for part in parts if part.file_name is not None]
        return kept[0]

    file = asyncio.run(run())
    assert Path(file.name).read_bytes() == b"x" * 100
    file.close()
    assert left_behind() == before


@given(st.binary(max_size=400), st.sampled_from([0, 1, 3]))
def test_any_bytes_are_parts_or_an_error(content: bytes, step: int) -> None:
    for sent in (content, body(('name="a"', content)), body(FILE)[:50] + content):
        try:
            read(sent, step=step)
        except QingtingError:
            continue
