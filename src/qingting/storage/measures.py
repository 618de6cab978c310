"""Figures over many calls, kept as sums per day and written with each report (docs/reference/measures.md).

A row sums the calls of one day, one key (an agent, an hour, a contact reason …) and one team, so that
whoever may see some teams gets every figure without reading single findings. All sums are whole
numbers: what a report added is taken back exactly when another takes its place.
"""

from __future__ import annotations

import json
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Table,
    bindparam,
    cast,
    func,
    literal,
    select,
)

from qingting.storage.statements import add_up, change_rows, insert_for
from qingting.storage.tables import (
    MEASURE_COUNTS,
    RULE_COUNTS,
    latency_measures,
    measures,
    reports,
    rule_measures,
    rules,
)

_RULES = select(rules).where(rules.c.rule_id.in_(bindparam("wanted", expanding=True)))
_BOOKED = (
    select(reports.c.call, reports.c.contributions)
    .where(reports.c.id == bindparam("id"), reports.c.latest)
    .with_for_update()
)


class Scope(StrEnum):
    """What the key of a row is."""

    TOTAL = "total"
    """All calls; key and team are empty."""
    TEAM = "team"
    AGENT = "agent"
    HOUR = "hour"
    """`00` to `23`, the hour in which the call began, in the centre's time zone."""
    REASON = "reason"
    """Contact reason; empty where the report names none."""
    LINE = "line"
    """Line of business."""
    GRADE = "grade"
    """Grade of the score; empty for calls that could not be scored. Not kept for single rules."""


