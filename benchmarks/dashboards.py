"""Dashboard figures over a year: 1.44 million calls, 14.4 million findings, on SQLite and PostgreSQL.

    python benchmarks/dashboards.py [--json] [--calls 1440000] [--only sqlite|postgresql] [--folder DIR]

Goal: p95 of at most 100 ms for each question, on both databases. Questions go through the service's own
functions (`qingting.service.figures`, `storage.calls.page`, `storage.reports.findings_page`); each is asked
with 40 different parameters after a first round that warms the caches.

The centre: 365 days, 200 agents in 10 teams, 50 contact reasons, 4 lines of business, 110 rules besides
contact reasons and outcomes, 12 of them compliance items. A call has ten findings (four of them summaries,
which are not counted by rule) and nine judged items. Rules are unevenly frequent. The rows of `calls`,
`findings` and the measures are written directly, indexes are made afterwards; `--check` days of the
measures are written a second time by the product's own code, call by call, and must be equal. Words,
reports and recordings are left out: no question here reads them.

It needs about 12 GB in DIR (a temporary folder by default) and deletes them.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

sys.path.insert(0, str(Path(__file__).parent))

import numpy as np
from _dashboard_data import DAYS, FIRST, KEYS, RULES, SCOPES, Centre, Day, load, unknown
from sqlalchemy import select

from qingting.model.account import SYSTEM, Actor, Reach
from qingting.service import figures
from qingting.service.center import Service
from qingting.service.contributions import bucket_of
from qingting.service.figures import Dimension, RuleOrder, Wanted
from qingting.settings import load_settings
from qingting.storage import calls, measures, reports
from qingting.storage.calls import CallFilter
from qingting.storage.database import Database
from qingting.storage.measures import Contributions, Scope, net
from qingting.storage.reports import FindingFilter
from qingting.storage.tables import MEASURE_COUNTS, RULE_COUNTS, latency_measures, rule_measures, rules
from qingting.storage.tables import measures as measure_rows
from qingting.storage.upgrading import upgrade
from qingting.testing.postgres import postgres_server

GOAL_MS = 100
ROUNDS = 40
Question = Callable[[Service, random.Random], object]


def main() -> None:
    """Fill both databases, ask every question, print p50 and p95."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    parser.add_argument("--calls", type=int, default=1_440_000)
    parser.add_argument("--only", choices=["sqlite", "postgresql"])
    parser.add_argument("--check", type=int, default=1, help="days of measures written again by the product's code")
    parser.add_argument("--folder", type=Path, help="where the SQLite file goes")
    arguments = parser.parse_args()
    results = {}
    for kind in ("sqlite", "postgresql"):
        if arguments.only in (None, kind):
            with databases(kind, arguments.folder) as (database, fresh):
                results[kind] = measure(database, fresh, Centre(calls=arguments.calls), arguments.check)
    machine = f"{platform.processor() or platform.machine()}, Python {platform.python_version()}"
    if arguments.json:
        print(json.dumps({"machine": machine, "goal_ms": GOAL_MS, **results}, ensure_ascii=False, indent=2))
    else:
        print_table(machine, results)


@contextmanager
def databases(kind: str, folder: Path | None) -> Iterator[tuple[Database, Database]]:
    """Give two empty databases with all tables: one for the year, one for the check."""
    if kind == "postgresql":
        with postgres_server() as server:
            yield from opened([server.new_database(), server.new_database()])
        return
    place = Path(tempfile.mkdtemp(prefix="qingting-dashboards-", dir=folder))
    try:
        yield from opened([f"sqlite:///{place / name}.sqlite" for name in ("year", "check")])
    finally:
        shutil.rmtree(place)


def opened(urls: list[str]) -> Iterator[tuple[Database, Database]]:
    """Open databases and close them afterwards."""
    year, fresh = (Database.open(url) for url in urls)
    try:
        upgrade(year)
        upgrade(fresh)
        yield year, fresh
    finally:
        year.close()
        fresh.close()


