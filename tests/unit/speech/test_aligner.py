"""The aligner's words, and what is said when it cannot run."""

import importlib.util

import pytest

from qingting.errors import EngineUnavailableError, MissingExtraError, SettingsError
from qingting.speech.aligner import Qwen3AlignerSettings, Qwen3ForcedAligner, aligner_availability, words_to_align

needs_libraries = pytest.mark.usefixtures("qwen_libraries")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("您好，请问？", ["您", "好", "请", "问"]),
        ("我要退iPhone 15。", ["我", "要", "退", "iPhone", "15"]),
        ("Thank you, don't worry!", ["Thank", "you", "don't", "worry"]),
        ("C'est l'été.", ["C'est", "l'été"]),
        ("订单号是A12-34", ["订", "单", "号", "是", "A1234"]),
        ("……！", []),
        ("", []),
        ("'", []),
    ],
)
def test_words_are_split_as_the_aligner_learnt_them(text, words):
    assert words_to_align(text, "zh") == words


def test_without_the_extra_the_command_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *_: None)
    with pytest.raises(MissingExtraError) as caught:
        Qwen3ForcedAligner()
    assert "qingting[qwen]" in caught.value.remedy
    found = aligner_availability(Qwen3AlignerSettings())
    assert (found.available, "torch" in found.detail, "qingting[qwen]" in found.remedy) == (False, True, True)


@needs_libraries
def test_without_weights_the_commands_are_named(tmp_path, monkeypatch):
    monkeypatch.setenv("MODELSCOPE_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(EngineUnavailableError) as caught:
        Qwen3ForcedAligner()
    assert "modelscope download --model Qwen/Qwen3-ForcedAligner-0.6B" in caught.value.remedy
    found = aligner_availability(Qwen3AlignerSettings())
    assert not found.available
    assert found.remedy == caught.value.remedy


@needs_libraries
def test_an_unknown_source_is_a_wrong_setting(tmp_path):
    with pytest.raises(SettingsError, match="source"):
        Qwen3ForcedAligner(Qwen3AlignerSettings(model=str(tmp_path), source="usb stick"))
