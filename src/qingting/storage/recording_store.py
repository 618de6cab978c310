"""Where recordings lie: a folder of this machine, or a bucket of an S3-compatible store.

A file is seen under its key only when it is whole and safe: in a folder it is written beside, forced
to the disk and renamed; to a bucket it is uploaded in one request or as parts that are joined at the end.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import tempfile
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import IO
from urllib.parse import unquote, urlsplit

from qingting.errors import (
    InvalidRequestError,
    NotFoundError,
    SettingsError,
    StorageFullError,
    StorageUnavailableError,
)

_CHUNK_BYTES = 1024**2
_CHECK_EVERY_BYTES = 8 * 1024**2
"""Free space is looked at again after so many bytes."""
_LONGEST_KEY = 512
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_UNFINISHED = ".unfinished"
"""Folder of files that are being written."""


class RecordingStore(ABC):
    """Files by key, such as `recordings/20261130/<id>.wav`; safe to use from several threads and processes.

    Keys are ours, never a user's; all functions raise InvalidRequestError for one that leads elsewhere,
    StorageUnavailableError when the store cannot be reached.
    """

    @staticmethod
    def open(
        url: str, *, endpoint: str = "", key: str = "", secret: str = "", min_free_bytes: int = 0
    ) -> RecordingStore:
        """Open `file:///folder` (made when missing) or `s3://bucket/prefix`.

        A file is refused when less than `min_free_bytes` of a folder's disk would be left; buckets have no end.
        Raises SettingsError for any other URL, MissingExtraError without the extra `s3`.
        """
        parts = urlsplit(url)
        if parts.scheme == "file" and parts.netloc in ("", "localhost") and parts.path.startswith("/"):
            return FolderStore(Path(unquote(parts.path)), min_free_bytes=min_free_bytes)
        if parts.scheme == "s3" and parts.netloc:
            from qingting.storage._object_store import ObjectStore

            place = f"{parts.netloc}{parts.path}".rstrip("/")
            return ObjectStore(place, endpoint=endpoint, key=key, secret=secret)
        raise SettingsError(
            "storage.recordings_url is not understood", remedy="Write file:///path or s3://bucket/prefix."
        )

    @abstractmethod
    def save(self, key: str, chunks: Iterable[bytes]) -> tuple[int, str]:
        """Store a file as its bytes come; returns its size in bytes and hex SHA-256.

        When it returns, the file survives a loss of power. An exception, also one of `chunks`, leaves
        nothing. Raises StorageFullError.
        """

    def put_file(self, key: str, path: Path) -> tuple[int, str]:
        """Store a copy of a local file; returns and raises what save does."""
        with typed_errors(), path.open("rb") as file:
            return self.save(key, pieces(file))

    @abstractmethod
    def local(self, key: str) -> AbstractContextManager[Path]:
        """Give the file as a local path, to be read within the block; raises NotFoundError when it is gone."""

    @abstractmethod
    def delete(self, key: str) -> None:
        """Delete a file; one that is not there is no error."""

    @abstractmethod
    def exists(self, key: str) -> bool:
        """Whether there is such a file."""

    @abstractmethod
    def check(self) -> None:
        """Raise StorageUnavailableError or StorageFullError when no file could be stored now."""

    def sweep(self, before_ms: int) -> int:
        """Remove what killed processes left half written before a time; returns how many files."""
        del before_ms
        return 0


class FolderStore(RecordingStore):
    """Files in a folder."""

    def __init__(self, folder: Path, *, min_free_bytes: int = 0) -> None:
        self.folder = folder
        self._min_free_bytes = min_free_bytes
        with typed_errors():
            # Voices of customers: nobody else on the machine needs to read them.
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def save(self, key: str, chunks: Iterable[bytes]) -> tuple[int, str]:
        """Write beside, force to the disk, rename."""
        target = self._path(key)
        self._require_space()
        with typed_errors():
            unfinished = self.folder / _UNFINISHED / uuid.uuid4().hex
            unfinished.parent.mkdir(mode=0o700, exist_ok=True)
        try:
            with typed_errors(), unfinished.open("xb") as file:
                size_and_digest = self._write(file, chunks)
                file.flush()
                os.fsync(file.fileno())
            with typed_errors():
                self._make_folder(target.parent)
                unfinished.replace(target)
                _force_folder(target.parent)
        except BaseException:
            with suppress(OSError):
                unfinished.unlink(missing_ok=True)
            raise
        return size_and_digest

    def _write(self, file: IO[bytes], chunks: Iterable[bytes]) -> tuple[int, str]:
        size, checked, digest = 0, 0, hashlib.sha256()
        for chunk in chunks:
            file.write(chunk)
            digest.update(chunk)
            size += len(chunk)
            if size - checked >= _CHECK_EVERY_BYTES:
                self._require_space()
                checked = size
        return size, digest.hexdigest()

    @contextmanager
    def local(self, key: str) -> Iterator[Path]:
        """Give the file itself."""
        path = self._path(key)
        with typed_errors():
            there = path.is_file()
            self._require_folder()
        if not there:
            raise NotFoundError("The recording is no longer stored.")
        yield path

    def delete(self, key: str) -> None:
        """Delete the file; its day's folder stays, since another process may be storing into it."""
        path = self._path(key)
        with typed_errors():
            self._require_folder()
            path.unlink(missing_ok=True)
            if path.parent.is_dir():
                _force_folder(path.parent)

    def exists(self, key: str) -> bool:
        """Whether there is such a file."""
        with typed_errors():
            self._require_folder()
            return self._path(key).is_file()

    def check(self) -> None:
        """See that the folder can be written to and has space."""
        with typed_errors():
            self._require_folder()
            if not os.access(self.folder, os.W_OK | os.X_OK):
                raise StorageUnavailableError("The folder of recordings cannot be written to.")
        self._require_space()

    def sweep(self, before_ms: int) -> int:
        """Remove unfinished files that nobody has written to since a time."""
        removed = 0
        with typed_errors():
            for path in (self.folder / _UNFINISHED).glob("*"):
                with suppress(FileNotFoundError):
                    if path.stat().st_mtime * 1000 < before_ms:
                        path.unlink()
                        removed += 1
        return removed

    def _path(self, key: str) -> Path:
        return self.folder / checked(key)

    def _require_folder(self) -> None:
        """A disk that is not mounted must not look like recordings that are gone."""
        if not self.folder.is_dir():
            raise StorageUnavailableError("The folder of recordings is missing.")

    def _require_space(self) -> None:
        with typed_errors():
            free = shutil.disk_usage(self.folder).free
        if free < self._min_free_bytes:
            raise StorageFullError("Too little space is left for recordings.")

    def _make_folder(self, folder: Path) -> None:
        """Make a folder so that it, too, survives a loss of power."""
        missing = [one for one in (folder, *folder.parents) if not one.exists()]
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for one in missing:
            _force_folder(one.parent)


