"""Running calls: sound in over WebSockets, the wall and each call's events out as server-sent events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request, WebSocket
from fastapi.responses import StreamingResponse

from qingting.api import problems
from qingting.api.dependencies import Needs, TheService
from qingting.api.live_sockets import Connection
from qingting.api.schemas.common import PLAIN, CallId
from qingting.api.schemas.live import Expectation, ExpectedCall, LiveCall, LiveCallList
from qingting.errors import AccessDeniedError, ConflictError
from qingting.live.doors.freeswitch import FreeSwitchDoor
from qingting.live.doors.twilio import TwilioDoor
from qingting.live.doors.websocket import OwnDoor
from qingting.model.account import Actor, Permission
from qingting.service import call_data

if TYPE_CHECKING:
    from qingting.live.calls import LiveCalls, RunningCall
    from qingting.model.call import CallInfo

router = APIRouter(prefix="/live", tags=["live"])

HEARTBEAT_SECONDS = 15.0
"""Proxies close connections that say nothing."""
LONGEST_SECONDS = 900.0
"""Then the watcher has to sign in anew: what was taken from it meanwhile must take effect."""
TOGETHER_SECONDS = 0.2
"""Changes on the wall within so long come together."""
_STREAM = "text/event-stream"
_HEADERS = {"X-Accel-Buffering": "no"}
Team = Annotated[str, Query(max_length=128, pattern=PLAIN, description="Only calls of this team.")]
Agent = Annotated[str, Query(max_length=128, pattern=PLAIN, description="Only calls of this agent.")]

OneCall = Annotated[str, Query(max_length=128, pattern=PLAIN, description="Only this call.")]


@router.websocket("")
async def live(websocket: WebSocket) -> None:
    """Bring a call and hear what it tells, by Qingting's own protocol."""
    await Connection(websocket, OwnDoor(), resumable=True).run()


@router.websocket("/twilio")
async def twilio(websocket: WebSocket) -> None:
    """Bring a call as Twilio's Media Streams do."""
    await Connection(websocket, TwilioDoor(), resumable=False).run()


@router.websocket("/freeswitch")
async def freeswitch(websocket: WebSocket) -> None:
    """Bring a call as FreeSWITCH's modules of audio streams do."""
    await Connection(websocket, FreeSwitchDoor(dict(websocket.query_params)), resumable=False).run()


def _live(request: Request) -> LiveCalls:
    calls: LiveCalls = request.app.state.live
    return calls


def _wants(actor: Actor, team: str, agent_id: str, call_id: str = "") -> Callable[[CallInfo], bool]:
    def wants(call: CallInfo) -> bool:
        return (
            actor.reach.covers(agent_id=call.agent_id, team=call.team)
            and team in ("", call.team)
            and agent_id in ("", call.agent_id)
            and call_id in ("", call.call_id)
        )

    return wants


Reader = Annotated[Actor, Depends(Needs(Permission.CALLS_READ))]


@router.get("/calls", operation_id="list_live_calls", summary="List running calls", responses=problems.documented())
async def list_live_calls(request: Request, actor: Reader, team: Team = "", agent_id: Agent = "") -> LiveCallList:
    """List the calls within reach that run now, as their lines on the wall; words are masked."""
    lines = _live(request).wall.lines(_wants(actor, team, agent_id))
    return LiveCallList(items=[LiveCall.model_validate_json(line) for line in lines])


