"""Webhooks and the messages on their way."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from qingting.delivery import push
from qingting.model.delivery import Delivery, DeliveryKind, DeliveryState, Webhook, WebhookEvent
from qingting.service.webhooks import WebhookChange

_VIEW = ConfigDict(frozen=True, use_attribute_docstrings=True)
_PLAIN = r"^[^\x00-\x1f\x7f]*$"
Url = Annotated[
    str, Field(max_length=2048, pattern=r"^https?://[^\x00-\x20\x7f]+$", examples=["https://crm.example.com/qingting"])
]
Events = Annotated[tuple[WebhookEvent, ...], Field(min_length=1, max_length=len(WebhookEvent))]
Team = Annotated[str, Field(min_length=1, max_length=128, pattern=_PLAIN)]
Teams = Annotated[tuple[Team, ...], Field(max_length=200)]
Description = Annotated[str, Field(max_length=255, pattern=_PLAIN)]


class NewWebhook(BaseModel):
    """A subscription to be made."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        json_schema_extra={
            "examples": [{"url": "https://crm.example.com/qingting", "events": ["job.done", "job.failed"]}]
        },
    )

    url: Url
    """Where messages are sent; private hosts only if `api.allowed_hosts` names them."""
    events: Events
    teams: Teams = ()
    """Only calls of these teams; empty is all."""
    description: Description = ""

    def webhook(self) -> Webhook:
        """As the service has it, without what the service sets."""
        return Webhook(
            id="",
            secret="",
            created_ms=0,
            created_by="",
            url=self.url,
            events=tuple(dict.fromkeys(self.events)),
            teams=self.teams,
            description=self.description,
        )


class WebhookPatch(BaseModel):
    """Fields of a subscription to be changed; those left out stay as they are."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        json_schema_extra={"examples": [{"active": True}, {"events": ["alert.raised"]}]},
    )

    url: Url | None = None
    events: Events | None = None
    teams: Teams | None = None
    active: bool | None = None
    """Whether messages are made and sent."""
    description: Description | None = None

    def change(self) -> WebhookChange:
        """As the service has it."""
        return WebhookChange(
            url=self.url, events=self.events, teams=self.teams, active=self.active, description=self.description
        )


class WebhookView(BaseModel):
    """A subscription without its secret."""

    model_config = _VIEW

    id: str = Field(examples=["01k5w3v0q8m2f7r4t9x1c6b3zd"])
    url: str
    events: tuple[WebhookEvent, ...]
    teams: tuple[str, ...]
    active: bool
    """False also after the receiver answered 410."""
    description: str
    created_ms: int
    """Milliseconds since 1970, UTC, like all times here."""
    created_by: str
    """Id of the user or key."""

    @classmethod
    def of(cls, webhook: Webhook) -> WebhookView:
        """Show a subscription."""
        return cls(**{name: getattr(webhook, name) for name in cls.model_fields})


class MadeWebhook(BaseModel):
    """A subscription with its new secret."""

    model_config = _VIEW

    webhook: WebhookView
    secret: str = Field(examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])
    """Key of the signatures; shown this once."""


class WebhookList(BaseModel):
    """All subscriptions within reach, newest first."""

    model_config = _VIEW

    items: tuple[WebhookView, ...]


class DeliveryView(BaseModel):
    """A message, where it stands, and what it says."""

    model_config = _VIEW

    id: str = Field(examples=["01k5w3v0q8m2f7r4t9x1c6b3zd"])
    """The same for every attempt; the header `webhook-id`."""
    kind: DeliveryKind
    target: str = Field(examples=["01k5w3v0q8m2f7r4t9x1c6b3zd", "dingtalk://***3f9a"])
    """Id of the webhook; of a push the masked address."""
    event: str = Field(examples=["job.done"])
    state: DeliveryState
    attempts: int
    due_ms: int
    """Next attempt, while pending."""
    last_status: int | None
    """HTTP status of the last answer."""
    last_error: str = Field(examples=["timeout"])
    """Kind of the last failure."""
    created_ms: int
    delivered_ms: int | None
    body: dict[str, Any]

    @classmethod
    def of(cls, delivery: Delivery) -> DeliveryView:
        """Show a message, without the address of a push."""
        plain = {name: getattr(delivery, name) for name in cls.model_fields}
        target = push.masked(delivery.target) if delivery.kind is DeliveryKind.PUSH else delivery.target
        return cls(**{**plain, "target": target, "body": dict(delivery.body)})


class DeliveryList(BaseModel):
    """Some messages, newest first."""

    model_config = _VIEW

    items: tuple[DeliveryView, ...]
    next_cursor: str | None
    """To be passed as `cursor` for those after them; null on the last page."""
