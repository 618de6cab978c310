"""Character error rate, fair to how numbers and punctuation are written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from qingting.speech._punctuation import tidy_spaces
from qingting.speech._units import units
from qingting.speech.numerals import cardinal, spell_digits, to_spoken
from qingting.speech.text_form import simplify

_FOLDED = str.maketrans({"幺": "一", "两": "二", "〇": "零"})
_LONGEST_RUN_OF_INSERTIONS = 6
"""Inserted units in a row from this length on are no mishearing: the recogniser looped or invented."""
_MOST_READINGS = 16


@dataclass(frozen=True, kw_only=True)
class Errors:
    """What separates a hypothesis from its reference, in units (characters, Latin words)."""

    reference: int
    """Units of the reference."""
    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0
    insertion_runs: int = 0
    """Runs of six or more inserted units: loops and invented text."""

    @property
    def total(self) -> int:
        """All errors."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def rate(self) -> float:
        """Errors over reference units; without any reference 0.0 for no errors, else 1.0."""
        if self.reference == 0:
            return 1.0 if self.total else 0.0
        return self.total / self.reference


def character_errors(hypothesis: str, reference: str) -> Errors:
    """Errors of a hypothesis against its reference.

    Ignores punctuation, case, spaces and script; digits match numbers in words, read as
    a value or one by one, whichever fits better.
    """
    best: Errors | None = None
    for spoken_reference in readings(reference):
        for spoken in readings(hypothesis):
            errors = _count(_keys(spoken), _keys(spoken_reference))
            if best is None or errors.total < best.total:
                best = errors
    return best or Errors(reference=0)


def corpus_errors(pairs: Iterable[tuple[str, str]]) -> Errors:
    """Sum over (hypothesis, reference) pairs: its `rate` is the corpus error rate."""
    return add(character_errors(hypothesis, reference) for hypothesis, reference in pairs)


def add(parts: Iterable[Errors]) -> Errors:
    """Sum of several counts."""
    rows = list(parts)
    return Errors(
        reference=sum(row.reference for row in rows),
        substitutions=sum(row.substitutions for row in rows),
        deletions=sum(row.deletions for row in rows),
        insertions=sum(row.insertions for row in rows),
        insertion_runs=sum(row.insertion_runs for row in rows),
    )


def readings(text: str) -> list[str]:
    """Ways to say the digits of a text: in context, as values, or one by one; at most 16."""
    tidy = tidy_spaces(simplify(text))
    runs = _digit_runs(tidy)
    if not runs:
        return [tidy]
    said = {to_spoken(tidy): None}
    if 2 ** len(runs) <= _MOST_READINGS:
        choices: Iterable[Sequence[bool]] = product((False, True), repeat=len(runs))
    else:
        choices = ([False] * len(runs), [True] * len(runs))
    for choice in choices:
        said[_say(tidy, runs, choice)] = None
    return list(said)


def _say(text: str, runs: Sequence[tuple[int, int]], one_by_one: Sequence[bool]) -> str:
    parts = []
    position = 0
    for (start, end), spell in zip(runs, one_by_one, strict=True):
        digits = text[start:end]
        parts.append(text[position:start])
        percent = text[end : end + 1] == "%"
        parts.append("百分之" if percent else "")
        parts.append(spell_digits(digits) if spell or len(digits) > 12 else cardinal(int(digits)))
        position = end + percent
    return "".join([*parts, text[position:]])


def _digit_runs(text: str) -> list[tuple[int, int]]:
    runs = []
    start = None
    for index, character in enumerate([*text, " "]):
        digit = character.isascii() and character.isdigit()
        if digit and start is None:
            start = index
        elif not digit and start is not None:
            runs.append((start, index))
            start = None
    return runs


def _keys(text: str) -> list[str]:
    return [unit.key for unit in units(text.translate(_FOLDED))]


def _count(hypothesis: Sequence[str], reference: Sequence[str]) -> Errors:
    """Minimum edit distance (Levenshtein 1966) with the kinds of errors read off the path."""
    rows, columns = len(reference) + 1, len(hypothesis) + 1
    cost = np.zeros((rows, columns), dtype=np.int32)
    cost[:, 0], cost[0, :] = np.arange(rows), np.arange(columns)
    vocabulary = {key: number for number, key in enumerate(dict.fromkeys([*reference, *hypothesis]))}
    heard = np.array([vocabulary[key] for key in hypothesis], dtype=np.int32)
    steps = np.arange(columns, dtype=np.int32)
    for row in range(1, rows):
        differs = heard != vocabulary[reference[row - 1]]
        best = np.empty(columns, dtype=np.int32)
        best[0] = row
        best[1:] = np.minimum(cost[row - 1, :-1] + differs, cost[row - 1, 1:] + 1)
        # insertions run along the row: a running minimum of cost minus column does them at once
        cost[row] = np.minimum.accumulate(best - steps) + steps
    return _walk(cost, hypothesis, reference)


def _walk(cost: np.ndarray, hypothesis: Sequence[str], reference: Sequence[str]) -> Errors:
    row, column = len(reference), len(hypothesis)
    substitutions = deletions = insertions = runs = run = 0
    while row or column:
        here = cost[row, column]
        if row and column and here == cost[row - 1, column - 1] + (reference[row - 1] != hypothesis[column - 1]):
            substitutions += reference[row - 1] != hypothesis[column - 1]
            row, column, run = row - 1, column - 1, 0
        elif column and here == cost[row, column - 1] + 1:
            insertions, run, column = insertions + 1, run + 1, column - 1
            runs += run == _LONGEST_RUN_OF_INSERTIONS
        else:
            deletions, row, run = deletions + 1, row - 1, 0
    return Errors(
        reference=len(reference),
        substitutions=substitutions,
        deletions=deletions,
        insertions=insertions,
        insertion_runs=runs,
    )