@router.get(
    "/wall",
    operation_id="watch_wall",
    summary="Watch running calls",
    response_class=StreamingResponse,
    responses={
        **problems.documented(),
        200: {
            "description": "Events `call` with a LiveCall as data: all calls that run, then each whose line changed; "
            "one whose state is `reported` or `failed` is over. `closed` ends a stream.",
            "content": {_STREAM: {"schema": {"type": "string"}}},
        },
    },
)
async def watch_wall(
    request: Request, actor: Reader, team: Team = "", agent_id: Agent = "", call_id: OneCall = ""
) -> StreamingResponse:
    """Stream the lines of running calls within reach: state, risk, moods, last words (masked), faults, alerts.

    A slow watcher gets the newest line of each call. A connection lasts at most 15 minutes; browsers come back by
    themselves.
    """
    wall = _live(request).wall
    watcher = wall.watch(_wants(actor, team, agent_id, call_id))

    async def stream() -> AsyncIterator[str]:
        loop = asyncio.get_running_loop()
        end = loop.time() + LONGEST_SECONDS
        try:
            yield "retry: 2000\n\n"
            while not request.app.state.ending.is_set() and loop.time() < end:
                for line in watcher.take():
                    yield f"event: call\ndata: {line}\n\n"
                if await _changed(watcher.changed, request.app.state.ending):
                    await asyncio.sleep(TOGETHER_SECONDS)
                else:
                    yield ": still here\n\n"
            yield "event: closed\ndata: {}\n\n"
        finally:
            wall.forget(watcher)

    return StreamingResponse(stream(), media_type=_STREAM, headers=_HEADERS)


@router.get(
    "/calls/{call_id}/events",
    operation_id="watch_live_call",
    summary="Watch one running call",
    response_class=StreamingResponse,
    responses={
        **problems.documented(404),
        200: {
            "description": "Each event of the call with its `type` as name and its sequence number as id; `closed` "
            "at the end.",
            "content": {_STREAM: {"schema": {"type": "string"}}},
        },
    },
)
async def watch_live_call(
    request: Request,
    actor: Reader,
    call_id: CallId,
    last_event_id: Annotated[str, Header(alias="Last-Event-ID", pattern="^([0-9]{1,9})?$")] = "",
) -> StreamingResponse:
    """Stream what a running call within reach tells, from its begin or from after an event; words are masked."""
    call = _live(request).find(call_id, _wants(actor, "", ""))
    return StreamingResponse(_events(request, call, int(last_event_id or 0)), media_type=_STREAM, headers=_HEADERS)


@router.post(
    "/expected",
    operation_id="expect_live_call",
    summary="Announce a call",
    status_code=201,
    responses=problems.documented(409),
)
async def expect_live_call(
    request: Request,
    actor: Annotated[Actor, Depends(Needs(Permission.CALLS_SUBMIT))],
    service: TheService,
    expected: ExpectedCall,
) -> Expectation:
    """Say what is known of a call whose sound will come over AudioSocket, and get the UUID that it must name.

    The UUID is good once, for ten minutes.
    """
    if not service.settings.live.audiosocket_port:
        raise ConflictError("AudioSocket is not open here.", remedy="Set live.audiosocket_port.")
    call = expected.call_info()
    if not actor.reach.covers(agent_id=call.agent_id, team=call.team):
        raise AccessDeniedError("The call's team is none of those that the key may submit for.")
    call_data.check_texts(call)
    return Expectation(uuid=request.app.state.expected.add(actor, expected.announced()))


async def _events(request: Request, call: RunningCall, after: int) -> AsyncIterator[str]:
    loop, changed = asyncio.get_running_loop(), asyncio.Event()
    end = loop.time() + LONGEST_SECONDS
    call.log.listen(changed.set)
    try:
        yield "retry: 2000\n\n"
        while not request.app.state.ending.is_set() and loop.time() < end:
            changed.clear()
            events, forgotten = call.log.after(after)
            if forgotten:
                yield "event: missed\ndata: {}\n\n"
            for after, text in events:
                yield f"id: {after}\nevent: {_type_of(text)}\ndata: {text}\n\n"
            if call.log.closed and after >= call.log.last:
                break
            if not await _changed(changed, request.app.state.ending):
                yield ": still here\n\n"
        yield "event: closed\ndata: {}\n\n"
    finally:
        call.log.forget(changed.set)


def _type_of(text: str) -> str:
    found: dict[str, Any] = json.loads(text)
    return str(found["type"])


async def _changed(event: asyncio.Event, ending: asyncio.Event) -> bool:
    """Wait for an event; False when nothing came for a while, or the service stops."""
    waiting = [asyncio.create_task(event.wait()), asyncio.create_task(ending.wait())]
    try:
        await asyncio.wait(waiting, timeout=HEARTBEAT_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        return event.is_set()
    finally:
        for task in waiting:
            task.cancel()
