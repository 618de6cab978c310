"""Figures of an evaluation: per recording, summed by property, and as a table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from qingting.model.transcript import Flag
from qingting.speech.evaluation.cer import Errors, add
from qingting.speech.evaluation.terms import TermCounts, add_terms

_RESAMPLES = 2000
_SEED = 1
ALL = "all"


@dataclass(frozen=True, kw_only=True)
class FileFigures:
    """What was measured on one recording with one way of recognising it."""

    name: str
    way: str
    """Name of the engine or program."""
    errors: Errors
    terms: TermCounts
    audio_seconds: float
    wall_seconds: float
    """Of recognition alone; preparing the audio is left out."""
    cpu_seconds: float
    """Processor time of all threads of this process; nothing of a server's."""
    labels: Mapping[str, str] = field(default_factory=dict)
    shifts_ms: tuple[int, ...] = ()
    """Late (positive) or early edges of turns, where reference times exist."""
    corrections: int = 0
    """Terms the corrector put right or wrong."""
    false_corrections: int = 0
    """Those that made the text worse."""
    flags: Mapping[str, int] = field(default_factory=dict)
    """Flag -> utterances that carry it."""
    hypothesis: str = ""
    reference: str = ""


@dataclass(frozen=True, kw_only=True)
class Row:
    """Sums over recordings that share a property."""

    way: str
    label: str
    """`all`, or a property (`dialect`)."""
    value: str
    """The property's value; empty for `all`."""
    files: int
    audio_seconds: float
    characters: int
    """Of the reference."""
    error_rate: float
    interval: tuple[float, float]
    """95 %, by resampling recordings (Efron 1979)."""
    substitutions: int
    deletions: int
    insertions: int
    insertion_runs: int
    """Runs of six or more inserted characters: loops and invented text."""
    terms_said: int
    term_recall: float | None
    false_terms: int
    corrections: int
    false_corrections: int
    median_shift_ms: float | None
    """Median of the absolute shifts."""
    shift_90_ms: float | None
    """90 % of the edges lie nearer than this."""
    real_time_factor: float
    """Wall seconds per second of audio."""
    cpu_per_second: float
    flags: Mapping[str, int]


def rows_of(figures: Sequence[FileFigures]) -> tuple[Row, ...]:
    """One row per way over all recordings, then one per way and value of each property that differs or is named."""
    ways = list(dict.fromkeys(one.way for one in figures))
    rows = [_row([one for one in figures if one.way == way], way, ALL, "") for way in ways]
    labels = dict.fromkeys(label for one in figures for label in one.labels)
    for label in labels:
        for value in sorted({one.labels[label] for one in figures if label in one.labels}):
            for way in ways:
                same = [one for one in figures if one.way == way and one.labels.get(label) == value]
                rows += [_row(same, way, label, value)] if same else []
    return tuple(rows)


def _row(figures: Sequence[FileFigures], way: str, label: str, value: str) -> Row:
    errors = add(one.errors for one in figures)
    terms = add_terms(one.terms for one in figures)
    shifts = np.abs([shift for one in figures for shift in one.shifts_ms])
    seconds = sum(one.audio_seconds for one in figures)
    flags: dict[str, int] = {}
    for one in figures:
        for flag, count in one.flags.items():
            flags[flag] = flags.get(flag, 0) + count
    return Row(
        way=way,
        label=label,
        value=value,
        files=len(figures),
        audio_seconds=round(seconds, 2),
        characters=errors.reference,
        error_rate=errors.rate,
        interval=error_interval([one.errors for one in figures]),
        substitutions=errors.substitutions,
        deletions=errors.deletions,
        insertions=errors.insertions,
        insertion_runs=errors.insertion_runs,
        terms_said=terms.said,
        term_recall=terms.recall,
        false_terms=terms.false,
        corrections=sum(one.corrections for one in figures),
        false_corrections=sum(one.false_corrections for one in figures),
        median_shift_ms=float(np.median(shifts)) if len(shifts) else None,
        shift_90_ms=float(np.percentile(shifts, 90)) if len(shifts) else None,
        real_time_factor=sum(one.wall_seconds for one in figures) / max(seconds, 1e-9),
        cpu_per_second=sum(one.cpu_seconds for one in figures) / max(seconds, 1e-9),
        flags=flags,
    )


