"""Rows of recordings and of files to be deleted, on SQLite and PostgreSQL."""

from __future__ import annotations

from dataclasses import replace

import pytest

from qingting.errors import NotFoundError, StorageError
from qingting.storage import calls, discarded, recordings
from qingting.storage.database import Database
from qingting.storage.recordings import RecordingRow

ROW = RecordingRow(
    id="r1", call=0, key="recordings/1/r1.wav", name="r1.wav", sha256="0" * 64, size_bytes=1, created_ms=1
)


@pytest.fixture
def call(database: Database, add_call) -> int:
    with database.write() as connection:
        return add_call(connection, "c1").id


def add(database: Database, *rows: RecordingRow) -> None:
    with database.write() as connection:
        for row in rows:
            recordings.add(connection, row)


def test_a_recording_is_read_back(database: Database, call: int) -> None:
    row = replace(ROW, call=call, size_bytes=2**40)
    add(database, row)
    with database.read() as connection:
        assert recordings.get(connection, "r1") == row
        with pytest.raises(NotFoundError):
            recordings.get(connection, "r2")


def test_a_recording_needs_its_call(database: Database) -> None:
    with pytest.raises(StorageError):
        add(database, replace(ROW, call=999))


def test_the_latest_counts(database: Database, call: int) -> None:
    with database.read() as connection:
        assert recordings.latest_of_call(connection, call) is None
    add(database, replace(ROW, call=call, id="b", created_ms=20), replace(ROW, call=call, id="a", created_ms=30))
    with database.write() as connection:
        recordings.mark_deleted(connection, "a", 40)
        latest = recordings.latest_of_call(connection, call)
    assert latest is not None
    assert (latest.id, latest.deleted_ms) == ("a", 40)


def test_the_first_deletion_counts(database: Database, call: int) -> None:
    add(database, replace(ROW, call=call))
    with database.write() as connection:
        recordings.mark_deleted(connection, "r1", 5)
        recordings.mark_deleted(connection, "r1", 6)
        assert recordings.get(connection, "r1").deleted_ms == 5


def test_old_recordings_come_in_portions_without_those_deleted(database: Database, call: int) -> None:
    add(database, *(replace(ROW, call=call, id=f"r{n}", created_ms=10 * n) for n in range(6)))
    with database.write() as connection:
        recordings.mark_deleted(connection, "r1", 1)
        first = recordings.older_than(connection, 50, 2)
        second = recordings.older_than(connection, 50, 2, after=first[-1].id)
        third = recordings.older_than(connection, 50, 2, after=second[-1].id)
    assert [[row.id for row in rows] for rows in (first, second, third)] == [["r0", "r2"], ["r3", "r4"], []]


def test_recordings_go_with_their_call(database: Database, call: int) -> None:
    add(database, replace(ROW, call=call))
    with database.write() as connection:
        calls.remove(connection, call)
        with pytest.raises(NotFoundError):
            recordings.get(connection, "r1")


def test_files_to_be_deleted_are_listed_when_they_are_due(database: Database) -> None:
    with database.write() as connection:
        discarded.add(connection, ["b", "a"], 10)
        discarded.add(connection, ["c"], 20)
        discarded.add(connection, ["a"], 99)
        discarded.add(connection, [], 5)
    with database.read() as connection:
        assert discarded.due(connection, 9, 10) == []
        assert discarded.due(connection, 10, 10) == ["a", "b"]
        assert discarded.due(connection, 20, 1, after="a") == ["b"]
        assert discarded.due(connection, 20, 10, after="b") == ["c"]
    with database.write() as connection:
        discarded.remove(connection, ["a", "b", "unknown"])
        assert discarded.due(connection, 20, 10) == ["c"]
