"""Many calls at once, on both databases."""

from __future__ import annotations

import threading
from typing import Any

from sqlalchemy import insert, select

from qingting.storage import call_records, calls
from qingting.storage.calls import CallState
from qingting.storage.database import Database
from qingting.storage.tables import contacts


def values(call_id: str, **more: Any) -> dict[str, Any]:
    return {
        "call_id": call_id, "line_of_business": "general", "medium": "voice", "direction": "", "agent_id": "1001",
        "team": "甲组", "customer_reference": "K1", "started_ms": 1000, "day": 20261130, "hour": 9, "csat": None,
        "duration_ms": None, "info": {"call_id": call_id}, "source": "import", "created_ms": 1,
        "state": "known", **more,
    }  # fmt: skip


def test_only_missing_calls_are_added(database: Database) -> None:
    with database.write() as connection:
        first = call_records.add_missing(connection, [values("a"), values("b", csat=4.5)])
        second = call_records.add_missing(connection, [values("b", csat=1.0), values("c")])
        assert call_records.add_missing(connection, []) == {}
    assert set(first) == {"a", "b"}
    assert set(second) == {"c"}
    assert first["b"].csat == 4.5
    assert first["a"].state is CallState.KNOWN
    with database.read() as connection:
        found = call_records.known(connection, ["a", "b", "c", "d"])
    assert {call_id: row.csat for call_id, row in found.items()} == {"a": None, "b": 4.5, "c": None}


def test_calls_are_changed_each_to_its_own_values(database: Database) -> None:
    with database.write() as connection:
        added = call_records.add_missing(connection, [values("a"), values("b"), values("c")])
        call_records.change(
            connection,
            {added["a"].id: {"team": "乙组", "csat": 5.0}, added["b"].id: {"team": "丙组", "csat": None}},
        )
        call_records.change(connection, {})
    with database.read() as connection:
        found = call_records.known(connection, ["a", "b", "c"])
    assert [(found[one].team, found[one].csat) for one in "abc"] == [("乙组", 5.0), ("丙组", None), ("甲组", None)]


def test_calls_of_an_agent_in_order_of_time(database: Database) -> None:
    with database.write() as connection:
        rows = [values("late", started_ms=30), values("early", started_ms=10), values("x", agent_id="2", started_ms=20)]
        call_records.add_missing(connection, [*rows, values("far", started_ms=99)])
    with database.read() as connection:
        found = call_records.of_agent(connection, "1001", from_ms=10, to_ms=30)
    assert [row.call_id for row in found] == ["early", "late"]


def test_what_was_made_from_a_call_follows_it(database: Database) -> None:
    with database.write() as connection:
        call = call_records.add_missing(connection, [values("a")])["a"]
        connection.execute(
            insert(contacts).values(call=call.id, reason="money", customer_reference="K1", started_ms=1000, state="")
        )
        calls.change(connection, call.id, {"customer_reference": "K2", "started_ms": 5})
        call_records.follow(connection, calls.by_number(connection, call.id))
    with database.read() as connection:
        row = connection.execute(select(contacts.c.customer_reference, contacts.c.started_ms)).one()
    assert tuple(row) == ("K2", 5)


def test_locked_calls_wait_for_the_writer_before(database: Database) -> None:
    with database.write() as connection:
        number = call_records.add_missing(connection, [values("a")])["a"].id
    seen: list[float | None] = []
    locked = threading.Event()

    def second() -> None:
        locked.wait(10)
        with database.write() as connection:
            seen.append(call_records.known(connection, ["a"], lock=True)["a"].csat)

    thread = threading.Thread(target=second)
    thread.start()
    with database.write() as connection:
        call_records.known(connection, ["a"], lock=True)
        locked.set()
        thread.join(0.3)
        call_records.change(connection, {number: {"csat": 3.0}})
    thread.join()
    assert seen == [3.0]
