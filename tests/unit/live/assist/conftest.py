"""A conversation that is told to an assistant word by word, without sound, recogniser or analysis."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from qingting.bootstrap import plans
from qingting.bootstrap.assist import assistants
from qingting.live.assist.assistant import Assistants, LiveAssist
from qingting.model.call import CallInfo, Role
from qingting.model.finding import Confidence, Evidence, Finding, Level, Polarity
from qingting.model.live_event import (
    AssistHint,
    ChecklistChanged,
    EmotionChanged,
    FinalUtterance,
    FindingRaised,
    ItemState,
    LiveEvent,
    PartialText,
    RiskRaised,
)
from qingting.model.transcript import Utterance
from qingting.settings import load_settings

_STEP_MS = 500
_PARTIES = {Role.AGENT: "left", Role.CUSTOMER: "right", Role.UNSURE: "mono"}


def finding(rule_id: str, confidence: float = 1.0, **facts: Any) -> Finding:
    """A finding of a rule, as the analysis would raise it."""
    return Finding(
        rule_id=rule_id, rule_version="1", dimension=rule_id.partition(".")[0], title="", level=Level.MEDIUM,
        polarity=Polarity.FAULT, who=Role.AGENT, evidence=(Evidence(operator="test", start_ms=0, end_ms=0),),
        confidence=Confidence(value=confidence), explanation="说明", advice="客户的号码是13800138000", facts=facts,
        id=f"{rule_id}#1",
    )  # fmt: skip


class Talk:
    """Tells a call to an assistant as a session would, and keeps what the agent was told."""

    finding = staticmethod(finding)

    def __init__(self, assist: LiveAssist, *, live_words: bool = True) -> None:
        self.assist = assist
        self.now_ms = 0
        self.hints: list[AssistHint] = []
        self.states: dict[str, ItemState] = {}
        self.changes = 0
        self._live_words = live_words
        self._spoken = 0

    def agent(self, text: str, seconds: float = 3, pause: float = 0.5) -> list[AssistHint]:
        """The agent says something; returns the hints meanwhile."""
        return self._say(Role.AGENT, text, seconds, pause)

    def customer(self, text: str, seconds: float = 3, pause: float = 0.5) -> list[AssistHint]:
        return self._say(Role.CUSTOMER, text, seconds, pause)

    def quiet(self, seconds: float) -> list[AssistHint]:
        """Nobody says anything."""
        told, until = [], self.now_ms + round(seconds * 1000)
        while self.now_ms < until:
            self.now_ms = min(self.now_ms + _STEP_MS, until)
            told += self.tell()
        return told

    def risk(self, kind: str, role: Role = Role.CUSTOMER) -> list[AssistHint]:
        return self.tell(
            RiskRaised(at_ms=self.now_ms, level=Level.SERIOUS, kind=kind, title="", role=role, start_ms=0, quote="词")
        )

    def mood(self, mood: str, role: Role = Role.CUSTOMER) -> list[AssistHint]:
        return self.tell(EmotionChanged(at_ms=self.now_ms, role=role, mood=mood, intensity=0.7))

    def finds(self, rule_id: str, confidence: float = 1.0, **facts: Any) -> list[AssistHint]:
        return self.tell(FindingRaised(at_ms=self.now_ms, finding=finding(rule_id, confidence, **facts)))

    def ends(self, *events: LiveEvent) -> list[LiveEvent]:
        told = self.assist.end(events)
        self._keep(told)
        return told

    def tell(self, *events: LiveEvent) -> list[AssistHint]:
        return self._keep(self.assist.hear(events, self.now_ms))

    def _say(self, role: Role, text: str, seconds: float, pause: float) -> list[AssistHint]:
        told = self.quiet(pause)
        start_ms, party = self.now_ms, _PARTIES[role]
        if self._live_words:
            told += self.tell(
                PartialText(at_ms=start_ms, party=party, role=role, start_ms=start_ms, stable_text="", tail_text="")
            )
        told += self.quiet(seconds)
        utterance = Utterance(
            index=self._spoken, party=party, role=role, role_confidence=1.0, start_ms=start_ms, end_ms=self.now_ms,
            text=text,
        )  # fmt: skip
        self._spoken += 1
        return told + self.tell(FinalUtterance(at_ms=self.now_ms, utterance=utterance))

    def _keep(self, told: list[LiveEvent]) -> list[AssistHint]:
        for event in told:
            if isinstance(event, ChecklistChanged):
                self.states = {item.id: item.state for item in event.items}
                self.changes += 1
        hints = [event for event in told if isinstance(event, AssistHint)]
        self.hints += hints
        return hints


OpenTalk = Callable[..., Talk]


@pytest.fixture(scope="session")
def opener() -> Assistants:
    settings = load_settings()
    return assistants(settings, plans(settings))


@pytest.fixture
def talk(opener: Assistants) -> OpenTalk:
    """Begin a call: `talk("ecommerce")`; `roles`, `live_words` as there are."""

    def begin(line: str = "general", *, live_words: bool = True, **more: Any) -> Talk:
        call = CallInfo(call_id="c", line_of_business=line, **{k: v for k, v in more.items() if k != "roles"})
        roles = {"roles": more["roles"]} if "roles" in more else {}
        return Talk(opener.open(call, **roles), live_words=live_words)

    return begin
