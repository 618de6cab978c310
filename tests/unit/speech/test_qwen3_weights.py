"""Finding weights and telling whole ones from broken ones, by files alone."""

import importlib.util
import json
import struct
from pathlib import Path

import pytest

from qingting.errors import EngineUnavailableError, MissingExtraError, SettingsError
from qingting.speech import qwen3_weights
from qingting.speech.qwen3_weights import Kind, Source, find_model, read_checkpoint, require_model, revision

MODEL = "Qwen/Qwen3-ASR-0.6B"
PARTS = {"audio_config": {}, "text_config": {}}
NATIVE = {"model_type": "qwen3_asr", "architectures": ["Qwen3ASRForConditionalGeneration"], **PARTS}
ORIGINAL = {"model_type": "qwen3_asr", "thinker_config": PARTS}
NATIVE_ALIGNER = {"model_type": "qwen3_asr", "architectures": ["Qwen3ASRForTokenClassification"], **PARTS}
ORIGINAL_ALIGNER = {"model_type": "qwen3_asr", "thinker_config": {**PARTS, "classify_num": 5000}}


def weights(size=16):
    header = json.dumps({"w": {"dtype": "F32", "shape": [size // 4], "data_offsets": [0, size]}}).encode()
    return struct.pack("<Q", len(header)) + header + bytes(size)


def checkpoint(folder, config=NATIVE, *, content=None):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(weights() if content is None else content)
    return folder


@pytest.fixture(autouse=True)
def empty_home(tmp_path, monkeypatch):
    for name in ("MODELSCOPE_CACHE", "HF_HOME", "HF_HUB_CACHE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    return tmp_path / "home"


@pytest.mark.parametrize(
    "place",
    [
        ".cache/modelscope/models/Qwen/Qwen3-ASR-0___6B",
        ".cache/modelscope/hub/models/Qwen/Qwen3-ASR-0.6B",
        ".cache/modelscope/hub/Qwen/Qwen3-ASR-0___6B",
        ".cache/modelscope/models/Qwen--Qwen3-ASR-0.6B/snapshots/master",
        ".cache/huggingface/hub/models--Qwen--Qwen3-ASR-0.6B/snapshots/5eb144",
    ],
)
def test_downloads_are_found_where_the_hubs_keep_them(empty_home, place):
    assert find_model(MODEL) is None
    folder = checkpoint(empty_home / place)
    assert find_model(MODEL) == folder
    assert find_model("Qwen/Qwen3-ASR-1.7B") is None


def test_the_hubs_own_variables_are_respected(tmp_path, monkeypatch):
    ours = checkpoint(tmp_path / "scope" / "models" / "Qwen" / "Qwen3-ASR-0___6B")
    theirs = checkpoint(tmp_path / "face" / "hub" / "models--Qwen--Qwen3-ASR-0.6B" / "snapshots" / "abc")
    monkeypatch.setenv("MODELSCOPE_CACHE", str(tmp_path / "scope"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "face"))
    assert find_model(MODEL) == ours
    assert find_model(MODEL, Source.HUGGINGFACE) == theirs
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "nowhere"))
    assert find_model(MODEL, Source.HUGGINGFACE) == ours


def test_the_snapshot_that_main_names_counts(empty_home):
    root = empty_home / ".cache/huggingface/hub/models--Qwen--Qwen3-ASR-0.6B"
    old, new = checkpoint(root / "snapshots" / "old"), checkpoint(root / "snapshots" / "new")
    assert find_model(MODEL) in (old, new)
    (root / "refs").mkdir()
    (root / "refs" / "main").write_text("old\n")
    assert find_model(MODEL) == old


def test_missing_weights_name_the_commands_and_the_size():
    with pytest.raises(EngineUnavailableError) as caught:
        require_model(MODEL)
    for part in (f"modelscope download --model {MODEL}", f"hf download {MODEL}", "1.9 GB"):
        assert part in caught.value.remedy


def test_a_folder_that_is_not_there_is_a_wrong_setting(tmp_path):
    with pytest.raises(SettingsError, match="does not exist"):
        require_model(str(tmp_path / "models" / "qwen"))


@pytest.mark.parametrize("name", ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"])
def test_nothing_is_downloaded_when_the_environment_forbids_it(monkeypatch, name):
    monkeypatch.setattr(qwen3_weights, "_download", lambda *_: pytest.fail("downloaded"))
    monkeypatch.setenv(name, "1")
    with pytest.raises(EngineUnavailableError, match="forbids downloads"):
        require_model(MODEL, Source.HUGGINGFACE)


def test_only_a_named_source_downloads(monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *_: object())
    monkeypatch.setattr(qwen3_weights, "_download", lambda *what: asked.append(what) or str(tmp_path))
    with pytest.raises(EngineUnavailableError):
        require_model(MODEL)
    assert require_model(MODEL, Source.MODELSCOPE) == tmp_path
    assert require_model(MODEL, Source.HUGGINGFACE) == tmp_path
    assert asked == [("modelscope", MODEL), ("huggingface_hub", MODEL)]


def test_a_failed_download_is_an_error_that_may_pass(monkeypatch):
    def broken(*_):
        raise ConnectionError("secret address")

    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *_: object())
    monkeypatch.setattr(qwen3_weights, "_download", broken)
    with pytest.raises(EngineUnavailableError, match="ConnectionError") as caught:
        require_model(MODEL, Source.MODELSCOPE)
    assert caught.value.can_retry
    assert "secret" not in caught.value.cause


def test_a_missing_download_library_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *_: None)
    with pytest.raises(MissingExtraError, match="modelscope"):
        require_model(MODEL, Source.MODELSCOPE)
    with pytest.raises(MissingExtraError) as caught:
        qwen3_weights.require_libraries()
    assert "torch" in caught.value.cause
    assert caught.value.remedy == "Run: pip install 'qingting[qwen]'"


@pytest.mark.parametrize(
    ("config", "kind", "original"),
    [
        (NATIVE, Kind.RECOGNISER, False),
        (ORIGINAL, Kind.RECOGNISER, True),
        (NATIVE_ALIGNER, Kind.ALIGNER, False),
        (ORIGINAL_ALIGNER, Kind.ALIGNER, True),
    ],
)
def test_both_layouts_of_both_kinds_are_known(tmp_path, config, kind, original):
    found = read_checkpoint(checkpoint(tmp_path / "m", config), kind)
    assert (found.kind, found.original, found.config) == (kind, original, config)


@pytest.mark.parametrize(
    ("config", "content", "kind", "words"),
    [
        (NATIVE, weights()[:-1], Kind.RECOGNISER, "not wholly downloaded"),
        (NATIVE, weights() + b"x", Kind.RECOGNISER, "not wholly downloaded"),
        (NATIVE, weights()[:20], Kind.RECOGNISER, "damaged or not wholly"),
        (NATIVE, b"", Kind.RECOGNISER, "damaged or not wholly"),
        (NATIVE, b"<html>404 not found, sorry</html>", Kind.RECOGNISER, "damaged"),
        (NATIVE, b"version https://git-lfs.github.com/spec/v1\noid sha256:0", Kind.RECOGNISER, "damaged"),
        ({**NATIVE, "model_type": "whisper"}, weights(), Kind.RECOGNISER, "no Qwen3-ASR"),
        ({"model_type": "qwen3_asr"}, weights(), Kind.RECOGNISER, "lacks the model's parts"),
        ([], weights(), Kind.RECOGNISER, "no object"),
        (NATIVE_ALIGNER, weights(), Kind.RECOGNISER, "it is the aligner"),
        (ORIGINAL_ALIGNER, weights(), Kind.RECOGNISER, "it is the aligner"),
        (NATIVE, weights(), Kind.ALIGNER, "it is the recogniser"),
        (ORIGINAL, weights(), Kind.ALIGNER, "it is the recogniser"),
    ],
)
def test_broken_folders_say_what_is_wrong(tmp_path, config, content, kind, words):
    with pytest.raises(EngineUnavailableError, match=words) as caught:
        read_checkpoint(checkpoint(tmp_path / "m", config, content=content), kind)
    assert caught.value.remedy


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
def test_missing_files_are_named(tmp_path, name):
    folder = checkpoint(tmp_path / "m")
    (folder / name).unlink()
    with pytest.raises(EngineUnavailableError, match=r"is missing|there is no"):
        read_checkpoint(folder, Kind.RECOGNISER)


def test_unreadable_configuration(tmp_path):
    folder = checkpoint(tmp_path / "m")
    (folder / "config.json").write_text("{")
    with pytest.raises(EngineUnavailableError, match="cannot be read"):
        read_checkpoint(folder, Kind.RECOGNISER)


def test_the_revision_follows_the_content_not_the_place(tmp_path):
    one, two = checkpoint(tmp_path / "one"), checkpoint(tmp_path / "two")
    assert revision(one) == revision(two)
    assert len(revision(one)) == 64
    before = revision(one)
    changed = bytearray(weights())
    changed[-1] = 1
    (one / "model.safetensors").write_bytes(changed)
    assert revision(one) != before
    (two / "README.md").write_text("notes are no evidence")
    assert revision(two) == before
