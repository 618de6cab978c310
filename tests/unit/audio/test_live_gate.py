"""Live speech spans: those of the front end for the same sound, however it arrives; nothing kept for ever."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from qingting.audio._recent import RecentSound, RunningFloor
from qingting.audio.decode import decode
from qingting.audio.front_end import prepare
from qingting.audio.live_gate import LiveGate, LiveGates
from qingting.audio.options import AudioLimits, AudioOptions
from qingting.audio.source import open_source
from qingting.model.audio import SpeechSpan, VoiceFacts

CALLS = Path(__file__).parents[3] / "demo" / "calls"
REFERENCE = np.load(Path(__file__).parent / "data" / "silero_reference.npz")
Told = list[tuple[SpeechSpan, VoiceFacts]]


def voice(rate_hertz: int, seconds: float) -> NDArray[np.int16]:
    piece = REFERENCE[f"signal_{rate_hertz}"][rate_hertz : int(3.1 * rate_hertz)]
    return np.tile(piece, int(seconds // 2) + 1)[: int(seconds * rate_hertz)]


def silence(rate_hertz: int, seconds: float) -> NDArray[np.int16]:
    draw = np.random.default_rng(1).standard_normal(int(seconds * rate_hertz))
    return np.round(draw * 18).astype(np.int16)


def talk(rate_hertz: int = 8000) -> NDArray[np.int16]:
    pieces = ((silence, 1.0), (voice, 2.0), (silence, 1.2), (voice, 1.0), (silence, 0.7))
    return np.concatenate([make(rate_hertz, seconds) for make, seconds in pieces])


def run(
    pcm: NDArray[np.int16], rate_hertz: int, frame_ms: float = 20, parties: tuple[str, ...] = ("left", "right")
) -> Told:
    """Feed all parties alternately, then end them; spans in order of start."""
    gates = LiveGates(rate_hertz, parties[: len(pcm)])
    frame = int(rate_hertz * frame_ms / 1000)
    told: Told = []
    for first in range(0, pcm.shape[1], frame):
        for party, row in zip(parties, pcm, strict=False):
            told += gates.gate(party).feed(row[first : first + frame])
    for party in parties[: len(pcm)]:
        told += gates.gate(party).finish()
    return sorted(told, key=lambda one: (one[0].start_ms, one[0].channel))


@pytest.mark.parametrize(
    ("name", "frame_ms"),
    [
        ("agent_interrupts.mp3", 20),
        ("ecommerce_faultless.ogg", 100),
        ("refund_late_answer.mp3", 1000),
        ("long_hold.ogg", 32),
    ],
)
def test_the_spans_of_a_call_are_those_of_the_front_end(name: str, frame_ms: float) -> None:
    prepared = prepare(CALLS / name)
    decoded = decode(open_source(CALLS / name, AudioLimits()), AudioOptions())
    told = run(decoded.pcm, decoded.rate_hertz, frame_ms)
    assert tuple(span for span, _ in told) == prepared.spans
    for (_, live), batch in zip(told, prepared.voice, strict=True):
        assert live.pause_before_ms == batch.pause_before_ms
        assert live.pitch_hertz == pytest.approx(batch.pitch_hertz, rel=0.02)
        assert live.loudness_dbfs == pytest.approx(batch.loudness_dbfs, abs=0.5)


def test_the_echo_of_the_other_party_is_no_speech_live_either() -> None:
    rate = 8000
    spoken = talk(rate)
    echo = np.roll(spoken.astype(np.int32) * 4 // 100, rate // 10).astype(np.int16)
    pcm = np.stack([spoken, echo + silence(rate, len(echo) / rate)])
    gates = LiveGates(rate)
    began, told = set[int](), []
    for first in range(0, pcm.shape[1], 160):
        for party, row in zip(("left", "right"), pcm, strict=True):
            told += gates.gate(party).feed(row[first : first + 160])
        began.update(gates.gate("right").open_starts_ms)
    told += gates.gate("left").finish() + gates.gate("right").finish()
    assert [span.party for span, _ in told] == ["left", "left"]
    assert gates.gate("right").open_starts_ms == ()
    assert began, "the echo looked like speech, or this test shows nothing"
    assert [span for span, _ in run(spoken[np.newaxis], rate)] == [replace(span, party="left") for span, _ in told]


@given(sizes=st.lists(st.integers(1, 12_000), min_size=1, max_size=5))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_chunks_of_any_size_give_the_same_spans_and_facts(sizes: list[int]) -> None:
    pcm = talk()
    expected = run(pcm[np.newaxis], 8000)
    gate = LiveGates(8000, ("left",)).gate("left")
    told: Told = []
    at = turn = 0
    while at < pcm.size:
        told += gate.feed(pcm[at : at + sizes[turn % len(sizes)]])
        at, turn = at + sizes[turn % len(sizes)], turn + 1
    told += gate.finish()
    assert [span for span, _ in told] == [span for span, _ in expected]
    assert len(told) == 2
    for (_, one), (_, other) in zip(told, expected, strict=True):
        assert one.voiced_ms == pytest.approx(other.voiced_ms, abs=30)


@pytest.mark.parametrize("rate_hertz", [8000, 16000])
def test_speech_that_never_ends_is_cut_and_little_is_kept(rate_hertz: int) -> None:
    gates = LiveGates(rate_hertz)
    left, right = gates.gate("left"), gates.gate("right")
    told: Told = []
    for _ in range(100):
        told += left.feed(voice(rate_hertz, 1.0))
        right.feed(silence(rate_hertz, 1.0))
        assert kept_ms(left) <= 31_000
        assert kept_ms(right) <= 31_000
    spans = [span for span, _ in told]
    assert len(spans) >= 3
    assert all(span.end_ms - span.start_ms <= 28_000 for span in spans)
    assert all(later.start_ms == earlier.end_ms for earlier, later in pairwise(spans))


def kept_ms(gate: LiveGate) -> int:
    return gate._sound.until_ms - gate._sound.from_ms


def test_silence_and_an_absent_party_keep_little() -> None:
    gates = LiveGates(8000)
    gate = gates.gate("left")
    for _ in range(120):
        gate.feed(silence(8000, 1.0))
        assert kept_ms(gate) <= 46_100
    assert gate.open_starts_ms == ()
    assert 118_000 < gate.quiet_until_ms <= 120_000


def test_a_span_does_not_wait_for_ever_for_the_other_party() -> None:
    gates = LiveGates(8000)
    told = gates.gate("left").feed(np.concatenate([talk(), silence(8000, 3.0)]))
    assert len(told) == 2
    assert all(facts.overlap_ms == 0 for _, facts in told)


def test_overlap_counts_speech_still_open() -> None:
    gates = LiveGates(8000)
    both = np.stack([talk(), np.concatenate([silence(8000, 2.0), voice(8000, 3.9)])])
    told: Told = []
    for first in range(0, both.shape[1], 160):
        told += gates.gate("left").feed(both[0, first : first + 160])
        told += gates.gate("right").feed(both[1, first : first + 160])
    first_facts = next(facts for span, facts in told if span.party == "left")
    assert 700 <= first_facts.overlap_ms <= 1200


def test_quiet_until_is_never_after_speech_to_come() -> None:
    gate = LiveGates(16_000, ("left",)).gate("left")
    pcm, promised, told = talk(16_000), 0, []
    for first in range(0, pcm.size, 320):
        spans = gate.feed(pcm[first : first + 320])
        new = [span.start_ms for span, _ in spans] + list(gate.open_starts_ms)
        assert all(start in told or start >= promised for start in new)
        told += new
        assert gate.quiet_until_ms >= promised
        promised = gate.quiet_until_ms
    assert promised > 5000


@pytest.mark.parametrize("parties", [(), ("left", "left"), ("a", "b", "c")])
def test_parties_that_cannot_be_are_refused(parties: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="parties"):
        LiveGates(8000, parties)


def test_a_finished_gate_takes_no_more() -> None:
    gate = LiveGates(8000, ("left",)).gate("left")
    assert gate.finish() == []
    assert gate.finish() == []
    with pytest.raises(ValueError, match="finished"):
        gate.feed(silence(8000, 0.1))


def test_the_floor_of_a_party_is_that_of_all_its_sound_however_it_is_fed() -> None:
    pcm = np.concatenate([talk(), silence(8000, 0.37), voice(8000, 5.0), silence(8000, 3.3)])
    floors = set()
    for size in (333, 1600, 3199, 9000):
        gates = LiveGates(8000)
        for first in range(0, pcm.size, size):
            gates.gate("left").feed(pcm[first : first + size])
            gates.gate("right").feed(silence(8000, size / 8000))
        floors.add(gates.gate("left")._floor.dbfs)
        assert gates.gate("left")._sound.from_ms > 0, "nothing was forgotten, or this test shows nothing"
    sound = RecentSound(8000)
    sound.append(pcm)
    whole = RunningFloor(8000, sound)
    whole.hear()
    assert floors == {whole.dbfs}


def test_the_samples_of_a_piece_may_be_changed_once_they_are_fed() -> None:
    pcm = talk()
    gate, told = LiveGates(8000, ("left",)).gate("left"), []
    memory = np.empty(1600, np.int16)
    for first in range(0, pcm.size, memory.size):
        piece = pcm[first : first + memory.size]
        memory[: piece.size] = piece
        told += gate.feed(memory[: piece.size])
        memory[:] = 12_345
    assert told + gate.finish() == run(pcm[np.newaxis], 8000, 200)
