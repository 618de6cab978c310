"""Masking of personal data: what is found, what is masked by mistake, what it costs.

    python benchmarks/masking.py [--json] [--misses]

Two labelled sets (tests/unit/privacy/data): `tuning`, with which the patterns were written, and `held_out`, written
before them and never tuned on; to each belong bundled conversations (demo/calls and demo/development, demo/held_out),
whose personal data are labelled in `demo.yaml`. Recall is the share of labelled values that are found whole; false
masks are stretches found outside of labelled values, per 10,000 characters of the ordinary sentences and the bundled
conversations.
Time is that of finding all personal data of a call of ten minutes with one core.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from qingting.privacy.detection import KINDS
from qingting.privacy.lines import Line
from qingting.privacy.masking import Masker
from qingting.testing import load_script

ROOT = Path(__file__).parents[1]
DATA = ROOT / "tests" / "unit" / "privacy" / "data"
FOLDERS = {"tuning": ("calls", "development"), "held_out": ("held_out",)}
CALL_CHARACTERS = 10 * 60 * 4
"""Ten minutes of talk at four characters a second."""
_LABEL = re.compile(r"\[([^\]]+)\]\((\w+)\)")


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """A conversation and the personal data in it."""

    lines: tuple[Line, ...]
    values: tuple[tuple[int, int, int, str], ...]
    """(line, start, end, kind)."""


def labelled(item: str | Sequence[str]) -> Labelled:
    """Read one conversation of a labelled set."""
    lines, values = [], []
    for index, marked in enumerate([item] if isinstance(item, str) else item):
        party, text = (marked[0], marked[2:]) if marked[1:2] == "：" and marked[0] in "坐客" else ("客", marked)
        plain, last = "", 0
        for match in _LABEL.finditer(text):
            plain += text[last : match.start()]
            values.append((index, len(plain), len(plain) + len(match[1]), match[2]))
            plain, last = plain + match[1], match.end()
        start = 3000 * index
        lines.append(Line(index=index, text=plain + text[last:], party=party, start_ms=start, end_ms=start + 2500))
    return Labelled(lines=tuple(lines), values=tuple(values))


def read_set(name: str) -> tuple[list[Labelled], list[Labelled]]:
    """Return the personal and the ordinary conversations of a set, the bundled ones among the latter."""
    plain = yaml.safe_load((DATA / f"{name}.yaml").read_text(encoding="utf-8"))
    known = yaml.safe_load((DATA / "demo.yaml").read_text(encoding="utf-8"))
    ordinary = [labelled(item) for item in plain["ordinary"]]
    for folder in FOLDERS[name]:
        paths = sorted((ROOT / "demo" / folder).glob("*.yaml"))
        ordinary += [_demo(path, known.get(path.stem, ())) for path in paths]
    return [labelled(item) for item in plain["personal"]], ordinary


def _demo(path: Path, known: Sequence[str]) -> Labelled:
    lines = tuple(
        Line(index=index, text=turn.text, party=turn.role.value, start_ms=turn.start_ms, end_ms=turn.end_ms)
        for index, turn in enumerate(load_script(path).turns)
    )
    values = tuple(
        (line.index, match.start(), match.end(), "known")
        for line in lines
        for value in known
        for match in re.finditer(re.escape(value), line.text)
    )
    return Labelled(lines=lines, values=values)


def covered(one: Labelled, masker: Masker) -> dict[int, set[int]]:
    """Offsets by line of everything that was found."""
    places: dict[int, set[int]] = {}
    for found in masker.found_in(one.lines):
        for piece in found.pieces:
            places.setdefault(piece.line, set()).update(range(piece.start, piece.end))
    return places


def false_masks(one: Labelled, masker: Masker) -> Iterator[str]:
    """What was found though nobody labelled it."""
    right = {(line, at) for line, start, end, _ in one.values for at in range(start, end)}
    for found in masker.found_in(one.lines):
        for piece, text in zip(found.pieces, found.texts, strict=True):
            if not any((piece.line, at) in right for at in range(piece.start, piece.end)):
                yield f"{text} ({found.kind}) in: {one.lines[piece.line].text}"


def measure(name: str, masker: Masker) -> dict[str, object]:
    """Return the figures of one set, with the sentences behind them."""
    personal, ordinary = read_set(name)
    there, hit, missed = Counter[str](), Counter[str](), []
    for one in [*personal, *ordinary]:
        places = covered(one, masker)
        for line, start, end, kind in one.values:
            there[kind] += 1
            if set(range(start, end)) <= places.get(line, set()):
                hit[kind] += 1
            else:
                missed.append(f"{one.lines[line].text[start:end]} ({kind}) in: {one.lines[line].text}")
    wrong = [text for one in ordinary for text in false_masks(one, masker)]
    beside = [text for one in personal for text in false_masks(one, masker)]
    characters = sum(len(line.text) for one in ordinary for line in one.lines)
    return {
        "personal_sentences": len(personal),
        "ordinary_sentences": sum(len(one.lines) for one in ordinary),
        "recall": {kind: round(hit[kind] / there[kind], 3) for kind in KINDS if there[kind]},
        "values": {kind: there[kind] for kind in KINDS},
        "recall_all": round(sum(hit[kind] for kind in KINDS) / sum(there[kind] for kind in KINDS), 3),
        "recall_in_conversations": round(hit["known"] / there["known"], 3),
        "values_in_conversations": there["known"],
        "ordinary_characters": characters,
        "false_masks": len(wrong),
        "false_masks_per_10000_characters": round(10_000 * len(wrong) / characters, 2),
        "false_masks_beside_personal_data": len(beside),
        "missed": missed,
        "wrong": wrong + beside,
    }


def milliseconds_per_call(masker: Masker) -> float:
    """CPU time for a call of ten minutes made of all sentences of both sets."""
    texts = [line.text for name in FOLDERS for part in read_set(name) for one in part for line in one.lines]
    lines, characters = [], 0
    for index, text in enumerate(texts):
        if characters >= CALL_CHARACTERS:
            break
        start = 4000 * index
        lines.append(Line(index=index, text=text, party="坐客"[index % 2], start_ms=start, end_ms=start + 3500))
        characters += len(text)
    masker.found_in(lines)
    took = []
    for _ in range(20):
        began = time.process_time()
        masker.found_in(lines)
        took.append(time.process_time() - began)
    return round(1000 * sorted(took)[len(took) // 2], 1)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--misses", action="store_true", help="print what was missed or masked by mistake, too")
    chosen = parser.parse_args(arguments)
    masker = Masker(KINDS)
    figures: dict[str, object] = {}
    for name in FOLDERS:
        measured = measure(name, masker)
        if not chosen.misses:
            measured = {key: value for key, value in measured.items() if key not in ("missed", "wrong")}
        figures[name] = measured
    figures["milliseconds_per_10_minute_call"] = milliseconds_per_call(masker)
    if chosen.json:
        print(json.dumps(figures, ensure_ascii=False, indent=2))
        return 0
    for name, part in figures.items():
        print(name if isinstance(part, dict) else f"{name}: {part}")
        for key, value in part.items() if isinstance(part, dict) else ():
            shown = "".join(f"\n      {text}" for text in value) if isinstance(value, list) else f" {value}"
            print(f"  {key}{shown}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
