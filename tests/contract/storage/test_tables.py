"""The steps make the tables of tables.py, on both databases, and what goes wrong has a name."""

from __future__ import annotations

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import insert, select, text

from qingting.errors import StorageError, StorageUnavailableError, StorageVersionError
from qingting.storage import upgrading
from qingting.storage.database import Database
from qingting.storage.tables import metadata, webhooks
from qingting.testing.postgres import PostgresServer


def ours(_: object, name: str | None, kind: str, *__: object) -> bool:
    return not (kind == "table" and name is not None and name.startswith("words"))


def test_the_steps_make_the_tables(database: Database) -> None:
    with database.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": False, "include_object": ours})
        assert compare_metadata(context, metadata) == []


def test_upgrading_twice_changes_nothing(database: Database) -> None:
    upgrading.upgrade(database)
    at, wanted = upgrading.current(database)
    assert at == wanted is not None
    upgrading.require_current(database)


def test_tables_of_a_newer_release_are_refused(database: Database) -> None:
    with database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StorageVersionError):
        upgrading.upgrade(database)
    with pytest.raises(StorageVersionError):
        upgrading.require_current(database)


WEBHOOK = {
    "id": "a", "url": "王小明13812345678", "secret": "s", "events": [], "teams": [], "active": True, "created_ms": 1,
    "created_by": "x",
}  # fmt: skip


def add_webhooks(database: Database, *, times: int) -> None:
    with database.write() as connection:
        for _ in range(times):
            connection.execute(insert(webhooks).values(WEBHOOK))


def test_a_failed_transaction_leaves_nothing(database: Database) -> None:
    with pytest.raises(StorageError):
        add_webhooks(database, times=2)
    with database.read() as connection:
        assert connection.execute(select(webhooks)).all() == []
    add_webhooks(database, times=1)
    with database.read() as connection:
        assert len(connection.execute(select(webhooks)).all()) == 1


def test_a_refused_statement_keeps_the_values_out_of_the_message(database: Database) -> None:
    with pytest.raises(StorageError) as caught:
        add_webhooks(database, times=2)
    assert "王小明" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_lost_server_is_unavailable_and_works_again_when_it_is_back(postgres: PostgresServer) -> None:
    url = postgres.new_database()
    database = Database.open(url, busy_timeout_seconds=3)
    database.check()
    postgres.stop(kill=True)
    try:
        with pytest.raises(StorageUnavailableError):
            database.check()
    finally:
        postgres.start()
    database.check()
    database.close()
