"""Hints as data: the bundled ones say what they mean, packs change them, mistakes are named."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from qingting.analysis.intents import intents
from qingting.analysis.lexicon import groups
from qingting.analysis.packs import load_pack, pack_names
from qingting.analysis.rules.loading import FOLDER as RULES
from qingting.analysis.rules.loading import load_rule_file
from qingting.errors import PackError
from qingting.live import assist
from qingting.live.assist.book import HintBook, read_hints
from qingting.model.live_event import HintKind

HEAD = 'id: "own"\nname: "自己的"\nversion: "1"\nextends: "general"\nhints:\n'
BLAME = re.compile("错误|违规|不合格|扣分|你怎么|不应该|必须|严禁|批评")


@pytest.fixture(scope="module")
def bundled() -> HintBook:
    return read_hints(load_pack("general"))


def own(folder: Path, hints: str) -> HintBook:
    (folder / "own.yaml").write_text(HEAD + hints, encoding="utf-8")
    return read_hints(load_pack("own", folder=folder))


def test_texts_are_short_and_blame_nobody(bundled: HintBook) -> None:
    for name, hint in bundled.hints.items():
        assert hint.kind is not HintKind.OTHER, name
        assert len(hint.text) <= 70, name
        assert not BLAME.search(hint.text), name
        assert hint.text.endswith(("。", "}")), name
    for one in bundled.knowledge.values():
        assert len(one.answer) <= 60
    assert all(len(one.advice) <= 30 for one in bundled.asks.values())


def test_every_hint_has_something_that_gives_it(bundled: HintBook) -> None:
    """A hint of a rule that does not exist would never come; one by name is asked for somewhere in the code."""
    code = "".join(path.read_text(encoding="utf-8") for path in Path(assist.__file__).parent.glob("*.py"))
    rules = {f"custom_rules.{rule.id}" for path in RULES.glob("*.yaml") for rule in load_rule_file(path).rules}
    items = {
        f"compliance.{item['id']}"
        for name in pack_names()
        for item in load_pack(name).analyzers["compliance"]["items"]  # type: ignore[attr-defined]
    }
    for name in bundled.hints:
        dimension, dot, _ = name.partition(".")
        if dimension == "custom_rules":
            assert name in rules
        elif dimension == "compliance":
            assert name in items | {"compliance.*"}
        elif not dot:
            assert f'"{name}"' in code or name.startswith(("risk_", "mood_")), name


def test_names_are_those_of_the_analysis(bundled: HintBook) -> None:
    assert set(bundled.asks) - {"default"} <= {intent.id for intent in intents()}
    assert set(bundled.demands) == set(groups("customer_repeat_demand"))


@pytest.mark.parametrize("line", pack_names())
def test_every_bundled_pack_has_them(line: str, bundled: HintBook) -> None:
    assert read_hints(load_pack(line)) == bundled


def test_a_pack_lays_its_own_over_the_bundled_ones(tmp_path: Path, bundled: HintBook) -> None:
    book = own(
        tmp_path,
        "  limits: {gap_seconds: 30}\n"
        "  hints:\n"
        "    feeling_word: {enabled: false}\n"
        '    risk_threat: {text: "请先致歉。"}\n'
        '    custom_rules.my_rule: {text: "可提一下会员日。"}\n'
        "  feelings: [想哭]\n"
        "  knowledge:\n"
        "    freight: {enabled: false}\n"
        '    hours: {title: "营业时间", answer: "九点到六点。", words: [几点开门]}\n',
    )
    assert (book.limits.gap_seconds, book.limits.cool_down_seconds) == (30, bundled.limits.cool_down_seconds)
    assert book.hint("feeling_word") is None
    threat, own_rule = book.hint("risk_threat"), book.hint_of_rule("custom_rules.my_rule")
    assert threat is not None
    assert (threat.text, threat.urgency) == ("请先致歉。", 1)
    assert own_rule is not None
    assert (own_rule.kind, own_rule.urgency) == (HintKind.OTHER, 3)
    assert book.feelings == ("想哭",)
    assert not book.knowledge["freight"].enabled
    assert book.knowledge["hours"].words == ("几点开门",)
    assert set(bundled.knowledge) < set(book.knowledge)


def test_packs_that_extend_each_other_keep_what_the_first_said(tmp_path: Path) -> None:
    own(tmp_path, "  limits: {gap_seconds: 30, most_hints: 5}\n")
    child = 'id: "child"\nname: "子"\nversion: "1"\nextends: "own"\nhints:\n  limits: {most_hints: 7}\n'
    (tmp_path / "child.yaml").write_text(child, encoding="utf-8")
    limits = read_hints(load_pack("child", folder=tmp_path)).limits
    assert (limits.gap_seconds, limits.most_hints) == (30, 7)


def test_a_dimensions_hint_stands_for_its_rules_unless_they_have_their_own(tmp_path: Path) -> None:
    book = own(
        tmp_path,
        '  hints:\n    "custom_rules.*": {text: "一"}\n    custom_rules.a: {text: "二"}\n'
        '    custom_rules.b: {text: "三", enabled: false}\n',
    )
    texts = [found and found.text for found in map(book.hint_of_rule, ("custom_rules.x", "custom_rules.a"))]
    assert texts == ["一", "二"]
    assert book.hint_of_rule("custom_rules.b") is None
    assert book.hint_of_rule("keywords.counts") is None


@pytest.mark.parametrize(
    ("hints", "line", "problem"),
    [
        ("  limit: {}\n", 6, "no option has this name"),
        ("  limits:\n    gap_seconds: soon\n", 7, "a whole number"),
        ("  limits:\n    gap_seconds: -1\n", 6, "cannot be negative"),
        ("  times: {window_share: 2}\n", 6, "window_share"),
        ("  times: {repeat_count: 0}\n", 6, "must be positive"),
        ("  hints:\n    x: {urgency: 3}\n", 7, "`text` is missing"),
        ('  hints:\n    x: {text: "好", urgency: 6}\n', 7, "between 1 and 5"),
        ('  hints:\n    x: {text: "好", kind: joke}\n', 7, "allowed words"),
        ('  hints:\n    x: {text: "{name}好"}\n', 7, "nothing fills in {name}"),
        ('  hints:\n    x: {text: "好{"}\n', 7, "Single '{'"),
        (f'  hints:\n    x: {{text: "{"长" * 200}"}}\n', 7, "characters"),
        ('  knowledge:\n    x: {title: "一", answer: "二", words: []}\n', 7, "title, answer and words"),
        (f'  knowledge:\n    x: {{title: "一", answer: "{"二" * 200}", words: [三]}}\n', 7, "at most"),
        ("  hints: [a]\n", 6, "mapping"),
    ],
)
def test_mistakes_are_named_with_their_place(tmp_path: Path, hints: str, line: int, problem: str) -> None:
    with pytest.raises(PackError, match=re.escape(problem)) as caught:
        own(tmp_path, hints)
    assert str(caught.value).startswith(f"own.yaml, line {line}, field hints")
    assert caught.value.remedy


def test_a_section_that_is_no_mapping_is_refused(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(HEAD.replace("hints:\n", "hints: [a]\n"), encoding="utf-8")
    with pytest.raises(PackError, match="line 5, field hints"):
        load_pack("own", folder=tmp_path)
