"""Damaged and hostile files of every format: each ends in sound or in a typed error.

Runs in worker processes, as in production, so that a crash of a decoder is a failed test
and not the end of the test run. All damage is drawn from fixed seeds.
"""

import struct
import tempfile
from collections import Counter
from pathlib import Path

import av
import numpy as np
import pytest

from qingting.audio.decode import Decoded
from qingting.audio.options import AudioOptions
from qingting.audio.worker import WorkerPool
from qingting.errors import AudioError, QingtingError

SECONDS = 2.5
FORMATS = [
    # container, encoder, rate, bit rate, channels
    ("wav", "pcm_s16le", 8000, 0, 1),
    ("wav", "pcm_mulaw", 8000, 0, 2),
    ("wav", "pcm_f32le", 16000, 0, 1),
    ("wav", "adpcm_ima_wav", 8000, 0, 1),
    ("mp3", "libmp3lame", 16000, 32000, 1),
    ("mp3", "libmp3lame", 44100, 64000, 2),
    ("amr", "libopencore_amrnb", 8000, 12200, 1),
    ("3gp", "libopencore_amrnb", 8000, 12200, 1),
    ("ipod", "aac", 16000, 32000, 1),
    ("mp4", "aac", 44100, 64000, 2),
    ("adts", "aac", 16000, 32000, 1),
    ("ogg", "libopus", 16000, 24000, 1),
    ("ogg", "vorbis", 16000, 32000, 2),
    ("webm", "libopus", 16000, 24000, 1),
    ("flac", "flac", 16000, 0, 1),
    ("asf", "wmav2", 16000, 32000, 1),
    ("avi", "libmp3lame", 16000, 32000, 1),
    ("mpegts", "aac", 16000, 32000, 1),
]
NAMES = [f"{container}-{codec}-{channels}" for container, codec, _, _, channels in FORMATS]


def speech(rate: int, channels: int) -> np.ndarray:
    time = np.arange(int(SECONDS * rate)) / rate
    rows = []
    for channel in range(channels):
        pitch = 2 * np.pi * (120 + 60 * channel) * time + 4 * np.sin(2 * np.pi * 1.3 * time)
        voice = sum(np.sin(k * pitch) / k for k in range(1, 12))
        rows.append(voice * np.clip(np.sin(2 * np.pi * 1.7 * time + channel), 0.05, 1) * 5000)
    return np.array(rows).astype(np.int16)


def encode(container: str, codec: str, rate: int, bit_rate: int, channels: int) -> bytes:
    layout = "mono" if channels == 1 else "stereo"
    # The index in front: else every cut file of this family is lost whole.
    options = {"movflags": "faststart"} if container in ("ipod", "mp4", "3gp") else {}
    with tempfile.NamedTemporaryFile() as file:
        write(file.name, container, codec, rate, bit_rate, speech(rate, channels), layout, options)
        return Path(file.name).read_bytes()


def write(name, container, codec, rate, bit_rate, pcm, layout, options) -> None:
    with av.open(name, "w", format=container, options=options) as output:
        stream = output.add_stream(codec, rate=rate, options={"strict": "-2"})
        stream.layout = layout
        if bit_rate:
            stream.bit_rate = bit_rate
        packed = np.ascontiguousarray(pcm.T.reshape(1, -1))
        frame = av.AudioFrame.from_ndarray(packed, format="s16", layout=layout)
        frame.sample_rate, frame.pts = rate, 0
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))


def flipped(data: bytes, count: int, rng: np.random.Generator, *, below: int | None = None) -> bytes:
    damaged = bytearray(data)
    for at in rng.integers(0, below or len(data), count):
        damaged[at] ^= 1 << int(rng.integers(8))
    return bytes(damaged)


def replaced(data: bytes, start: float, share: float, by: bytes) -> bytes:
    first, length = int(len(data) * start), int(len(data) * share)
    return data[:first] + (by * length)[:length] + data[first + length :]


