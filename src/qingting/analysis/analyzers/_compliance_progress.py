"""How far one item of compliance has come in a call."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qingting.analysis.analyzers._compliance_usage import done
from qingting.analysis.text import not_inside
from qingting.model.call import Role

if TYPE_CHECKING:
    from qingting.analysis.analyzers._compliance_items import Item
    from qingting.analysis.context import UtteranceFacts
    from qingting.analysis.similarity import ScriptText
    from qingting.model.finding import Evidence
    from qingting.model.transcript import Utterance

_DIGITS = re.compile("[0-9零〇一二三四五六七八九幺两]+")
NEARLY = 0.5
"""From this share of a script on an omission is doubtful: recognition may have lost the rest."""


@dataclass(frozen=True, kw_only=True)
class Done:
    """Where an item was fulfilled."""

    facts: UtteranceFacts
    start_char: int
    end_char: int
    share: float = 1.0
    """Share of a script that was heard; 1 for phrases."""
    other_words: bool = False
    """Whether it is only near: it may be the item in other words."""

    @property
    def utterance(self) -> Utterance:
        """The utterance that fulfils it."""
        return self.facts.utterance


class Progress:
    """One item's state: said where, nearly said, applicable, decided."""

    def __init__(self, item: Item, scripts: Sequence[ScriptText]) -> None:
        self.item = item
        self.done: Done | None = None
        """First place at which it was fulfilled."""
        self.latest: Done | None = None
        """Last place, for windows at the end."""
        self.nearly: Done | None = None
        """Best incomplete reading of a script."""
        self.topic: Evidence | None = None
        """The words that made it apply."""
        self.decided = False
        self.out_of_order = False
        self.seconds_over = False
        self._scripts = scripts

    @property
    def applies(self) -> bool:
        """Whether the call must fulfil it, as far as known."""
        return self.topic is not None or (self.item.when is None and self.item.before is None)

    def look(self, facts: UtteranceFacts, agent: Sequence[UtteranceFacts]) -> None:
        """Look for the item in an utterance; `agent` ends with it when the agent speaks."""
        place = None
        if self.decided:
            return
        if facts.role is Role.AGENT:
            place = self._phrase(facts) or self._script(facts, agent)
            if place is None:
                self._near(facts)
        elif facts.role is Role.CUSTOMER and self.item.customer_digits:
            place = self._number(facts)
        if place is not None:
            self.done = self.done or place
            self.latest = place

    def done_within(self, agent: Sequence[UtteranceFacts]) -> bool:
        """Whether it was fulfilled within its window at the end (anywhere without one)."""
        last = self.item.window.last_utterances
        if not last:
            return self.done is not None
        indices = {facts.utterance.index for facts in agent[-last:]}
        return self.latest is not None and self.latest.utterance.index in indices

    def _phrase(self, facts: UtteranceFacts) -> Done | None:
        said = not_inside(facts.hits(f"say {self.item.id}"), facts.hits(f"except {self.item.id}"))
        hits = done(facts.text, said)
        return Done(facts=facts, start_char=hits[0].start_char, end_char=hits[0].end_char) if hits else None

    def _near(self, facts: UtteranceFacts) -> None:
        hits = facts.hits(f"near {self.item.id}")
        if hits:
            start, end = hits[0].start_char, hits[-1].end_char
            self.nearly = Done(facts=facts, start_char=start, end_char=end, share=0.0, other_words=True)

    def _script(self, facts: UtteranceFacts, agent: Sequence[UtteranceFacts]) -> Done | None:
        before = agent[-2].text.text if len(agent) > 1 else ""
        for script in self._scripts:
            hit = script.read_in(facts.text, before=before)
            if hit is None:
                continue
            place = Done(facts=facts, start_char=hit.start_char, end_char=hit.end_char, share=hit.share)
            if hit.share >= self.item.script_share:
                return place
            if hit.share >= NEARLY and (self.nearly is None or hit.share > self.nearly.share):
                self.nearly = place
        return None

    def _number(self, facts: UtteranceFacts) -> Done | None:
        text = facts.text
        for match in _DIGITS.finditer(text.text):
            if match.end() - match.start() >= self.item.customer_digits:
                start, end = text.back(match.start(), match.end())
                return Done(facts=facts, start_char=start, end_char=end)
        return None
