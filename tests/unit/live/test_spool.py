"""The sound of running calls on disk survives whatever ends its process."""

from __future__ import annotations

import errno
import os
import wave
from pathlib import Path

import numpy as np
import pytest

from qingting.audio.decode import decode
from qingting.audio.options import AudioLimits, AudioOptions
from qingting.audio.source import open_source
from qingting.errors import StorageFullError, StorageUnavailableError
from qingting.live.session import LiveFormat
from qingting.live.spool import Spools, repair

STEREO = LiveFormat(rate_hertz=8000, channels=2)
SOUND = np.arange(-8000, 8000, dtype=np.int16).reshape(2, 8000)


def content(samples: np.ndarray) -> bytes:
    return samples.T.tobytes()


def test_what_was_written_is_a_recording(tmp_path: Path) -> None:
    spool = Spools(tmp_path / "live").open("one", STEREO)
    spool.write(content(SOUND[:, :3]))
    spool.write(content(SOUND[:, 3:]))
    assert spool.samples == 8000
    assert spool.close()
    decoded = decode(open_source(spool.path, AudioLimits()), AudioOptions())
    assert decoded.rate_hertz == 8000
    assert np.array_equal(decoded.pcm, SOUND)
    assert not decoded.notes


@pytest.mark.parametrize("cut", [0, 1, 2, 3])
def test_a_file_that_was_being_written_is_made_whole(tmp_path: Path, cut: int) -> None:
    spools = Spools(tmp_path)
    spool = spools.open("one", STEREO)
    spool.write(content(SOUND))
    # What is on disk now is what a killed process leaves.
    path = tmp_path / "copy.wav"
    path.write_bytes(spool.path.read_bytes()[: None if not cut else -cut])
    spool.close()
    assert repair(path)
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getframerate()) == (2, 8000)
        assert file.getnframes() == (8000 if not cut else 7999)
    assert repair(path), "again changes nothing"


@pytest.mark.parametrize("left", [b"", b"RIFF", b"\0" * 44])
def test_what_holds_no_sound_says_so(tmp_path: Path, left: bytes) -> None:
    path = tmp_path / "left.wav"
    path.write_bytes(left)
    assert repair(path) is (len(left) == 44), "a file of another kind is left to the decoder"


def test_a_call_without_sound(tmp_path: Path) -> None:
    spool = Spools(tmp_path).open("one", STEREO)
    assert not spool.close()
    assert Spools(tmp_path).existing("one") == spool.path
    assert Spools(tmp_path).existing("other") is None


def test_two_calls_never_share_a_file(tmp_path: Path) -> None:
    spools = Spools(tmp_path)
    first = spools.open("one", STEREO)
    with pytest.raises(StorageUnavailableError):
        spools.open("one", STEREO)
    first.close()


def test_a_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spools = Spools(tmp_path, min_free_bytes=1 << 62)
    with pytest.raises(StorageFullError):
        spools.open("one", STEREO)
    spool = Spools(tmp_path).open("two", STEREO)
    spool.write(content(SOUND))

    class Full:
        def write(self, _: bytes) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        def close(self) -> None:
            return None

    spool._file.close()
    monkeypatch.setattr(spool, "_file", Full())
    with pytest.raises(StorageFullError):
        spool.write(content(SOUND))
    assert spool.close(), "what came before is kept"
    assert spool.path.stat().st_size == 44 + 8000 * 4


def test_half_a_second_at_most_is_not_on_disk_yet(tmp_path: Path) -> None:
    spool = Spools(tmp_path).open("one", STEREO)
    for first in range(0, 8000, 160):
        spool.write(content(SOUND[:, first : first + 160]))
        assert spool.samples * 4 - (spool.path.stat().st_size - 44) < 8000 * 4 // 2
    spool.close()


def test_a_folder_that_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageUnavailableError):
        Spools(tmp_path / "file" / "live").open("one", STEREO)
