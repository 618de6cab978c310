"""The assistant of one running call: hears what its session tells, and tells the agent what may help."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import cache
from typing import TYPE_CHECKING

from qingting.analysis.analyzers.compliance import Compliance
from qingting.analysis.runner import event_key_of_utterance
from qingting.live.assist.asking import Asking
from qingting.live.assist.desk import HintDesk
from qingting.live.assist.kit import AssistKit
from qingting.live.assist.pauses import Pauses
from qingting.live.assist.reminders import Reminders
from qingting.live.assist.signs import of_finding, of_mood, of_risk
from qingting.model.call import Role
from qingting.model.live_event import (
    ChecklistChanged,
    EmotionChanged,
    FinalUtterance,
    FindingRaised,
    HintKind,
    LiveEvent,
    RiskRaised,
)

if TYPE_CHECKING:
    from qingting.analysis.checklist import Checklist
    from qingting.inspector import Plan
    from qingting.live.assist.book import HintBook
    from qingting.live.assist.desk import Candidate
    from qingting.model.call import CallInfo
    from qingting.model.finding import Finding
    from qingting.model.live_event import ChecklistItem
    from qingting.model.transcript import Utterance

_LOOK_EVERY_MS = 500
"""Silences and times at the start are looked at so often while nothing new is known."""


class LiveAssist:
    """One running call. Not for several threads at once; knows no clock but the call's time."""

    def __init__(
        self, kit: AssistKit, call: CallInfo, *, roles: Collection[Role] = (Role.AGENT, Role.CUSTOMER)
    ) -> None:
        """`roles` are those whose words are told apart: without the agent's there is no checklist."""
        self._kit = kit
        self._checklist: Checklist | None = None
        if kit.checklists is not None and Role.AGENT in roles:
            self._checklist = kit.checklists.open(call)
        self._desk = HintDesk(kit.book)
        self._pauses = Pauses(kit)
        self._asking = Asking(kit)
        self._reminders = None if self._checklist is None else Reminders(kit, self._checklist, self._pauses)
        self._shown: tuple[ChecklistItem, ...] = ()
        self._now_ms = 0
        self._looked_ms = -_LOOK_EVERY_MS

    def hear(self, events: Sequence[LiveEvent], now_ms: int = 0) -> list[LiveEvent]:
        """Take what the session told at a step, or nothing; returns at most one hint, and the checklist if it changed.

        `now_ms` is the session's call time: silences show by it alone. Cheap without events.
        """
        if not events and now_ms - self._looked_ms < _LOOK_EVERY_MS:
            return []
        news = self._take(events)
        self._now_ms = max([self._now_ms, now_ms, *(event.at_ms for event in events)])
        if not news and self._now_ms - self._looked_ms < _LOOK_EVERY_MS:
            return []
        self._looked_ms = self._now_ms
        told = self._checklist_change()
        due = self._desk.next(self._now_ms, self._standing())
        if due is not None:
            hint, candidate = due
            told.append(hint)
            if hint.kind is HintKind.CHECKLIST and self._reminders is not None:
                self._reminders.told(candidate)
        return told

    def end(self, events: Sequence[LiveEvent]) -> list[LiveEvent]:
        """Take what the call's end decided; returns the checklist as the report has it, and no more hints."""
        self._take(events)
        if self._checklist is not None:
            self._checklist.end()
        self._now_ms = max([self._now_ms, *(event.at_ms for event in events)])
        return self._checklist_change()

    def dismiss(self, hint_id: str) -> bool:
        """The agent does not want a hint: its kind and topic do not come again. False when no such hint was told."""
        return self._desk.dismiss(hint_id)

    @property
    def checklist(self) -> tuple[ChecklistItem, ...]:
        """The items as last told."""
        return self._shown

    def _take(self, events: Sequence[LiveEvent]) -> bool:
        """Take events; returns whether they tell more than that somebody goes on speaking."""
        # The analysis hears utterances in order of their end; a session tells them in order of their start.
        told = [event.utterance for event in events if isinstance(event, FinalUtterance)]
        spoken = iter(sorted(told, key=event_key_of_utterance))
        news = False
        for event in events:
            self._pauses.watch(event)
            match event:
                case FinalUtterance():
                    self._hear(next(spoken))
                case FindingRaised():
                    self._judge(event.finding, event.at_ms)
                case RiskRaised():
                    self._offer(of_risk(self._kit, event))
                case EmotionChanged():
                    self._offer(of_mood(self._kit, event))
                case _:
                    continue
            news = True
        return news

    def _hear(self, utterance: Utterance) -> None:
        spoken = self._kit.hear(utterance)
        if self._checklist is not None and self._reminders is not None:
            self._checklist.hear(spoken.for_analyzer(Compliance))
            self._reminders.hear(spoken)
        self._pauses.hear(spoken)
        if spoken.role is Role.AGENT and spoken.dialogue.hits("empathy"):
            self._desk.withdraw(HintKind.EMPATHY)
        for candidate in self._asking.hear(spoken):
            self._offer(candidate)

    def _judge(self, finding: Finding, at_ms: int) -> None:
        if self._checklist is not None and self._reminders is not None:
            missed = self._checklist.judge(finding)
            if missed is not None:
                self._offer(self._reminders.missed(missed, at_ms, order=bool(finding.facts.get("order"))))
        self._offer(of_finding(self._kit, finding, at_ms))

    def _offer(self, candidate: Candidate | None) -> None:
        if candidate is not None:
            self._desk.offer(candidate)

    def _standing(self) -> list[Candidate]:
        """Hints about what lasts or is missing at this moment."""
        pause = self._pauses.due(self._now_ms)
        late = [] if self._reminders is None else self._reminders.due(self._now_ms)
        return late if pause is None else [*late, pause]

    def _checklist_change(self) -> list[LiveEvent]:
        if self._checklist is None:
            return []
        items = self._checklist.items()
        if items is self._shown:
            return []
        self._shown = items
        return [ChecklistChanged(at_ms=self._now_ms, items=items)]


class Assistants:
    """Opens the assistants of calls; each line of business is prepared once, at first use."""

    def __init__(self, plan_for: Callable[[str], Plan], book_for: Callable[[str], HintBook]) -> None:
        self._plan_for = plan_for
        self._book_for = book_for
        self._kit_for = cache(self._prepare)

    def open(self, call: CallInfo, *, roles: Collection[Role] = (Role.AGENT, Role.CUSTOMER)) -> LiveAssist:
        """Begin to assist in a call; `roles` as LiveAssist takes them.

        Raises PackError for an unknown line of business or broken hints.
        """
        return LiveAssist(self._kit_for(call.line_of_business), call, roles=roles)

    def _prepare(self, line_of_business: str) -> AssistKit:
        return AssistKit(self._plan_for(line_of_business), self._book_for(line_of_business), line_of_business)