def measure(database: Database, fresh: Database, centre: Centre, days: int) -> dict[str, Any]:
    """Load, check and ask; times in milliseconds."""
    began = time.perf_counter()
    rows = load(database, centre)
    loaded = time.perf_counter() - began
    check(database, fresh, centre, days)
    service = Service(settings=load_settings(), database=database, recordings=cast("Any", None), clock=lambda: NOW)
    answers = {name: timed(service, question) for name, question in QUESTIONS.items()}
    return {"rows": rows, "load_seconds": round(loaded), "megabytes": sizes(database), "questions": answers}


def check(database: Database, fresh: Database, centre: Centre, days: int) -> None:
    """Write the first days again call by call, by the product's own code, and compare; raises SystemExit."""
    for day, _ in zip(centre.days(), range(days), strict=False):
        with fresh.write() as connection:
            for one in contributions_of(day):
                measures.apply(connection, net((one,)))
            for scope, number, key, team, *values in unknown(day):
                counts = dict(zip(MEASURE_COUNTS, values, strict=True))
                measures.apply(connection, Contributions(measures={(scope, number, key, team): counts}))
        if stored(fresh, day.number) != stored(database, day.number):
            raise SystemExit("The loaded measures are not those of the product's own code.")


def contributions_of(day: Day) -> Iterator[Contributions]:
    """What each call of a day adds."""
    bounds = np.searchsorted(day.events[:, 0], np.arange(day.size + 1))
    for call in range(day.size):
        own = {scope: KEYS[scope][key[call]] for scope, key in day.keys.items()}
        teams = {scope: "" if scope is Scope.TOTAL else own[Scope.TEAM] for scope in own}
        places = {scope: (day.number, key, teams[scope]) for scope, key in own.items()}
        bucket = bucket_of(int(day.latency_ms[call]))
        events = day.events[bounds[call] : bounds[call + 1]].tolist()
        yield Contributions(
            measures={
                (scope.value, *place): {name: int(values[call]) for name, values in day.counts.items()}
                for scope, place in places.items()
            },
            rule_measures={
                (scope.value, RULES[rule], *places[scope]): dict(zip(RULE_COUNTS, counts, strict=True))
                for scope in SCOPES
                for _, rule, *counts in events
            },
            latency_measures={
                (scope.value, day.number, teams[scope], bucket): 1 for scope in (Scope.TEAM, Scope.TOTAL)
            },
            titles={RULES[rule]: (RULES[rule], "made_up") for _, rule, *_ in events},
        )


def stored(database: Database, day: int) -> list[list[tuple[Any, ...]]]:
    """All sums of a day."""
    with database.read() as connection:
        ids = {row.id: row.rule_id for row in connection.execute(select(rules))}
        found = []
        for table in (measure_rows, rule_measures, latency_measures):
            names = [column.name for column in table.columns]
            rows = [dict(row) for row in connection.execute(select(table).where(table.c.day == day)).mappings()]
            for row in rows:
                row["rule"] = ids.get(row.get("rule", 0), "")
            found.append(sorted(tuple(row[name] for name in [*names, "rule"]) for row in rows))
    return found


