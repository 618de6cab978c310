"""Playing a finished transcript as a running call."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from qingting.analysis.analyzer import Analyzer
from qingting.analysis.runner import CallAnalysis, Inspection, event_key_of_start, event_key_of_utterance
from qingting.model.call import CallInfo
from qingting.model.finding import AnalyzerFailure, Finding
from qingting.model.transcript import Transcript, Utterance

_LONGEST_TICK_MS = 1500


class CallReplay:
    """A transcript fed to an analysis event by event, with ticks of random length between."""

    def __init__(self, call: CallInfo, transcript: Transcript, inspection: Inspection, *, seed: int = 0) -> None:
        """Prepare the replay; the seed decides the ticks."""
        self._analysis: CallAnalysis = inspection.open(call)
        self._transcript = transcript
        self._random = random.Random(seed)  # noqa: S311 - repeatable ticks, no secret
        self._steps = self._play()
        self._raised: list[Finding] = []

    def step(self) -> bool:
        """Play the next event; False when the call was over."""
        return next(self._steps, None) is not None

    def run(self) -> tuple[Finding, ...]:
        """Play the rest of the call and return all findings, as `findings` does."""
        while self.step():
            pass
        return self.findings()

    def findings(self) -> tuple[Finding, ...]:
        """Return the findings so far, in the order the analysis holds them.

        Raises AssertionError when an analyzer failed, or when the findings raised during the
        call are not those the analysis holds (one was taken back or changed).
        """
        expect_no_failures(self._analysis.failures)
        held = tuple(self._analysis.findings)
        if _by_id(held) != _by_id(self._raised):
            raise AssertionError("a finding raised during the call was taken back or changed afterwards")
        return held

    def _play(self) -> Iterator[int]:
        now_ms = 0
        for at_ms, utterance, ends in _events(self._transcript):
            for tick_ms in self._ticks(now_ms, at_ms):
                self._raised += self._analysis.advance(tick_ms)
                yield tick_ms
            now_ms = at_ms
            if ends:
                self._raised += self._analysis.hear(utterance)
            else:
                self._raised += self._analysis.speech_started(utterance.party, utterance.role, at_ms)
            yield at_ms
        for tick_ms in self._ticks(now_ms, self._transcript.duration_ms):
            self._raised += self._analysis.advance(tick_ms)
            yield tick_ms
        self._raised += self._analysis.finish(self._transcript.duration_ms)
        yield self._transcript.duration_ms

    def _ticks(self, from_ms: int, to_ms: int) -> Iterator[int]:
        tick_ms = from_ms + self._random.randint(1, _LONGEST_TICK_MS)
        while tick_ms < to_ms:
            yield tick_ms
            tick_ms += self._random.randint(1, _LONGEST_TICK_MS)


def findings_afterwards(call: CallInfo, transcript: Transcript, *analyzers: Analyzer) -> tuple[Finding, ...]:
    """Return the findings of a finished call; raises AssertionError when an analyzer failed on it."""
    return findings_of(call, transcript, Inspection(analyzers))


def findings_of(call: CallInfo, transcript: Transcript, inspection: Inspection) -> tuple[Finding, ...]:
    """Do what `findings_afterwards` does, with analyzers prepared once for many calls."""
    result = inspection.analyze(transcript, call)
    expect_no_failures(result.failures)
    return result.findings


def expect_no_failures(failures: tuple[AnalyzerFailure, ...]) -> None:
    """Raise AssertionError when an analyzer failed."""
    for failure in failures:
        raise AssertionError(f"analyzer {failure.analyzer} raised {failure.error_type} at {failure.at_ms} ms")


def _by_id(findings: Sequence[Finding]) -> list[Finding]:
    return sorted(findings, key=lambda finding: finding.id)


def _events(transcript: Transcript) -> list[tuple[int, Utterance, bool]]:
    """Order starts and ends of speech as the runner wants them."""
    ends = [(event_key_of_utterance(one), one.index, one, True) for one in transcript.utterances]
    starts = [(event_key_of_start(one.party, one.start_ms), one.index, one, False) for one in transcript.utterances]
    ordered = sorted(ends + starts, key=lambda event: event[:2])
    return [(key[0], utterance, is_end) for key, _, utterance, is_end in ordered]
