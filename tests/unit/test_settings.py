"""Settings: precedence, and typos that must not be ignored."""

from __future__ import annotations

from pathlib import Path

import pytest

from qingting.errors import SettingsError
from qingting.settings import load_settings


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("QINGTING_CACHE_FOLDER", raising=False)


def test_arguments_win_over_environment_over_file_over_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings().engine == "auto"
    Path("qingting.toml").write_text('engine = "from-file"\n[audio]\nmax_seconds = 10\n')
    assert (load_settings().engine, load_settings().audio.max_seconds) == ("from-file", 10)
    monkeypatch.setenv("QINGTING_ENGINE", "from-environment")
    monkeypatch.setenv("QINGTING_AUDIO__MAX_SECONDS", "20")
    assert (load_settings().engine, load_settings().audio.max_seconds) == ("from-environment", 20)
    assert load_settings(engine="argument").engine == "argument"


def test_another_file_can_be_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "other.toml").write_text("workers = 7\n")
    monkeypatch.setenv("QINGTING_CONFIG", str(tmp_path / "other.toml"))
    assert load_settings().workers == 7


def test_the_cache_folder_follows_the_desktop_standard(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert load_settings().cache_folder == tmp_path / "cache" / "qingting"


@pytest.mark.parametrize(
    ("name", "value", "named"),
    [
        ("QINGTING_ENGIN", "x", "QINGTING_ENGIN"),
        ("QINGTING_WORKERS", "0", "workers"),
        ("QINGTING_WORKERS", "many", "workers"),
        ("QINGTING_AUDIO__MAX_SECOND", "1", "max_second"),
        ("QINGTING_AUDIO__NOISE_REDUCTION", "strong", "noise_reduction"),
        ("QINGTING_ROLE_THRESHOLD", "0.1", "role_threshold"),
        ("QINGTING_CONFIG", "/nowhere/at/all.toml", "QINGTING_CONFIG"),
    ],
)
def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str, named: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert named in caught.value.cause
    assert caught.value.remedy


@pytest.mark.parametrize(("content", "named"), [("engin = 1", "engin"), ("engine = [", "qingting.toml")])
def test_a_wrong_file_is_named(content: str, named: str) -> None:
    Path("qingting.toml").write_text(content)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert named in caught.value.cause


def test_speech_servers_come_as_a_list_or_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("qingting.toml").write_text('[qwen3_server]\nurls = ["http://a:1", "http://b:2"]\n')
    assert load_settings().qwen3_server.urls == ("http://a:1", "http://b:2")
    monkeypatch.setenv("QINGTING_QWEN3_SERVER__URLS", "http://c:3, http://d:4/v1,")
    assert load_settings().qwen3_server.urls == ("http://c:3", "http://d:4/v1")


def test_the_servers_key_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QINGTING_QWEN3_SERVER__API_KEY", "top-secret")
    settings = load_settings()
    assert settings.qwen3_server.api_key.get_secret_value() == "top-secret"
    assert "top-secret" not in repr(settings) + str(settings) + settings.model_dump_json()
