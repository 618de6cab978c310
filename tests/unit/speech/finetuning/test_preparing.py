"""Reviewed speech becomes a data set: cut, resampled, split by call, with everything unusable counted."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from qingting.errors import DatasetError, NotAudioError
from qingting.speech.finetuning.dataset import ABOUT, TRAIN, VALIDATION, Examples, label, read_clip
from qingting.speech.finetuning.preparing import PreparationOptions, Reviewed, prepare

RATE = 8000
GREETING = "您好，请问有什么可以帮您？"


def read(path: Path) -> tuple[int, np.ndarray]:
    """Ten seconds of two channels: the second is twice as loud."""
    if path.name.startswith("broken"):
        raise NotAudioError("the bytes are no recording")
    tone = (1000 * np.sin(np.arange(10 * RATE) / 5)).astype(np.int16)
    return RATE, np.stack([tone, 2 * tone])


def rows(calls: int = 10) -> list[Reviewed]:
    return [
        Reviewed(
            recording=Path(f"call{c}.wav"), text="您好，请问有什么可以帮您？", start_ms=1000, end_ms=3000, group=f"c{c}"
        )
        for c in range(calls)
        for _ in range(2)
    ]


def test_a_data_set_is_written_and_read_back(tmp_path: Path) -> None:
    extra = replace(rows(1)[0], channel=1, language="yue", text="唔該。", prompt="订单、退款")
    result = prepare([*rows(), extra], tmp_path / "data", read)
    assert (result.train + result.validation, result.left_out) == (21, {})
    training, kept = Examples(tmp_path / "data" / TRAIN), Examples(tmp_path / "data" / VALIDATION)
    training.check()
    kept.check()
    assert len(training) == result.train
    assert len(kept) == result.validation
    both = [*training, *kept]
    assert {one.answer for one in both} == {
        "language Chinese<asr_text>您好，请问有什么可以帮您？",
        "language Cantonese<asr_text>唔該。",
    }
    (cantonese,) = [one for one in both if one.language == "yue"]
    assert cantonese.prompt == "订单、退款"
    samples = read_clip(cantonese.audio)
    assert len(samples) == pytest.approx(16000 * 2.2, abs=2), "with its margins, at 16 kHz"
    assert np.abs(samples).max() == pytest.approx(2000 / 32768, rel=0.1), "the second channel"
    about = json.loads((tmp_path / "data" / ABOUT).read_text(encoding="utf-8"))
    assert about["train_hours"] == pytest.approx(result.train * 2.2 / 3600, abs=1e-3)


def test_calls_are_never_split(tmp_path: Path) -> None:
    texts = {f"c{call}": f"第{call}通" for call in range(20)}
    reviewed = [replace(row, text=texts[row.group]) for row in rows(20)]
    prepare(reviewed, tmp_path / "a", read)
    prepare(list(reversed(reviewed)), tmp_path / "b", read)
    found = {}
    for name in "ab":
        training = {one.text for one in Examples(tmp_path / name / TRAIN)}
        kept = {one.text for one in Examples(tmp_path / name / VALIDATION)}
        assert not training & kept
        assert len(kept) == 2
        found[name] = kept
    assert found["a"] == found["b"], "the order of the input does not matter"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"channel": 2}, "no such channel"),
        ({"channel": -1}, "no such channel"),
        ({"start_ms": 3000, "end_ms": 3000}, "outside the recording"),
        ({"start_ms": 11_000, "end_ms": 12_000}, "outside the recording"),
        ({"start_ms": 1000, "end_ms": 1200}, "too short"),
        ({"start_ms": 0, "end_ms": 31_000}, "too long"),
        ({"text": "……！"}, "no words"),
        ({"text": "快" * 200}, "denser than anyone speaks"),
        ({"recording": Path("broken.wav")}, "recording cannot be decoded"),
    ],
)
def test_what_cannot_be_trained_is_left_out_and_counted(tmp_path: Path, change: dict, reason: str) -> None:
    result = prepare([*rows(), replace(rows()[0], **change)], tmp_path / "data", read)
    assert result.left_out == {reason: 1}
    assert result.train + result.validation == 20
    assert result.unreadable == (("broken.wav",) if "recording" in change else ())


def test_silence_is_trained_as_silence(tmp_path: Path) -> None:
    prepare([*rows(), replace(rows()[0], text="  ")], tmp_path / "data", read)
    both = [*Examples(tmp_path / "data" / TRAIN), *Examples(tmp_path / "data" / VALIDATION)]
    assert "language None<asr_text>" in {one.answer for one in both}


@pytest.mark.parametrize("reviewed", [[], rows(1), [replace(row, text="快" * 99) for row in rows()]])
def test_too_little_is_refused(tmp_path: Path, reviewed: list[Reviewed]) -> None:
    with pytest.raises(DatasetError, match="Nothing is left"):
        prepare(reviewed, tmp_path / "data", read)


def test_a_used_folder_and_unknown_languages_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no language 'sichuan'"):
        prepare([replace(row, language="sichuan") for row in rows()], tmp_path / "a", read)
    (tmp_path / "mine.txt").write_text("keep", encoding="utf-8")
    with pytest.raises(DatasetError, match="not empty"):
        prepare(rows(), tmp_path, read)
    assert (tmp_path / "mine.txt").read_text(encoding="utf-8") == "keep"


def test_options_that_contradict_themselves() -> None:
    with pytest.raises(DatasetError):
        PreparationOptions(validation_share=1.0)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "no JSON object"),
        ("[]", "no JSON object"),
        ('{"audio": "a.wav"}', "no JSON object"),
        ('{"audio": 1, "text": "language Chinese<asr_text>好"}', "must be text"),
        ('{"audio": "a.wav", "text": "好"}', "must be written"),
        ('{"audio": "missing.wav", "text": "language Chinese<asr_text>好"}', "missing"),
    ],
)
def test_broken_lines_are_named(tmp_path: Path, line: str, words: str) -> None:
    (tmp_path / TRAIN).write_text(f"\n{line}\n", encoding="utf-8")
    with pytest.raises(DatasetError, match="example 1") as caught:
        Examples(tmp_path / TRAIN).check()
    assert words in str(caught.value)
    assert "好" not in str(caught.value)


def test_missing_and_empty_files(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="cannot be read"):
        Examples(tmp_path / TRAIN)
    (tmp_path / TRAIN).write_text("\n\n", encoding="utf-8")
    with pytest.raises(DatasetError, match="no example"):
        Examples(tmp_path / TRAIN)


def test_labels() -> None:
    assert label("Hello.", "en") == "language English<asr_text>Hello."
    assert label("", "") == "language None<asr_text>"
    with pytest.raises(KeyError):
        label("x", "sichuan")
