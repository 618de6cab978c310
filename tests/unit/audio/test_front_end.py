"""From bytes to prepared audio: channels, crosstalk, silence, mixed recordings."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from qingting.audio.encode import encode_wav, write_wav
from qingting.audio.front_end import prepare
from qingting.audio.options import AudioOptions
from qingting.errors import EmptyAudioError, NotAudioError

SIGNAL = np.load(Path(__file__).parent / "data" / "silero_reference.npz")["signal_8000"]
SPEECH = SIGNAL[8000 : int(3.1 * 8000)]
MIXED = AudioOptions(separate_speakers=False)


def line(seconds: float, *turns: tuple[float, float], seed: int = 0, pitch: int = 0) -> NDArray[np.int16]:
    """Line noise with speech at the given places (start and length in seconds, at most 2)."""
    rng = np.random.default_rng(seed)
    row = np.round(rng.standard_normal(int(seconds * 8000)) * 14)
    talk = (
        SPEECH if not pitch else np.interp(np.arange(SPEECH.size) * (1 + pitch / 100), np.arange(SPEECH.size), SPEECH)
    )
    for start, length in turns:
        first, count = int(start * 8000), int(length * 8000)
        row[first : first + count] += talk[:count]
    return row.clip(-32768, 32767).astype(np.int16)


def echo(row: NDArray[np.int16], delay_ms: int, level_db: float) -> NDArray[np.float64]:
    shift = delay_ms * 8
    return np.concatenate([np.zeros(shift), row[: row.size - shift]]) * 10 ** (level_db / 20)


def wav(*rows: NDArray[Any]) -> bytes:
    return encode_wav(np.stack(rows).clip(-32768, 32767).astype(np.int16), 8000)


def places(prepared: Any, party: str) -> list[tuple[int, int]]:
    return [(span.start_ms, span.end_ms) for span in prepared.spans if span.party == party]


def test_two_parties_on_two_channels() -> None:
    left, right = line(12, (1.0, 2.0), (7.0, 1.5)), line(12, (4.0, 2.0), (7.5, 2.0), seed=1, pitch=-15)
    prepared = prepare(wav(left, right))
    assert prepared.parties == ("left", "right")
    assert [(span.party, span.channel) for span in prepared.spans] == [
        ("left", 0),
        ("right", 1),
        ("left", 0),
        ("right", 1),
    ]
    for (start, end), expected in zip(places(prepared, "left"), [(1000, 3000), (7000, 8500)], strict=True):
        assert abs(start - expected[0]) < 200
        assert abs(end - expected[1]) < 300
    assert len(prepared.voice) == len(prepared.spans)
    assert prepared.voice[2].overlap_ms > 500
    assert prepared.voice[1].overlap_ms == 0
    assert prepared.speaker_confidence == 1.0
    assert prepared.pcm.shape == (2, 96_000)
    assert prepared.format.duration_ms == 12_000
    assert prepared.notes == ()


def test_a_path_and_its_bytes_give_the_same(tmp_path: Path) -> None:
    rows = np.stack([line(6, (1.0, 2.0)), line(6, (3.5, 1.5), seed=1)])
    path = tmp_path / "call.wav"
    write_wav(path, rows, 8000)
    first, second = prepare(path, AudioOptions()), prepare(path.read_bytes(), AudioOptions())
    assert (first.spans, first.voice, first.format.sha256) == (second.spans, second.voice, second.format.sha256)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("hiss", [0, 10])
def test_a_recording_without_speech_gives_no_spans(channels: int, hiss: int) -> None:
    rng = np.random.default_rng(0)
    prepared = prepare(wav(*[np.round(rng.standard_normal(40_000) * hiss) for _ in range(channels)]))
    assert prepared.spans == ()
    assert prepared.voice == ()
    assert len(prepared.parties) == prepared.pcm.shape[0]


@pytest.mark.parametrize("delay_ms", [0, 15, 120, 350])
@pytest.mark.parametrize("level_db", [-14.0, -20.0, -30.0])
def test_an_echo_on_a_silent_party_makes_no_utterance(delay_ms: int, level_db: float) -> None:
    left = line(14, (1.0, 2.0), (5.0, 1.5), (9.0, 2.0))
    own = line(14, (12.0, 1.5), seed=3, pitch=-20)
    prepared = prepare(wav(left, own + echo(left, delay_ms, level_db)))
    assert len(places(prepared, "left")) == 3
    ((start, end),) = places(prepared, "right")
    assert abs(start - 12_000) < 200
    assert end > 13_300


def test_dropped_echoes_are_noted() -> None:
    left = line(8, (1.0, 2.0), (4.0, 2.0))
    notes = prepare(wav(left, line(8, seed=2) + echo(left, 60, -15.0))).notes
    assert any("串音" in note for note in notes)


def test_own_words_right_after_an_echo_are_kept_without_the_echo() -> None:
    left = line(10, (1.0, 2.0))
    right = line(10, (3.3, 1.8), seed=3, pitch=-20)
    ((start, end),) = places(prepare(wav(left, right + echo(left, 40, -18.0))), "right")
    assert 3000 <= start <= 3400
    assert abs(end - 5100) < 250


@pytest.mark.parametrize("level_db", [0.0, -12.0, -20.0])
def test_a_quiet_party_talking_at_the_same_time_is_kept(level_db: float) -> None:
    left = line(10, (1.0, 2.0), (3.1, 2.0))
    quiet = line(10, (1.5, 1.5), (3.7, 1.0), seed=4, pitch=-25) * 10 ** (level_db / 20)
    prepared = prepare(wav(left, quiet))
    covered = sum(min(end, 3000) - max(start, 1500) for start, end in places(prepared, "right") if start < 3000)
    assert covered > 1000


def test_a_mixed_recording_kept_as_one_party() -> None:
    prepared = prepare(wav(line(8, (1.0, 2.0), (4.0, 2.0))), MIXED)
    assert prepared.parties == ("mono",)
    assert {span.party for span in prepared.spans} == {"mono"}
    assert len(prepared.spans) == 2


def test_a_mixed_recording_is_separated_into_speakers() -> None:
    prepared = prepare(wav(line(8, (1.0, 2.0), (4.0, 2.0))))
    assert prepared.parties == ("speaker_1", "speaker_2")
    assert {span.party for span in prepared.spans} <= {"speaker_1", "speaker_2"}
    assert 0.0 < prepared.speaker_confidence <= 1.0


def test_one_voice_beside_a_dead_channel_stays_on_its_channel() -> None:
    prepared = prepare(wav(np.zeros(64_000), line(8, (1.0, 2.0), (4.0, 2.0))))
    assert prepared.parties == ("left", "right")
    assert {span.party for span in prepared.spans} == {"right"}
    assert {span.channel for span in prepared.spans} == {1}


def test_what_is_prepared_crosses_processes() -> None:
    prepared = prepare(wav(line(4, (1.0, 2.0))), MIXED)
    again = pickle.loads(pickle.dumps(prepared))
    assert (again.spans, again.voice) == (prepared.spans, prepared.voice)


@pytest.mark.parametrize(("data", "error"), [(b"", EmptyAudioError), (b"not a recording" * 90, NotAudioError)])
def test_bad_input_is_refused_with_its_own_error(data: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        prepare(data)
