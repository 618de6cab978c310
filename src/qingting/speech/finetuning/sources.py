"""Lists of reviewed speech: manifests of any origin, and corrections of reports."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from qingting.errors import DatasetError
from qingting.speech.finetuning.preparing import Reviewed
from qingting.speech.qwen3_prompt import LANGUAGE_CODES, LANGUAGES

_MANIFEST = ("audio", "text", "language", "start_ms", "end_ms", "channel", "call", "prompt")
_CORRECTIONS = ("call_id", "utterance", "text", "language")


@dataclass(frozen=True, kw_only=True)
class Correction:
    """The right words of one utterance of a report."""

    call_id: str
    utterance: int
    """Index in the report's transcript."""
    text: str
    """Empty where nobody speaks."""
    language: str = ""
    """ISO 639-1 or `yue`; empty keeps the report's."""


def read_manifest(path: Path) -> list[Reviewed]:
    """Read a CSV with a header, or JSON lines: `audio`, `text`, and any of the other columns of a manifest.

    They are language, start_ms, end_ms, channel, call and prompt. Audio paths are relative to
    the manifest. A language is a code (`zh`, `yue`) or Qwen3-ASR's name (`Chinese`); without
    one it is zh. Raises DatasetError with the line.
    """
    found = []
    for line, row in _rows(path, _MANIFEST, needed=("audio", "text")):
        found.append(
            Reviewed(
                recording=path.parent / row["audio"],
                text=row["text"],
                language=_language(row.get("language") or "zh", path, line),
                start_ms=_whole(row.get("start_ms") or "0", path, line),
                end_ms=_whole(row["end_ms"], path, line) if row.get("end_ms") else None,
                channel=_whole(row.get("channel") or "0", path, line),
                group=row.get("call", ""),
                prompt=row.get("prompt", ""),
            )
        )
    return found


def read_corrections(path: Path) -> list[Correction]:
    """Read a CSV with a header, or JSON lines: call_id, utterance, text, and optionally language.

    An utterance that was right is listed with its own text. Raises DatasetError with the line.
    """
    return [
        Correction(
            call_id=row["call_id"],
            utterance=_whole(row["utterance"], path, line),
            text=row["text"],
            language=_language(row["language"], path, line) if row.get("language") else "",
        )
        for line, row in _rows(path, _CORRECTIONS, needed=_CORRECTIONS[:3])
    ]


def _rows(path: Path, known: tuple[str, ...], *, needed: tuple[str, ...]) -> Iterator[tuple[int, Mapping[str, str]]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        raise DatasetError(f"{path.name} cannot be read.", remedy="Write it in UTF-8.") from None
    read = (
        _json_lines(text, path)
        if path.suffix in (".jsonl", ".json")
        else enumerate(csv.DictReader(io.StringIO(text)), 2)
    )
    for line, row in read:
        if None in row or any(value is None for value in row.values()):
            raise _wrong(path, line, "it has more or fewer cells than the header")
        unknown = sorted(set(row) - set(known))
        if unknown:
            raise _wrong(path, line, f"there is no column {unknown[0]!r}; there are {', '.join(known)}")
        lacking = [name for name in needed if name not in row or (name != "text" and not row[name])]
        if lacking:
            raise _wrong(path, line, f"`{lacking[0]}` is missing")
        yield line, row


def _json_lines(text: str, path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if not isinstance(row, dict) or not all(isinstance(v, str | int) for v in row.values()):
            raise _wrong(path, number, "it is no JSON object of texts and whole numbers")
        yield number, {str(name): str(value) for name, value in row.items()}


def _language(text: str, path: Path, line: int) -> str:
    code = LANGUAGE_CODES.get(text.capitalize(), text.lower())
    if code not in LANGUAGES:
        raise _wrong(path, line, f"`language` is none of {', '.join(LANGUAGES)}")
    return code


def _whole(text: str, path: Path, line: int) -> int:
    if not text.strip().isascii() or not text.strip().isdigit():
        raise _wrong(path, line, "a number is not whole, or below zero")
    return int(text)


def _wrong(path: Path, line: int, what: str) -> DatasetError:
    return DatasetError(f"{path.name}, line {line}: {what}.", remedy="Correct that line.")
