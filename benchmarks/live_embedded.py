"""One running call with the built-in recogniser: when its words, warnings and report come.

    python benchmarks/live_embedded.py [--calls 6] [--json]

Bundled two-channel calls, one after the other, at the pace of speech in this process. `first partial` counts from the
beginning of an utterance to its first words, `final` from its last sound to its text (the silence that ends it, 0.4 s,
is part of that), `alert` from the last sound of the quoted utterance to the finding or warning that quotes it, `report`
from the last sound of the call.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from dataclasses import dataclass, field
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

from qingting.audio.decode import decode
from qingting.audio.options import AudioLimits, AudioOptions
from qingting.audio.source import open_source
from qingting.bootstrap.live import open_live
from qingting.live.inspector import LiveInspector
from qingting.live.playback import Playback
from qingting.live.session import LiveFormat
from qingting.model.call import CallInfo, Role
from qingting.model.live_event import FinalUtterance, FindingRaised, LiveEvent, PartialText, RiskRaised
from qingting.settings import load_settings
from qingting.testing.samples import SampleCall, sample_calls


@dataclass
class Times:
    """Seconds, one per utterance, finding or call."""

    first_partial: list[float] = field(default_factory=list)
    final: list[float] = field(default_factory=list)
    alert: list[float] = field(default_factory=list)
    report: list[float] = field(default_factory=list)
    utterances: int = 0
    with_partial: int = 0


def play(inspector: LiveInspector, sample: SampleCall, times: Times) -> None:
    """Play one call and note when what comes."""
    decoded = decode(open_source(sample.audio_path, AudioLimits()), AudioOptions())
    left = Role.AGENT if sample.script.party(Role.AGENT) == "left" else Role.CUSTOMER
    form = LiveFormat(rate_hertz=decoded.rate_hertz, channels=2, roles=(left, left.other))
    call = CallInfo(call_id=sample.id, line_of_business=sample.script.call.line_of_business)
    playback = Playback(lambda wake: inspector.open(call, form, wake=wake), decoded.pcm, decoded.rate_hertz)
    begun = time.monotonic()
    partial_starts: set[tuple[str, int]] = set()
    for event in playback.events(None):
        note(event, time.monotonic() - begun, partial_starts, times)
    times.report.append(playback.report_seconds)


def note(event: LiveEvent, now: float, partial_starts: set[tuple[str, int]], times: Times) -> None:
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
        case FindingRaised() if event.finding.evidence[0].quote:
            times.alert.append(now - event.finding.evidence[0].end_ms / 1000)
        case RiskRaised():
            times.alert.append(now - event.at_ms / 1000)
        case _:
            pass


def summary(values: list[float]) -> dict[str, float]:
    """p50, p95 and the largest."""
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
    with open_live(load_settings(engine="embedded")) as inspector:
        inspector.warm(["general"])
        for sample in chosen[: given.calls]:
            play(inspector, sample, times)
    results: dict[str, Any] = {
        "machine": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores",
        "calls": len(times.report),
        "utterances": times.utterances,
        "with_partial_text": times.with_partial,
        **{name: summary(getattr(times, name)) for name in ("first_partial", "final", "alert", "report")},
    }
    if given.json:
        print(json.dumps(results, indent=1))
        return
    for name, value in results.items():
        print(f"{name:<20}{value}")


if __name__ == "__main__":
    main()
