"""A year of a made-up centre, written straight into the tables; see dashboards.py."""

from __future__ import annotations

import io
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Table, insert, select

from qingting.service.contributions import bucket_of
from qingting.service.figures import number_of
from qingting.storage.database import Database
from qingting.storage.measures import Scope
from qingting.storage.tables import (
    MEASURE_COUNTS,
    RULE_COUNTS,
    calls,
    findings,
    latency_measures,
    rule_measures,
    rules,
)
from qingting.storage.tables import measures as measure_rows

Ints = NDArray[np.int64]
FIRST, DAYS = date(2025, 12, 1), 365
TEAMS, AGENTS, REASONS, LINES, HOURS = 10, 200, 50, 4, range(8, 22)
ITEMS, OTHERS = 12, 98
SUMMARIES = ("compliance.execution", "emotion_analyzer.curve", "keywords.counts", "dialect_detector.summary")
OUTCOMES = ("resolved", "unresolved", "unclear")
_REASON_RULE, _OUTCOME_RULE = ITEMS + OTHERS, ITEMS + OTHERS + REASONS
RULES = (
    *(f"compliance.item_{number}" for number in range(ITEMS)),
    *(f"custom_rules.rule_{number:02}" for number in range(OTHERS)),
    *(f"contact_reason.reason_{number}" for number in range(REASONS)),
    *(f"resolution.{state}" for state in OUTCOMES),
)
KEYS: dict[Scope, list[str]] = {
    Scope.AGENT: [f"A{number:04}" for number in range(AGENTS)],
    Scope.HOUR: [f"{hour:02}" for hour in HOURS],
    Scope.LINE: [f"line_{number}" for number in range(LINES)],
    Scope.REASON: [f"reason_{number}" for number in range(REASONS)],
    Scope.TEAM: [f"班组{number}" for number in range(TEAMS)],
    Scope.TOTAL: [""],
    Scope.GRADE: ["不合格", "合格", "良好", "优秀"],
}
_INFO = '{"call_id": "c%d", "line_of_business": "ecommerce", "agent_channel": "auto", "direction": "inbound", '
_INFO += (
    '"started_at": "2026-01-01T09:00:00+08:00", "fields": {"queue": "售后", "campaign": "none"}, "medium": "voice"}'
)


@dataclass(frozen=True)
class Day:
    """One day's inspected calls as columns, one entry per call."""

    number: int
    keys: dict[Scope, Ints]
    counts: dict[str, Ints]
    latency_ms: Ints
    slots: Ints
    """Four rules per call that were found."""
    events: Ints
    """Columns call, rule, and the counts of RULE_COUNTS; one row per call and rule."""

    @property
    def size(self) -> int:
        """Number of calls."""
        return len(self.latency_ms)