MeasureKey = tuple[str, int, str, str]
"""scope, day, key, team"""
RuleKey = tuple[str, str, int, str, str]
"""scope, rule id, day, key, team"""
LatencyKey = tuple[str, int, str, int]
"""scope (total or team), day, team, bucket"""
Counts = Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class Contributions:
    """What something adds to the figures."""

    measures: Mapping[MeasureKey, Counts] = field(default_factory=dict)
    rule_measures: Mapping[RuleKey, Counts] = field(default_factory=dict)
    latency_measures: Mapping[LatencyKey, int] = field(default_factory=dict)
    """Reports per bucket."""
    titles: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Rule id -> Chinese title and dimension; not summed."""

    def to_bytes(self) -> bytes:
        """Write it down, compressed."""
        parts = {
            "measures": [[*key, dict(counts)] for key, counts in self.measures.items()],
            "rule_measures": [[*key, dict(counts)] for key, counts in self.rule_measures.items()],
            "latency_measures": [[*key, reports] for key, reports in self.latency_measures.items()],
            "titles": {rule_id: list(words) for rule_id, words in self.titles.items()},
        }
        return zlib.compress(json.dumps(parts, ensure_ascii=False, separators=(",", ":")).encode())

    @classmethod
    def from_bytes(cls, data: bytes) -> Contributions:
        """Read it back; of no bytes come no contributions."""
        if not data:
            return cls()
        parts = json.loads(zlib.decompress(data))
        return cls(
            measures={tuple(key): counts for *key, counts in parts["measures"]},
            rule_measures={tuple(key): counts for *key, counts in parts["rule_measures"]},
            latency_measures={tuple(key): reports for *key, reports in parts["latency_measures"]},
            titles={rule_id: tuple(words) for rule_id, words in parts["titles"].items()},
        )


def net(added: Iterable[Contributions], removed: Iterable[Contributions] = ()) -> Contributions:
    """Join contributions to what they come to; what does not change anything is left out."""
    sums: defaultdict[MeasureKey, dict[str, int]] = defaultdict(dict)
    rule_sums: defaultdict[RuleKey, dict[str, int]] = defaultdict(dict)
    buckets: defaultdict[LatencyKey, int] = defaultdict(int)
    titles: dict[str, tuple[str, str]] = {}
    for sign, parts in ((-1, removed), (1, added)):
        for part in parts:
            for key, counts in part.measures.items():
                _add(sums[key], counts, sign)
            for rule_key, counts in part.rule_measures.items():
                _add(rule_sums[rule_key], counts, sign)
            for bucket, number in part.latency_measures.items():
                buckets[bucket] += sign * number
            titles.update(part.titles)
    return Contributions(
        measures={key: counts for key, counts in sums.items() if any(counts.values())},
        rule_measures={key: counts for key, counts in rule_sums.items() if any(counts.values())},
        latency_measures={key: reports for key, reports in buckets.items() if reports},
        titles=titles,
    )


def _add(to: dict[str, int], counts: Counts, sign: int) -> None:
    for name, value in counts.items():
        to[name] = to.get(name, 0) + sign * value


def apply(connection: Connection, contributions: Contributions, *, sign: int = 1) -> None:
    """Add contributions to the figures, or take them back with a sign of -1.

    Rows are locked in one order by everybody. A transaction that adds some and takes others back
    therefore joins them first (`net`) and calls this once.
    """
    rows = contributions if sign == 1 else net((), (contributions,))
    ids = _rule_ids(connection, contributions) if rows.rule_measures else {}
    zeros, rule_zeros = dict.fromkeys(MEASURE_COUNTS, 0), dict.fromkeys(RULE_COUNTS, 0)
    add_up(
        connection,
        measures,
        [
            {"scope": scope, "day": day, "key": key, "team": team, **zeros, **counts}
            for (scope, day, key, team), counts in rows.measures.items()
        ],
    )
    add_up(
        connection,
        rule_measures,
        [
            {"scope": scope, "rule": ids[rule_id], "day": day, "key": key, "team": team, **rule_zeros, **counts}
            for (scope, rule_id, day, key, team), counts in rows.rule_measures.items()
        ],
    )
    add_up(
        connection,
        latency_measures,
        [
            {"scope": scope, "day": day, "team": team, "bucket": bucket, "reports": reports}
            for (scope, day, team, bucket), reports in rows.latency_measures.items()
        ],
    )


def _rule_ids(connection: Connection, contributions: Contributions) -> dict[str, int]:
    """Return the rules' numbers; new rules are entered, and new titles take the place of old ones."""
    wanted = sorted({key[1] for key in contributions.rule_measures})
    known = {row.rule_id: row for row in connection.execute(_RULES, {"wanted": wanted})}
    changed = []
    for rule_id in wanted:
        row = known.get(rule_id)
        title, dimension = contributions.titles.get(rule_id, (row.title, row.dimension) if row else (rule_id, ""))
        if row is None or (row.title, row.dimension) != (title, dimension):
            changed.append({"rule_id": rule_id, "title": title[:255], "dimension": dimension[:64]})
    if changed:
        statement = insert_for(connection, rules)
        new = {name: statement.excluded[name] for name in ("title", "dimension")}
        connection.execute(statement.on_conflict_do_update(index_elements=["rule_id"], set_=new), changed)
        known = {row.rule_id: row for row in connection.execute(_RULES, {"wanted": wanted})}
    return {rule_id: row.id for rule_id, row in known.items()}


@dataclass(frozen=True, kw_only=True)
class Slice:
    """Which rows are summed."""

    scope: Scope
    from_day: int
    to_day: int
    """Last day, inclusive."""
    key: str | None = None
    """Only this key; None for all keys of the scope."""
    teams: tuple[str, ...] | None = None
    """Only calls of these teams; None for all."""


class By(StrEnum):
    """What the sums are kept apart by."""

    KEY = "key"
    DAY = "day"
    TEAM = "team"


def sums(
    connection: Connection, wanted: Slice, by: By | None = None, *, names: tuple[str, ...] = MEASURE_COUNTS
) -> dict[str | int, Counts]:
    """Sum up the measures, or those named; one entry per key, day or team that has any, or a single one under ''."""
    return dict(_summed(connection, measures, names, wanted, by))


def rule_sums(connection: Connection, wanted: Slice, *, rule_id: str, by: By | None = None) -> dict[str | int, Counts]:
    """Sum up one rule, as `sums` does."""
    number = connection.execute(select(rules.c.id).where(rules.c.rule_id == rule_id)).scalar_one_or_none()
    only = rule_measures.c.rule == number
    return dict(_summed(connection, rule_measures, RULE_COUNTS, wanted, by, only)) if number is not None else {}


