"""Subscriptions: which of the centre's own systems are told what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from qingting.errors import NotFoundError
from qingting.model.delivery import Webhook, WebhookEvent
from qingting.storage.tables import webhooks

_ACTIVE = select(webhooks).where(webhooks.c.active.is_(True)).order_by(webhooks.c.id)


def add(connection: Connection, webhook: Webhook) -> None:
    """Insert a subscription."""
    connection.execute(
        insert(webhooks).values(
            id=webhook.id,
            url=webhook.url,
            secret=webhook.secret,
            events=[event.value for event in webhook.events],
            teams=list(webhook.teams),
            active=webhook.active,
            description=webhook.description,
            created_ms=webhook.created_ms,
            created_by=webhook.created_by,
        )
    )


def get(connection: Connection, webhook_id: str) -> Webhook:
    """Return a subscription; raises NotFoundError."""
    found = find(connection, webhook_id)
    if found is None:
        raise NotFoundError("No such webhook.")
    return found


def find(connection: Connection, webhook_id: str) -> Webhook | None:
    """Return a subscription; None when there is none."""
    row = connection.execute(select(webhooks).where(webhooks.c.id == webhook_id)).one_or_none()
    return None if row is None else _webhook(row)


def all_of(connection: Connection) -> Sequence[Webhook]:
    """Return all subscriptions, newest first; there are few."""
    return [_webhook(row) for row in connection.execute(select(webhooks).order_by(webhooks.c.id.desc()))]


def subscribed(connection: Connection, event: WebhookEvent, team: str) -> Sequence[Webhook]:
    """Return the active subscriptions that want an event of a team's call."""
    found = [_webhook(row) for row in connection.execute(_ACTIVE)]
    return [one for one in found if event in one.events and (not one.teams or team in one.teams)]


def change(connection: Connection, webhook_id: str, **values: Any) -> None:
    """Change columns of a subscription; events by value."""
    connection.execute(update(webhooks).where(webhooks.c.id == webhook_id).values(**values))


def remove(connection: Connection, webhook_id: str) -> None:
    """Delete a subscription."""
    connection.execute(delete(webhooks).where(webhooks.c.id == webhook_id))


def _webhook(row: Row[Any]) -> Webhook:
    values = dict(row._mapping)  # noqa: SLF001  SQLAlchemy's documented access
    events = tuple(WebhookEvent(event) for event in values["events"])
    return Webhook(**{**values, "events": events, "teams": tuple(values["teams"])})