@dataclass(frozen=True, kw_only=True)
class Centre:
    """What the year is like."""

    calls: int
    """Inspected ones; a twenty-fifth as many again are known and not inspected."""
    seed: int = 5

    @cached_property
    def _popularity(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        rare = 1 / np.arange(1, OTHERS + 1)
        reasons = 1 / np.arange(1, REASONS + 1) ** 0.7
        return rare / rare.sum(), reasons / reasons.sum()

    def days(self) -> Iterator[Day]:
        """Every day in order."""
        for place in range(DAYS):
            size = self.calls * (place + 1) // DAYS - self.calls * place // DAYS
            yield self._day(place, size, np.random.default_rng([self.seed, place]))

    def _day(self, place: int, size: int, own: np.random.Generator) -> Day:
        rare, popular = self._popularity
        agent = own.integers(0, AGENTS, size)
        score = np.clip(1000 - own.exponential(140, size), 300, 1000).round().astype(np.int64)
        grade = np.searchsorted([700, 850, 950], score, side="right")
        reason, outcome = own.choice(REASONS, size, p=popular), own.choice(3, size, p=[0.7, 0.2, 0.1])
        keys = {
            Scope.AGENT: agent, Scope.HOUR: own.integers(0, len(HOURS), size), Scope.LINE: own.integers(0, LINES, size),
            Scope.REASON: reason, Scope.TEAM: agent // (AGENTS // TEAMS), Scope.TOTAL: np.zeros(size, np.int64),
            Scope.GRADE: grade,
        }  # fmt: skip
        judged = np.hstack([np.ones((size, 6), bool), own.random((size, 6)) < 0.5])
        missed = judged & (own.random((size, ITEMS)) < np.linspace(0.01, 0.08, ITEMS))
        slots = ITEMS + own.choice(OTHERS, (size, 4), p=rare)
        slots[:, 0] = np.where(missed.any(axis=1), missed.argmax(axis=1), slots[:, 0])
        latency = np.exp(own.normal(np.log(8000), 0.9, size)).astype(np.int64)
        faults, waiting = own.integers(0, 3, size), (own.random(size) < 0.12).astype(np.int64)
        duration = own.integers(60_000, 600_000, size)
        one = np.ones(size, np.int64)
        counts = {
            "known": one, "inspected": one, "scored": one, "score_tenths": score, "medium": faults, "light": 4 - faults,
            "reviews": waiting, "review_calls": waiting, "items_judged": judged.sum(1),
            "items_met": (judged & ~missed).sum(1), "duration_ms": duration, "silence_ms": duration // 8,
            "agent_speech_ms": duration // 2, "customer_speech_ms": duration // 3, "latency_count": one,
            "latency_ms": latency,
        }  # fmt: skip
        counts |= {state: (outcome == number).astype(np.int64) for number, state in enumerate(OUTCOMES)}
        events = _events(judged, missed, slots, reason, outcome)
        return Day(number_of(FIRST + timedelta(days=place)), keys, counts, latency, slots, events)


def _events(judged: Any, missed: Any, slots: Ints, reason: Ints, outcome: Ints) -> Ints:
    """One row per call and rule: call, rule, hits, calls, doubtful, judged, met, tenths."""
    size = len(reason)
    index = np.arange(size)
    call, item = np.nonzero(judged)
    found = np.concatenate([slots.ravel(), _REASON_RULE + reason, _OUTCOME_RULE + outcome])
    found_in = np.concatenate([np.repeat(index, 4), index, index])
    where = np.concatenate([call * len(RULES) + item, found_in * len(RULES) + found])
    pairs, inverse = np.unique(where, return_inverse=True)
    zeros, ones = np.zeros(len(found), np.int64), np.ones(len(found), np.int64)
    hits = np.bincount(inverse, np.concatenate([np.zeros(len(call), np.int64), ones])).astype(np.int64)
    of_item = np.bincount(inverse, np.concatenate([np.ones(len(call), np.int64), zeros])).astype(np.int64)
    met = np.bincount(inverse, np.concatenate([~missed[call, item], zeros])).astype(np.int64)
    rule = pairs % len(RULES)
    tenths = np.where(rule < _REASON_RULE, -20 * hits, 0)
    return np.column_stack([pairs // len(RULES), rule, hits, (hits > 0), 0 * hits, of_item, met, tenths])


def measure_table(day: Day) -> Iterator[tuple[Any, ...]]:
    """Rows of `measures` of one day, summed at once."""
    team = day.keys[Scope.TEAM]
    for scope, key in day.keys.items():
        of_team = 0 * team if scope is Scope.TOTAL else team
        groups, inverse = np.unique(key * TEAMS + of_team, return_inverse=True)
        none = np.zeros(day.size, np.int64)
        columns = (day.counts.get(name, none) for name in MEASURE_COUNTS)
        sums = [np.bincount(inverse, column).astype(np.int64).tolist() for column in columns]
        for group, *values in zip(groups.tolist(), *sums, strict=True):
            yield scope.value, day.number, KEYS[scope][group // TEAMS], _team(scope, group % TEAMS), *values


def rule_table(day: Day) -> Ints:
    """Rows of `rule_measures` of one day as codes: scope, key, day, rule, team, counts."""
    parts = []
    call, rule = day.events[:, 0], day.events[:, 1]
    for code, scope in enumerate(SCOPES):
        team = 0 * day.keys[Scope.TEAM] if scope is Scope.TOTAL else day.keys[Scope.TEAM]
        place = (day.keys[scope] * TEAMS + team)[call]
        groups, inverse = np.unique(rule * 10_000 + place, return_inverse=True)
        sums = [np.bincount(inverse, day.events[:, 2 + number]).astype(np.int64) for number in range(len(RULE_COUNTS))]
        head = [np.full(len(groups), code), groups % 10_000 // TEAMS, np.full(len(groups), day.number)]
        parts.append(np.column_stack([*head, groups // 10_000, groups % TEAMS, *sums]))
    return np.concatenate(parts)


SCOPES = (Scope.AGENT, Scope.HOUR, Scope.LINE, Scope.REASON, Scope.TEAM, Scope.TOTAL)
"""Those of rules, in the order of their names."""


def _team(scope: Scope, team: int) -> str:
    return "" if scope is Scope.TOTAL else KEYS[Scope.TEAM][team]


def load(database: Database, centre: Centre) -> dict[str, int]:
    """Write the year; returns rows by table."""
    with database.write() as connection:
        connection.execute(insert(rules), [{"rule_id": one, "title": one, "dimension": "made_up"} for one in RULES])
        ids = {row.rule_id: row.id for row in connection.execute(select(rules))}
    writer = (_Sqlite if database.is_sqlite else _Postgres)(database)
    number, rule_parts, latency_rows = 0, [], []
    for day in centre.days():
        writer.write(calls, _call_columns(day, number))
        writer.write(findings, _finding_columns(day, number))
        number += day.size
        rule_parts.append(rule_table(day).astype(np.int32))
        rows = [*measure_table(day), *unknown(day)]
        writer.write(measure_rows, _columns(measure_rows, _joined(rows)))
        latency_rows += _latency_table(day)
    writer.write(latency_measures, _columns(latency_measures, latency_rows))
    table = np.concatenate(rule_parts)
    del rule_parts
    table = table[np.lexsort(table[:, 4::-1].T)]
    names = np.array([ids[one] for one in RULES])
    for part in np.array_split(table, max(len(table) // 500_000, 1)):
        writer.write(rule_measures, _rule_columns(part, names))
    writer.finish()
    return writer.rows


def _columns(table: Table, rows: Iterable[tuple[Any, ...]]) -> dict[str, Sequence[Any]]:
    return dict(zip((column.name for column in table.columns), zip(*rows, strict=True), strict=True))


def _joined(rows: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Add up rows of one key."""
    found: dict[tuple[Any, ...], list[int]] = {}
    for row in rows:
        held = found.setdefault(row[:4], [0] * len(MEASURE_COUNTS))
        for place, value in enumerate(row[4:]):
            held[place] += value
    return [(*key, *values) for key, values in sorted(found.items())]


def unknown(day: Day) -> list[tuple[Any, ...]]:
    """Calls without a report: known by team and in all."""
    each = day.size // 25 // TEAMS
    zeros = [0] * (len(MEASURE_COUNTS) - 1)
    rows = [(Scope.TEAM.value, day.number, team, team, each, *zeros) for team in KEYS[Scope.TEAM]]
    return [*rows, (Scope.TOTAL.value, day.number, "", "", each * TEAMS, *zeros)]


def _latency_table(day: Day) -> list[tuple[Any, ...]]:
    buckets = np.array([bucket_of(one) for one in day.latency_ms.tolist()])
    rows = []
    for scope in (Scope.TEAM, Scope.TOTAL):
        team = day.keys[Scope.TEAM] if scope is Scope.TEAM else 0
        groups, numbers = np.unique(team * 1000 + buckets, return_counts=True)
        rows += [
            (scope.value, day.number, _team(scope, group // 1000), group % 1000, number)
            for group, number in zip(groups.tolist(), numbers.tolist(), strict=True)
        ]
    return rows


def _texts(scope: Scope, codes: Ints) -> list[str]:
    found: list[str] = np.array(KEYS[scope], dtype=object)[codes].tolist()
    return found


def _call_columns(day: Day, before: int) -> dict[str, Sequence[Any]]:
    size, own = day.size, np.random.default_rng(day.number)
    numbers = range(before + 1, before + size + 1)
    hours = [int(hour) for hour in _texts(Scope.HOUR, day.keys[Scope.HOUR])]
    started = [1000 * (86_400 * (day.number % 400) + 3600 * hour) for hour in hours]
    faults = day.counts["medium"].tolist()
    return {
        "id": list(numbers), "call_id": [f"c{number}" for number in numbers],
        "line_of_business": _texts(Scope.LINE, day.keys[Scope.LINE]), "medium": ["voice"] * size,
        "direction": ["inbound"] * size, "agent_id": _texts(Scope.AGENT, day.keys[Scope.AGENT]),
        "team": _texts(Scope.TEAM, day.keys[Scope.TEAM]),
        "customer_reference": [f"K{one}" for one in own.integers(0, 700_000, size).tolist()],
        "started_ms": started, "day": [day.number] * size, "hour": hours,
        "duration_ms": day.counts["duration_ms"].tolist(), "csat": [4.5] * size,
        "info": [_INFO % number for number in numbers], "source": ["api"] * size, "created_ms": started,
        "state": ["inspected"] * size, "report_id": [f"{number:026}" for number in numbers],
        "score": (day.counts["score_tenths"] / 10).tolist(), "grade": _texts(Scope.GRADE, day.keys[Scope.GRADE]),
        "worst_level": [2 if number else 3 for number in faults], "faults": faults,
        "reviews": day.counts["reviews"].tolist(), "reason": _texts(Scope.REASON, day.keys[Scope.REASON]),
        "resolution": ["resolved"] * size, "language": ["zh"] * size,
    }  # fmt: skip


def _finding_columns(day: Day, before: int) -> dict[str, Sequence[Any]]:
    size = day.size
    outcome = np.select([day.counts[state] > 0 for state in OUTCOMES], range(3))
    found = np.column_stack([day.slots, _REASON_RULE + day.keys[Scope.REASON], _OUTCOME_RULE + outcome])
    names = np.array([*RULES, *SUMMARIES], dtype=object)
    summaries = np.tile(np.arange(len(RULES), len(RULES) + len(SUMMARIES)), (size, 1))
    rule: list[str] = names[np.hstack([found, summaries]).ravel()].tolist()
    repeat = np.repeat(np.arange(size), len(rule) // size)
    number: list[int] = (repeat + before + 1).tolist()
    many = len(rule)
    return {
        "report_id": [f"{one:026}" for one in number], "call": number,
        "finding_id": [f"{one}#1" for one in rule], "rule_id": rule, "rule_version": ["1"] * many,
        "dimension": [one.partition(".")[0] for one in rule], "title": ["通话中的一处问题"] * many, "level": [2] * many,
        "polarity": ["fault"] * many, "standing": ["counted"] * many, "who": ["agent"] * many, "points": [-2.0] * many,
        "confidence": [0.9] * many, "start_ms": [12_000] * many, "day": [day.number] * many,
        "agent_id": _texts(Scope.AGENT, day.keys[Scope.AGENT][repeat]),
        "team": _texts(Scope.TEAM, day.keys[Scope.TEAM][repeat]),
    }  # fmt: skip


def _rule_columns(part: NDArray[np.int32], ids: Ints) -> dict[str, Sequence[Any]]:
    scopes = part[:, 0].tolist()
    keys = [KEYS[SCOPES[scope]][key] for scope, key in zip(scopes, part[:, 1].tolist(), strict=True)]
    teams = [_team(SCOPES[scope], team) for scope, team in zip(scopes, part[:, 4].tolist(), strict=True)]
    head = {"scope": [SCOPES[scope].value for scope in scopes], "rule": ids[part[:, 3]].tolist()}
    counts = {name: part[:, 5 + place].tolist() for place, name in enumerate(RULE_COUNTS)}
    return {**head, "day": part[:, 2].tolist(), "key": keys, "team": teams, **counts}


class _Writer:
    """Writes whole columns; indexes are made at the end."""

    def __init__(self, database: Database) -> None:
        self.database, self.rows = database, dict[str, int]()
        self._indexes = [index for table in (calls, findings, rule_measures) for index in table.indexes]
        with database.engine.begin() as connection:
            for index in self._indexes:
                index.drop(connection)

    def write(self, table: Table, columns: dict[str, Sequence[Any]]) -> None:
        self.put(table, columns)
        self.rows[table.name] = self.rows.get(table.name, 0) + len(next(iter(columns.values())))

    def put(self, table: Table, columns: dict[str, Sequence[Any]]) -> None:
        raise NotImplementedError

    def finish(self) -> None:
        with self.database.engine.begin() as connection:
            for index in self._indexes:
                index.create(connection)


class _Sqlite(_Writer):
    def __init__(self, database: Database) -> None:
        super().__init__(database)
        database.close()
        self._connection = sqlite3.connect(str(database.engine.url.database))
        self._connection.execute("PRAGMA journal_mode=OFF")
        self._connection.execute("PRAGMA synchronous=OFF")
        self._connection.execute("PRAGMA cache_size=-500000")

    def put(self, table: Table, columns: dict[str, Sequence[Any]]) -> None:
        marks = ", ".join("?" * len(columns))
        names = ", ".join(columns)
        self._connection.executemany(
            f"INSERT INTO {table.name} ({names}) VALUES ({marks})", zip(*columns.values(), strict=True)
        )

    def finish(self) -> None:
        self._connection.commit()
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.close()
        super().finish()


class _Postgres(_Writer):
    def __init__(self, database: Database) -> None:
        super().__init__(database)
        with database.engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE findings DROP CONSTRAINT fk_findings_report_id")

    def put(self, table: Table, columns: dict[str, Sequence[Any]]) -> None:
        form = "\t".join(["%s"] * len(columns)) + "\n"
        text = io.StringIO()
        text.writelines(form % row for row in zip(*columns.values(), strict=True))
        with self.database.engine.begin() as connection:
            cursor: Any = connection.connection.cursor()
            with cursor.copy(f"COPY {table.name} ({', '.join(columns)}) FROM STDIN") as copy:
                copy.write(text.getvalue())

    def finish(self) -> None:
        super().finish()
        with self.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            # What the server does by itself after a while.
            connection.exec_driver_sql("VACUUM ANALYZE")
