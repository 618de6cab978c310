from __future__ import annotations

from pathlib import Path

import pytest

from qingting.errors import PackError
from qingting.speech.hot_words import (
    Misheard,
    choose_hot_words,
    hot_word_lists,
    join_lists,
    load_hot_words,
)

HEAD = 'id: "x"\nname: "试"\nversion: "1"\n'


def write(folder: Path, words: str, *, head: str = HEAD, name: str = "x") -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(f"{head}categories:\n  - id: a\n    name: 甲\n    words:\n{words}", encoding="utf-8")
    return path


def test_bundled_lists_are_of_useful_size() -> None:
    assert hot_word_lists() == ("ecommerce", "finance", "general", "telecom")
    general = {word.text for word in load_hot_words("general").words}
    assert len(general) >= 60
    for name in ("ecommerce", "finance", "telecom"):
        words = {word.text for word in load_hot_words(name).words}
        assert 60 <= len(words - general) <= 200
        assert general <= words, "every line of business knows the general words"


def test_variants_and_readings_are_read() -> None:
    words = {word.text: word for word in load_hot_words("ecommerce").words}
    assert "单子" in words["订单"].said
    assert "退钱" in words["退款"].said
    assert Misheard(text="客务") in words["客服"].heard
    assert Misheard(text="发火", near=("订单", "仓库")) in words["发货"].heard
    finance = {word.text: word for word in load_hot_words("finance").words}
    assert finance["还款"].reading == (("huan", 2), ("kuan", 3))


@pytest.mark.parametrize(
    ("words", "line", "field"),
    [
        ("      - 5\n", 8, "words[0]"),
        ("      - 好\n", 8, "words[0]"),
        ("      - {text: 订单, meaning: x}\n", 8, "words[0].meaning"),
        ("      - {said: [单]}\n", 8, "words[0].text"),
        ("      - {text: 订单, said: 单}\n", 8, "words[0].said"),
        ("      - {text: 订单, heard: [丁丹号]}\n", 8, "heard[0]"),
        ("      - {text: 订单, heard: [订单]}\n", 8, "heard[0]"),
        ("      - {text: 发货, heard: [发火]}\n", 8, "heard[0]"),
        ("      - {text: 验证, heard: [验吗]}\n", 8, "heard[0]"),
        ("      - {text: 发货, heard: [{text: 发火, near: 订单}]}\n", 8, "heard[0].near"),
        ("      - {text: 订单, reading: ding4}\n", 8, "reading"),
        ("      - {text: 订单, reading: ding4 hao3}\n", 8, "reading"),
        ("      - 订单\n      - 订单\n", 9, "words[1]"),
    ],
)
def test_mistakes_name_file_line_and_field(tmp_path: Path, words: str, line: int, field: str) -> None:
    with pytest.raises(PackError, match=rf"x\.yaml, line {line}") as caught:
        load_hot_words(write(tmp_path, words))
    assert field in str(caught.value)
    assert caught.value.remedy


@pytest.mark.parametrize("content", ["- a\n", "id: x\n", HEAD, HEAD + "categories: []\nmore: 1\n", "id: [\n"])
def test_broken_files_are_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(PackError, match=r"x\.yaml"):
        load_hot_words(path)


def test_unknown_and_circular_lists_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PackError, match="named 'no'"):
        load_hot_words("no")
    write(tmp_path, "      - 订单\n", head=HEAD + "extends: y\n")
    write(tmp_path, "      - 退款\n", head=HEAD + "extends: x\n", name="y")
    with pytest.raises(PackError, match="circle"):
        load_hot_words("x", folder=tmp_path)


def test_own_lists_extend_bundled_ones(tmp_path: Path) -> None:
    write(tmp_path, "      - 全家享套餐\n      - {text: 客服, heard: [壳服]}\n", head=HEAD + "extends: telecom\n")
    own = load_hot_words("x", folder=tmp_path)
    words = {word.text: word for word in own.words}
    assert own.words[0].text == "全家享套餐"
    assert words["客服"].heard == (Misheard(text="壳服"),), "the own entry replaces the inherited one"
    assert "流量" in words


def test_few_words_are_chosen() -> None:
    chosen = choose_hot_words(load_hot_words("ecommerce"), most_words=6, most_characters=18)
    assert len(chosen) <= 6
    assert sum(map(len, chosen)) <= 18
    assert chosen[0] == "订单"
    categories = {word.category for word in load_hot_words("ecommerce").words if word.text in chosen}
    assert len(categories) >= 4, "every subject gets a word before one gets two"


def test_call_data_comes_first() -> None:
    known = load_hot_words("telecom")
    chosen = choose_hot_words(known, ["全家享", "宽带提速", "13800138000", "", "客户说他要办理一个特别长的业务"])
    assert chosen[:3] == ("全家享", "宽带提速", "宽带")
    assert "13800138000" not in chosen
    assert all(len(word) <= 12 for word in chosen)
    assert "光猫" in choose_hot_words(known, ["宽带与网络"], most_words=6)


def test_joined_lists_hold_each_word_once() -> None:
    joined = join_lists([load_hot_words("telecom"), load_hot_words("finance")])
    texts = [word.text for word in joined.words]
    assert len(texts) == len(set(texts))
    assert joined.label == "telecom+finance@1+1"
    assert texts[0] == "套餐"
