"""Feeds an analysis with utterances in the order of a finished recording, as soon as that order is certain.

Words come late and out of order: a party that speaks for twenty seconds has its words after the other
one's answer. An event is handed on when nothing earlier can come any more, which is what makes the
findings of a running call those of its recording.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from qingting.analysis.runner import EventKey, event_key_of_start, event_key_of_utterance
from qingting.speech.corrector import correct_utterance

if TYPE_CHECKING:
    from qingting.analysis.runner import CallAnalysis
    from qingting.model.audio import RoleDecision
    from qingting.model.call import Role
    from qingting.model.finding import Finding
    from qingting.model.transcript import Utterance
    from qingting.speech.corrector import Corrector


@dataclass(frozen=True, kw_only=True)
class Settled:
    """What became certain: utterances as the report will have them, and what was found."""

    utterances: tuple[Utterance, ...] = ()
    """In order of start, roles set, numbered, misheard terms put right."""
    findings: tuple[Finding, ...] = ()


class OrderedAnalysis:
    """One call's analysis and the utterances that wait for it. Not for several threads at once."""

    def __init__(
        self, analysis: CallAnalysis, roles: Mapping[str, tuple[Role, float]], *, corrector: Corrector | None = None
    ) -> None:
        """`roles`: party -> role and its confidence."""
        self._analysis = analysis
        self._roles = roles
        self._corrector = corrector
        self._starts: list[tuple[EventKey, int, Utterance]] = []
        self._ends: list[tuple[EventKey, int, Utterance]] = []
        self._added = 0
        self._horizon_ms = 0
        self.utterances: list[Utterance] = []
        """All that settled, in order of the transcript."""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All findings until now."""
        return self._analysis.findings

    @property
    def waiting(self) -> int:
        """Utterances whose words are known and whose place is not certain yet."""
        return len(self._starts)

    def add(self, utterance: Utterance) -> None:
        """Take an utterance whose words are known."""
        self._added += 1
        key = event_key_of_start(utterance.party, utterance.start_ms)
        heapq.heappush(self._starts, (key, self._added, utterance))

    def settle(self, horizon_ms: int) -> Settled:
        """Hand on what happened before the horizon; every utterance that begins before it was added."""
        if horizon_ms <= self._horizon_ms:
            return Settled()
        self._horizon_ms = horizon_ms
        first = len(self.utterances)
        findings = self._feed(horizon_ms)
        findings += self._analysis.advance(horizon_ms)
        return Settled(utterances=tuple(self.utterances[first:]), findings=tuple(findings))

    def finish(self, end_ms: int) -> Settled:
        """End the call: everything that was added is handed on."""
        first = len(self.utterances)
        last_ms = max([end_ms, *(one.end_ms for _, _, one in (*self._starts, *self._ends))])
        findings = self._feed(last_ms + 1)
        findings += self._analysis.finish(last_ms)
        return Settled(utterances=tuple(self.utterances[first:]), findings=tuple(findings))

    def _feed(self, horizon_ms: int) -> list[Finding]:
        """Starts and ends before the horizon, in the order of their keys."""
        findings: list[Finding] = []
        while True:
            start = self._starts[0][0] if self._starts else None
            end = self._ends[0][0] if self._ends else None
            if start is not None and start[0] < horizon_ms and (end is None or start < end):
                findings += self._begin()
            elif end is not None and end[0] < horizon_ms:
                findings += self._analysis.hear(heapq.heappop(self._ends)[2])
            else:
                return findings

    def _begin(self) -> list[Finding]:
        """All that begins at one millisecond: numbered as a transcript is, announced as the analysis wants it."""
        at_ms = self._starts[0][0][0]
        beginning: list[Utterance] = []
        while self._starts and self._starts[0][0][0] == at_ms:
            beginning.append(heapq.heappop(self._starts)[2])
        numbered = [self._take_in(one) for one in sorted(beginning, key=lambda one: (one.end_ms, one.party))]
        findings: list[Finding] = []
        for one in sorted(numbered, key=lambda one: one.party):
            findings += self._analysis.speech_started(one.party, one.role, one.start_ms)
            heapq.heappush(self._ends, (event_key_of_utterance(one), one.index, one))
        return findings

    def _take_in(self, utterance: Utterance) -> Utterance:
        if self._corrector is not None:
            before = self.utterances[-1].text if self.utterances else ""
            utterance = correct_utterance(utterance, self._corrector, before=before)
        role, confidence = self._roles[utterance.party]
        done = replace(utterance, index=len(self.utterances), role=role, role_confidence=confidence)
        self.utterances.append(done)
        return done


def roles_by_party(decision: RoleDecision) -> dict[str, tuple[Role, float]]:
    """Role and confidence of every party of a decision that was made before the call."""
    return {party: (role, decision.confidence) for party, role in decision.roles.items()}
