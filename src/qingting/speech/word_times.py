"""Times of the units of a text: checked, repaired, and fitted to the text's final form.

Engines time the words they wrote; guards and text form change them afterwards. Here every
unit of the final text (`_units.py`: a Chinese character, one digit, one Latin word) gets
a time: its own where the engine's words still say it, a share of the replaced words' time
where numbers were rewritten, and an even share of the voiced time where the engine's
times fail the checks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from qingting.model.transcript import TimedText
from qingting.speech._units import Unit, units
from qingting.speech.text_form import simplify

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LONGEST_PLATEAU = 3
"""Units in a row that may share one time; more means the aligner lost its way."""
_SHORTEST_MS = 20
_FRAME_MS = 20
_UNDER_LOUDEST_DB = 30.0
_SHORT_PAUSE_MS = 120
_LETTERS_PER_UNIT = 3
"""A Latin word takes the time of a Chinese character per three letters."""


@dataclass(frozen=True, kw_only=True)
class TimedUnits:
    """Units of a text with times."""

    characters: tuple[TimedText, ...]
    """One per unit of the text, in order, monotonic, each at least 1 ms long."""
    spread: bool
    """True when the times are an estimate (Flag.TIMES_SPREAD)."""


def time_units(
    text: str, words: Sequence[TimedText], *, length_ms: int, voiced: Sequence[tuple[int, int]] = ()
) -> TimedUnits:
    """Times for the units of `text`, relative to its clip, inside 0 to length_ms.

    `words` are the engine's, in order; `voiced` are stretches of speech (start_ms, end_ms)
    for the estimate when the words' times are missing or fail `times_are_sound`.
    """
    wanted = units(text)
    if not wanted or length_ms <= 0:
        return TimedUnits(characters=(), spread=False)
    if not words or not times_are_sound(words, length_ms):
        return TimedUnits(characters=spread_over(wanted, voiced, length_ms), spread=True)
    known = _split(words)
    matched = _fit(wanted, known)
    return TimedUnits(characters=_settle(matched, length_ms), spread=False)


def times_are_sound(words: Sequence[TimedText], length_ms: int, *, tolerance_ms: int = 40) -> bool:
    """Whether times are monotonic, positive, inside the clip and without plateaus.

    A plateau is four or more words at one start time; up to a tenth of the words may have
    no length, since aligners work on a grid.
    """
    if any(word.start_ms < -tolerance_ms or word.end_ms > length_ms + tolerance_ms for word in words):
        return False
    if any(later.start_ms < earlier.start_ms for earlier, later in pairwise(words)):
        return False
    if any(word.end_ms < word.start_ms for word in words):
        return False
    if sum(word.end_ms == word.start_ms for word in words) > max(1, len(words) // 10):
        return False
    run = 1
    for earlier, later in pairwise(words):
        run = run + 1 if later.start_ms == earlier.start_ms else 1
        if run > _LONGEST_PLATEAU:
            return False
    return True


def spread_over(wanted: Sequence[Unit], voiced: Sequence[tuple[int, int]], length_ms: int) -> tuple[TimedText, ...]:
    """Give units even shares of the voiced time, or of the whole clip without any."""
    stretches = [(max(0, start), min(end, length_ms)) for start, end in voiced if end > max(0, start) < length_ms]
    stretches = stretches or [(0, length_ms)]
    total = sum(end - start for start, end in stretches)
    weights = [_weight(unit) for unit in wanted]
    scale = total / sum(weights)
    edges = np.concatenate([[0.0], np.cumsum(weights)]) * scale
    timed = [
        TimedText(text=unit.text, start_ms=_at(first, stretches), end_ms=_at(last, stretches, closing=True))
        for unit, first, last in zip(wanted, edges[:-1], edges[1:], strict=True)
    ]
    return _settle(timed, length_ms)


def voiced_stretches(samples: NDArray[np.float32], rate_hertz: int) -> tuple[tuple[int, int], ...]:
    """Stretches of a clip within 30 dB of its loud parts, pauses under 120 ms closed, in milliseconds."""
    frame = rate_hertz * _FRAME_MS // 1000
    count = len(samples) // frame
    if count == 0:
        return ()
    power = np.mean(samples[: count * frame].reshape(count, frame).astype(np.float64) ** 2, axis=1)
    loud = power > np.percentile(power, 95) * 10 ** (-_UNDER_LOUDEST_DB / 10)
    loud &= power > 0
    edges = np.flatnonzero(np.diff(np.concatenate([[False], loud, [False]]).astype(np.int8)))
    stretches: list[tuple[int, int]] = []
    for start, end in zip(edges[::2] * _FRAME_MS, edges[1::2] * _FRAME_MS, strict=True):
        if stretches and start - stretches[-1][1] < _SHORT_PAUSE_MS:
            stretches[-1] = (stretches[-1][0], int(end))
        else:
            stretches.append((int(start), int(end)))
    return tuple(stretches)


def _weight(unit: Unit) -> float:
    return max(1.0, len(unit.text) / _LETTERS_PER_UNIT)


def _at(voiced_ms: float, stretches: Sequence[tuple[int, int]], *, closing: bool = False) -> int:
    """Time in the clip after so much voiced time; `closing` prefers the end of a stretch to the next one's start."""
    for start, end in stretches:
        length = end - start
        if voiced_ms < length or (closing and voiced_ms <= length + 1e-6):
            return round(start + voiced_ms)
        voiced_ms -= length
    return stretches[-1][1]


