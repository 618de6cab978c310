"""Tells the faint echo of one party on the other party's channel from real speech."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from qingting.audio.acoustics import HOP_MS, levels_of_both

if TYPE_CHECKING:
    from numpy.typing import NDArray

Span = tuple[int, int]
"""Start and end (exclusive) in milliseconds, multiples of 10."""

_QUIETER_DB = 10.0
"""An echo is at least so much weaker than its source; side tones and line echoes are 12 to 40 dB down."""
_ALIKE = 0.4
"""Correlation with the source from which sound counts as its echo; two people speaking at once stay below 0.25 ..."""
_ALIKE_SHORT = 0.55
"""... but short stretches of two voices can be alike by chance."""
_SHORT_MS = 800
_LEAST_MS = 300
"""Shorter weak stretches are left alone: the dips inside one's own words."""
_SPLIT_MS = 480
"""An echo of this length between own words parts them into two spans."""
_LEFTOVER_MS = 200
"""What remains beside an echo and is loud for less than this is no speech."""
_SILENCE_BELOW_DB = 8.0
"""What is weaker than the echo by this much is silence."""
_LEAD_MS = 80
"""A span that is left over begins so long before its first sound."""
_ECHO_MS = 400
"""Longest delay of an echo (satellite and voice-over-IP paths included)."""
_EARLY_MS = 20
"""Recorders may shift the channels against each other a little."""
_LOOK_MS = 4000
"""So much of a stretch is enough to decide."""


def without_crosstalk(
    pcm: NDArray[np.int16],
    rate_hertz: int,
    own: int,
    other: int,
    spans: list[Span],
    levels: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None,
) -> tuple[list[Span], int]:
    """Take the echo of channel `other` out of the spans of channel `own`; returns the rest and how many echoes went.

    pcm: int16, shape [channels, samples]. Each span is decided alone, from sound up to its end.
    A stretch is an echo when it is much weaker than the other channel was within the delay of an echo,
    and the highest normalised cross-correlation of both over those delays is high.
    levels: those of channel `own` and of channel `other`, where they are known.
    """
    levels = levels or levels_of_both(pcm[own], pcm[other], rate_hertz)
    kept: list[Span] = []
    removed = 0
    for span in spans:
        weak = _weak_stretches(*levels, span)
        echoes = [stretch for stretch in weak if _is_echo(pcm, rate_hertz, own, other, stretch)]
        removed += len(echoes)
        kept += _remainder(span, echoes, levels[0])
    return kept, removed


def _weak_stretches(own: NDArray[np.float32], other: NDArray[np.float32], span: Span) -> list[Span]:
    from qingting.audio._facts import weak_runs

    first, last = span[0] // HOP_MS, min(span[1] // HOP_MS, own.size)
    edges = np.empty((max(0, last - first) + 1, 2), np.int64)
    count = weak_runs(own[:last], other[:last], first, _ECHO_MS // HOP_MS, _QUIETER_DB, _LEAST_MS // HOP_MS, edges)
    return [(start, end) for start, end in (edges[:count] * HOP_MS).tolist()] if count else []


def _remainder(span: Span, echoes: list[Span], own: NDArray[np.float32]) -> list[Span]:
    if not echoes:
        return [span]
    starts = [span[0], *(echo[1] for echo in echoes)]
    ends = [*(echo[0] for echo in echoes), span[1]]
    bar = float(np.percentile(own[echoes[0][0] // HOP_MS : echoes[0][1] // HOP_MS], 90)) - _SILENCE_BELOW_DB
    pieces: list[Span] = []
    for start, end in zip(starts, ends, strict=True):
        loud = np.flatnonzero(own[start // HOP_MS : end // HOP_MS] >= bar)
        if loud.size * HOP_MS < _LEFTOVER_MS:
            continue
        if start != span[0]:
            start = max(start, start + int(loud[0]) * HOP_MS - _LEAD_MS)  # noqa: PLW2901 -- silence after an echo
        joined = bool(pieces) and start - pieces[-1][1] < _SPLIT_MS
        pieces.append((pieces.pop()[0] if joined else start, end))
    return pieces


def _is_echo(pcm: NDArray[np.int16], rate_hertz: int, own: int, other: int, stretch: Span) -> bool:
    per_ms = rate_hertz // 1000
    start_ms, end_ms = stretch[0], min(stretch[1], stretch[0] + _LOOK_MS)
    first, last = start_ms * per_ms, min(end_ms * per_ms, pcm.shape[1])
    before = min(first, _ECHO_MS * per_ms)
    after = min(pcm.shape[1] - last, _EARLY_MS * per_ms)
    # The first difference evens the spectrum out, so that two voices of like pitch do not correlate.
    echo = np.diff(pcm[own, first:last].astype(np.float32))
    source = np.diff(pcm[other, first - before : last + after].astype(np.float32))
    bar = _ALIKE if end_ms - start_ms >= _SHORT_MS else _ALIKE_SHORT
    return _alike(echo, source) >= bar


def _alike(echo: NDArray[np.float32], source: NDArray[np.float32]) -> float:
    """Highest normalised correlation of `echo` with any stretch of `source` of the same length."""
    size = 1 << (source.size - 1).bit_length()
    spectrum = np.fft.rfft(source, size) * np.conj(np.fft.rfft(echo, size))
    shifts = source.size - echo.size + 1
    products = np.fft.irfft(spectrum, size)[:shifts]
    energy = np.concatenate([[0.0], np.cumsum(source.astype(np.float64) ** 2)])
    own_energy = float(np.sum(echo.astype(np.float64) ** 2))
    scale = np.sqrt(np.maximum(energy[echo.size :] - energy[:shifts], 0.0) * own_energy)
    return float(np.max(np.abs(products) / np.maximum(scale, 1e-3)))
