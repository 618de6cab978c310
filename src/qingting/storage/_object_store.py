"""Recordings in an S3-compatible store."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from qingting.errors import MissingExtraError, NotFoundError, QingtingError, StorageUnavailableError
from qingting.storage.recording_store import RecordingStore, checked, spooled

_CONNECT_SECONDS, _READ_SECONDS = 5, 60


class ObjectStore(RecordingStore):
    """Files in a bucket, below a prefix."""

    def __init__(self, place: str, *, endpoint: str = "", key: str = "", secret: str = "") -> None:
        """`place` is `bucket/prefix`."""
        try:
            from s3fs import S3FileSystem
        except ModuleNotFoundError as error:
            raise MissingExtraError(
                f"Recordings in S3 need the package {error.name}.", remedy="pip install 'qingting[s3]'"
            ) from None
        self._place = place
        self._files: Any = S3FileSystem(
            key=key or None,
            secret=secret or None,
            endpoint_url=endpoint or None,
            use_listings_cache=False,
            skip_instance_cache=True,
            config_kwargs={
                "connect_timeout": _CONNECT_SECONDS,
                "read_timeout": _READ_SECONDS,
                "retries": {"max_attempts": 3, "mode": "standard"},
            },
        )

    def save(self, key: str, chunks: Iterable[bytes]) -> tuple[int, str]:
        """Collect in a temporary file first: an upload that breaks off must never be joined to a file."""
        target = self._path(key)
        with spooled(chunks) as (path, size, digest):
            with _typed_errors():
                self._files.put_file(str(path), target)
            return size, digest

    @contextmanager
    def local(self, key: str) -> Iterator[Path]:
        """Download the file, remove the copy afterwards."""
        source = self._path(key)
        with tempfile.TemporaryDirectory(prefix="qingting-") as folder:
            # The suffix tells decoders what to expect.
            path = Path(folder) / f"recording{Path(key).suffix}"
            with _typed_errors():
                self._files.get_file(source, str(path))
            yield path

    def delete(self, key: str) -> None:
        """Delete the object; S3 has no error for one that is not there."""
        bucket, _, name = self._path(key).partition("/")
        with _typed_errors():
            self._files.call_s3("delete_object", Bucket=bucket, Key=name)

    def exists(self, key: str) -> bool:
        """Whether there is such an object."""
        bucket, _, name = self._path(key).partition("/")
        try:
            with _typed_errors():
                self._files.call_s3("head_object", Bucket=bucket, Key=name)
        except NotFoundError:
            return False
        return True

    def check(self) -> None:
        """Ask for the bucket."""
        try:
            with _typed_errors():
                self._files.call_s3("head_bucket", Bucket=self._place.partition("/")[0])
        except NotFoundError:
            raise StorageUnavailableError("The bucket of recordings does not exist.") from None

    def _path(self, key: str) -> str:
        return f"{self._place}/{checked(key)}"


@contextmanager
def _typed_errors() -> Iterator[None]:
    """Turn the client's errors into ours; their texts name buckets and keys of access."""
    try:
        yield
    except QingtingError:
        raise
    except FileNotFoundError:
        raise NotFoundError("The recording is no longer stored.") from None
    except Exception as error:  # noqa: BLE001  the client raises a dozen unrelated classes
        raise StorageUnavailableError(f"The store of recordings failed: {type(error).__name__}.") from None