def timed(service: Service, question: Question) -> dict[str, float]:
    """p50 and p95 of one question."""
    for seed in range(5):
        question(service, random.Random(seed))
    taken = []
    for seed in range(ROUNDS):
        own = random.Random(1000 + seed)
        began = time.perf_counter()
        question(service, own)
        taken.append(1000 * (time.perf_counter() - began))
    taken.sort()
    return {"p50_ms": round(taken[ROUNDS // 2], 1), "p95_ms": round(taken[math.ceil(0.95 * ROUNDS) - 1], 1)}


def sizes(database: Database) -> dict[str, int]:
    """Megabytes of the tables with their indexes."""
    names = ("calls", "findings", "measures", "rule_measures", "latency_measures")
    with database.read() as connection:
        if database.is_sqlite:
            query = (
                "SELECT m.tbl_name, s.pageno * 4096 FROM (SELECT name, pageno FROM dbstat WHERE aggregate = TRUE) s"
                " JOIN sqlite_master m ON m.name = s.name"
            )
            found = dict.fromkeys(names, 0)
            for name, size in connection.exec_driver_sql(query):
                found[name] = found.get(name, 0) + size
        else:
            found = {
                name: connection.exec_driver_sql(f"SELECT pg_total_relation_size('{name}')").scalar_one()
                for name in names
            }
    return {name: round(found.get(name, 0) / 1e6) for name in names}


LAST = FIRST + timedelta(days=DAYS - 1)
NOW = 1000 * round(time.mktime((LAST.year, LAST.month, LAST.day, 12, 0, 0, 0, 0, 0)))
YEAR = Wanted(from_day=FIRST, to_day=LAST)


def month(own: random.Random, **more: Any) -> Wanted:
    """Thirty days somewhere in the year."""
    first = FIRST + timedelta(days=own.randrange(DAYS - 30))
    return Wanted(**{"from_day": first, "to_day": first + timedelta(days=29), **more})


def agent(own: random.Random) -> str:
    """One of the agents."""
    return f"A{own.randrange(200):04}"


def team(own: random.Random) -> str:
    """One of the teams."""
    return f"班组{own.randrange(10)}"


def item(own: random.Random) -> str:
    """One of the compliance items."""
    return f"compliance.item_{own.randrange(12)}"


def reason(own: random.Random) -> str:
    """One of the contact reasons."""
    return f"reason_{own.randrange(50)}"


def supervisor(own: random.Random) -> Actor:
    """Somebody who sees two teams."""
    first = own.randrange(9)
    return cast("Actor", SimpleNamespace(reach=Reach(teams=(f"班组{first}", f"班组{first + 1}"))))


def day_number(day: date) -> int:
    """Write a day as the tables do."""
    return figures.number_of(day)


def page(service: Service, own: random.Random, *, after: str = "", days: int = 30, **wanted: Any) -> object:
    """One page of the list of calls."""
    if days:
        first = FIRST + timedelta(days=own.randrange(DAYS - days))
        wanted |= {"from_day": day_number(first), "to_day": day_number(first + timedelta(days=days - 1))}
    with service.database.read() as connection:
        found = calls.page(connection, reach=Reach(everything=True), wanted=CallFilter(**wanted), limit=50, after=after)
    return found.items


def listed(service: Service, own: random.Random, **wanted: Any) -> object:
    """One page of the list of findings of thirty days."""
    first = FIRST + timedelta(days=own.randrange(DAYS - 30))
    days = {"from_day": day_number(first), "to_day": day_number(first + timedelta(days=29))}
    with service.database.read() as connection:
        return reports.findings_page(
            connection, reach=Reach(everything=True), wanted=FindingFilter(**days, **wanted), limit=50
        )


def deep(own: random.Random) -> str:
    """Key of a page after which some day's calls come."""
    return f"{day_number(FIRST + timedelta(days=own.randrange(30, DAYS)))}{0:010}"


def newest(service: Service, own: random.Random, **wanted: Any) -> object:
    """One page of the list of calls of the last thirty days."""
    first = day_number(LAST - timedelta(days=29))
    return page(service, own, days=0, from_day=first, to_day=day_number(LAST), **wanted)


f = figures
QUESTIONS: dict[str, Question] = {
    "overview, 30 days": lambda s, o: f.overview(s, SYSTEM, month(o)),
    "overview, 30 days, supervisor": lambda s, o: f.overview(s, supervisor(o), month(o)),
    "overview, 30 days, one agent": lambda s, o: f.overview(s, SYSTEM, month(o, agent_id=agent(o))),
    "trend, 30 days": lambda s, o: f.trend(s, SYSTEM, month(o)),
    "trend, 1 year": lambda s, o: f.trend(s, SYSTEM, YEAR),
    "trend, 1 year, supervisor": lambda s, o: f.trend(s, supervisor(o), YEAR),
    "trend, 1 year, one agent": lambda s, o: f.trend(s, SYSTEM, Wanted(from_day=FIRST, to_day=LAST, agent_id=agent(o))),
    "by agent, 30 days": lambda s, o: f.compare(s, SYSTEM, month(o), Dimension.AGENT),
    "by agent, 30 days, supervisor": lambda s, o: f.compare(s, supervisor(o), month(o), Dimension.AGENT),
    "by team, 30 days": lambda s, o: f.compare(s, SYSTEM, month(o), Dimension.TEAM),
    "by team, 1 year": lambda s, o: f.compare(s, SYSTEM, YEAR, Dimension.TEAM),
    "by hour, 30 days": lambda s, o: f.compare(s, SYSTEM, month(o), Dimension.HOUR),
    "by reason, 30 days": lambda s, o: f.compare(s, SYSTEM, month(o), Dimension.REASON),
    "coverage, 30 days": lambda s, o: f.coverage(s, SYSTEM, month(o)),
    "latency, 30 days": lambda s, o: f.latency(s, SYSTEM, month(o)),
    "latency, 1 year": lambda s, o: f.latency(s, SYSTEM, YEAR),
    "top missed, 30 days": lambda s, o: f.rule_list(s, SYSTEM, month(o), RuleOrder.MISSED, items_only=True),
    "rules, 30 days": lambda s, o: f.rule_list(s, SYSTEM, month(o), RuleOrder.CALLS),
    "rules, 30 days, one team": lambda s, o: f.rule_list(s, SYSTEM, month(o, team=team(o)), RuleOrder.MISSED),
    "rules, 30 days, supervisor": lambda s, o: f.rule_list(s, supervisor(o), month(o), RuleOrder.MISSED),
    "rules, 30 days, one agent": lambda s, o: f.rule_list(s, SYSTEM, month(o, agent_id=agent(o)), RuleOrder.MISSED),
    "rules, 30 days, one hour": lambda s, o: f.rule_list(
        s, SYSTEM, month(o, hour=8 + o.randrange(14)), RuleOrder.MISSED
    ),
    "rules, 30 days, one reason": lambda s, o: f.rule_list(s, SYSTEM, month(o, reason=reason(o)), RuleOrder.MISSED),
    "one rule by team, 30 days": lambda s, o: f.rule_by(s, SYSTEM, month(o), item(o), Dimension.TEAM),
    "one rule by hour, 30 days": lambda s, o: f.rule_by(s, SYSTEM, month(o), item(o), Dimension.HOUR),
    "one rule by agent, 30 days": lambda s, o: f.rule_by(s, SYSTEM, month(o), item(o), Dimension.AGENT),
    "one rule by reason, 30 days": lambda s, o: f.rule_by(s, SYSTEM, month(o), item(o), Dimension.REASON),
    "calls, first page": lambda s, o: page(s, o, days=0),
    "calls, page deep in the year": lambda s, o: page(s, o, days=0, after=deep(o)),
    "calls of 30 days": page,
    "calls of an agent": lambda s, o: page(s, o, days=0, agent_id=agent(o)),
    "calls of an agent, 30 days": lambda s, o: page(s, o, agent_id=agent(o)),
    "calls of a team, 30 days": lambda s, o: page(s, o, team=team(o)),
    "calls under 60 points, last 30 days": lambda s, o: newest(s, o, max_score=60.0),
    "calls under 60 points, 30 days": lambda s, o: page(s, o, max_score=60.0),
    "calls to review, 30 days": lambda s, o: page(s, o, needs_review=True),
    "calls with a reason, 30 days": lambda s, o: page(s, o, reason=reason(o)),
    "calls of a customer": lambda s, o: page(s, o, days=0, customer_reference=f"K{o.randrange(700_000)}"),
    "findings of 30 days": listed,
    "findings of a rule, 30 days": lambda s, o: listed(s, o, rule_id=item(o)),
    "findings of an agent, 30 days": lambda s, o: listed(s, o, agent_id=agent(o)),
    "findings of a team, 30 days": lambda s, o: listed(s, o, team=team(o)),
}


def print_table(machine: str, results: dict[str, Any]) -> None:
    """Print both databases side by side."""
    print(machine)
    for kind, result in results.items():
        print(f"{kind}: rows {result['rows']}, MB {result['megabytes']}, loaded in {result['load_seconds']} s")
    print(f"{'':40}" + "".join(f"{kind + ' p50':>16}{'p95 ms':>10}" for kind in results))
    for name in QUESTIONS:
        cells = [result["questions"][name] for result in results.values()]
        late = " over" if any(cell["p95_ms"] > GOAL_MS for cell in cells) else ""
        print(f"{name:40}" + "".join(f"{cell['p50_ms']:>16}{cell['p95_ms']:>10}" for cell in cells) + late)


if __name__ == "__main__":
    main()
