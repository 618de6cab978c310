"""Figures over many calls for people: overview, trend, comparisons, rates of rules, latency.

All come from sums per day (qingting.storage.measures). Which filters can be joined follows from which sums
are kept; anything else is refused by name. Teams within reach restrict every figure; agents see only
their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from qingting.errors import InvalidRequestError, NotFoundError
from qingting.service.figure_formulas import (
    Figures,
    Latency,
    RuleFigures,
    figures_of,
    latency_of,
    rule_figures_of,
)
from qingting.storage import measures
from qingting.storage.measures import By, Scope, Slice

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from qingting.model.account import Actor
    from qingting.service.center import Service

LONGEST_DAYS = 1100
"""Longest period: three years."""
DEFAULT_DAYS = 30
_COVERAGE = ("known", "inspected", "failed")


class Dimension(StrEnum):
    """By what figures are compared."""

    AGENT = "agent"
    TEAM = "team"
    HOUR = "hour"
    REASON = "reason"
    LINE = "line"
    GRADE = "grade"

    @property
    def scope(self) -> Scope:
        """The rows that hold it."""
        return Scope(self.value)


class RuleOrder(StrEnum):
    """Which rules come first."""

    MISSED = "missed"
    """Most calls in which the compliance item was not carried out."""
    RATE = "rate"
    """Lowest execution rate; rules without one come last."""
    CALLS = "calls"
    """Most calls with a sure finding."""
    POINTS = "points"
    """Most points taken off."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which calls count; empty fields do not restrict."""

    from_day: date | None = None
    """None is 29 days before the last day."""
    to_day: date | None = None
    """Inclusive; None is today in the centre's time zone."""
    team: str = ""
    agent_id: str = ""
    line_of_business: str = ""
    hour: int | None = None
    """0 to 23."""
    reason: str = ""
    """Contact reason."""


@dataclass(frozen=True, kw_only=True)
class Period:
    """Days, both inclusive."""

    first: date
    last: date

    @property
    def days(self) -> int:
        """How many."""
        return (self.last - self.first).days + 1

    def before(self) -> Period:
        """Return the period of the same length just before."""
        return Period(first=self.first - timedelta(days=self.days), last=self.first - timedelta(days=1))

    def each(self) -> Iterable[date]:
        """Every day in order."""
        return (self.first + timedelta(days=number) for number in range(self.days))


@dataclass(frozen=True, kw_only=True)
class Overview:
    """A period at a glance, and the one before it."""

    period: Period
    figures: Figures
    previous: Figures
    """Of the period of the same length just before."""
    grades: Mapping[str, int] | None
    """Grade -> calls; None where grades are not kept for what was asked."""
    latency: Latency | None
    """None where latencies are not kept for what was asked."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """The figures of one agent, team, hour …"""

    key: str
    """Empty where the calls name none."""
    label: str
    """For people."""
    figures: Figures


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One rule or compliance item; of all calls asked for, or of those of one agent, team …"""

    rule_id: str
    title: str
    dimension: str
    figures: RuleFigures


@dataclass(frozen=True, kw_only=True)
class RuleRow:
    """One rule in the calls of one agent, team, hour …"""

    key: str
    label: str
    figures: RuleFigures


def overview(service: Service, actor: Actor, wanted: Wanted) -> Overview:
    """Sum up a period and the one before it; raises InvalidRequestError."""
    period = period_of(service, wanted)
    now = _slice(actor, wanted, period)
    kept = now.scope in (Scope.TOTAL, Scope.TEAM)
    with service.database.read() as connection:
        return Overview(
            period=period,
            figures=_total(connection, now),
            previous=_total(connection, _slice(actor, wanted, period.before())),
            grades=_grades(connection, now) if kept else None,
            latency=latency_of(measures.latencies(connection, now).get("", {})) if kept else None,
        )


def trend(service: Service, actor: Actor, wanted: Wanted) -> tuple[Period, list[tuple[date, Figures]]]:
    """Figures of every day, those without calls too; raises InvalidRequestError."""
    period = period_of(service, wanted)
    with service.database.read() as connection:
        found = measures.sums(connection, _slice(actor, wanted, period), By.DAY)
    return period, [(day, figures_of(found.get(number_of(day), {}))) for day in period.each()]


def coverage(service: Service, actor: Actor, wanted: Wanted) -> tuple[Period, Figures, list[tuple[date, Figures]]]:
    """Known, inspected and failed calls of a whole period and of its days; raises InvalidRequestError."""
    period = period_of(service, wanted)
    chosen = _slice(actor, wanted, period)
    with service.database.read() as connection:
        total = figures_of(measures.sums(connection, chosen, names=_COVERAGE).get("", {}))
        found = measures.sums(connection, chosen, By.DAY, names=_COVERAGE)
    return period, total, [(day, figures_of(found.get(number_of(day), {}))) for day in period.each()]


