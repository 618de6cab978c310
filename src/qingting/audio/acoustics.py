"""Acoustic facts of speech spans: loudness, pitch, pauses, overlap."""

from __future__ import annotations

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
_SPEECH_RANGE_DB = 30.0
"""Speech frames lie within so many dB of the span's loud parts (its 95th percentile) ..."""
_OVER_NOISE_DB = 8.0
"""... and so far over the channel's noise floor ..."""
_LEAST_RANGE_DB = 12.0
"""... but frames this near to the loud parts are always speech, however noisy the channel."""
_VOICED_RANGE_DB = 32.0
_SLOPE_STEPS = 30
_COSTS = np.array([0.02, 0.7, 0.18, 0.3])
"""Pitch path: preference per octave for short periods (against octave errors downwards), cost of a pitch jump per
natural-log unit, cost of a change between voiced and unvoiced, least correlation of a candidate."""
_REACH_SEMITONES = 10.0
"""Nobody's voice goes further from its middle within one utterance; an octave error does."""
_PITCH_LOWEST_HERTZ, _PITCH_HIGHEST_HERTZ = 60.0, 400.0


def voice_facts(
    pcm: NDArray[np.int16], rate_hertz: int, spans: Sequence[SpeechSpan], *, floors: Mapping[int, float] | None = None
) -> tuple[VoiceFacts, ...]:
    """Acoustic facts of each span, in the order of `spans`.

    pcm: int16, shape [channels, samples], at 8000 or 16000 Hz (`rate_hertz`). spans: in any order;
    pauses are counted to the party's previous span by time, overlap against all other parties.
    floors: noise floor by channel, dBFS, where `pcm` is but a piece of a call (default: measured in `pcm`).
    """
    channels = {span.channel for span in spans}
    levels = {channel: channel_levels(pcm[channel], rate_hertz) for channel in channels}
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
        pole = float(np.exp(-2 * np.pi * _HIGH_PASS_HERTZ / rate_hertz))
        _pitch.levels(np.ascontiguousarray(samples), hop, pole, out)
    return out


def pitch_track(samples: NDArray[Any], rate_hertz: int, loud: NDArray[np.bool_] | None = None) -> NDArray[np.float32]:
    """Pitch of every whole 10 ms in hertz, 0 where there is none; float32, shape [n // hop].

    samples: int16 or float32 (in -1..1), shape [n], at 8000 or 16000 Hz. loud: steps that may be voiced (default: all).
    Range 60 to 400 Hz.
    """
    from qingting.audio import _pitch

    signal = samples.astype(np.float32)
    if samples.dtype == np.int16:
        signal *= np.float32(1 / 32768)
    if rate_hertz == 2 * _pitch.RATE_HERTZ:
        signal = _half_rate(signal)
    steps = samples.size // (rate_hertz * HOP_MS // 1000)
    out = np.zeros(steps, np.float32)
    # The window of a step is centred on it: a hop before, a hop after, and the longest period.
    padded = np.zeros(_pitch.HOP * (steps + 2) + _pitch.REACH + 8, np.float32)
    usable = min(signal.size, padded.size - _pitch.HOP)
    padded[_pitch.HOP : _pitch.HOP + usable] = signal[:usable]
    # A soft low-pass (half at 2 kHz): sharper peaks than the lags can sample would look lower than their octaves.
    padded[1:-1] = 0.5 * padded[1:-1] + 0.25 * (padded[:-2] + padded[2:])
    _pitch.track(padded, np.ones(steps, np.bool_) if loud is None else loud, _COSTS, out)
    out[(out < _PITCH_LOWEST_HERTZ) | (out > _PITCH_HIGHEST_HERTZ)] = 0.0
    return out


def _half_rate(signal: NDArray[np.float32]) -> NDArray[np.float32]:
    from qingting.audio import _pitch

    taps = _half_band(23)
    out = np.empty(signal.size // 2, np.float32)
    around = taps.size // 2
    _pitch.halve(np.pad(signal, around), taps, out)
    return out


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
    loud = float(np.percentile(here, 95))
    bar = min(max(loud - _SPEECH_RANGE_DB, floor_dbfs + _OVER_NOISE_DB), loud - _LEAST_RANGE_DB)
    speech = here >= bar
    per_ms = rate_hertz // 1000
    pitch = pitch_track(samples[span.start_ms * per_ms : span.end_ms * per_ms], rate_hertz, here >= bar)
    voiced, semitones = _voiced(pitch)
    pauses = _pauses_inside(speech)
    spoken = here[speech]
    voiced_ms = voiced.size * HOP_MS
    return VoiceFacts(
        voiced_ms=voiced_ms,
        voiced_ratio=round(min(1.0, voiced_ms / length_ms), 4),
        speech_ms=length_ms - sum(pauses),
        loudness_dbfs=round(float(10.0 * np.log10(np.mean(10.0 ** (spoken / 10.0)))), 2),
        loudness_range_db=round(_spread(spoken), 2),
        pitch_hertz=round(float(2.0 ** (np.median(semitones) / 12.0)), 2) if voiced.size else None,
        pitch_range_semitones=round(_spread(semitones), 2) if voiced.size else None,
        final_pitch_slope=_final_slope(voiced, semitones),
        pause_before_ms=pause_before_ms,
        pauses_inside_ms=pauses,
        overlap_ms=overlap_ms,
    )


def _voiced(pitch: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.floating]]:
    """Voiced steps and their pitch in semitones, without the steps that are octaves away from the span's median."""
    voiced = np.flatnonzero(pitch)
    semitones = 12.0 * np.log2(pitch[voiced])
    near = np.abs(semitones - np.median(semitones)) <= _REACH_SEMITONES if voiced.size else np.zeros(0, np.bool_)
    return voiced[near], semitones[near]


def _spread(values: NDArray[np.floating]) -> float:
    low, high = np.percentile(values, (10, 90))
    return float(high - low)


def _final_slope(voiced: NDArray[np.int64], semitones: NDArray[np.floating]) -> float | None:
    """Slope of the least-squares line through the last 300 ms of voiced speech, semitones per second."""
    steps, tones = voiced[-_SLOPE_STEPS:], semitones[-_SLOPE_STEPS:]
    if steps.size < 5:
        return None
    seconds = (steps - steps.mean()) * (HOP_MS / 1000)
    return round(float(np.sum(seconds * (tones - tones.mean())) / np.sum(seconds * seconds)), 2)


def _noise_floor(levels: NDArray[np.float32]) -> float:
    return float(np.percentile(levels, 10)) if levels.size else -100.0


def _pauses_inside(speech: NDArray[np.bool_]) -> tuple[int, ...]:
    """Lengths of the silences of PAUSE_MS or more between speech; those at the edges are padding."""
    found = np.flatnonzero(speech)
    gaps = (np.diff(found) - 1) * HOP_MS
    return tuple(int(gap) for gap in gaps[gaps >= PAUSE_MS])


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
        first = int(np.searchsorted(starts, span.start_ms - longest))
        last = int(np.searchsorted(starts, span.end_ms))
        covered_to = span.start_ms
        for other in (spans[order[k]] for k in range(first, last)):
            if other.party == span.party:
                continue
            begin, end = max(other.start_ms, covered_to), min(other.end_ms, span.end_ms)
            if end > begin:
                overlaps[index] += end - begin
                covered_to = end
    return overlaps
