"""Feedback on hints in the database, on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection

from qingting.model.account import Reach
from qingting.model.assist_feedback import HintFeedback, Verdict
from qingting.model.ids import new_id
from qingting.model.live_event import HintKind
from qingting.storage import assist_feedback, calls, removal
from qingting.storage.calls import CallRow
from qingting.storage.database import Database

EVERYTHING = Reach(everything=True)
AddCall = Callable[..., CallRow]


def feedback(hint_id: str = "h1", verdict: Verdict = Verdict.SHOWN, **changes: Any) -> HintFeedback:
    usual: dict[str, Any] = {
        "id": new_id(), "kind": HintKind.EMPATHY, "topic": "mood", "agent_id": "7",
        "actor_id": "" if verdict is Verdict.SHOWN else "wang", "at_ms": 100,
    }  # fmt: skip
    return HintFeedback(**{**usual, "hint_id": hint_id, "verdict": verdict, **changes})


def test_what_was_shown_comes_back_as_stored(database: Database, add_call: AddCall) -> None:
    one = feedback(topic="compliance.forbidden_words", kind=HintKind.WORDING)
    with database.write() as connection:
        call, other = add_call(connection, "c").id, add_call(connection, "d").id
        assist_feedback.add_shown(connection, call, [one])
        assert assist_feedback.shown(connection, call, "h1") == one
        assert assist_feedback.shown(connection, call, "h2") is None
        assert assist_feedback.shown(connection, other, "h1") is None


def test_noting_it_again_changes_nothing(database: Database, add_call: AddCall) -> None:
    first = feedback()
    with database.write() as connection:
        call = add_call(connection, "c").id
        assist_feedback.add_shown(connection, call, [])
        assist_feedback.add_shown(connection, call, [first])
        assist_feedback.add_shown(connection, call, [feedback(at_ms=200), feedback("h2")])
        assert assist_feedback.shown(connection, call, "h1") == first
        assert [one.hint_id for one in assist_feedback.of_call(connection, call)] == ["h1", "h2"]


def test_who_says_it_again_says_something_else(database: Database, add_call: AddCall) -> None:
    with database.write() as connection:
        call = add_call(connection, "c").id
        assist_feedback.add_shown(connection, call, [feedback()])
        assist_feedback.give(connection, call, feedback(verdict=Verdict.USEFUL, at_ms=200))
        assist_feedback.give(connection, call, feedback(verdict=Verdict.DISMISSED, at_ms=300))
        assist_feedback.give(connection, call, feedback(verdict=Verdict.NOT_USEFUL, actor_id="li", at_ms=400))
        found = [(one.actor_id, one.verdict, one.at_ms) for one in assist_feedback.of_call(connection, call)]
    assert found == [
        ("", Verdict.SHOWN, 100),
        ("wang", Verdict.DISMISSED, 300),
        ("li", Verdict.NOT_USEFUL, 400),
    ]


@pytest.mark.parametrize("remove", ["one", "many"])
def test_it_goes_with_its_call(database: Database, add_call: AddCall, remove: str) -> None:
    with database.write() as connection:
        call = add_call(connection, "c").id
        assist_feedback.add_shown(connection, call, [feedback()])
        if remove == "one":
            calls.remove(connection, call)
        else:
            removal.remove_calls(connection, [call], now_ms=500)
        assert assist_feedback.of_call(connection, call) == []


def fill(connection: Connection, add_call: AddCall) -> None:
    """Three calls of two teams on two days."""
    for call_id, team, agent, day in (
        ("a", "一组", "7", 20261130),
        ("b", "二组", "8", 20261130),
        ("c", "一组", "7", 20261201),
    ):
        call = add_call(connection, call_id, team=team, agent_id=agent, day=day).id
        shown = [feedback("h1"), feedback("h2", kind=HintKind.RISK, topic="threat")]
        assist_feedback.add_shown(connection, call, shown if call_id == "a" else shown[:1])
        assist_feedback.give(connection, call, feedback(verdict=Verdict.USEFUL))
    assist_feedback.give(connection, call, feedback(verdict=Verdict.NOT_USEFUL, actor_id="li"))


MOOD, THREAT = (HintKind.EMPATHY, "mood"), (HintKind.RISK, "threat")
SHOWN, USEFUL, NOT_USEFUL = Verdict.SHOWN, Verdict.USEFUL, Verdict.NOT_USEFUL


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, {MOOD: {SHOWN: 3, USEFUL: 3, NOT_USEFUL: 1}, THREAT: {SHOWN: 1}}),
        ({"to_day": 20261130}, {MOOD: {SHOWN: 2, USEFUL: 2}, THREAT: {SHOWN: 1}}),
        ({"from_day": 20261201}, {MOOD: {SHOWN: 1, USEFUL: 1, NOT_USEFUL: 1}}),
        ({"team": "二组"}, {MOOD: {SHOWN: 1, USEFUL: 1}}),
        ({"agent_id": "7", "to_day": 20261130}, {MOOD: {SHOWN: 1, USEFUL: 1}, THREAT: {SHOWN: 1}}),
        ({"reach": Reach(agent_id="8")}, {MOOD: {SHOWN: 1, USEFUL: 1}}),
        ({"reach": Reach(teams=("二组",)), "team": "一组"}, {}),
        ({"reach": Reach()}, {}),
    ],
)
def test_counts(database: Database, add_call: AddCall, asked: dict[str, Any], found: dict[Any, Any]) -> None:
    with database.write() as connection:
        fill(connection, add_call)
    with database.read() as connection:
        wanted = {"reach": EVERYTHING, "from_day": 20261101, "to_day": 20261231, **asked}
        assert assist_feedback.counts(connection, **wanted) == found
