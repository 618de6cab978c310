"""Recordings in a folder and in a bucket: whole or not there at all, and never elsewhere."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from qingting.errors import (
    InvalidRequestError,
    MissingExtraError,
    NotFoundError,
    SettingsError,
    StorageFullError,
    StorageUnavailableError,
)
from qingting.storage import recording_store
from qingting.storage.recording_store import FolderStore, RecordingStore

KEY = "recordings/20261130/a.wav"


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """Address of an S3-compatible server with the bucket `voices`."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", **keys)
    client.create_bucket(Bucket="voices")
    client.close()
    yield endpoint
    server.stop()


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> RecordingStore:
    if request.param == "folder":
        return RecordingStore.open((tmp_path / "录音 档案").as_uri())
    endpoint = request.getfixturevalue("s3")
    return RecordingStore.open(f"s3://voices/{tmp_path.name}", endpoint=endpoint, key="test", secret="test")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "store"


def read(store: RecordingStore, key: str = KEY) -> bytes:
    with store.local(key) as path:
        return path.read_bytes()


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize("chunks", [[], [b""], [b"abc"], [b"a" * 3_000_000, b"", b"b" * 17]], ids=len)
def test_what_is_saved_is_read_back_with_its_size_and_digest(store: RecordingStore, chunks: list[bytes]) -> None:
    whole = b"".join(chunks)
    assert store.save(KEY, iter(chunks)) == (len(whole), hashlib.sha256(whole).hexdigest())
    assert store.exists(KEY)
    assert read(store) == whole


def test_a_local_file_is_copied(store: RecordingStore, tmp_path: Path) -> None:
    source = tmp_path / "source.wav"
    source.write_bytes(b"RIFF" * 600_000)
    assert store.put_file(KEY, source) == (2_400_000, hashlib.sha256(source.read_bytes()).hexdigest())
    assert read(store) == source.read_bytes()
    assert source.exists()


def test_the_local_path_keeps_the_suffix(store: RecordingStore) -> None:
    store.save("recordings/1/x.m4a", [b"x"])
    with store.local("recordings/1/x.m4a") as path:
        assert path.suffix == ".m4a"


def test_saving_again_replaces(store: RecordingStore) -> None:
    store.save(KEY, [b"old and longer"])
    store.save(KEY, [b"new"])
    assert read(store) == b"new"


@pytest.mark.parametrize(
    "key", ["recordings/1/录音 1.wav", "a", "x/%2e%2e/y", "x/a..b", f"{'d' * 100}/{'f' * 100}.wav"]
)
def test_unusual_keys_are_kept_apart(store: RecordingStore, key: str) -> None:
    store.save(key, [b"this"])
    store.save("other", [b"that"])
    assert read(store, key) == b"this"
    store.delete(key)
    assert not store.exists(key)
    assert read(store, "other") == b"that"


BAD_KEYS = [
    "", "/", "/etc/passwd", "..", "../x", "a/../../x", "a/..", "a/./b", ".", "a//b", "a/", "a\\b", "..\\x", "a\0b",
    "a\nb", ".unfinished/x", "a/.hidden", "x" * 513, "a\ud800",
]  # fmt: skip


@pytest.mark.parametrize("key", BAD_KEYS)
def test_keys_that_lead_elsewhere_are_refused(store: RecordingStore, key: str) -> None:
    for act in (lambda: store.save(key, [b"x"]), lambda: store.delete(key), lambda: store.exists(key),
                lambda: store.local(key).__enter__()):  # fmt: skip
        with pytest.raises(InvalidRequestError):
            act()


def test_what_is_gone_is_not_found_and_deleting_it_again_is_no_error(store: RecordingStore) -> None:
    store.save(KEY, [b"x"])
    store.delete(KEY)
    store.delete(KEY)
    assert not store.exists(KEY)
    with pytest.raises(NotFoundError), store.local(KEY):
        pass


def test_an_upload_that_breaks_off_leaves_the_old_file(store: RecordingStore) -> None:
    store.save(KEY, [b"old"])

    def broken() -> Iterator[bytes]:
        yield b"x" * 2_000_000
        raise RuntimeError("the sender went away")

    with pytest.raises(RuntimeError):
        store.save(KEY, broken())
    assert read(store) == b"old"
    with pytest.raises(RuntimeError):
        store.save("recordings/2/new.wav", broken())
    assert not store.exists("recordings/2/new.wav")


def test_many_saves_at_once(store: RecordingStore) -> None:
    def save(number: int) -> tuple[int, str]:
        return store.save(f"recordings/{number % 3}/{number}.wav", [bytes([number]) * 100_000] * 2)

    with ThreadPoolExecutor(8) as pool:
        sizes = [size for size, _ in pool.map(save, range(24))]
    assert sizes == [200_000] * 24
    assert all(read(store, f"recordings/{n % 3}/{n}.wav") == bytes([n]) * 200_000 for n in range(24))


