"""Decoding: every codec gives the sound that went in, and damage is named, never hidden."""

import io
import struct
import wave

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qingting.audio._amr import NARROW_BAND, WIDE_BAND, amr_frames
from qingting.audio._samples import ALAW, MULAW
from qingting.audio._wav import parse_wav
from qingting.audio.decode import decode
from qingting.audio.options import AudioLimits, AudioOptions, RawFormat
from qingting.audio.source import open_source
from qingting.errors import (
    AudioLimitError,
    BrokenAudioError,
    EmptyAudioError,
    NoAudioTrackError,
    NotAudioError,
    QingtingError,
)


def speech(seconds: float, rate: int, rows: int = 1) -> np.ndarray:
    """Voiced, syllabic sound below 3 kHz, int16."""
    time = np.arange(int(seconds * rate)) / rate
    made = []
    for row in range(rows):
        pitch = 2 * np.pi * (120 + 50 * row) * time + 4 * np.sin(2 * np.pi * 1.3 * time)
        voice = sum(np.sin(k * pitch) / k for k in range(1, 15))
        made.append(voice * np.clip(np.sin(2 * np.pi * 1.7 * time + row), 0.02, 1) * 5000)
    return np.array(made).astype(np.int16)


def encode(pcm, rate: int, container: str, codec: str, *, bit_rate: int = 0, options=None, name=None) -> bytes:
    """Encode with FFmpeg's libraries into memory."""
    buffer = io.BytesIO()
    layout = "mono" if pcm.shape[0] == 1 else "stereo"
    with av.open(buffer, "w", format=container, options=options or {}) as output:
        stream = output.add_stream(codec, rate=rate, options={"strict": "-2"})
        stream.layout = layout
        if bit_rate:
            stream.bit_rate = bit_rate
        for start in range(0, pcm.shape[1], rate):
            packed = np.ascontiguousarray(pcm[:, start : start + rate].T.reshape(1, -1))
            frame = av.AudioFrame.from_ndarray(packed, format="s16", layout=layout)
            frame.sample_rate, frame.pts = rate, start
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return buffer.getvalue()


def wav(pcm, rate: int, *, data_size: int | None = None, tail: bytes = b"", form: bytes | None = None) -> bytes:
    data = pcm.T.astype("<i2").tobytes()
    rows = pcm.shape[0]
    form = form or struct.pack("<HHIIHH", 1, rows, rate, rate * rows * 2, rows * 2, 16)
    size = len(data) if data_size is None else data_size
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", size) + data + tail
    return b"RIFF" + struct.pack("<I", len(body)) + body


def read(data: bytes, **options):
    return decode(open_source(data, AudioLimits()), AudioOptions(**options))


def likeness(decoded, original) -> float:
    """Highest correlation within 100 ms of shift, each at the decoded rate."""
    size = 1 << int(np.ceil(np.log2(len(decoded) + len(original))))
    a, b = decoded.astype(float), original.astype(float)
    product = np.fft.irfft(np.fft.rfft(a, size) * np.conj(np.fft.rfft(b, size)))
    near = max(product[:1600].max(), product[-1600:].max())
    return near / np.sqrt((a @ a) * (b @ b))


def envelope_likeness(decoded, original) -> float:
    """Correlation of the loudness over 20 ms cells: for speech codecs, which keep no wave form."""
    cell = 160
    length = min(len(decoded), len(original)) // cell * cell
    levels = [
        np.log10(1 + np.square(x[:length].astype(float)).reshape(-1, cell).mean(axis=1)) for x in (decoded, original)
    ]
    return float(np.corrcoef(levels[0], levels[1])[0, 1])


