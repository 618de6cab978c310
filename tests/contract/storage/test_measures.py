"""Sums per day: added, taken back, read by every slice, by two writers at once."""

from __future__ import annotations

import random
import threading
from pathlib import Path

import pytest
from sqlalchemy import func, select

from qingting.storage import measures
from qingting.storage.database import Database
from qingting.storage.measures import By, Contributions, Scope, Slice, apply, net
from qingting.storage.tables import latency_measures, rule_measures, rules
from qingting.storage.tables import measures as measures_table

DAY = 20261130


def of_call(
    agent: str,
    team: str,
    *,
    day: int = DAY,
    hour: str = "09",
    rule: str = "compliance.opening",
    title: str = "开场问候",
) -> Contributions:
    """What a call with one missed item adds."""
    keys = {Scope.TOTAL: "", Scope.TEAM: team, Scope.AGENT: agent, Scope.HOUR: hour}
    places = [(scope.value, key, "" if scope is Scope.TOTAL else team) for scope, key in keys.items()]
    counts, rule_counts = {"inspected": 1, "score_tenths": 853}, {"judged": 1, "hits": 2}
    return Contributions(
        measures={(scope, day, key, of_team): counts for scope, key, of_team in places},
        rule_measures={(scope, rule, day, key, of_team): rule_counts for scope, key, of_team in places},
        latency_measures={("total", day, "", 40): 1, ("team", day, team, 40): 1},
        titles={rule: (title, "compliance")},
    )


def book(database: Database, *contributions: Contributions, sign: int = 1) -> None:
    with database.write() as connection:
        for one in contributions:
            apply(connection, one, sign=sign)


def slice_of(scope: Scope, **more: object) -> Slice:
    return Slice(**{"scope": scope, "from_day": DAY, "to_day": DAY, **more})  # type: ignore[arg-type]


def inspected(found: dict[str | int, measures.Counts]) -> dict[str | int, int]:
    return {key: counts["inspected"] for key, counts in found.items()}


def stored(database: Database) -> dict[str, list[tuple[object, ...]]]:
    """All rows that hold anything."""
    tables = (measures_table, rule_measures, latency_measures)
    with database.read() as connection:
        rows = {table.name: [tuple(row) for row in connection.execute(select(table))] for table in tables}
    keys = {table.name: len(table.primary_key) for table in tables}
    return {name: sorted(row for row in found if any(row[keys[name] :])) for name, found in rows.items()}


def test_what_is_added_is_summed_and_what_is_taken_back_leaves_nothing(database: Database) -> None:
    book(database, of_call("a1", "物流组"), of_call("a2", "物流组"), of_call("a1", "物流组"))
    with database.read() as connection:
        assert inspected(measures.sums(connection, slice_of(Scope.AGENT), By.KEY)) == {"a1": 2, "a2": 1}
        assert measures.sums(connection, slice_of(Scope.TOTAL))[""]["score_tenths"] == 3 * 853
    book(database, of_call("a1", "物流组"), of_call("a2", "物流组"), of_call("a1", "物流组"), sign=-1)
    assert stored(database) == {"measures": [], "rule_measures": [], "latency_measures": []}
    with database.read() as connection:
        assert measures.sums(connection, slice_of(Scope.AGENT), By.KEY) == {}
        assert measures.sums_by_rule(connection, slice_of(Scope.TOTAL)).keys() == {"compliance.opening"}
        assert measures.latencies(connection, slice_of(Scope.TOTAL)) == {}


@pytest.fixture
def three(database: Database) -> Database:
    book(
        database,
        of_call("a1", "物流组"),
        of_call("a2", "物流组", hour="10", rule="compliance.closing", title="结束语"),
        of_call("b1", "售后组", day=20261129),
        of_call("a1", "售后组", day=20261201),
    )
    return database


@pytest.mark.parametrize(
    ("wanted", "by", "expected"),
    [
        (slice_of(Scope.TOTAL), None, {"": 2}),
        (slice_of(Scope.TOTAL, from_day=20261129), By.DAY, {20261129: 1, DAY: 2}),
        (slice_of(Scope.TEAM, from_day=20261129), By.KEY, {"物流组": 2, "售后组": 1}),
        (slice_of(Scope.TEAM, from_day=20261129, teams=("售后组",)), None, {"": 1}),
        (slice_of(Scope.AGENT, from_day=20261129, teams=("售后组",)), By.KEY, {"b1": 1}),
        (slice_of(Scope.AGENT, key="a1", to_day=20261231), By.TEAM, {"物流组": 1, "售后组": 1}),
        (slice_of(Scope.AGENT, teams=()), By.KEY, {}),
        (slice_of(Scope.TOTAL, from_day=20250101, to_day=20250131), None, {"": 0}),
        (slice_of(Scope.HOUR), By.KEY, {"09": 1, "10": 1}),
        (slice_of(Scope.HOUR, key="10"), None, {"": 1}),
    ],
)
def test_slices(three: Database, wanted: Slice, by: By | None, expected: dict[str | int, int]) -> None:
    with three.read() as connection:
        assert inspected(measures.sums(connection, wanted, by)) == expected


