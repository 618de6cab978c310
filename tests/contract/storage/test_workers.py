"""Who lives, whose work may be taken over, who does a chore: also when several ask at once."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from qingting.storage import workers
from qingting.storage.database import Database
from qingting.storage.workers import WorkerRow

ROW = WorkerRow(id="w1", host="h", pid=7, version="0.1", concurrency=4, started_ms=100, seen_ms=100)


def beat(database: Database, row: WorkerRow) -> bool:
    with database.write() as connection:
        return workers.beat(connection, row)


def test_a_sign_of_life_is_written_and_renewed(database: Database) -> None:
    assert beat(database, ROW)
    later = replace(ROW, seen_ms=200)
    assert beat(database, later)
    with database.read() as connection:
        assert workers.get(connection, "w1") == later
        assert workers.every(connection) == [later]
        assert workers.get(connection, "w2") is None


def test_the_process_that_started_last_owns_the_name(database: Database) -> None:
    beat(database, ROW)
    newer = replace(ROW, pid=8, started_ms=150, seen_ms=150)
    assert beat(database, newer)
    assert not beat(database, replace(ROW, seen_ms=300))
    with database.write() as connection:
        workers.stopped(connection, ROW, at_ms=400)
        assert workers.get(connection, "w1") == newer, "its end is not the other's"
        workers.stopped(connection, newer, at_ms=400)
        found = workers.get(connection, "w1")
    assert found is not None
    assert (found.stopped_ms, found.lives(0)) == (400, False)


@pytest.mark.parametrize(("since_ms", "lives"), [(99, True), (100, True), (101, False)])
def test_who_was_silent_for_too_long_does_not_live(since_ms: int, lives: bool) -> None:
    assert ROW.lives(since_ms) is lives
    assert not replace(ROW, stopped_ms=100).lives(since_ms)


@pytest.mark.parametrize(
    ("row", "worker_id", "gone"),
    [
        (ROW, "w1", True),
        (replace(ROW, seen_ms=101), "w1", False),
        (replace(ROW, seen_ms=101, stopped_ms=101), "w1", True),
        (ROW, "never seen", True),
    ],
)
def test_a_worker_is_gone_if_nothing_came_since(database: Database, row: WorkerRow, worker_id: str, gone: bool) -> None:
    beat(database, row)
    with database.write() as connection:
        assert workers.hold_silent(connection, worker_id, seen_ms=100) is gone


def test_two_survivors_never_hold_the_same_lost_worker_at_once(database: Database) -> None:
    beat(database, ROW)
    holds = threading.Barrier(2, timeout=20)
    found: list[bool] = []

    def hold() -> None:
        with database.write() as connection:
            found.append(workers.hold_silent(connection, "w1", seen_ms=100))
            if not database.is_sqlite:
                holds.wait()

    threads = [threading.Thread(target=hold) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # Writers of SQLite queue up: the second comes when the first is done.
    assert sorted(found) == ([True, True] if database.is_sqlite else [False, True])


def test_workers_unseen_for_long_are_forgotten(database: Database) -> None:
    beat(database, ROW)
    beat(database, replace(ROW, id="w2", seen_ms=900))
    with database.write() as connection:
        assert workers.forget_before(connection, 500) == 1
        assert [row.id for row in workers.every(connection)] == ["w2"]


def claim(database: Database, worker_id: str, now_ms: int) -> bool:
    with database.write() as connection:
        return workers.claim_chore(connection, "tidy", worker_id=worker_id, now_ms=now_ms, every_ms=1000)


def test_a_chore_is_claimed_once_per_interval(database: Database) -> None:
    asked = [
        ("a", 0, True),
        ("b", 0, False),
        ("b", 999, False),
        ("b", 1000, True),
        ("a", 1001, False),
        ("a", 2500, True),
    ]
    assert [claim(database, who, at) for who, at, _ in asked] == [granted for *_, granted in asked]


def test_a_clock_that_was_set_back_does_not_put_a_chore_off(database: Database) -> None:
    assert claim(database, "a", 1_000_000)
    assert claim(database, "a", 5_000)
    assert not claim(database, "a", 5_500)


def test_many_that_ask_at_once_get_one_claim(database: Database) -> None:
    granted: list[bool] = []
    threads = [threading.Thread(target=lambda n=n: granted.append(claim(database, f"w{n}", 50))) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(granted) == [False] * 5 + [True]
