"""Which intended findings of emotion and resolution are found on the demo calls, and which are false.

    python benchmarks/emotion.py            from the scripts' words and times, and from the recordings' sound
    options: --json (machine-readable), --text (leave the sound out), --folder

The sound goes through the audio stage; the words are those of the script, given to the spans
that were found, so that recognition errors do not blur what is measured here. A finding meets
an expectation when rule and person agree and its evidence lies within 3 s of the turn. Faults
and credits that nothing covers, and notes where `must_not_fire` names them, are false.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from inspection_quality import Evaluation, as_json, as_table, evaluate

from qingting.analysis.analyzers.emotion_analyzer import EmotionAnalyzer
from qingting.analysis.analyzers.resolution import Resolution
from qingting.analysis.runner import Inspection
from qingting.audio.roles import apply_roles, decide_roles
from qingting.model.transcript import Transcript
from qingting.testing.call_script import CallScript
from qingting.testing.scripted_engine import ScriptedEngine
from qingting.testing.scripts import load_script

ROOT = Path(__file__).resolve().parents[1]
DIMENSIONS = (EmotionAnalyzer.id, Resolution.id)


def from_words(script: CallScript) -> Transcript:
    """Return the script's own words and times."""
    return script.transcript()


def from_sound(script: CallScript, folder: Path) -> Transcript | None:
    """Return the script's words on the spans, voices and roles found in its recording."""
    from qingting.audio.front_end import prepare
    from qingting.audio.options import AudioOptions
    from qingting.speech.recognizer import Recognizer

    if script.audio is None:
        return None
    audio = prepare(folder / script.audio.file, AudioOptions())
    ordered = sorted(audio.spans, key=lambda span: (span.start_ms, span.end_ms, span.party))
    utterances, engine = Recognizer(ScriptedEngine.for_spans(script, ordered)).transcribe(audio)
    call = script.call_info()
    roles = decide_roles(
        utterances,
        audio.parties,
        call.agent_channel,
        direction=call.direction,
        speaker_confidence=audio.speaker_confidence,
    )
    return Transcript(utterances=apply_roles(utterances, roles), engine=engine, duration_ms=audio.format.duration_ms)


def measure(scripts: Sequence[CallScript], folder: Path, *, sound: bool) -> Evaluation:
    """Evaluate both dimensions over the scripts, timing the analysis alone."""
    inspection = Inspection([EmotionAnalyzer(), Resolution()])
    result = Evaluation()
    for script in scripts:
        transcript = from_sound(script, folder) if sound else from_words(script)
        if transcript is None:
            continue
        began = time.process_time()
        found = inspection.analyze(transcript, script.call_info())
        result.seconds += time.process_time() - began
        evaluate(script, found.findings, DIMENSIONS, result)
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the evaluation; the exit status is 1 when something was missed or false from the words."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--text", action="store_true", help="leave the recordings out")
    parser.add_argument("--folder", type=Path, default=ROOT / "demo" / "calls", help="folder of the call scripts")
    chosen = parser.parse_args(arguments)
    scripts = [load_script(path) for path in sorted(chosen.folder.glob("*.yaml"))]
    sections = {"words": measure(scripts, chosen.folder, sound=False)}
    if not chosen.text:
        sections["sound"] = measure(scripts, chosen.folder, sound=True)
    if chosen.json:
        print(json.dumps({name: as_json(one) for name, one in sections.items()}, ensure_ascii=False, indent=2))
    else:
        for name, one in sections.items():
            print(f"\nFrom the {name} ({len(scripts)} calls, {one.seconds * 1000:.0f} CPU ms of analysis)\n")
            print(as_table(one))
            print("\n".join(one.remarks))
    return 1 if any(one.missed or one.false for one in sections["words"].rules.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
