"""Calls: lists, reports, words, sound, deletion."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from qingting.api import problems
from qingting.api.dependencies import Needs, TheService
from qingting.api.limits import address_of
from qingting.api.schemas.calls import CallPage, CallQuery, CallView, Deletion, ListedCall, TranscriptView
from qingting.api.schemas.common import PLAIN, CallId, Reveal
from qingting.api.schemas.inspections import Inspection, inspection_of_report, respond
from qingting.api.schemas.jobs import JobView, ReanalysisBody
from qingting.errors import InvalidRequestError
from qingting.model.account import Actor, Permission
from qingting.report.formats.html import render_html
from qingting.report.formats.json import to_plain
from qingting.service import job_control, listening, reading, retention
from qingting.service.documents import call_from_plain
from qingting.service.listening import Piece

router = APIRouter(tags=["calls"])
Reader = Annotated[Actor, Depends(Needs(Permission.CALLS_READ))]
Listener = Annotated[Actor, Depends(Needs(Permission.CALLS_LISTEN))]
Manager = Annotated[Actor, Depends(Needs(Permission.JOBS_MANAGE))]
Deleter = Annotated[Actor, Depends(Needs(Permission.CALLS_DELETE))]
Moment = Annotated[int, Query(ge=0, le=366 * 86_400_000, description="Milliseconds from the recording's start.")]
Form = Annotated[Literal["mp3", "wav"], Query(description="Form of the sound.")]

_SOUND: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The sound.",
        "content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in ("audio/mpeg", "audio/wav")},
    }
}
_PAGE_POLICY = {"Content-Security-Policy": "frame-ancestors 'self'", "X-Frame-Options": "SAMEORIGIN"}
"""The page brings a policy of its own for what it may run; the service's own pages may show it."""


@router.get("/calls", operation_id="list_calls", summary="List calls", responses=problems.documented())
def list_calls(query: Annotated[CallQuery, Query()], actor: Reader, service: TheService) -> CallPage:
    """List calls within reach, newest first."""
    page = reading.list_calls(service, actor, query.wanted(), limit=query.limit, after=query.cursor)
    return CallPage(items=[ListedCall.of(row) for row in page.items], next_cursor=page.next_key or None)


@router.get("/calls/{call_id}", operation_id="get_call", summary="Get a call", responses=problems.documented(404))
def get_call(call_id: CallId, actor: Reader, service: TheService, request: Request) -> CallView:
    """Return what is known of a call besides its words."""
    detail = reading.get_call(service, actor, call_id, address=address_of(request))
    masker = reading.masker_of(service)
    fields = call_from_plain(detail.call.info).fields
    return CallView.of_detail(detail, {name: masker.mask_text(value) for name, value in fields.items()})


@router.get(
    "/calls/{call_id}/report",
    operation_id="get_report",
    summary="Get a call's report",
    response_model=Inspection,
    responses=problems.documented(404),
)
def get_report(
    call_id: CallId, actor: Reader, service: TheService, request: Request, *, reveal: Reveal = False
) -> Response:
    """Return the call's latest report, personal data masked unless it is revealed."""
    found = reading.read_report(service, actor, call_id, reveal=reveal, address=address_of(request))
    return respond(inspection_of_report(found))


@router.get(
    "/calls/{call_id}/report.html",
    operation_id="get_report_page",
    summary="Get a call's report as a page",
    response_class=Response,
    responses={
        **problems.documented(404),
        200: {
            "description": "A page that needs nothing else.",
            "content": {"text/html": {"schema": {"type": "string"}}},
        },
    },
)
def get_report_page(
    call_id: CallId,
    actor: Reader,
    service: TheService,
    request: Request,
    *,
    reveal: Reveal = False,
    sound: Annotated[bool, Query(description="Embed the sound, where the role may listen.")] = True,
) -> Response:
    """Return the call's latest report as one page in Chinese, with a player; personal data masked and silenced."""
    address = address_of(request)
    found = reading.read_report(service, actor, call_id, reveal=reveal, address=address)
    audio, peaks = None, None
    if sound:
        audio, peaks = listening.player_of(service, actor, found, reader=request.app.state.reader, address=address)
    page = render_html(found.report, audio_mp3=audio, peaks=peaks)
    return Response(page, media_type="text/html; charset=utf-8", headers=_PAGE_POLICY)


