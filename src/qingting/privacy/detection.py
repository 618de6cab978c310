"""Finds personal data in the lines of a conversation."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence

from qingting.particulars.addresses import addresses
from qingting.particulars.names import answered_names, asks_for_name, is_ordinary, names, spelt_characters
from qingting.privacy.lines import Found, Line, Piece
from qingting.privacy.numbers import JOIN_MS, numbers

KINDS = ("id_card", "phone", "bank_card", "address", "name")
"""Kinds of personal data."""


def detect(lines: Sequence[Line], kinds: Collection[str], own_names: Sequence[str]) -> list[Found]:
    """Find the chosen kinds of personal data, in order of place; no character belongs to two.

    `own_names` are found wherever they stand.
    """
    candidates = [*numbers(lines), *_addresses(lines)]
    if "name" in kinds:
        candidates += _names(lines, own_names)
    taken: dict[int, set[int]] = {}
    chosen: list[Found] = []
    for found in candidates:
        places = [(piece.line, set(range(piece.start, piece.end))) for piece in found.pieces]
        if found.kind in kinds and not any(taken.get(line, set()) & inside for line, inside in places):
            chosen.append(found)
            for line, inside in places:
                taken.setdefault(line, set()).update(inside)
    return sorted(chosen, key=lambda found: found.pieces)


def _addresses(lines: Sequence[Line]) -> Iterator[Found]:
    for line in lines:
        yield from (_one("address", line, *span) for span in addresses(line.text))


def _names(lines: Sequence[Line], own_names: Sequence[str]) -> list[Found]:
    """Names by their cues, then every further place of the same names, longest first."""
    by_cue: list[Found] = []
    for at, line in enumerate(lines):
        spans = set(names(line.text))
        if _answers_who(lines, at):
            spans |= set(answered_names(line.text))
        by_cue += (_one("name", line, *span) for span in spans)
    said = {found.value for found in by_cue}
    known = {name for name in said if not is_ordinary(name)} | set(own_names)
    if not said and not known:
        return []
    by_cue += _again(lines, sorted(known, key=lambda name: (-len(name), name)))
    spelt = [
        _one("name", line, *span, spelling=True)
        for line in lines
        for name in sorted(said)
        for span in spelt_characters(line.text, name)
    ]
    return [*spelt, *sorted(by_cue, key=lambda found: -len(found.value))]


def _answers_who(lines: Sequence[Line], at: int) -> bool:
    """Whether the other party just asked for a name."""
    line = lines[at]
    for earlier in reversed(lines[max(0, at - 3) : at]):
        if earlier.party != line.party:
            return line.start_ms - earlier.end_ms <= JOIN_MS and asks_for_name(earlier.text)
    return False


def _again(lines: Sequence[Line], known: Sequence[str]) -> list[Found]:
    if not known:
        return []
    pattern = re.compile("|".join(map(re.escape, known)))
    return [_one("name", line, *match.span()) for line in lines for match in pattern.finditer(line.text)]


def _one(kind: str, line: Line, start: int, end: int, *, spelling: bool = False) -> Found:
    return Found(
        kind=kind,
        pieces=(Piece(line=line.index, start=start, end=end),),
        texts=(line.text[start:end],),
        spelling=spelling,
    )