def test_rules_are_summed_by_rule_and_one_of_them_by_key(three: Database) -> None:
    with three.read() as connection:
        by_rule = measures.sums_by_rule(connection, slice_of(Scope.TOTAL, from_day=20261129))
        assert {rule: counts["judged"] for rule, counts in by_rule.items()} == {
            "compliance.opening": 2,
            "compliance.closing": 1,
        }
        whole = slice_of(Scope.AGENT, from_day=20261129, to_day=20261201)
        opening = measures.rule_sums(connection, whole, rule_id="compliance.opening", by=By.KEY)
        assert {key: counts["hits"] for key, counts in opening.items()} == {"a1": 4, "b1": 2}
        assert measures.rule_sums(connection, whole, rule_id="compliance.unheard_of", by=By.KEY) == {}
        one = slice_of(Scope.AGENT, key="a2")
        assert measures.sums_by_rule(connection, one).keys() == {"compliance.closing"}


def test_latencies_by_day_and_team(three: Database) -> None:
    with three.read() as connection:
        whole = slice_of(Scope.TOTAL, from_day=20261129, to_day=20261201)
        assert measures.latencies(connection, whole) == {"": {40: 4}}
        by_team = slice_of(Scope.TEAM, from_day=20261129, to_day=20261201)
        assert measures.latencies(connection, by_team, By.TEAM) == {"物流组": {40: 2}, "售后组": {40: 2}}
        assert measures.latencies(connection, slice_of(Scope.TEAM, teams=("售后组",)), By.DAY) == {}


def test_a_rule_keeps_its_newest_title(database: Database) -> None:
    book(database, of_call("a1", "物流组"), of_call("a1", "物流组", title="开场白"))
    with database.read() as connection:
        assert measures.titles(connection, ["compliance.opening", "no.rule"]) == {
            "compliance.opening": ("开场白", "compliance")
        }
        assert connection.execute(select(func.count()).select_from(rules)).scalar_one() == 1


def test_taking_back_by_net_equals_two_steps(database: Database, tmp_path: Path) -> None:
    old, new = of_call("a1", "物流组"), of_call("a2", "物流组", rule="compliance.closing")
    book(database, old)
    book(database, net((new,), (old,)))
    replaced = stored(database)
    book(database, new, sign=-1)
    book(database, old)
    book(database, old, sign=-1)
    book(database, new)
    assert stored(database) == replaced


def test_net_of_the_same_is_nothing() -> None:
    one = of_call("a1", "物流组")
    nothing = net((one,), (one,))
    assert (nothing.measures, nothing.rule_measures, nothing.latency_measures) == ({}, {}, {})


def test_contributions_are_read_back_as_they_were_written() -> None:
    one = of_call("a1", "物流组")
    assert Contributions.from_bytes(one.to_bytes()) == one
    assert Contributions.from_bytes(b"") == Contributions()


def test_writers_at_once_lose_nothing_and_do_not_block_each_other(database: Database) -> None:
    """Each writes what all others write too, in an order of its own, some of it taken back again."""
    agents = [(f"a{number}", f"team {number % 3}") for number in range(6)]
    failures: list[BaseException] = []

    def write(seed: int) -> None:
        own = random.Random(seed)
        try:
            for _ in range(15):
                chosen = own.sample(agents, 4)
                added = [of_call(*one, rule=f"rule.{own.randrange(4)}") for one in chosen]
                removed = [of_call(*one, rule=f"rule.{own.randrange(4)}") for one in own.sample(agents, 2)]
                own.shuffle(added)
                with database.write() as connection:
                    apply(connection, net(added, removed))
        except BaseException as error:  # noqa: BLE001  told to the test
            failures.append(error)

    threads = [threading.Thread(target=write, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with database.read() as connection:
        assert inspected(measures.sums(connection, slice_of(Scope.TOTAL))) == {"": 4 * 15 * 2}
        by_rule = measures.sums_by_rule(connection, slice_of(Scope.TOTAL))
        assert sum(counts["judged"] for counts in by_rule.values()) == 4 * 15 * 2
        assert measures.latencies(connection, slice_of(Scope.TOTAL))[""] == {40: 4 * 15 * 2}
