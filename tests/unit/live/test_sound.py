"""Arriving bytes become the same samples however they are cut; nonsense ends in silence or a typed error."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from qingting.audio.decode import decode_recording
from qingting.audio.options import AudioOptions, RawFormat
from qingting.errors import InputError
from qingting.live.sound import MOST_BROKEN, open_decoder
from qingting.testing.live_doors import opus_packets, to_alaw, to_mulaw

RAW = ("pcm16", "pcm16be", "alaw", "mulaw")


def tone(hertz: float, rate_hertz: int, seconds: float) -> NDArray[np.int16]:
    times = np.arange(round(rate_hertz * seconds)) / rate_hertz
    return (8000 * np.sin(2 * np.pi * hertz * times)).astype(np.int16)


def loudest_hertz(samples: NDArray[np.int16], rate_hertz: int) -> float:
    return float(np.argmax(np.abs(np.fft.rfft(samples))) * rate_hertz / samples.size)


@given(
    encoding=st.sampled_from(RAW),
    channels=st.sampled_from([1, 2]),
    data=st.binary(max_size=200),
    cuts=st.lists(st.integers(0, 200), max_size=20),
)
def test_any_cut_gives_the_same_samples(encoding: str, channels: int, data: bytes, cuts: list[int]) -> None:
    whole = open_decoder(encoding, 8000, channels).decode(data)
    decoder = open_decoder(encoding, 8000, channels)
    edges = sorted([0, len(data), *(min(cut, len(data)) for cut in cuts)])
    pieces = [decoder.decode(data[start:end]) for start, end in pairwise(edges)]
    joined = np.concatenate([*pieces, decoder.finish()], axis=1)
    assert joined.dtype == np.int16
    assert np.array_equal(joined, whole)
    assert whole.shape == (channels, len(data) // (channels * (2 if encoding.startswith("pcm") else 1)))


@pytest.mark.parametrize(("encoding", "width"), [("pcm16", 2), ("pcm16be", 2), ("alaw", 1), ("mulaw", 1)])
def test_two_channels_are_interleaved(encoding: str, width: int) -> None:
    data = np.arange(64, dtype=np.uint8).tobytes()
    left = b"".join(data[at : at + width] for at in range(0, 64, 2 * width))
    right = b"".join(data[at : at + width] for at in range(width, 64, 2 * width))
    both = open_decoder(encoding, 16_000, 2).decode(data)
    assert np.array_equal(both[0], open_decoder(encoding, 16_000, 1).decode(left)[0])
    assert np.array_equal(both[1], open_decoder(encoding, 16_000, 1).decode(right)[0])


@pytest.mark.parametrize("encoding", ["alaw", "mulaw"])
def test_g711_is_that_of_recordings(encoding: str) -> None:
    # The decoder of recordings takes long runs of zeros for damage, so each code stands alone.
    codes = np.random.default_rng(0).permutation(np.tile(np.arange(256, dtype=np.uint8), 8)).tobytes()
    raw = RawFormat(encoding=encoding, sample_rate_hertz=8000, channels=1)
    recording = decode_recording(codes, AudioOptions(raw=raw)).pcm
    assert np.array_equal(open_decoder(encoding, 8000, 1).decode(codes), recording)


@pytest.mark.parametrize(("encoding", "encode"), [("alaw", to_alaw), ("mulaw", to_mulaw)])
def test_the_encoders_of_tests_give_values_the_code_they_came_from(encoding: str, encode) -> None:
    codes = np.arange(256, dtype=np.uint8)
    values = open_decoder(encoding, 8000, 1).decode(codes.tobytes())[0]
    again = open_decoder(encoding, 8000, 1).decode(encode(values).tobytes())[0]
    assert np.array_equal(again, values)
    loud = np.array([-32768, 32767], np.int16)
    assert np.array_equal(open_decoder(encoding, 8000, 1).decode(encode(loud).tobytes())[0] > 30_000, [False, True])


def test_both_byte_orders_of_linear_samples() -> None:
    samples = np.array([-32768, -2, 0, 1, 258, 32767], np.int16)
    assert np.array_equal(open_decoder("pcm16", 8000, 1).decode(samples.astype("<i2").tobytes())[0], samples)
    assert np.array_equal(open_decoder("pcm16be", 8000, 1).decode(samples.astype(">i2").tobytes())[0], samples)


def test_samples_do_not_change_with_the_buffer_they_came_in() -> None:
    buffer = bytearray(b"\x01\x00\x02\x00")
    samples = open_decoder("pcm16", 8000, 1).decode(bytes(buffer))
    buffer[:] = b"\xff" * 4
    assert samples.tolist() == [[1, 2]]


@pytest.mark.parametrize(
    ("encoding", "rate_hertz", "channels"),
    [
        ("pcm16", 44_100, 1),
        ("pcm16", 0, 1),
        ("mulaw", 8000, 0),
        ("mulaw", 8000, 3),
        ("opus", 48_000, 1),
        ("opus", 16_000, 6),
        ("mp3", 16_000, 1),
        ("", 8000, 1),
        ("PCM16", 8000, 1),
    ],
)
def test_what_cannot_be_is_refused(encoding: str, rate_hertz: int, channels: int) -> None:
    with pytest.raises(InputError):
        open_decoder(encoding, rate_hertz, channels)


@pytest.mark.parametrize("frame_ms", [10, 20, 60])
@pytest.mark.parametrize("rate_hertz", [8000, 16_000])
def test_opus_gives_the_sound_of_both_channels(rate_hertz: int, frame_ms: int) -> None:
    pcm = np.stack([tone(440, 48_000, 1.2), tone(1000, 48_000, 1.2)])
    decoder = open_decoder("opus", rate_hertz, 2)
    packets = opus_packets(pcm, 48_000, frame_ms=frame_ms)
    got = np.concatenate([*(decoder.decode(one) for one in packets), decoder.finish()], axis=1)
    assert got.shape == (2, len(packets) * frame_ms * rate_hertz // 1000)
    middle = got[:, rate_hertz // 2 : rate_hertz]
    assert loudest_hertz(middle[0], rate_hertz) == pytest.approx(440, abs=3)
    assert loudest_hertz(middle[1], rate_hertz) == pytest.approx(1000, abs=3)
    assert np.abs(middle).max() == pytest.approx(8000, rel=0.25)


def test_opus_of_another_number_of_channels_fits_what_was_said() -> None:
    packets = opus_packets(tone(440, 16_000, 0.4)[np.newaxis], 16_000)
    decoder = open_decoder("opus", 16_000, 2)
    got = np.concatenate([*(decoder.decode(one) for one in packets), decoder.finish()], axis=1)
    assert got.shape == (2, len(packets) * 320)
    assert np.array_equal(got[0], got[1])


def test_lost_opus_packets_leave_silence_of_their_length() -> None:
    packets = opus_packets(tone(440, 48_000, 1.0)[np.newaxis], 48_000)
    decoder = open_decoder("opus", 16_000, 1)
    sent = [*packets[:20], b"", b"\xff\xff\xff", b"", *packets[23:]]
    got = np.concatenate([*(decoder.decode(one) for one in sent), decoder.finish()], axis=1)[0]
    assert got.size == len(packets) * 320
    assert np.abs(got[20 * 320 + 100 : 23 * 320 - 100]).max() < 100
    assert np.abs(got[10 * 320 : 19 * 320]).max() > 6000
    assert np.abs(got[30 * 320 : 40 * 320]).max() > 6000


def test_lost_and_broken_opus_packets_are_counted() -> None:
    packets = opus_packets(np.stack([tone(500, 16_000, 1.0)]), 16_000)
    decoder = open_decoder("opus", 16_000, 1)
    for number, packet in enumerate(packets):
        decoder.decode(b"" if number in (5, 6) else b"\xff" * 40 if number == 9 else packet)
    assert decoder.missing_ms == 60
    raw = open_decoder("pcm16", 16_000, 1)
    raw.decode(b"\0" * 321)
    assert raw.missing_ms == 0


def test_sound_that_is_no_opus_at_all_is_refused() -> None:
    decoder = open_decoder("opus", 16_000, 1)
    for _ in range(MOST_BROKEN):
        assert not decoder.decode(b"\xff\xff\xff").any()
    with pytest.raises(InputError):
        decoder.decode(b"\xff\xff\xff")
    with pytest.raises(InputError):
        open_decoder("opus", 16_000, 1).decode(b"\x00" * 70_000)


@given(packets=st.lists(st.binary(max_size=60), max_size=20), data=st.data())
def test_broken_opus_never_gives_more_than_a_packet_can_hold(packets: list[bytes], data: st.DataObject) -> None:
    good = _GOOD[data.draw(st.integers(0, len(_GOOD) - 1))]
    at = data.draw(st.integers(0, len(good) - 1))
    spoilt = good[:at] + data.draw(st.binary(min_size=1, max_size=4)) + good[at + 1 :]
    decoder = open_decoder("opus", 16_000, 2)
    sent = [good, *packets, spoilt, good]
    total = sum(decoder.decode(one).shape[1] for one in sent) + decoder.finish().shape[1]
    assert 640 <= total <= len(sent) * 16 * 120 + 16


_GOOD = opus_packets(np.stack([tone(300, 16_000, 0.5), tone(500, 16_000, 0.5)]), 16_000)
