"""Reviewed findings as a file: JSON lines, one case per line, only ever added to.

    {"call_id": "c1", "rule_id": "keywords.unanswered_complaint", "dimension": "keywords",
     "verdict": "confirmed", "quote": "没人管", "handling": "主管回访并致歉", "date": "2024-05-01"}

`verdict` is `confirmed` or `rejected`; `dimension` may be left out where it is the first part of
`rule_id`. The same file serves `qingting rules backtest --labels`.
"""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

from qingting.errors import InputError
from qingting.report.similar_cases import Review, ReviewedCase

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

CASE_FIELDS = frozenset(field.name for field in fields(ReviewedCase))
_WHOLE = ("utterance", "at_ms")
_NEEDED = ("call_id", "rule_id", "verdict")


def read_cases(path: Path) -> list[ReviewedCase]:
    """Read a case library; a file that does not exist yet is an empty one.

    Raises InputError naming file, line and field, never the content.
    """
    if not path.exists():
        return []
    return [_case(plain, place) for place, plain in json_lines(path)]


def add_case(path: Path, case: ReviewedCase) -> None:
    """Append one case to the library, which is made when it does not exist."""
    plain = {name: value for name, value in asdict(case).items() if value not in ("", None)}
    line = json.dumps(plain, ensure_ascii=False) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+") as file:
        # A last line without its end (an editor, a copy) must not swallow the new one.
        if file.tell():
            file.seek(-1, 2)
            line = line if file.read(1) == b"\n" else f"\n{line}"
        file.write(line.encode("utf-8", "replace"))


def json_lines(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Give every object of a JSON lines file with its place (`cases.jsonl, line 3`); empty lines are skipped.

    Raises InputError naming file and line, never the content.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        cause = f"{path.name} cannot be read: {type(error).__name__}"
        raise InputError(cause, remedy="Check the path; save it as UTF-8.") from None
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        place = f"{path.name}, line {number}"
        try:
            plain = json.loads(line)
        except (ValueError, RecursionError):
            raise InputError(f"{place}: is no JSON", remedy="Write one JSON object per line.") from None
        if not isinstance(plain, dict):
            raise InputError(f"{place}: is no JSON object", remedy="Write one JSON object per line.")
        yield place, plain


def _case(plain: Mapping[str, Any], place: str) -> ReviewedCase:
    unknown = len(plain.keys() - CASE_FIELDS)
    if unknown:
        known = ", ".join(sorted(CASE_FIELDS))
        raise InputError(f"{place}: {unknown} fields are unknown", remedy=f"Known fields: {known}.")
    for name, value in plain.items():
        wanted = int if name in _WHOLE else str
        if value is not None and (not isinstance(value, wanted) or isinstance(value, bool)):
            kind = "a whole number" if wanted is int else "text"
            raise InputError(f"{place}: {name}: must be {kind}", remedy="Correct the field.")
    # Halves of characters could not be written into a report.
    given: dict[str, Any] = {
        name: value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
        for name, value in plain.items()
        if value is not None
    }
    for name in _NEEDED:
        if not given.get(name):
            raise InputError(f"{place}: {name}: is required", remedy=f"Required are {', '.join(_NEEDED)}.")
    if given["verdict"] not in set(Review):
        raise InputError(f"{place}: verdict: must be one of {', '.join(Review)}", remedy="Correct the field.")
    given["verdict"] = Review(given["verdict"])
    given.setdefault("dimension", given["rule_id"].split(".")[0])
    return ReviewedCase(**given)