def _split(words: Sequence[TimedText]) -> list[TimedText]:
    """Words as units: a word of several characters shares its time among them."""
    found: list[TimedText] = []
    for word in words:
        inner = units(simplify(word.text))
        if not inner:
            continue
        weights = [_weight(unit) for unit in inner]
        edges = np.concatenate([[0.0], np.cumsum(weights)]) / sum(weights) * (word.end_ms - word.start_ms)
        found.extend(
            TimedText(
                text=unit.text,
                start_ms=word.start_ms + round(float(first)),
                end_ms=word.start_ms + round(float(last)),
                confidence=word.confidence,
            )
            for unit, first, last in zip(inner, edges[:-1], edges[1:], strict=True)
        )
    return found


def _fit(wanted: Sequence[Unit], known: Sequence[TimedText]) -> list[TimedText]:
    """Times of the wanted units: equal ones keep theirs, rewritten ones share what they replace."""
    left, right = [unit.key for unit in wanted], [item.text.casefold() for item in known]
    timed: list[TimedText] = []
    for kind, first, last, from_, to in SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        if kind == "equal":
            pairs = zip(wanted[first:last], known[from_:to], strict=True)
            timed.extend(
                TimedText(text=unit.text, start_ms=item.start_ms, end_ms=item.end_ms, confidence=item.confidence)
                for unit, item in pairs
            )
        elif last > first:
            start = known[from_].start_ms if to > from_ else (timed[-1].end_ms if timed else 0)
            end = known[to - 1].end_ms if to > from_ else (known[to].start_ms if to < len(known) else start)
            confidences = [item.confidence for item in known[from_:to] if item.confidence is not None]
            timed.extend(_share(wanted[first:last], start, max(start, end), confidences))
    return timed


def _share(wanted: Sequence[Unit], start: int, end: int, confidences: Sequence[float]) -> list[TimedText]:
    weights = [_weight(unit) for unit in wanted]
    edges = start + np.concatenate([[0.0], np.cumsum(weights)]) / sum(weights) * (end - start)
    confidence = min(confidences) if confidences else None
    return [
        TimedText(text=unit.text, start_ms=round(float(first)), end_ms=round(float(last)), confidence=confidence)
        for unit, first, last in zip(wanted, edges[:-1], edges[1:], strict=True)
    ]


def _settle(timed: Sequence[TimedText], length_ms: int) -> tuple[TimedText, ...]:
    """Clamp into the clip and give every unit at least 1 ms (20 ms where there is room), in order."""
    count = len(timed)
    shortest = max(1, min(_SHORTEST_MS, length_ms // count)) if count else 1
    settled: list[TimedText] = []
    floor = 0
    for index, item in enumerate(timed):
        ceiling = max(length_ms - shortest * (count - index - 1), floor + shortest)
        start = min(max(item.start_ms, floor), ceiling - shortest)
        end = min(max(item.end_ms, start + shortest), ceiling)
        settled.append(TimedText(text=item.text, start_ms=start, end_ms=end, confidence=item.confidence))
        floor = end
    return tuple(settled)
