"""The maker's own parts, without its speech model."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from numpy.typing import NDArray

from qingting.testing import CallScript, load_script

DEMO = Path(__file__).resolve().parents[3] / "demo"
SCRIPT = """
id: talk
title: 对话
line_of_business: general
audio: {{file: talk.{suffix}, {audio}}}
turns:
  - {{role: agent, gap_ms: 1200, text: "您好，请讲。"}}
  - {{role: customer, gap_ms: 1000, text: "我要退款，我的东西坏了，请你帮我处理一下。"}}
  - {{role: agent, gap_ms: -1500, text: "好。"}}
  - {{role: customer, gap_ms: 500, text: "嗯。"}}
sounds:
  - {{kind: ring_back, before_turn: 0, duration_ms: 1000}}
"""
STEREO = "container: wav, codec: pcm_s16le, sample_rate_hertz: 8000, channels: 2, agent_channel: right, noise_dbfs: -70"


@pytest.fixture
def maker(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(DEMO))
    for name in ("synthesis", "sounds", "mixing", "encoding"):
        import_module(f"maker.{name}")
    return import_module("maker")


class ToneVoices:
    """Says everything as a 1 kHz tone of 200 ms a character."""

    def say(self, text: str, voice: Mapping[str, float], speed: float) -> NDArray[np.float32]:
        count = int(24_000 * 0.2 * len(text) / speed) // 240 * 240
        return np.sin(2 * np.pi * 1000 * np.arange(count) / 24_000).astype(np.float32)


def script(folder: Path, suffix: str = "wav", audio: str = STEREO) -> CallScript:
    (folder / "talk.yaml").write_text(SCRIPT.format(suffix=suffix, audio=audio), encoding="utf-8")
    return load_script(folder / "talk.yaml")


def level_db(pcm: NDArray[np.int16], start_ms: int, end_ms: int, rate: int = 8000) -> float:
    part = pcm[start_ms * rate // 1000 : end_ms * rate // 1000].astype(float) / 32768
    return float(10 * np.log10(np.mean(part**2) + 1e-12))


def test_turns_are_placed_by_their_gaps(maker: ModuleType, tmp_path: Path) -> None:
    call = maker.mixing.mix(script(tmp_path), ToneVoices())
    spans = call.spans_ms
    assert spans[0][0] == 1200
    assert spans[1][0] == spans[0][1] + 1000
    assert spans[2][0] == spans[1][1] - 1500
    assert spans[3][0] == spans[1][1] + 500
    assert all(edge % 10 == 0 for span in spans for edge in span)
    assert call.duration_ms == spans[3][1] + 800
    assert call.pcm.shape == (call.duration_ms * 8, 2)


def test_each_party_sounds_on_its_own_channel_only_while_it_speaks(maker: ModuleType, tmp_path: Path) -> None:
    call = maker.mixing.mix(script(tmp_path), ToneVoices())
    customer, agent = call.pcm[:, 0], call.pcm[:, 1]
    first, second = call.spans_ms[0], call.spans_ms[1]
    assert level_db(agent, *first) == pytest.approx(-20, abs=0.5)
    assert level_db(customer, *first) < -60
    assert level_db(customer, *second) == pytest.approx(-20, abs=0.5)
    assert level_db(agent, second[0], second[0] + 500) < -60
    assert level_db(agent, 0, 1000) == pytest.approx(-24, abs=1.0), (
        "the ring-back is the exchange's, on the agent's side"
    )
    assert level_db(customer, 0, 1000) < -60


def test_a_mixed_call_carries_both_parties(maker: ModuleType, tmp_path: Path) -> None:
    audio = "container: wav, codec: pcm_s16le, sample_rate_hertz: 16000, channels: 1"
    call = maker.mixing.mix(script(tmp_path, audio=audio), ToneVoices())
    assert call.pcm.shape[1] == 1
    for start_ms, end_ms in call.spans_ms:
        assert level_db(call.pcm[:, 0], start_ms, end_ms, 16_000) > -22


@pytest.mark.parametrize(
    ("suffix", "container", "codec"),
    [
        ("wav", "wav", "pcm_alaw"),
        ("mp3", "mp3", "libmp3lame"),
        ("ogg", "ogg", "libopus"),
        ("m4a", "ipod", "aac"),
        ("amr", "amr", "libopencore_amrnb"),
    ],
)
def test_making_twice_gives_the_same_bytes(
    maker: ModuleType, tmp_path: Path, suffix: str, container: str, codec: str
) -> None:
    rate = 8000 if codec in ("pcm_alaw", "libopencore_amrnb") else 16_000
    audio = f"container: {container}, codec: {codec}, sample_rate_hertz: {rate}, channels: 1"
    talk = script(tmp_path, suffix, audio)
    files = [tmp_path / f"one.{suffix}", tmp_path / f"two.{suffix}"]
    for file in files:
        maker.encoding.encode(maker.mixing.mix(talk, ToneVoices()).pcm, talk.audio, file)
    assert files[0].read_bytes() == files[1].read_bytes()
    assert files[0].stat().st_size > 1000


@pytest.mark.parametrize("kind", ["ring_back", "dial_tone", "busy_tone", "hold_music", "dtmf"])
def test_telephone_sounds_have_their_length_and_level(maker: ModuleType, kind: str) -> None:
    sound = maker.sounds.telephone_sound(kind, 3000, 8000, -20)
    assert len(sound) == 24_000
    sounding = sound[np.abs(sound) > 1e-6]
    assert 10 * np.log10(np.mean(sounding**2)) == pytest.approx(-20, abs=1)


@pytest.mark.parametrize(("kind", "hertz"), [("ring_back", 450), ("dial_tone", 450), ("busy_tone", 450)])
def test_call_progress_tones_are_the_chinese_ones(maker: ModuleType, kind: str, hertz: int) -> None:
    spectrum = np.abs(np.fft.rfft(maker.sounds.telephone_sound(kind, 1000, 8000, -20)))
    assert int(np.argmax(spectrum)) == hertz


def test_the_telephone_band_keeps_speech_and_drops_the_rest(maker: ModuleType) -> None:
    time = np.arange(24_000) / 24_000
    for hertz, kept in ((100, False), (500, True), (1000, True), (3000, True), (4000, False), (9000, False)):
        tone = np.sin(2 * np.pi * hertz * time).astype(np.float32)
        limited = maker.sounds.limited_to_band(tone, 24_000, maker.sounds.TELEPHONE_BAND_HERTZ)
        gain_db = maker.sounds.rms_dbfs(limited) - maker.sounds.rms_dbfs(tone)
        assert (gain_db > -0.5) if kept else (gain_db < -40), hertz


def test_silence_is_trimmed_to_the_sound_in_whole_frames(maker: ModuleType) -> None:
    tone = np.sin(np.arange(4801) / 4).astype(np.float32)
    silence = np.zeros(2400, np.float32)
    trimmed = maker.synthesis.trimmed(np.concatenate([silence, tone, silence]))
    assert len(trimmed) % maker.synthesis.FRAME_SAMPLES == 0
    assert len(tone) - 1 <= len(trimmed) <= len(tone) + 2 * maker.synthesis.FRAME_SAMPLES


@pytest.mark.parametrize("factor", [1.0, 1.3, 1.6])
def test_hurried_speech_is_shorter_at_the_same_pitch(maker: ModuleType, factor: float) -> None:
    tone = np.sin(2 * np.pi * 200 * np.arange(48_000) / 24_000).astype(np.float32)
    hurried = maker.synthesis.hurried(tone, factor)
    assert len(hurried) == pytest.approx(48_000 / factor, rel=0.02)
    spectrum = np.abs(np.fft.rfft(hurried))
    assert np.argmax(spectrum) * 24_000 / len(hurried) == pytest.approx(200, abs=3)
