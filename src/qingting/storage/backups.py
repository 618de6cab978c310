"""A copy of a SQLite database that is in use, and what a backup needs to know of it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Connection, create_engine, select
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlalchemy.pool import NullPool

from qingting.storage.database import Database, translated
from qingting.storage.tables import recordings


def copy_sqlite(database: Database, path: Path) -> None:
    """Write the state of one moment into a new file; readers and writers go on meanwhile.

    Raises StorageFullError, StorageUnavailableError.
    """
    with translated(), database.engine.connect() as connection:
        connection.exec_driver_sql("VACUUM INTO ?", (str(path),))
    path.chmod(0o600)


def problems_of(database: Database) -> list[str]:
    """Let SQLite look through its file; returns what is damaged, nothing for PostgreSQL, which looks itself."""
    if not database.is_sqlite:
        return []
    with translated():
        try:
            with database.engine.connect() as connection:
                return _found_by_sqlite(connection)
        except OperationalError:  # away or busy, not damaged
            raise
        except DatabaseError:
            return ["the file is damaged too much to be looked through"]


def _found_by_sqlite(connection: Connection) -> list[str]:
    found = [str(one) for one in connection.exec_driver_sql("PRAGMA quick_check(20)").scalars() if one != "ok"]
    if found:
        return found
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
    return [f"a row of {row[0]} without its row of {row[2]}" for row in broken[:20]]


@contextmanager
def opened(path: Path) -> Iterator[Connection]:
    """Give a connection to a copy, which is not changed."""
    address = f"file:{quote(str(path.absolute()))}?mode=ro&immutable=1"
    engine = create_engine("sqlite://", creator=lambda: sqlite3.connect(address, uri=True), poolclass=NullPool)
    with translated(), engine.connect() as connection:
        yield connection


def recordings_of(connection: Connection) -> Iterator[tuple[str, int, str]]:
    """Give key, size in bytes and SHA-256 of every recording that is not deleted, in order of keys."""
    c = recordings.c
    query = select(c.key, c.size_bytes, c.sha256).where(c.deleted_ms.is_(None)).order_by(c.key)
    for row in connection.execute(query.execution_options(yield_per=1000)):
        yield row.key, row.size_bytes, row.sha256
