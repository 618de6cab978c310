"""Search in what was said."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from qingting.api import problems
from qingting.api.dependencies import Needs, TheService
from qingting.api.limits import address_of
from qingting.api.schemas.calls import SearchHit, SearchPage, SearchQuery
from qingting.model.account import Actor, Permission
from qingting.service import reading

router = APIRouter(prefix="/search", tags=["calls"])


@router.get("", operation_id="search_calls", summary="Search in calls' words", responses=problems.documented())
def search_calls(
    query: Annotated[SearchQuery, Query()],
    actor: Annotated[Actor, Depends(Needs(Permission.CALLS_READ))],
    service: TheService,
    request: Request,
) -> SearchPage:
    """List calls within reach in which all the words are said, newest first, with the places masked."""
    page = reading.search_calls(
        service,
        actor,
        query.q,
        query.wanted(),
        limit=query.limit,
        after=query.cursor,
        address=address_of(request),
    )
    return SearchPage(items=[SearchHit.of(hit) for hit in page.items], next_cursor=page.next_key or None)
