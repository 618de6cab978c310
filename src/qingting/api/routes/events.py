"""What happens, as it happens: server-sent events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from qingting.api import problems
from qingting.api.dependencies import Needs, TheService
from qingting.api.schemas.common import ULID
from qingting.api.waiting import waker
from qingting.model.account import Actor, Permission
from qingting.model.event import EventKind, ServiceEvent
from qingting.service.event_feed import EventFeed, Listener
from qingting.service.watching import Watch, past_events

if TYPE_CHECKING:
    from qingting.service.center import Service

router = APIRouter(prefix="/events", tags=["events"])

HEARTBEAT_SECONDS = 15.0
"""Proxies close connections that say nothing."""
LONGEST_SECONDS = 900.0
"""Then the watcher has to sign in anew: what was taken from it meanwhile must take effect."""
_MEDIA_TYPE = "text/event-stream"
_OptionalId = Annotated[str, Query(pattern=f"^({ULID[1:-1]})?$")]


@dataclass(frozen=True, kw_only=True)
class _Stream:
    """One watcher's connection."""

    service: Service
    feed: EventFeed
    watch: Watch
    after: int | None
    """Last event that the watcher has seen; None begins with what comes now."""


@router.get(
    "",
    operation_id="watch_events",
    summary="Watch jobs and alerts",
    response_class=StreamingResponse,
    responses={
        **problems.documented(),
        200: {
            "description": "Events: `job` and `alert` with JSON as data; `dropped` (too slow), `missed` (too old to "
            "resume) and `closed` at the end of a stream.",
            "content": {_MEDIA_TYPE: {"schema": {"type": "string"}}},
        },
    },
)
async def watch_events(
    request: Request,
    actor: Annotated[
        Actor,
        Depends(Needs(Permission.JOBS_READ, Permission.CALLS_READ, Permission.CALLS_SUBMIT, Permission.ALERTS_READ)),
    ],
    service: TheService,
    kind: Annotated[EventKind | None, Query()] = None,
    job_id: _OptionalId = "",
    batch_id: _OptionalId = "",
    last_event_id: Annotated[str, Header(alias="Last-Event-ID", pattern="^([0-9]{1,18})?$")] = "",
) -> StreamingResponse:
    """Stream job progress and alerts of calls within reach.

    A connection lasts at most 15 minutes; browsers come back by themselves, and the header Last-Event-ID resumes
    where they were.
    """
    stream = _Stream(
        service=service,
        feed=request.app.state.event_feed,
        watch=Watch(actor=actor, kind=kind, job_id=job_id, batch_id=batch_id),
        after=int(last_event_id) if last_event_id else None,
    )
    woken = asyncio.Event()
    listener = Listener(wants=stream.watch.wants, wake=waker(woken))
    # Before the answer begins, so that too many watchers get a status that says so.
    upto = await run_in_threadpool(stream.feed.listen, listener)
    return StreamingResponse(
        _events(stream, listener, woken, upto),
        media_type=_MEDIA_TYPE,
        headers={"X-Accel-Buffering": "no"},
    )


async def _events(stream: _Stream, listener: Listener, woken: asyncio.Event, upto: int) -> AsyncIterator[str]:
    loop = asyncio.get_running_loop()
    end = loop.time() + LONGEST_SECONDS
    try:
        yield "retry: 2000\n\n"
        sent: set[int] = set()
        if stream.after is not None:
            past, complete = await run_in_threadpool(past_events, stream.service, stream.watch, stream.after, upto)
            if not complete:
                yield _event("missed", {"from": stream.after})
            sent = {event.id for event in past}
            for text in _written(past):
                yield text
        while not (listener.dropped or listener.ended or loop.time() > end):
            try:
                async with asyncio.timeout(HEARTBEAT_SECONDS):
                    await woken.wait()
            except TimeoutError:
                yield ": still here\n\n"
            woken.clear()
            for text in _written([event for event in listener.take() if event.id not in sent]):
                yield text
        yield _event("dropped" if listener.dropped else "closed", {})
    finally:
        stream.feed.forget(listener)


def _written(found: list[ServiceEvent]) -> Iterator[str]:
    for event in found:
        data = {
            "id": event.id,
            "kind": event.kind.value,
            "name": event.name,
            "at_ms": event.at_ms,
            "job_id": event.job_id,
            "batch_id": event.batch_id,
            "call_id": event.call_id,
            "data": dict(event.data),
        }
        yield f"id: {event.id}\n{_event(event.kind.value, data)}"


def _event(name: str, data: dict[str, Any]) -> str:
    return f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"
