import numpy as np
import pytest

from qingting.audio._hum import find_hum, remove_hum
from qingting.audio.denoise import reduce_noise
from qingting.audio.options import NoiseReduction

LIGHT = NoiseReduction.LIGHT


def speech_like(seconds, rate, seed=0):
    """Harmonics in syllables with pauses of 0.7 s after each second; and where it speaks."""
    t = np.arange(int(seconds * rate)) / rate
    random = np.random.default_rng(seed)
    pitch = 180 * (1 + 0.1 * np.sin(2 * np.pi * 0.9 * t))
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    sound = sum(np.sin(k * phase + k) / (1 + abs(k - 4)) for k in range(1, 18))
    speaking = (t % 1.7) < 1.0
    syllables = np.abs(np.sin(2 * np.pi * 2.5 * t)) ** 0.5 * (0.8 + 0.2 * random.random())
    return sound * syllables * speaking * 2500, speaking


def noise(kind, length, rate, level):
    random = np.random.default_rng(3)
    if kind == "white":
        return random.normal(0, level, length)
    brown = np.cumsum(random.normal(0, 1, length))
    brown -= np.convolve(brown, np.ones(rate // 20) / (rate // 20), "same")
    return brown * level / brown.std()


def decibel(samples):
    return 10 * np.log10(np.mean(np.asarray(samples, np.float64) ** 2) + 1e-9)


@pytest.mark.parametrize("rate", [8000, 16000])
@pytest.mark.parametrize("kind", ["white", "brown"])
def test_noise_goes_down_and_speech_stays(rate, kind):
    speech, speaking = speech_like(12, rate)
    noisy = (speech + noise(kind, len(speech), rate, 300)).astype(np.int16)
    quiet = reduce_noise(noisy[None], rate, LIGHT)[0]
    assert decibel(quiet[~speaking]) < decibel(noisy[~speaking]) - 3.5
    assert abs(decibel(quiet[speaking]) - decibel(noisy[speaking])) < 1
    assert decibel(quiet[speaking] - speech[speaking]) < decibel(noisy[speaking] - speech[speaking])


def test_off_is_the_default_and_touches_nothing():
    pcm = np.arange(-500, 500, dtype=np.int16)[None]
    assert reduce_noise(pcm, 8000, NoiseReduction.OFF) is pcm


@pytest.mark.parametrize("rate", [8000, 16000])
def test_clean_speech_comes_out_as_it_went_in(rate):
    speech, _ = speech_like(6, rate)
    pcm = speech.astype(np.int16)
    quiet = reduce_noise(pcm[None], rate, LIGHT)[0]
    assert abs(decibel(quiet) - decibel(pcm)) < 0.3


def test_times_do_not_shift():
    pcm = np.zeros((1, 16000), np.int16)
    pcm[0, 7777] = 20000
    quiet = reduce_noise(pcm, 8000, LIGHT)
    assert quiet.shape == pcm.shape
    assert int(np.argmax(np.abs(quiet[0]))) == 7777


def test_a_steady_tone_is_lowered_by_8_db_at_most():
    tone = (3000 * np.sin(2 * np.pi * 440 * np.arange(80000) / 8000)).astype(np.int16)
    quiet = reduce_noise(tone[None], 8000, LIGHT)[0]
    assert decibel(quiet[8000:-8000]) > decibel(tone) - 8.5


def test_rumble_below_the_telephone_band_goes():
    t = np.arange(80000) / 16000
    pcm = (5000 * np.sin(2 * np.pi * 31 * t)).astype(np.int16)
    assert decibel(reduce_noise(pcm[None], 16000, LIGHT)) < decibel(pcm) - 25


@pytest.mark.parametrize("base", [50.0, 50.06, 60.0])
@pytest.mark.parametrize("seconds", [2.5, 12])
def test_hum_is_removed_and_speech_is_not(base, seconds):
    rate = 8000
    speech, _ = speech_like(seconds, rate)
    t = np.arange(len(speech)) / rate
    hum = sum(800 / k * np.sin(2 * np.pi * base * k * t + k) for k in range(1, 9))
    left = remove_hum((speech + hum).astype(np.float32), rate)
    middle = slice(rate // 2, -rate // 2)
    assert decibel(left[middle] - speech[middle]) < decibel(hum[middle]) - 10


@pytest.mark.parametrize(
    "sound",
    [
        lambda t: speech_like(t[-1] + t[1], 8000)[0][: len(t)],
        lambda t: 3000 * np.sin(2 * np.pi * 450 * t),
        lambda t: 3000 * (np.sin(2 * np.pi * 697 * t) + np.sin(2 * np.pi * 1209 * t)),
        lambda t: np.random.default_rng(1).normal(0, 1000, len(t)),
        lambda t: 0 * t,
        lambda t: 2000 * sum(np.sin(2 * np.pi * k * 300 * t) / k for k in (1, 2, 3)),
    ],
    ids=["speech", "dial tone", "DTMF", "white noise", "silence", "held note"],
)
def test_no_hum_is_found_where_there_is_none(sound):
    t = np.arange(80000) / 8000
    samples = sound(t).astype(np.float32)
    assert find_hum(samples, 8000) == ()
    assert remove_hum(samples, 8000) is samples


@pytest.mark.parametrize("channels", [1, 2])
def test_silence_stays_silence(channels):
    pcm = np.zeros((channels, 50_000), np.int16)
    assert not reduce_noise(pcm, 8000, LIGHT).any()


@pytest.mark.parametrize("length", [0, 1, 2, 100, 128, 129, 255, 256, 257, 1000, 16_001, 33_000])
@pytest.mark.parametrize("rate", [8000, 16000])
def test_any_length_keeps_its_shape(length, rate):
    pcm = np.random.default_rng(0).normal(0, 1000, (2, length)).astype(np.int16)
    quiet = reduce_noise(pcm, rate, LIGHT)
    assert quiet.shape == pcm.shape
    assert quiet.dtype == np.int16


def test_full_scale_does_not_wrap_around():
    square = np.where(np.sin(2 * np.pi * 317 * np.arange(40_000) / 8000) > 0, 32767, -32768).astype(np.int16)
    quiet = reduce_noise(square[None], 8000, LIGHT)[0]
    assert np.mean(np.sign(quiet) == np.sign(square)) > 0.97


def test_channels_do_not_touch_each_other():
    left = np.random.default_rng(0).normal(0, 500, 20_000).astype(np.int16)
    pair = reduce_noise(np.stack([left, np.zeros_like(left)]), 8000, LIGHT)
    assert not pair[1].any()
    assert np.array_equal(pair[0], reduce_noise(left[None], 8000, LIGHT)[0])


def test_blocks_leave_no_seam(monkeypatch):
    pcm = np.random.default_rng(0).normal(0, 500, (1, 60_000)).astype(np.int16)
    whole = reduce_noise(pcm, 8000, LIGHT)
    monkeypatch.setattr("qingting.audio.denoise._BLOCK_FRAMES", 100)
    assert np.abs(reduce_noise(pcm, 8000, LIGHT).astype(int) - whole).max() <= 1
