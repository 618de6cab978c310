"""Decides which push addresses an alert is sent to."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from qingting.delivery.hours import on_shift
from qingting.model.account import User
from qingting.model.alert import Channel, Recipients


def push_addresses(
    recipients: Recipients, users: Iterable[User], *, agent_id: str, team: str, at: datetime
) -> tuple[str, ...]:
    """Return the addresses of groups, then of people, each once; none unless pushes are among the channels.

    People are those of the named roles within whose reach the call is, and those named by login name; only
    while their shift is on. `at` is the centre's local time.
    """
    if Channel.PUSH not in recipients.channels:
        return ()
    people = (
        user
        for user in users
        if not user.disabled and _is_told(recipients, user, agent_id, team) and on_shift(user.shift, at)
    )
    return tuple(dict.fromkeys((*recipients.push_urls, *(address for user in people for address in user.contact))))


def _is_told(recipients: Recipients, user: User, agent_id: str, team: str) -> bool:
    by_role = user.role in recipients.roles and user.reach().covers(agent_id=agent_id, team=team)
    return by_role or user.name in recipients.users
