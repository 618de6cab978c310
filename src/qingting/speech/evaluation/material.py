"""What recognition is measured on: recordings with reference texts, found in a folder or a manifest.

Three layouts: `name.wav` beside `name.txt`; a manifest (`manifest.jsonl`, `manifest.csv`, or any such file) with
the fields of `FIELDS`; recordings with call scripts, which the caller adds. What cannot be read becomes a
`Problem` and stops nothing.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from qingting.errors import InputError

LABELS = ("language", "dialect", "channel", "noise")
"""Properties of a recording by which results are grouped."""
FIELDS = ("audio", "text", *LABELS, "terms", "line_of_business")
"""Fields of a manifest; `audio` and `text` are required, others may be missing, unknown ones are ignored."""
MANIFESTS = ("manifest.jsonl", "manifest.csv")
_SEPARATORS = re.compile(r"[,，;；、|\s]+")


@dataclass(frozen=True, kw_only=True)
class Turn:
    """One stretch of reference speech whose times are known."""

    party: str
    """As the audio stage names it; empty for the whole recording."""
    text: str
    start_ms: int
    end_ms: int


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A recording and what is said in it."""

    name: str
    """For the result: unique within the material."""
    audio: Path
    texts: Mapping[str, str]
    """Party as the audio stage names it -> reference; the key "" stands for the whole recording in order of time."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Some of LABELS -> value."""
    terms: tuple[str, ...] = ()
    """Business terms whose recall counts; empty takes those of the line of business."""
    turns: tuple[Turn, ...] = ()
    line_of_business: str = ""
    """Empty takes the caller's."""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A file that could not be used."""

    name: str
    cause: str


@dataclass(frozen=True, kw_only=True)
class Material:
    """Samples in order of name, and what could not be used."""

    samples: tuple[Sample, ...]
    problems: tuple[Problem, ...] = ()


def read_material(place: Path, suffixes: frozenset[str]) -> Material:
    """Read a manifest, or a folder with a manifest or with pairs of recording and text.

    `suffixes` are those of recordings. Raises InputError when there is nothing at all to measure on, or when
    the manifest itself cannot be read.
    """
    if place.is_file():
        return _with_something(_manifest(place), place)
    for name in MANIFESTS:
        if (place / name).is_file():
            return _with_something(_manifest(place / name), place)
    return _with_something(_pairs(place, suffixes), place)


def _with_something(found: Material, place: Path) -> Material:
    if not found.samples and not found.problems:
        raise InputError(
            f"{place.name} holds no recordings with reference texts",
            remedy="Put name.txt beside name.wav, or write manifest.jsonl or manifest.csv with audio and text.",
        )
    return found


def _pairs(folder: Path, suffixes: frozenset[str]) -> Material:
    samples, problems = [], []
    for audio in sorted(path for path in folder.rglob("*") if path.suffix.lower() in suffixes and path.is_file()):
        name = audio.relative_to(folder).as_posix()
        text_path = audio.with_suffix(".txt")
        if not text_path.is_file():
            problems.append(Problem(name=name, cause=f"no reference text {text_path.name} beside it"))
            continue
        try:
            text = text_path.read_text(encoding="utf-8-sig").strip()
        except (OSError, UnicodeDecodeError) as error:
            problems.append(Problem(name=name, cause=f"{text_path.name} cannot be read: {type(error).__name__}"))
            continue
        if not text:
            problems.append(Problem(name=name, cause=f"{text_path.name} is empty"))
            continue
        samples.append(Sample(name=name, audio=audio, texts={"": text}))
    return Material(samples=tuple(samples), problems=tuple(problems))


def _manifest(path: Path) -> Material:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path.name} cannot be read: {type(error).__name__}", remedy="Save it as UTF-8.") from None
    rows = _csv_rows(text, path) if path.suffix.lower() == ".csv" else _json_rows(text)
    samples: list[Sample] = []
    problems: list[Problem] = []
    names: set[str] = set()
    for line, row in rows:
        made = _sample(row, path.parent) if isinstance(row, Mapping) else row
        if isinstance(made, str):
            problems.append(Problem(name=f"{path.name}, line {line}", cause=made))
            continue
        if made.name in names:
            problems.append(Problem(name=f"{path.name}, line {line}", cause="the recording stands there twice"))
            continue
        names.add(made.name)
        samples.append(made)
    return Material(samples=tuple(samples), problems=tuple(problems))


def _csv_rows(text: str, path: Path) -> Iterator[tuple[int, Mapping[str, object] | str]]:
    rows = csv.DictReader(io.StringIO(text, newline=""))
    try:
        if not {"audio", "text"} <= set(rows.fieldnames or ()):
            raise InputError(f"{path.name} lacks the columns audio and text", remedy="Name them in its first line.")
        for row in rows:
            yield rows.line_num, {key: value for key, value in row.items() if isinstance(key, str)}
    except csv.Error as error:
        raise InputError(f"{path.name} is no CSV: {error}", remedy="Save it again as CSV.") from None


def _json_rows(text: str) -> Iterator[tuple[int, Mapping[str, object] | str]]:
    for line, content in enumerate(text.splitlines(), start=1):
        if not content.strip():
            continue
        try:
            row = json.loads(content)
        except ValueError:
            yield line, "no valid JSON"
            continue
        yield line, row if isinstance(row, dict) else "no JSON object"


def _sample(row: Mapping[str, object], folder: Path) -> Sample | str:
    """The sample of a row, or what is wrong with the row."""
    for name in ("audio", "text"):
        value = row.get(name)
        if not isinstance(value, str) or not value.strip():
            return f"the field {name} is missing or no text"
    audio = str(row["audio"]).strip()
    labels = {name: str(row[name]).strip() for name in LABELS if row.get(name) not in (None, "")}
    return Sample(
        name=audio,
        audio=folder / audio,
        texts={"": str(row["text"])},
        labels=labels,
        terms=_terms(row.get("terms")),
        line_of_business=str(row.get("line_of_business") or "").strip(),
    )


def _terms(value: object) -> tuple[str, ...]:
    """A list of terms, or a text that separates them."""
    parts: Sequence[object] = value if isinstance(value, list) else _SEPARATORS.split(str(value or ""))
    return tuple(str(part).strip() for part in parts if str(part).strip())
