"""Every test belongs to a group by cost; a test outside the groups is an error."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from qingting.speech.qwen3_weights import missing_libraries
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
def _postgres_template(postgres: PostgresServer) -> str:
    """Name of a database with all tables, to be copied."""
    url = postgres.new_database()
    database = Database.open(url)
    upgrade(database)
    database.close()
    return url.rsplit("/", 1)[1]


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """URL of an empty database with all tables, of either kind."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'qingting.sqlite'}"
        database = Database.open(url)
        upgrade(database)
        database.close()
        yield url
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    url = server.new_database(request.getfixturevalue("_postgres_template"))
    yield url
    server.drop_database(url)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """An open database with all tables, of either kind."""
    opened = Database.open(database_url)
    yield opened
    opened.close()
