"""Sentence vectors are chosen by the settings and opened only where a rule asks for them."""

from __future__ import annotations

from pathlib import Path

import pytest

from qingting import bootstrap
from qingting.analysis.meaning import open_vectors
from qingting.errors import SettingsError
from qingting.settings import Settings, load_settings

PACK = (
    'id: own\nname: 自有\nversion: "1"\nanalyzers:\n  custom_rules:\n    rules:\n'
    "      - id: r\n        name: 规则\n        advice: 请改进\n        when: {%s}\n"
)


@pytest.mark.parametrize(("when", "asks"), [("similar: [我要取消订单]", True), ("words: [取消]", False)])
def test_vectors_are_opened_only_for_packs_that_compare_by_meaning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str, asks: bool
) -> None:
    asked: list[Settings] = []
    monkeypatch.setattr("qingting.bootstrap.planning.sentence_vectors", lambda settings: asked.append(settings))
    (tmp_path / "own.yaml").write_text(PACK % when, encoding="utf-8")
    monkeypatch.setattr("qingting.bootstrap.planning._card", lambda settings, line: None)
    plan = bootstrap.plans(load_settings(pack_folder=tmp_path))("own")
    assert bool(asked) is asks
    assert plan.analysis.vectors is None


def test_off_gives_none_and_a_server_needs_its_address() -> None:
    open_vectors.cache_clear()
    assert bootstrap.sentence_vectors(load_settings(meaning={"mode": "off"})) is None
    named = {"mode": "server", "url": "http://localhost:1/v1", "model": "m"}
    vectors = bootstrap.sentence_vectors(load_settings(meaning=named))
    assert vectors is not None
    assert vectors.identity.model == "m"
    with pytest.raises(SettingsError, match="server"):
        load_settings(meaning={"mode": "server"})
