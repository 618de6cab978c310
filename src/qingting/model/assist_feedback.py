"""What became of a hint: it was shown to the agent, and somebody found it useful or not."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from qingting.model.live_event import HintKind


class Verdict(StrEnum):
    """What somebody says of a hint."""

    SHOWN = "shown"
    """Nobody's verdict: the call told the hint to its agent."""
    USEFUL = "useful"
    NOT_USEFUL = "not_useful"
    DISMISSED = "dismissed"
    """The agent wanted no more of its kind and topic in this call."""

    @property
    def chinese(self) -> str:
        """The word a user reads."""
        return {"shown": "已显示", "useful": "有用", "not_useful": "没用", "dismissed": "不再提示"}[self.value]


@dataclass(frozen=True, kw_only=True)
class HintFeedback:
    """One verdict on one hint of one call; no words of the call."""

    id: str
    hint_id: str
    """Unique within the call."""
    kind: HintKind
    topic: str
    """As the hint has it: a rule id, a checklist item, a contact reason, an entry."""
    verdict: Verdict
    agent_id: str
    """Of the call."""
    actor_id: str
    """Who says so; empty for SHOWN."""
    at_ms: int
    """Milliseconds since 1970, UTC."""