CODECS = [
    # container, codec, rate, bit rate, names in the result, likeness
    ("wav", "pcm_u8", 8000, 0, ("wav", "pcm_u8"), 0.99),
    ("wav", "pcm_s16le", 8000, 0, ("wav", "pcm_s16le"), 0.9999),
    ("wav", "pcm_s24le", 8000, 0, ("wav", "pcm_s24le"), 0.9999),
    ("wav", "pcm_s32le", 16000, 0, ("wav", "pcm_s32le"), 0.9999),
    ("wav", "pcm_f32le", 16000, 0, ("wav", "pcm_f32le"), 0.9999),
    ("wav", "pcm_f64le", 8000, 0, ("wav", "pcm_f64le"), 0.9999),
    ("wav", "pcm_alaw", 8000, 0, ("wav", "pcm_alaw"), 0.99),
    ("wav", "pcm_mulaw", 8000, 0, ("wav", "pcm_mulaw"), 0.99),
    ("wav", "adpcm_ima_wav", 8000, 0, ("wav", "adpcm_ima_wav"), 0.99),
    ("wav", "adpcm_ms", 8000, 0, ("wav", "adpcm_ms"), 0.99),
    ("wav", "libmp3lame", 16000, 32000, ("wav", "mp3"), 0.98),
    ("w64", "pcm_s16le", 8000, 0, ("w64", "pcm_s16le"), 0.9999),
    ("aiff", "pcm_s16be", 8000, 0, ("aiff", "pcm_s16be"), 0.9999),
    ("au", "pcm_mulaw", 8000, 0, ("au", "pcm_mulaw"), 0.99),
    ("mp3", "libmp3lame", 8000, 16000, ("mp3", "mp3"), 0.95),
    ("mp3", "libmp3lame", 16000, 32000, ("mp3", "mp3"), 0.98),
    ("mp3", "libmp3lame", 44100, 64000, ("mp3", "mp3"), 0.98),
    ("amr", "libopencore_amrnb", 8000, 12200, ("amr", "amr_nb"), 0.85),
    ("3gp", "libopencore_amrnb", 8000, 12200, ("mov,mp4,m4a,3gp,3g2,mj2", "amr_nb"), 0.85),
    ("ipod", "aac", 16000, 32000, ("mov,mp4,m4a,3gp,3g2,mj2", "aac"), 0.98),
    ("adts", "aac", 44100, 64000, ("aac", "aac"), 0.98),
    ("ogg", "libopus", 16000, 24000, ("ogg", "opus"), 0.9),
    ("webm", "libopus", 16000, 24000, ("matroska,webm", "opus"), 0.9),
    ("flac", "flac", 16000, 0, ("flac", "flac"), 0.9999),
    ("asf", "wmav2", 16000, 32000, ("asf", "wmav2"), 0.98),
    ("mpegts", "aac", 16000, 32000, ("mpegts", "aac"), 0.98),
]


@pytest.mark.parametrize(
    ("container", "codec", "rate", "bit_rate", "names", "like"), CODECS, ids=[f"{c[0]}-{c[1]}-{c[2]}" for c in CODECS]
)
def test_every_codec(container, codec, rate, bit_rate, names, like):
    decoded = read(encode(speech(4, rate), rate, container, codec, bit_rate=bit_rate))
    assert (decoded.format.container, decoded.format.codec) == names
    assert decoded.rate_hertz == (8000 if rate == 8000 else 16_000)
    assert decoded.pcm.dtype == np.int16
    assert decoded.pcm.shape[0] == decoded.format.channels == 1
    assert decoded.format.duration_ms == pytest.approx(4000, abs=200)
    assert decoded.format.duration_ms == round(decoded.pcm.shape[1] * 1000 / decoded.rate_hertz)
    assert (decoded.format.truncated, decoded.format.truncation, decoded.notes) == (False, "", ())
    original = speech(4, decoded.rate_hertz)[0]
    if codec == "libopencore_amrnb":
        assert envelope_likeness(decoded.pcm[0], original) > like
    else:
        assert likeness(decoded.pcm[0], original) > like


@pytest.mark.parametrize(
    ("container", "codec", "rate"),
    [("wav", "pcm_s16le", 8000), ("wav", "pcm_mulaw", 8000), ("mp3", "libmp3lame", 16000), ("flac", "flac", 48000)],
)
def test_two_channels_stay_in_order(container, codec, rate):
    decoded = read(encode(speech(4, rate, 2), rate, container, codec, bit_rate=64_000 if codec == "libmp3lame" else 0))
    expected = speech(4, decoded.rate_hertz, 2)
    assert decoded.pcm.shape[0] == 2
    for row in range(2):
        assert likeness(decoded.pcm[row], expected[row]) > 0.95
        assert likeness(decoded.pcm[row], expected[1 - row]) < 0.7


