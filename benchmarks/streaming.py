"""Delay, cost and faithfulness of streamed recognition: the embedded engine on the bundled two-channel calls.

    OMP_NUM_THREADS=1 python benchmarks/streaming.py [--calls N] [--frame-ms 20] [--json]

Both channels of a call are fed in frames under a virtual clock: a decode runs at once, the processor time it took (all
threads) is measured, and its answer arrives that much later on the clock, one decode at a time for both
parties. So the delays are those of one free core, whatever else the machine does. Delays count from the speech
itself: the first partial text from the start of the span, the final from its end (0.48 s of silence must pass before a
span is known to have ended). Texts are held against the batch path (audio stage, then recogniser) of
the same recordings and engine: as it packs utterances into windows, and with each decoded alone. The stream decodes
utterances behind earlier sound of their voice, where the engine makes use of it (the embedded one does).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import yaml

from qingting.audio.decode import decode
from qingting.audio.front_end import prepare
from qingting.audio.live_gate import LiveGates
from qingting.audio.options import AudioLimits, AudioOptions
from qingting.audio.source import open_source
from qingting.model.transcript import Utterance
from qingting.speech.decode_desk import DecodeDesk
from qingting.speech.embedded import EmbeddedEngine, EmbeddedSettings
from qingting.speech.engine import SpeechEngine
from qingting.speech.evaluation.cer import Errors, add, character_errors
from qingting.speech.recognizer import Recognizer, RecognizerOptions
from qingting.speech.stream_events import Final, Partial
from qingting.speech.streaming import PartyStream, StreamOptions

CALLS = Path(__file__).resolve().parent.parent / "demo" / "calls"
PARTIES = ("left", "right")


class VirtualExecutor(Executor):
    """Decodes at once, answers later: after the processor time the decode took, one decode after the other."""

    def __init__(self) -> None:
        self.now_ms = 0.0
        self.busy_until_ms = 0.0
        self.cpu_seconds = 0.0
        self.decodes = 0
        self._under_way: deque[tuple[float, Future[Any], Any]] = deque()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run a decode and keep its answer until its time has come."""
        future: Future[Any] = Future()
        began = time.process_time()
        answer = fn(*args, **kwargs)
        spent = time.process_time() - began
        self.cpu_seconds += spent
        self.decodes += 1
        self.busy_until_ms = max(self.now_ms, self.busy_until_ms) + spent * 1000
        self._under_way.append((self.busy_until_ms, future, answer))
        return future

    def advance(self, now_ms: float) -> None:
        """Let answers arrive that are due by now."""
        while self._under_way and self._under_way[0][0] <= now_ms:
            at_ms, future, answer = self._under_way.popleft()
            self.now_ms = at_ms  # a waiting final begins the moment the engine is free
            future.set_result(answer)
        self.now_ms = now_ms


def stream_call(engine: SpeechEngine, pcm: np.ndarray, rate_hertz: int, options: StreamOptions, frame_ms: int) -> dict:
    """Stream one call; returns its timed events, counts and cost."""
    executor = VirtualExecutor()
    desk = DecodeDesk(executor)
    gates = LiveGates(rate_hertz, PARTIES)
    streams = {party: PartyStream(engine, gates.gate(party), desk, options=options) for party in PARTIES}
    frame = rate_hertz * frame_ms // 1000
    timed: list[tuple[float, Any]] = []
    began = time.process_time()
    now_ms = 0.0
    for first in range(0, pcm.shape[1], frame):
        piece = pcm[:, first : first + frame]
        now_ms = (first + piece.shape[1]) * 1000 / rate_hertz
        executor.advance(now_ms)
        for row, stream in enumerate(streams.values()):
            timed += [(now_ms, event) for event in stream.feed(piece[row])]
    for stream in streams.values():
        timed += [(now_ms, event) for event in stream.finish()]
    while not all(stream.done for stream in streams.values()):
        now_ms += 5
        executor.advance(now_ms)
        for stream in streams.values():
            timed += [(now_ms, event) for event in stream.poll()]
    spent = time.process_time() - began
    return {
        "events": timed,
        "counts": [stream.counts for stream in streams.values()],
        "decode_cpu": executor.cpu_seconds,
        "other_cpu": spent - executor.cpu_seconds,
        "decodes": executor.decodes,
    }


