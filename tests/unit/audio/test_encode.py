"""Encoding: the MP3's time line is the call's time line; WAV and peaks are exact."""

import io
import wave

import av
import numpy as np
import pytest

from qingting.audio.encode import encode_mp3, encode_wav, peaks, write_wav


def noise(seconds: float, rate: int, rows: int = 1, seed: int = 0):
    """Speech-band noise in syllables: has a sharp correlation peak."""
    rng = np.random.default_rng(seed)
    raw = rng.normal(0, 3000, (rows, int(seconds * rate)))
    smooth = np.apply_along_axis(lambda row: np.convolve(row, np.hanning(9) / 4, "same"), 1, raw)
    syllables = 0.6 + 0.4 * np.sin(np.arange(raw.shape[1]) * 2 * np.pi * 4 / rate)
    return (smooth * syllables).astype(np.int16)


def decode(data: bytes) -> np.ndarray:
    with av.open(io.BytesIO(data)) as container:
        assert container.streams.audio[0].rate == 16_000
        return np.concatenate([frame.to_ndarray() for frame in container.decode(audio=0)], axis=1)


def shift(original, decoded) -> int:
    size = 1 << int(np.ceil(np.log2(len(original) + len(decoded))))
    product = np.fft.irfft(np.fft.rfft(decoded, size) * np.conj(np.fft.rfft(original, size)))
    best = int(np.argmax(product))
    return best if best < size // 2 else best - size


@pytest.mark.parametrize("rate", [8000, 16_000])
@pytest.mark.parametrize("rows", [1, 2])
def test_mp3_keeps_time_line_and_parties_apart(rate, rows):
    pcm = noise(20, rate, rows)
    decoded = decode(encode_mp3(pcm, rate))
    assert decoded.shape[0] == rows
    assert 20.0 <= decoded.shape[1] / 16_000 < 20.1
    step = 16_000 // rate
    for row in range(rows):
        for second in (0, 10, 18):
            a = pcm[row, second * rate : (second + 2) * rate].astype(float)
            b = decoded[row, second * 16_000 : (second + 2) * 16_000 : step]
            assert abs(shift(a, b)) <= 0.005 * rate
            assert np.corrcoef(a, b[: len(a)])[0, 1] > 0.9
    if rows == 2:
        assert abs(np.corrcoef(decoded[0], decoded[1])[0, 1]) < 0.1


def test_mp3_end_is_not_cut_off():
    pcm = np.zeros((1, 16_000 * 3), np.int16)
    pcm[0, -800:] = noise(0.05, 16_000)[0]
    decoded = decode(encode_mp3(pcm, 16_000))
    end = decoded[0, 16_000 * 3 - 800 : 16_000 * 3]
    assert np.corrcoef(end, pcm[0, -800:])[0, 1] > 0.8


def test_mp3_size_follows_the_bit_rate():
    pcm = noise(10, 8000, 2)
    assert len(encode_mp3(pcm, 8000)) == pytest.approx(2 * 32_000 / 8 * 10, rel=0.02)
    assert len(encode_mp3(pcm, 8000, kbit_per_channel=16)) == pytest.approx(2 * 16_000 / 8 * 10, rel=0.02)


@pytest.mark.parametrize("samples", [0, 1, 575, 577])
def test_mp3_of_very_short_sound(samples):
    decoded = decode(encode_mp3(np.ones((1, samples), np.int16), 16_000))
    assert decoded.shape[1] >= samples


def test_takes_a_single_row_and_refuses_other_shapes():
    row = noise(1, 8000)[0]
    assert encode_wav(row, 8000) == encode_wav(row[np.newaxis], 8000)
    for wrong in (np.zeros((3, 10), np.int16), np.zeros((1, 10), np.float32), np.zeros((1, 1, 1), np.int16)):
        with pytest.raises(ValueError, match="int16"):
            encode_mp3(wrong, 8000)


@pytest.mark.parametrize("rows", [1, 2])
def test_wav_is_exact(tmp_path, rows):
    pcm = noise(0.5, 8000, rows)
    write_wav(tmp_path / "clip.wav", pcm, 8000)
    for target in (io.BytesIO(encode_wav(pcm, 8000)), str(tmp_path / "clip.wav")):
        with wave.open(target) as file:
            assert (file.getnchannels(), file.getframerate(), file.getsampwidth()) == (rows, 8000, 2)
            read = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, rows).T
        assert np.array_equal(read, pcm)


def test_peaks_find_the_highest_level_of_each_bucket():
    pcm = np.zeros((2, 1000), np.int16)
    pcm[0, 150], pcm[0, 999], pcm[1, 0], pcm[1, 500] = 16_384, -8192, -32_768, 32_767
    left, right = peaks(pcm, 10)
    assert left == [0, 0.5, 0, 0, 0, 0, 0, 0, 0, 0.25]
    assert right == [1.0, 0, 0, 0, 0, 1.0, 0, 0, 0, 0]


@pytest.mark.parametrize(("samples", "buckets"), [(0, 4), (1, 4), (3, 7), (7, 3), (1000, 1)])
def test_peaks_always_fill_all_buckets(samples, buckets):
    found = peaks(np.full((1, samples), 3277, np.int16), buckets)
    assert [len(row) for row in found] == [buckets]
    assert set(found[0]) == ({0.1} if samples else {0.0})


def test_peaks_refuse_no_buckets():
    with pytest.raises(ValueError, match="buckets"):
        peaks(np.zeros((1, 10), np.int16), 0)
