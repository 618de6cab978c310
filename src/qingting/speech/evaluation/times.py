"""How far recognised times lie from reference times, where those are known."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher

from qingting.model.transcript import TimedText
from qingting.speech._units import units
from qingting.speech.evaluation.material import Turn
from qingting.speech.text_form import simplify


def edge_shifts(turns: Sequence[Turn], characters: Sequence[TimedText]) -> tuple[int, ...]:
    """Milliseconds by which the first and last characters of turns lie late (early: negative).

    `characters` are one party's, in order of time, as are the turns. A turn's edge counts only when its very first
    or last character was recognised, so that wrong words do not pass for wrong times.
    """
    reference: list[str] = []
    firsts, lasts = {}, {}
    for turn in turns:
        keys = [unit.key for unit in units(simplify(turn.text))]
        if keys:
            firsts[len(reference)] = turn.start_ms
            reference += keys
            lasts[len(reference) - 1] = turn.end_ms
    heard = [character.text.casefold() for character in characters]
    shifts: list[int] = []
    for start, other, length in SequenceMatcher(None, reference, heard, autojunk=False).get_matching_blocks():
        for step in range(length):
            if start + step in firsts:
                shifts.append(characters[other + step].start_ms - firsts[start + step])
            if start + step in lasts:
                shifts.append(characters[other + step].end_ms - lasts[start + step])
    return tuple(shifts)
