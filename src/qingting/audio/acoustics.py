"""Acoustic facts of speech spans: loudness, pitch, pauses, overlap."""

from __future__ import annotations

from bisect import bisect_left
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from qingting.model.audio import VoiceFacts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from qingting.model.audio import SpeechSpan

HOP_MS = 10
"""Time step of loudness and pitch."""
PAUSE_MS = 200
"""A silence inside a span counts as a pause from here on."""
_HIGH_PASS_HERTZ = 60.0
_COSTS = np.array([0.02, 0.7, 0.18, 0.3])
"""Pitch path: preference per octave for short periods (against octave errors downwards), cost of a pitch jump per
natural-log unit, cost of a change between voiced and unvoiced, least correlation of a candidate."""
_PITCH_LOWEST_HERTZ, _PITCH_HIGHEST_HERTZ = 60.0, 400.0


def voice_facts(
    pcm: NDArray[np.int16],
    rate_hertz: int,
    spans: Sequence[SpeechSpan],
    *,
    floors: Mapping[int, float] | None = None,
    levels: Mapping[int, NDArray[np.float32]] | None = None,
) -> tuple[VoiceFacts, ...]:
    """Acoustic facts of each span, in the order of `spans`.

    pcm: int16, shape [channels, samples], at 8000 or 16000 Hz (`rate_hertz`). spans: in any order;
    pauses are counted to the party's previous span by time, overlap against all other parties.
    floors: noise floor by channel, dBFS, where `pcm` is but a piece of a call (default: measured in `pcm`).
    levels: what channel_levels() gives of the channels, or of more sound that begins with theirs.
    """
    channels = {span.channel for span in spans}
    levels = levels or {channel: channel_levels(pcm[channel], rate_hertz) for channel in channels}
    floors = floors or {channel: _noise_floor(level) for channel, level in levels.items()}
    pauses = _pauses_before(spans)
    overlaps = _overlaps(spans)
    return tuple(
        _facts(
            pcm[span.channel],
            rate_hertz,
            span,
            levels[span.channel],
            floors[span.channel],
            pause_before_ms=pauses[index],
            overlap_ms=overlaps[index],
        )
        for index, span in enumerate(spans)
    )


