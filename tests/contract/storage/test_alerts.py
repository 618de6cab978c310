"""Alerts in the database, on SQLite and PostgreSQL."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import pytest

from qingting.errors import NotFoundError
from qingting.model.account import Reach
from qingting.model.alert import Alert, AlertState
from qingting.model.finding import Level
from qingting.model.ids import new_id
from qingting.storage import alerts, calls
from qingting.storage.alerts import AlertFilter
from qingting.storage.database import Database

EVERYTHING = Reach(everything=True)


def alert(**changes: Any) -> Alert:
    plain = Alert(
        id=new_id(),
        at_ms=100,
        level=Level.SERIOUS,
        policy_id="p",
        policy_name="严重",
        call_id="c",
        finding_id="compliance.forbidden_words#1",
        rule_id="compliance.forbidden_words",
        title="服务禁语",
        team="一组",
        agent_id="7",
        start_ms=5000,
    )
    return replace(plain, **changes)


@pytest.fixture
def call(database: Database) -> int:
    with database.write() as connection:
        return calls.add(
            connection,
            {
                "call_id": "c", "line_of_business": "general", "medium": "voice", "started_ms": 0, "day": 20261130,
                "hour": 1, "info": {}, "source": "api", "created_ms": 0, "state": "queued",
            },
        )  # fmt: skip


def add(database: Database, call: int, *found: Alert) -> list[bool]:
    with database.write() as connection:
        return [alerts.add(connection, one, call=call) for one in found]


def test_an_alert_comes_back_as_stored(database: Database, call: int) -> None:
    one = alert(escalate_at_ms=700, state=AlertState.ACKNOWLEDGED, acknowledged_by="wang", note="已处理", suppressed=3)
    assert add(database, call, one) == [True]
    with database.read() as connection:
        assert alerts.get(connection, one.id, EVERYTHING) == one
        assert alerts.find(connection, one.id) == one
        assert alerts.find(connection, "none") is None


def test_the_same_finding_is_told_once_per_policy(database: Database, call: int) -> None:
    again, elsewhere, other = alert(), alert(policy_id="q"), alert(finding_id="compliance.forbidden_words#2")
    assert add(database, call, alert(), again, elsewhere, other) == [True, False, True, True]
    with database.read() as connection:
        assert alerts.raised(connection, call) == {(policy, again.rule_id) for policy in "pq"}
        assert alerts.raised(connection, call + 1) == set()


def test_alerts_go_with_their_call(database: Database, call: int) -> None:
    one = alert()
    add(database, call, one)
    with database.write() as connection:
        calls.remove(connection, call)
        assert alerts.find(connection, one.id) is None


@pytest.mark.parametrize(
    ("reach", "seen"),
    [
        (EVERYTHING, True),
        (Reach(teams=("一组", "二组")), True),
        (Reach(teams=("二组",)), False),
        (Reach(agent_id="7"), True),
        (Reach(), False),
    ],
)
def test_out_of_reach_is_unknown(database: Database, call: int, reach: Reach, *, seen: bool) -> None:
    one = alert()
    add(database, call, one)
    with database.write() as connection:
        found = alerts.page(connection, reach=reach, wanted=AlertFilter(), limit=10).items
        assert found == ((one,) if seen else ())
        for get in (alerts.get, alerts.lock):
            if seen:
                assert get(connection, one.id, reach) == one
            else:
                with pytest.raises(NotFoundError):
                    get(connection, one.id, reach)


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        ({}, [3, 2, 1, 0]),
        ({"level": 1}, [2, 0]),
        ({"state": "open"}, [3, 1, 0]),
        ({"team": "二组"}, [1]),
        ({"agent_id": "8"}, [3]),
        ({"policy_id": "p3"}, [3]),
        ({"call_id": "d"}, []),
        ({"from_ms": 20}, [3, 2]),
        ({"from_ms": 10, "to_ms": 30}, [2, 1]),
    ],
)
def test_lists_are_filtered(database: Database, call: int, wanted: dict[str, Any], numbers: list[int]) -> None:
    rows = [
        alert(id=f"{n:026}", at_ms=10 * n, level=Level(1 + n % 2), policy_id=f"p{n}", team="一二一一"[n] + "组",
              agent_id="7778"[n], state=AlertState.CLOSED if n == 2 else AlertState.OPEN)
        for n in range(4)
    ]  # fmt: skip
    add(database, call, *rows)
    with database.read() as connection:
        page = alerts.page(connection, reach=EVERYTHING, wanted=AlertFilter(**wanted), limit=10)
    assert [int(one.id) for one in page.items] == numbers


def test_pages(database: Database, call: int) -> None:
    add(database, call, *(alert(id=f"{n:026}", policy_id=f"p{n}") for n in range(5)))
    seen, after = [], ""
    with database.read() as connection:
        while True:
            page = alerts.page(connection, reach=EVERYTHING, wanted=AlertFilter(), limit=2, after=after)
            seen += [int(one.id) for one in page.items]
            after = page.next_key
            if not after:
                break
    assert seen == [4, 3, 2, 1, 0]


@pytest.mark.parametrize(
    ("policy", "team", "agent", "since", "counted"),
    [("p", "一组", "7", 99, True), ("p", "一组", "7", 100, False), ("q", "一组", "7", 0, False),
     ("p", "二组", "7", 0, False), ("p", "一组", "8", 0, False)],
)  # fmt: skip
def test_a_further_hit_is_counted_on_the_newest(
    database: Database, call: int, policy: str, team: str, agent: str, since: int, *, counted: bool
) -> None:
    old, new = alert(at_ms=50, finding_id="x#1"), alert(at_ms=100)
    add(database, call, new, old)
    with database.write() as connection:
        alerts.lock_cool_downs(connection, ["q", "p", "p"], team=team, agent_id=agent)
        assert alerts.suppress(connection, policy, team=team, agent_id=agent, since_ms=since) is counted
    with database.read() as connection:
        assert alerts.get(connection, new.id, EVERYTHING).suppressed == counted
        assert alerts.get(connection, old.id, EVERYTHING).suppressed == 0


def test_each_overdue_alert_is_escalated_once(database: Database, call: int) -> None:
    overdue = [alert(policy_id=f"p{n}", escalate_at_ms=10) for n in range(12)]
    spared = [
        alert(policy_id="later", escalate_at_ms=11),
        alert(policy_id="never"),
        alert(policy_id="done", escalate_at_ms=5, state=AlertState.ACKNOWLEDGED),
    ]
    add(database, call, *overdue, *spared)
    with database.read() as connection:
        assert alerts.any_to_escalate(connection, now_ms=10)
        assert not alerts.any_to_escalate(connection, now_ms=9)
    taken: list[Alert] = []

    def take(rounds: int = 4) -> None:
        for _ in range(rounds):
            with database.write() as connection:
                taken.extend(alerts.take_to_escalate(connection, now_ms=10, limit=2))

    threads = [threading.Thread(target=take) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    take(rounds=6)  # what another had locked was skipped
    assert sorted(one.policy_id for one in taken) == sorted(one.policy_id for one in overdue)
    assert {(one.state, one.escalated_ms) for one in taken} == {(AlertState.ESCALATED, 10)}
    with database.read() as connection:
        assert not alerts.any_to_escalate(connection, now_ms=10)
