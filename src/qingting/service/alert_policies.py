"""Alert policies: which findings become alerts, and whom they are told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from qingting.delivery import push
from qingting.delivery.hours import parse_hours
from qingting.errors import AccessDeniedError, InvalidRequestError
from qingting.model.account import UserRole
from qingting.model.alert import AlertPolicy, Channel, Recipients
from qingting.model.finding import Level
from qingting.model.ids import new_id
from qingting.service import auditing
from qingting.service.auditing import Action
from qingting.storage import alert_policies, users

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from qingting.model.account import Actor
    from qingting.service.center import Service

_EVERYWHERE = (Channel.IN_APP, Channel.WEBHOOK, Channel.PUSH)
_URGENT = ("emotion_analyzer.*", "custom_rules.supervisor_request", "custom_rules.unsoothed_escalation")
"""Moderate findings that announce a complaint: anger that grows, a call for the supervisor."""

DEFAULT_POLICIES = (
    AlertPolicy(
        id="default-1-serious",
        name="一级：严重问题",
        level=Level.SERIOUS,
        finding_levels=(Level.SERIOUS,),
        recipients=Recipients(channels=_EVERYWHERE),
        escalate_after_minutes=15,
        escalate_to=Recipients(roles=(UserRole.MANAGER,), channels=_EVERYWHERE),
    ),
    AlertPolicy(
        id="default-1-urgent",
        name="一级：情绪升级与投诉风险",
        level=Level.SERIOUS,
        rules=_URGENT,
        finding_levels=(Level.MEDIUM,),
        recipients=Recipients(channels=_EVERYWHERE),
        cool_down_minutes=10,
        escalate_after_minutes=15,
        escalate_to=Recipients(roles=(UserRole.MANAGER,), channels=_EVERYWHERE),
    ),
    AlertPolicy(
        id="default-2-medium",
        name="二级：中等问题",
        level=Level.MEDIUM,
        rules=tuple(f"!{rule}" for rule in _URGENT),
        finding_levels=(Level.MEDIUM,),
        cool_down_minutes=60,
        quiet_hours="22:00-08:00",
    ),
    AlertPolicy(
        id="default-3-light",
        name="三级：轻微问题",
        level=Level.LIGHT,
        enabled=False,
        finding_levels=(Level.LIGHT,),
        recipients=Recipients(channels=(Channel.IN_APP,)),
        cool_down_minutes=240,
    ),
)
"""What a new installation begins with; a finding meets at most one of them."""


def ensure_default_policies(service: Service) -> None:
    """Make the default policies where there are none at all; called at every start, by any number of processes."""
    with service.database.read() as connection:
        if alert_policies.count(connection):
            return
    with service.database.write() as connection:
        for policy in DEFAULT_POLICIES:
            alert_policies.add(connection, policy, at_ms=service.clock())


def list_all(service: Service, actor: Actor) -> Sequence[AlertPolicy]:
    """Return all policies; push addresses in full, to be masked by whoever shows them. Raises AccessDeniedError."""
    _require_everything(actor)
    with service.database.read() as connection:
        return alert_policies.all_of(connection)


def get(service: Service, actor: Actor, policy_id: str) -> AlertPolicy:
    """Return a policy; raises NotFoundError, AccessDeniedError."""
    _require_everything(actor)
    with service.database.read() as connection:
        return alert_policies.get(connection, policy_id)


def create(service: Service, actor: Actor, policy: AlertPolicy) -> AlertPolicy:
    """Make a policy; its id is set here. Raises InvalidRequestError, AccessDeniedError."""
    _require_everything(actor)
    made = replace(policy, id=new_id())
    with service.database.write() as connection:
        _check(connection, made)
        alert_policies.add(connection, made, at_ms=service.clock())
        _record(service, connection, actor, Action.POLICY_CREATED, made)
    return made


def change(service: Service, actor: Actor, policy: AlertPolicy) -> AlertPolicy:
    """Write a policy over the one of its id; masked push addresses stand for those that are stored.

    Raises NotFoundError, InvalidRequestError, AccessDeniedError.
    """
    _require_everything(actor)
    with service.database.write() as connection:
        changed = _with_addresses(policy, alert_policies.get(connection, policy.id))
        _check(connection, changed)
        alert_policies.replace(connection, changed, at_ms=service.clock())
        _record(service, connection, actor, Action.POLICY_CHANGED, changed)
    return changed


def remove(service: Service, actor: Actor, policy_id: str) -> None:
    """Delete a policy; its alerts stay. Raises NotFoundError, AccessDeniedError."""
    _require_everything(actor)
    with service.database.write() as connection:
        policy = alert_policies.get(connection, policy_id)
        alert_policies.remove(connection, policy_id)
        _record(service, connection, actor, Action.POLICY_DELETED, policy)


def _require_everything(actor: Actor) -> None:
    # A policy tells of calls of all teams.
    if not actor.reach.everything:
        raise AccessDeniedError("Alert policies concern all teams.")


def _parties(policy: AlertPolicy) -> list[Recipients]:
    return [policy.recipients, *([policy.escalate_to] if policy.escalate_to else [])]


def _check(connection: Connection, policy: AlertPolicy) -> None:
    parse_hours(policy.quiet_hours)
    for recipients in _parties(policy):
        for address in recipients.push_urls:
            push.check_address(address)
        if any(users.by_name(connection, name) is None for name in recipients.users):
            raise InvalidRequestError("A recipient is no user of this installation.")


def _with_addresses(policy: AlertPolicy, stored: AlertPolicy) -> AlertPolicy:
    known = [address for recipients in _parties(stored) for address in recipients.push_urls]

    def whole(recipients: Recipients) -> Recipients:
        return replace(recipients, push_urls=push.unmasked(recipients.push_urls, known))

    return replace(
        policy,
        recipients=whole(policy.recipients),
        escalate_to=whole(policy.escalate_to) if policy.escalate_to else None,
    )


def _record(service: Service, connection: Connection, actor: Actor, action: Action, policy: AlertPolicy) -> None:
    auditing.record(
        connection,
        actor=actor,
        action=action,
        at_ms=service.clock(),
        object_kind="alert_policy",
        object_id=policy.id,
        detail={"enabled": policy.enabled, "level": int(policy.level), "words_in_push": policy.words_in_push},
    )
