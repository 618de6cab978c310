"""Alerts and the policies that raise them."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from qingting.delivery import push
from qingting.delivery.hours import PATTERN as HOURS
from qingting.model.account import UserRole
from qingting.model.alert import Alert, AlertPolicy, AlertState, Channel, Recipients
from qingting.model.finding import Level

_PLAIN = r"^[^\x00-\x1f\x7f]*$"
_VIEW = ConfigDict(frozen=True, use_attribute_docstrings=True)
Name = Annotated[str, Field(min_length=1, max_length=128, pattern=_PLAIN)]
Rule = Annotated[
    str,
    Field(
        max_length=128,
        pattern=r"^!?[a-z][a-z0-9_]*\.(\*|[a-z0-9_]+)$",
        examples=["compliance.forbidden_words", "emotion_analyzer.*", "!responsiveness.*"],
    ),
]
PushAddress = Annotated[str, Field(min_length=4, max_length=2048, pattern=r"^[A-Za-z0-9]+://[^\x00-\x20\x7f]+$")]
_EXAMPLE: JsonDict = {
    "name": "夜间禁语",
    "level": 1,
    "rules": ["compliance.forbidden_words"],
    "recipients": {
        "roles": ["supervisor"],
        "channels": ["in_app", "webhook", "push"],
        "push_urls": ["dingtalk://secret@token"],
    },
    "cool_down_minutes": 30,
    "quiet_hours": "23:00-07:00",
    "escalate_after_minutes": 15,
    "escalate_to": {"roles": ["manager"], "channels": ["in_app", "push"]},
}


class RecipientsBody(BaseModel):
    """Whom an alert is told, and how."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    roles: Annotated[tuple[UserRole, ...], Field(max_length=len(UserRole))] = (UserRole.SUPERVISOR,)
    """Users of these roles within whose reach the call is."""
    users: Annotated[tuple[Name, ...], Field(max_length=50)] = ()
    """Login names, besides."""
    channels: Annotated[tuple[Channel, ...], Field(max_length=len(Channel))] = (Channel.IN_APP, Channel.WEBHOOK)
    push_urls: Annotated[tuple[PushAddress, ...], Field(max_length=20)] = ()
    """Push addresses of groups in the form of the library apprise; shown masked (`dingtalk://***3f9a`). A mask that
    is sent back stands for the stored address."""

    def recipients(self) -> Recipients:
        """As the service has it."""
        return Recipients(roles=self.roles, users=self.users, channels=self.channels, push_urls=self.push_urls)

    @classmethod
    def of(cls, recipients: Recipients) -> RecipientsBody:
        """Show recipients, addresses masked."""
        return cls(
            roles=recipients.roles,
            users=recipients.users,
            channels=recipients.channels,
            push_urls=tuple(push.masked(url) for url in recipients.push_urls),
        )


