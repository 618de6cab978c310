"""Alert policies: which findings become alerts, and whom they are told."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Response

from qingting.api import problems
from qingting.api.dependencies import Needs, TheService
from qingting.api.schemas.alerts import PolicyBody, PolicyList, PolicyView
from qingting.model.account import Actor, Permission
from qingting.service import alert_policies

router = APIRouter(prefix="/alert-policies", tags=["alert-policies"])
Configurer = Annotated[Actor, Depends(Needs(Permission.ALERTS_CONFIGURE))]
PolicyId = Annotated[str, Path(pattern="^[0-9a-z-]{1,26}$", examples=["default-1-serious"])]


@router.get("", operation_id="list_alert_policies", summary="List alert policies", responses=problems.documented())
def list_alert_policies(actor: Configurer, service: TheService) -> PolicyList:
    """List all policies; push addresses are masked."""
    return PolicyList(items=tuple(PolicyView.of(one) for one in alert_policies.list_all(service, actor)))


@router.post(
    "",
    operation_id="create_alert_policy",
    summary="Make an alert policy",
    status_code=201,
    responses=problems.documented(),
)
def create_alert_policy(body: PolicyBody, actor: Configurer, service: TheService) -> PolicyView:
    """Make a policy; it counts for reports that are stored from now on."""
    return PolicyView.of(alert_policies.create(service, actor, body.policy()))


@router.get(
    "/{policy_id}",
    operation_id="get_alert_policy",
    summary="Get an alert policy",
    responses=problems.documented(404),
)
def get_alert_policy(policy_id: PolicyId, actor: Configurer, service: TheService) -> PolicyView:
    """Return a policy; push addresses are masked."""
    return PolicyView.of(alert_policies.get(service, actor, policy_id))


@router.put(
    "/{policy_id}",
    operation_id="change_alert_policy",
    summary="Write an alert policy anew",
    responses=problems.documented(404),
)
def change_alert_policy(policy_id: PolicyId, body: PolicyBody, actor: Configurer, service: TheService) -> PolicyView:
    """Write all fields; what is left out takes its default. A masked push address stands for the stored one."""
    return PolicyView.of(alert_policies.change(service, actor, body.policy(policy_id)))


@router.delete(
    "/{policy_id}",
    operation_id="delete_alert_policy",
    summary="Delete an alert policy",
    status_code=204,
    response_class=Response,
    responses=problems.documented(404),
)
def delete_alert_policy(policy_id: PolicyId, actor: Configurer, service: TheService) -> Response:
    """Delete a policy; its alerts stay."""
    alert_policies.remove(service, actor, policy_id)
    return Response(status_code=204)
