"""Administration of users."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from qingting.api import problems
from qingting.api.dependencies import Needs, TheService
from qingting.api.limits import address_of
from qingting.api.schemas.common import EXAMPLE_ID, ULID, IdCursor, Limit, Page
from qingting.api.schemas.users import NewUser, PasswordOfUser, UserChange, UserView
from qingting.model.account import Actor, Permission, UserRole
from qingting.service import accounts

router = APIRouter(prefix="/users", tags=["users"])
Administrator = Annotated[Actor, Depends(Needs(Permission.USERS_MANAGE))]
UserId = Annotated[str, Path(pattern=ULID, examples=[EXAMPLE_ID])]


@router.get("", operation_id="list_users", summary="List users", responses=problems.documented())
def list_users(
    _: Administrator,
    service: TheService,
    limit: Limit = 50,
    cursor: IdCursor = "",
    role: Annotated[UserRole | None, Query()] = None,
    disabled: Annotated[bool | None, Query()] = None,
) -> Page[UserView]:
    """List users in the order in which they were made."""
    page = accounts.list_users(service, limit=limit, after=cursor, role=role, disabled=disabled)
    return Page(items=[UserView.of(user) for user in page.items], next_cursor=page.next_key or None)


@router.post("", operation_id="create_user", summary="Make a user", status_code=201, responses=problems.documented(409))
def create_user(body: NewUser, actor: Administrator, request: Request, service: TheService) -> UserView:
    """Make a user; an API key can only make one who may do no more than itself."""
    user = accounts.add_user(
        service,
        actor,
        name=body.name,
        fields=body.fields(),
        password=body.password,
        address=address_of(request),
    )
    return UserView.of(user)


@router.get("/{user_id}", operation_id="get_user", summary="Get a user", responses=problems.documented(404))
def get_user(user_id: UserId, _: Administrator, service: TheService) -> UserView:
    """Return a user; push addresses are hidden but for their kind."""
    return UserView.of(accounts.get_user(service, user_id))


@router.patch(
    "/{user_id}", operation_id="change_user", summary="Change a user", responses=problems.documented(404, 409)
)
def change_user(
    user_id: UserId, body: UserChange, actor: Administrator, request: Request, service: TheService
) -> UserView:
    """Change the given fields. The last active administrator can be neither disabled nor given another role."""
    user = accounts.change_user(service, actor, user_id, body.fields(), address=address_of(request))
    return UserView.of(user)


@router.put(
    "/{user_id}/password",
    operation_id="set_password_of_user",
    summary="Set a user's password",
    status_code=204,
    response_class=Response,
    responses=problems.documented(404),
)
def set_password_of_user(
    user_id: UserId, body: PasswordOfUser, actor: Administrator, request: Request, service: TheService
) -> Response:
    """Set a password; the user's sessions and any lock end."""
    accounts.set_password(service, actor, user_id, body.password, address=address_of(request))
    return Response(status_code=204)
