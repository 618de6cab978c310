"""Statements that are made once and run with parameters, on SQLite and PostgreSQL."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from qingting.storage.database import Database
from qingting.storage.statements import add_missing, add_new, add_rows, change_rows
from qingting.storage.tables import chores, discarded_files


def files(database: Database) -> dict[str, int]:
    with database.read() as connection:
        return {row.key: row.due_ms for row in connection.execute(select(discarded_files))}


def test_rows_are_added_one_and_many_at_once(database: Database) -> None:
    with database.write() as connection:
        add_rows(connection, discarded_files)
        add_rows(connection, discarded_files, {"key": "a", "due_ms": 1})
        add_rows(connection, discarded_files, {"key": "b", "due_ms": 2}, {"due_ms": 3, "key": "c"})
    assert files(database) == {"a": 1, "b": 2, "c": 3}


def test_a_name_that_is_no_column_is_an_error_and_not_passed_over(database: Database) -> None:
    with database.write() as connection:
        with pytest.raises(KeyError, match="discarded_files has no columns due"):
            add_rows(connection, discarded_files, {"key": "a", "due_ms": 1, "due": 1})
        with pytest.raises(KeyError):
            add_new(connection, discarded_files, {"key": "a", "due_ms": 1, "due": 1})
        with pytest.raises(KeyError):
            change_rows(connection, discarded_files, {"key": "a"}, {"due": 1})
    assert files(database) == {}


def test_a_row_that_is_there_stays_as_it_is(database: Database) -> None:
    with database.write() as connection:
        assert add_new(connection, discarded_files, {"key": "a", "due_ms": 1})
        assert not add_new(connection, discarded_files, {"key": "a", "due_ms": 2}, unique=("key",))
        add_missing(connection, discarded_files, {"key": "a", "due_ms": 3}, {"key": "b", "due_ms": 4})
        add_missing(connection, discarded_files)
    assert files(database) == {"a": 1, "b": 4}


def test_columns_are_changed_where_the_key_is_held_also_those_of_the_key(database: Database) -> None:
    with database.write() as connection:
        add_rows(connection, chores, *({"name": name, "due_ms": 1, "worker_id": "w"} for name in "ab"))
        change_rows(connection, chores, {"name": "a", "worker_id": "w"}, {"due_ms": 2, "worker_id": "v"})
        change_rows(connection, chores, {"name": "b", "worker_id": "v"}, {"due_ms": 3, "worker_id": "u"})
        found = {tuple(row) for row in connection.execute(select(chores.c.name, chores.c.due_ms, chores.c.worker_id))}
    assert found == {("a", 2, "v"), ("b", 1, "w")}
