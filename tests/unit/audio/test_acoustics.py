"""Acoustic facts: pitch against known voices, loudness, pauses, overlap."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from qingting.audio import _facts, _pitch
from qingting.audio.acoustics import channel_levels, levels_of_both, pitch_track, voice_facts
from qingting.model.audio import SpeechSpan, VoiceFacts

RATES = (8000, 16000)


def span(start_ms: int, end_ms: int, party: str = "left", channel: int = 0) -> SpeechSpan:
    return SpeechSpan(party=party, channel=channel, start_ms=start_ms, end_ms=end_ms)


def voice(
    pitch_hertz: Any, seconds: float, rate_hertz: int = 8000, *, telephone: bool = True, noise_db: float | None = None
) -> NDArray[np.int16]:
    """A vowel of the given pitch (number or one per sample); on the telephone its fundamental is missing."""
    rng = np.random.default_rng(5)
    pitch = np.broadcast_to(np.asarray(pitch_hertz, float), (int(seconds * rate_hertz),))
    phase = 2 * np.pi * np.cumsum(pitch) / rate_hertz
    wave = np.zeros(pitch.size)
    for harmonic in range(1, int(3600 / pitch.min()) + 1):
        hertz = harmonic * pitch
        formants = sum(1 / (1 + ((hertz - f) / w) ** 2) for f, w in ((600, 100), (1400, 120), (2600, 200)))
        band = (hertz < 3600) & ((hertz > 280) | (not telephone))
        wave += np.where(band, formants + 0.01, 1e-4) * np.sin(harmonic * phase + rng.uniform(0, 6)) / harmonic**0.3
    wave /= np.sqrt(np.mean(wave**2))
    if noise_db is not None:
        wave += 10 ** (-noise_db / 20) * rng.standard_normal(wave.size)
    return np.round(wave * 2000).clip(-32768, 32767).astype(np.int16)


def silence(seconds: float, rate_hertz: int = 8000) -> NDArray[np.int16]:
    return np.round(np.random.default_rng(2).standard_normal(int(seconds * rate_hertz)) * 12).astype(np.int16)


def facts_of(samples: NDArray[np.int16], rate_hertz: int = 8000) -> VoiceFacts:
    length_ms = samples.size * 1000 // rate_hertz // 10 * 10
    (facts,) = voice_facts(samples[None], rate_hertz, [span(0, length_ms)])
    return facts


@pytest.mark.parametrize("rate_hertz", RATES)
@pytest.mark.parametrize("telephone", [True, False])
@pytest.mark.parametrize("noise_db", [None, 20.0, 10.0])
def test_pitch_of_known_voices(rate_hertz: int, telephone: bool, noise_db: float | None) -> None:
    wrong = steps = found = 0
    for pitch_hertz in np.geomspace(70, 385, 18):
        track = pitch_track(voice(pitch_hertz, 0.6, rate_hertz, telephone=telephone, noise_db=noise_db), rate_hertz)
        inner = track[3:-3]
        voiced = inner[inner > 0]
        steps, found = steps + inner.size, found + voiced.size
        wrong += int((np.abs(12 * np.log2(voiced / pitch_hertz)) > 1).sum())
    assert found > 0.97 * steps
    assert wrong < 0.01 * found


@pytest.mark.parametrize("rate_hertz", RATES)
@pytest.mark.parametrize("pitch_hertz", [75.0, 110.0, 205.0, 330.0])
def test_median_pitch_is_exact_to_a_fifth_of_a_semitone(rate_hertz: int, pitch_hertz: float) -> None:
    facts = facts_of(voice(pitch_hertz, 1.0, rate_hertz), rate_hertz)
    assert facts.pitch_hertz is not None
    assert abs(12 * np.log2(facts.pitch_hertz / pitch_hertz)) < 0.2
    assert facts.pitch_range_semitones is not None
    assert facts.pitch_range_semitones < 0.5
    assert facts.voiced_ratio > 0.95


@pytest.mark.parametrize("slope", [-12.0, -4.0, 0.0, 6.0])
def test_final_slope_in_semitones_per_second(slope: float) -> None:
    time = np.arange(8000) / 8000
    facts = facts_of(voice(200 * 2 ** (slope * time / 12), 1.0))
    assert facts.final_pitch_slope is not None
    assert abs(facts.final_pitch_slope - slope) < 1.5


def test_pitch_range_of_a_glide() -> None:
    facts = facts_of(voice(np.geomspace(150, 300, 16000), 2.0))
    assert facts.pitch_range_semitones is not None
    assert abs(facts.pitch_range_semitones - 0.8 * 12) < 0.6


@pytest.mark.parametrize("rate_hertz", RATES)
def test_noise_and_silence_have_no_pitch(rate_hertz: int) -> None:
    noise = np.round(np.random.default_rng(0).standard_normal(rate_hertz) * 2000).astype(np.int16)
    facts = facts_of(noise, rate_hertz)
    assert facts.voiced_ratio < 0.05
    still = facts_of(np.zeros(rate_hertz, np.int16), rate_hertz)
    assert (still.pitch_hertz, still.pitch_range_semitones, still.final_pitch_slope) == (None, None, None)
    assert still.voiced_ms == 0


@pytest.mark.parametrize("rate_hertz", RATES)
@pytest.mark.parametrize(("amplitude", "dbfs"), [(32767, -3.01), (3277, -23.01), (328, -43.0)])
def test_loudness_of_a_sine(rate_hertz: int, amplitude: int, dbfs: float) -> None:
    time = np.arange(rate_hertz) / rate_hertz
    wave = np.round(amplitude * np.sin(2 * np.pi * 1000 * time)).astype(np.int16)
    facts = facts_of(wave, rate_hertz)
    assert abs(facts.loudness_dbfs - dbfs) < 0.2
    assert facts.loudness_range_db < 0.5


def test_a_constant_offset_is_not_loud() -> None:
    assert channel_levels(np.full(8000, 9000, np.int16), 8000)[20:].max() < -80


def test_loudness_counts_the_speech_and_not_the_pauses() -> None:
    talk = voice(150, 1.0)
    alone, paused = facts_of(talk), facts_of(np.concatenate([talk, silence(0.4), talk]))
    assert abs(alone.loudness_dbfs - paused.loudness_dbfs) < 0.5


@pytest.mark.parametrize(
    ("pauses_seconds", "expected_ms"), [([0.1], []), ([0.17], []), ([0.25], [250]), ([0.3, 0.15, 0.46], [300, 460])]
)
def test_pauses_inside(pauses_seconds: list[float], expected_ms: list[int]) -> None:
    pieces = [silence(0.3), voice(180, 0.7)]
    for pause in pauses_seconds:
        pieces += [silence(pause), voice(180, 0.7)]
    samples = np.concatenate([*pieces, silence(0.3)])
    facts = facts_of(samples)
    assert len(facts.pauses_inside_ms) == len(expected_ms)
    assert all(abs(a - b) <= 30 for a, b in zip(facts.pauses_inside_ms, expected_ms, strict=True))
    length_ms = samples.size // 8 // 10 * 10
    assert facts.speech_ms == length_ms - sum(facts.pauses_inside_ms)


def test_pause_before_is_counted_per_party() -> None:
    pcm = np.stack([voice(120, 9.0), voice(220, 9.0)])
    spans = [span(500, 1500), span(1200, 2000, "right", 1), span(3000, 4000), span(8000, 9000, "right", 1)]
    facts = voice_facts(pcm, 8000, spans)
    assert [fact.pause_before_ms for fact in facts] == [500, 1200, 1500, 6000]


def test_overlap_with_the_other_party() -> None:
    pcm = np.stack([voice(120, 12.0), voice(220, 12.0)])
    spans = [span(0, 5000), span(1000, 1500, "right", 1), span(4000, 7000, "right", 1), span(7000, 8000)]
    facts = voice_facts(pcm, 8000, spans)
    assert [fact.overlap_ms for fact in facts] == [1500, 500, 1000, 0]
    backwards = voice_facts(pcm, 8000, spans[::-1])
    assert backwards == facts[::-1]


def test_speakers_on_one_channel_are_parties() -> None:
    pcm = voice(150, 6.0)[None]
    spans = [span(0, 2000, "speaker_1"), span(2000, 4000, "speaker_2"), span(4000, 6000, "speaker_1")]
    facts = voice_facts(pcm, 8000, spans)
    assert [fact.pause_before_ms for fact in facts] == [0, 2000, 2000]
    assert [fact.overlap_ms for fact in facts] == [0, 0, 0]


def test_no_spans_no_facts() -> None:
    assert voice_facts(np.zeros((1, 8000), np.int16), 8000, []) == ()


def test_a_span_at_the_very_end_of_the_recording() -> None:
    (facts,) = voice_facts(voice(150, 1.003)[None], 8000, [span(980, 1000)])
    assert facts.speech_ms == 20
    (beyond,) = voice_facts(voice(150, 1.003)[None], 8000, [span(1000, 1010)])
    assert beyond.pitch_hertz is None


SIZES = (1, 2, 3, 4, 7, 8, 9, 30, 31, 250, 2000)


def some_levels(size: int) -> NDArray[np.float32]:
    """Loud and quiet steps by turns, some of them alike."""
    rng = np.random.default_rng(size)
    quiet = np.repeat(rng.random(size // 12 + 1) < 0.4, 12)[:size]
    return np.round(rng.normal(-20, 6, size) - 45 * quiet, 1).astype(np.float32)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.95, 1.0])
def test_percentiles_and_the_median_are_those_of_numpy(size: int, share: float) -> None:
    for values in (some_levels(size), np.full(size, -3.3, np.float32), np.arange(size, 0, -1, np.float32)):
        (expected,) = np.percentile(values, [100 * share])
        assert _facts.percentile(values.copy(), share) == pytest.approx(float(expected), rel=1e-12)
        assert _facts.percentile_single(values.copy(), share) == pytest.approx(float(expected), rel=2e-7)
        assert _facts.median(values.copy()) == np.median(values)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("floor_dbfs", [-100.0, -55.0, -20.0])
def test_speech_steps_are_those_that_numpy_finds(size: int, floor_dbfs: float) -> None:
    levels = some_levels(size)
    speech, tenths, pauses = np.empty(size, np.bool_), np.empty(size, np.float32), np.empty(size, np.int64)
    count, paused, spread = _facts.loud_steps(levels, floor_dbfs, 20, speech, tenths, pauses)
    loud = np.percentile(levels, 95)
    expected = levels >= min(max(loud - 30, floor_dbfs + 8), loud - 12)
    assert np.array_equal(speech, expected)
    assert np.array_equal(tenths[:count], levels[expected] / np.float32(10))
    gaps = np.diff(np.flatnonzero(expected)) - 1
    assert pauses[:paused].tolist() == gaps[gaps >= 20].tolist()
    assert spread == pytest.approx(np.ptp(np.percentile(levels[expected], [10, 90])), rel=1e-12)


@pytest.mark.parametrize("size", SIZES)
def test_pitch_figures_are_those_that_numpy_finds(size: int) -> None:
    rng = np.random.default_rng(size)
    pitch = np.where(rng.random(size) < 0.7, rng.normal(150, 20, size) * rng.choice([1, 1, 1, 2], size), 0)
    pitch[0] = 150
    places, hertz = np.empty(size, np.int64), np.empty(size, np.float32)
    found = _facts.voiced_steps(pitch.astype(np.float32), places, hertz)
    assert np.array_equal(places[:found], np.flatnonzero(pitch))
    count, spread, middle, slope = _facts.pitch_figures(places, np.log2(hertz[:found]), 0.01)
    tones = 12 * np.log2(pitch[np.flatnonzero(pitch)])
    near = np.abs(tones - np.median(tones)) <= 10
    steps, tones = np.flatnonzero(pitch)[near], tones[near]
    assert count == steps.size
    assert spread == pytest.approx(np.ptp(np.percentile(tones, [10, 90])), abs=1e-4)
    assert middle == pytest.approx(np.median(tones), abs=1e-4)
    if steps.size < 5:
        assert np.isnan(slope)
    else:
        assert slope == pytest.approx(np.polyfit(steps[-30:] * 0.01, tones[-30:], 1)[0], rel=1e-3)


def test_steady_steps_are_counted_up_and_down() -> None:
    pitch = np.array([0, 100, 100.1, 100, 110, 0, 100, 100.2, 0], np.float32)
    steps, share = _pitch.steady_share(pitch, 2 ** (0.03 / 12))
    assert (steps, share) == (4, 0.5)
    assert _pitch.steady_share(np.zeros(0, np.float32), 1.1) == (0, 0.0)


@pytest.mark.parametrize("rate_hertz", RATES)
def test_levels_of_two_channels_are_those_of_each(rate_hertz: int) -> None:
    one, other = voice(150, 0.5, rate_hertz), np.roll(voice(260, 0.5, rate_hertz), 99) // 50
    other[2000:] = 0
    for samples, levels in zip((one, other), levels_of_both(one, other, rate_hertz), strict=True):
        assert np.array_equal(levels, channel_levels(samples, rate_hertz))
    assert [levels.size for levels in levels_of_both(one[:79], other[:79], 8000)] == [0, 0]


def test_levels_that_are_known_give_the_same_facts() -> None:
    pcm = np.stack([voice(150, 3.0), voice(220, 3.0)])
    spans = [span(500, 1500), span(1200, 2000, "right", 1)]
    known = dict(enumerate(levels_of_both(pcm[0], pcm[1], 8000)))
    assert voice_facts(pcm, 8000, spans, levels=known) == voice_facts(pcm, 8000, spans)


@pytest.mark.parametrize("first", [0, 3, 40, 41, 200])
def test_weak_runs_are_those_that_numpy_finds(first: int) -> None:
    runs = 0
    for seed in range(40):
        own, other = some_levels(300 + seed), some_levels(300 + seed)[::-1] + np.float32(seed % 15)
        own = np.minimum(own, other[first:].max())
        own[-1] += np.float32(30 * (seed % 8 == 0))
        edges = np.empty((own.size, 2), np.int64)
        count = _facts.weak_runs(own, other, first, 40, 10.0, 5, edges)
        silence = np.full(40, -100, np.float32)
        peaks = np.lib.stride_tricks.sliding_window_view(np.concatenate([silence, other]), 41).max(axis=1)
        weak = peaks[first:] - own[first:] >= 10
        around = np.flatnonzero(np.diff(np.concatenate([[False], weak, [False]])))
        expected = [(a + first, b + first) for a, b in around.reshape(-1, 2).tolist() if b - a >= 5]
        if own[first:].max() > peaks[first:].max() + 10:
            expected = []
        assert [tuple(edge) for edge in edges[:count].tolist()] == expected
        runs += count
    assert runs > 40
