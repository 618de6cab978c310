"""Contact reasons as data: complete, apart from each other, and errors that name file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from qingting.analysis.intents import Intent, intent_lines, intents, phrase_labels
from qingting.analysis.text import normalise
from qingting.errors import PackError

WANTED = {
    "refund", "return_goods", "exchange", "logistics", "complaint", "billing", "open_account", "close_account",
    "password", "change_address", "invoice", "discount", "network_fault", "appointment", "product_inquiry", "urge",
    "cancel_order", "membership",
}  # fmt: skip


def test_there_are_many_reasons_with_examples_of_their_own() -> None:
    known = intents()
    assert len(known) >= 40
    assert {one.id for one in known} >= WANTED
    assert len({one.name for one in known}) == len(known)
    examples = [normalise(text) for one in known for text in one.examples]
    assert len(set(examples)) == len(examples), "an example that two reasons share tells nothing"


@pytest.mark.parametrize("intent", intents(), ids=lambda one: one.id)
def test_every_reason_is_complete(intent: Intent) -> None:
    assert len(intent.examples) >= 8
    assert intent.phrases or intent.agent
    assert all(len(pair) >= 2 and len(set(pair)) == len(pair) for pair in intent.pairs)
    for words in (intent.phrases, intent.signs, intent.excluded, intent.agent):
        assert len(set(words)) == len(words)
        assert all(normalise(word) for word in words)
    assert not set(intent.phrases) & set(intent.excluded)


def test_a_phrase_stands_for_one_reason_within_a_line() -> None:
    for line in intent_lines():
        owners: dict[str, list[str]] = {}
        for intent in intents(line) if line != "general" else ():
            for phrase in intent.phrases:
                owners.setdefault(normalise(phrase), []).append(intent.id)
        assert {phrase: ids for phrase, ids in owners.items() if len(ids) > 1} == {}


def test_a_line_has_its_own_and_the_shared_reasons() -> None:
    shop = {one.id for one in intents("ecommerce")}
    assert {"refund", "complaint", "invoice"} <= shop
    assert not {"network_fault", "loan"} & shop
    assert {"network_fault", "loan", "refund"} <= {one.id for one in intents("general")}
    assert intents("a line nobody described") == intents()


def test_labels_hold_every_word() -> None:
    labels = phrase_labels(intents())
    assert "要退款" in labels["phrase:refund"]
    assert labels["term:签收"] == ("签收",)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("intents: []\n", "line 1, field intents"),
        ("intents:\n  a: {phrases: [好]}\n", "line 2, field intents.a"),
        ("intents:\n  a:\n    name: 甲\n    words: [好]\n", "line 4, field intents.a.words"),
        ("intents:\n  a:\n    name: 甲\n    phrases: [好, 3]\n", "line 4, field intents.a.phrases"),
        ("intents:\n  a:\n    name: 甲\n    pairs: [好]\n", "line 4, field intents.a.pairs[0]"),
        ("intents:\n  a:\n    name: 甲\n    pairs: 好\n", "line 4, field intents.a.pairs"),
        ("intents:\n  a:\n    name: 甲\n    patterns: [(好]\n", "line 4, field intents.a.patterns[0]"),
        ("slots: [好]\nintents:\n  a: {name: 甲}\n", "line 1, field slots"),
    ],
)
def test_broken_files_name_line_and_field(tmp_path: Path, text: str, place: str) -> None:
    (tmp_path / "shop.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(PackError) as caught:
        intents("shop", folder=tmp_path)
    assert f"lexicons/intents/shop.yaml, {place}" in str(caught.value)
    assert caught.value.remedy


def test_two_files_with_the_same_reason_are_refused(tmp_path: Path) -> None:
    for line in ("one", "two"):
        (tmp_path / f"{line}.yaml").write_text("intents:\n  a: {name: 甲}\n", encoding="utf-8")
    with pytest.raises(PackError, match=r"one\.yaml has it too"):
        intents(folder=tmp_path)