def error_interval(parts: Sequence[Errors]) -> tuple[float, float]:
    """95 % interval of the corpus error rate by resampling recordings; the same for the same input."""
    if not parts:
        return 0.0, 0.0
    generator = np.random.default_rng(_SEED)
    errors = np.array([part.total for part in parts])
    sizes = np.array([part.reference for part in parts])
    picks = generator.integers(0, len(parts), (_RESAMPLES, len(parts)))
    rates = errors[picks].sum(axis=1) / np.maximum(1, sizes[picks].sum(axis=1))
    return float(np.percentile(rates, 2.5)), float(np.percentile(rates, 97.5))


def count_flags(flags: Iterable[Flag]) -> dict[str, int]:
    """How often each flag stands, in the order of their first place."""
    counts: dict[str, int] = {}
    for flag in flags:
        counts[flag.value] = counts.get(flag.value, 0) + 1
    return counts


_HEADINGS = (
    "recordings", "way", "files", "CER %", "95 %", "term recall %", "false terms", "corrected", "falsely",
    "shift ms", "RTF", "CPU-s/s", "loops", "invented",
)  # fmt: skip


def cells(row: Row) -> tuple[str, ...]:
    """A row's cells as short texts, in the order of `headings`."""
    low, high = row.interval
    recall = "–" if row.term_recall is None else f"{100 * row.term_recall:.1f} of {row.terms_said}"
    shift = "–" if row.median_shift_ms is None else f"{row.median_shift_ms:.0f} ({row.shift_90_ms:.0f})"
    return (
        ALL if row.label == ALL else f"{row.label}={row.value}",
        row.way,
        str(row.files),
        f"{100 * row.error_rate:.2f}",
        f"{100 * low:.1f}–{100 * high:.1f}",
        recall,
        str(row.false_terms),
        str(row.corrections),
        str(row.false_corrections),
        shift,
        f"{row.real_time_factor:.3f}",
        f"{row.cpu_per_second:.3f}",
        str(row.flags.get(Flag.LOOP.value, 0) + row.insertion_runs),
        str(row.flags.get(Flag.INVENTED.value, 0)),
    )


def headings() -> tuple[str, ...]:
    """Headings of the table."""
    return _HEADINGS


def markdown(rows: Iterable[Row]) -> Iterator[str]:
    """Lines of a Markdown table."""
    yield f"| {' | '.join(_HEADINGS)} |"
    yield f"|{'---|' * len(_HEADINGS)}"
    for row in rows:
        yield f"| {' | '.join(cells(row))} |"


def plain_row(row: Row) -> dict[str, Any]:
    """A row for JSON, rates rounded to what they can carry."""
    low, high = row.interval
    return {
        "way": row.way, "label": row.label, "value": row.value, "files": row.files,
        "audio_seconds": row.audio_seconds, "characters": row.characters,
        "character_error_rate": round(row.error_rate, 5), "interval": [round(low, 5), round(high, 5)],
        "substitutions": row.substitutions, "deletions": row.deletions, "insertions": row.insertions,
        "insertion_runs": row.insertion_runs, "terms_said": row.terms_said,
        "term_recall": None if row.term_recall is None else round(row.term_recall, 4),
        "false_terms": row.false_terms, "corrections": row.corrections, "false_corrections": row.false_corrections,
        "median_shift_ms": row.median_shift_ms, "shift_90_ms": row.shift_90_ms,
        "real_time_factor": round(row.real_time_factor, 4), "cpu_per_second": round(row.cpu_per_second, 4),
        "flags": dict(row.flags),
    }  # fmt: skip
