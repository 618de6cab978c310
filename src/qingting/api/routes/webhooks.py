"""Webhooks: subscriptions, and the messages on their way."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response

from qingting.api import problems
from qingting.api.dependencies import Needs, TheService
from qingting.api.schemas.webhooks import (
    DeliveryList,
    DeliveryView,
    MadeWebhook,
    NewWebhook,
    WebhookList,
    WebhookPatch,
    WebhookView,
)
from qingting.model.account import Actor, Permission
from qingting.model.delivery import DeliveryKind, DeliveryState
from qingting.service import webhooks
from qingting.storage.deliveries import DeliveryFilter

router = APIRouter(tags=["webhooks"])
Manager = Annotated[Actor, Depends(Needs(Permission.WEBHOOKS_MANAGE))]
WebhookId = Annotated[str, Path(pattern="^[0-9a-z]{26}$", examples=["01k5w3v0q8m2f7r4t9x1c6b3zd"])]
DeliveryId = Annotated[str, Path(pattern="^[0-9a-z]{26}$", examples=["01k5w3v0q8m2f7r4t9x1c6b3zd"])]
_CURSOR = Query(pattern="^([0-9a-z]{26})?$")


@router.get("/webhooks", operation_id="list_webhooks", summary="List webhooks", responses=problems.documented())
def list_webhooks(actor: Manager, service: TheService) -> WebhookList:
    """List subscriptions, newest first; secrets are not shown."""
    return WebhookList(items=tuple(WebhookView.of(one) for one in webhooks.list_all(service, actor)))


@router.post(
    "/webhooks",
    operation_id="create_webhook",
    summary="Subscribe",
    status_code=201,
    responses=problems.documented(),
)
def create_webhook(body: NewWebhook, actor: Manager, service: TheService) -> MadeWebhook:
    """Subscribe an address to events; the secret is in this answer and nowhere else.

    A key that is restricted to teams subscribes to calls of its teams only.
    """
    made = webhooks.create(service, actor, body.webhook())
    return MadeWebhook(webhook=WebhookView.of(made), secret=made.secret)


@router.get(
    "/webhooks/{webhook_id}", operation_id="get_webhook", summary="Get a webhook", responses=problems.documented(404)
)
def get_webhook(webhook_id: WebhookId, actor: Manager, service: TheService) -> WebhookView:
    """Return a subscription."""
    return WebhookView.of(webhooks.get(service, actor, webhook_id))


@router.patch(
    "/webhooks/{webhook_id}",
    operation_id="change_webhook",
    summary="Change a webhook",
    responses=problems.documented(404),
)
def change_webhook(webhook_id: WebhookId, body: WebhookPatch, actor: Manager, service: TheService) -> WebhookView:
    """Change the given fields. A new address counts for messages that wait, too."""
    return WebhookView.of(webhooks.change(service, actor, webhook_id, body.change()))


@router.delete(
    "/webhooks/{webhook_id}",
    operation_id="delete_webhook",
    summary="Delete a webhook",
    status_code=204,
    response_class=Response,
    responses=problems.documented(404),
)
def delete_webhook(webhook_id: WebhookId, actor: Manager, service: TheService) -> Response:
    """Delete a subscription with its messages."""
    webhooks.remove(service, actor, webhook_id)
    return Response(status_code=204)


@router.post(
    "/webhooks/{webhook_id}/rotate-secret",
    operation_id="rotate_webhook_secret",
    summary="Make a new secret",
    responses=problems.documented(404),
)
def rotate_webhook_secret(webhook_id: WebhookId, actor: Manager, service: TheService) -> MadeWebhook:
    """Replace the secret at once, also for messages that wait; the new one is in this answer and nowhere else."""
    changed = webhooks.rotate_secret(service, actor, webhook_id)
    return MadeWebhook(webhook=WebhookView.of(changed), secret=changed.secret)


@router.post(
    "/webhooks/{webhook_id}/ping",
    operation_id="ping_webhook",
    summary="Send a test message",
    status_code=202,
    responses=problems.documented(404, 409),
)
def ping_webhook(webhook_id: WebhookId, actor: Manager, service: TheService) -> DeliveryView:
    """Send a message of type `ping`; look at the delivery to see what became of it."""
    return DeliveryView.of(webhooks.ping(service, actor, webhook_id))


@router.get("/deliveries", operation_id="list_deliveries", summary="List messages", responses=problems.documented())
def list_deliveries(
    actor: Manager,
    service: TheService,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str, _CURSOR] = "",
    webhook_id: Annotated[str, _CURSOR] = "",
    kind: Annotated[DeliveryKind | None, Query()] = None,
    state: Annotated[DeliveryState | None, Query()] = None,
) -> DeliveryList:
    """List messages to webhooks and, for those who see all calls, pushes, newest first.

    `state=dead` are those that never arrived.
    """
    wanted = DeliveryFilter(
        kind=kind.value if kind else "",
        state=state.value if state else "",
        targets=(webhook_id,) if webhook_id else None,
    )
    page = webhooks.list_deliveries(service, actor, wanted=wanted, limit=limit, after=cursor)
    return DeliveryList(items=tuple(DeliveryView.of(one) for one in page.items), next_cursor=page.next_key or None)


@router.get(
    "/deliveries/{delivery_id}",
    operation_id="get_delivery",
    summary="Get a message",
    responses=problems.documented(404),
)
def get_delivery(delivery_id: DeliveryId, actor: Manager, service: TheService) -> DeliveryView:
    """Return a message and where it stands."""
    return DeliveryView.of(webhooks.get_delivery(service, actor, delivery_id))


@router.post(
    "/deliveries/{delivery_id}/redeliver",
    operation_id="redeliver",
    summary="Send a message again",
    status_code=202,
    responses=problems.documented(404, 409),
)
def redeliver(delivery_id: DeliveryId, actor: Manager, service: TheService) -> DeliveryView:
    """Send a message that ended again, under the same id, with all its attempts anew."""
    return DeliveryView.of(webhooks.redeliver(service, actor, delivery_id))
