"""Voice activity: equality with the original network, streaming, telephone sounds, places of speech."""

from __future__ import annotations

import fractions
import json
import os
import pickle
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from qingting.audio import _compile
from qingting.audio._silero import SileroNetwork
from qingting.audio.decode import decode
from qingting.audio.options import AudioLimits, AudioOptions
from qingting.audio.source import open_source
from qingting.audio.voice_activity import (
    VoiceActivity,
    VoiceActivitySettings,
    detect_speech,
    frames_of_calls,
    listen_together,
)

REFERENCE = np.load(Path(__file__).parent / "data" / "silero_reference.npz")
RATES = (8000, 16000)
UNGATED = VoiceActivitySettings(gate_lowest_dbfs=-200.0, gate_highest_dbfs=-190.0)


def speech(rate_hertz: int, seconds: float = 2.0) -> NDArray[np.int16]:
    """Speech-like sound without a pause, from the reference signal."""
    signal = REFERENCE[f"signal_{rate_hertz}"]
    piece = signal[int(1.0 * rate_hertz) : int(3.1 * rate_hertz)]
    return np.tile(piece, int(seconds // 2) + 1)[: int(seconds * rate_hertz)]


def noise(rate_hertz: int, seconds: float, level_dbfs: float = -65.0, seed: int = 1) -> NDArray[np.int16]:
    draw = np.random.default_rng(seed).standard_normal(int(seconds * rate_hertz))
    return np.round(draw * 32768 * 10 ** (level_dbfs / 20)).astype(np.int16)


def join(*pieces: NDArray[np.int16]) -> NDArray[np.int16]:
    return np.concatenate(pieces)


@pytest.mark.parametrize("rate_hertz", RATES)
def test_the_kernels_compute_the_original_network(rate_hertz: int) -> None:
    answers = evaluate(rate_hertz, 10_000)
    expected = REFERENCE[f"probabilities_{rate_hertz}"]
    assert answers.shape == expected.shape
    assert np.abs(answers - expected).max() < 1e-5
    assert expected.max() > 0.99
    assert expected.min() < 0.01


@pytest.mark.parametrize("rate_hertz", RATES)
@pytest.mark.parametrize("at_once", [1, 3, 4, 7])
def test_probabilities_do_not_depend_on_the_frames_of_a_call(rate_hertz: int, at_once: int) -> None:
    assert np.array_equal(evaluate(rate_hertz, at_once), evaluate(rate_hertz, 10_000))


def evaluate(rate_hertz: int, at_once: int) -> NDArray[np.float32]:
    network = SileroNetwork(rate_hertz)
    signal = REFERENCE[f"signal_{rate_hertz}"].astype(np.float32) / 32768
    samples = np.concatenate([np.zeros(network.context_samples, np.float32), signal])
    starts = np.arange(0, signal.size - network.frame_samples + 1, network.frame_samples) + network.context_samples
    pieces = [starts[i : i + at_once] for i in range(0, starts.size, at_once)]
    return np.concatenate([network.probabilities(samples, piece) for piece in pieces])


def stream(samples: NDArray[Any], rate_hertz: int, sizes: list[int]) -> list[tuple[int, int]]:
    activity = VoiceActivity(rate_hertz)
    spans, at, turn = [], 0, 0
    while at < samples.size:
        size = sizes[turn % len(sizes)]
        spans += activity.feed(samples[at : at + size])
        at, turn = at + size, turn + 1
    return spans + activity.finish()


def tone(*hertz: float, seconds: float = 6.0, rate_hertz: int = 8000, cadence: tuple[float, float] = (1.0, 0.0)) -> Any:
    time = np.arange(int(seconds * rate_hertz)) / rate_hertz
    wave = sum(np.sin(2 * np.pi * h * time) for h in hertz) / len(hertz)
    return wave * (time % sum(cadence) < cadence[0])


CALLS = {
    rate: join(
        noise(rate, 1.3),
        speech(rate, 2.5),
        noise(rate, 3.1, -62.0),
        speech(rate, 0.3),
        noise(rate, 0.35),
        (speech(rate, 1.7) * 0.1).astype(np.int16),
        noise(rate, 2.4, -60.0),
        np.round(tone(450, seconds=1.0, rate_hertz=rate) * 400).astype(np.int16),
        noise(rate, 1.0),
        speech(rate, 33.0),
        noise(rate, 0.123),
    )
    for rate in RATES
}


@pytest.mark.parametrize("rate_hertz", RATES)
@given(sizes=st.lists(st.integers(1, 9000), min_size=1, max_size=6))
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_stream_gives_the_spans_of_the_recording(rate_hertz: int, sizes: list[int]) -> None:
    sizes = [size + 150 for size in sizes]
    assert stream(CALLS[rate_hertz], rate_hertz, sizes) == detect_speech(CALLS[rate_hertz], rate_hertz)


def test_a_stream_of_single_samples_gives_the_spans_of_the_recording() -> None:
    samples = join(noise(8000, 0.5), speech(8000, 1.0), noise(8000, 0.7))
    expected = detect_speech(samples, 8000)
    assert len(expected) == 1
    assert stream(samples, 8000, [1]) == expected


@pytest.mark.parametrize("rate_hertz", RATES)
def test_float_and_integer_samples_give_the_same_spans(rate_hertz: int) -> None:
    samples = CALLS[rate_hertz]
    expected = detect_speech(samples, rate_hertz)
    assert detect_speech(samples.astype(np.float32) / 32768, rate_hertz) == expected
    assert len(expected) > 3


def melody(rate_hertz: int, *, chords: bool) -> Any:
    time = np.arange(int(0.4 * rate_hertz)) / rate_hertz
    notes = []
    for step in (0, 4, 7, 12, 7, 4, 9, 5, 2, 7, 11, 14, 11, 7, 0, -5) * 2:
        pitches = (step, step + 4, step + 7) if chords else (step,)
        partials = [np.sin(2 * np.pi * 262 * 2 ** (p / 12) * k * time) / k for p in pitches for k in (1, 2, 3)]
        notes.append(sum(partials) / len(partials) * np.exp(-3 * time) * np.minimum(1, time / 0.01) * 2)
    return np.concatenate(notes)


def dtmf(rate_hertz: int) -> Any:
    pairs = [(697, 1209), (770, 1336), (852, 1477), (941, 1336), (697, 1477), (852, 1209)]
    return np.concatenate([tone(*p, seconds=0.25, rate_hertz=rate_hertz, cadence=(0.12, 0.13)) for p in pairs * 3])


def hum(rate_hertz: int) -> Any:
    return sum(tone(50.0 * k, rate_hertz=rate_hertz) / k for k in (1, 2, 3, 5, 7)) / 2


def clicks(rate_hertz: int) -> Any:
    wave = np.zeros(6 * rate_hertz)
    wave[:: rate_hertz // 2] = 1.0
    return wave


def brown(rate_hertz: int) -> Any:
    wave = np.cumsum(np.random.default_rng(3).standard_normal(6 * rate_hertz))
    wave -= np.convolve(wave, np.ones(400) / 400, "same")
    return wave / np.abs(wave).max()


NOT_SPEECH = {
    "dial tone": lambda rate: tone(450, rate_hertz=rate),
    "ring-back": lambda rate: tone(450, seconds=12.0, rate_hertz=rate, cadence=(1.0, 4.0)),
    "busy": lambda rate: tone(450, rate_hertz=rate, cadence=(0.35, 0.35)),
    "american ring-back": lambda rate: tone(440, 480, seconds=12.0, rate_hertz=rate, cadence=(2.0, 4.0)),
    "fax": lambda rate: tone(1100, seconds=9.0, rate_hertz=rate, cadence=(0.5, 3.0)),
    "dtmf": dtmf,
    "arpeggio": lambda rate: melody(rate, chords=False),
    "chords": lambda rate: melody(rate, chords=True),
    "hum": hum,
    "clicks": clicks,
    "white noise": lambda rate: np.random.default_rng(2).standard_normal(6 * rate) / 4,
    "brown noise": brown,
    "silence": lambda rate: np.zeros(6 * rate),
    "offset": lambda rate: np.full(6 * rate, 0.3),
}


@pytest.mark.parametrize("rate_hertz", RATES)
@pytest.mark.parametrize("level_dbfs", [-12.0, -26.0, -40.0])
@pytest.mark.parametrize("name", NOT_SPEECH)
def test_sounds_of_the_line_are_no_speech(name: str, level_dbfs: float, rate_hertz: int) -> None:
    wave = NOT_SPEECH[name](rate_hertz) * 10 ** (level_dbfs / 20)
    quiet = noise(rate_hertz, 1.0)
    samples = join(quiet, np.round(np.clip(wave, -1, 1) * 32767).astype(np.int16), quiet)
    assert detect_speech(samples, rate_hertz) == []


@pytest.mark.parametrize("rate_hertz", RATES)
def test_speech_after_a_ring_back_is_found_and_the_ring_back_is_not(rate_hertz: int) -> None:
    ring = np.round(tone(450, seconds=5.0, rate_hertz=rate_hertz, cadence=(1.0, 4.0)) * 6000).astype(np.int16)
    spans = detect_speech(join(ring, speech(rate_hertz), noise(rate_hertz, 1.0)), rate_hertz)
    assert [span for span in spans if span[0] < 4700] == []
    assert len(spans) == 1


@pytest.mark.parametrize("rate_hertz", RATES)
def test_edges_are_near_the_speech_in_steps_of_ten_milliseconds(rate_hertz: int) -> None:
    samples = join(noise(rate_hertz, 1.5), speech(rate_hertz), noise(rate_hertz, 1.5))
    ((start_ms, end_ms),) = detect_speech(samples, rate_hertz)
    assert start_ms % 10 == end_ms % 10 == 0
    assert 1500 - 160 <= start_ms <= 1500 + 60
    assert 3500 - 60 <= end_ms <= 3500 + 260


@pytest.mark.parametrize(("pause_seconds", "spans"), [(0.2, 1), (0.3, 1), (0.9, 2), (3.0, 2)])
def test_short_pauses_stay_inside_a_span(pause_seconds: float, spans: int) -> None:
    samples = join(noise(8000, 1.0), speech(8000), noise(8000, pause_seconds), speech(8000), noise(8000, 1.0))
    assert len(detect_speech(samples, 8000)) == spans


def test_a_pause_inside_long_speech_ends_the_span_sooner() -> None:
    pause = noise(8000, 0.42)
    short = join(noise(8000, 1.0), speech(8000, 4.0), pause, speech(8000, 4.0), noise(8000, 1.0))
    long = join(noise(8000, 1.0), speech(8000, 18.0), pause, speech(8000, 4.0), noise(8000, 1.0))
    assert len(detect_speech(short, 8000)) == 1
    assert len(detect_speech(long, 8000)) == 2


@pytest.mark.parametrize("rate_hertz", RATES)
def test_long_speech_is_cut_into_touching_pieces_of_at_most_28_seconds(rate_hertz: int) -> None:
    spans = detect_speech(join(noise(rate_hertz, 1.0), speech(rate_hertz, 95.0), noise(rate_hertz, 1.0)), rate_hertz)
    assert len(spans) >= 4
    assert all(0 < end - start <= 28_000 for start, end in spans)
    assert all(before[1] == after[0] for before, after in pairwise(spans))
    assert spans[0][0] < 1100
    assert spans[-1][1] > 95_900


def test_the_cut_is_where_the_speech_is_quietest() -> None:
    talk = speech(8000, 40.0)
    talk[22 * 8000 : 22 * 8000 + 560] //= 64
    spans = detect_speech(join(noise(8000, 1.0), talk), 8000)
    assert abs(spans[0][1] - 23_035) <= 50


@pytest.mark.parametrize("level_db", [0, -10, -20, -26])
@pytest.mark.parametrize("rate_hertz", RATES)
def test_the_gate_loses_no_quiet_speech(rate_hertz: int, level_db: float) -> None:
    quiet = (speech(rate_hertz) * 10 ** (level_db / 20)).astype(np.int16)
    samples = join(noise(rate_hertz, 2.0, -70.0), quiet, noise(rate_hertz, 4.0, -70.0), quiet, noise(rate_hertz, 1.0))
    gated = detect_speech(samples, rate_hertz)
    assert len(gated) == 2
    ungated = detect_speech(samples, rate_hertz, UNGATED)
    for (start, end), (open_start, open_end), true_end in zip(gated, ungated, (4000, 10_000), strict=True):
        assert start <= open_start + 100
        assert end >= open_end - 100 or end >= true_end


def test_the_gate_spares_the_network_most_of_the_silence() -> None:
    frames = frames_of_calls(8000)
    activity = VoiceActivity(8000, frames=frames)
    samples = join(noise(8000, 30.0, -58.0), speech(8000), noise(8000, 30.0, -58.0))
    assert activity.feed(samples) + activity.finish() == detect_speech(samples, 8000) != []
    assert 0 < frames.evaluated < 0.2 * 62_000 / 32


@pytest.mark.parametrize("rate_hertz", RATES)
@pytest.mark.parametrize("together", [1, 2, 3, 4, 5, 9])
def test_channels_that_are_heard_together_give_the_spans_of_each(rate_hertz: int, together: int) -> None:
    frames = frames_of_calls(rate_hertz)
    sounds = [np.roll(CALLS[rate_hertz], 7919 * number) for number in range(together)]
    channels = [VoiceActivity(rate_hertz, frames=frames) for _ in sounds]
    spans: list[list[tuple[int, int]]] = [[] for _ in sounds]
    draw, at = np.random.default_rng(together), [0] * together
    while any(begin < sound.size for begin, sound in zip(at, sounds, strict=True)):
        sizes = draw.integers(0, rate_hertz * 2 // 5, together).tolist()
        heard = [sounds[n][at[n] : at[n] + sizes[n]] for n in range(together)]
        chosen = [n for n in draw.permutation(together).tolist() if heard[n].size]
        if chosen:
            listen_together(frames, [(channels[n], heard[n]) for n in chosen])
        for n in chosen:
            spans[n] += channels[n].feed(heard[n])
            at[n] += heard[n].size
    for channel, found, sound in zip(channels, spans, sounds, strict=True):
        assert found + channel.finish() == detect_speech(sound, rate_hertz)


def test_a_channel_that_takes_the_place_of_another_knows_nothing_of_it() -> None:
    frames, samples = frames_of_calls(8000), CALLS[8000]
    for _ in range(3):
        activity = VoiceActivity(8000, frames=frames)
        assert activity.feed(samples) + activity.finish() == detect_speech(samples, 8000)
        number = activity.number
        activity.feed(samples[:100_000])
        del activity
    assert number == VoiceActivity(8000, frames=frames).number


def test_other_sound_than_was_heard_ahead_is_refused() -> None:
    frames = frames_of_calls(8000)
    activity = VoiceActivity(8000, frames=frames)
    listen_together(frames, [(activity, CALLS[8000][:800])])
    with pytest.raises(ValueError, match="other samples"):
        activity.feed(CALLS[8000][:799])


def test_a_stream_tells_of_open_speech_and_decides_soon_after_its_end() -> None:
    activity = VoiceActivity(8000)
    samples = join(noise(8000, 1.0), speech(8000), noise(8000, 2.0))
    opened_ms = decided_ms = 0
    spans: list[tuple[int, int]] = []
    for at in range(0, samples.size, 160):
        new = activity.feed(samples[at : at + 160])
        now_ms = at // 8 + 20
        if activity.speech_since_ms is not None and not opened_ms:
            opened_ms = now_ms
            assert activity.speech_since_ms <= 1100
        if new and not spans:
            decided_ms = now_ms
        spans += new
    assert 1000 < opened_ms <= 1400
    assert activity.speech_since_ms is None
    assert len(spans) == 1
    assert decided_ms <= spans[0][1] + 480 + 64


def test_short_clicks_of_speech_are_dropped() -> None:
    choice = VoiceActivitySettings(min_speech_ms=3000)
    assert detect_speech(join(noise(8000, 1.0), speech(8000), noise(8000, 1.0)), 8000, choice) == []


@pytest.mark.parametrize("samples", [0, 1, 79, 255, 256, 257, 5000])
def test_very_short_recordings_give_no_speech_and_no_error(samples: int) -> None:
    assert detect_speech(np.zeros(samples, np.int16), 8000) == []


def test_speech_up_to_the_last_sample_ends_with_the_recording() -> None:
    samples = join(noise(8000, 1.0), speech(8000, 2.005))
    assert detect_speech(samples, 8000)[-1][1] == 3000


@pytest.mark.parametrize("rate_hertz", [11025, 44100, 0])
def test_other_rates_are_refused(rate_hertz: int) -> None:
    with pytest.raises(ValueError, match="8000 or 16000"):
        VoiceActivity(rate_hertz)


def test_kernels_compile_without_any_writable_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_place(function: object) -> None:
        raise RuntimeError("cannot cache function: no locator available")

    monkeypatch.setattr(_compile, "_Cache", no_place)
    doubled = _compile.kernel(lambda x: x * 2)
    assert doubled(21) == 42


def test_machine_code_on_disk_serves_only_the_sources_it_was_made_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def compiled() -> int:
        """How often the kernel was compiled, not read, in a process of its own."""
        program = (
            "import sys; sys.path.insert(0, '.'); import kernels; assert kernels.twice(21) == 42; "
            "print(sum(kernels.twice.stats.cache_misses.values()))"
        )
        done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
        return int(done.stdout)

    module = tmp_path / "kernels.py"
    module.write_text(
        "from qingting.audio import _compile\n_compile._sources = lambda: 'one'\n"
        "@_compile.kernel\ndef twice(x):\n    return 2 * x\n"
    )
    times = (module.stat().st_atime, module.stat().st_mtime)
    assert [compiled(), compiled()] == [1, 0]
    module.write_text(module.read_text().replace("one", "two"))
    os.utime(module, times)
    assert [compiled(), compiled()] == [1, 0]
    (index,) = tmp_path.glob("__pycache__/*.nbi")
    version = pickle.dumps(pickle.loads(index.read_bytes()))
    index.write_bytes(version + pickle.dumps(fractions.Fraction(1)).replace(b"Fraction", b"Fractiom"))
    assert [compiled(), compiled()] == [1, 0]


CALLS_FOLDER = Path(__file__).parents[3] / "demo" / "calls"
SCRIPTED = ("general_faultless", "dead_air_no_closing", "hold_with_notice", "agent_interrupts")


@pytest.mark.parametrize("name", SCRIPTED)
def test_the_turns_of_the_bundled_calls_are_found_and_the_hold_music_is_not(name: str) -> None:
    script = yaml.safe_load((CALLS_FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    times = json.loads((CALLS_FOLDER / f"{name}.times.json").read_text(encoding="utf-8"))["turns"]
    decoded = decode(open_source(CALLS_FOLDER / script["audio"]["file"], AudioLimits()), AudioOptions())
    agent = 1 if script["audio"].get("agent_channel") == "right" else 0
    for channel in (0, 1):
        turns = [
            (time["start_ms"], time["end_ms"])
            for time, turn in zip(times, script["turns"], strict=True)
            if (channel == agent) == (turn["role"] == "agent")
        ]
        spans = detect_speech(decoded.pcm[channel], decoded.rate_hertz)
        for start, end in turns:
            hit = [span for span in spans if span[0] < end and span[1] > start]
            assert hit, "a turn was not heard"
            assert hit[0][0] <= start + 80
            assert hit[-1][1] >= end
            heard = sum(min(b, end) - max(a, start) for a, b in hit)
            assert heard > 0.75 * (end - start)
        for span in spans:
            assert any(span[0] < end + 100 and span[1] > start - 100 for start, end in turns), "speech from nowhere"
            assert any(abs(span[0] - t) < 700 for t, _ in turns) or any(a <= span[0] <= b for a, b in turns)
