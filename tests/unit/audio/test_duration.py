"""How long recordings say they are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from qingting.audio.decode import decode
from qingting.audio.duration import stated_seconds
from qingting.audio.options import AudioOptions
from qingting.audio.source import open_source
from qingting.testing import sample_calls

ONE_OF_EACH = {sample.audio_path.suffix: sample.audio_path for sample in sample_calls()}


@pytest.mark.parametrize("path", ONE_OF_EACH.values(), ids=lambda path: path.suffix)
def test_what_recordings_state_is_true_within_a_tenth(path: Path) -> None:
    options = AudioOptions()
    decoded = decode(open_source(path, options.limits), options)
    stated = stated_seconds(path)
    assert stated is not None
    assert stated == pytest.approx(decoded.format.duration_ms / 1000, rel=0.1)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.wav", b""),
        ("text.wav", b"no recording"),
        ("cut.wav", b"RIFF\x24\x00\x00\x00WAVE"),
        ("zip.mp3", b"PK\x03\x04" + bytes(200)),
        ("noise.mp3", os.urandom(5000)),
    ],
)
def test_what_states_nothing_is_no_error(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    found = stated_seconds(path)
    assert found is None or found >= 0


def test_a_missing_file_is_no_error(tmp_path: Path) -> None:
    assert stated_seconds(tmp_path / "missing.wav") is None
