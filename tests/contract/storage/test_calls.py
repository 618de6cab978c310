"""Calls in the database, on SQLite and PostgreSQL: found by those who may see them, filtered, in pages."""

from __future__ import annotations

import pytest

from qingting.errors import ConflictError, NotFoundError
from qingting.model.account import NOTHING, Reach
from qingting.storage import calls
from qingting.storage.calls import CallFilter, CallState
from qingting.storage.database import Database
from qingting.storage.tables import calls as table

ALL = Reach(everything=True)


def listed(database: Database, reach: Reach = ALL, **wanted: object) -> list[str]:
    with database.read() as connection:
        page = calls.page(connection, reach=reach, wanted=CallFilter(**wanted), limit=100)
    return [row.call_id for row in page.items]


def test_a_call_is_read_back(database: Database, add_call) -> None:
    info = {"call_id": "c1", "fields": {"队列": "售后"}, "desktop_events": None}
    with database.write() as connection:
        row = add_call(connection, "c1", info=info, csat=4.5, duration_ms=2**40, team="A")
        assert calls.find(connection, "c1") == calls.lock(connection, "c1") == row
    assert row.info == info
    assert (row.csat, row.duration_ms, row.state, row.score, row.report_id) == (
        4.5,
        2**40,
        CallState.QUEUED,
        None,
        None,
    )
    assert (row.faults, row.reviews, row.grade, row.reason) == (0, 0, "", "")


def test_an_unknown_call_is_not_found(database: Database) -> None:
    with database.write() as connection:
        assert calls.find(connection, "c1") is None
        assert calls.lock(connection, "c1") is None
        with pytest.raises(NotFoundError):
            calls.get(connection, "c1", ALL)
        with pytest.raises(NotFoundError):
            calls.by_number(connection, 1)


def test_a_call_id_is_taken_once_and_the_transaction_goes_on(database: Database, add_call) -> None:
    with database.write() as connection:
        add_call(connection, "c1")
        with pytest.raises(ConflictError) as caught:
            add_call(connection, "c1")
        add_call(connection, "c2")
    assert "c1" not in str(caught.value)
    assert listed(database) == ["c2", "c1"]


@pytest.mark.parametrize("call_id", ["C1", "c1 ", "ｃ1", "c1'; DROP TABLE calls; --", "通话—1", "a%", "_"])
def test_ids_are_compared_letter_by_letter(database: Database, add_call, call_id: str) -> None:
    with database.write() as connection:
        add_call(connection, "c1")
        add_call(connection, call_id)
        assert calls.get(connection, call_id, ALL).call_id == call_id
        assert calls.get(connection, "c1", ALL).call_id == "c1"


REACHES = [
    (ALL, ["none", "b", "a"]),
    (Reach(teams=("A",)), ["a"]),
    (Reach(teams=("A", "B")), ["b", "a"]),
    (Reach(agent_id="y"), ["b"]),
    (Reach(agent_id="x", teams=("B",)), ["b", "a"]),
    (Reach(teams=("",)), []),
    (Reach(teams=("a",)), []),
    (NOTHING, []),
]


@pytest.mark.parametrize(("reach", "expected"), REACHES)
def test_lists_and_single_calls_agree_on_what_is_within_reach(
    database: Database, add_call, reach: Reach, expected: list[str]
) -> None:
    with database.write() as connection:
        add_call(connection, "a", team="A", agent_id="x")
        add_call(connection, "b", team="B", agent_id="y")
        add_call(connection, "none")
    with database.read() as connection:
        for call_id in ("a", "b", "none"):
            if call_id in expected:
                assert calls.get(connection, call_id, reach).call_id == call_id
            else:
                with pytest.raises(NotFoundError):
                    calls.get(connection, call_id, reach)
    assert listed(database, reach) == expected


FILTERS = [
    ({}, ["b", "a"]),
    ({"from_day": 20261130}, ["b"]),
    ({"to_day": 20261129}, ["a"]),
    ({"agent_id": "x"}, ["a"]),
    ({"team": "B"}, ["b"]),
    ({"line_of_business": "finance"}, ["b"]),
    ({"customer_reference": "k"}, ["a"]),
    ({"state": "inspected"}, ["b"]),
    ({"grade": "优秀"}, ["b"]),
    ({"reason": "refund"}, ["b"]),
    ({"resolution": "resolved"}, ["b"]),
    ({"medium": "chat"}, ["a"]),
    ({"min_score": 90.0}, ["b"]),
    ({"min_score": 90.1}, []),
    ({"max_score": 90.0}, ["b"]),
    ({"max_score": 89.9}, []),
    ({"worst_level": 1}, []),
    ({"worst_level": 2}, ["b"]),
    ({"worst_level": 3}, ["b"]),
    ({"needs_review": True}, ["b"]),
    ({"needs_review": False}, ["a"]),
    ({"needs_review": True, "team": "A"}, []),
]


@pytest.mark.parametrize(("wanted", "expected"), FILTERS)
def test_filters_hold(database: Database, add_call, wanted: dict[str, object], expected: list[str]) -> None:
    with database.write() as connection:
        add_call(connection, "a", team="A", agent_id="x", day=20261129, customer_reference="k", medium="chat")
        add_call(
            connection, "b", team="B", agent_id="y", day=20261130, line_of_business="finance", state="inspected",
            grade="优秀", reason="refund", resolution="resolved", score=90.0, worst_level=2, reviews=1,
        )  # fmt: skip
    assert listed(database, **wanted) == expected


def test_pages_hold_every_call_once_newest_first(database: Database, add_call) -> None:
    with database.write() as connection:
        for number in range(7):
            add_call(connection, f"c{number}", team="A" if number != 3 else "B")
    seen: list[str] = []
    after = ""
    with database.read() as connection:
        while True:
            page = calls.page(
                connection, reach=Reach(teams=("A",)), wanted=CallFilter(), limit=2, after=after
            )  # fmt: skip
            seen += [row.call_id for row in page.items]
            after = page.next_key
            if not after:
                break
    assert seen == ["c6", "c5", "c4", "c2", "c1", "c0"]


def test_a_change_changes_one_call(database: Database, add_call) -> None:
    with database.write() as connection:
        first, second = add_call(connection, "a"), add_call(connection, "b")
        calls.change(connection, first.id, {"score": 12.5, "state": CallState.INSPECTED.value})
        assert calls.by_number(connection, first.id).score == 12.5
        assert calls.by_number(connection, second.id) == second
        assert calls.count(connection, table.c.state == "inspected") == 1
        assert calls.count(connection) == 2


def test_a_removed_call_is_gone_and_its_number_with_it(database: Database, add_call) -> None:
    with database.write() as connection:
        number = add_call(connection, "a").id
        calls.remove(connection, number)
        assert calls.find(connection, "a") is None
        assert add_call(connection, "b").id > number
