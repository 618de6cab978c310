"""Figures over many calls; docs/reference/measures.md defines each of them."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import Field

from qingting.api.schemas.common import Body, Text64, Text128, View
from qingting.service import figures as use_cases
from qingting.service.figure_formulas import Figures, Latency, RuleFigures
from qingting.service.figures import Period, RuleOrder, Wanted

Rate = Annotated[float | None, Field(ge=0, examples=[0.9724])]


Rows = Annotated[int, Field(ge=1, le=5000)]


class MeasureQuery(Body):
    """Which calls count. `team` goes with each other filter; of the others one can be given at a time."""

    from_: Annotated[date | None, Field(alias="from", examples=["2026-11-01"])] = None
    """First day, in the centre's time zone; 29 days before the last when it is left out."""
    to: Annotated[date | None, Field(examples=["2026-11-30"])] = None
    """Last day, inclusive; today when it is left out."""
    team: Text128 = ""
    """Only calls of this team."""
    agent_id: Text128 = ""
    """Only calls of this agent."""
    line_of_business: Text64 = ""
    """Only calls of this line of business."""
    hour: Annotated[int | None, Field(ge=0, le=23)] = None
    """Only calls that began in this hour of the day."""
    reason: Text128 = ""
    """Only calls with this contact reason."""

    def wanted(self) -> Wanted:
        """As the service has it."""
        return Wanted(
            from_day=self.from_,
            to_day=self.to,
            team=self.team,
            agent_id=self.agent_id,
            line_of_business=self.line_of_business,
            hour=self.hour,
            reason=self.reason,
        )


class ComparisonQuery(MeasureQuery):
    """Which calls count, and how many rows are shown."""

    limit: Rows = 500
    """Most rows; those with most calls come first."""


class RuleQuery(MeasureQuery):
    """Which calls count, and which rules are shown."""

    order: RuleOrder = RuleOrder.MISSED
    """Which come first."""
    items_only: bool = False
    """Only compliance items that were judged."""
    dimension: Annotated[Text64, Field(examples=["compliance"])] = ""
    """Only rules of this dimension."""
    limit: Rows = 200
    """Most rules."""


class Days(View):
    """The days that an answer is about, both inclusive."""

    first: date
    last: date

    @classmethod
    def of(cls, period: Period) -> Days:
        """Show a period."""
        return cls(first=period.first, last=period.last)


class OverviewView(View):
    """A period at a glance, beside the period of the same length before it."""

    period: Days
    figures: Figures
    previous: Figures
    """Of the period of the same length just before."""
    grades: dict[str, int] | None = Field(examples=[{"优秀": 812, "良好": 1430, "合格": 240, "不合格": 18}])
    """Grade -> calls, '' are calls that could not be scored; null where grades are not kept (one agent, hour …)."""
    latency: Latency | None
    """Time to the report; null where it is not kept (one agent, line of business, hour, reason)."""

    @classmethod
    def of(cls, overview: use_cases.Overview) -> OverviewView:
        """Show an overview."""
        return cls(
            period=Days.of(overview.period),
            figures=overview.figures,
            previous=overview.previous,
            grades=None if overview.grades is None else dict(overview.grades),
            latency=overview.latency,
        )


class DayFigures(View):
    """One day."""

    day: date
    figures: Figures


class TrendView(View):
    """Every day of a period, those without calls too."""

    period: Days
    items: tuple[DayFigures, ...]


class RowView(View):
    """One agent, team, hour …"""

    key: str = Field(examples=["A1024"])
    """As filters take it; empty where the calls name none."""
    label: str = Field(examples=["A1024"])
    """For people."""
    figures: Figures


class ComparisonView(View):
    """Figures by agent, team, hour …"""

    period: Days
    items: tuple[RowView, ...]
    left_off: int
    """Further rows that `limit` left out."""


class CoverageFigures(View):
    """How many of the calls were inspected."""

    calls: int
    """已知通话: all calls by call record or submission."""
    inspected: int
    failed: int
    """Calls whose recording could not be inspected."""
    waiting: int
    """Calls without a recording, or whose inspection is under way."""
    coverage: Rate
    """质检覆盖率: inspected / calls."""

    @classmethod
    def of(cls, figures: Figures) -> CoverageFigures:
        """Show what figures say of coverage."""
        waiting = max(figures.calls - figures.inspected - figures.failed, 0)
        return cls(
            calls=figures.calls,
            inspected=figures.inspected,
            failed=figures.failed,
            waiting=waiting,
            coverage=figures.coverage,
        )


class CoverageDay(View):
    """One day."""

    day: date
    figures: CoverageFigures


class CoverageView(View):
    """质检覆盖率 of a period and of each of its days."""

    period: Days
    figures: CoverageFigures
    items: tuple[CoverageDay, ...]


class LatencyDay(View):
    """One day."""

    day: date
    latency: Latency


class LatencyView(View):
    """出报告用时 of a period and of each of its days; days are those of the calls."""

    period: Days
    latency: Latency
    items: tuple[LatencyDay, ...]


class RuleView(View):
    """One rule or compliance item."""

    rule_id: str = Field(examples=["compliance.opening"])
    title: str = Field(examples=["开场问候"])
    dimension: str = Field(examples=["compliance"])
    figures: RuleFigures

    @classmethod
    def of(cls, rule: use_cases.Rule) -> RuleView:
        """Show a rule."""
        return cls(rule_id=rule.rule_id, title=rule.title, dimension=rule.dimension, figures=rule.figures)


class RuleListView(View):
    """Rules in the order that was asked for."""

    period: Days
    items: tuple[RuleView, ...]
    left_off: int
    """Further rules that `limit` left out."""


class RuleRowView(View):
    """One rule in the calls of one agent, team, hour …"""

    key: str
    label: str
    figures: RuleFigures


class RuleComparisonView(View):
    """One rule by agent, team, hour …"""

    period: Days
    rule: RuleView
    items: tuple[RuleRowView, ...]
    left_off: int
    """Further rows that `limit` left out."""