class PolicyBody(BaseModel):
    """Which findings become alerts, of which level, and how they are told."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, json_schema_extra={"examples": [_EXAMPLE]}
    )

    name: Name
    level: Level
    """1 serious, 2 medium, 3 light."""
    enabled: bool = True
    rules: Annotated[tuple[Rule, ...], Field(max_length=200)] = ()
    """Rules; `compliance.*` is a dimension, `!…` leaves out; empty is any rule. Praise and notes alert only where
    their rule itself is named."""
    finding_levels: Annotated[tuple[Level, ...], Field(max_length=len(Level))] = ()
    """Levels of findings that count; empty is any."""
    lines_of_business: Annotated[tuple[Name, ...], Field(max_length=100)] = ()
    """Empty is any."""
    teams: Annotated[tuple[Name, ...], Field(max_length=200)] = ()
    """Empty is any."""
    min_confidence: Annotated[float, Field(ge=0, le=1)] = 0.7
    """Less certain findings raise no alert; nor do those that wait for a person's review."""
    recipients: RecipientsBody = RecipientsBody()
    cool_down_minutes: Annotated[int, Field(ge=0, le=7 * 24 * 60)] = 0
    """The same policy, team and agent alert at most once in this time; more are counted on the first."""
    quiet_hours: Annotated[str, Field(pattern=HOURS, examples=["22:00-07:30"])] = ""
    """In the centre's time zone: pushes wait until they end; in-app and webhooks do not. Empty is none."""
    escalate_after_minutes: Annotated[int, Field(ge=0, le=7 * 24 * 60)] = 0
    """Unless acknowledged; 0 never."""
    escalate_to: RecipientsBody | None = None
    """Told at the escalation; null is the same recipients again."""
    words_in_push: bool = False
    """Whether a push may quote the call (personal data masked)."""

    def policy(self, policy_id: str = "") -> AlertPolicy:
        """As the service has it."""
        plain = {name: getattr(self, name) for name in type(self).model_fields}
        return AlertPolicy(
            **{
                **plain,
                "id": policy_id,
                "recipients": self.recipients.recipients(),
                "escalate_to": self.escalate_to.recipients() if self.escalate_to else None,
            }
        )


class PolicyView(PolicyBody):
    """An alert policy."""

    model_config = ConfigDict(json_schema_extra={"examples": [{**_EXAMPLE, "id": "01k5w3v0q8m2f7r4t9x1c6b3zd"}]})

    id: str = Field(examples=["default-1-serious"])

    @classmethod
    def of(cls, policy: AlertPolicy) -> PolicyView:
        """Show a policy, push addresses masked."""
        plain = {name: getattr(policy, name) for name in cls.model_fields}
        return cls(
            **{
                **plain,
                "recipients": RecipientsBody.of(policy.recipients),
                "escalate_to": RecipientsBody.of(policy.escalate_to) if policy.escalate_to else None,
            }
        )


class PolicyList(BaseModel):
    """All alert policies."""

    model_config = _VIEW

    items: tuple[PolicyView, ...]


class AlertView(BaseModel):
    """An alert of a call; no words of the call."""

    model_config = _VIEW

    id: str = Field(examples=["01k5w3v0q8m2f7r4t9x1c6b3zd"])
    at_ms: int
    """Milliseconds since 1970, UTC, like all times here but `start_ms`."""
    level: Level
    level_chinese: str = Field(examples=["严重"])
    policy_id: str
    policy_name: str = Field(examples=["一级：严重问题"])
    call_id: str
    finding_id: str = Field(examples=["compliance.forbidden_words#1"])
    rule_id: str = Field(examples=["compliance.forbidden_words"])
    title: str = Field(examples=["服务禁语"])
    team: str
    agent_id: str
    start_ms: int
    """Where in the call to listen."""
    state: AlertState
    acknowledged_by: str
    """Name of the user or key that handled it; empty while nobody has."""
    acknowledged_ms: int | None
    note: str
    escalate_at_ms: int | None
    """When it is escalated unless acknowledged; null never."""
    escalated_ms: int | None
    suppressed: int
    """Further hits within its cool-down."""

    @classmethod
    def of(cls, alert: Alert) -> AlertView:
        """Show an alert."""
        plain = {name: getattr(alert, name) for name in cls.model_fields if name != "level_chinese"}
        return cls(**plain, level_chinese=alert.level.chinese)


class AlertList(BaseModel):
    """Some alerts, newest first."""

    model_config = _VIEW

    items: tuple[AlertView, ...]
    next_cursor: str | None
    """To be passed as `cursor` for those after them; null on the last page."""


class Handling(BaseModel):
    """What whoever handles an alert says."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        json_schema_extra={"examples": [{"note": "已听录音，安排辅导"}]},
    )

    note: Annotated[str, Field(max_length=2000, pattern=r"^[^\x00]*$")] = ""
    """Kept with the alert; empty leaves the earlier note."""
