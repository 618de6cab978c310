"""When an item of the checklist is late: its time at the start runs out, its topic is left, the call is closing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qingting.analysis.dialogue import is_sound
from qingting.model.call import Role

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qingting.analysis.checklist import Checklist, OpenItem
    from qingting.live.assist.desk import Candidate
    from qingting.live.assist.kit import AssistKit, Spoken
    from qingting.live.assist.pauses import Pauses

_NAMED = 3
"""So many items are named in one hint."""


class Reminders:
    """Watches the open items of one call; each is reminded of once per reason."""

    def __init__(self, kit: AssistKit, checklist: Checklist, pauses: Pauses) -> None:
        self._kit = kit
        self._checklist = checklist
        self._pauses = pauses
        self._reminded: set[tuple[str, str]] = set()
        self._answered_turn_ms = -1
        """Start of the newest turn of the agent that the customer has answered."""
        self._turn_ms: int | None = None
        """Start of the agent's turn that runs, or waits for an answer."""
        self._customer_heard = False
        self._closing = False
        self._goodbye = False
        """Whether the customer has said goodbye and nothing of weight since."""
        self._answered_goodbye = False

    def hear(self, spoken: Spoken) -> None:
        """Take what was said, after the checklist has."""
        facts = spoken.dialogue
        if not spoken.text.text:
            return
        if spoken.role is Role.AGENT:
            if self._turn_ms is None:
                self._turn_ms = spoken.utterance.start_ms
            self._closing = self._closing or bool(facts.hits("further_help"))
            self._answered_goodbye = self._goodbye
        elif spoken.role is Role.CUSTOMER:
            if spoken.says_goodbye:
                self._closing = self._goodbye = True
            elif not is_sound(facts):
                self._goodbye = self._answered_goodbye = False
            self._customer_heard = True
            if self._turn_ms is not None and not is_sound(facts):
                self._answered_turn_ms, self._turn_ms = self._turn_ms, None

    def missed(self, item: OpenItem, at_ms: int, *, order: bool) -> Candidate | None:
        """Return the hint about an item that was just decided as missed, unless it was reminded of before."""
        if any(one[0] == item.id for one in self._reminded):
            return None
        return self._hint("item_order" if order else "item_early", [item], at_ms)

    def due(self, now_ms: int) -> list[Candidate]:
        """Return the hints about what is late now; none while the agent speaks and may just be saying it."""
        if self._pauses.is_speaking(Role.AGENT):
            return []
        open_items = self._checklist.open_items()
        if not open_items:
            return []
        early = [one for one in open_items if self._running_out(one, now_ms)]
        closing = [one for one in open_items if self._left_for_the_end(one, now_ms)]
        late = [one for one in open_items if self._topic_left(one)]
        found = [
            self._hint("item_early", self._fresh("item_early", early), now_ms),
            self._hint("item_closing", self._fresh("item_closing", closing), now_ms),
            self._hint("item_late", self._fresh("item_late", late), now_ms),
        ]
        return [one for one in found if one is not None]

    def told(self, candidate: Candidate) -> None:
        """Take note that a hint of these was told."""
        self._reminded |= {(item, candidate.name) for item in candidate.topic.split("+")}

    def _fresh(self, name: str, items: Sequence[OpenItem]) -> list[OpenItem]:
        return [one for one in items if (one.id, name) not in self._reminded]

    def _running_out(self, item: OpenItem, now_ms: int) -> bool:
        # Nobody is owed an opening by a voice message.
        if item.opened_ms is None or item.closes_ms is None or not self._customer_heard:
            return False
        share = self._kit.book.times.window_share
        return item.opened_ms + share * (item.closes_ms - item.opened_ms) <= now_ms < item.closes_ms

    def _topic_left(self, item: OpenItem) -> bool:
        """Whether the agent has had a whole turn after the words that made it apply."""
        return item.topic_ms is not None and not item.at_end and self._answered_turn_ms > item.topic_ms

    def _left_for_the_end(self, item: OpenItem, now_ms: int) -> bool:
        if item.closes_ms is not None:
            return False
        if not item.at_end:
            return self._closing
        if not self._goodbye:
            return False
        silent_ms = self._pauses.silent_since_ms
        waited = silent_ms is not None and now_ms - silent_ms >= 1000 * self._kit.book.times.goodbye_seconds
        return self._answered_goodbye or waited

    def _hint(self, name: str, items: Sequence[OpenItem], since_ms: int) -> Candidate | None:
        if not items:
            return None
        shown = items[:_NAMED]
        values = {"names": "”“".join(one.name for one in shown), "advice": shown[0].advice}
        return self._kit.candidate(name, since_ms, topic="+".join(one.id for one in shown), values=values)
