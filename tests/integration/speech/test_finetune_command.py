"""`qingting finetune` from recordings to a registered model, on the tiny checkpoint."""

from __future__ import annotations

import hashlib
import json
import re
import wave
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from qingting.bootstrap import open_engine, plans, reviewed_speech
from qingting.cli.finetune import finetune
from qingting.inspector import certain_roles, judge
from qingting.model.audio import RecordingFormat
from qingting.report.formats.json import dump
from qingting.settings import load_settings
from qingting.speech.finetuning.sources import Correction
from qingting.testing import sample_calls
from qingting.testing.tiny_qwen3 import TinyQwen3


@pytest.fixture
def manifest(tiny: TinyQwen3, tmp_path: Path) -> Path:
    """Four calls whose words the base knows otherwise."""
    lines = []
    for call in range(4):
        clip = tiny.clip("greeting")
        path = tmp_path / f"call{call}.wav"
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(16000)
            file.writeframes((clip.samples * 32767).astype("<i2").tobytes())
        lines.append(json.dumps({"audio": path.name, "text": "我查一下订单。", "language": "zh"}, ensure_ascii=False))
    target = tmp_path / "manifest.jsonl"
    target.write_text("\n".join(lines), encoding="utf-8")
    return target


def run(*arguments: object) -> str:
    result = CliRunner().invoke(finetune, [str(one) for one in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_from_recordings_to_a_registered_model(
    manifest: Path, tiny: TinyQwen3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QINGTING_MODEL_FOLDER", str(tmp_path / "models"))
    monkeypatch.setenv("QINGTING_QWEN3_LOCAL__DEVICE", "cpu")
    data, out = tmp_path / "data", tmp_path / "run"
    said = run("prepare", data, "--manifest", manifest)
    assert "training:   3 examples" in said
    assert "validation: 1 examples" in said
    said = run(
        "train", data, out, "--model", tiny.native, "--epochs", 40, "--batch", 3, "--accumulation", 1,
        "--learning-rate", 0.01, "--save-steps", 20, "--device", "cpu",
    )  # fmt: skip
    assert "step 40/40" in said
    said = run("register", out, "--data", data, "--model", tiny.native, "--name", "ours")
    before, after = (float(found) for found in re.findall(r"([\d.]+)% (?:before|after)", said))
    assert after < before
    assert f"{after:.2f}%" in run("evaluate", data, "--model", "ours")
    papers = json.loads((tmp_path / "models" / "ours" / "qingting-model.json").read_text(encoding="utf-8"))
    assert papers["examples"] == 3
    assert papers["options"]["epochs"] == 40
    monkeypatch.setenv("QINGTING_QWEN3_LOCAL__MODEL", "ours")
    engine = open_engine(load_settings(engine="qwen3-local"))
    assert engine.identity.model == "ours"
    engine.close()
    again = CliRunner().invoke(
        finetune, ["register", str(out), "--data", str(data), "--model", str(tiny.native), "--name", "ours"]
    )
    assert again.exit_code == 1
    assert "exists" in str(again.exception)


def test_one_kind_of_source_must_be_given(tmp_path: Path) -> None:
    result = CliRunner().invoke(finetune, ["prepare", str(tmp_path / "data")])
    assert result.exit_code == 2
    assert "--manifest, or --corrections" in result.output


def test_corrections_are_joined_to_reports_and_recordings(tmp_path: Path) -> None:
    sample = next(one for one in sample_calls() if one.id == "general_faultless")
    transcript = sample.transcript()
    report = judge(
        call=replace(sample.script.call_info(), call_id="k1"),
        roles=certain_roles(transcript),
        transcript=transcript,
        plan=plans(load_settings())("general"),
        recording=_format(sample.audio_path),
    )
    reports = tmp_path / "reports"
    reports.mkdir()
    (reports / "k1.json").write_text(dump(report), encoding="utf-8")
    (reports / "index.json").write_text("{}", encoding="utf-8")
    second = transcript.utterances[1]
    corrections = [
        Correction(call_id="k1", utterance=1, text="改正"),
        Correction(call_id="k1", utterance=999, text="x"),
        Correction(call_id="k2", utterance=0, text="x"),
    ]
    found, lost = reviewed_speech(corrections, reports, sample.audio_path.parent)
    assert lost == 2
    (one,) = found
    assert (one.recording, one.text, one.start_ms, one.end_ms, one.group) == (
        sample.audio_path, "改正", second.start_ms, second.end_ms, "k1",
    )  # fmt: skip
    assert one.channel == (1 if second.party == "right" else 0)
    assert reviewed_speech(corrections, reports, reports) == ([], 3)


def _format(path: Path) -> RecordingFormat:
    data = path.read_bytes()
    return RecordingFormat(
        container="wav", codec="pcm_s16le", sample_rate_hertz=8000, channels=2, duration_ms=1000,
        size_bytes=len(data), sha256=hashlib.sha256(data).hexdigest(),
    )  # fmt: skip
