"""Copies of a running installation: whole, checked, and put back."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from qingting.bootstrap.service import open_service
from qingting.errors import ConflictError, InputError, SettingsError
from qingting.model.account import SYSTEM
from qingting.model.call import CallInfo
from qingting.service.backup import DATABASE, MANIFEST, back_up, restore
from qingting.service.center import Service
from qingting.service.intake import Submission, submit
from qingting.settings import Settings, load_settings
from qingting.storage import backups, calls, recordings
from qingting.storage.database import Database
from qingting.storage.recording_store import RecordingStore


def settings_in(folder: Path) -> Settings:
    return load_settings(storage={"folder": folder, "min_free_bytes": 0})


def submitted(service: Service, folder: Path, call_id: str) -> None:
    path = folder / f"{call_id}.json"
    path.write_text(json.dumps([{"role": "customer", "text": f"你好 {call_id}"}]), encoding="utf-8")
    submit(service, SYSTEM, Submission(call=CallInfo(call_id=call_id), file=path, file_name=path.name))


def sound(settings: Settings) -> list[str]:
    """Call ids of an installation, all of whose recordings are there as they were."""
    with open_service(settings) as service, service.database.read() as connection:
        assert backups.problems_of(service.database) == []
        for key, size, _ in backups.recordings_of(connection):
            with service.recordings.local(key) as path:
                assert path.stat().st_size == size
        return sorted(connection.execute(calls.calls.select().with_only_columns(calls.calls.c.call_id)).scalars())


def test_a_copy_made_under_load_is_one_moment(tmp_path: Path) -> None:
    work = tmp_path / "备份 folder %20 #1"
    work.mkdir()
    stop = threading.Event()
    done: list[str] = []

    def load(service: Service) -> None:
        while not stop.is_set() and len(done) < 400:
            submitted(service, work, f"c{len(done)}")
            done.append("")

    with open_service(settings_in(work / "old")) as service:
        thread = threading.Thread(target=load, args=(service,))
        thread.start()
        while len(done) < 5 and thread.is_alive():
            stop.wait(0.01)
        before = len(done)
        try:
            backup = back_up(service, work / "backup")
        finally:
            stop.set()
            thread.join()
    assert backup.missing == 0
    restored = restore(settings_in(work / "new"), work / "backup")
    assert restored == backup
    found = sound(settings_in(work / "new"))
    assert found == sorted(f"c{n}" for n in range(len(found)))
    assert before <= len(found) <= len(done)
    assert len(backup.files) == len(found) + 1
    assert (work / "backup").stat().st_mode & 0o077 == 0


def test_a_deleted_recording_is_told_and_no_trouble(tmp_path: Path) -> None:
    with open_service(settings_in(tmp_path / "old")) as service:
        submitted(service, tmp_path, "c1")
        submitted(service, tmp_path, "c2")
        with service.database.read() as connection:
            (row,) = recordings.of_calls(connection, [1])
        service.recordings.delete(row.key)
        backup = back_up(service, tmp_path / "backup")
    assert (backup.missing, len(backup.files)) == (1, 2)


def test_recordings_may_be_listed_only(tmp_path: Path) -> None:
    with open_service(settings_in(tmp_path / "old")) as service:
        submitted(service, tmp_path, "c1")
        backup = back_up(service, tmp_path / "backup", copy_recordings=False)
    assert [file.copied for file in backup.files] == [True, False]
    assert not (tmp_path / "backup" / "recordings").exists()
    restore(settings_in(tmp_path / "new"), tmp_path / "backup")


def test_a_damaged_backup_is_not_put_in_place(tmp_path: Path) -> None:
    with open_service(settings_in(tmp_path / "old")) as service:
        submitted(service, tmp_path, "c1")
        back_up(service, tmp_path / "backup")
    (recording,) = (tmp_path / "backup" / "recordings").rglob("*.json")
    good = recording.read_bytes()
    recording.write_bytes(good[:-1] + b"x")
    with pytest.raises(InputError, match="damaged"):
        restore(settings_in(tmp_path / "new"), tmp_path / "backup")
    recording.unlink()
    with pytest.raises(InputError, match="cannot be read"):
        restore(settings_in(tmp_path / "new"), tmp_path / "backup")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    "text", ["", "{}", '{"files": [{"name": "../x", "size_bytes": 1, "sha256": "", "copied": true}], "missing": 0}']
)
def test_a_folder_without_a_whole_manifest_is_no_backup(tmp_path: Path, text: str) -> None:
    (tmp_path / MANIFEST).write_text(text)
    with pytest.raises(InputError):
        restore(settings_in(tmp_path / "new"), tmp_path)


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    with open_service(settings_in(tmp_path / "old")) as service:
        submitted(service, tmp_path, "c1")
        back_up(service, tmp_path / "backup")
        with pytest.raises(ConflictError):
            back_up(service, tmp_path / "backup")
    with pytest.raises(ConflictError):
        restore(settings_in(tmp_path / "old"), tmp_path / "backup")
    elsewhere = load_settings(storage={"folder": tmp_path / "new", "recordings_url": "file:///elsewhere"})
    with pytest.raises(SettingsError):
        restore(elsewhere, tmp_path / "backup")


def test_postgresql_has_tools_of_its_own(database: Database, tmp_path: Path) -> None:
    store = RecordingStore.open((tmp_path / "recordings").as_uri())
    service = Service(settings=load_settings(), database=database, recordings=store)
    if database.is_sqlite:
        assert len(back_up(service, tmp_path / "backup").files) == 1
        return
    with pytest.raises(SettingsError) as refused:
        back_up(service, tmp_path / "backup")
    assert "pg_dump" in refused.value.remedy


def test_a_damaged_database_is_noticed(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    with open_service(settings) as service:
        for number in range(60):
            submitted(service, tmp_path, f"c{number}")
    path = tmp_path / DATABASE
    data = bytearray(path.read_bytes())
    for place in range(len(data) // 2, len(data), 512):
        data[place : place + 64] = b"\xff" * 64
    path.write_bytes(bytes(data))
    database = Database.open(f"sqlite:///{path}")
    assert backups.problems_of(database)
    database.close()
