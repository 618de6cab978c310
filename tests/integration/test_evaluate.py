"""`qingting evaluate` on small folders, with an engine that reads its answers from a script."""

from __future__ import annotations

import builtins
import json
import shutil
import wave
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from qingting import bootstrap, evaluator
from qingting.cli.evaluate import evaluate
from qingting.model.audio import PreparedAudio, SpeechSpan
from qingting.speech.engine import Recognition
from qingting.testing import ScriptedEngine
from qingting.testing.samples import sample_call, sample_folder


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[Recognition | str]:
    """What the engine will answer, one after the other; the last one again and again."""
    given: list[Recognition | str] = []
    monkeypatch.setattr(evaluator, "open_engine", lambda _: ScriptedEngine(given[:-1], otherwise=given[-1]))
    return given


def run(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(evaluate, [str(one) for one in arguments])
    assert result.exit_code == code, result.output
    return result.stdout


@cache
def _voice(prepare: Callable[..., PreparedAudio]) -> tuple[int, tuple[SpeechSpan, ...], np.ndarray]:
    prepared = prepare(sample_call("agent_interrupts").audio_path)
    return prepared.rate_hertz, prepared.spans, prepared.pcm


def speak(path: Path, text: str = "") -> None:
    """Write one utterance of a sample call's voice, so that voice activity finds exactly one."""
    from qingting.audio.front_end import prepare

    rate, spans, pcm = _voice(prepare)
    first = spans[0]
    samples = np.zeros(rate * 3, dtype=np.int16)
    piece = pcm[first.channel, first.start_ms * rate // 1000 : first.end_ms * rate // 1000][: rate * 2]
    samples[rate // 2 : rate // 2 + len(piece)] = piece
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.tobytes())
    if text:
        path.with_suffix(".txt").write_text(text, encoding="utf-8")


def test_pairs_are_measured_and_bad_files_do_not_stop_it(tmp_path: Path, answers: list[Recognition | str]) -> None:
    speak(tmp_path / "a.wav", "我要投诉你们")
    speak(tmp_path / "b.wav", "我要投诉你们")
    speak(tmp_path / "c.wav")
    (tmp_path / "d.wav").write_bytes(b"no sound at all")
    (tmp_path / "d.txt").write_text("您好", encoding="utf-8")
    answers += ["我要头诉你们", "我要投速你"]
    plain = json.loads(run(tmp_path, "--json", code=1))
    row = plain["rows"][0]
    assert (row["files"], row["way"], row["characters"]) == (2, "scripted", 12)
    assert row["corrections"] == 2
    assert row["false_corrections"] == 0
    assert row["term_recall"] == 1.0
    assert row["character_error_rate"] == round(1 / 12, 5)
    assert row["flags"]["corrected"] == 2
    assert [(one["name"], one["cause"].split(":")[0]) for one in plain["failed"]] == [
        ("c.wav", "no reference text c.txt beside it"),
        ("d.wav", "not_audio"),
    ]
    assert "hypothesis" not in plain["files"][0]


def test_the_corrector_can_be_left_out(tmp_path: Path, answers: list[Recognition | str]) -> None:
    speak(tmp_path / "a.wav", "我要投诉你们")
    answers += ["我要头诉你们"]
    plain = json.loads(run(tmp_path, "--json", "--texts", "--no-correct-terms"))
    assert plain["rows"][0]["corrections"] == 0
    assert plain["rows"][0]["term_recall"] == 0.0
    assert plain["files"][0]["hypothesis"] == "我要头诉你们。"
    assert plain["files"][0]["reference"] == "我要投诉你们"


def test_a_false_correction_is_counted(tmp_path: Path, answers: list[Recognition | str]) -> None:
    speak(tmp_path / "a.wav", "他写了头诉两个字")
    answers += ["他写了头诉两个字"]
    row = json.loads(run(tmp_path, "--json"))["rows"][0]
    assert (row["corrections"], row["false_corrections"]) == (1, 1)


def test_a_manifest_gives_rows_by_property(tmp_path: Path, answers: list[Recognition | str]) -> None:
    speak(tmp_path / "a.wav")
    speak(tmp_path / "b.wav")
    (tmp_path / "manifest.csv").write_text("audio,text,dialect\na.wav,您好,四川\nb.wav,再见,天津\n", encoding="utf-8")
    answers += ["您好", "再"]
    table = run(tmp_path)
    assert "| all | scripted | 2 | 25.00 |" in table
    assert "| dialect=四川 | scripted | 1 | 0.00 |" in table
    assert "| dialect=天津 | scripted | 1 | 50.00 |" in table


def test_call_scripts_give_references_per_channel_and_times(answers: list[Recognition | str], tmp_path: Path) -> None:
    for path in sample_folder().glob("agent_interrupts.*"):
        shutil.copy(path, tmp_path)
    answers += ["您好"]
    plain = json.loads(run(tmp_path, "--json"))
    assert plain["rows"][0]["files"] == 1
    assert plain["rows"][1]["label"] == "channel"
    assert plain["files"][0]["errors"]["reference"] > 150
    assert plain["files"][0]["shifts_ms"]


def test_a_folder_without_anything_is_wrong_usage(tmp_path: Path) -> None:
    assert CliRunner().invoke(evaluate, [str(tmp_path)]).exit_code == 2


def test_comparing_says_what_is_missing(
    tmp_path: Path, answers: list[Recognition | str], monkeypatch: pytest.MonkeyPatch
) -> None:
    speak(tmp_path / "a.wav", "您好")
    answers += ["您好"]
    real = builtins.__import__

    def without(name: str, *rest: object, **more: object) -> object:
        if name == "faster_whisper":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    result = CliRunner().invoke(evaluate, [str(tmp_path), "--against", "faster-whisper"])
    assert type(result.exception).__name__ == "MissingExtraError"
    assert "pip install" in result.exception.remedy


def test_settings_and_packs_choose_words_and_correction(tmp_path: Path) -> None:
    from qingting.model.call import CallInfo
    from qingting.settings import load_settings

    (tmp_path / "shop.yaml").write_text(
        'id: shop\nname: "店"\nversion: "1"\nextends: ecommerce\nhot_words: [shop]\ncorrect_terms: false\n',
        encoding="utf-8",
    )
    lists = tmp_path / "lists"
    lists.mkdir()
    (lists / "shop.yaml").write_text(
        'id: shop\nname: "店"\nversion: "1"\ncategories:\n  - {id: a, name: 甲, words: [云朵杯]}\n', encoding="utf-8"
    )
    plan_for = bootstrap.plans(load_settings(pack_folder=tmp_path, hot_word_folder=lists, hot_words_per_call=3))
    shop, ecommerce = plan_for("shop"), plan_for("ecommerce")
    assert shop.corrector is None
    assert shop.hot_words_for(CallInfo(call_id="1")) == ("云朵杯",)
    assert ecommerce.corrector is not None
    named = ecommerce.hot_words_for(CallInfo(call_id="1", fields={"product": "云朵杯"}))
    assert named[0] == "云朵杯"
    assert len(named) == 3
    off = bootstrap.plans(load_settings(correct_terms=False, hot_words_per_call=0))("telecom")
    assert off.corrector is None
    assert off.hot_words_for(CallInfo(call_id="1")) == ()