def test_exact_where_nothing_need_be_lost():
    pcm = speech(1, 8000, 2)
    for data in (wav(pcm, 8000), encode(pcm, 8000, "wav", "pcm_s24le"), encode(pcm, 8000, "flac", "flac")):
        assert np.array_equal(read(data).pcm, pcm)


@pytest.mark.parametrize(("codec", "table"), [("pcm_alaw", ALAW), ("pcm_mulaw", MULAW)])
def test_g711_tables_agree_with_ffmpeg(codec, table):
    decoder = av.CodecContext.create(codec, "r")
    decoder.sample_rate, decoder.layout = 8000, "mono"
    assert np.array_equal(decoder.decode(av.Packet(bytes(range(256))))[0].to_ndarray()[0], table)


@pytest.mark.parametrize(
    ("rate", "result"), [(6000, 8000), (7999, 8000), (8000, 8000), (8001, 16000), (11025, 16000), (48000, 16000)]
)
def test_rates(rate, result):
    decoded = read(wav(speech(3, rate), rate))
    assert decoded.rate_hertz == result
    assert decoded.format.sample_rate_hertz == rate
    assert decoded.pcm.shape[1] == pytest.approx(3 * result, abs=2)
    assert likeness(decoded.pcm[0], speech(3, result)[0]) > 0.99


def test_resampling_moves_nothing():
    pcm = np.zeros((1, 44_100 * 20), np.int16)
    pcm[0, 44_100 * 15] = 30_000
    assert abs(int(np.argmax(np.abs(read(wav(pcm, 44_100)).pcm[0]))) - 16_000 * 15) <= 1


def test_more_than_two_channels_are_mixed():
    pcm = np.stack([np.full(8000, 300 * n, np.int16) for n in range(1, 5)])
    decoded = read(wav(pcm, 8000))
    assert decoded.pcm.shape == (1, 8000)
    assert set(decoded.pcm[0]) == {750}
    assert "4 个声道" in decoded.notes[0]
    assert decoded.format.channels == 4


@pytest.mark.parametrize("encoding", ["s16le", "alaw", "mulaw"])
@pytest.mark.parametrize("channels", [1, 2])
def test_raw(encoding, channels):
    pcm = speech(2, 8000, channels)
    codec = {"s16le": "pcm_s16le", "alaw": "pcm_alaw", "mulaw": "pcm_mulaw"}[encoding]
    data = encode(pcm, 8000, encoding, codec)
    decoded = read(data, raw=RawFormat(encoding=encoding, channels=channels))
    assert (decoded.format.container, decoded.format.codec) == (encoding, codec)
    for row in range(channels):
        assert likeness(decoded.pcm[row], pcm[row]) > 0.99


def test_g722_by_name_and_as_raw(tmp_path):
    pcm = speech(3, 16_000)
    data = encode(pcm, 16_000, "g722", "g722")
    (tmp_path / "call.G722").write_bytes(data)
    by_name = decode(open_source(tmp_path / "call.G722", AudioLimits()), AudioOptions())
    as_raw = read(data, raw=RawFormat(encoding="g722", sample_rate_hertz=16_000))
    assert np.array_equal(by_name.pcm, as_raw.pcm)
    assert likeness(by_name.pcm[0], pcm[0]) > 0.99


def test_gsm_in_wav():
    blocks = 50
    rng = np.random.default_rng(0)
    data = rng.bytes(65 * blocks)
    form = struct.pack("<HHIIHHHH", 0x31, 1, 8000, 1625, 65, 0, 2, 320)
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(data)) + data
    decoded = read(b"RIFF" + struct.pack("<I", len(body)) + body)
    assert decoded.format.codec == "gsm_ms"
    assert decoded.pcm.shape == (1, 320 * blocks)
    assert decoded.pcm.any()


