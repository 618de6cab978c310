"""The items of compliance as a list that an agent can follow while the call runs.

What counts as said is decided by the very matching of the dimension; what was missed is the dimension's own
verdict, its findings. So the list at the end of a call says what the report says.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from qingting.analysis.analyzers._compliance_items import Kind
from qingting.analysis.analyzers._compliance_progress import Progress
from qingting.analysis.findings import sentence_evidence
from qingting.analysis.similarity import ScriptText
from qingting.analysis.usage import meant
from qingting.model.call import Role
from qingting.model.finding import Polarity
from qingting.model.live_event import ChecklistItem, ItemState

if TYPE_CHECKING:
    from qingting.analysis.analyzers._compliance_items import Item
    from qingting.analysis.analyzers.compliance import Compliance
    from qingting.analysis.context import UtteranceFacts
    from qingting.model.call import CallInfo
    from qingting.model.finding import Finding

_SUMMARY = "compliance.execution"


@dataclass(frozen=True, kw_only=True)
class OpenItem:
    """An item that applies and was not said yet."""

    id: str
    name: str
    """Chinese."""
    advice: str
    """Chinese: what to say."""
    closes_ms: int | None = None
    """Call time at which its window at the start closes; None for other items."""
    opened_ms: int | None = None
    """Call time at which that window opened."""
    at_end: bool = False
    """Whether it belongs to the last words of the call."""
    topic_ms: int | None = None
    """End of the words that made it apply; None for items that always apply."""


class ChecklistMaker:
    """Opens checklists: the items of one pack, prepared once. Immutable."""

    def __init__(self, compliance: Compliance) -> None:
        self._items = tuple(item for item in compliance.options.items if item.kind is not Kind.MUST_NOT_SAY)
        self._scripts = {item.id: tuple(ScriptText(script) for script in item.scripts) for item in self._items}
        self._forbidden = {item.id: item.advice for item in compliance.options.items if item.kind is Kind.MUST_NOT_SAY}

    def open(self, call: CallInfo) -> Checklist:
        """Begin the checklist of one call."""
        items = [item for item in self._items if call.medium in item.media]
        return Checklist([Progress(item, self._scripts[item.id]) for item in items])

    def advice_against(self, rule_id: str) -> str:
        """Chinese advice of an item that must not be said, by its rule; empty for other rules."""
        return self._forbidden.get(rule_id.removeprefix("compliance."), "")


class Checklist:
    """How far the items of one call are. Not for several threads at once."""

    def __init__(self, progress: list[Progress]) -> None:
        self._progress = {one.item.id: one for one in progress}
        self._verdicts: dict[str, ItemState] = {}
        self._agent: list[UtteranceFacts] = []
        self._remembered = max([2, *(one.item.window.last_utterances for one in progress)])
        self._agent_from_ms: int | None = None
        self._ended = False
        self._shown = tuple(_first_shown(one) for one in self._progress.values())
        self._stale = True
        self._open: list[OpenItem] | None = None

    def agent_began(self, at_ms: int) -> None:
        """Take note that the agent speaks; the first word opens the windows at the start."""
        if self._agent_from_ms is None or at_ms < self._agent_from_ms:
            self._agent_from_ms = at_ms
            self._changed()

    def hear(self, facts: UtteranceFacts) -> None:
        """Look for every item in an utterance; `facts` hold the hits of the compliance phrases."""
        self._changed()
        if facts.role is Role.AGENT:
            self.agent_began(facts.utterance.start_ms)
            self._agent.append(facts)
            del self._agent[: -self._remembered]
        for one in self._progress.values():
            # What is said stays said, save words that must be among the last.
            if one.done is None or one.item.window.last_utterances:
                one.look(facts, self._agent)
            topic = one.item.when or one.item.before
            if topic is not None and facts.role is topic.who and one.topic is None:
                label = "when" if one.item.when is not None else "before"
                hits = meant(facts.text, facts.hits(f"{label} {one.item.id}"))
                if hits:
                    one.topic = sentence_evidence(facts, hits[0], operator="topic")

    def judge(self, finding: Finding) -> OpenItem | None:
        """Take a finding of compliance; returns the item that it calls missed, None when it is about something else."""
        if finding.rule_id == _SUMMARY:
            self._sum_up(finding)
            return None
        one = self._progress.get(finding.rule_id.removeprefix("compliance."))
        if finding.dimension != "compliance" or finding.polarity is not Polarity.FAULT or one is None:
            return None
        one.decided = True
        self._changed()
        self._verdicts[one.item.id] = ItemState.MISSED
        return self._open_item(one)

    def end(self) -> None:
        """The call is over: what nothing asked for was not needed."""
        self._ended = True
        self._changed()

    def items(self) -> tuple[ChecklistItem, ...]:
        """All items in the pack's order, as they stand now; the same object until one of them changes."""
        if self._stale:
            self._stale = False
            now = [self._now(one, before) for one, before in zip(self._progress.values(), self._shown, strict=True)]
            if any(one is not before for one, before in zip(now, self._shown, strict=True)):
                self._shown = tuple(now)
        return self._shown

    def open_items(self) -> list[OpenItem]:
        """Items that apply and were not said yet; those that must come before certain words are left out."""
        if self._open is None:
            applying = [one for one in self._progress.values() if one.item.before is None and one.applies]
            self._open = [self._open_item(one) for one in applying if self._state(one) is ItemState.OPEN]
        return self._open

    def _changed(self) -> None:
        self._stale, self._open = True, None

    def _sum_up(self, summary: Finding) -> None:
        """Take over what the report sums up, should it ever differ from what was followed here."""
        self._changed()
        verdicts = {"done": ItemState.SAID, "omitted": ItemState.MISSED}
        for item_id in self._progress:
            verdict = verdicts.get(str(summary.facts.get(item_id)))
            if verdict is not None:
                self._verdicts[item_id] = verdict

    def _state(self, one: Progress) -> ItemState:
        if one.item.id in self._verdicts:
            return self._verdicts[one.item.id]
        if one.done_within(self._agent):
            return ItemState.SAID
        # What must come before certain words is open until the call ends without them.
        if one.applies or (one.item.before is not None and not self._ended):
            return ItemState.OPEN
        return ItemState.NOT_NEEDED

    def _now(self, one: Progress, before: ChecklistItem) -> ChecklistItem:
        state = self._state(one)
        place = (one.latest if one.item.window.last_utterances else one.done) if state is ItemState.SAID else None
        utterance = None if place is None else place.utterance.index
        if (state, utterance) == (before.state, before.utterance):
            return before
        said_ms = None if place is None else place.facts.time_of(place.start_char, place.end_char)[0]
        return replace(before, state=state, said_ms=said_ms, utterance=utterance)

    def _open_item(self, one: Progress) -> OpenItem:
        window, opened_ms = one.item.window, None
        if window.first_seconds and self._agent_from_ms is not None:
            opened_ms = self._agent_from_ms
        return OpenItem(
            id=one.item.id,
            name=one.item.name,
            advice=one.item.advice,
            opened_ms=opened_ms,
            closes_ms=None if opened_ms is None else opened_ms + 1000 * window.first_seconds,
            at_end=bool(window.last_utterances),
            topic_ms=None if one.topic is None else one.topic.end_ms,
        )


def _first_shown(one: Progress) -> ChecklistItem:
    """An item before anyone has spoken."""
    item = one.item
    state = ItemState.NOT_NEEDED if item.when is not None else ItemState.OPEN
    return ChecklistItem(id=item.id, name=item.name, state=state, when=_place(item), advice=item.advice)


def _place(item: Item) -> str:
    """Chinese words for where in the call an item belongs."""
    window, parts = item.window, []
    if item.when is not None and item.when.name:
        who = "客户" if item.when.who is Role.CUSTOMER else ""
        parts.append(f"{who}{item.when.name}后")
    if item.before is not None and item.before.name:
        parts.append(f"{item.before.name}前")
    if window.first_seconds:
        parts.append(f"开场{window.first_seconds}秒内")
    elif window.first_utterances:
        parts.append(f"开场{window.first_utterances}句内")
    if window.last_utterances:
        parts.append("结束前")
    return "，".join(parts)
