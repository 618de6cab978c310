"""The sound of running calls on disk, while it comes: what a process that dies leaves is a recording all the same."""

from __future__ import annotations

import errno
import shutil
import struct
from contextlib import suppress
from typing import TYPE_CHECKING

from qingting.errors import StorageError, StorageFullError, StorageUnavailableError

if TYPE_CHECKING:
    from pathlib import Path

    from qingting.live.session import LiveFormat

_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")
_BYTES = 2
_TOGETHER_MS = 500
"""Sound that is written together: single messages would cost a look into the system each."""
_LOOK_BYTES = 4 * 1024 * 1024
"""Free space is looked at after so many bytes of a call."""


class Spools:
    """The folder in which the sound of running calls grows."""

    def __init__(self, folder: Path, *, min_free_bytes: int = 0) -> None:
        """`folder` is made with the first call."""
        self.folder = folder
        self._min_free_bytes = min_free_bytes

    def open(self, live_id: str, form: LiveFormat) -> Spool:
        """Begin the file of a call. Raises StorageFullError, StorageUnavailableError."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageUnavailableError(f"The folder of running calls: {type(error).__name__}.") from None
        return Spool(self.path_of(live_id), form, min_free_bytes=self._min_free_bytes)

    def path_of(self, live_id: str) -> Path:
        """Path of a call's file, whether it is there or not."""
        return self.folder / f"{live_id}.wav"

    def existing(self, live_id: str) -> Path | None:
        """Path of a call's file; None where there is none."""
        path = self.path_of(live_id)
        return path if path.is_file() else None


class Spool:
    """One call's WAV file. All but the last half second has reached the system: kill -9 loses nothing of that."""

    def __init__(self, path: Path, form: LiveFormat, *, min_free_bytes: int = 0) -> None:
        """Make the file. Raises StorageFullError, StorageUnavailableError."""
        self.path = path
        self.samples = 0
        """Written, per channel."""
        self._block = form.channels * _BYTES
        self._min_free_bytes = min_free_bytes
        self._looked_at = 0
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._together = form.rate_hertz * self._block * _TOGETHER_MS // 1000
        self._look()
        try:
            self._file = path.open("xb", buffering=0)
            self._file.write(_header(form.rate_hertz, form.channels, 0))
        except OSError as error:
            raise _typed(error) from None

    def write(self, content: bytes) -> None:
        """Append sound: int16, interleaved. Raises StorageFullError, StorageUnavailableError."""
        self.samples += len(content) // self._block
        self._waiting.append(content)
        self._waiting_bytes += len(content)
        if self._waiting_bytes >= self._together:
            self.flush()

    def flush(self) -> None:
        """Give what waits to the system. Raises StorageFullError, StorageUnavailableError."""
        content, self._waiting = b"".join(self._waiting), []
        self._waiting_bytes = 0
        self._looked_at += len(content)
        try:
            at = 0
            while at < len(content):
                at += self._file.write(content[at:])
        except OSError as error:
            raise _typed(error) from None
        if self._looked_at > _LOOK_BYTES:
            self._look()

    def close(self) -> bool:
        """Make the file whole, and say whether there is sound in it; whatever goes wrong, repair() can do it later."""
        with suppress(StorageError):
            self.flush()
        try:
            self._file.close()
            return repair(self.path)
        except OSError:
            return self.samples > 0

    def _look(self) -> None:
        self._looked_at = 0
        try:
            free = shutil.disk_usage(self.path.parent).free
        except OSError as error:
            raise _typed(error) from None
        if free < self._min_free_bytes:
            raise StorageFullError("The disk of running calls is full.")


def repair(path: Path) -> bool:
    """Write into a file's header how much sound is in it; returns whether there is any.

    Raises OSError; a file that this module did not write is left alone and counts as having sound.
    """
    with path.open("r+b") as file:
        head = file.read(_HEADER.size)
        if len(head) < _HEADER.size:
            return False
        values = _HEADER.unpack(head)
        if (values[0], values[2], values[11]) != (b"RIFF", b"WAVE", b"data"):
            return True
        channels, rate_hertz, block = values[6], values[7], values[9]
        length: int = (path.stat().st_size - _HEADER.size) // block * block
        file.seek(0)
        file.write(_header(rate_hertz, channels, length))
        file.truncate(_HEADER.size + length)
    return length > 0


def _header(rate_hertz: int, channels: int, length: int) -> bytes:
    block = channels * _BYTES
    return _HEADER.pack(
        b"RIFF", _HEADER.size - 8 + length, b"WAVE", b"fmt ", 16, 1, channels, rate_hertz, rate_hertz * block, block,
        8 * _BYTES, b"data", length,
    )  # fmt: skip


def _typed(error: OSError) -> StorageFullError | StorageUnavailableError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageFullError("The disk of running calls is full.")
    return StorageUnavailableError(f"The sound of a running call cannot be kept: {type(error).__name__}.")
