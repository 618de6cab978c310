"""What must be done now and then is done once, and its failures end nothing."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from qingting.errors import QingtingError, StorageUnavailableError
from qingting.jobs.chores import Chore, do_chore
from qingting.service.center import Service
from qingting.settings import Settings
from qingting.storage.database import Database
from qingting.storage.recording_store import RecordingStore
from qingting.storage.upgrading import upgrade


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    database = Database.open(f"sqlite:///{tmp_path / 'q.sqlite'}")
    upgrade(database)
    store = RecordingStore.open((tmp_path / "r").as_uri())
    yield Service(settings=Settings(), database=database, recordings=store, clock=lambda: 1000)
    database.close()


def test_one_worker_does_it_per_interval(service: Service) -> None:
    done: list[str] = []
    chore = Chore(name="tidy", every_seconds=1, work=lambda: done.append("x"))
    assert [do_chore(service, chore, worker_id=name) for name in ("a", "b", "a")] == [True, False, False]
    later = replace(service, clock=lambda: 2000)
    assert do_chore(later, chore, worker_id="b")
    assert len(done) == 2


def test_some_are_everybody_s(service: Service) -> None:
    done: list[str] = []
    chore = Chore(name="heartbeat", every_seconds=1, work=lambda: done.append("x"), everywhere=True)
    for name in ("a", "b", "a"):
        do_chore(service, chore, worker_id=name)
    assert len(done) == 3


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (StorageUnavailableError("away"), "chore tidy: storage_unavailable"),
        (QingtingError("x"), "chore tidy: qingting"),
        (ValueError("王小明的电话是13812345678"), "chore tidy: unexpected ValueError"),
    ],
)
def test_a_failure_is_logged_by_its_kind_only(
    service: Service, error: Exception, line: str, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise error

    with caplog.at_level(logging.WARNING, logger="qingting.jobs"):
        assert do_chore(service, Chore(name="tidy", every_seconds=1, work=fail), worker_id="a")
    assert [record.getMessage() for record in caplog.records] == [line]
    assert "王" not in caplog.text


def test_a_database_that_is_away_at_the_claim_is_a_failure_too(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    service.database.close()
    broken = replace(service, clock=_away)
    with caplog.at_level(logging.WARNING, logger="qingting.jobs"):
        do_chore(broken, Chore(name="tidy", every_seconds=1, work=lambda: None), worker_id="a")
    assert "storage_unavailable" in caplog.text


def _away() -> int:
    raise StorageUnavailableError("away")
