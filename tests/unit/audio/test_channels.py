"""Channels: copies, mixtures, silence and offsets, and the plain two-party call."""

import numpy as np
import pytest

from qingting.audio.channels import arrange_channels

RATE = 8000


def talk(seconds: float, seed: int, *, on: float = 1.5, off: float = 1.5, phase: float = 0.0, level: float = 3000):
    """Noise in turns of speech length, int16."""
    rng = np.random.default_rng(seed)
    time = np.arange(int(seconds * RATE)) / RATE
    speaking = (time + phase) % (on + off) < on
    sound = rng.normal(0, level, len(time)) * speaking + rng.normal(0, 5, len(time))
    return np.clip(sound - sound.mean(), -32768, 32767).astype(np.int16)


def call(seconds: float = 20):
    return np.stack([talk(seconds, 1), talk(seconds, 2, phase=1.5)])


def test_two_parties_stay_apart_and_untouched():
    pcm = call()
    found = arrange_channels(pcm, RATE)
    assert found.parties == ("left", "right")
    assert (found.silent, found.notes) == ((), ())
    assert np.array_equal(found.pcm, pcm)


@pytest.mark.parametrize("leak_db", [-12, -20, -30])
def test_cross_talk_does_not_make_one_party_of_two(leak_db):
    pcm = call().astype(float)
    leak = 10 ** (leak_db / 20)
    mixed = np.stack([pcm[0] + leak * pcm[1], pcm[1] + leak * pcm[0]]).astype(np.int16)
    assert arrange_channels(mixed, RATE).parties == ("left", "right")


def test_both_talking_a_third_of_the_time_are_two_parties():
    pcm = np.stack([talk(30, 1, on=2, off=1), talk(30, 2, on=2, off=1, phase=1.5)])
    assert arrange_channels(pcm, RATE).parties == ("left", "right")


@pytest.mark.parametrize("gain", [1.0, 0.5, 0.1, -1.0, -0.7])
def test_a_copy_becomes_one_row(gain):
    left = talk(10, 1)
    pcm = np.stack([left, np.rint(left * gain).astype(np.int16)])
    found = arrange_channels(pcm, RATE)
    assert found.parties == ("mono",)
    assert np.array_equal(found.pcm[0], left), "the louder channel is kept as it is"
    assert "相同" in found.notes[0]


def test_copies_through_a_lossy_codec_become_one_row():
    left = talk(10, 1)
    noisy = np.clip(left + np.random.default_rng(3).normal(0, 150, left.size), -32768, 32767).astype(np.int16)
    assert arrange_channels(np.stack([left, noisy]), RATE).parties == ("mono",)


def test_a_room_in_stereo_is_mixed():
    a, b = talk(20, 1).astype(float), talk(20, 2, phase=1.5).astype(float)
    delay = 9
    pcm = np.stack([a + np.roll(b, delay) * 0.8, np.roll(a, delay) * 0.8 + b]).astype(np.int16)
    found = arrange_channels(pcm, RATE)
    assert found.parties == ("mono",)
    assert found.pcm.shape == (1, pcm.shape[1])
    assert found.pcm.any()
    assert "混合" in found.notes[0]


@pytest.mark.parametrize(("quiet", "party", "name"), [(0, "left", "左声道"), (1, "right", "右声道")])
@pytest.mark.parametrize("noise", [0, 3])
def test_a_silent_channel_is_named(quiet, party, name, noise):
    pcm = call()
    pcm[quiet] = np.random.default_rng(0).normal(0, noise, pcm.shape[1]) if noise else 0
    pcm[quiet, 777] = 9000  # a click is no sound
    found = arrange_channels(pcm, RATE)
    assert found.parties == ("left", "right")
    assert found.silent == (party,)
    assert found.notes[0].startswith(name)


def test_quiet_speech_is_not_silence():
    pcm = np.stack([talk(10, 1, level=100), talk(10, 2, phase=1.5, level=100)])
    assert arrange_channels(pcm, RATE).silent == ()


def test_silence_everywhere():
    found = arrange_channels(np.zeros((2, 8000), np.int16), RATE)
    assert found.silent == ("left", "right")
    mono = arrange_channels(np.zeros((1, 8000), np.int16), RATE)
    assert (mono.silent, mono.parties) == (("mono",), ("mono",))


def test_offset_is_taken_out_without_wrapping():
    pcm = call()
    pcm[0] = np.clip(pcm[0].astype(int) + 2000, -32768, 32767)
    pcm[0, :3] = (32767, -32768, -32000)
    before = pcm.copy()
    found = arrange_channels(pcm, RATE).pcm
    assert abs(found[0].mean()) < 16
    assert np.array_equal(pcm, before), "the input is not changed"
    assert found[0, 1] == -32768
    assert np.array_equal(found[1], pcm[1])


@pytest.mark.parametrize("samples", [0, 1, 50])
def test_tiny_recordings(samples):
    for rows in (1, 2):
        pcm = np.full((rows, samples), 1000, np.int16)
        assert arrange_channels(pcm, RATE).pcm.shape[1] == samples