def test_the_audio_track_of_a_video():
    pcm = speech(3, 16_000)
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as output:
        video = output.add_stream("mpeg4", rate=10)
        video.width = video.height = 64
        audio = output.add_stream("aac", rate=16_000)
        audio.layout = "mono"
        for n in range(30):
            picture = av.VideoFrame.from_ndarray(np.full((64, 64, 3), n, np.uint8), format="rgb24")
            output.mux(video.encode(picture))
        frame = av.AudioFrame.from_ndarray(pcm, format="s16", layout="mono")
        frame.sample_rate = 16_000
        output.mux(audio.encode(frame))
        output.mux(video.encode(None))
        output.mux(audio.encode(None))
    decoded = read(buffer.getvalue())
    assert decoded.format.codec == "aac"
    assert likeness(decoded.pcm[0], pcm[0]) > 0.98


# --- AMR with silence frames -------------------------------------------------------------


def amr_frame_list(pcm, *, dtx: bool) -> list[bytes]:
    encoder = av.CodecContext.create("libopencore_amrnb", "w")
    encoder.sample_rate, encoder.layout, encoder.format, encoder.bit_rate = 8000, "mono", "s16", 12_200
    encoder.options = {"dtx": str(int(dtx))}
    packets = []
    for start in range(0, pcm.shape[1], 160):
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(pcm[:, start : start + 160]), "s16", "mono")
        frame.sample_rate, frame.pts = 8000, start
        packets += encoder.encode(frame)
    return [bytes(packet) for packet in (*packets, *encoder.encode(None))]


def pausing_speech(seconds: int = 12) -> np.ndarray:
    pcm = speech(seconds, 8000)
    pcm[:, 4 * 8000 : 8 * 8000] = np.random.default_rng(0).normal(0, 8, (1, 4 * 8000)).astype(np.int16)
    return pcm


def test_amr_with_silence_frames_loses_no_sample():
    pcm = pausing_speech()
    frames = amr_frame_list(pcm, dtx=True)
    types = [frame[0] >> 3 & 15 for frame in frames]
    assert types.count(8) > 10, "the encoder made comfort noise frames"
    assert types.count(15) > 50, "the encoder left frames out"
    decoded = read(b"#!AMR\n" + b"".join(frames))
    assert decoded.pcm.shape == (1, 160 * len(frames))
    assert not decoded.format.truncated
    after = slice(9 * 8000, 12 * 8000)
    assert envelope_likeness(decoded.pcm[0, after], pcm[0, after]) > 0.85


def test_the_ffmpeg_decoder_would_lose_them():
    """Why libopencore_amrnb is used; when this fails, the choice can be looked at again."""
    frames = amr_frame_list(pausing_speech(), dtx=True)
    decoder = av.CodecContext.create("amrnb", "r")

    def decode_all():
        return [decoder.decode(av.Packet(frame)) for frame in frames]

    with pytest.raises(av.FFmpegError):
        decode_all()


@pytest.mark.parametrize("rests", [True, False])
def test_amr_wide_band(rests):
    rng = np.random.default_rng(0)
    speech_frames = [b"\x14" + rng.bytes(32) for _ in range(40)]
    quiet = [b"\x4c" + rng.bytes(5), b"\x7c", b"\x7c", b"\x74"] * 5 if rests else []
    frames = [*speech_frames, *quiet, *speech_frames]
    decoded = read(b"#!AMR-WB\n" + b"".join(frames))
    assert decoded.format.codec == "amr_wb"
    assert decoded.rate_hertz == 16_000
    assert decoded.pcm.shape == (1, 320 * len(frames))
    assert not decoded.format.truncated


