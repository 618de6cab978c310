"""What a supervisor sees of one running call: its line on the wall."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from qingting.model.call import Role
from qingting.model.finding import Level, Polarity
from qingting.model.live_event import (
    AlertRaised,
    EmotionChanged,
    FinalUtterance,
    FindingRaised,
    LiveEvent,
    LiveState,
    ReportReady,
    RiskRaised,
)

if TYPE_CHECKING:
    from qingting.live.masking import LiveMasking
    from qingting.model.call import CallInfo

_EVERY_MS = 500
"""Call time between two writings of a line, save when something urgent happened."""
_LINE_CHARACTERS = 120


class Card:
    """One call's line, written again when it changed."""

    def __init__(self, live_id: str, call: CallInfo, begun_ms: int) -> None:
        """`begun_ms`: when the call began, milliseconds since 1970, UTC."""
        self._values = first_line(live_id, call, begun_ms)
        self._changed = True
        self._urgent = True
        self._written_ms = -_EVERY_MS

    def hear(self, event: LiveEvent, masking: LiveMasking) -> None:
        """Take in what the call told."""
        match event:
            case FinalUtterance():
                spoken = event.utterance
                text = masking.text(spoken.text)[-_LINE_CHARACTERS:]
                self._set(last_line={"role": spoken.role.value, "start_ms": spoken.start_ms, "text": text})
            case EmotionChanged():
                self._set(moods={**self._values["moods"], event.role.value: event.mood})
                if event.role is not Role.AGENT and event.mood == "angry":
                    self._worsen(Level.SERIOUS, "客户情绪激烈")
            case RiskRaised():
                self._worsen(event.level, event.title)
            case FindingRaised() if event.finding.polarity is Polarity.FAULT:
                self._set(faults=self._values["faults"] + 1)
                self._worsen(event.finding.level, event.finding.title)
            case ReportReady():
                self._set(score=event.score, grade=event.grade)
                self._urgent = True
            case AlertRaised():
                self._set(alerts=self._values["alerts"] + 1)
                self._urgent = True

    def state(self, state: LiveState) -> None:
        """Say where the call stands."""
        self._set(state=state.value)
        self._urgent = True

    def due(self, at_ms: int, *, now: bool = False) -> str | None:
        """Return the line as JSON when it is time to write it; None otherwise."""
        if not self._changed or not (self._urgent or now or at_ms - self._written_ms >= _EVERY_MS):
            return None
        self._changed = self._urgent = False
        self._written_ms = self._values["at_ms"] = at_ms
        return json.dumps(self._values, ensure_ascii=False)

    def _worsen(self, level: Level, title: str) -> None:
        worst = self._values["risk"]
        if worst is None or level < worst:
            self._set(risk=int(level), risk_title=title)
            self._urgent = True

    def _set(self, **values: Any) -> None:
        self._values.update(values)
        self._changed = True


def first_line(live_id: str, call: CallInfo, begun_ms: int) -> dict[str, Any]:
    """The line of a call of which nothing was told yet; `begun_ms` as Card."""
    return {
        "id": live_id,
        "call_id": call.call_id,
        "agent_id": call.agent_id,
        "team": call.team,
        "line_of_business": call.line_of_business,
        "direction": call.direction,
        "state": LiveState.RUNNING.value,
        "begun_ms": begun_ms,
        "at_ms": 0,
        "risk": None,
        "risk_title": "",
        "moods": {},
        "last_line": None,
        "faults": 0,
        "alerts": 0,
        "score": None,
        "grade": "",
    }