def calls(limit: int) -> list[tuple[Path, dict[str, str]]]:
    """The two-channel recordings, and what each party says in them."""
    found = []
    for path in sorted(CALLS.glob("*.yaml")):
        script = yaml.safe_load(path.read_text(encoding="utf-8"))
        audio = script["audio"]
        if audio["channels"] == 2:
            agent = audio["agent_channel"]
            party = {"agent": agent, "customer": {"left": "right", "right": "left"}[agent]}
            said = {
                name: "".join(_said(turn) for turn in script["turns"] if party[turn["role"]] == name)
                for name in PARTIES
            }
            found.append((CALLS / audio["file"], said))
    return found[:limit] if limit else found


def _said(turn: dict[str, Any]) -> str:
    return str(turn.get("spoken", turn["text"]))


def compare(streamed: Sequence[Utterance], batch: Sequence[Utterance]) -> dict[str, Any]:
    """How far streamed utterances are those of the batch path."""
    by_place = {(u.party, u.start_ms, u.end_ms): u for u in batch}
    pairs = [(u, by_place[u.party, u.start_ms, u.end_ms]) for u in streamed if _place(u) in by_place]
    errors = add([character_errors(one.text, other.text) for one, other in pairs])
    return {
        "utterances": len(batch),
        "same_place": len(pairs),
        "same_text": sum(one.text == other.text for one, other in pairs),
        "same_all_but_voice": sum(_bare(one) == _bare(other) for one, other in pairs),
        "errors": errors,
    }


def _place(utterance: Utterance) -> tuple[str, int, int]:
    return utterance.party, utterance.start_ms, utterance.end_ms


def _bare(utterance: Utterance) -> tuple[object, ...]:
    return utterance.text, utterance.spoken_text, utterance.characters, utterance.flags, utterance.confidence


def to_script(utterances: Sequence[Utterance], said: dict[str, str]) -> Errors:
    """Errors of a call's texts against its script."""
    heard = {party: "".join(u.text for u in utterances if u.party == party) for party in said}
    return add([character_errors(heard[party], said[party]) for party in said])