@pytest.mark.parametrize("kind", ["zeroed", "noise", "cut_out"])
def test_damage_inside_amr_does_not_move_later_times(kind):
    pcm = speech(12, 8000)
    frames = amr_frame_list(pcm, dtx=False)
    data = bytearray(b"#!AMR\n" + b"".join(frames))
    start, length = 6 + 200 * 32 + 7, 100 * 32
    data[start : start + length] = {
        "zeroed": bytes(length),
        "noise": np.random.default_rng(1).bytes(length),
        "cut_out": b"\xff" * length,
    }[kind]
    decoded = read(bytes(data))
    assert decoded.format.truncated
    assert "静音补齐" in decoded.format.truncation
    assert decoded.pcm.shape[1] == pytest.approx(160 * len(frames), abs=8 * 160)
    after = slice(8 * 8000, 11 * 8000)
    assert envelope_likeness(decoded.pcm[0, after], pcm[0, after]) > 0.85


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400), st.sampled_from([NARROW_BAND, WIDE_BAND]))
def test_amr_parser_accounts_for_every_byte(garbage, kind):
    data = kind.magic + garbage
    found = list(amr_frames(data, kind))
    assert all(0 < len(item) <= 61 if isinstance(item, bytes) else item >= 0.02 for item in found)
    assert sum(len(item) for item in found if isinstance(item, bytes)) <= len(garbage)
    assert bool(found) == bool(garbage)


# --- WAV headers -------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFF000, 0x80000000])
def test_wav_of_unknown_length_is_read_to_its_end(size):
    pcm = speech(2, 8000)
    decoded = read(wav(pcm, 8000, data_size=size))
    assert np.array_equal(decoded.pcm, pcm)
    assert not decoded.format.truncated


def test_wav_whose_header_was_never_updated_is_read_to_its_end():
    pcm = speech(4, 8000)
    decoded = read(wav(pcm, 8000, data_size=4096))
    assert np.array_equal(decoded.pcm, pcm)
    assert "实际数据" in decoded.notes[0]


@pytest.mark.parametrize(
    "tail", [b"LIST\x04\x00\x00\x00abcd", b"\x00" * 3, b"id3 " + struct.pack("<I", 200) + b"x" * 200]
)
def test_wav_chunks_after_the_data_are_no_sound(tail):
    pcm = speech(1, 8000)
    decoded = read(wav(pcm, 8000, tail=tail))
    assert np.array_equal(decoded.pcm, pcm)
    assert decoded.notes == ()


def test_wav_cut_short_says_so():
    data = wav(speech(10, 8000), 8000)
    decoded = read(data[: len(data) * 3 // 5])
    assert decoded.format.truncated
    assert "10.0秒" in decoded.format.truncation
    assert "6.0秒" in decoded.format.truncation
    assert decoded.format.duration_ms == pytest.approx(6000, abs=20)


def test_rf64_and_extensible_headers():
    pcm = speech(1, 16_000, 2)
    data = pcm.T.astype("<i2").tobytes()
    guid = struct.pack("<H", 1) + bytes.fromhex("000000001000800000aa00389b71")
    form = struct.pack("<HHIIHHHHI", 0xFFFE, 2, 16_000, 64_000, 4, 16, 22, 16, 3) + guid
    long_sizes = b"ds64" + struct.pack("<IQQQI", 28, len(data) + 100, len(data), len(data) // 4, 0)
    body = b"WAVE" + long_sizes + b"fmt " + struct.pack("<I", len(form)) + form + b"data\xff\xff\xff\xff" + data
    assert np.array_equal(read(b"RF64\xff\xff\xff\xff" + body + b"LIST\x00\x00\x00\x00").pcm, pcm)


def test_unwritten_blocks_in_g711_become_silence():
    data = bytearray(encode(speech(6, 8000), 8000, "wav", "pcm_mulaw"))
    data[-24_000:-8000] = bytes(16_000)
    decoded = read(bytes(data))
    assert not decoded.pcm[0, -24_000:-8000].any()
    assert "2.0秒" in decoded.format.truncation


def test_float_wav_with_nonsense_values():
    samples = np.zeros(8000, "<f4")
    samples[:5] = (np.nan, np.inf, -np.inf, 3.0, -0.5)
    form = struct.pack("<HHIIHH", 3, 1, 8000, 32_000, 4, 32)
    body = b"WAVEfmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", 32_000) + samples.tobytes()
    decoded = read(b"RIFF" + struct.pack("<I", len(body)) + body)
    assert decoded.pcm[0, :6].tolist() == [0, 32767, -32768, 32767, -16384, 0]


@pytest.mark.parametrize(
    ("tag", "channels", "rate", "align", "bits", "error"),
    [
        (1, 0, 8000, 2, 16, QingtingError),
        (1, 65535, 8000, 131070 & 0xFFFF, 16, QingtingError),
        (1, 9, 8000, 18, 16, AudioLimitError),
        (1, 1, 0, 2, 16, QingtingError),
        (1, 1, 4_000_000_000, 2, 16, BrokenAudioError),
        (1, 1, 100, 2, 16, BrokenAudioError),
        (0x7777, 1, 8000, 2, 16, QingtingError),
    ],
)
def test_absurd_wav_headers(tag, channels, rate, align, bits, error):
    form = struct.pack("<HHIIHH", tag, channels, rate, 16_000, align, bits)
    with pytest.raises(error):
        read(wav(speech(1, 8000), 8000, form=form))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300))