def compare(service: Service, actor: Actor, wanted: Wanted, by: Dimension) -> tuple[Period, list[Row]]:
    """Figures by agent, team, hour …: hours in order, others by number of calls; raises InvalidRequestError."""
    period = period_of(service, wanted)
    chosen, group = _slice_by(actor, wanted, period, by)
    with service.database.read() as connection:
        found = measures.sums(connection, chosen, group)
        label = _labels(connection, by, [str(key) for key in found])
    rows = [Row(key=str(key), label=label(str(key)), figures=figures_of(counts)) for key, counts in found.items()]
    if by is Dimension.HOUR:
        return period, sorted(rows, key=lambda row: row.key)
    return period, sorted(rows, key=lambda row: (-row.figures.calls, -row.figures.inspected, row.key))


def latency(service: Service, actor: Actor, wanted: Wanted) -> tuple[Period, Latency, list[tuple[date, Latency]]]:
    """Percentiles of the time to a report, of the whole period and of every day; raises InvalidRequestError."""
    period = period_of(service, wanted)
    chosen = _slice(actor, wanted, period)
    if chosen.scope not in (Scope.TOTAL, Scope.TEAM):
        raise _not_kept("Latencies are kept for the whole centre and for teams only.")
    with service.database.read() as connection:
        by_day = measures.latencies(connection, chosen, By.DAY)
    total: dict[int, int] = {}
    for buckets in by_day.values():
        for bucket, reports in buckets.items():
            total[bucket] = total.get(bucket, 0) + reports
    days = [(day, latency_of(by_day.get(number_of(day), {}))) for day in period.each()]
    return period, latency_of(total), days


def rule_list(
    service: Service, actor: Actor, wanted: Wanted, order: RuleOrder, *, items_only: bool = False, dimension: str = ""
) -> tuple[Period, list[Rule]]:
    """Rules with their figures; `items_only` leaves compliance items. Raises InvalidRequestError."""
    period = period_of(service, wanted)
    chosen = _slice(actor, wanted, period)
    with service.database.read() as connection:
        inspected = _inspected(connection, chosen)[""]
        found = measures.sums_by_rule(connection, chosen)
        words = measures.titles(connection, found)
    rules = [
        Rule(
            rule_id=rule_id,
            title=words[rule_id][0],
            dimension=words[rule_id][1],
            figures=rule_figures_of(counts, inspected),
        )
        for rule_id, counts in found.items()
        if any(counts.values())
    ]
    shown = [
        rule
        for rule in rules
        if (rule.figures.judged or not items_only) and (not dimension or rule.dimension == dimension)
    ]
    return period, sorted(shown, key=_order(order))


def rule_by(
    service: Service, actor: Actor, wanted: Wanted, rule_id: str, by: Dimension
) -> tuple[Period, Rule, list[RuleRow]]:
    """One rule by agent, team, hour …; raises NotFoundError, InvalidRequestError."""
    period = period_of(service, wanted)
    if by is Dimension.GRADE:
        raise _not_kept("Rules are not kept by grade.")
    chosen, group = _slice_by(actor, wanted, period, by)
    whole = _slice(actor, wanted, period)
    with service.database.read() as connection:
        words = measures.titles(connection, [rule_id]).get(rule_id)
        if words is None:
            raise NotFoundError("No such rule.")
        total = measures.rule_sums(connection, whole, rule_id=rule_id).get("", {})
        figures = rule_figures_of(total, _inspected(connection, whole)[""])
        inspected = _inspected(connection, chosen, group)
        found = measures.rule_sums(connection, chosen, rule_id=rule_id, by=group)
        label = _labels(connection, by, [str(key) for key in found])
    rows = [
        RuleRow(
            key=str(key),
            label=label(str(key)),
            figures=rule_figures_of(counts, inspected.get(key, 0)),
        )
        for key, counts in found.items()
    ]
    rows.sort(key=lambda row: row.key if by is Dimension.HOUR else (-row.figures.missed, -row.figures.calls, row.key))
    return period, Rule(rule_id=rule_id, title=words[0], dimension=words[1], figures=figures), rows


def period_of(service: Service, wanted: Wanted) -> Period:
    """Return the days that are asked for; raises InvalidRequestError for none and for too many."""
    last = wanted.to_day or service.local(service.clock()).date()
    first = wanted.from_day or last - timedelta(days=DEFAULT_DAYS - 1)
    period = Period(first=first, last=last)
    if period.days < 1:
        raise InvalidRequestError("The period ends before it begins.", field="from")
    if period.days > LONGEST_DAYS or first.year < 1971:
        raise InvalidRequestError(f"A period has at most {LONGEST_DAYS} days.", field="from")
    return period