def measure(
    engine: SpeechEngine, paths: Iterable[tuple[Path, dict[str, str]]], options: StreamOptions, frame_ms: int
) -> dict[str, Any]:
    """Stream every call and compare."""
    runs, packed, alone = [], [], []
    batch_cpu = {"packed": 0.0, "alone": 0.0}
    speech = audio = 0.0
    to_said: dict[str, list[Errors]] = {"streamed": [], "packed": [], "alone": []}
    for path, said in paths:
        print(f"… {path.name}", file=sys.stderr)
        prepared = prepare(path)
        texts = {}
        for name, size in (("packed", 0), ("alone", 1)):
            began = time.process_time()
            texts[name], _ = Recognizer(engine, RecognizerOptions(batch_clips=size)).transcribe(prepared)
            batch_cpu[name] += time.process_time() - began
        decoded = decode(open_source(path, AudioLimits()), AudioOptions())
        run = stream_call(engine, decoded.pcm, decoded.rate_hertz, options, frame_ms)
        runs.append(run)
        finals = [event.utterance for _, event in run["events"] if isinstance(event, Final)]
        for name, utterances in (*texts.items(), ("streamed", sorted(finals, key=lambda u: u.start_ms))):
            to_said[name].append(to_script(utterances, said))
        packed.append(compare(finals, texts["packed"]))
        alone.append(compare(finals, texts["alone"]))
        speech += sum(span.end_ms - span.start_ms for span in prepared.spans) / 1000
        audio += prepared.format.duration_ms / 1000
    counts = [count for run in runs for count in run["counts"]]
    stable = sum(count.stable_units for count in counts)
    return {
        "calls": len(runs),
        "audio_seconds": round(audio, 1),
        "speech_seconds": round(speech, 1),
        "first_partial_ms": _spread(_first_partials(runs)),
        "final_ms": _spread(_finals(runs)),
        "decodes_per_speech_second": round(sum(run["decodes"] for run in runs) / speech, 3),
        "decoded_seconds_per_speech_second": round(sum(count.decoded_ms for count in counts) / 1000 / speech, 2),
        "bound_of_that": options.cost_factor,
        "finals_answered_in_the_pause": sum(count.reused_decodes for count in counts),
        "finals_decoded": sum(count.final_decodes for count in counts),
        "partials": sum(count.partial_decodes for count in counts),
        "partials_skipped": sum(count.skipped_partials for count in counts),
        "cpu_per_speech_second": {
            "streamed": round(sum(run["decode_cpu"] for run in runs) / speech, 4),
            "streamed_without_decodes": round(sum(run["other_cpu"] for run in runs) / speech, 4),
            "batch_packed": round(batch_cpu["packed"] / speech, 4),
            "batch_alone": round(batch_cpu["alone"] / speech, 4),
        },
        "stable_units": stable,
        "stable_units_revised_percent": round(100 * sum(count.revised_units for count in counts) / max(1, stable), 2),
        "cer_to_script_percent": {name: round(100 * add(errors).rate, 2) for name, errors in to_said.items()},
        "against_batch_packed": _sum(packed),
        "against_batch_alone": _sum(alone),
    }


def _first_partials(runs: Sequence[dict[str, Any]]) -> list[float]:
    delays = []
    for run in runs:
        seen = set()
        for now_ms, event in run["events"]:
            if isinstance(event, Partial) and (event.party, event.start_ms) not in seen:
                seen.add((event.party, event.start_ms))
                delays.append(now_ms - event.start_ms)
    return delays


def _finals(runs: Sequence[dict[str, Any]]) -> list[float]:
    return [
        now_ms - event.utterance.end_ms for run in runs for now_ms, event in run["events"] if isinstance(event, Final)
    ]


def _spread(values: Sequence[float]) -> dict[str, float]:
    if not values:
        return {"count": 0}
    p50, p95 = np.percentile(values, (50, 95))
    return {"count": len(values), "p50": round(float(p50)), "p95": round(float(p95)), "worst": round(max(values))}


def _sum(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    utterances = sum(row["utterances"] for row in rows)
    errors = add([row["errors"] for row in rows])
    return {
        "utterances": utterances,
        "same_span_percent": round(100 * sum(row["same_place"] for row in rows) / utterances, 1),
        "same_text_percent": round(100 * sum(row["same_text"] for row in rows) / utterances, 1),
        "same_text_times_flags_percent": round(100 * sum(row["same_all_but_voice"] for row in rows) / utterances, 1),
        "cer_between_percent": round(100 * errors.rate, 2),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print JSON instead of lines")
    parser.add_argument("--calls", type=int, default=0, help="only so many calls")
    parser.add_argument("--frame-ms", type=int, default=20, help="length of the frames fed")
    parser.add_argument("--every-ms", type=int, default=1000, help="new speech after which it is decoded again")
    parser.add_argument("--pause-ms", type=int, default=192, help="pause that is decoded as an end; 0: never")
    arguments = parser.parse_args()
    engine = EmbeddedEngine(settings=EmbeddedSettings(threads=1))
    engine.warm_up()
    options = StreamOptions(every_ms=arguments.every_ms, pause_ms=arguments.pause_ms)
    figures = measure(engine, calls(arguments.calls), options, arguments.frame_ms)
    figures["machine"] = f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, one thread"
    if arguments.json:
        print(json.dumps(figures, ensure_ascii=False, indent=1))
        return
    for name, value in figures.items():
        print(f"{name:36} {value}")


if __name__ == "__main__":
    main()