def checked(key: str) -> str:
    """Return a key; raises InvalidRequestError when it could lead out of the store or into its own files."""
    parts = key.split("/")
    bad_character = any(ord(one) < 32 or one in "\\\x7f" or 0xD800 <= ord(one) <= 0xDFFF for one in key)
    if bad_character or len(key) > _LONGEST_KEY or any(not part or part.startswith(".") for part in parts):
        raise InvalidRequestError("The key of a recording is not valid.")
    return key


def pieces(file: IO[bytes]) -> Iterator[bytes]:
    """Read a file in pieces of 1 MiB."""
    while piece := file.read(_CHUNK_BYTES):
        yield piece


@contextmanager
def typed_errors() -> Iterator[None]:
    """Turn errors of files into ours; what the caller's own chunks raise on purpose passes."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise StorageFullError("No space is left for recordings.") from None
        raise StorageUnavailableError(f"The store of recordings failed: {type(error).__name__}.") from None


@contextmanager
def spooled(chunks: Iterable[bytes]) -> Iterator[tuple[Path, int, str]]:
    """Collect chunks in a temporary file; gives its path, size and hex SHA-256."""
    digest, size = hashlib.sha256(), 0
    with typed_errors(), tempfile.NamedTemporaryFile(prefix="qingting-") as file:
        for chunk in chunks:
            file.write(chunk)
            digest.update(chunk)
            size += len(chunk)
        file.flush()
        yield Path(file.name), size, digest.hexdigest()


def _force_folder(folder: Path) -> None:
    """Force a folder's entries to the disk: a renamed file survives a loss of power."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
