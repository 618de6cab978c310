"""The database: one engine, transactions for reading and for writing, typed errors.

SQLite runs in WAL mode with full synchronisation: what a transaction has committed survives the loss
of power. Writers of one SQLite file queue up (`BEGIN IMMEDIATE`), readers never wait for them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from qingting.errors import SettingsError, StorageError, StorageFullError, StorageUnavailableError

_FULL = ("database or disk is full", "no space left", "disk quota", "could not extend file", "could not write to file")
_PRAGMAS = (
    "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "temp_store=MEMORY", "cache_size=-32000",
    "mmap_size=268435456",
    # What was deleted must not stand in the file's free pages.
    "secure_delete=ON",
)  # fmt: skip
_BUSY = ("locked", "busy", "unable to open", "disk i/o error")
_DISK_FULL_STATES = {"53100", "53000"}
"""PostgreSQL's disk_full and insufficient_resources."""


class Database:
    """Connections to one database; safe to use from several threads."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.is_sqlite = engine.dialect.name == "sqlite"

    @classmethod
    def open(cls, url: str, *, pool_size: int = 10, busy_timeout_seconds: float = 15.0) -> Database:
        """Open `sqlite:///path` or `postgresql://…`; nothing is connected yet.

        Raises SettingsError for any other URL.
        """
        try:
            parsed = make_url(url)
        except ArgumentError:
            raise SettingsError("storage.database_url is no database URL", remedy="Write it as described.") from None
        name = parsed.get_backend_name()
        if name == "sqlite":
            return cls(_sqlite(Path(parsed.database or ""), busy_timeout_seconds))
        if name == "postgresql":
            engine = create_engine(
                parsed.set(drivername="postgresql+psycopg"),
                pool_size=pool_size,
                max_overflow=pool_size,
                pool_timeout=busy_timeout_seconds,
                # A server that restarted has cut the pool's connections.
                pool_pre_ping=True,
                connect_args={"connect_timeout": max(1, int(busy_timeout_seconds)), "application_name": "qingting"},
            )
            return cls(engine)
        raise SettingsError(
            "storage.database_url names a database that is not supported", remedy="Use SQLite or PostgreSQL."
        )

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Give a connection that sees one state of the database for as long as the block lasts.

        Raises StorageUnavailableError or StorageError.
        """
        with self._begin("BEGIN") as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Give a connection in a transaction: committed at the end, undone when an exception leaves the block.

        Raises StorageFullError, StorageUnavailableError or StorageError; then nothing was written.
        """
        # SQLite: taking the write lock at once, since a reader that becomes a writer may fail without waiting.
        with self._begin("BEGIN IMMEDIATE") as connection:
            yield connection
            connection.commit()

    @contextmanager
    def _begin(self, sqlite_begin: str) -> Iterator[Connection]:
        with translated(), self.engine.connect() as connection:
            if self.is_sqlite:
                connection.exec_driver_sql(sqlite_begin)
            elif sqlite_begin == "BEGIN":
                connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            yield connection

    def check(self) -> None:
        """Ask the database for an answer; raises StorageUnavailableError when none comes."""
        with self.read() as connection:
            connection.execute(text("SELECT 1"))

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def _sqlite(path: Path, busy_timeout_seconds: float) -> Engine:
    if str(path) in ("", ".", ":memory:"):
        raise SettingsError("storage.database_url names no SQLite file", remedy="Write sqlite:///folder/file.sqlite.")
    # What customers said: nobody else on the machine needs to read it.
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Written as a text, a % or ? in the name of a folder would mean something else.
    engine = create_engine(URL.create("sqlite", database=str(path)), connect_args={"timeout": busy_timeout_seconds})

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _: object) -> None:
        # The driver's own transactions begin too late for BEGIN IMMEDIATE.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in _PRAGMAS:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    return engine


@contextmanager
def translated() -> Iterator[None]:
    """Turn the driver's errors into ours; their texts may hold what was stored, so none is kept."""
    try:
        yield
    except PoolTimeoutError:
        raise StorageUnavailableError("All connections to the database are busy.") from None
    except DBAPIError as error:
        raise _ours(error) from None
    except SQLAlchemyError as error:
        raise StorageError(f"The database refused a statement: {type(error).__name__}.") from None


def _ours(error: DBAPIError) -> StorageError:
    original = error.orig
    words = str(original).lower()
    state = getattr(original, "sqlstate", None)
    if state in _DISK_FULL_STATES or any(sign in words for sign in _FULL):
        return StorageFullError("The database has no space left.")
    busy = isinstance(original, sqlite3.OperationalError) and any(sign in words for sign in _BUSY)
    if busy or error.connection_invalidated or _is_connection_loss(original, state):
        return StorageUnavailableError("The database cannot be reached or is busy.")
    return StorageError(f"The database refused a statement: {type(original).__name__} {state or ''}".rstrip() + ".")


def _is_connection_loss(original: object, state: str | None) -> bool:
    """PostgreSQL: connection exceptions (class 08), shutdown and crash (57P), too many connections (53300)."""
    if type(original).__module__.startswith("psycopg") and type(original).__name__ == "OperationalError":
        return True
    return bool(state and (state.startswith(("08", "57P")) or state in {"53300", "40001", "40P01"}))
