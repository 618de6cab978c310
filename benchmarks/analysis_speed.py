"""CPU time of the analysis stage: facts per utterance, analyzers, and preparing a pack.

    python benchmarks/analysis_speed.py [--json] [--calls 20]

A call here is ten minutes of 150 utterances made of the demo scripts' own sentences. Goals:
at most 2 ms for one more live utterance, at most 2 s to prepare all packs.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from qingting.analysis.context import CallState
from qingting.analysis.discovery import discover
from qingting.analysis.packs import build_analyzers, load_pack, pack_names
from qingting.analysis.runner import Inspection
from qingting.model.call import CallInfo, Role
from qingting.model.transcript import EngineIdentity, Transcript, Utterance
from qingting.testing.samples import sample_folder

UTTERANCES = 150
STEP_MS = 4000


def sentences(folder: Path) -> list[str]:
    """All sentences of the demo scripts, in order."""
    import yaml

    texts: list[str] = []
    for path in sorted(folder.glob("*.yaml")):
        texts += [turn["text"] for turn in yaml.safe_load(path.read_text(encoding="utf-8"))["turns"]]
    return texts


def long_call(texts: Sequence[str]) -> Transcript:
    """A ten-minute call of both roles in turn."""
    utterances = tuple(
        Utterance(
            index=index,
            party=("left", "right")[index % 2],
            role=(Role.AGENT, Role.CUSTOMER)[index % 2],
            role_confidence=1.0,
            start_ms=index * STEP_MS,
            end_ms=index * STEP_MS + 3500,
            text=texts[index % len(texts)],
        )
        for index in range(UTTERANCES)
    )
    engine = EngineIdentity(name="script", model="script", revision="")
    return Transcript(utterances=utterances, engine=engine, duration_ms=UTTERANCES * STEP_MS)


def measure(calls: int) -> dict[str, float]:
    """Return the figures, CPU time of this process."""
    began = time.process_time()
    kinds = discover()
    prepared = {name: Inspection(build_analyzers(load_pack(name), kinds)) for name in pack_names()}
    prepare_ms = 1000 * (time.process_time() - began)
    transcript = long_call(sentences(sample_folder()))
    inspection, call = prepared["ecommerce"], CallInfo(call_id="speed")
    facts_ms: list[float] = []
    total_ms: list[float] = []
    live_ms: list[float] = []
    for _ in range(calls):
        began = time.process_time()
        state = CallState(call, inspection.book)
        for utterance in transcript.utterances:
            state.start(utterance.party, utterance.role, utterance.start_ms)
            state.add(utterance)
        facts_ms.append(1000 * (time.process_time() - began))
        began = time.process_time()
        inspection.analyze(transcript, call)
        total_ms.append(1000 * (time.process_time() - began))
        live_ms += utterance_ms(inspection, transcript, call)
    return {
        "prepare_all_packs_ms": round(prepare_ms, 1),
        "facts_per_call_ms": round(statistics.median(facts_ms), 2),
        "analysis_per_call_ms": round(statistics.median(total_ms), 2),
        "analysis_per_utterance_ms": round(statistics.median(total_ms) / UTTERANCES, 3),
        "live_utterance_p50_ms": round(statistics.median(live_ms), 3),
        "live_utterance_p99_ms": round(statistics.quantiles(live_ms, n=100)[98], 3),
    }


def utterance_ms(inspection: Inspection, transcript: Transcript, call: CallInfo) -> list[float]:
    """CPU time of each utterance of a live call, facts and all analyzers."""
    running = inspection.open(call)
    taken: list[float] = []
    for utterance in transcript.utterances:
        running.speech_started(utterance.party, utterance.role, utterance.start_ms)
        began = time.thread_time()
        running.hear(utterance)
        taken.append(1000 * (time.thread_time() - began))
    return taken


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--calls", type=int, default=20, help="calls to measure")
    chosen = parser.parse_args(arguments)
    figures = measure(chosen.calls)
    if chosen.json:
        print(json.dumps(figures, indent=2))
    else:
        print("\n".join(f"{name:28} {value:10.3f}" for name, value in figures.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