def channel_levels(samples: NDArray[np.int16], rate_hertz: int) -> NDArray[np.float32]:
    """Level of every whole 10 ms of one channel in dBFS (a full-scale square wave is 0), float32."""
    from qingting.audio import _pitch

    hop = rate_hertz * HOP_MS // 1000
    out = np.empty(samples.size // hop, np.float32)
    if out.size:
        _pitch.levels(np.ascontiguousarray(samples), hop, high_pass_pole(rate_hertz), out)
    return out


def levels_of_both(
    one: NDArray[np.int16], other: NDArray[np.int16], rate_hertz: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """channel_levels() of two channels of the same length, in the time of one."""
    from qingting.audio import _pitch

    hop = rate_hertz * HOP_MS // 1000
    out = np.empty((2, one.size // hop), np.float32)
    if out.size:
        pole = high_pass_pole(rate_hertz)
        _pitch.pair_levels(np.ascontiguousarray(one), np.ascontiguousarray(other), hop, pole, out)
    return out[0], out[1]


def high_pass_pole(rate_hertz: int) -> float:
    """Pole of the first-order high-pass before levels: takes out offset and rumble."""
    return float(np.exp(-2 * np.pi * _HIGH_PASS_HERTZ / rate_hertz))


def pitch_track(samples: NDArray[Any], rate_hertz: int, loud: NDArray[np.bool_] | None = None) -> NDArray[np.float32]:
    """Pitch of every whole 10 ms in hertz, 0 where there is none; float32, shape [n // hop].

    samples: int16 or float32 (in -1..1), shape [n], at 8000 or 16000 Hz. loud: steps that may be voiced (default: all).
    Range 60 to 400 Hz.
    """
    from qingting.audio import _pitch

    scale = 1 / 32768 if samples.dtype == np.int16 else 1.0
    steps = samples.size // (rate_hertz * HOP_MS // 1000)
    if rate_hertz == 2 * _pitch.RATE_HERTZ:
        samples, scale = _half_rate(samples, scale), 1.0
    elif samples.dtype != np.int16:
        samples = samples.astype(np.float32, copy=False)
    out = np.empty(steps, np.float32)
    prepared = np.empty(_pitch.HOP * (steps + 2) + _pitch.REACH + 8, np.float32)
    _pitch.prepare(np.ascontiguousarray(samples), scale, prepared)
    loud = np.ones(steps, np.bool_) if loud is None else loud
    _pitch.track(prepared, loud, _COSTS, _PITCH_LOWEST_HERTZ, _PITCH_HIGHEST_HERTZ, out)
    return out


def _half_rate(samples: NDArray[Any], scale: float) -> NDArray[np.float32]:
    from qingting.audio import _pitch

    taps = _half_band(23)
    around = taps.size // 2
    padded = np.zeros(samples.size + 2 * around, np.float32)
    padded[around : around + samples.size] = samples
    padded *= np.float32(scale)
    out = np.empty(samples.size // 2, np.float32)
    _pitch.halve(padded, taps, out)
    return out


@cache
def _half_band(size: int) -> NDArray[np.float32]:
    """Low-pass taps at a quarter of the rate: windowed sinc (Hamming), sum 1."""
    time = np.arange(size) - size // 2
    taps = np.sinc(time / 2) * np.hamming(size)
    return np.asarray(taps / taps.sum(), np.float32)


def _facts(
    samples: NDArray[np.int16],
    rate_hertz: int,
    span: SpeechSpan,
    levels: NDArray[np.float32],
    floor_dbfs: float,
    *,
    pause_before_ms: int,
    overlap_ms: int,
) -> VoiceFacts:
    here = levels[span.start_ms // HOP_MS : span.end_ms // HOP_MS]
    length_ms = span.end_ms - span.start_ms
    if here.size == 0:
        return VoiceFacts(
            voiced_ms=0,
            voiced_ratio=0.0,
            speech_ms=length_ms,
            loudness_dbfs=-100.0,
            loudness_range_db=0.0,
            pitch_hertz=None,
            pitch_range_semitones=None,
            final_pitch_slope=None,
            pause_before_ms=pause_before_ms,
            overlap_ms=overlap_ms,
        )
    from qingting.audio import _facts as compiled

    steps = here.size
    speech, tenths, pauses = np.empty(steps, np.bool_), np.empty(steps, np.float32), np.empty(steps, np.int64)
    spoken, paused, range_db = compiled.loud_steps(here, floor_dbfs, PAUSE_MS // HOP_MS, speech, tenths, pauses)
    pauses_inside_ms = tuple((pauses[:paused] * HOP_MS).tolist()) if paused else ()
    per_ms = rate_hertz // 1000
    pitch = pitch_track(samples[span.start_ms * per_ms : span.end_ms * per_ms], rate_hertz, speech)
    voiced, range_semitones, middle, slope = _pitch_figures(pitch)
    voiced_ms = voiced * HOP_MS
    return VoiceFacts(
        voiced_ms=voiced_ms,
        voiced_ratio=round(min(1.0, voiced_ms / length_ms), 4),
        speech_ms=length_ms - sum(pauses_inside_ms),
        loudness_dbfs=round(_mean_dbfs(tenths[:spoken]), 2),
        loudness_range_db=round(range_db, 2),
        pitch_hertz=round(float(2.0 ** (middle / 12.0)), 2) if voiced else None,
        pitch_range_semitones=round(range_semitones, 2) if voiced else None,
        final_pitch_slope=None if slope != slope else round(slope, 2),  # not a number where it is unknown
        pause_before_ms=pause_before_ms,
        pauses_inside_ms=pauses_inside_ms,
        overlap_ms=overlap_ms,
    )


def _mean_dbfs(tenths: NDArray[np.float32]) -> float:
    """Level of the mean energy of steps, whose levels are given in units of 10 dB."""
    energy = np.power(10.0, tenths)
    return float(10.0 * np.log10(energy.sum() / tenths.size))


def _pitch_figures(pitch: NDArray[np.float32]) -> tuple[int, float, np.float32, float]:
    """Number of voiced steps, spread and median of their pitch in semitones, final slope in semitones per second."""
    from qingting.audio import _facts as compiled

    places, hertz = np.empty(pitch.size, np.int64), np.empty(pitch.size, np.float32)
    count = compiled.voiced_steps(pitch, places, hertz)
    voiced, spread, middle, slope = compiled.pitch_figures(places, np.log2(hertz[:count]), HOP_MS / 1000)
    return voiced, spread, np.float32(middle), slope


def _noise_floor(levels: NDArray[np.float32]) -> float:
    return float(np.percentile(levels, 10)) if levels.size else -100.0


def _pauses_before(spans: Sequence[SpeechSpan]) -> list[int]:
    pauses = [0] * len(spans)
    ends: dict[str, int] = {}
    for index in sorted(range(len(spans)), key=lambda i: spans[i].start_ms):
        span = spans[index]
        pauses[index] = max(0, span.start_ms - ends.get(span.party, 0))
        ends[span.party] = max(span.end_ms, ends.get(span.party, 0))
    return pauses


def _overlaps(spans: Sequence[SpeechSpan]) -> list[int]:
    """Time of each span during which any other party speaks; times shared by several others count once."""
    order = sorted(range(len(spans)), key=lambda i: spans[i].start_ms)
    overlaps = [0] * len(spans)
    longest = max((span.end_ms - span.start_ms for span in spans), default=0)
    starts = [spans[i].start_ms for i in order]
    for index, span in enumerate(spans):
        first = bisect_left(starts, span.start_ms - longest)
        last = bisect_left(starts, span.end_ms)
        covered_to = span.start_ms
        for other in (spans[order[k]] for k in range(first, last)):
            if other.party == span.party:
                continue
            begin, end = max(other.start_ms, covered_to), min(other.end_ms, span.end_ms)
            if end > begin:
                overlaps[index] += end - begin
                covered_to = end
    return overlaps
