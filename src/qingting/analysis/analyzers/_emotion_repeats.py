"""The same demand again in a short window: what a customer says who is not heard."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from qingting.analysis.analyzers._emotion_cues import Cue
from qingting.analysis.lexicon import groups
from qingting.analysis.usage import meant
from qingting.analysis.wording import quoted, seconds

if TYPE_CHECKING:
    from qingting.analysis.context import UtteranceFacts
    from qingting.analysis.text import Hit

_LEXICON = "customer_repeat_demand"
_STEP = 0.08
_FIRST = 0.2
_MOST = 0.44
_HEATED = frozenset({"complaint", "leader", "refund", "compensation", "answer", "solve", "human", "leave"})
"""Demands whose repetition is heated in itself; asking again when something arrives is not."""


@dataclass(frozen=True, kw_only=True)
class Mention:
    """One place where a demand was made."""

    facts: UtteranceFacts
    hit: Hit


@dataclass(frozen=True, kw_only=True)
class Repeat:
    """A demand made again."""

    group: str
    mentions: tuple[Mention, ...]
    """Within the window, in order, the newest last."""

    @property
    def count(self) -> int:
        """How often it was said."""
        return len(self.mentions)

    @property
    def utterances(self) -> int:
        """In how many utterances it was said."""
        return len({mention.facts.utterance.index for mention in self.mentions})

    @property
    def span_ms(self) -> int:
        """From the first to the last mention."""
        return self.mentions[-1].facts.utterance.end_ms - self.mentions[0].facts.utterance.start_ms

    def cue(self) -> Cue:
        """Return its weight as a sign of emotion."""
        last = self.mentions[-1]
        weight = min(_FIRST + _STEP * (self.count - 2), _MOST) * (1.0 if self.group in _HEATED else 0.4)
        words = quoted(last.facts.quote(last.hit.start_char, last.hit.end_char), 16)
        reason = f"{seconds(self.span_ms)}内第{self.count}次提出{words}"
        return Cue(kind="repeat", weight=weight, reason=reason, hit=last.hit)


@cache
def repeat_phrases() -> dict[str, tuple[str, ...]]:
    """Return the phrases of demands that people repeat, by label."""
    return {f"again_{group}": phrases for group, phrases in groups(_LEXICON).items()}


class RepeatEye:
    """Remembers a customer's demands within a window."""

    def __init__(self, window_ms: int) -> None:
        self._window_ms = window_ms
        self._mentions: dict[str, deque[Mention]] = {group: deque() for group in groups(_LEXICON)}

    def hear(self, facts: UtteranceFacts) -> tuple[Repeat, ...]:
        """Take a customer's utterance; return the demands that it makes again."""
        found = []
        for group, mentions in self._mentions.items():
            hits = meant(facts.text, facts.hits(f"again_{group}"))
            while mentions and facts.utterance.end_ms - mentions[0].facts.utterance.end_ms > self._window_ms:
                mentions.popleft()
            mentions.extend(Mention(facts=facts, hit=hit) for hit in hits)
            if hits and len(mentions) > 1:
                found.append(Repeat(group=group, mentions=tuple(mentions)))
        return tuple(found)
