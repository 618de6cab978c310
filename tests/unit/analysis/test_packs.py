"""Packs, typed options and lexicons: what loads, and errors that name file, line, field and fix."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import pytest

from qingting.analysis.analyzers._compliance_items import Item
from qingting.analysis.discovery import discover
from qingting.analysis.lexicon import groups, lexicon, lexicon_names
from qingting.analysis.options import OptionError, build_options
from qingting.analysis.packs import build_analyzers, load_pack, pack_names
from qingting.analysis.text import normalise
from qingting.documents import parse_document
from qingting.errors import PackError
from qingting.model.finding import Level

HEAD = 'id: "mine"\nname: "我的"\nversion: "1"\n'


def write(folder: Path, text: str, name: str = "mine") -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def load(folder: Path, text: str):
    return load_pack(write(folder, text))


@pytest.mark.parametrize("name", pack_names())
def test_bundled_packs_build_every_analyzer(name: str) -> None:
    pack = load_pack(name)
    assert pack.id == name
    built = build_analyzers(pack, discover())
    assert [one.id for one in built] == [kind.id for kind in discover() if kind.id not in pack.switched_off]
    assert pack.switched_off == {"llm_judge"}


def test_ecommerce_has_the_general_items_and_its_own() -> None:
    def ids(name: str) -> list[str]:
        (compliance,) = [one for one in build_analyzers(load_pack(name), discover()) if one.id == "compliance"]
        return [item.id for item in compliance.options.items]

    assert ids("ecommerce") == [*ids("general"), "identity_check", "refund_notice"]


@pytest.mark.parametrize("name", lexicon_names())
def test_lexicons_are_well_formed(name: str) -> None:
    phrases = lexicon(name)
    assert len(phrases) >= 10
    assert all(normalise(phrase) for phrase in phrases)
    for group, listed in groups(name).items():
        assert len(set(listed)) == len(listed), group


def test_lexicons_hold_hundreds_of_phrases() -> None:
    assert sum(len(lexicon(name)) for name in lexicon_names()) > 1000


def test_an_unknown_lexicon_names_the_known_ones() -> None:
    with pytest.raises(PackError, match="nope") as caught:
        lexicon("nope")
    assert "customer_negative" in caught.value.remedy


def test_extending_merges_options_and_items_by_id(tmp_path: Path) -> None:
    pack = load(
        tmp_path,
        HEAD
        + """extends: "general"
analyzers:
  responsiveness: {late_answer_ms: 3000}
  keywords: false
  compliance:
    items:
      - {id: closing, remove: true}
      - {id: opening, name: "问候"}
      - {id: own, name: "自有", phrases: ["自有话术"], advice: "请说自有话术。"}
