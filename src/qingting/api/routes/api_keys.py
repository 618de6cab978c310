"""Administration of API keys."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request

from qingting.api import problems
from qingting.api.dependencies import Needs, TheService
from qingting.api.limits import address_of
from qingting.api.schemas.api_keys import ApiKeyView, MadeApiKey, NewApiKey
from qingting.api.schemas.common import EXAMPLE_ID, ULID, IdCursor, Limit, Page
from qingting.model.account import Actor, Permission
from qingting.service import accounts
from qingting.service.accounts import NewKey

router = APIRouter(prefix="/api-keys", tags=["api-keys"])
Administrator = Annotated[Actor, Depends(Needs(Permission.USERS_MANAGE))]
KeyId = Annotated[str, Path(pattern=ULID, examples=[EXAMPLE_ID])]


@router.get("", operation_id="list_api_keys", summary="List API keys", responses=problems.documented())
def list_api_keys(
    _: Administrator,
    service: TheService,
    limit: Limit = 50,
    cursor: IdCursor = "",
) -> Page[ApiKeyView]:
    """List keys, newest first, those too that have expired or been revoked."""
    page = accounts.list_keys(service, limit=limit, after=cursor)
    return Page(items=[ApiKeyView.of(key) for key in page.items], next_cursor=page.next_key or None)


@router.post(
    "", operation_id="create_api_key", summary="Make an API key", status_code=201, responses=problems.documented()
)
def create_api_key(body: NewApiKey, actor: Administrator, request: Request, service: TheService) -> MadeApiKey:
    """Make a key; its secret is in this answer and nowhere else. A key cannot make one that may do more than itself."""
    wanted = NewKey(name=body.name, role=body.role, scopes=body.scopes, teams=body.teams, expires_ms=body.expires_ms)
    key, secret = accounts.add_key(service, actor, wanted, address=address_of(request))
    return MadeApiKey(key=ApiKeyView.of(key), secret=secret)


@router.post(
    "/{key_id}/revoke",
    operation_id="revoke_api_key",
    summary="Revoke an API key",
    responses=problems.documented(404),
)
def revoke_api_key(key_id: KeyId, actor: Administrator, request: Request, service: TheService) -> ApiKeyView:
    """Revoke a key for good; it stays in the list."""
    return ApiKeyView.of(accounts.revoke_key(service, actor, key_id, address=address_of(request)))
