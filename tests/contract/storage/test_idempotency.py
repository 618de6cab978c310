"""Idempotency keys: the same request twice does nothing twice, also at the same moment."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from qingting.errors import ConflictError, StillRunningError
from qingting.storage import idempotency
from qingting.storage.database import Database
from qingting.storage.idempotency import ABANDONED_MS, KEPT_MS, Answer

NOW = 1_790_000_000_000
ANSWER = Answer(status=202, response={"id": "j1"})


def claim(
    database: Database, *, actor: str = "a", key: str = "k", fingerprint: str = "f", at: int = NOW
) -> Answer | None:
    with database.write() as connection:
        return idempotency.claim(connection, actor_id=actor, key=key, fingerprint=fingerprint, now_ms=at)


def complete(database: Database, answer: Answer = ANSWER) -> None:
    with database.write() as connection:
        idempotency.complete(connection, actor_id="a", key="k", answer=answer)


def test_the_second_request_gets_the_first_ones_answer(database: Database) -> None:
    assert claim(database) is None
    complete(database)
    assert claim(database) == ANSWER


def test_a_key_means_one_request_only(database: Database) -> None:
    claim(database)
    complete(database)
    with pytest.raises(ConflictError):
        claim(database, fingerprint="other")


def test_keys_belong_to_their_actor(database: Database) -> None:
    claim(database)
    complete(database)
    assert claim(database, actor="b", fingerprint="other") is None


def test_a_request_that_still_runs_is_told_so(database: Database) -> None:
    claim(database)
    with pytest.raises(StillRunningError):
        claim(database)
    with pytest.raises(ConflictError):
        claim(database, fingerprint="other")


def test_a_released_key_may_be_used_again_but_an_answered_one_stays(database: Database) -> None:
    claim(database)
    with database.write() as connection:
        idempotency.release(connection, actor_id="a", key="k")
    assert claim(database, fingerprint="other") is None
    complete(database)
    with database.write() as connection:
        idempotency.release(connection, actor_id="a", key="k")
    assert claim(database, fingerprint="other") == ANSWER


@pytest.mark.parametrize(("answered", "kept_ms"), [(True, KEPT_MS), (False, ABANDONED_MS)])
def test_keys_are_forgotten_in_time(database: Database, *, answered: bool, kept_ms: int) -> None:
    claim(database)
    if answered:
        complete(database)
        assert claim(database, at=NOW + kept_ms) == ANSWER
    assert claim(database, fingerprint="other", at=NOW + kept_ms + 1) is None


def test_old_keys_are_deleted(database: Database) -> None:
    claim(database)
    with database.write() as connection:
        assert idempotency.forget_before(connection, NOW) == 0
        assert idempotency.forget_before(connection, NOW + 1) == 1


def test_of_two_at_once_one_works_and_the_other_gets_its_answer(database: Database) -> None:
    together = threading.Barrier(2)

    def request() -> Answer | None:
        together.wait(10)
        with database.write() as connection:
            found = idempotency.claim(connection, actor_id="a", key="k", fingerprint="f", now_ms=NOW)
            if found is None:
                idempotency.complete(connection, actor_id="a", key="k", answer=ANSWER)
            return found

    with ThreadPoolExecutor(2) as pool:
        both = [one.result(30) for one in (pool.submit(request), pool.submit(request))]
    assert sorted(both, key=lambda answer: answer is not None) == [None, ANSWER]


def test_nothing_is_kept_of_a_request_that_was_undone(database: Database) -> None:
    with suppress(RuntimeError), database.write() as connection:
        idempotency.claim(connection, actor_id="a", key="k", fingerprint="f", now_ms=NOW)
        raise RuntimeError
    assert claim(database, fingerprint="other") is None
