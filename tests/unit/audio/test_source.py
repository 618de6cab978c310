"""Sources: what is refused before decoding, and that error texts never hold a name."""

import hashlib
import os
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qingting.audio.options import AudioLimits
from qingting.audio.source import HEAD_BYTES, open_source, sniff
from qingting.errors import AudioLimitError, BrokenAudioError, EmptyAudioError, UnreadableAudioError

LIMITS = AudioLimits(max_bytes=1000)
NAME = "13800138000 王女士.wav"


def test_reads_a_file_and_bytes_alike(tmp_path):
    data = b"RIFF\x00\x00\x00\x00WAVE" + bytes(range(200))
    path = tmp_path / NAME
    path.write_bytes(data)
    for source in (open_source(path, LIMITS), open_source(str(path), LIMITS), open_source(data, LIMITS)):
        assert (source.size_bytes, source.sha256) == (len(data), hashlib.sha256(data).hexdigest())
        assert source.head == data[:HEAD_BYTES]
        assert source.kind == "wav"
        with source.open() as file:
            assert file.read() == data
    assert open_source(path, LIMITS).suffix == ".wav"
    assert open_source(memoryview(data), LIMITS).suffix == ""


def test_digest_covers_more_than_one_block(tmp_path):
    data = os.urandom((1 << 20) + 17)
    path = tmp_path / "long"
    path.write_bytes(data)
    assert open_source(path, AudioLimits()).sha256 == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("make", ["missing", "directory", "pipe", "device", "no_permission", "null_in_name"])
def test_refuses_what_is_no_readable_regular_file(tmp_path, make):
    path = tmp_path / NAME
    match make:
        case "directory":
            path.mkdir()
        case "pipe":
            os.mkfifo(path)
        case "device":
            path = "/dev/zero"
        case "no_permission":
            if os.geteuid() == 0:
                pytest.skip("root may read everything")
            path.write_bytes(b"x")
            path.chmod(0)
        case "null_in_name":
            path = "a\x00b"
    with pytest.raises(UnreadableAudioError) as caught:
        open_source(path, LIMITS)
    assert NAME not in str(caught.value)
    assert "13800138000" not in str(caught.value) + caught.value.remedy
    assert caught.value.__cause__ is None


def test_follows_a_link(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    assert open_source(tmp_path / "b", LIMITS).size_bytes == 3


@pytest.mark.parametrize("in_file", [True, False])
@pytest.mark.parametrize(("size", "error"), [(0, EmptyAudioError), (1001, AudioLimitError), (1000, None), (1, None)])
def test_size_bounds(tmp_path, size, error, in_file):
    given_bytes = bytes(size)
    if in_file:
        given_bytes = tmp_path / NAME
        given_bytes.write_bytes(bytes(size))
    if error is None:
        assert open_source(given_bytes, LIMITS).size_bytes == size
        return
    with pytest.raises(error) as caught:
        open_source(given_bytes, LIMITS)
    assert NAME not in str(caught.value)


@pytest.mark.parametrize("change", ["grow", "rewrite", "vanish"])
def test_notices_a_file_that_is_still_being_written(tmp_path, change):
    path = tmp_path / "a.wav"
    path.write_bytes(b"x" * 100)
    os.utime(path, ns=(1, 1))
    source = open_source(path, LIMITS)
    if change == "grow":
        path.write_bytes(b"x" * 101)
    elif change == "rewrite":
        path.write_bytes(b"y" * 100)
    else:
        path.unlink()
    expected = UnreadableAudioError if change == "vanish" else BrokenAudioError
    with pytest.raises(expected), source.open():
        pass


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"RIFF....WAVEfmt ", "wav"),
        (b"RF64....WAVEds64", "wav"),
        (b"RIFF....AVI LIST", "avi"),
        (b"RIFF....WEBPVP8 ", ""),
        (b"#!AMR\n<", "amr"),
        (b"#!AMR-WB\n", "amr"),
        (b"\x00\x00\x00\x20ftypM4A ", "mov"),
        (b"OggS\x00\x02", "ogg"),
        (b"fLaC\x00", "flac"),
        (b"ID3\x04\x00", "mp3"),
        (b"\xff\xfb\x90\x64", "mp3"),
        (b"\xff\xf3\x48\xc4", "mp3"),
        (b"\xff\xf1\x60\x40", "mp3"),
        (b"\xff\xff\xff\xff", ""),
        (b"\xff\xfb\xf0\x00", ""),
        (b"FORM....AIFF", "aiff"),
        (b"\x1a\x45\xdf\xa3", "matroska"),
        (bytes.fromhex("3026b2758e66cf11a6d9"), "asf"),
        (b"<html><body>", ""),
        (b"RIFF", ""),
        (b"", ""),
    ],
)
def test_sniff(head, kind):
    assert sniff(head) == kind


@given(st.binary(max_size=HEAD_BYTES))
def test_sniff_never_fails(head):
    assert isinstance(sniff(head), str)


@given(st.integers(0, 2**32 - 1))
def test_sniff_takes_no_mpeg_header_with_reserved_fields(word):
    head = struct.pack(">I", word | 0xFFE00000)
    reserved = (word >> 19 & 3) == 1 or (word >> 12 & 15) in (0, 15) or (word >> 10 & 3) == 3
    adts = head[1] & 0xF6 == 0xF0
    if reserved and not adts:
        assert sniff(head) == ""
