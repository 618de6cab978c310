"""Every test belongs to a group by cost; a test outside the groups is an error."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from sqlalchemy import text

from qingting.speech.qwen3_weights import missing_libraries
from qingting.storage import upgrading
from qingting.storage.database import Database
from qingting.storage.upgrading import upgrade
from qingting.testing.postgres import PostgresServer, postgres_server, server_programs
from qingting.testing.tiny_qwen3 import TinyQwen3, tiny_qwen3

# Time limits per example would test the machine, not the code.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

GROUPS = {"unit", "contract", "integration", "end_to_end", "architecture", "vllm"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse tests outside the groups, and run the long ones first."""
    here = Path(__file__).parent
    for item in items:
        group = item.path.relative_to(here).parts[0]
        if group not in GROUPS:
            raise pytest.UsageError(f"{item.nodeid} is in no group; groups are {sorted(GROUPS)}")
    items.sort(key=lambda item: item.path.relative_to(here).parts[0] not in {"end_to_end", "integration"})


@pytest.fixture(scope="session")
def qwen_libraries() -> None:
    """Torch and Transformers; without them the test is skipped, but never in continuous integration."""
    missing = missing_libraries()
    if missing and not os.environ.get("CI"):
        pytest.skip(f"not installed: {', '.join(missing)}")
    assert not missing


@pytest.fixture(scope="session")
def tiny(qwen_libraries: None) -> TinyQwen3:
    """The tiny Qwen3-ASR, made once per change of its code."""
    return tiny_qwen3(Path(__file__).parents[1] / ".cache")


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server of this test process; without one tests are skipped, but never in continuous integration."""
    if server_programs() is None and not os.environ.get("CI"):
        pytest.skip("no PostgreSQL server is installed")
    with postgres_server(durable=False) as server:
        yield server


@pytest.fixture(scope="session")
def _postgres_url(postgres: PostgresServer) -> str:
    """URL of a database with all tables, which tests use one after the other."""
    return _upgraded(postgres.new_database())


@pytest.fixture(scope="session")
def _sqlite_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database file with all tables, to be copied."""
    file = tmp_path_factory.mktemp("empty") / "qingting.sqlite"
    _upgraded(f"sqlite:///{file}")
    return file


def _upgraded(url: str) -> str:
    database = Database.open(url)
    upgrade(database)
    database.close()
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of an empty database with all tables, of either kind."""
    if request.param == "sqlite":
        file = shutil.copy(request.getfixturevalue("_sqlite_file"), tmp_path)
        return f"sqlite:///{file}"
    url: str = request.getfixturevalue("_postgres_url")
    _empty(url)
    return url


def _empty(url: str) -> None:
    """Take everything out of a PostgreSQL database that a test has left: quicker than making a new one."""
    database = Database.open(url)
    at, head = upgrading.current(database)
    with database.write() as connection:
        # Processes that a test has killed may still hold locks.
        others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        connection.execute(text(f"SELECT pg_terminate_backend(pid) {others}"))
        connection.execute(text("DROP SCHEMA IF EXISTS dbos CASCADE"))
        connection.execute(text("SET LOCAL session_replication_role = replica"))  # no foreign keys
        tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
        for table in connection.execute(text(tables)).scalars().all():
            connection.execute(text(f'DELETE FROM "{table}"'))
        sequences = "SELECT sequencename FROM pg_sequences WHERE schemaname = 'public'"
        for sequence in connection.execute(text(sequences)).scalars().all():
            connection.execute(text(f'ALTER SEQUENCE "{sequence}" RESTART'))
        if at != head:
            connection.execute(text("UPDATE alembic_version SET version_num = :head"), {"head": head})
    database.close()


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """An open database with all tables, of either kind."""
    opened = Database.open(database_url)
    yield opened
    opened.close()
