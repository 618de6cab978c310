"""Multipart bodies written as they are sent: one file is open at a time, however many go along."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

_PIECE_BYTES = 1 << 18


@dataclass(frozen=True, kw_only=True)
class Multipart:
    """A body that can be sent several times."""

    fields: Mapping[str, str]
    files: Iterable[tuple[str, Path]]
    """Name of the part and the file; read anew each time."""
    boundary: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def content_type(self) -> str:
        """For the header."""
        return f"multipart/form-data; boundary={self.boundary}"

    def __iter__(self) -> Iterator[bytes]:
        """Give the body in pieces; raises OSError when a file cannot be read."""
        for name, value in self.fields.items():
            yield self._head(f'name="{name}"') + value.encode() + b"\r\n"
        for name, path in self.files:
            yield self._head(f'name="{name}"; filename="{_file_name(path)}"') + b""
            with path.open("rb") as file:
                while piece := file.read(_PIECE_BYTES):
                    yield piece
            yield b"\r\n"
        yield f"--{self.boundary}--\r\n".encode()

    def _head(self, disposition: str) -> bytes:
        return f"--{self.boundary}\r\nContent-Disposition: form-data; {disposition}\r\n\r\n".encode()


def _file_name(path: Path) -> str:
    """A name between quotes: quotes, backslashes and line ends are written as browsers do."""
    return "".join(quote(one) if one in '"\\\r\n\x00' else one for one in path.name)
