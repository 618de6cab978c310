"""Figures over many calls: dashboards read these."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query

from qingting.api import problems
from qingting.api.dependencies import Needs, TheService
from qingting.api.schemas.measures import (
    ComparisonQuery,
    ComparisonView,
    CoverageDay,
    CoverageFigures,
    CoverageView,
    DayFigures,
    Days,
    LatencyDay,
    LatencyView,
    MeasureQuery,
    OverviewView,
    RowView,
    RuleComparisonView,
    RuleListView,
    RuleQuery,
    RuleRowView,
    RuleView,
    TrendView,
)
from qingting.model.account import Actor, Permission
from qingting.service import figures
from qingting.service.figures import Dimension

router = APIRouter(prefix="/measures", tags=["measures"])
Reader = Annotated[Actor, Depends(Needs(Permission.MEASURES_READ))]
RuleId = Annotated[str, Path(max_length=128, pattern=r"^[^\x00-\x1f\x7f]+$", examples=["compliance.opening"])]
Filter = Annotated[MeasureQuery, Query()]


@router.get(
    "/overview", operation_id="measures_overview", summary="A period at a glance", responses=problems.documented()
)
def overview(actor: Reader, service: TheService, query: Filter) -> OverviewView:
    """Sum up a period, and the period of the same length before it."""
    return OverviewView.of(figures.overview(service, actor, query.wanted()))


@router.get("/trend", operation_id="measures_trend", summary="Figures day by day", responses=problems.documented())
def trend(actor: Reader, service: TheService, query: Filter) -> TrendView:
    """Give the figures of every day."""
    period, days = figures.trend(service, actor, query.wanted())
    items = tuple(DayFigures(day=day, figures=found) for day, found in days)
    return TrendView(period=Days.of(period), items=items)


@router.get(
    "/by/{dimension}", operation_id="measures_by", summary="Figures by agent, team …", responses=problems.documented()
)
def compare(
    dimension: Dimension, actor: Reader, service: TheService, query: Annotated[ComparisonQuery, Query()]
) -> ComparisonView:
    """Compare agents, teams, hours, contact reasons, lines of business or grades: those with most calls first."""
    period, rows = figures.compare(service, actor, query.wanted(), dimension)
    items = tuple(RowView(key=row.key, label=row.label, figures=row.figures) for row in rows[: query.limit])
    return ComparisonView(period=Days.of(period), items=items, left_off=len(rows) - len(items))


@router.get("/coverage", operation_id="measures_coverage", summary="Share inspected", responses=problems.documented())
def coverage(actor: Reader, service: TheService, query: Filter) -> CoverageView:
    """Tell how many of the known calls were inspected, in all and day by day."""
    period, total, days = figures.coverage(service, actor, query.wanted())
    items = tuple(CoverageDay(day=day, figures=CoverageFigures.of(found)) for day, found in days)
    return CoverageView(period=Days.of(period), figures=CoverageFigures.of(total), items=items)


@router.get("/latency", operation_id="measures_latency", summary="Time to the report", responses=problems.documented())
def latency(actor: Reader, service: TheService, query: Filter) -> LatencyView:
    """Tell how long reports took, in all and day by day; for the centre or a team."""
    period, total, days = figures.latency(service, actor, query.wanted())
    items = tuple(LatencyDay(day=day, latency=found) for day, found in days)
    return LatencyView(period=Days.of(period), latency=total, items=items)


@router.get("/rules", operation_id="measures_rules", summary="Rates of rules", responses=problems.documented())
def rules(actor: Reader, service: TheService, query: Annotated[RuleQuery, Query()]) -> RuleListView:
    """List rules with how often they were found, and compliance items with how often they were carried out.

    `items_only` leaves compliance items that were judged; with the order `missed` the first are those that
    agents forget most.
    """
    period, found = figures.rule_list(
        service, actor, query.wanted(), query.order, items_only=query.items_only, dimension=query.dimension
    )
    items = tuple(RuleView.of(rule) for rule in found[: query.limit])
    return RuleListView(period=Days.of(period), items=items, left_off=len(found) - len(items))


@router.get(
    "/rules/{rule_id}/by/{dimension}",
    operation_id="measures_rule_by",
    summary="One rule by agent, team …",
    responses=problems.documented(404),
)
def rule_by(
    rule_id: RuleId,
    dimension: Dimension,
    actor: Reader,
    service: TheService,
    query: Annotated[ComparisonQuery, Query()],
) -> RuleComparisonView:
    """Compare one rule between agents, teams, hours, contact reasons or lines of business: most missed first."""
    period, rule, rows = figures.rule_by(service, actor, query.wanted(), rule_id, dimension)
    items = tuple(RuleRowView(key=row.key, label=row.label, figures=row.figures) for row in rows[: query.limit])
    return RuleComparisonView(
        period=Days.of(period), rule=RuleView.of(rule), items=items, left_off=len(rows) - len(items)
    )
