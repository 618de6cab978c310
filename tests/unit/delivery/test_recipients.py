"""Who is told by push."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest

from qingting.delivery.recipients import push_addresses
from qingting.model.account import User, UserRole
from qingting.model.alert import Channel, Recipients

NOON = datetime(2026, 11, 30, 12, 0)
PUSH = Recipients(channels=(Channel.PUSH,), push_urls=("dingtalk://group",))
LEADER = User(
    id="1",
    name="wang",
    display_name="王",
    role=UserRole.SUPERVISOR,
    created_ms=0,
    teams=("一组",),
    contact=("bark://wang",),
)


@pytest.mark.parametrize(
    ("user", "recipients", "told"),
    [
        ({}, {}, True),
        ({"teams": ("二组",)}, {}, False),
        ({"disabled": True}, {}, False),
        ({"shift": "20:00-08:00"}, {}, False),
        ({"shift": "09:00-18:00"}, {}, True),
        ({"role": UserRole.MANAGER}, {}, False),
        ({"role": UserRole.MANAGER}, {"roles": (UserRole.MANAGER,)}, True),
        ({"teams": ("二组",)}, {"users": ("wang",)}, True),
        ({"shift": "20:00-08:00"}, {"users": ("wang",)}, False),
        ({}, {"roles": ()}, False),
        ({"contact": ()}, {}, False),
        ({"role": UserRole.AGENT, "agent_id": "7"}, {"roles": (UserRole.AGENT,)}, True),
        ({"role": UserRole.AGENT, "agent_id": "8"}, {"roles": (UserRole.AGENT,)}, False),
    ],
)
def test_people_are_told_within_reach_and_shift(
    user: dict[str, object], recipients: dict[str, object], *, told: bool
) -> None:
    found = push_addresses(
        replace(PUSH, **recipients),  # type: ignore[arg-type]
        [replace(LEADER, **user)],  # type: ignore[arg-type]
        agent_id="7",
        team="一组",
        at=NOON,
    )
    assert found == (("dingtalk://group", "bark://wang") if told else ("dingtalk://group",))


def test_without_the_channel_nobody_is_told() -> None:
    silent = replace(PUSH, channels=(Channel.IN_APP, Channel.WEBHOOK))
    assert push_addresses(silent, [LEADER], agent_id="7", team="一组", at=NOON) == ()


def test_an_address_is_told_once() -> None:
    twice = replace(PUSH, push_urls=("bark://wang", "bark://wang"))
    assert push_addresses(twice, [LEADER, LEADER], agent_id="7", team="一组", at=NOON) == ("bark://wang",)
