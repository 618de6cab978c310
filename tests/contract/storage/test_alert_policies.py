"""Alert policies in the database, on SQLite and PostgreSQL."""

from __future__ import annotations

from dataclasses import replace

import pytest

from qingting.errors import NotFoundError
from qingting.model.account import UserRole
from qingting.model.alert import AlertPolicy, Channel, Recipients
from qingting.model.finding import Level
from qingting.storage import alert_policies
from qingting.storage.database import Database

POLICY = AlertPolicy(
    id="p",
    name="夜间禁语",
    level=Level.SERIOUS,
    rules=("compliance.*", "!compliance.closing"),
    finding_levels=(Level.SERIOUS, Level.MEDIUM),
    lines_of_business=("finance",),
    teams=("一组",),
    min_confidence=0.85,
    recipients=Recipients(
        roles=(UserRole.SUPERVISOR,), users=("wang",), channels=(Channel.PUSH,), push_urls=("dingtalk://token",)
    ),
    cool_down_minutes=30,
    quiet_hours="22:00-07:00",
    escalate_after_minutes=10,
    escalate_to=Recipients(roles=(UserRole.MANAGER,)),
    words_in_push=True,
)


def test_a_policy_comes_back_as_stored(database: Database) -> None:
    plain = AlertPolicy(id="q", name="一般", level=Level.LIGHT, enabled=False)
    with database.write() as connection:
        alert_policies.add(connection, POLICY, at_ms=1)
        alert_policies.add(connection, plain, at_ms=1)
    with database.read() as connection:
        assert alert_policies.get(connection, "p") == POLICY
        assert alert_policies.all_of(connection) == [POLICY, plain]
        assert alert_policies.all_of(connection, enabled_only=True) == [POLICY]
        assert alert_policies.count(connection) == 2


def test_adding_one_that_is_there_keeps_it(database: Database) -> None:
    with database.write() as connection:
        alert_policies.add(connection, POLICY, at_ms=1)
        alert_policies.add(connection, replace(POLICY, name="另一个"), at_ms=2)
    with database.read() as connection:
        assert alert_policies.all_of(connection) == [POLICY]


def test_writing_over_and_removing(database: Database) -> None:
    changed = replace(POLICY, enabled=False, escalate_to=None, level=Level.LIGHT)
    with database.write() as connection:
        alert_policies.add(connection, POLICY, at_ms=1)
        alert_policies.replace(connection, changed, at_ms=2)
    with database.write() as connection:
        assert alert_policies.get(connection, "p") == changed
        assert alert_policies.all_of(connection, enabled_only=True) == []
        alert_policies.remove(connection, "p")
        assert alert_policies.find(connection, "p") is None
        with pytest.raises(NotFoundError):
            alert_policies.get(connection, "p")
