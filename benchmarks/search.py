"""Time of a full-text search for a word of two characters over 200,000 transcripts, on SQLite and PostgreSQL.

    python benchmarks/search.py [--json] [--calls 200000] [--repeats 30] [--only sqlite]

Goal: the slowest twentieth of the searches takes at most 200 ms. Transcripts are made of the sentences of the
bundled and the held-out conversations, 300 to 600 characters each, spread over 50 teams; into each of them the
word that is searched for is written as often as the row says: common in 30 % of the calls, medium in
1 %, rare in 20 of them. A search gives the 50 newest calls with excerpts. `team` restricts it to one
team, `phrase` is four characters long, `both` asks for two common words at once, `last_page` begins behind
nine tenths of the hits. `cpu_ms` is the median CPU time of this process, which for SQLite is all of it; for
PostgreSQL the server's share is missing.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import func, insert, select, text

from qingting.model.account import Reach
from qingting.storage import search
from qingting.storage.calls import CallFilter
from qingting.storage.database import Database
from qingting.storage.tables import calls
from qingting.storage.upgrading import upgrade
from qingting.testing.postgres import postgres_server, server_programs
from qingting.testing.samples import sample_calls
from qingting.testing.scripts import load_script

HELD_OUT = Path(__file__).parents[1] / "demo" / "held_out"
TEAMS, PORTION, PAGE = 50, 1000, 50
COMMON, ALSO_COMMON, MEDIUM, PHRASE, RARE = "蜻蜓", "翡翠", "琥珀", "琉璃杯盏", "玛瑙"
"""Words that none of the conversations says."""
SHARES = {COMMON: 0.3, ALSO_COMMON: 0.3, MEDIUM: 0.01, PHRASE: 0.01}
RARE_CALLS = 20


def sentences() -> list[str]:
    """All that is said in the bundled and the held-out conversations."""
    scripts = [sample.script for sample in sample_calls()]
    scripts += [load_script(path) for path in sorted(HELD_OUT.rglob("*.yaml")) if path.name != "rules.yaml"]
    said = sorted({turn.text for script in scripts for turn in script.turns})
    assert not any(word in line for word in (*SHARES, RARE) for line in said)
    return said


def transcripts(count: int) -> Iterator[str]:
    """Make texts, always the same ones."""
    dice, said = random.Random(7), sentences()
    rare = set(dice.sample(range(count), RARE_CALLS))
    for number in range(count):
        lines, length, wanted = [], 0, dice.randint(300, 600)
        while length < wanted:
            lines.append(dice.choice(said))
            length += len(lines[-1])
        for word, share in SHARES.items():
            if dice.random() < share:
                lines.append(f"这是{word}的事")
        if number in rare:
            lines.append(f"这是{RARE}的事")
        yield "\n".join(lines)


def load(database: Database, count: int) -> dict[str, float]:
    """Fill a database; returns how long one call took, and what the index holds in bytes."""
    began, indexing = time.perf_counter(), 0.0
    texts = transcripts(count)
    for first in range(0, count, PORTION):
        rows = [_call(number) for number in range(first, min(first + PORTION, count))]
        with database.write() as connection:
            connection.execute(insert(calls), rows)
            since = time.perf_counter()
            for number in range(len(rows)):
                search.index(connection, first + number + 1, next(texts))
            indexing += time.perf_counter() - since
    if not database.is_sqlite:
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))
    return {
        "load_seconds": round(time.perf_counter() - began, 1),
        "index_ms_per_call": round(1000 * indexing / count, 2),
        "megabytes": round(_bytes(database) / 1e6),
    }


def _call(number: int) -> dict[str, object]:
    return {
        "call_id": f"c{number}", "line_of_business": "general", "medium": "voice", "agent_id": f"a{number % 1000}",
        "team": f"t{number % TEAMS}", "started_ms": number, "day": 20261101 + number % 30, "hour": number % 24,
        "info": {"call_id": f"c{number}"}, "source": "api", "created_ms": number, "state": "inspected",
    }  # fmt: skip


def _bytes(database: Database) -> int:
    size = "pg_database_size(current_database())"
    if database.is_sqlite:
        size = "(SELECT page_count * page_size FROM pragma_page_count, pragma_page_size)"
    with database.read() as connection:
        return int(connection.execute(text(f"SELECT {size}")).scalar_one())


def searches(count: int) -> dict[str, Callable[[Database, random.Random], int]]:
    """The searches by name; each returns how many hits its page holds."""

    def one(words: str, *, team: bool = False, late: bool = False) -> Callable[[Database, random.Random], int]:
        def ask(database: Database, dice: random.Random) -> int:
            wanted = CallFilter(team=f"t{dice.randrange(TEAMS)}" if team else "")
            after = str(count // 10 + dice.randrange(100)) if late else ""
            with database.read() as connection:
                page = search.find(
                    connection, words=words, reach=Reach(everything=True), wanted=wanted, limit=PAGE, after=after
                )
            return len(page.items)

        return ask

    return {
        "common": one(COMMON), "medium": one(MEDIUM), "rare": one(RARE), "both": one(f"{COMMON} {ALSO_COMMON}"),
        "common_team": one(COMMON, team=True), "medium_team": one(MEDIUM, team=True), "rare_team": one(RARE, team=True),
        "phrase": one(PHRASE), "phrase_team": one(PHRASE, team=True), "common_last_page": one(COMMON, late=True),
        "one_character": one(COMMON[0]), "absent": one("瑰宝"),
    }  # fmt: skip


def measure(database: Database, count: int, repeats: int) -> dict[str, float]:
    """Load one database and time all searches in turn."""
    upgrade(database)
    figures = load(database, count)
    asked, dice = searches(count), random.Random(8)
    taken: dict[str, list[float]] = {name: [] for name in asked}
    worked: dict[str, list[float]] = {name: [] for name in asked}
    hits: dict[str, int] = {}
    for _ in range(repeats):
        for name, ask in asked.items():
            began, busy = time.perf_counter(), time.process_time()
            hits[name] = ask(database, dice)
            taken[name].append(1000 * (time.perf_counter() - began))
            worked[name].append(1000 * (time.process_time() - busy))
    for name, times in taken.items():
        figures[f"{name}.hits"] = hits[name]
        figures[f"{name}.cpu_ms"] = round(statistics.median(worked[name]), 1)
        figures[f"{name}.p50_ms"] = round(statistics.median(times), 1)
        figures[f"{name}.p95_ms"] = round(statistics.quantiles(times, n=20)[18], 1)
    with database.read() as connection:
        assert connection.execute(select(func.count()).select_from(calls)).scalar_one() == count
    return figures


@contextmanager
def databases(only: str) -> Iterator[dict[str, str]]:
    """URLs by name; PostgreSQL only where a server is installed."""
    with tempfile.TemporaryDirectory(prefix="qingting-search-") as folder:
        urls = {"sqlite": f"sqlite:///{folder}/qingting.sqlite"} if only in ("", "sqlite") else {}
        if only == "sqlite" or server_programs() is None:
            yield urls
            return
        with postgres_server() as server:
            yield urls | {"postgresql": server.new_database()}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--calls", type=int, default=200_000, help="transcripts in each database")
    parser.add_argument("--repeats", type=int, default=30, help="times that each search is made")
    parser.add_argument("--only", choices=["sqlite", "postgresql"], default="", help="one database")
    chosen = parser.parse_args(arguments)
    figures: dict[str, float] = {"calls": chosen.calls}
    with databases(chosen.only) as urls:
        for name, url in urls.items():
            database = Database.open(url)
            found = measure(database, chosen.calls, chosen.repeats)
            database.close()
            figures |= {f"{name}.{key}": value for key, value in found.items()}
    if chosen.json:
        print(json.dumps(figures, indent=2))
    else:
        print("\n".join(f"{name:44} {value!s:>10}" for name, value in figures.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
