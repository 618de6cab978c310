"""How well dialects are known by their words: real Cantonese found, Mandarin left alone.

    python benchmarks/dialect.py [--json] [--mandarin manifest.jsonl]

Cantonese is HKCanCor (real conversations, in the package pycantonese), in simplified characters
as recognition gives them. A call is twenty consecutive utterances of a recording; it counts as
found when the analyzer raises `dialect_detector.cantonese`. Mandarin are the demo scripts, the
example sentences of all contact reasons, every phrase of the bundled lexicons, and the `text`
field of each line of a manifest.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from qingting.analysis.analyzers.dialect_detector import DialectDetector
from qingting.analysis.dialects import SURE, dialects, guess, words_in
from qingting.analysis.intents import intents
from qingting.analysis.lexicon import lexicon, lexicon_names
from qingting.analysis.runner import Inspection
from qingting.analysis.text import NormalText, normalise
from qingting.model.call import CallInfo, Role
from qingting.model.transcript import EngineIdentity, Transcript, Utterance
from qingting.speech.text_form import simplify
from qingting.testing.samples import sample_calls

LENGTHS = (1, 4, 6, 8, 12, 20)
"""Shortest utterances, in characters, for which the recall is told."""
CALL_UTTERANCES = 20


def cantonese() -> list[list[str]]:
    """Utterances of each HKCanCor recording, simplified."""
    import pycantonese

    recordings = pycantonese.hkcancor().utterances(by_file=True)
    texts = [["".join(token.word or "" for token in one.tokens) for one in recording] for recording in recordings]
    return [[simplify(text) for text in recording if normalise(text)] for recording in texts]


def calls(recordings: Iterable[Sequence[str]]) -> list[list[str]]:
    """Stretches of consecutive utterances."""
    return [
        list(recording[at : at + CALL_UTTERANCES])
        for recording in recordings
        for at in range(0, len(recording) - CALL_UTTERANCES + 1, CALL_UTTERANCES)
    ]


def transcript(texts: Sequence[str]) -> Transcript:
    """One party says the texts in turn."""
    utterances = tuple(
        Utterance(
            index=index,
            party="mono",
            role=Role.CUSTOMER,
            role_confidence=1.0,
            start_ms=index * 4000,
            end_ms=index * 4000 + 3500,
            text=text,
            language="zh",
        )
        for index, text in enumerate(texts)
    )
    engine = EngineIdentity(name="text", model="text", revision="")
    return Transcript(utterances=utterances, engine=engine, duration_ms=len(texts) * 4000)


def found_in(texts: Sequence[str], inspection: Inspection) -> set[str]:
    """Dialects that the analyzer raises for a conversation, the summary left out."""
    findings = inspection.analyze(transcript(texts), CallInfo(call_id="dialect")).findings
    rules = {one.rule_id.removeprefix("dialect_detector.") for one in findings}
    return rules & set(dialects())


def by_length(texts: Sequence[str]) -> list[dict[str, float | int]]:
    """Recall per shortest length: any guess, and one sure enough to be raised alone."""
    guesses = [(len(normalise(text)), guess(words_in(NormalText(text)))) for text in texts]
    rows: list[dict[str, float | int]] = []
    for least in LENGTHS:
        chosen = [found for size, found in guesses if size >= least]
        right = [found for found in chosen if found is not None and found.dialect == "cantonese"]
        other = [found for found in chosen if found is not None and found.dialect != "cantonese"]
        rows.append(
            {
                "characters_from": least,
                "utterances": len(chosen),
                "recall": round(len(right) / len(chosen), 4),
                "recall_sure": round(sum(found.confidence >= SURE for found in right) / len(chosen), 4),
                "other_dialect": round(len(other) / len(chosen), 5),
            }
        )
    return rows


def mandarin(manifest: Path | None) -> dict[str, list[str]]:
    """Mandarin texts by source."""
    sources = {
        "demo_scripts": [turn.text for sample in sample_calls() for turn in sample.script.turns],
        "intent_examples": [text for intent in intents() for text in intent.examples],
        "lexicon_phrases": [phrase for name in lexicon_names() for phrase in lexicon(name)],
    }
    if manifest is not None:
        lines = manifest.read_text(encoding="utf-8").splitlines()
        sources["manifest"] = [json.loads(line)["text"] for line in lines if line.strip()]
    return sources


def measure(manifest: Path | None) -> dict[str, object]:
    """Return all figures."""
    recordings = cantonese()
    texts = [text for recording in recordings for text in recording]
    began = time.process_time()
    rows = by_length(texts)
    per_text_ms = 1000 * (time.process_time() - began) / len(texts)
    inspection = Inspection([DialectDetector()])
    stretches = calls(recordings)
    found = [found_in(call, inspection) for call in stretches]
    false = {}
    for source, sentences in mandarin(manifest).items():
        guesses = [guess(words_in(NormalText(text))) for text in sentences]
        false[source] = {
            "texts": len(sentences),
            "cantonese": sum(one is not None and one.dialect == "cantonese" for one in guesses),
            "any_dialect": sum(one is not None for one in guesses),
        }
    scripts = [found_in([turn.text for turn in sample.script.turns], inspection) for sample in sample_calls()]
    return {
        "words": {one.id: len(one.words) for one in dialects().values()},
        "cantonese_utterances": rows,
        "cantonese_calls": {
            "calls": len(stretches),
            "recall": round(sum("cantonese" in one for one in found) / len(stretches), 4),
            "other_dialect": sum(bool(one - {"cantonese", "english"}) for one in found),
        },
        "mandarin": false,
        "mandarin_calls": {"calls": len(scripts), "any_dialect": sum(bool(one) for one in scripts)},
        "cpu_ms_per_utterance": round(per_text_ms, 4),
    }


def table(figures: dict[str, object]) -> str:
    """Lay the figures out for reading."""
    lines = ["Cantonese (HKCanCor)", "characters  utterances  recall  sure alone  other dialect"]
    rows: list[dict[str, float | int]] = figures["cantonese_utterances"]  # type: ignore[assignment]
    lines += [
        f"{row['characters_from']:>7} up {row['utterances']:>11} {row['recall']:>7.3f} "
        f"{row['recall_sure']:>11.3f} {row['other_dialect']:>14.4f}"
        for row in rows
    ]
    lines += ["", f"Cantonese calls: {figures['cantonese_calls']}", "", "Mandarin       texts  Cantonese  any dialect"]
    for source, row in figures["mandarin"].items():  # type: ignore[attr-defined]
        lines.append(f"{source:15} {row['texts']:>5} {row['cantonese']:>10} {row['any_dialect']:>12}")
    lines += ["", f"Mandarin calls: {figures['mandarin_calls']}"]
    lines += [f"words per dialect: {figures['words']}", f"CPU ms per utterance: {figures['cpu_ms_per_utterance']}"]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--mandarin", type=Path, help="JSON lines with a `text` field, real Mandarin")
    chosen = parser.parse_args(arguments)
    figures = measure(chosen.mandarin)
    print(json.dumps(figures, indent=2, ensure_ascii=False) if chosen.json else table(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