def sums_by_rule(connection: Connection, wanted: Slice) -> dict[str, Counts]:
    """Sum up every rule that has any sums; by rule id."""
    rule = _computed(rule_measures.c.rule)
    totals = [_sum(rule_measures.c[name]) for name in RULE_COUNTS]
    query = select(rule, *totals).where(*_conditions(rule_measures, wanted)).group_by(rule)
    found = {number: _counts(RULE_COUNTS, values) for number, *values in connection.execute(query)}
    names = select(rules.c.id, rules.c.rule_id).where(rules.c.id.in_(list(found)))
    return {rule_id: found[number] for number, rule_id in connection.execute(names)}


def latencies(connection: Connection, wanted: Slice, by: By | None = None) -> dict[str | int, dict[int, int]]:
    """Reports per latency bucket; kept apart by day or team, or a single entry under ''.

    The slice's scope is `total` or `team`: nothing else is kept.
    """
    c = latency_measures.c
    group = literal("") if by is None else c[by.value]
    query = select(group, c.bucket, _sum(c.reports)).group_by(group, c.bucket)
    found: dict[str | int, dict[int, int]] = {}
    for of, bucket, number in connection.execute(query.where(*_conditions(latency_measures, wanted))):
        if number:
            found.setdefault(of, {})[bucket] = number
    return found


def titles(connection: Connection, rule_ids: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Chinese title and dimension of rules as last seen; by rule id."""
    found = connection.execute(_RULES, {"wanted": list(rule_ids)})
    return {row.rule_id: (row.title, row.dimension) for row in found}


def booked_reports(connection: Connection, *, after: str, limit: int) -> list[str]:
    """Ids of latest reports, whose contributions are in the figures; those after an id, in order."""
    query = select(reports.c.id).where(reports.c.latest, reports.c.id > after).order_by(reports.c.id).limit(limit)
    return list(connection.execute(query).scalars())


def lock_contributions(connection: Connection, report_id: str) -> tuple[int, bytes] | None:
    """Call number and contributions of a report while it is the latest, kept from other writers; else None."""
    row = connection.execute(_BOOKED, {"id": report_id}).one_or_none()
    return None if row is None else (row.call, row.contributions)


def save_contributions(connection: Connection, report_id: str, contributions: bytes) -> None:
    """Set what a report has added to the figures."""
    change_rows(connection, reports, {"id": report_id}, {"contributions": contributions})


def _summed(
    connection: Connection,
    table: Table,
    names: tuple[str, ...],
    wanted: Slice,
    by: By | None,
    *conditions: ColumnElement[bool],
) -> Iterator[tuple[str | int, Counts]]:
    group = literal("") if by is None else _computed(table.c[by.value])
    query = select(group, *(_sum(table.c[name]) for name in names)).where(*_conditions(table, wanted), *conditions)
    for of, *values in connection.execute(query if by is None else query.group_by(group)):
        counts = _counts(names, values)
        # Rows of calls that were moved elsewhere stay, with nothing in them.
        if by is None or any(values):
            yield of, counts


def _computed(column: Column[Any]) -> ColumnElement[Any]:
    """Return a column's value as one that is computed.

    A bare column to group by would lead SQLite to read the rows of all days in its order.
    """
    return column + (0 if column.type.python_type is int else "")


def _sum(column: Column[int]) -> ColumnElement[int]:
    """Sum up whole numbers to a whole number: PostgreSQL would make decimals of them, which are slow to read."""
    return cast(func.sum(column), BigInteger)


def _counts(names: tuple[str, ...], values: Iterable[int | None]) -> dict[str, int]:
    """Give sums by name; those of no rows are none."""
    return {name: value or 0 for name, value in zip(names, values, strict=True)}


def _conditions(table: Table, wanted: Slice) -> list[ColumnElement[bool]]:
    c = table.c
    found = [c.scope == wanted.scope.value, c.day.between(wanted.from_day, wanted.to_day)]
    if "key" in c:
        keys = None if wanted.key is None else [wanted.key]
        if wanted.scope is Scope.TOTAL:
            keys = [""]
        elif wanted.scope is Scope.TEAM and wanted.teams is not None:
            # The key is the team; naming it lets the index find the rows.
            keys = [team for team in wanted.teams if wanted.key in (None, team)]
        found += [] if keys is None else [c.key.in_(keys)]
    return found if wanted.teams is None else [*found, c.team.in_(wanted.teams)]
