from __future__ import annotations

import json
from pathlib import Path

import pytest

from qingting.errors import InputError
from qingting.speech.evaluation.material import read_material

WAV = frozenset({".wav"})


def test_pairs_of_recording_and_text(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name, text in [("b.wav", ""), ("b.txt", "您好"), ("in/a.WAV", ""), ("in/a.txt", "\ufeff再见\n"), ("c.wav", "")]:
        (tmp_path / name).write_text(text, encoding="utf-8")
    for name, data in [("d", b"\xff\xfe\x00"), ("e", b" \n")]:
        (tmp_path / f"{name}.wav").write_bytes(b"")
        (tmp_path / f"{name}.txt").write_bytes(data)
    found = read_material(tmp_path, WAV)
    assert [(one.name, dict(one.texts)) for one in found.samples] == [
        ("b.wav", {"": "您好"}),
        ("in/a.WAV", {"": "再见"}),
    ]
    assert [(one.name, one.cause) for one in found.problems] == [
        ("c.wav", "no reference text c.txt beside it"),
        ("d.wav", "d.txt cannot be read: UnicodeDecodeError"),
        ("e.wav", "e.txt is empty"),
    ]


def test_a_manifest_in_json_lines(tmp_path: Path) -> None:
    rows = [
        {"audio": "a.flac", "text": "上海", "language": "Chinese", "speaker": "S1", "seconds": 3.5, "noise": 10},
        {"audio": "b.flac", "text": "退款", "terms": ["退款", "订单"], "dialect": "", "line_of_business": "ecommerce"},
        {"audio": "a.flac", "text": "again"},
        {"audio": "c.flac"},
        ["no object"],
    ]
    text = "\n".join([*(json.dumps(row) for row in rows), "", "{broken"])
    (tmp_path / "manifest.jsonl").write_text(text, encoding="utf-8")
    found = read_material(tmp_path, WAV)
    first, second = found.samples
    assert first.audio == tmp_path / "a.flac"
    assert dict(first.labels) == {"language": "Chinese", "noise": "10"}
    assert second.terms == ("退款", "订单")
    assert second.line_of_business == "ecommerce"
    assert second.labels == {}
    assert [(one.name, one.cause) for one in found.problems] == [
        ("manifest.jsonl, line 3", "the recording stands there twice"),
        ("manifest.jsonl, line 4", "the field text is missing or no text"),
        ("manifest.jsonl, line 5", "no JSON object"),
        ("manifest.jsonl, line 7", "no valid JSON"),
    ]
    assert read_material(tmp_path / "manifest.jsonl", WAV) == found


def test_a_manifest_as_table(tmp_path: Path) -> None:
    path = tmp_path / "calls.csv"
    path.write_text("\ufeffaudio,text,dialect,terms\na.wav,我要退款,四川,退款、订单\n,x,,\n", encoding="utf-8")
    found = read_material(path, WAV)
    assert found.samples[0].terms == ("退款", "订单")
    assert dict(found.samples[0].labels) == {"dialect": "四川"}
    assert len(found.problems) == 1


@pytest.mark.parametrize("content", [b"file,text\n", b"\xff\xfe", b""])
def test_a_manifest_that_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "manifest.csv").write_bytes(content)
    with pytest.raises(InputError, match=r"manifest\.csv"):
        read_material(tmp_path, WAV)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no recordings"):
        read_material(tmp_path, WAV)
