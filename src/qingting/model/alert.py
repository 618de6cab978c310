"""What is worth telling somebody at once, whom, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from qingting.model.account import UserRole
from qingting.model.finding import Level


class AlertState(StrEnum):
    """What became of an alert."""

    OPEN = "open"
    ESCALATED = "escalated"
    """Nobody acknowledged it in time; told to the next people."""
    ACKNOWLEDGED = "acknowledged"
    CLOSED = "closed"


class Channel(StrEnum):
    """How people are told."""

    IN_APP = "in_app"
    """Server-sent events to those who are signed in; the alert list."""
    WEBHOOK = "webhook"
    """Signed messages to the centre's own systems."""
    PUSH = "push"
    """Phone or chat, through the users' own addresses and the policy's."""


@dataclass(frozen=True, kw_only=True)
class Recipients:
    """Whom an alert is told."""

    roles: tuple[UserRole, ...] = (UserRole.SUPERVISOR,)
    """Users of these roles within whose reach the call is and whose shift is on."""
    users: tuple[str, ...] = ()
    """Login names, besides."""
    channels: tuple[Channel, ...] = (Channel.IN_APP, Channel.WEBHOOK)
    push_urls: tuple[str, ...] = ()
    """Push addresses (apprise form) of groups, e.g. a team's chat robot; secrets."""


@dataclass(frozen=True, kw_only=True)
class AlertPolicy:
    """Which findings become alerts, of which level, and how they are told."""

    id: str
    name: str
    level: Level
    enabled: bool = True
    rules: tuple[str, ...] = ()
    """Rule ids; `compliance.*` means all of a dimension, `!` before either leaves it out; empty is any rule."""
    finding_levels: tuple[Level, ...] = ()
    """Levels of findings that count; empty is any."""
    lines_of_business: tuple[str, ...] = ()
    """Empty is any."""
    teams: tuple[str, ...] = ()
    """Empty is any."""
    min_confidence: float = 0.7
    """Doubtful findings raise no alert."""
    recipients: Recipients = Recipients()
    cool_down_minutes: int = 0
    """The same policy, team and agent alert at most once in this time; more are counted on the first."""
    quiet_hours: str = ""
    """`HH:MM-HH:MM` in the centre's time zone: pushes wait until it ends; in-app and webhooks do not."""
    escalate_after_minutes: int = 0
    """0 never."""
    escalate_to: Recipients | None = None
    """Told when nobody acknowledged in time; None is the same recipients again."""
    words_in_push: bool = False
    """Whether a push may quote the call; off, it carries rule, level, team and call id only."""


@dataclass(frozen=True, kw_only=True)
class Alert:
    """One alert of one call."""

    id: str
    at_ms: int
    level: Level
    policy_id: str
    policy_name: str
    call_id: str
    finding_id: str
    rule_id: str
    title: str
    """Name of the rule, in Chinese; no customer words."""
    team: str
    agent_id: str
    start_ms: int
    """Where in the call to listen."""
    state: AlertState = AlertState.OPEN
    acknowledged_by: str = ""
    acknowledged_ms: int | None = None
    note: str = ""
    """What whoever handled it wrote."""
    escalate_at_ms: int | None = None
    """When it is escalated unless acknowledged; None never."""
    escalated_ms: int | None = None
    suppressed: int = 0
    """Further hits within its cool-down."""
