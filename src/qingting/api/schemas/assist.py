"""Hints for agents in running calls, and what people think of them."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from fastapi import Path
from pydantic import Field

from qingting.api.schemas.common import EXAMPLE_MS, Body, Text128, View
from qingting.api.schemas.measures import Days
from qingting.model.assist_feedback import HintFeedback, Verdict
from qingting.model.live_event import HintKind
from qingting.service.assist_feedback import HintFigures
from qingting.service.figures import Wanted

HintId = Annotated[str, Path(pattern="^[a-z0-9_-]{1,64}$", examples=["h3"])]


class FeedbackBody(Body):
    """What somebody says of a hint."""

    verdict: Literal[Verdict.USEFUL, Verdict.NOT_USEFUL, Verdict.DISMISSED]
    """`dismissed`: no more of its kind and topic in this call."""


class FeedbackView(View):
    """What somebody said of a hint."""

    call_id: str = Field(examples=["20261130-0042"])
    hint_id: str = Field(examples=["h3"])
    kind: HintKind
    kind_chinese: str = Field(examples=["安抚"])
    topic: str = Field(examples=["mood"])
    verdict: Verdict
    at_ms: int = Field(examples=[EXAMPLE_MS])

    @classmethod
    def of(cls, call_id: str, feedback: HintFeedback) -> FeedbackView:
        """Show what was stored."""
        return cls(
            call_id=call_id,
            hint_id=feedback.hint_id,
            kind=feedback.kind,
            kind_chinese=feedback.kind.chinese,
            topic=feedback.topic,
            verdict=feedback.verdict,
            at_ms=feedback.at_ms,
        )


class HintQuery(Body):
    """Which calls' hints count."""

    from_: Annotated[date | None, Field(alias="from", examples=["2026-11-01"])] = None
    """First day of the calls, in the centre's time zone; 29 days before the last when it is left out."""
    to: Annotated[date | None, Field(examples=["2026-11-30"])] = None
    """Last day, inclusive; today when it is left out."""
    team: Text128 = ""
    """Only calls of this team."""
    agent_id: Text128 = ""
    """Only calls of this agent."""
    by_topic: bool = False
    """One row per kind and topic instead of one per kind."""

    def wanted(self) -> Wanted:
        """As the service has it."""
        return Wanted(from_day=self.from_, to_day=self.to, team=self.team, agent_id=self.agent_id)


class HintFiguresView(View):
    """What became of the hints of a kind, or of a kind and topic."""

    kind: HintKind
    kind_chinese: str = Field(examples=["安抚"])
    topic: str = Field(examples=[""])
    """Empty where all topics of the kind are counted together."""
    shown: int
    """Hints that agents were shown."""
    useful: int
    not_useful: int
    dismissed: int
    """Verdicts; several people may give one on the same hint."""

    @classmethod
    def of(cls, row: HintFigures) -> HintFiguresView:
        """Show a row."""
        return cls(
            kind=row.kind,
            kind_chinese=row.kind.chinese,
            topic=row.topic,
            shown=row.shown,
            useful=row.useful,
            not_useful=row.not_useful,
            dismissed=row.dismissed,
        )


class HintFeedbackSummary(View):
    """Hints and verdicts of a period, the most shown first."""

    period: Days
    items: tuple[HintFiguresView, ...]
