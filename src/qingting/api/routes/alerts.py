"""Alerts: to be seen, taken on, closed."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query

from qingting.api import problems
from qingting.api.dependencies import Needs, TheService
from qingting.api.schemas.alerts import AlertList, AlertView, Handling
from qingting.model.account import Actor, Permission
from qingting.model.alert import AlertState
from qingting.model.finding import Level
from qingting.service import alerting
from qingting.storage.alerts import AlertFilter

router = APIRouter(prefix="/alerts", tags=["alerts"])
Reader = Annotated[Actor, Depends(Needs(Permission.ALERTS_READ))]
Handler = Annotated[Actor, Depends(Needs(Permission.ALERTS_HANDLE))]
AlertId = Annotated[str, Path(pattern="^[0-9a-z]{26}$", examples=["01k5w3v0q8m2f7r4t9x1c6b3zd"])]
_PLAIN = Query(max_length=128, pattern=r"^[^\x00-\x1f\x7f]*$")
_MOMENT = Query(ge=0, lt=2**53)


@router.get("", operation_id="list_alerts", summary="List alerts", responses=problems.documented())
def list_alerts(
    actor: Reader,
    service: TheService,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str, Query(pattern="^([0-9a-z]{26})?$")] = "",
    level: Annotated[Level | None, Query()] = None,
    state: Annotated[AlertState | None, Query()] = None,
    team: Annotated[str, _PLAIN] = "",
    agent_id: Annotated[str, _PLAIN] = "",
    call_id: Annotated[str, _PLAIN] = "",
    from_ms: Annotated[int | None, _MOMENT] = None,
    to_ms: Annotated[int | None, _MOMENT] = None,
) -> AlertList:
    """List alerts of calls within reach, newest first: from `from_ms` until before `to_ms`."""
    wanted = AlertFilter(
        level=level,
        state=state.value if state else "",
        team=team,
        agent_id=agent_id,
        call_id=call_id,
        from_ms=from_ms,
        to_ms=to_ms,
    )
    page = alerting.list_alerts(service, actor, wanted=wanted, limit=limit, after=cursor)
    return AlertList(items=tuple(AlertView.of(alert) for alert in page.items), next_cursor=page.next_key or None)


@router.get("/{alert_id}", operation_id="get_alert", summary="Get an alert", responses=problems.documented(404))
def get_alert(alert_id: AlertId, actor: Reader, service: TheService) -> AlertView:
    """Return an alert."""
    return AlertView.of(alerting.get(service, actor, alert_id))


@router.post(
    "/{alert_id}/acknowledge",
    operation_id="acknowledge_alert",
    summary="Take an alert on",
    responses=problems.documented(404, 409),
)
def acknowledge_alert(alert_id: AlertId, body: Handling, actor: Handler, service: TheService) -> AlertView:
    """Say that you look after it: it is not escalated any more. Doing it again changes the note."""
    return AlertView.of(alerting.acknowledge(service, actor, alert_id, body.note))


@router.post(
    "/{alert_id}/close", operation_id="close_alert", summary="Close an alert", responses=problems.documented(404, 409)
)
def close_alert(alert_id: AlertId, body: Handling, actor: Handler, service: TheService) -> AlertView:
    """End an alert, acknowledged or not."""
    return AlertView.of(alerting.close(service, actor, alert_id, body.note))