""",
    )
    built = {one.id: one for one in build_analyzers(pack, discover())}
    assert "keywords" not in built
    assert built["responsiveness"].options.late_answer_ms == 3000
    assert built["responsiveness"].options.dead_air_ms == 6000
    items = {item.id: item for item in built["compliance"].options.items}
    assert "closing" not in items
    assert items["opening"].name == "问候"
    assert items["opening"].window.first_seconds == 15
    assert items["own"].level is Level.MEDIUM


def test_hot_words_are_inherited_or_replaced(tmp_path: Path) -> None:
    child = 'id: "child"\nname: "子"\nversion: "1"\nextends: "mine"\n'
    write(tmp_path, HEAD + "hot_words: [one, two]\ncorrect_terms: false\n")
    write(tmp_path, child, "child")
    write(tmp_path, child + "hot_words: three\ncorrect_terms: true\n", "other")
    assert load_pack("child", folder=tmp_path).hot_words == ("one", "two")
    assert not load_pack("child", folder=tmp_path).correct_terms
    assert load_pack("other", folder=tmp_path).hot_words == ("three",)
    assert load_pack("other", folder=tmp_path).correct_terms
    assert all(load_pack(name).hot_words == (name,) for name in pack_names())


def test_a_pack_can_turn_an_inherited_switch_on_again(tmp_path: Path) -> None:
    write(tmp_path, HEAD + "analyzers: {keywords: false}\n", "mine")
    child = write(
        tmp_path, 'id: "child"\nname: "子"\nversion: "1"\nextends: "mine"\nanalyzers: {keywords: {}}\n', "child"
    )
    assert "keywords" in {one.id for one in build_analyzers(load_pack(child), discover())}
    assert load_pack("mine", folder=tmp_path).switched_off == {"keywords"}


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("- a\n", 1, "mapping"),
        ("id: [\n", 2, "YAML"),
        ('id: "a"\nid: "b"\n', 2, "twice"),
        ('name: "a"\nversion: "1"\n', 1, "`id`"),
        ('id: "a"\nname: "b"\nversion: 1\n', 3, "`version`"),
        (HEAD + "analysers: {}\n", 4, "no field"),
        (HEAD + "analyzers: []\n", 4, "mapping"),
        (HEAD + "hot_words: 5\n", 4, "lists of hot words"),
        (HEAD + "hot_words: [a, 5]\n", 4, "lists of hot words"),
        (HEAD + 'correct_terms: "no"\n', 4, "true or false"),
        (HEAD + "analyzers:\n  keywords: 3\n", 5, "options or `false`"),
    ],
)
def test_malformed_packs_name_line_and_fix(tmp_path: Path, text: str, line: int, words: str) -> None:
    with pytest.raises(PackError) as caught:
        load(tmp_path, text)
    assert f"mine.yaml, line {line}" in str(caught.value)
    assert words in str(caught.value)
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("section", "line", "place", "words", "fix"),
    [
        ("  nothing: {}\n", 6, "analyzers.nothing", "no analyzer", "keywords"),
        ("  responsiveness: {late_answr_ms: 3}\n", 6, "late_answr_ms", "no option", "late_answer_ms"),
        ("  responsiveness: {late_answer_ms: '3'}\n", 6, "late_answer_ms", "whole number", ""),
        ("  responsiveness: {late_answer_ms: true}\n", 6, "late_answer_ms", "whole number", ""),
        ("  responsiveness: {talk_ratio: [1]}\n", 6, "talk_ratio", "a number", ""),
        ("  keywords: {ignored: 慢}\n", 6, "ignored", "list", ""),
        ("  keywords:\n    ignored: [慢, 3]\n", 7, "ignored[1]", "text", ""),
        ("  compliance:\n    items:\n      - {id: a, name: b, advice: c, phrases: []}\n", 8, "items[0]", "missing", ""),
        ("  compliance:\n    items:\n      - {id: a, name: b, phrases: [x]}\n", 8, "items[0]", "advice", ""),
        (
            "  compliance:\n    items:\n      - id: opening\n        level: bad\n",
            9, "items[0].level", "allowed", "serious",
        ),
        (
            "  compliance:\n    items:\n      - {id: a, name: b, advice: c, lexicons: [nope]}\n",
            8, "items[0]", "nope", "",
        ),
        (
            "  compliance:\n    items:\n      - {id: closing, window: {first_seconds: 3, last_utterances: 2}}\n",
            8, "items[0].window", "start or at the end", "",
        ),
    ],
)  # fmt: skip
def test_wrong_options_name_file_line_field_and_fix(
    tmp_path: Path, section: str, line: int, place: str, words: str, fix: str
) -> None:
    pack = load(tmp_path, HEAD + 'extends: "general"\nanalyzers:\n' + section)
    with pytest.raises(PackError) as caught:
        build_analyzers(pack, discover())
    message = str(caught.value)
    assert f"mine.yaml, line {line}" in message
    assert place in message
    assert words in message
    assert fix in caught.value.remedy
    assert caught.value.remedy


def test_unknown_packs_and_circles_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PackError, match="nope") as caught:
        load_pack("nope")
    assert "general" in caught.value.remedy
    write(tmp_path, 'id: "a"\nname: "a"\nversion: "1"\nextends: "b"\n', "a")
    write(tmp_path, 'id: "b"\nname: "b"\nversion: "1"\nextends: "a"\n', "b")
    with pytest.raises(PackError, match="circle"):
        load_pack("a", folder=tmp_path)
    with pytest.raises(PackError, match="cannot be read"):
        load_pack(tmp_path / "missing.yaml")


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True, kw_only=True)
class Inner:
    size: int


@dataclass(frozen=True, kw_only=True)
class Outer:
    inner: Inner | None = None
    many: tuple[Inner, ...] = ()
    names: dict[str, float] | None = None
    colour: Colour = Colour.RED


def test_options_are_built_with_nested_types() -> None:
    built = build_options(Outer, {"inner": {"size": 1}, "many": [{"size": 2}], "names": {"a": 1}, "colour": "red"})
    assert built == Outer(inner=Inner(size=1), many=(Inner(size=2),), names={"a": 1.0}, colour=Colour.RED)
    assert build_options(Outer, {"inner": None}).inner is None


@pytest.mark.parametrize(
    ("values", "place"),
    [
        ({"inner": {}}, ("inner",)),
        ({"inner": 3}, ("inner",)),
        ({"many": [{"size": 1}, {"size": "x"}]}, ("many", 1, "size")),
        ({"names": {"a": "x"}}, ("names", "a")),
        ({"colour": "blue"}, ("colour",)),
        ({"other": 1}, ("other",)),
    ],
)
def test_option_errors_hold_the_place(values: dict[str, object], place: tuple[object, ...]) -> None:
    with pytest.raises(OptionError) as caught:
        build_options(Outer, values)
    assert caught.value.place == place


def test_items_give_advice_by_lexicon_group() -> None:
    item = Item(id="x", name="x", lexicons=("forbidden_words",), advice="一般", group_advice={"shirk": "推诿"})
    assert item.advice_for("不归我管") == "推诿"
    assert item.advice_for("神经病") == "一般"


def test_documents_know_the_lines_of_nested_values() -> None:
    document = parse_document("a:\n  - b: 1\n  - b: 2\n", source="x.yaml")
    assert document.line(("a", 1, "b")) == 3
    assert document.line(("a", 1, "missing")) == 3
    assert str(document.error(("a", 1, "b"), "wrong", "fix")) == "x.yaml, line 3, field a[1].b: wrong"
