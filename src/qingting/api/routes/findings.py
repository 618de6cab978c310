"""Findings over many calls."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from qingting.api import problems
from qingting.api.dependencies import Needs, TheService
from qingting.api.schemas.calls import FindingPage, FindingQuery, ListedFinding
from qingting.model.account import Actor, Permission
from qingting.service import reading

router = APIRouter(prefix="/findings", tags=["calls"])


@router.get("", operation_id="list_findings", summary="List findings", responses=problems.documented())
def list_findings(
    query: Annotated[FindingQuery, Query()],
    actor: Annotated[Actor, Depends(Needs(Permission.CALLS_READ))],
    service: TheService,
) -> FindingPage:
    """List findings of the latest reports within reach, newest first."""
    page = reading.list_findings(service, actor, query.wanted(), limit=query.limit, after=query.cursor)
    return FindingPage(items=[ListedFinding.of(row) for row in page.items], next_cursor=page.next_key or None)
