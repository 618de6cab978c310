"""What is refused at the door, by first bytes and suffix."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from qingting.errors import EmptyAudioError, NotAudioError, QingtingError, ScriptError
from qingting.model.call import CallInfo
from qingting.service.upload_checks import check_conversation, check_head, safe_suffix
from qingting.testing import sample_calls

WAV = b"RIFF\x24\x00\x00\x00WAVEfmt "


@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        ("call.wav", ".wav"),
        ("CALL.MP3", ".mp3"),
        ("录音.amr", ".amr"),
        ("../../etc/passwd", ""),
        ("../../../x.wav", ".wav"),
        ("..\\..\\windows\\x.wav", ".wav"),
        ("x.wav/../../y", ""),
        ("x.wav\x00.exe", ".exe"),
        ("x.\x00wav", ""),
        ("x.wav\r\nContent-Type: text/html", ""),
        ("x.wa v", ""),
        ("x.tar.gz", ".gz"),
        ("x." + "a" * 9, ""),
        ("a" * 10_000 + ".wav", ".wav"),
        (".wav", ""),
        ("", ""),
        ("x.é", ""),
    ],
)
def test_only_a_usual_suffix_is_kept_of_a_name(name: str, suffix: str) -> None:
    assert safe_suffix(name) == suffix


@pytest.mark.parametrize("sample", sample_calls(), ids=lambda one: one.audio_path.name)
def test_the_sample_recordings_pass(sample: object) -> None:
    path: Path = sample.audio_path  # type: ignore[attr-defined]
    check_head(path.read_bytes()[:64], path.suffix)


@pytest.mark.parametrize(
    ("head", "suffix"),
    [
        (WAV, ".wav"),
        (WAV, ""),
        (WAV, ".txt"),
        (bytes(range(7, 71)), ".g722"),
        (b"\xd5" * 64, ".gsm"),
        (b"\x47" + bytes(range(63)), ".ts"),
        (b"\x00" * 64, ".mp3"),
    ],
)
def test_what_may_be_a_recording_passes(head: bytes, suffix: str) -> None:
    check_head(head, suffix)


@pytest.mark.parametrize(
    ("head", "suffix"),
    [
        (b"PK\x03\x04" + bytes(60), ".wav"),
        (b"PK\x03\x04" + bytes(60), ".mp3"),
        (b"%PDF-1.7", ".mp3"),
        (b"\x7fELF" + bytes(60), ".gsm"),
        (b"MZ\x90\x00", ".mp3"),
        (b"<html><script>", ".mp3"),
        (b"just some words", ".g722"),
        (b"#!/bin/sh\n", ".ts"),
        (b"\x01\x02\x03\x04", ".wav"),
        (b"\x01\x02\x03\x04", ""),
        (b"RIFF\x24\x00\x00\x00WEBP", ".wav"),
        (b"R", ".wav"),
    ],
)
def test_what_is_certainly_no_recording_is_refused(head: bytes, suffix: str) -> None:
    with pytest.raises(NotAudioError):
        check_head(head, suffix)


def test_no_bytes_are_no_recording_even_a_headerless_one() -> None:
    with pytest.raises(EmptyAudioError):
        check_head(b"", ".wav", raw="alaw:8000:1")


def test_a_headerless_recording_may_begin_with_anything() -> None:
    check_head(b"<html>", "", raw="alaw:8000:1")


MESSAGES = [{"role": "customer", "text": "你好"}, {"role": "agent", "text": "您好"}]


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ("", EmptyAudioError),
        ("{", ScriptError),
        ("[]", ScriptError),
        ('[{"role": "customer"}]', ScriptError),
        ("[" * 100_000, ScriptError),
        ('"\\ud800"', ScriptError),
    ],
)
def test_a_broken_conversation_is_refused_without_naming_its_file(
    tmp_path: Path, content: str, error: type[QingtingError]
) -> None:
    path = tmp_path / "13812345678.json"
    path.write_text(content)
    with pytest.raises(error) as caught:
        check_conversation(path, CallInfo(call_id="c"))
    assert "13812345678" not in caught.value.cause


def test_a_conversation_passes(tmp_path: Path) -> None:
    path = tmp_path / "chat.json"
    path.write_text(json.dumps(MESSAGES))
    check_conversation(path, CallInfo(call_id="c"))
