"""Reads multipart requests part by part: one file at a time lies in a temporary file, however many come.

The framework's own reader keeps all parts of a request until its end; a batch of thousands of recordings would
hold as many open files.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.concurrency import run_in_threadpool

from qingting.errors import InvalidRequestError, UploadTooLargeError
from qingting.service.upload_checks import safe_suffix
from qingting.storage.recording_store import typed_errors

if TYPE_CHECKING:
    from fastapi import Request
    from python_multipart.multipart import MultipartCallbacks

MULTIPART = "multipart/form-data"
MAX_FIELD_BYTES = 16 * 1024**2
"""A field that is no file: call data with desktop events are the longest."""
_WRITE_BYTES = 1 << 20
_REMEDY = "Send multipart/form-data as RFC 7578 has it."


@dataclass(kw_only=True)
class Part:
    """One part of a request, whole."""

    name: str
    file_name: str | None
    """As the sender wrote it; None for fields that are no files."""
    text: str = ""
    """Of a field that is no file."""
    file: IO[bytes] | None = None
    """A file's bytes; it is removed when the next part is asked for, unless it was kept."""
    kept: bool = False

    @property
    def path(self) -> Path:
        """Where a file's bytes lie."""
        assert self.file is not None  # noqa: S101  asked of files only
        return Path(self.file.name)

    def keep(self) -> IO[bytes]:
        """Take the file over: whoever keeps it closes it, which removes it."""
        assert self.file is not None  # noqa: S101  asked of files only
        self.kept = True
        return self.file


@dataclass(kw_only=True)
class _Incoming:
    """The part that is being read."""

    headers: dict[bytes, bytes] = field(default_factory=dict)
    header_name: bytes = b""
    header_value: bytes = b""
    name: str = ""
    file_name: str | None = None
    file: IO[bytes] | None = None
    size: int = 0
    waiting: bytearray = field(default_factory=bytearray)
    """Bytes not yet written to the file, or the field's value."""

    async def take(self, data: bytes, limit: int) -> None:
        """Add bytes; raises UploadTooLargeError over the limit."""
        self.size += len(data)
        if self.size > (limit if self.file_name is not None else MAX_FIELD_BYTES):
            raise UploadTooLargeError("A part of the request has more bytes than may be uploaded.")
        self.waiting += data
        if self.file_name is not None and len(self.waiting) >= _WRITE_BYTES:
            await self.write()

    async def write(self) -> None:
        """Move waiting bytes to the file."""
        await run_in_threadpool(self._write, bytes(self.waiting))
        self.waiting.clear()

    def _write(self, data: bytes) -> None:
        with typed_errors():
            if self.file is None:
                suffix = safe_suffix(self.file_name or "")
                self.file = tempfile.NamedTemporaryFile(prefix="qingting-upload-", suffix=suffix)  # noqa: SIM115  closed with its part
            self.file.write(data)
            self.file.flush()

    def close(self) -> None:
        """Remove the file."""
        if self.file is not None:
            with contextlib.suppress(OSError):
                self.file.close()


class _Events:
    """Turns the parser's calls into a list, so that they can be worked off with waiting in between."""

    def __init__(self) -> None:
        self.found: list[tuple[str, bytes]] = []

    def callbacks(self) -> MultipartCallbacks:
        """What the parser calls."""
        return {
            "on_part_begin": lambda: self.found.append(("begin", b"")),
            "on_part_data": lambda data, start, end: self.found.append(("data", data[start:end])),
            "on_part_end": lambda: self.found.append(("end", b"")),
            "on_header_field": lambda data, start, end: self.found.append(("header name", data[start:end])),
            "on_header_value": lambda data, start, end: self.found.append(("header value", data[start:end])),
            "on_header_end": lambda: self.found.append(("header", b"")),
            "on_headers_finished": lambda: self.found.append(("headers", b"")),
            "on_end": lambda: self.found.append(("finished", b"")),
        }

    def take(self) -> list[tuple[str, bytes]]:
        """Return what the parser called since the last time."""
        found, self.found = self.found, []
        return found


@asynccontextmanager
async def parts_of(request: Request, *, max_file_bytes: int, max_parts: int) -> AsyncIterator[AsyncIterator[Part]]:
    """Give the parts of a multipart request in order; each one's file is removed when the next one is asked for.

    Raises InvalidRequestError for what is no such request or breaks off, UploadTooLargeError over a limit.
    """
    parts = _parts(request, max_file_bytes, max_parts)
    async with contextlib.aclosing(parts):
        yield parts


async def _parts(request: Request, max_file_bytes: int, max_parts: int) -> AsyncGenerator[Part, None]:
    events = _Events()
    parser = _parser(request, events)
    part, count, finished = _Incoming(), 0, False
    whole: Part | None = None
    try:
        async for chunk in request.stream():
            _feed(parser, chunk)
            for event, data in events.take():
                if event == "begin":
                    part, whole, count = _Incoming(), None, count + 1
                    if count > max_parts:
                        raise UploadTooLargeError(f"The request has more than {max_parts} parts.")
                elif event == "data":
                    await part.take(data, max_file_bytes)
                elif event == "end":
                    whole = await _whole(part)
                    yield whole
                    if whole.kept:
                        part.file = None
                    part.close()
                else:
                    finished = event == "finished"
                    _head(part, event, data)
        if not finished:
            raise InvalidRequestError("The request breaks off before its end.", remedy=_REMEDY)
    finally:
        if whole is None or not whole.kept:
            part.close()


def _parser(request: Request, events: _Events) -> MultipartParser:
    kind, parameters = parse_options_header(request.headers.get("content-type"))
    boundary = parameters.get(b"boundary", b"")
    if kind.decode("latin-1") != MULTIPART or not boundary:
        raise InvalidRequestError("The request's Content-Type names no boundary.", remedy=_REMEDY)
    try:
        return MultipartParser(boundary, events.callbacks())
    except FormParserError:
        raise _malformed() from None


def _feed(parser: MultipartParser, chunk: bytes) -> None:
    try:
        if chunk:
            parser.write(chunk)
    except FormParserError:
        raise _malformed() from None


def _malformed() -> InvalidRequestError:
    return InvalidRequestError("The request is no valid multipart/form-data.", remedy=_REMEDY)


def _head(part: _Incoming, event: str, data: bytes) -> None:
    """Read a part's headers; of one that stands twice the request is refused: readers would differ on which counts."""
    if event == "header name":
        part.header_name += data
    elif event == "header value":
        part.header_value += data
    elif event == "header":
        name = part.header_name.lower()
        if name in part.headers:
            raise _malformed()
        part.headers[name] = part.header_value
        part.header_name, part.header_value = b"", b""
    elif event == "headers":
        _, options = parse_options_header(part.headers.get(b"content-disposition"))
        part.name = options.get(b"name", b"").decode("utf-8", "replace")[:64]
        if not part.name:
            raise InvalidRequestError("A part of the request has no name.", remedy=_REMEDY)
        if b"filename" in options:
            part.file_name = options[b"filename"].decode("utf-8", "replace")


async def _whole(part: _Incoming) -> Part:
    if part.file_name is not None:
        await part.write()
        return Part(name=part.name, file_name=part.file_name, file=part.file)
    try:
        return Part(name=part.name, file_name=None, text=part.waiting.decode())
    except UnicodeDecodeError:
        raise InvalidRequestError("A field of the request is no UTF-8 text.", field="body") from None
