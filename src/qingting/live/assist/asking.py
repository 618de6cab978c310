"""What the customer asks for: the same thing again and again, and what the knowledge answers."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from qingting.analysis.dialogue import has_problem
from qingting.analysis.usage import meant
from qingting.live.assist.kit import FEELING, UNSURE, entry_label, times_in_chinese
from qingting.live.assist.signs import MOOD
from qingting.model.call import Role

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qingting.analysis.intents import Intent
    from qingting.live.assist.desk import Candidate
    from qingting.live.assist.kit import AssistKit, Spoken

_REMEMBERED = 12
"""Times of questions about one thing."""
_ABOUT_CUSTOMER = ("您", "你", "客户")
"""Before 不清楚 they make it the customer's: 您不清楚的话我再说一遍."""


class Asking:
    """Listens to the words of one call."""

    def __init__(self, kit: AssistKit) -> None:
        self._kit = kit
        self._asked: dict[str, deque[int]] = {}
        self._answered: set[str] = set()
        """Reasons that the agent has spoken after."""

    def hear(self, spoken: Spoken) -> Iterator[Candidate]:
        """Yield the hints that an utterance gives."""
        found: list[Candidate | None] = []
        if spoken.role is Role.AGENT:
            self._answered.update(self._asked)
            found.append(self._unsure(spoken))
        elif spoken.role is Role.CUSTOMER:
            found.append(self._feeling(spoken))
            found.append(self._entry(spoken))
            if has_problem(spoken.dialogue):
                found += [self._again(intent, spoken) for intent in self._kit.reasons_of(spoken)]
        return (one for one in found if one is not None)

    def _feeling(self, spoken: Spoken) -> Candidate | None:
        hits = meant(spoken.text, spoken.own.hits(FEELING))
        if not hits:
            return None
        values = {"word": hits[0].phrase}
        return self._kit.candidate("feeling_word", spoken.utterance.end_ms, topic=MOOD, values=values)

    def _again(self, intent: Intent, spoken: Spoken) -> Candidate | None:
        """Questions in one breath are one: another one counts when the agent has spoken in between."""
        times, now_ms = self._kit.book.times, spoken.utterance.end_ms
        asked = self._asked.setdefault(intent.id, deque(maxlen=_REMEMBERED))
        if asked and intent.id not in self._answered:
            return None
        self._answered.discard(intent.id)
        asked.append(now_ms)
        while now_ms - asked[0] > 1000 * times.repeat_window_seconds:
            asked.popleft()
        if len(asked) < times.repeat_count:
            return None
        own, default = self._kit.book.asks.get(intent.id), self._kit.book.asks.get("default")
        advice = (own and own.advice) or (default and default.advice) or ""
        values = {
            "times": times_in_chinese(len(asked)),
            "topic": own.name if own is not None and own.name else f"“{intent.name}”",
            "advice": advice,
        }
        return self._kit.candidate("repeated_question", now_ms, topic=intent.id, values=values)

    def _entry(self, spoken: Spoken) -> Candidate | None:
        for entry, one in self._kit.knowledge.items():
            if spoken.own.hits(entry_label(entry)):
                values = {"title": one.title, "answer": one.answer}
                return self._kit.candidate("knowledge_entry", spoken.utterance.end_ms, topic=entry, values=values)
        return None

    def _unsure(self, spoken: Spoken) -> Candidate | None:
        """The agent does not know; the customer's not knowing and mere politeness do not count."""
        facts = spoken.own
        for hit in meant(spoken.text, facts.hits(UNSURE)):
            start, end = spoken.text.clause_at(hit.start_char)
            before, after = facts.quote(start, hit.start_char), facts.quote(hit.end_char, max(end, hit.end_char))
            if not any(word in before for word in _ABOUT_CUSTOMER) and not after.startswith(("您", "你", "的地方")):
                return self._kit.candidate("agent_unsure", spoken.utterance.end_ms, topic="unsure")
        return None