def test_wav_parser_stays_inside_the_file(garbage):
    data = b"RIFF\xff\xff\xff\xffWAVE" + garbage
    layout = parse_wav(io.BytesIO(data), len(data))
    if layout is not None:
        assert 0 <= layout.length <= len(data) - layout.offset
        assert layout.length % layout.frame_bytes == 0


# --- what is no recording, and limits ----------------------------------------------------

HLS = b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile:///etc/hostname\n#EXT-X-ENDLIST\n"


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"hello, this is text, not sound\n" * 100, NotAudioError),
        ("你好，这不是录音。".encode() * 200, NotAudioError),
        (b'{"json": true}' * 50, NotAudioError),
        (b"%PDF-1.7\n" + bytes(4000), NotAudioError),
        (bytes(10_000), NotAudioError),
        (np.random.default_rng(0).bytes(20_000), NotAudioError),
        (HLS, NotAudioError),
        (b"ffconcat version 1.0\nfile /etc/hostname\n", NotAudioError),
        (b"x", NotAudioError),
        (b"RIFF\x00\x00\x00\x00WAVE", BrokenAudioError),
        (b"RIFF\x00\x00\x00\x00WAVE" + np.random.default_rng(1).bytes(5000), BrokenAudioError),
        (b"OggS" + np.random.default_rng(2).bytes(5000), BrokenAudioError),
        (b"fLaC" + np.random.default_rng(3).bytes(5000), BrokenAudioError),
        (b"#!AMR\n" + b"\xff" * 5000, BrokenAudioError),
        (b"#!AMR\n" + np.random.default_rng(4).bytes(5000), BrokenAudioError),
        (b"\x00\x00\x00\x20ftypM4A " + np.random.default_rng(5).bytes(5000), BrokenAudioError),
        (b"#!AMR\n", EmptyAudioError),
        (wav(np.zeros((1, 0), np.int16), 8000), EmptyAudioError),
    ],
    ids=lambda value: value[:8].hex() if isinstance(value, bytes) else value.__name__,
)
def test_what_is_no_recording(data, error):
    with pytest.raises(error) as caught:
        read(data)
    assert caught.value.remedy


