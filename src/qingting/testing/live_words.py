"""Words that are known, told as a running call would tell them: for tests of what listens to running calls."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qingting.analysis.signals import SignalName
from qingting.live.ordering import OrderedAnalysis
from qingting.live.risk import RiskWatch
from qingting.model.live_event import EmotionChanged, FinalUtterance, FindingRaised, PartialText, RiskRaised

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qingting.inspector import Plan
    from qingting.live.ordering import Settled
    from qingting.model.call import CallInfo, Role
    from qingting.model.live_event import LiveEvent
    from qingting.model.transcript import Transcript, Utterance

FIRST_WORDS_MS = 600
"""From the start of speech to its first unfinished words."""
WORDS_MS = 400
"""From the end of an utterance to its words."""
STEP_MS = 500
"""Somebody looks at the call at least so often, also when nothing is told."""


@dataclass(frozen=True, kw_only=True)
class LiveStep:
    """What a session told at one moment."""

    now_ms: int
    events: list[LiveEvent]
    ended: bool = False
    """Whether the call is over: the last step."""


def live_steps(transcript: Transcript, call: CallInfo, plan: Plan) -> Iterator[LiveStep]:
    """Tell a transcript as a session does: unfinished words, utterances, findings, moods and risks in their order."""
    return _LiveWords(transcript, call, plan).steps()


class _LiveWords:
    """One call whose words come from a transcript."""

    def __init__(self, transcript: Transcript, call: CallInfo, plan: Plan) -> None:
        self._transcript = transcript
        self._analysis = plan.analysis.open(call, also_signals=(SignalName.EMOTION,))
        roles = {one.party: (one.role, one.role_confidence) for one in transcript.utterances}
        self._ordered = OrderedAnalysis(self._analysis, roles)
        self._risks = RiskWatch()
        self._moods: dict[Role, str] = {}
        self._signals_read = 0
        self._running: dict[str, Utterance] = {}

    def steps(self) -> Iterator[LiveStep]:
        moments = [(at_ms, 2, -1) for at_ms in range(0, self._transcript.duration_ms, STEP_MS)]
        for number, one in enumerate(self._transcript.utterances):
            first_ms = min(one.start_ms + FIRST_WORDS_MS, one.end_ms)
            moments += [(one.start_ms, 1, number), (first_ms, 3, number), (one.end_ms + WORDS_MS, 0, number)]
        heapq.heapify(moments)
        now_ms = 0
        while moments:
            now_ms, rank, number = heapq.heappop(moments)
            yield LiveStep(now_ms=now_ms, events=self._step(now_ms, rank, number))
        end_ms = max(now_ms, self._transcript.duration_ms)
        settled = self._ordered.finish(self._transcript.duration_ms)
        yield LiveStep(now_ms=end_ms, events=self._told(settled, end_ms), ended=True)

    def _step(self, now_ms: int, rank: int, number: int) -> list[LiveEvent]:
        events: list[LiveEvent] = []
        if number >= 0:
            one = self._transcript.utterances[number]
            if rank == 0:
                events += self._final(one, now_ms)
            elif rank == 1:
                self._running[f"{one.party} {one.start_ms}"] = one
            elif one.text and f"{one.party} {one.start_ms}" in self._running:
                events.append(_partial(one, now_ms))
        horizon_ms = min([now_ms, *(one.start_ms for one in self._running.values())])
        return events + self._told(self._ordered.settle(horizon_ms), now_ms)

    def _final(self, one: Utterance, now_ms: int) -> list[LiveEvent]:
        self._running.pop(f"{one.party} {one.start_ms}", None)
        self._ordered.add(one)
        return [
            RiskRaised(
                at_ms=now_ms, level=risk.level, kind=risk.kind, title=risk.title, role=one.role,
                start_ms=one.start_ms, quote=one.text[risk.start_char : risk.end_char],
            )
            for risk in self._risks.look(one.text, party=one.party, role=one.role, start_ms=one.start_ms)
        ]  # fmt: skip

    def _told(self, settled: Settled, now_ms: int) -> list[LiveEvent]:
        finals = [FinalUtterance(at_ms=now_ms, utterance=one) for one in settled.utterances]
        found = [FindingRaised(at_ms=now_ms, finding=one) for one in settled.findings]
        return [*finals, *self._moods_changed(now_ms), *found]

    def _moods_changed(self, now_ms: int) -> list[LiveEvent]:
        fresh = self._analysis.signals[self._signals_read :]
        self._signals_read += len(fresh)
        changed: list[LiveEvent] = []
        for one in fresh:
            if one.name is SignalName.EMOTION and self._moods.get(one.role, "calm") != one.value:
                self._moods[one.role] = one.value
                changed.append(EmotionChanged(at_ms=now_ms, role=one.role, mood=one.value, intensity=one.strength))
        return changed


def _partial(one: Utterance, now_ms: int) -> PartialText:
    return PartialText(
        at_ms=now_ms, party=one.party, role=one.role, start_ms=one.start_ms, stable_text="", tail_text=one.text[:4]
    )
