"""Who called whom, and what the centre knows of the call besides its sound."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Role(StrEnum):
    """The part a party plays in the call."""

    AGENT = "agent"
    CUSTOMER = "customer"
    UNSURE = "unsure"

    @property
    def chinese(self) -> str:
        """The word a call-centre person reads."""
        return {"agent": "坐席", "customer": "客户", "unsure": "未定"}[self.value]

    @property
    def other(self) -> Role:
        """The role across the line; UNSURE stays UNSURE."""
        return {Role.AGENT: Role.CUSTOMER, Role.CUSTOMER: Role.AGENT}.get(self, Role.UNSURE)


class AgentChannel(StrEnum):
    """Which channel of a two-channel recording carries the agent."""

    LEFT = "left"
    RIGHT = "right"
    AUTO = "auto"


class Medium(StrEnum):
    """How the two sides talk."""

    VOICE = "voice"
    CHAT = "chat"
    """Messages that both sides read at once; what concerns the sound of a call does not apply."""
    EMAIL = "email"
    """Messages that are answered within hours."""


class DesktopKind(StrEnum):
    """What the agent did with the knowledge base."""

    SEARCH = "search"
    OPEN = "open"
    CLOSE = "close"
    COPY = "copy"

    @property
    def chinese(self) -> str:
        """The word a report reader sees."""
        return {"search": "检索", "open": "打开", "close": "关闭", "copy": "复制"}[self.value]


@dataclass(frozen=True, kw_only=True)
class DesktopEvent:
    """One action of the agent in the knowledge base."""

    kind: DesktopKind
    at_ms: int
    """Call time; negative before the call."""
    query: str = ""
    """What was searched for; not empty for SEARCH."""
    results: int | None = None
    """How many articles a search found; None when unknown."""
    article: str = ""
    """Id of the article."""
    title: str = ""
    """Title of the article."""
    text: str = ""
    """The article's words, or the words that were copied."""

    @property
    def name(self) -> str:
        """What people call the thing searched or opened."""
        return self.query or self.title or self.article


@dataclass(frozen=True, kw_only=True)
class CallInfo:
    """What is known of a call before anyone listens to it."""

    call_id: str
    """The caller's own identifier; unique within one installation."""
    line_of_business: str = "general"
    """Chooses pack and scorecard: `general`, `ecommerce` …"""
    agent_channel: AgentChannel = AgentChannel.AUTO
    """Channel map of a two-channel recording; AUTO decides from evidence."""
    agent_id: str = ""
    """The agent's staff number or name as the centre writes it."""
    team: str = ""
    """The agent's team or skill group."""
    direction: str = ""
    """`inbound`, `outbound` or empty when unknown."""
    started_at: str = ""
    """Start of the call as ISO 8601 with zone, or empty."""
    customer_reference: str = ""
    """The customer's key in the centre's own systems."""
    fields: Mapping[str, str] = field(default_factory=dict)
    """Any further call data (queue, CSAT score, campaign …)."""
    medium: Medium = Medium.VOICE
    """How the two sides talk."""
    times_known: bool = True
    """False for conversations whose messages carry no times: what is measured in time does not apply."""
    desktop_events: tuple[DesktopEvent, ...] | None = None
    """The agent's actions in the knowledge base in order of time; None when nobody recorded them."""
