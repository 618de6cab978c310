"""A pack with a rule file exchanged."""

from __future__ import annotations

import pytest

from qingting.analysis.packs import Pack, load_pack
from qingting.analysis.rules.in_pack import CUSTOM_RULES, pack_with_rule_file
from qingting.errors import PackError

RULES = """
id: {id}
name: 规则
version: "2"
rules:
  - {{id: one, name: 一, level: light, when: {{words: [您好]}}, advice: 请问好}}
"""


@pytest.fixture
def file(tmp_path):
    def write(rule_file_id):
        path = tmp_path / "mine.rules.yaml"
        path.write_text(RULES.format(id=rule_file_id), encoding="utf-8")
        return path

    return write


def files_of(pack):
    return pack.analyzers[CUSTOM_RULES]["files"]


def test_the_file_of_the_same_id_is_exchanged_in_its_place(file):
    path = file("general")
    assert files_of(load_pack("ecommerce")) == ["general", "ecommerce"]
    assert files_of(pack_with_rule_file(load_pack("ecommerce"), str(path))) == [str(path), "ecommerce"]


def test_a_file_of_another_id_is_added(file):
    path = file("mine")
    pack = pack_with_rule_file(load_pack("ecommerce"), str(path))
    assert files_of(pack) == ["general", "ecommerce", str(path)]


def test_a_file_may_stand_for_one_of_another_id(file):
    path = file("mine")
    pack = pack_with_rule_file(load_pack("ecommerce"), str(path), instead_of={"general", "mine"})
    assert files_of(pack) == [str(path), "ecommerce"]
    assert files_of(pack_with_rule_file(pack, str(path), instead_of={"ecommerce"})) == [str(path)]


def test_a_bundled_file_is_known_by_its_name_even_beside_a_file_called_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "general").write_text("no rules", encoding="utf-8")
    assert files_of(pack_with_rule_file(load_pack("general"), "general")) == ["general"]


def test_other_options_stay_and_the_pack_itself_is_unchanged(file):
    before = Pack(
        id="x",
        name="x",
        version="1",
        analyzers={CUSTOM_RULES: {"switched_off": ["one"]}, "keywords": {}},
        switched_off=frozenset({CUSTOM_RULES, "llm_judge"}),
    )
    pack = pack_with_rule_file(before, str(file("mine")))
    assert pack.analyzers[CUSTOM_RULES]["switched_off"] == ["one"]
    assert pack.analyzers["keywords"] == {}
    assert pack.switched_off == {"llm_judge"}
    assert "files" not in before.analyzers[CUSTOM_RULES]


def test_a_missing_file_is_named():
    with pytest.raises(PackError):
        pack_with_rule_file(load_pack("general"), "nowhere.rules.yaml")
