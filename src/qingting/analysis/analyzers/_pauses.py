"""Who is to speak next: the customer's open wish, the running hold, and the silences between."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qingting.analysis.context import UtteranceFacts
    from qingting.analysis.text import Hit


@dataclass(kw_only=True)
class OpenWish:
    """A customer's demand or question that the agent has not answered yet."""

    facts: UtteranceFacts
    """Utterance that states it."""
    hit: Hit
    """The words that make it a wish."""
    turn_end_ms: int
    """End of the customer's turn: from here the agent's time counts."""


@dataclass(kw_only=True)
class OpenHold:
    """The agent has asked the customer to wait and has not spoken since."""

    facts: UtteranceFacts
    """Utterance that asks for it."""
    since_ms: int
    """When the waiting began."""
    customer_ms: int = 0
    """Time the customer has spoken since: no waiting."""


@dataclass(frozen=True, kw_only=True)
class Silence:
    """A stretch in which nobody spoke."""

    start_ms: int
    end_ms: int
    after: UtteranceFacts
    """Last utterance before it."""

    @property
    def length_ms(self) -> int:
        """Length in ms."""
        return self.end_ms - self.start_ms
