"""Messages on their way out, on SQLite and PostgreSQL."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import pytest

from qingting.errors import ConflictError, NotFoundError
from qingting.model.delivery import Delivery, DeliveryKind, DeliveryState
from qingting.model.ids import new_id
from qingting.storage import deliveries
from qingting.storage.database import Database
from qingting.storage.deliveries import DeliveryFilter

LEASE = 1000


def message(**changes: Any) -> Delivery:
    plain = Delivery(
        id=new_id(), kind=DeliveryKind.WEBHOOK, target="hook", event="job.done", body={"b": 1, "a": {"级": [1, None]}}
    )
    return replace(plain, **changes)


def add(database: Database, *messages: Delivery) -> None:
    with database.write() as connection:
        deliveries.add(connection, messages)


def take(database: Database, now_ms: int, limit: int = 10) -> list[str]:
    with database.write() as connection:
        return deliveries.take_for_dispatch(connection, now_ms=now_ms, limit=limit, lease_ms=LEASE)


def begin(database: Database, one: Delivery, now_ms: int) -> Delivery | None:
    with database.write() as connection:
        return deliveries.begin_attempt(connection, one.id, now_ms=now_ms, lease_ms=LEASE)


def get(database: Database, one: Delivery) -> Delivery:
    with database.read() as connection:
        return deliveries.get(connection, one.id)


def due(database: Database, now_ms: int) -> bool:
    with database.read() as connection:
        return deliveries.any_due(connection, now_ms=now_ms)


def test_a_message_comes_back_as_stored(database: Database) -> None:
    one = message(created_ms=5, due_ms=7, target="dingtalk://token")
    add(database, one)
    assert get(database, one) == one
    with pytest.raises(NotFoundError):
        get(database, message())


def test_none_at_all_is_no_error(database: Database) -> None:
    add(database)
    assert take(database, 10) == []


def test_due_messages_are_handed_out_earliest_first_and_once(database: Database) -> None:
    late, early, future = message(due_ms=9), message(due_ms=3), message(due_ms=11)
    dead = message(due_ms=1, state=DeliveryState.DEAD)
    add(database, late, early, future, dead)
    assert due(database, 10)
    assert take(database, 10, limit=1) == [early.id]
    assert take(database, 10) == [late.id]
    assert take(database, 10) == []
    assert not due(database, 10)


def test_a_worker_that_dies_loses_its_messages_to_others(database: Database) -> None:
    one = message()
    add(database, one)
    assert take(database, 0) == [one.id]
    assert take(database, LEASE - 1) == []
    assert take(database, LEASE) == [one.id]
    assert begin(database, one, LEASE) is not None  # and dies again, in the middle of its attempt
    assert take(database, 2 * LEASE - 1) == []
    assert take(database, 2 * LEASE) == [one.id]
    begun = begin(database, one, 2 * LEASE)
    assert begun is not None
    assert begun.attempts == 2


def test_only_one_attempt_begins_per_handing_out(database: Database) -> None:
    one = message()
    add(database, one)
    assert begin(database, one, 0) is None  # nobody was handed it
    take(database, 0)
    begun: list[Delivery | None] = []
    threads = [threading.Thread(target=lambda: begun.append(begin(database, one, 1))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(found is not None for found in begun) == 1
    assert get(database, one).attempts == 1


def test_two_dispatchers_never_take_the_same_message(database: Database) -> None:
    add(database, *(message(due_ms=n) for n in range(60)))
    taken: list[str] = []
    threads = [
        threading.Thread(target=lambda: [taken.extend(take(database, 100, limit=5)) for _ in range(5)])
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    while rest := take(database, 100):  # what another had locked was skipped
        taken += rest
    assert len(taken) == len(set(taken)) == 60


def test_an_outdated_attempt_writes_nothing(database: Database) -> None:
    one = message()
    add(database, one)
    take(database, 0)
    first = begin(database, one, 0)
    take(database, LEASE)
    second = begin(database, one, LEASE)
    assert first is not None
    assert second is not None
    with database.write() as connection:
        assert not deliveries.settle(connection, first, state=DeliveryState.DEAD.value)
        assert deliveries.settle(connection, second, state=DeliveryState.DELIVERED.value, delivered_ms=9)
        assert not deliveries.settle(connection, second, state=DeliveryState.DEAD.value)
    assert (get(database, one).state, get(database, one).delivered_ms) == (DeliveryState.DELIVERED, 9)


def test_only_an_ended_message_is_sent_again(database: Database) -> None:
    pending, dead = message(), message(state=DeliveryState.DEAD, attempts=12, last_error="timeout")
    add(database, pending, dead)
    with database.write() as connection:
        deliveries.revive(connection, dead.id, now_ms=50)
    assert get(database, dead) == replace(dead, state=DeliveryState.PENDING, attempts=0, due_ms=50)
    for one in (pending, message()):
        with pytest.raises(ConflictError), database.write() as connection:
            deliveries.revive(connection, one.id, now_ms=50)


def test_lists_are_filtered_and_paged_newest_first(database: Database) -> None:
    ids = [f"{n:026}" for n in range(5)]
    add(database, *(message(id=one, target="ab"[n % 2]) for n, one in enumerate(ids)))
    add(database, message(id="9" * 26, kind=DeliveryKind.PUSH, target="x://y", state=DeliveryState.DEAD))

    def listed(limit: int = 10, after: str = "", **wanted: Any) -> tuple[list[str], str]:
        with database.read() as connection:
            page = deliveries.page(connection, wanted=DeliveryFilter(**wanted), limit=limit, after=after)
        return [one.id for one in page.items], page.next_key

    assert listed(kind="webhook", limit=2) == ([ids[4], ids[3]], ids[3])
    assert listed(kind="webhook", limit=3, after=ids[3]) == ([ids[2], ids[1], ids[0]], "")
    assert listed(targets=("a",)) == ([ids[4], ids[2], ids[0]], "")
    assert listed(targets=()) == ([], "")
    assert listed(state="dead") == (["9" * 26], "")


def test_a_target_that_is_gone_takes_what_waits_with_it(database: Database) -> None:
    mine, done, other = message(), message(state=DeliveryState.DELIVERED), message(target="other")
    add(database, mine, done, other)
    with database.write() as connection:
        assert deliveries.give_up(connection, "hook", reason="gone") == 1
    assert (get(database, mine).state, get(database, mine).last_error) == (DeliveryState.DEAD, "gone")
    assert get(database, done).state is DeliveryState.DELIVERED
    assert get(database, other).state is DeliveryState.PENDING
    with database.write() as connection:
        assert deliveries.remove_of(connection, "hook") == 2


def test_forgetting_spares_what_is_still_on_its_way(database: Database) -> None:
    old, new = message(state=DeliveryState.DELIVERED, created_ms=5), message(state=DeliveryState.DEAD, created_ms=10)
    waiting = message(created_ms=5)
    add(database, old, new, waiting)
    with database.write() as connection:
        assert deliveries.forget_before(connection, 10) == 1
    assert get(database, new) == new
    assert get(database, waiting) == waiting