@router.get(
    "/calls/{call_id}/transcript",
    operation_id="get_transcript",
    summary="Get a call's words",
    response_model=TranscriptView,
    responses=problems.documented(404),
)
def get_transcript(
    call_id: CallId, actor: Reader, service: TheService, request: Request, *, reveal: Reveal = False
) -> Response:
    """Return the call's words, personal data masked unless it is revealed."""
    address = address_of(request)
    found = reading.read_report(service, actor, call_id, reveal=reveal, address=address, words_only=True)
    words = to_plain(found.report)["transcript"]
    return respond({"call_id": found.call.call_id, "masked": found.masked, "transcript": words})


@router.get(
    "/calls/{call_id}/recording",
    operation_id="get_recording",
    summary="Listen to a call",
    response_class=Response,
    responses={**problems.documented(404, 415), **_SOUND},
)
def get_recording(
    call_id: CallId,
    actor: Listener,
    service: TheService,
    request: Request,
    *,
    reveal: Reveal = False,
    form: Annotated[Form, Query(alias="format")] = "mp3",
) -> Response:
    """Return the whole recording, personal data silenced unless it is revealed."""
    return _sound(request, actor, call_id, Piece(form=form), reveal=reveal)


@router.get(
    "/calls/{call_id}/clip",
    operation_id="get_clip",
    summary="Listen to a part of a call",
    response_class=Response,
    responses={**problems.documented(404, 415), **_SOUND},
)
def get_clip(
    call_id: CallId,
    actor: Listener,
    request: Request,
    start_ms: Moment,
    end_ms: Moment,
    *,
    reveal: Reveal = False,
    form: Annotated[Form, Query(alias="format")] = "mp3",
) -> Response:
    """Return a part of the recording, personal data silenced unless it is revealed."""
    if end_ms <= start_ms:
        raise InvalidRequestError("end_ms must lie behind start_ms.", field="query.end_ms")
    return _sound(request, actor, call_id, Piece(start_ms=start_ms, end_ms=end_ms, form=form), reveal=reveal)


@router.post(
    "/calls/{call_id}/reanalyse",
    operation_id="reanalyse_call",
    summary="Analyse a call again",
    status_code=202,
    responses=problems.documented(404, 409),
)
def reanalyse_call(
    call_id: CallId, body: ReanalysisBody, actor: Manager, service: TheService, request: Request
) -> JobView:
    """Analyse the stored words under today's rules, agent and customer put right if asked; nothing is heard again."""
    job = job_control.reanalyse(
        service, actor, call_id, agent=body.agent, priority=body.priority, address=address_of(request)
    )
    return JobView.of(job)


@router.delete(
    "/calls/{call_id}", operation_id="delete_call", summary="Delete a call", responses=problems.documented(404)
)
def delete_call(call_id: CallId, actor: Deleter, service: TheService, request: Request) -> Deletion:
    """Delete a call with its recordings, words and reports; sums over many calls stay."""
    return _deletion(retention.delete_call(service, actor, call_id, address=address_of(request)))


@router.delete(
    "/customers/{reference:path}",
    operation_id="delete_customer",
    summary="Delete all data of a customer",
    responses=problems.documented(404),
)
def delete_customer(
    reference: Annotated[str, Path(min_length=1, max_length=256, pattern=PLAIN)],
    actor: Deleter,
    service: TheService,
    request: Request,
) -> Deletion:
    """Delete all calls with this customer reference; a customer without calls is no error."""
    return _deletion(retention.delete_customer(service, actor, reference, address=address_of(request)))


def _deletion(deleted: retention.Deleted) -> Deletion:
    return Deletion(**{name: getattr(deleted, name) for name in Deletion.model_fields})


def _sound(request: Request, actor: Actor, call_id: str, piece: Piece, *, reveal: bool) -> Response:
    state = request.app.state
    sound = listening.listen(
        state.service,
        actor,
        call_id,
        piece,
        reader=state.reader,
        reveal=reveal,
        address=address_of(request),
    )
    headers = {"Content-Disposition": f'inline; filename="recording.{piece.form}"'}
    return Response(sound.data, media_type=sound.media_type, headers=headers)
