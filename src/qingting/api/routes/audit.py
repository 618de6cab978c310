"""The audit log, to be read."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from qingting.api import problems
from qingting.api.dependencies import Needs, TheService
from qingting.api.limits import address_of
from qingting.api.schemas.audit import AuditLine
from qingting.api.schemas.common import PLAIN, Limit, NumberCursor, Page
from qingting.model.account import Actor, Permission
from qingting.service import auditing
from qingting.storage.audit import AuditFilter

router = APIRouter(prefix="/audit", tags=["audit"])
_WORD = Query(max_length=64, pattern="^[0-9a-z_.-]*$")
_MOMENT = Query(ge=0, lt=2**53)


@router.get("", operation_id="list_audit", summary="Read the audit log", responses=problems.documented())
def list_audit(
    actor: Annotated[Actor, Depends(Needs(Permission.AUDIT_READ))],
    request: Request,
    service: TheService,
    limit: Limit = 50,
    cursor: NumberCursor = "",
    actor_id: Annotated[str, _WORD] = "",
    action: Annotated[str, _WORD] = "",
    object_kind: Annotated[str, _WORD] = "",
    object_id: Annotated[str, Query(max_length=128, pattern=PLAIN)] = "",
    from_ms: Annotated[int | None, _MOMENT] = None,
    to_ms: Annotated[int | None, _MOMENT] = None,
) -> Page[AuditLine]:
    """Return lines, newest first: from `from_ms` until before `to_ms` (milliseconds since 1970, UTC).

    Reading the log is itself recorded.
    """
    wanted = AuditFilter(
        actor_id=actor_id,
        action=action,
        object_kind=object_kind,
        object_id=object_id,
        from_ms=from_ms,
        to_ms=to_ms,
    )
    page = auditing.read_log(service, actor, wanted=wanted, limit=limit, after=cursor, address=address_of(request))
    return Page(items=[AuditLine.of(entry) for entry in page.items], next_cursor=page.next_key or None)
