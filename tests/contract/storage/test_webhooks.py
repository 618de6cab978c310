"""Subscriptions in the database, on SQLite and PostgreSQL."""

from __future__ import annotations

from dataclasses import replace

import pytest

from qingting.errors import NotFoundError
from qingting.model.delivery import Webhook, WebhookEvent
from qingting.storage import webhooks
from qingting.storage.database import Database

HOOK = Webhook(
    id="a",
    url="https://crm.example.com/hook",
    secret="whsec_AAAA",
    events=(WebhookEvent.JOB_DONE, WebhookEvent.ALERT_RAISED),
    created_ms=5,
    created_by="u",
    teams=("一组",),
    description="客户系统",
)


def add(database: Database, *hooks: Webhook) -> None:
    with database.write() as connection:
        for one in hooks:
            webhooks.add(connection, one)


def test_a_subscription_comes_back_as_stored(database: Database) -> None:
    add(database, HOOK)
    with database.read() as connection:
        assert webhooks.get(connection, "a") == HOOK
        assert webhooks.find(connection, "b") is None
        with pytest.raises(NotFoundError):
            webhooks.get(connection, "b")


def test_those_are_told_who_want_the_event_of_the_team(database: Database) -> None:
    everything = replace(HOOK, id="b", teams=())
    off = replace(HOOK, id="c", active=False)
    add(database, HOOK, everything, off)
    with database.read() as connection:
        for event, team, told in [
            (WebhookEvent.JOB_DONE, "一组", ["a", "b"]),
            (WebhookEvent.JOB_DONE, "二组", ["b"]),
            (WebhookEvent.JOB_DONE, "", ["b"]),
            (WebhookEvent.JOB_FAILED, "一组", []),
        ]:
            assert [one.id for one in webhooks.subscribed(connection, event, team)] == told


def test_changing_and_removing(database: Database) -> None:
    add(database, HOOK, replace(HOOK, id="b"))
    with database.write() as connection:
        webhooks.change(connection, "a", active=False, events=["job.failed"], teams=[])
        webhooks.remove(connection, "b")
    with database.read() as connection:
        assert webhooks.all_of(connection) == [replace(HOOK, active=False, events=(WebhookEvent.JOB_FAILED,), teams=())]
