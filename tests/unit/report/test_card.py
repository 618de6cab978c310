"""A card is read exactly or refused with file, field and fix."""

from __future__ import annotations

import pytest
import yaml

from qingting.errors import PackError
from qingting.report.card import as_plain, builtin_cards, card_for, load_card

GOOD = {
    "id": "t",
    "name": "卡",
    "version": "1",
    "grades": [{"name": "好", "at_least": 60}, {"name": "差", "at_least": 0}],
    "sections": [
        {"id": "s", "name": "节", "full": 100, "items": [{"id": "i", "name": "项", "rules": ["a.b"], "deduct": 3}]}
    ],
}


def changed(path, value):
    """The good card with one place changed; DELETE removes it."""
    plain = yaml.safe_load(yaml.safe_dump(GOOD))
    node = plain
    for part in path[:-1]:
        node = node[part]
    if value is DELETE:
        del node[path[-1]]
    else:
        node[path[-1]] = value
    return plain


DELETE = object()
ITEM = ("sections", 0, "items", 0)


def read(tmp_path, plain):
    path = tmp_path / "card.yaml"
    path.write_text(plain if isinstance(plain, str) else yaml.safe_dump(plain, allow_unicode=True), encoding="utf-8")
    return load_card(path)


def test_good_card_is_read(tmp_path):
    card = read(tmp_path, GOOD)
    assert (card.base, card.floor, card.ceiling, card.doubt_threshold) == (100.0, 0.0, 100.0, 0.6)
    assert [item.id for _, item in card.items()] == ["i"]


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        (("name",), DELETE, "name"),
        (("version",), 1, "version"),
        (("colour",), "red", "colour"),
        (("id",), " ", "id"),
        (("base",), 120, "base"),
        (("base",), "much", "base"),
        (("base",), float("nan"), "base"),
        (("ceiling",), float("inf"), "ceiling"),
        (("doubt_threshold",), 1.5, "doubt_threshold"),
        (("grades",), [], "grades"),
        (("grades", 0, "at_least"), 0, "grades"),
        (("grades", 1, "at_least"), 10, "grades[1].at_least"),
        (("sections",), [], "sections"),
        (("sections", 0, "full"), 90, "sections"),
        (("sections", 0, "full"), -1, "sections[0].full"),
        ((*ITEM, "deduct"), DELETE, "sections[0].items[0]"),
        ((*ITEM, "deduct"), -3, "sections[0].items[0].deduct"),
        ((*ITEM, "deduct"), 0.25, "sections[0].items[0].deduct"),
        ((*ITEM, "deduct"), {"serious": 3}, "sections[0].items[0].deduct"),
        ((*ITEM, "add"), 1, "sections[0].items[0]"),
        ((*ITEM, "cap"), 0, "sections[0].items[0].cap"),
        ((*ITEM, "rules"), [], "sections[0].items[0].rules"),
        ((*ITEM, "rules"), ["late"], "sections[0].items[0].rules"),
        ((*ITEM, "rules"), ["a.b", "a.b"], "sections[0].items[0].rules"),
        ((*ITEM, "count"), "twice", "sections[0].items[0].count"),
        ((*ITEM, "fatal"), "all", "sections[0].items[0].fatal"),
        ((*ITEM, "by_hand"), True, "sections[0].items[0].rules"),
        ((*ITEM, "applies_when"), {"mood": ["bad"]}, "sections[0].items[0].applies_when.mood"),
    ],
)
def test_bad_field_is_named_with_a_fix(tmp_path, path, value, field):
    with pytest.raises(PackError) as caught:
        read(tmp_path, changed(path, value))
    assert str(caught.value).startswith(f"Scorecard card.yaml, field {field}")
    assert caught.value.remedy


def test_fatal_section_needs_full_and_fatal_card_needs_floor_zero(tmp_path):
    plain = changed((*ITEM, "fatal"), "section")
    del plain["sections"][0]["full"]
    with pytest.raises(PackError, match=r"fatal: needs the section's full"):
        read(tmp_path, plain)
    with pytest.raises(PackError, match=r"field floor"):
        read(tmp_path, changed((*ITEM, "fatal"), "card") | {"floor": 10})


def test_same_id_twice_is_refused(tmp_path):
    plain = changed(("sections", 0, "items"), GOOD["sections"][0]["items"] * 2)
    with pytest.raises(PackError, match=r"items\[1\].id"):
        read(tmp_path, plain)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "(top)"),
        ("- a", "(top)"),
        ("id: a\nid: b", "stands twice"),
        ("id: [a", "line"),
        ("id: !!python/object:os.system x", "line 1"),
    ],
)
def test_broken_yaml_is_refused(tmp_path, text, told):
    with pytest.raises(PackError) as caught:
        read(tmp_path, text)
    assert told in str(caught.value)
    assert "card.yaml" in str(caught.value)


def test_unreadable_file_is_a_pack_error(tmp_path):
    with pytest.raises(PackError, match=r"missing\.yaml cannot be read"):
        load_card(tmp_path / "missing.yaml")
    (tmp_path / "gbk.yaml").write_bytes("name: 卡".encode("gbk"))
    with pytest.raises(PackError, match=r"gbk\.yaml cannot be read"):
        load_card(tmp_path / "gbk.yaml")


def test_builtin_cards_stand_for_a_hundred_points():
    cards = builtin_cards()
    assert set(cards) == {"general", "ecommerce", "finance", "telecom"}
    for card in cards.values():
        own = [section for section in card.sections if section.id == "own_rules"]
        fulls = [section.full for section in card.sections if section not in own]
        assert sum(fulls) == card.base == card.ceiling == 100
        assert [(one.by_rule, one.rules) for one in own[0].items] == [(True, ("custom_rules.*",))]
        assert card.floor == 0
        assert card.doubt_threshold == 0.6


def test_card_of_a_line_of_business():
    assert card_for("ecommerce").id == "ecommerce"
    assert card_for("telecom").id == "telecom"
    assert card_for("nonesuch").id == "general"


def test_plain_form_is_readable_again(tmp_path):
    for card in builtin_cards().values():
        assert read(tmp_path, as_plain(card)) == card
