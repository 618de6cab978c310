"""Decides which hint is told when: one at a time, the most urgent first, none too often."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from qingting.model.live_event import AssistHint

if TYPE_CHECKING:
    from qingting.live.assist.book import HintBook, HintText
    from qingting.model.live_event import HintKind

_URGENT = 1
_MUCH_MORE = 2
"""Steps of urgency."""
_Subject = tuple["HintKind", str]
"""Kind and topic: what cools down, and what an agent does not want to hear of again."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A hint that might be told."""

    name: str
    """Of the hint in the book."""
    hint: HintText
    topic: str = ""
    since_ms: int
    """Call time from which on it is useful."""
    values: Mapping[str, str] = field(default_factory=dict)
    """What its text leaves to be filled in."""
    finding_id: str = ""

    @property
    def subject(self) -> _Subject:
        """What it is about."""
        return self.hint.kind, self.topic

    def text(self) -> str:
        """Chinese."""
        return self.hint.text.format_map(defaultdict(str, self.values))


class HintDesk:
    """The hints of one call. Keeps no more than a call may have of them."""

    def __init__(self, book: HintBook) -> None:
        self._limits = book.limits
        self._waiting: dict[_Subject, Candidate] = {}
        self._told: dict[str, _Subject] = {}
        self._told_ms: dict[_Subject, int] = {}
        self._recent: deque[int] = deque(maxlen=max(self._limits.most_at_once, 1))
        self._last_urgency = _URGENT
        self._unwanted: set[_Subject] = set()

    def offer(self, candidate: Candidate) -> None:
        """Take a hint that is told if its turn comes while it is useful; a newer one about the same replaces it."""
        self._waiting[candidate.subject] = candidate

    def withdraw(self, kind: HintKind) -> None:
        """Drop what waits of a kind: the agent has just done it."""
        for subject in [one for one in self._waiting if one[0] is kind]:
            del self._waiting[subject]

    def dismiss(self, hint_id: str) -> bool:
        """Say no more about a hint's subject in this call; False when no such hint was told."""
        subject = self._told.get(hint_id)
        if subject is None:
            return False
        self._unwanted.add(subject)
        return True

    def next(self, now_ms: int, standing: Iterable[Candidate] = ()) -> tuple[AssistHint, Candidate] | None:
        """Return the hint to tell now; `standing` are hints that are useful as long as they are given here."""
        useful_ms = 1000 * self._limits.useful_seconds
        self._waiting = {subject: one for subject, one in self._waiting.items() if now_ms - one.since_ms <= useful_ms}
        if len(self._told) >= self._limits.most_hints:
            return None
        allowed = [one for one in (*self._waiting.values(), *standing) if self._may(one, now_ms)]
        if not allowed:
            return None
        chosen = min(allowed, key=lambda one: (one.hint.urgency, -one.since_ms))
        return self._tell(chosen, now_ms), chosen

    def _may(self, one: Candidate, now_ms: int) -> bool:
        if one.subject in self._unwanted or self._too_many(one.hint, now_ms):
            return False
        cool_down = one.hint.cool_down_seconds or self._limits.cool_down_seconds
        told_ms = self._told_ms.get(one.subject)
        return told_ms is None or now_ms - told_ms >= 1000 * cool_down

    def _too_many(self, hint: HintText, now_ms: int) -> bool:
        """Whether the agent was told something just now, or much of late."""
        if not self._recent:
            return False
        limits, urgent = self._limits, hint.urgency == _URGENT
        # What matters much need not wait because something that matters little was told.
        soon = urgent or hint.prompt or hint.urgency <= self._last_urgency - _MUCH_MORE
        gap = limits.urgent_gap_seconds if soon else limits.gap_seconds
        if now_ms - self._recent[-1] < 1000 * gap:
            return True
        full = len(self._recent) == self._recent.maxlen
        return full and not urgent and now_ms - self._recent[0] < 1000 * limits.at_once_seconds

    def _tell(self, one: Candidate, now_ms: int) -> AssistHint:
        self._waiting.pop(one.subject, None)
        hint_id = f"h{len(self._told) + 1}"
        self._told[hint_id] = one.subject
        self._told_ms[one.subject] = now_ms
        self._recent.append(now_ms)
        self._last_urgency = one.hint.urgency
        return AssistHint(
            at_ms=now_ms,
            hint_id=hint_id,
            kind=one.hint.kind,
            topic=one.topic,
            text=one.text(),
            urgent=one.hint.urgency == _URGENT,
            finding_id=one.finding_id,
        )
