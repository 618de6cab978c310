"""One running call with the built-in recogniser: when its words, warnings and report come.

    python benchmarks/live_embedded.py [--calls 6] [--json]

Bundled two-channel calls, one after the other, at the pace of speech in this process. Seconds:
`first_partial` from the beginning of an utterance to its first words,
`final` from its last sound to its text (the silence that ends it, 0.4 s, is part of that),
`warning` from the end of an utterance to the warning about it (negative: while it was spoken),
`finding` from the end of the last utterance that a finding quotes; findings that come more than 5 s later rest on what
followed or did not follow those words, and are only counted,
`report` from the last sound of the call.
Afterwards each call is inspected as a recording by the same engine: utterances and findings that differ are counted,
and findings listed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

from qingting.audio.decode import decode
from qingting.audio.options import AudioLimits, AudioOptions
from qingting.audio.source import open_source
from qingting.bootstrap.live import open_live
from qingting.bootstrap.recordings import open_inspector
from qingting.live.inspector import LiveInspector
from qingting.live.playback import Playback
from qingting.live.session import LiveFormat
from qingting.model.call import AgentChannel, CallInfo, Role
from qingting.model.live_event import FinalUtterance, FindingRaised, LiveEvent, PartialText, RiskRaised
from qingting.settings import load_settings
from qingting.testing.samples import SampleCall, sample_calls

if TYPE_CHECKING:
    from qingting.model.report import Report

LATE_SECONDS = 5.0
MEASURED = ("first_partial", "final", "warning", "finding", "report")


@dataclass
class Times:
    """Seconds, one per utterance, finding or call."""

    first_partial: list[float] = field(default_factory=list)
    final: list[float] = field(default_factory=list)
    warning: list[float] = field(default_factory=list)
    finding: list[float] = field(default_factory=list)
    later_findings: int = 0
    report: list[float] = field(default_factory=list)
    utterances: int = 0
    with_partial: int = 0


@dataclass
class Afterwards:
    """How calls that ran compare with their recordings."""

    calls: int = 0
    utterances: int = 0
    other_text: int = 0
    """Utterances whose place or text differs."""
    findings: int = 0
    differences: list[str] = field(default_factory=list)
    """Findings of one side only: call, side, title, second."""

    def compare(self, call_id: str, live: Report, recording: Report) -> None:
        """Take in one call."""
        self.calls += 1
        spoken = [
            {(u.party, u.start_ms, u.end_ms, u.text) for u in told.transcript.utterances} for told in (live, recording)
        ]
        self.utterances += len(spoken[1])
        self.other_text += len(spoken[1] - spoken[0])
        self.findings += len(recording.findings)
        for side, own, other in (("live", live, recording), ("recording", recording, live)):
            known = {one.id for one in other.findings}
            for one in own.findings:
                if one.id not in known:
                    first = one.evidence[0].start_ms / 1000
                    self.differences.append(f"{call_id}: only {side}: {one.title} at {first:.1f} s")


def call_of(sample: SampleCall) -> CallInfo:
    """What is known of a call beforehand."""
    channel = AgentChannel(sample.script.party(Role.AGENT))
    return CallInfo(call_id=sample.id, line_of_business=sample.script.call.line_of_business, agent_channel=channel)


def play(inspector: LiveInspector, sample: SampleCall, times: Times) -> Report:
    """Play one call and note when what comes."""
    decoded = decode(open_source(sample.audio_path, AudioLimits()), AudioOptions())
    left = Role.AGENT if sample.script.party(Role.AGENT) == "left" else Role.CUSTOMER
    form = LiveFormat(rate_hertz=decoded.rate_hertz, channels=2, roles=(left, left.other))
    playback = Playback(lambda wake: inspector.open(call_of(sample), form, wake=wake), decoded.pcm, decoded.rate_hertz)
    begun = time.monotonic()
    partial_starts: set[tuple[str, int]] = set()
    warned: dict[int, float] = {}
    """Start of an utterance -> when the first warning about it came."""
    for event in playback.events(None):
        note(event, time.monotonic() - begun, partial_starts, warned, times)
    times.report.append(playback.report_seconds)
    assert playback.result is not None
    report = playback.result[1]
    ends = {one.start_ms: one.end_ms for one in report.transcript.utterances}
    times.warning += [at - ends[start] / 1000 for start, at in warned.items() if start in ends]
    return report


def note(
    event: LiveEvent, now: float, partial_starts: set[tuple[str, int]], warned: dict[int, float], times: Times
) -> None:
    """Take one event that came `now` seconds after the call's begin."""
    match event:
        case PartialText() if (event.party, event.start_ms) not in partial_starts:
            partial_starts.add((event.party, event.start_ms))
            times.first_partial.append(now - event.start_ms / 1000)
        case FinalUtterance():
            spoken = event.utterance
            times.utterances += 1
            times.with_partial += (spoken.party, spoken.start_ms) in partial_starts
            times.final.append(now - spoken.end_ms / 1000)
        case FindingRaised():
            ends = [one.end_ms for one in event.finding.evidence if one.utterance is not None]
            late = now - max(ends) / 1000 if ends else LATE_SECONDS
            if late < LATE_SECONDS:
                times.finding.append(late)
            else:
                times.later_findings += 1
        case RiskRaised():
            warned[event.start_ms] = min(now, warned.get(event.start_ms, now))
        case _:
            pass


def summary(values: list[float]) -> dict[str, float]:
    """p50, p95 and the largest."""
    if not values:
        return {"n": 0}
    ordered = sorted(values)
    last = len(ordered) - 1
    return {
        "n": len(ordered),
        "p50": round(statistics.median(ordered), 2),
        "p95": round(ordered[round(0.95 * last)], 2),
        "max": round(ordered[-1], 2),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=100, help="at most so many, in order of their ids")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    chosen = [one for one in sample_calls() if one.script.audio is not None and one.script.audio.channels == 2]
    times = Times()
    settings, told, compared = load_settings(engine="embedded"), {}, Afterwards()
    with open_live(settings) as inspector:
        inspector.warm(["general"])
        for sample in chosen[: given.calls]:
            told[sample.id] = play(inspector, sample, times)
            print(f"{sample.id} was played", file=sys.stderr, flush=True)
    with open_inspector(settings) as recordings:
        for sample in chosen[: given.calls]:
            done = recordings.inspect(sample.audio_path, call_of(sample))
            compared.compare(sample.id, told[sample.id], done.report)
    results: dict[str, Any] = {
        "machine": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores",
        "calls": len(times.report),
        "utterances": times.utterances,
        "with_partial_text": times.with_partial,
        "later_findings": times.later_findings,
        **{name: summary(getattr(times, name)) for name in MEASURED},
        "afterwards": asdict(compared),
    }
    if given.json:
        print(json.dumps(results, indent=1))
        return
    for name, value in results.items():
        print(f"{name:<20}{value}")


if __name__ == "__main__":
    main()
