"""Messages to the world outside: webhooks and pushes, kept until they arrived or died."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class DeliveryState(StrEnum):
    """Where a message stands."""

    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"
    """Failed on every attempt, or its target is gone; may be sent again by hand."""


class DeliveryKind(StrEnum):
    """How a message travels."""

    WEBHOOK = "webhook"
    PUSH = "push"


class WebhookEvent(StrEnum):
    """What a webhook can be told."""

    JOB_DONE = "job.done"
    JOB_FAILED = "job.failed"
    """The job failed, was set aside or was cancelled."""
    ALERT_RAISED = "alert.raised"
    ALERT_ESCALATED = "alert.escalated"
    ALERT_ACKNOWLEDGED = "alert.acknowledged"


@dataclass(frozen=True, kw_only=True)
class Webhook:
    """A subscription."""

    id: str
    url: str
    secret: str
    """Key of the signature (`whsec_` and base64, as the Standard Webhooks specification has it)."""
    events: tuple[WebhookEvent, ...]
    created_ms: int
    created_by: str
    active: bool = True
    teams: tuple[str, ...] = ()
    """Only calls of these teams; empty is all."""
    description: str = ""


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One message to one target."""

    id: str
    """Sent as the idempotency key: the same for every attempt."""
    kind: DeliveryKind
    target: str
    """Id of the webhook; for pushes the address (secret)."""
    event: str
    body: Mapping[str, object] = field(default_factory=dict)
    """What is sent; no customer words unless the policy allows."""
    created_ms: int = 0
    state: DeliveryState = DeliveryState.PENDING
    attempts: int = 0
    due_ms: int = 0
    """Next attempt."""
    last_status: int | None = None
    """HTTP status of the last answer."""
    last_error: str = ""
    """Kind of the last failure, no content."""
    delivered_ms: int | None = None
