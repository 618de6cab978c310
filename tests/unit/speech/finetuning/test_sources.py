"""Manifests and corrections, as CSV and JSON lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from qingting.errors import DatasetError
from qingting.speech.finetuning.sources import Correction, read_corrections, read_manifest


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_bytes(text.encode("utf-8-sig"))
    return path


def test_both_forms_of_a_manifest_say_the_same(tmp_path: Path) -> None:
    table = write(
        tmp_path,
        "m.csv",
        "audio,text,language,start_ms,end_ms,channel,call\na.wav,您好,Chinese,100,900,1,c1\nb.wav,hi,en,,,,\n",
    )
    lines = write(
        tmp_path, "m.jsonl",
        '{"audio": "a.wav", "text": "您好", "start_ms": 100, "end_ms": 900, "channel": 1, "call": "c1"}\n\n'
        '{"audio": "b.wav", "text": "hi", "language": "English"}\n',
    )  # fmt: skip
    first, second = read_manifest(table)
    assert [first, second] == read_manifest(lines)
    assert (first.recording, first.language, first.start_ms, first.end_ms, first.channel, first.call) == (
        tmp_path / "a.wav", "zh", 100, 900, 1, "c1",
    )  # fmt: skip
    assert (second.language, second.end_ms, second.call) == ("en", None, "b.wav")


def test_corrections(tmp_path: Path) -> None:
    path = write(tmp_path, "c.csv", "call_id,utterance,text\nk1,0,您好\nk1,3,\n")
    assert read_corrections(path) == [
        Correction(call_id="k1", utterance=0, text="您好"),
        Correction(call_id="k1", utterance=3, text=""),
    ]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("m.csv", "audio,text\na.wav\n", "line 2: it has more or fewer cells"),
        ("m.csv", "audio,text\na.wav,好,3\n", "line 2: it has more or fewer cells"),
        ("m.csv", "audio,words\na.wav,好\n", "line 2: there is no column 'words'"),
        ("m.csv", "audio,text\n,好\n", "line 2: `audio` is missing"),
        ("m.csv", "text\n好\n", "line 2: `audio` is missing"),
        ("m.csv", "audio,text,language\na.wav,好,Sichuan\n", "line 2: `language` is none of"),
        ("m.csv", "audio,text,start_ms\na.wav,好,-5\n", "line 2: a number is not whole"),
        ("m.csv", "audio,text,channel\na.wav,好,１\n", "line 2: a number is not whole"),
        ("m.jsonl", '{"audio": "a.wav", "text": "好"}\n{"audio"\n', "line 2: it is no JSON object"),
        ("m.jsonl", '{"audio": "a.wav", "text": ["好"]}\n', "line 1: it is no JSON object"),
        ("m.jsonl", "[1]\n", "line 1: it is no JSON object"),
    ],
)
def test_broken_manifests_are_named_by_line(tmp_path: Path, name: str, text: str, words: str) -> None:
    with pytest.raises(DatasetError, match="line") as caught:
        read_manifest(write(tmp_path, name, text))
    assert words in str(caught.value)
    assert "好" not in str(caught.value)


def test_other_encodings_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_bytes("audio,text\na.wav,好\n".encode("gb18030"))
    with pytest.raises(DatasetError, match="cannot be read"):
        read_manifest(path)
    with pytest.raises(DatasetError, match="cannot be read"):
        read_manifest(tmp_path / "missing.csv")