def test_many_saves_of_one_key_leave_one_of_them_whole(store: RecordingStore) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: store.save(KEY, [bytes([number]) * 50_000] * 4), range(16)))
    data = read(store)
    assert len(data) == 200_000
    assert len(set(data)) == 1


def test_a_store_that_works_checks_well(store: RecordingStore) -> None:
    store.check()


@pytest.mark.parametrize(
    "url", ["", "/var/x", "http://host/x", "file://host/x", "s3://", "file:relative", "memory://x"]
)
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(SettingsError):
        RecordingStore.open(url)


def test_a_missing_extra_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.delitem(sys.modules, "qingting.storage._object_store", raising=False)
    with pytest.raises(MissingExtraError) as caught:
        RecordingStore.open("s3://voices/x")
    assert caught.value.remedy == "pip install 'qingting[s3]'"


def test_a_bucket_that_is_missing_or_a_server_that_is_away_is_unavailable(s3: str) -> None:
    missing = RecordingStore.open("s3://nothing/x", endpoint=s3, key="test", secret="test")
    with pytest.raises(StorageUnavailableError):
        missing.check()
    away = RecordingStore.open("s3://voices/x", endpoint="http://127.0.0.1:9", key="test", secret="test")
    for act in (away.check, lambda: away.save(KEY, [b"x"]), lambda: away.exists(KEY), lambda: away.delete(KEY)):
        with pytest.raises(StorageUnavailableError) as caught:
            act()
        assert caught.value.can_retry


WRITER = """
import sys, time
from pathlib import Path
from qingting.storage.recording_store import FolderStore

def chunks():
    while True:
        yield b"x" * 100_000
        print("wrote", flush=True)
        time.sleep(0.01)

FolderStore(Path(sys.argv[1])).save("recordings/1/a.wav", chunks())
"""


def test_a_process_killed_in_the_middle_leaves_no_visible_file_and_what_is_left_is_swept(folder: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", WRITER, str(folder)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(3)] == [b"wrote\n"] * 3
        process.send_signal(signal.SIGKILL)
    store = FolderStore(folder)
    assert not store.exists("recordings/1/a.wav")
    assert not (folder / "recordings").exists()
    assert len(files_in(folder)) == 1
    now_ms = int(time.time() * 1000)
    assert store.sweep(now_ms - 3_600_000) == 0
    assert store.sweep(now_ms + 1000) == 1
    assert files_in(folder) == []


def test_a_file_is_forced_to_the_disk_before_it_is_visible(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bool] = []
    force = os.fsync

    def watched(handle: int) -> None:
        seen.append((folder / KEY).exists())
        force(handle)

    monkeypatch.setattr(os, "fsync", watched)
    FolderStore(folder).save(KEY, [b"x"])
    assert seen[0] is False, "the file's bytes first"
    assert seen[-1] is True, "its name last"


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_is_named_and_leaves_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FolderStore(folder)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageFullError) as caught:
        store.save(KEY, [b"x"])
    assert caught.value.can_retry
    assert files_in(folder) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_the_system_says_that_the_disk_is_full() -> None:
    with pytest.raises(StorageFullError), recording_store.typed_errors(), Path("/dev/full").open("wb") as file:
        file.write(b"x" * 100_000)


def free(monkeypatch: pytest.MonkeyPatch, *answers: int) -> None:
    """Let the disk have so many free bytes, one answer after the other; the last one stays."""
    left = list(answers)

    def usage(_: object) -> object:
        return type("Usage", (), {"free": left.pop(0) if len(left) > 1 else left[0]})()

    monkeypatch.setattr(shutil, "disk_usage", usage)


def test_space_is_kept_free(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FolderStore(folder, min_free_bytes=1000)
    free(monkeypatch, 999)
    for act in (lambda: store.save(KEY, [b"x"]), store.check):
        with pytest.raises(StorageFullError):
            act()
    free(monkeypatch, 1000)
    store.save(KEY, [b"x"])
    store.check()


def test_space_that_runs_out_while_a_file_comes_ends_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FolderStore(folder, min_free_bytes=1000)
    free(monkeypatch, 10_000_000, 10_000_000, 10)
    with pytest.raises(StorageFullError):
        store.save(KEY, (b"x" * 1_000_000 for _ in range(100)))
    assert files_in(folder) == []


def test_a_folder_that_is_not_mounted_is_unavailable_and_nothing_looks_gone(folder: Path) -> None:
    store = FolderStore(folder)
    store.save(KEY, [b"x"])
    folder.rename(folder.with_name("away"))
    for act in (lambda: read(store), lambda: store.exists(KEY), lambda: store.delete(KEY), store.check,
                lambda: store.save(KEY, [b"x"])):  # fmt: skip
        with pytest.raises(StorageUnavailableError):
            act()
    folder.with_name("away").rename(folder)
    assert read(store) == b"x"


def test_other_users_of_the_machine_cannot_read_recordings(folder: Path) -> None:
    store = FolderStore(folder)
    store.save(KEY, [b"x"])
    assert folder.stat().st_mode & 0o077 == 0