def mutations(data: bytes, seed: int) -> dict[str, bytes]:
    """Twenty ways in which a file goes wrong."""
    rng = np.random.default_rng(seed)
    half = len(data) // 2
    return {
        "cut at 10 bytes": data[:10],
        "cut at 100 bytes": data[:100],
        "cut at 30 %": data[: len(data) * 3 // 10],
        "cut at 60 %": data[: len(data) * 6 // 10],
        "cut at 97 %": data[: len(data) * 97 // 100],
        "cut before the last byte": data[:-1],
        "one bit": flipped(data, 1, rng),
        "20 bits": flipped(data, 20, rng),
        "500 bits": flipped(data, 500, rng),
        "5 bits in the header": flipped(data, 5, rng, below=60),
        "30 bits in the header": flipped(data, 30, rng, below=200),
        "zeroed header": bytes(40) + data[40:],
        "zeroed block": replaced(data, 0.4, 0.2, b"\0"),
        "block of ones": replaced(data, 0.5, 0.1, b"\xff"),
        "zeroed tail": replaced(data, 0.6, 0.4, b"\0"),
        "noise in the middle": data[:half] + rng.bytes(2000) + data[half + 2000 :],
        "garbage after the header": data[:64] + rng.bytes(len(data) - 64),
        "a part is missing": data[: half // 2] + data[half:],
        "a part stands twice": data[:half] + data[half // 2 :],
        "junk in front": rng.bytes(300) + data,
    }


@pytest.fixture(scope="module")
def pool():
    """Workers that open, digest and decode what they are sent, as the front end does."""
    with WorkerPool("qingting.audio.decode:decode_recording", workers=2, timeout_seconds=20) as opened:
        yield opened


def outcome(pool: WorkerPool, data: bytes) -> Decoded | AudioError:
    """What becomes of the bytes; a crash, a time-out or an untyped error fails the test."""
    try:
        return pool.run(data, AudioOptions())
    except AudioError as error:
        return error


def check(decoded: Decoded) -> None:
    """No silent empty result."""
    assert decoded.pcm.size
    assert decoded.pcm.dtype == np.int16
    assert decoded.pcm.shape[0] in (1, 2)
    assert decoded.rate_hertz in (8000, 16_000)
    assert decoded.format.duration_ms < 60_000
    assert decoded.format.truncated == bool(decoded.format.truncation)
    if not decoded.pcm.any():
        assert any("静音" in note for note in decoded.notes), "silence from sound must be named"


@pytest.mark.parametrize("form", FORMATS, ids=NAMES)
def test_damaged_files_end_in_sound_or_in_a_typed_error(pool, form):
    data = encode(*form)
    whole = outcome(pool, data)
    assert isinstance(whole, Decoded)
    assert not whole.format.truncated
    assert np.abs(whole.pcm).max() > 3000

    kept = Counter()
    for name, damaged in mutations(data, seed=NAMES.index("-".join(map(str, (form[0], form[1], form[4]))))).items():
        result = outcome(pool, damaged)
        if isinstance(result, QingtingError):
            assert result.remedy, name
        else:
            check(result)
            kept["sound"] += 1
    assert kept["sound"] >= 5, "damage in one place must not cost the whole recording"


@pytest.mark.parametrize("form", [form for form in FORMATS if form[0] not in ("mpegts", "adts", "avi", "3gp")])
def test_a_cut_recording_says_that_it_is_cut(pool, form):
    data = encode(*form)
    result = outcome(pool, data[: len(data) * 6 // 10 + 1])
    if isinstance(result, Decoded):
        assert result.format.truncated
        assert result.format.duration_ms < SECONDS * 1000 * 0.75


@pytest.mark.parametrize(
    "magic",
    [
        b"RIFF\xff\xff\xff\xffWAVEfmt ",
        b"#!AMR\n",
        b"#!AMR-WB\n",
        b"ID3\x04\0\0\0\0\0\0",
        b"\xff\xfb\x90\x64",
        b"OggS\0\x02",
        b"fLaC\0\0\0\x22",
        b"\0\0\0\x20ftypM4A ",
        bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"),
        b"\x1a\x45\xdf\xa3",
        b"FLV\x01",
        b"FORM\0\0\xff\xffAIFF",
        b".snd\0\0\0\x18",
        b"caff\0\x01",
        b"RIFF\xff\xff\xff\xffAVI LIST",
    ],
)
@pytest.mark.parametrize("seed", [1, 2])
def test_garbage_behind_a_true_magic(pool, magic, seed):
    rng = np.random.default_rng(seed)
    for body in (rng.bytes(30_000), bytes(30_000), b"\xff" * 30_000, b"", b"text " * 5000):
        result = outcome(pool, magic + body)
        if isinstance(result, Decoded):
            check(result)


ABSURD = [
    {"rate": 0},
    {"rate": 4_000_000_000},
    {"rate": 1},
    {"channels": 0},
    {"channels": 65_535},
    {"align": 0},
    {"align": 65_535},
    {"bits": 0},
    {"bits": 65_535},
    {"tag": 0},
    {"tag": 0xFFFF},
    {"tag": 0x11, "bits": 4, "align": 0},
    {"tag": 0x31, "align": 65, "bits": 0},
    {"tag": 0x55, "bits": 0},
    {"tag": 0x0161, "bits": 16, "align": 1},
    {"data": 0xFFFFFFFE},
    {"data": 1},
    {"form": 0xFFFFFFF0},
]


@pytest.mark.parametrize("absurd", ABSURD, ids=str)
def test_absurd_wav_headers(pool, absurd):
    sound = speech(8000, 1).tobytes()
    values = {"tag": 1, "channels": 1, "rate": 8000, "align": 2, "bits": 16, "data": len(sound), "form": 16} | absurd
    form = struct.pack(
        "<HHIIHH", values["tag"], values["channels"], values["rate"], 16_000, values["align"], values["bits"]
    )
    data = b"WAVEfmt " + struct.pack("<I", values["form"]) + form + b"data" + struct.pack("<I", values["data"]) + sound
    result = outcome(pool, b"RIFF" + struct.pack("<I", len(data)) + data)
    if isinstance(result, Decoded):
        check(result)
    if "rate" in absurd or absurd.get("channels") == 65_535:
        assert isinstance(result, AudioError)


def test_no_worker_was_lost(pool):
    """A worker that had crashed would have failed its test; this one proves the pool still works."""
    assert isinstance(outcome(pool, encode(*FORMATS[0])), Decoded)