def number_of(day: date) -> int:
    """Write a day as the tables do: 20261130."""
    return day.year * 10_000 + day.month * 100 + day.day


def _slice(actor: Actor, wanted: Wanted, period: Period) -> Slice:
    teams, narrow = _allowed(actor, wanted)
    scope, key = narrow or (Scope.TOTAL if teams is None else Scope.TEAM, None)
    return Slice(scope=scope, key=key, teams=teams, from_day=number_of(period.first), to_day=number_of(period.last))


def _slice_by(actor: Actor, wanted: Wanted, period: Period, by: Dimension) -> tuple[Slice, By]:
    """Rows that hold a dimension, and what of them is grouped."""
    teams, narrow = _allowed(actor, wanted)
    scope, key, group = by.scope, None, By.KEY
    if narrow is not None:
        scope, key = narrow
        if by is Dimension.TEAM:
            group = By.TEAM
        elif by.scope is not scope:
            raise _not_kept(f"Figures by {by.value} are not kept for a single {scope.value}.")
    days = {"from_day": number_of(period.first), "to_day": number_of(period.last)}
    return Slice(scope=scope, key=key, teams=teams, **days), group


def _allowed(actor: Actor, wanted: Wanted) -> tuple[tuple[str, ...] | None, tuple[Scope, str] | None]:
    """Teams that may count (None is all), and the one agent, line, hour or reason that is asked for."""
    reach = actor.reach
    teams: tuple[str, ...] | None = (wanted.team,) if wanted.team else None
    agent_id = wanted.agent_id
    if not reach.everything and reach.teams:
        teams = tuple(team for team in reach.teams if wanted.team in ("", team))
    elif not reach.everything:
        if not reach.agent_id or agent_id not in ("", reach.agent_id):
            # Out of reach looks like unknown: there is nothing.
            teams = ()
        agent_id = agent_id or reach.agent_id
    asked = [
        (Scope.AGENT, agent_id),
        (Scope.LINE, wanted.line_of_business),
        (Scope.HOUR, "" if wanted.hour is None else f"{wanted.hour:02}"),
        (Scope.REASON, wanted.reason),
    ]
    narrow = [(scope, key) for scope, key in asked if key]
    if len(narrow) > 1:
        names = " and ".join(scope.value for scope, _ in narrow)
        raise _not_kept(f"Figures are not kept by {names} at once.")
    return teams, narrow[0] if narrow else None


def _not_kept(cause: str) -> InvalidRequestError:
    return InvalidRequestError(cause, remedy="Leave one of the filters out; `team` goes with each of them.")


def _total(connection: Connection, chosen: Slice) -> Figures:
    return figures_of(measures.sums(connection, chosen).get("", {}))


def _inspected(connection: Connection, chosen: Slice, by: By | None = None) -> dict[str | int, int]:
    found = measures.sums(connection, chosen, by, names=("inspected",))
    return {key: counts["inspected"] for key, counts in found.items()}


def _grades(connection: Connection, chosen: Slice) -> dict[str, int]:
    grades = Slice(scope=Scope.GRADE, from_day=chosen.from_day, to_day=chosen.to_day, teams=chosen.teams)
    found = measures.sums(connection, grades, By.KEY)
    return {str(grade): counts["inspected"] for grade, counts in found.items() if counts["inspected"]}


_UNNAMED = {
    Dimension.AGENT: "坐席未知",
    Dimension.TEAM: "未分组",
    Dimension.REASON: "未提及来电原因",
    Dimension.LINE: "业务未知",
    Dimension.GRADE: "未评分",
}


def _labels(connection: Connection, by: Dimension, keys: Sequence[str]) -> Callable[[str], str]:
    names: dict[str, str] = {"": _UNNAMED.get(by, "")}
    if by is Dimension.HOUR:
        names |= {key: f"{key}:00–{key}:59" for key in keys}
    if by is Dimension.REASON:
        titles = measures.titles(connection, [f"contact_reason.{key}" for key in keys if key])
        names |= {rule_id.partition(".")[2]: title.removeprefix("来电原因：") for rule_id, (title, _) in titles.items()}
    return lambda key: names.get(key, key)


def _order(order: RuleOrder) -> Callable[[Rule], tuple[float, ...]]:
    def key(rule: Rule) -> tuple[float, ...]:
        figures = rule.figures
        rate = 2.0 if figures.rate is None else figures.rate
        first = {
            RuleOrder.MISSED: (-figures.missed,),
            RuleOrder.RATE: (rate, -figures.judged),
            RuleOrder.CALLS: (-figures.calls,),
            RuleOrder.POINTS: (figures.points,),
        }[order]
        return (*first, -figures.calls, -figures.doubtful)

    return key
