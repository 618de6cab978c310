"""Feedback on the hints that agents are shown in running calls."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from qingting.api import problems
from qingting.api.dependencies import Needs, TheService
from qingting.api.schemas.assist import (
    FeedbackBody,
    FeedbackView,
    HintFeedbackSummary,
    HintFiguresView,
    HintId,
    HintQuery,
)
from qingting.api.schemas.common import CallId
from qingting.api.schemas.measures import Days
from qingting.model.account import Actor, Permission
from qingting.model.assist_feedback import Verdict
from qingting.service import assist_feedback

router = APIRouter(prefix="/live", tags=["live"])


@router.post(
    "/calls/{call_id}/hints/{hint_id}/feedback",
    operation_id="give_hint_feedback",
    summary="Say what a hint was worth",
    responses=problems.documented(404),
)
def give_hint_feedback(
    request: Request,
    call_id: CallId,
    hint_id: HintId,
    body: FeedbackBody,
    actor: Annotated[Actor, Depends(Needs(Permission.CALLS_READ))],
    service: TheService,
) -> FeedbackView:
    """Say whether a hint of a call within reach was useful, during the call or after; saying it again changes it."""
    given = assist_feedback.give(service, actor, call_id, hint_id, body.verdict)
    if given.verdict is Verdict.DISMISSED:
        request.app.state.dismiss_hint(call_id, hint_id)
    return FeedbackView.of(call_id, given)


@router.get(
    "/hints/feedback",
    operation_id="hint_feedback",
    summary="What hints are worth",
    responses=problems.documented(),
)
def hint_feedback(
    query: Annotated[HintQuery, Query()],
    actor: Annotated[Actor, Depends(Needs(Permission.MEASURES_READ))],
    service: TheService,
) -> HintFeedbackSummary:
    """Count the hints that agents were shown in a period, and what was said of them."""
    period, rows = assist_feedback.summary(service, actor, query.wanted(), by_topic=query.by_topic)
    return HintFeedbackSummary(period=Days.of(period), items=tuple(HintFiguresView.of(row) for row in rows))
