"""The bytes of a recording before anyone decodes them: checked, measured, digested."""

from __future__ import annotations

import hashlib
import io
import os
import stat
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from qingting.errors import AudioLimitError, BrokenAudioError, EmptyAudioError, UnreadableAudioError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qingting.audio.options import AudioLimits

HEAD_BYTES = 64
"""How much of the start is kept for telling formats apart."""

_DIGEST_BYTES = 1 << 20
_ASF_HEADER = bytes.fromhex("3026b2758e66cf11")
_MPEG_LAYERS = {1, 2, 3}


@dataclass(frozen=True, kw_only=True)
class Source:
    """A recording's bytes, in a file or in memory."""

    path: Path | None
    """Where the bytes are; None when they are in `data`."""
    data: bytes
    """The bytes themselves; empty when they are in a file."""
    size_bytes: int
    """Number of bytes, at least 1."""
    sha256: str
    """Hex digest of all bytes."""
    head: bytes
    """The first bytes, at most HEAD_BYTES."""
    modified_ns: int = 0
    """Time of the file's last change; tells whether it changed while it was read."""

    @property
    def kind(self) -> str:
        """Container the first bytes claim (`wav`, `amr`, `mp3` …), or empty when unknown."""
        return sniff(self.head)

    @property
    def suffix(self) -> str:
        """The file name's extension in lower case, `.g722`; empty for bytes."""
        return self.path.suffix.lower() if self.path else ""

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """Give the bytes as a seekable binary file.

        Raises UnreadableAudioError when the file has gone, BrokenAudioError when it was
        written to since its digest was taken: evidence must name the bytes that were heard.
        """
        if self.path is None:
            yield io.BytesIO(self.data)
            return
        with _open_regular(self.path) as file:
            self._refuse_changed(file)
            yield file
            self._refuse_changed(file)

    def _refuse_changed(self, file: BinaryIO) -> None:
        facts = os.fstat(file.fileno())
        if (facts.st_size, facts.st_mtime_ns) != (self.size_bytes, self.modified_ns):
            raise BrokenAudioError(
                "the file changed while it was being read",
                remedy="Submit the recording after the recorder has finished writing it.",
            )


def open_source(path_or_bytes: str | os.PathLike[str] | bytes | bytearray | memoryview, limits: AudioLimits) -> Source:
    """Check and digest a recording without decoding it.

    Raises UnreadableAudioError (no such file, a directory, a device, no permission),
    EmptyAudioError (no bytes) or AudioLimitError (over limits.max_bytes). The texts never
    hold the path: file names may contain telephone numbers.
    """
    if isinstance(path_or_bytes, (bytes, bytearray, memoryview)):
        _check_size(memoryview(path_or_bytes).nbytes, limits)
        data = bytes(path_or_bytes)
        return Source(
            path=None,
            data=data,
            size_bytes=len(data),
            sha256=hashlib.sha256(data).hexdigest(),
            head=data[:HEAD_BYTES],
        )
    path = Path(path_or_bytes)
    with _open_regular(path) as file:
        facts = os.fstat(file.fileno())
        _check_size(facts.st_size, limits)
        try:
            head = file.read(HEAD_BYTES)
            file.seek(0)
            digest = _digest(file)
        except OSError as error:
            raise UnreadableAudioError(f"reading the file failed ({_reason(error)})") from None
    return Source(
        path=path,
        data=b"",
        size_bytes=facts.st_size,
        sha256=digest,
        head=head,
        modified_ns=facts.st_mtime_ns,
    )


def sniff(head: bytes) -> str:
    """Name the container that the first bytes claim; empty when they claim none known.

    A claim, not a proof: used for choosing a reader and for telling "no recording" from
    "a damaged recording".
    """
    if head[:4] in (b"RIFF", b"RIFX", b"RF64", b"BW64"):
        return {b"WAVE": "wav", b"AVI ": "avi"}.get(head[8:12], "")
    if head[4:8] == b"ftyp":
        return "mov"
    if head[:4] == b"FORM" and head[8:11] == b"AIF":
        return "aiff"
    for magic, name in _MAGIC:
        if head.startswith(magic):
            return name
    return "mp3" if _mpeg_sync(head) else ""


_MAGIC = (
    (b"#!AMR", "amr"),
    (b"OggS", "ogg"),
    (b"fLaC", "flac"),
    (b"ID3", "mp3"),
    (_ASF_HEADER, "asf"),
    (b"\x1aE\xdf\xa3", "matroska"),
    (b".snd", "au"),
    (b"caff", "caf"),
    (b"FLV\x01", "flv"),
    (b"riff\x2e\x91\xcf\x11", "w64"),
    (b"Creative Voice File", "voc"),
    (b"\x00\x00\x01\xba", "mpeg"),
)


def _mpeg_sync(head: bytes) -> bool:
    """Whether an MPEG audio frame header (or an ADTS one) stands at the start."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return False
    if head[1] & 0xF6 == 0xF0:
        return True
    version, layer = head[1] >> 3 & 3, head[1] >> 1 & 3
    bit_rate, rate = head[2] >> 4, head[2] >> 2 & 3
    return version != 1 and layer in _MPEG_LAYERS and 0 < bit_rate < 15 and rate != 3


@contextmanager
def _open_regular(path: Path) -> Iterator[BinaryIO]:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise UnreadableAudioError("not a regular file")
        # A pipe put in the file's place after the check must not block the open.
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except (OSError, ValueError) as error:
        raise UnreadableAudioError(f"the file cannot be opened ({_reason(error)})") from None
    with os.fdopen(handle, "rb", buffering=0) as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise UnreadableAudioError("not a regular file")
        yield file


def _digest(file: BinaryIO) -> str:
    digest = hashlib.sha256()
    while block := file.read(_DIGEST_BYTES):
        digest.update(block)
    return digest.hexdigest()


def _reason(error: OSError | ValueError) -> str:
    """Words for an operating-system error that cannot contain the path."""
    if isinstance(error, OSError) and error.errno is not None:
        return os.strerror(error.errno)
    return "invalid name"


def _check_size(size: int, limits: AudioLimits) -> None:
    if size == 0:
        raise EmptyAudioError("the file has no bytes")
    if size > limits.max_bytes:
        raise AudioLimitError(f"{size} bytes are over the limit of {limits.max_bytes}")
