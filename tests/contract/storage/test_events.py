"""The log of events in the database, on SQLite and PostgreSQL: in order, and forgotten by age."""

from __future__ import annotations

from dataclasses import replace

import pytest

from qingting.model.event import EventKind, ServiceEvent
from qingting.storage import events
from qingting.storage.database import Database

EVENT = ServiceEvent(
    kind=EventKind.JOB, name="job.done", at_ms=2**41, job_id="j1", batch_id="b1", call_id="c1", agent_id="x", team="A",
    data={"score": 87.5, "grade": "良好", "state": "done", "step": None},
)  # fmt: skip


def append(database: Database, *added: ServiceEvent) -> None:
    with database.write() as connection:
        for event in added:
            events.append(connection, event)


def read(database: Database, number: int = 0, **more: object) -> list[ServiceEvent]:
    with database.read() as connection:
        return list(events.after(connection, number, **more))


def test_an_event_is_read_back(database: Database) -> None:
    append(database, EVENT)
    (event,) = read(database)
    assert event == replace(EVENT, id=event.id)
    assert event.id > 0


def test_events_come_in_order_after_a_number(database: Database) -> None:
    with database.read() as connection:
        assert events.last_id(connection) == 0
    append(database, *(replace(EVENT, name=f"e{number}", job_id=f"j{number % 2}") for number in range(6)))
    everything = read(database)
    assert [event.name for event in everything] == [f"e{number}" for number in range(6)]
    assert [event.name for event in read(database, everything[2].id)] == ["e3", "e4", "e5"]
    assert [event.name for event in read(database, everything[2].id, limit=2)] == ["e3", "e4"]
    assert [event.name for event in read(database, everything[2].id, job_id="j1")] == ["e3", "e5"]
    with database.read() as connection:
        assert events.last_id(connection) == everything[-1].id
        assert list(events.of_ids(connection, [everything[3].id, everything[1].id, 999_999])) == [
            everything[1], everything[3],
        ]  # fmt: skip


def append_and_fail(database: Database) -> None:
    with database.write() as connection:
        events.append(connection, EVENT)
        raise RuntimeError


def test_an_event_is_not_seen_when_what_it_tells_of_did_not_happen(database: Database) -> None:
    with pytest.raises(RuntimeError):
        append_and_fail(database)
    assert read(database) == []


def test_old_events_are_forgotten_and_numbers_are_not_used_again(database: Database) -> None:
    with database.read() as connection:
        assert events.oldest_ms(connection) is None
    append(database, *(replace(EVENT, at_ms=at_ms) for at_ms in (10, 20, 30)))
    last = read(database)[-1].id
    with database.write() as connection:
        assert events.oldest_ms(connection) == 10
        assert events.forget_before(connection, 20) == 1
        assert events.oldest_ms(connection) == 20
        assert events.forget_before(connection, 20) == 0
        assert events.forget_before(connection, 40) == 2
    append(database, EVENT)
    assert read(database)[-1].id > last
