"""Lines of the wall reach every other process on PostgreSQL, and never the one that told them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from qingting.service.center import Service
from qingting.service.wall_relay import WallRelay
from qingting.settings import Settings
from qingting.storage import notices
from qingting.storage.database import Database
from qingting.storage.recording_store import RecordingStore
from qingting.testing.installation import wait_until
from qingting.testing.postgres import PostgresServer


@pytest.fixture
def shared(postgres: PostgresServer, tmp_path: Path) -> Iterator[Service]:
    database = Database.open(postgres.new_database())
    yield Service(settings=Settings(), database=database, recordings=RecordingStore.open((tmp_path / "r").as_uri()))
    database.close()


@contextmanager
def relay(service: Service, name: str) -> Iterator[tuple[WallRelay, list[str]]]:
    heard: list[str] = []
    one = WallRelay(service, sender=name)
    one.start(heard.append)
    try:
        yield one, heard
    finally:
        one.close()


def test_lines_reach_the_others(shared: Service) -> None:
    with relay(shared, "a") as (first, by_first), relay(shared, "b") as (_, by_second):

        def arrived() -> bool:
            # Told until the other listens.
            first.send("l1", json.dumps({"text": "您好"}, ensure_ascii=False))
            return bool(by_second)

        wait_until(arrived, seconds=30)
        assert set(by_second) == {'{"text": "您好"}'}
        assert by_first == []
        first.send("l2", "x" * 9000)
        first.send("l3", "last")
        wait_until(lambda: "last" in by_second, seconds=30)
        assert "x" * 9000 not in by_second, "too long for one message"


def test_many_changes_of_a_line_go_out_as_the_newest(shared: Service) -> None:
    with relay(shared, "a") as (first, _), relay(shared, "b") as (_, heard):

        def arrived() -> bool:
            first.send("l1", "begin")
            return bool(heard)

        wait_until(arrived, seconds=30)
        for number in range(500):
            first.send("l1", str(number))
        wait_until(lambda: "499" in heard, seconds=30)
        assert len(heard) < 100


def test_a_line_that_is_no_text_of_ours_harms_nobody(shared: Service) -> None:
    with relay(shared, "b") as (_, heard):

        def arrived() -> bool:
            notices.send(shared.database, "qingting_wall", {"l": "'; DROP TABLE calls; --"}, sender="a")
            return bool(heard)

        wait_until(arrived, seconds=30)
        assert set(heard) == {"'; DROP TABLE calls; --"}