def test_a_video_without_sound():
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as output:
        video = output.add_stream("mpeg4", rate=10)
        video.width = video.height = 64
        for _ in range(5):
            output.mux(video.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")))
        output.mux(video.encode(None))
    with pytest.raises(NoAudioTrackError):
        read(buffer.getvalue())


@pytest.mark.parametrize(
    "data",
    [
        wav(speech(5, 8000), 8000),
        encode(speech(5, 16_000), 16_000, "mp3", "libmp3lame", bit_rate=32_000),
        encode(speech(5, 8000), 8000, "amr", "libopencore_amrnb", bit_rate=12_200),
        encode(np.zeros((1, 16_000 * 60), np.int16), 16_000, "flac", "flac"),
    ],
    ids=["wav", "mp3", "amr", "flac"],
)
def test_duration_limit_holds_while_decoding(data):
    with pytest.raises(AudioLimitError, match="longer"):
        read(data, limits=AudioLimits(max_seconds=4))


def test_silence_is_named():
    decoded = read(encode(np.zeros((1, 16_000), np.int16), 16_000, "flac", "flac"))
    assert "解码后的声音全部为静音。" in decoded.notes


@pytest.mark.parametrize("encoding", ["s24be", ""])
def test_unknown_raw_format(encoding):
    with pytest.raises(NotAudioError):
        read(b"abcdef", raw=RawFormat(encoding=encoding))
    with pytest.raises(BrokenAudioError):
        read(b"abcdef", raw=RawFormat(encoding="s16le", channels=1, sample_rate_hertz=1))


@pytest.mark.parametrize(("first", "second"), [(1, 2), (2, 1)])
def test_a_stream_that_changes_its_channels_and_rate_is_read_on(first, second):
    """Joined MP3 files; such a change crashes `av`'s own queue of frames."""
    one = encode(speech(3, 16_000, first), 16_000, "mp3", "libmp3lame", bit_rate=32_000, options={"write_xing": "0"})
    two = encode(speech(3, 44_100, second), 44_100, "mp3", "libmp3lame", bit_rate=64_000, options={"write_xing": "0"})
    two = two[two.index(b"\xff\xfb") :]
    decoded = read(one + two)
    assert decoded.rate_hertz == 16_000
    assert decoded.pcm.shape[0] == first
    assert decoded.format.duration_ms == pytest.approx(6000, abs=400)
    part = slice(4 * 16_000, 5 * 16_000)
    assert np.abs(decoded.pcm[0, part]).max() > 3000


@pytest.mark.parametrize(("channels", "error"), [(6, None), (7, None), (8, AudioLimitError), (16, AudioLimitError)])
def test_many_compressed_channels(channels, error):
    layout = {6: "5.1", 7: "6.1", 8: "7.1", 16: "hexadecagonal"}[channels]
    container, codec, kind = ("flac", "flac", "s16") if channels <= 8 else ("matroska", "pcm_s16le", "s16")
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as output:
        stream = output.add_stream(codec, rate=8000)
        stream.layout = layout
        packed = np.ascontiguousarray(np.repeat(speech(1, 8000), channels, axis=0).T.reshape(1, -1))
        frame = av.AudioFrame.from_ndarray(packed, format=kind, layout=layout)
        frame.sample_rate = 8000
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    if error is not None:
        with pytest.raises(error):
            read(buffer.getvalue())
        return
    decoded = read(buffer.getvalue())
    assert decoded.pcm.shape[0] == 1
    assert likeness(decoded.pcm[0], speech(1, 8000)[0]) > 0.99


# --- damage in the middle ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("container", "codec", "bit_rate"),
    [("mp3", "libmp3lame", 32_000), ("flac", "flac", 0), ("asf", "wmav2", 32_000), ("ogg", "libopus", 24_000)],
)
def test_a_zeroed_stretch_does_not_move_later_times(container, codec, bit_rate):
    pcm = speech(20, 16_000)
    data = bytearray(encode(pcm, 16_000, container, codec, bit_rate=bit_rate))
    start, end = int(len(data) * 0.4), int(len(data) * 0.5)
    data[start:end] = bytes(end - start)
    decoded = read(bytes(data))
    assert decoded.format.truncated
    assert decoded.format.duration_ms == pytest.approx(20_000, abs=250)
    after = slice(15 * 16_000, 19 * 16_000)
    assert likeness(decoded.pcm[0, after], pcm[0, after]) > 0.9


def test_damaged_aac_ends_where_the_damage_is():
    data = bytearray(encode(speech(20, 16_000), 16_000, "ipod", "aac", bit_rate=32_000))
    data[len(data) // 2 : len(data) // 2 + 3000] = bytes(3000)
    decoded = read(bytes(data))
    assert decoded.format.truncated
    assert "数据损坏" in decoded.format.truncation
    assert 8000 < decoded.format.duration_ms < 12_000


def test_a_file_whose_writer_died_is_marked():
    data = encode(speech(20, 16_000), 16_000, "ogg", "libopus", bit_rate=24_000)
    decoded = read(data[: len(data) // 2])
    assert decoded.format.truncated
    assert "结束标记" in decoded.format.truncation


def test_wav_module_files_are_read_exactly():
    """A third party's writer: the standard library."""
    pcm, buffer = speech(1, 8000), io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(pcm.tobytes())
    assert np.array_equal(read(buffer.getvalue()).pcm, pcm)
