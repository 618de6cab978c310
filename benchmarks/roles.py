"""Role decisions and speaker separation on calls with known scripts.

    OMP_NUM_THREADS=1 python benchmarks/roles.py [--calls demo/calls] [--json]

CALLS holds scripts (`*.yaml`), recordings and the times of their turns (`*.times.json`). Text comes from the
script, as written and with one character in six replaced or dropped as a recogniser may do. Two-channel recordings
are mixed to one for the separation. Speakers: share of the speaking time given to the wrong party, where
one party speaks; roles on mixes: text of each turn goes to the party that most of its time was given to.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import yaml

from qingting.audio.front_end import prepare
from qingting.audio.options import AudioOptions
from qingting.audio.roles import decide_roles
from qingting.audio.speakers import SPEAKERS, Separation, separate
from qingting.audio.voice_activity import detect_speech
from qingting.model.audio import RoleDecision, SpeechSpan
from qingting.model.call import AgentChannel, Role
from qingting.model.transcript import Utterance

_MISHEARD = "的一是在有和人这中大为上个国我以要他时来用们"
_OPENING_TURNS = 2


def main() -> None:
    """Measure every call and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=Path, default=Path("demo/calls"))
    parser.add_argument("--json", action="store_true", help="print JSON instead of the tables")
    arguments = parser.parse_args()
    verdicts: dict[str, Counter[str]] = {}
    rows = []
    for script in sorted(arguments.calls.glob("*.yaml")):
        times = script.with_suffix(".times.json")
        recording = _recording(script)
        if recording is None or not times.exists():
            print(f"{script.stem}: no recording with times, left out", file=sys.stderr)
            continue
        turns = _turns(yaml.safe_load(script.read_text("utf-8")), json.loads(times.read_text("utf-8")))
        for name, change in _CHANGES.items():
            decision = decide_roles(change(turns), ("left", "right"), AgentChannel.AUTO)
            verdicts.setdefault(name, Counter())[_verdict(decision, "left")] += 1
        rows.append(_mixed(recording, turns, verdicts.setdefault("mixed to one channel", Counter())))
    if arguments.json:
        result = {"roles": {name: dict(count) for name, count in verdicts.items()}, "speakers": rows}
        print(json.dumps(result, indent=1))
    else:
        _print(verdicts, rows)


def _turns(script: dict[str, Any], times: dict[str, Any]) -> list[Utterance]:
    return [
        Utterance(
            index=index,
            party="left" if turn["role"] == "agent" else "right",
            role=Role.UNSURE,
            role_confidence=0.0,
            start_ms=when["start_ms"],
            end_ms=when["end_ms"],
            text=turn["text"],
        )
        for index, (turn, when) in enumerate(zip(script["turns"], times["turns"], strict=True))
    ]


def _misheard(turns: Sequence[Utterance]) -> list[Utterance]:
    chance = random.Random(1)

    def heard(text: str) -> str:
        return "".join(
            chance.choice((_MISHEARD[chance.randrange(20)], "")) if chance.random() < 1 / 6 else c for c in text
        )

    return [replace(turn, text=heard(turn.text)) for turn in turns]


_CHANGES: dict[str, Callable[[list[Utterance]], Sequence[Utterance]]] = {
    "as written": lambda turns: turns,
    "mis-heard": _misheard,
    "without opening": lambda turns: turns[_OPENING_TURNS:],
    "without opening, mis-heard": lambda turns: _misheard(turns[_OPENING_TURNS:]),
    "without opening and last half": lambda turns: turns[_OPENING_TURNS : len(turns) // 2 + 1],
    "agent alone": lambda turns: [turn for turn in turns if turn.party == "left"],
    "customer alone": lambda turns: [turn for turn in turns if turn.party == "right"],
}


def _verdict(decision: RoleDecision, agent: str) -> str:
    if set(decision.roles.values()) == {Role.UNSURE}:
        return "unsure"
    return "correct" if decision.agent == agent else "wrong"


def _recording(script: Path) -> Path | None:
    found = script.parent.glob(f"{script.stem}.*")
    return next((path for path in found if path.suffix not in {".yaml", ".json"}), None)


def _mixed(recording: Path, turns: list[Utterance], verdicts: Counter[str]) -> dict[str, Any]:
    prepared = prepare(recording, AudioOptions(separate_speakers=False))
    mixed = np.clip(prepared.pcm.astype(np.int32).sum(axis=0), -32768, 32767).astype(np.int16)
    spans = [
        SpeechSpan(party="mono", channel=0, start_ms=a, end_ms=b) for a, b in detect_speech(mixed, prepared.rate_hertz)
    ]
    started = time.process_time()
    separation = separate(mixed, prepared.rate_hertz, spans)
    seconds = time.process_time() - started
    owner = _owners(separation, prepared.format.duration_ms)
    confusion, agent = _confusion(turns, owner)
    decision = decide_roles(
        _assigned(turns, owner), SPEAKERS, AgentChannel.AUTO, speaker_confidence=separation.confidence
    )
    verdicts[_verdict(decision, agent)] += 1
    return {
        "call": recording.stem,
        "rate_hertz": prepared.rate_hertz,
        "channels": len(prepared.pcm),
        "confusion": confusion,
        "confidence": separation.confidence,
        "role_confidence": decision.confidence,
        "roles": _verdict(decision, agent),
        "times_real_time": len(mixed) / prepared.rate_hertz / max(seconds, 1e-6),
    }


def _owners(separation: Separation, duration_ms: int) -> np.ndarray:
    """Party per 10 ms: 0, 1, or -1 where nobody was found."""
    owner = np.full(duration_ms // 10 + 100, -1)
    for span in separation.spans:
        owner[span.start_ms // 10 : span.end_ms // 10] = SPEAKERS.index(span.party)
    return owner


def _confusion(turns: list[Utterance], owner: np.ndarray) -> tuple[float, str]:
    """Share of wrongly given time under the better naming, and the party that is the agent then."""
    speaks = np.zeros((2, len(owner)), bool)
    for turn in turns:
        speaks[int(turn.party == "right"), turn.start_ms // 10 : turn.end_ms // 10] = True
    counted = (speaks[0] ^ speaks[1]) & (owner >= 0)
    wrong = float(np.mean(owner[counted] != speaks[1][counted]))
    return (wrong, SPEAKERS[0]) if wrong <= 1 / 2 else (1 - wrong, SPEAKERS[1])


def _assigned(turns: list[Utterance], owner: np.ndarray) -> list[Utterance]:
    given = []
    for turn in turns:
        found = owner[turn.start_ms // 10 : turn.end_ms // 10]
        given.append(replace(turn, party=SPEAKERS[int(np.sum(found == 1) > np.sum(found == 0))]))
    return given


def _print(verdicts: dict[str, Counter[str]], rows: list[dict[str, Any]]) -> None:
    print(f"{'roles decided on':30} {'correct':>8} {'unsure':>7} {'wrong':>6}")
    for name, count in verdicts.items():
        print(f"{name:30} {count['correct']:8} {count['unsure']:7} {count['wrong']:6}")
    print(
        f"\n{'call, mixed to one channel':30} {'confusion %':>11} {'confidence':>10} {'roles':>8} {'x real time':>11}"
    )
    for row in rows:
        print(
            f"{row['call']:30} {100 * row['confusion']:11.1f} {row['confidence']:10.2f} {row['roles']:>8} "
            f"{row['times_real_time']:11.0f}"
        )
    print(f"{'mean':30} {100 * np.mean([row['confusion'] for row in rows]):11.1f}")


if __name__ == "__main__":
    main()
