"""The made-up clips of the tiny Qwen3-ASR; its answers are tested where the engines are."""

import importlib.util

import numpy as np
import pytest

from qingting.errors import MissingExtraError
from qingting.testing.tiny_qwen3 import tiny_clips, tiny_qwen3


def test_clips_are_sound_and_unlike_each_other():
    clips = tiny_clips()
    assert len({clip.name for clip in clips}) == len(clips)
    assert len({clip.raw for clip in clips}) == len(clips)
    for clip in clips:
        assert clip.samples.dtype == np.float32
        assert len(clip.samples) % 16_000 == 0
        assert np.abs(clip.samples).max() < 0.9
        assert (np.abs(clip.samples).max() > 0.05) == bool(clip.text)


def test_units_stand_on_the_aligners_grid_inside_the_clip():
    for clip in tiny_clips():
        times = [time for _, *pair in clip.units for time in pair]
        assert times == sorted(times)
        assert all(time % 80 == 0 and time * 16 <= len(clip.samples) for time in times)
        assert bool(clip.units) == bool(clip.text)


def test_hot_words_turn_one_sound_into_another_text():
    clips = {clip.name: clip for clip in tiny_clips()}
    assert np.array_equal(clips["misheard"].samples, clips["corrected"].samples)
    assert clips["misheard"].text != clips["corrected"].text
    assert [clip.name for clip in tiny_clips() if clip.hot_words] == ["corrected"]


def test_without_the_extra_the_command_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *_: None)
    with pytest.raises(MissingExtraError) as caught:
        tiny_qwen3(tmp_path)
    assert "qingting[qwen]" in caught.value.remedy


def test_checkpoints_are_made_once(tiny):
    before = (tiny.native / "model.safetensors").stat().st_mtime_ns
    again = tiny_qwen3(tiny.native.parents[1])
    assert again.native == tiny.native
    assert (again.native / "model.safetensors").stat().st_mtime_ns == before
    for folder in (tiny.native, tiny.original, tiny.aligner_native, tiny.aligner_original):
        assert sum(path.stat().st_size for path in folder.iterdir()) < 1_000_000
