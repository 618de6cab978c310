"""How the two sides talk: over each other, without end, too fast, too much."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING

from qingting.analysis.dialogue import asks_something, is_sound
from qingting.model.call import Role

if TYPE_CHECKING:
    from qingting.analysis.analyzers._responsiveness_findings import FindingWriter
    from qingting.analysis.analyzers.responsiveness import ResponsivenessOptions
    from qingting.analysis.context import CallSoFar, UtteranceFacts
    from qingting.model.finding import Finding

_REMEMBERED = 8
"""Ended utterances per role that may still overlap with a running one."""


class Eye:
    """Looks at one aspect of a call's utterances."""

    def __init__(self, options: ResponsivenessOptions, write: FindingWriter) -> None:
        self._options = options
        self._write = write

    def on_utterance(self, facts: UtteranceFacts) -> Iterable[Finding]:
        """Look at an utterance that has ended."""
        return ()

    def on_end(self, so_far: CallSoFar) -> Iterable[Finding]:
        """Look at the whole call."""
        return ()


class InterruptionEye(Eye):
    """Sees who begins to talk while the other has been talking for a while."""

    def __init__(self, options: ResponsivenessOptions, write: FindingWriter) -> None:
        super().__init__(options, write)
        self._ended: dict[Role, deque[UtteranceFacts]] = {role: deque(maxlen=_REMEMBERED) for role in Role}
        self._reported: set[int] = set()

    def on_utterance(self, facts: UtteranceFacts) -> Iterable[Finding]:
        """Compare with the other role's ended utterances: each pair is seen once, at its later end."""
        if facts.role is Role.UNSURE:
            return
        for other in self._ended[facts.role.other]:
            first, second = sorted((other, facts), key=lambda one: one.utterance.start_ms)
            yield from self._judge(first, second)
        self._ended[facts.role].append(facts)

    def _judge(self, first: UtteranceFacts, second: UtteranceFacts) -> Iterable[Finding]:
        lead_ms = second.utterance.start_ms - first.utterance.start_ms
        overlap_ms = min(first.utterance.end_ms, second.utterance.end_ms) - second.utterance.start_ms
        by_agent = second.role is Role.AGENT
        limit_ms = self._options.interruption_ms if by_agent else self._options.customer_interruption_ms
        if lead_ms < self._options.interruption_lead_ms or overlap_ms <= limit_ms:
            return
        # Without words nobody can tell an interruption from a sound of listening.
        silent = not (first.text.text and second.text.text)
        if silent or is_sound(first) or is_sound(second) or second.utterance.index in self._reported:
            return
        self._reported.add(second.utterance.index)
        yield self._write.interruption(first, second, overlap_ms)


class MonologueEye(Eye):
    """Sees the agent talk on and on."""

    def __init__(self, options: ResponsivenessOptions, write: FindingWriter) -> None:
        super().__init__(options, write)
        self._run: list[UtteranceFacts] = []

    def on_utterance(self, facts: UtteranceFacts) -> Iterable[Finding]:
        """Lengthen or end the agent's run; a customer's mere 嗯 does not end it."""
        if facts.role is Role.AGENT:
            pause_ms = facts.utterance.start_ms - self._run[-1].utterance.end_ms if self._run else 0
            ended = self._close() if pause_ms > self._options.monologue_pause_ms else []
            self._run.append(facts)
            return ended
        if facts.role is Role.CUSTOMER and is_sound(facts) and not self._was_asked(facts):
            return []
        return self._close()

    def _was_asked(self, facts: UtteranceFacts) -> bool:
        """Whether the customer's 嗯 answers a question: then it is a turn of its own."""
        last = self._run[-1] if self._run else None
        return last is not None and facts.utterance.start_ms >= last.utterance.end_ms and asks_something(last)

    def on_end(self, so_far: CallSoFar) -> Iterable[Finding]:
        """End the last run."""
        return self._close()

    def _close(self) -> list[Finding]:
        run, self._run = self._run, []
        if not run or run[-1].utterance.end_ms - run[0].utterance.start_ms <= self._options.monologue_ms:
            return []
        return [self._write.monologue(run)]


class RateEye(Eye):
    """Sees the agent talk too fast over a stretch, or too much over the call."""

    def __init__(self, options: ResponsivenessOptions, write: FindingWriter) -> None:
        super().__init__(options, write)
        self._stretch: deque[UtteranceFacts] = deque()
        self._characters = 0
        self._speech_ms = 0
        self._found = False

    def on_utterance(self, facts: UtteranceFacts) -> Iterable[Finding]:
        """Judge the agent's latest stretch of enough text, once per call."""
        if facts.role is not Role.AGENT or not facts.characters or not facts.speech_ms or self._found:
            return []
        self._stretch.append(facts)
        self._characters += facts.characters
        self._speech_ms += facts.speech_ms
        while self._characters - self._stretch[0].characters >= self._options.fast_speech_characters:
            oldest = self._stretch.popleft()
            self._characters -= oldest.characters
            self._speech_ms -= oldest.speech_ms
        rate = self._characters * 1000 / self._speech_ms
        if self._characters < self._options.fast_speech_characters or rate <= self._options.fast_speech_per_second:
            return []
        self._found = True
        return [self._write.fast_speech(tuple(self._stretch), rate)]

    def on_end(self, so_far: CallSoFar) -> Iterable[Finding]:
        """Judge the agent's share of all speech."""
        agent, customer = so_far.role(Role.AGENT), so_far.role(Role.CUSTOMER)
        total_ms = agent.span_ms + customer.span_ms
        if not customer.utterances or total_ms < self._options.talk_ratio_speech_ms:
            return []
        ratio = agent.span_ms / total_ms
        return [self._write.talk_ratio(so_far, ratio)] if ratio > self._options.talk_ratio else []
