"""Dialects by their words: found where they are spoken, never claimed from one ambiguous word."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from qingting.analysis.dialects import (
    SURE,
    Dialect,
    dialects,
    guess,
    standard_reading,
    standard_text,
    standardise,
    word_of,
    words_in,
)
from qingting.analysis.intents import intents
from qingting.analysis.lexicon import lexicon
from qingting.analysis.text import NormalText, PhraseBook, normalise
from qingting.errors import PackError
from qingting.testing.samples import sample_calls


def guessed(text: str, **more: object) -> str | None:
    found = guess(words_in(NormalText(text)), **more)  # type: ignore[arg-type]
    return None if found is None else found.dialect


@pytest.mark.parametrize("dialect", dialects().values(), ids=lambda one: one.id)
def test_the_words_are_well_formed(dialect: Dialect) -> None:
    forms = [word.form for word in dialect.words]
    assert len(set(forms)) == len(forms)
    for word in dialect.words:
        assert word.form == normalise(word.form)
        assert word.reading.strip()
        assert word.strength in range(4)
        assert word.standard == normalise(word.standard)
        assert word.strength or word.standard != word.form, "no evidence and nothing to map: no use"
    for ordinary in dialect.ordinary:
        assert guessed(ordinary) != dialect.id


def test_there_are_hundreds_of_words() -> None:
    assert sum(len(one.words) for one in dialects().values()) >= 1000
    assert len(dialects()["cantonese"].words) >= 300
    assert len([one for one in dialects().values() if len(one.words) >= 80]) >= 8


@pytest.mark.parametrize(
    ("text", "dialect"),
    [
        ("唔该，我想问下点解我嘅快递仲未到？", "cantonese"),
        ("系唔系今日可以到啊？", "cantonese"),
        ("我哋等咗好耐喇，冇人理。", "cantonese"),
        ("你哋搞错咗，𠮶个唔系我买嘅。", "cantonese"),
        ("搞啥子嘛，啷个还没到？", "sichuan"),
        ("要得嘛，你帮我看哈，莫得问题。", "sichuan"),
        ("侬好，阿拉的物事啥辰光到？", "wu"),
        ("伐晓得为啥体还没到。", "wu"),
        ("歹势，我的物件敢会使退？", "minnan"),
        ("咋整啊，我这快递还没整明白呢。", "northeastern"),
        ("你嘎哈呢？这事贼拉慢。", "northeastern"),
        ("恁说这事中不中？", "henan"),
        ("弄啥嘞，等了恁些天了。", "henan"),
        ("俺知不道啊，这霎儿还没到。", "shandong"),
        ("搞么子咯，咯慢还冇得人管。", "hunan"),
    ],
)
def test_dialects_that_show(text: str, dialect: str) -> None:
    assert guessed(text) == dialect


@pytest.mark.parametrize(
    "text",
    [
        "你好，我要退款。", "什么事？", "这个多少钱？", "靓仔", "咋了", "俺的快递啥时候到？", "晓得了",
        "对头", "今日下单",
        "我们公司在阿拉伯和伊拉克都有业务。", "你侬我侬", "比赛来了", "联系客服，系统没关系。", "唔，好的。",
        "唔，没问题。",
        "如何解决？", "要得到结果", "九九归一化", "得劲", "其中不包括运费", "没得到答复",
        "我在厦门大厝路", "联袂出演",
        "呷哺呷哺外卖",
    ],
)  # fmt: skip
def test_ambiguous_words_and_mandarin_show_nothing(text: str) -> None:
    assert guessed(text) is None


def test_no_sentence_of_the_bundled_mandarin_is_a_dialect() -> None:
    mandarin = [
        one.script for one in sample_calls() if not any("dialect_" in item.rule for item in one.script.expected)
    ]
    texts = [turn.text for script in mandarin for turn in script.turns]
    texts += [text for intent in intents() for text in intent.examples]
    assert len(texts) > 500
    assert [text for text in texts if guessed(text)] == []


def test_one_short_word_is_unsure_and_more_words_are_surer() -> None:
    few, some, many = (guess(words_in(NormalText(text))) for text in ("唔系。", "唔系，今日。", "唔系佢嘅嘢。"))
    assert few is not None
    assert some is not None
    assert many is not None
    assert few.confidence < SURE <= some.confidence < many.confidence
    assert [hit.phrase for hit in some.hits] == ["唔系", "今日"]


def test_a_word_said_again_is_no_further_evidence() -> None:
    once, twice = (guess(words_in(NormalText(text))) for text in ("唔见。", "唔见唔见。"))
    assert once is not None
    assert twice is not None
    assert once.score == twice.score


def test_two_dialects_alike_are_none_until_home_tips_the_balance() -> None:
    # 冇得 is said in both, 家里 in neither.
    assert guessed("冇得人接电话") is None
    assert guessed("冇得人接电话", expected={"hunan"}) == "hunan"
    assert guessed("冇得人接电话", expected={"cantonese"}) == "cantonese"
    assert guessed("靓仔", expected={"cantonese"}) is None, "home alone never decides"


def test_the_engines_label_is_one_piece_of_evidence() -> None:
    found = guess({}, labelled="cantonese")
    assert found is not None
    assert found.confidence < SURE
    assert found.hits == ()
    assert guessed("搞啥子嘛啷个还没到", labelled="cantonese") == "sichuan", "words outweigh a label"


@pytest.mark.parametrize(
    ("text", "standard"),
    [
        ("好烦啊", "很生气"),
        ("唔该，点解仲未到？", "谢谢，为什么还没到？"),
        ("我嘅快递冇收到。", "我的快递没收到。"),
        ("我唔满意，我要投诉你哋。", "我不满意，我要投诉你们。"),
        ("搞啥子嘛", "干什么嘛"),
        ("这咋整", "这怎么办"),
        ("侬好", "你好"),
        ("你好，我要退款。", "你好，我要退款。"),
        ("", ""),
    ],
)
def test_dialect_words_are_mapped_to_standard_ones(text: str, standard: str) -> None:
    assert standard_text(text) == standard


def test_ambiguous_words_are_mapped_only_where_their_dialect_is_spoken() -> None:
    assert standard_text("俺家的快递") == "俺家的快递"
    assert standard_text("俺家的快递", {"henan"}) == "我家的快递"
    assert standard_text("系呀，唔系我嘅") == "是呀，不是我的"
    assert standard_text("联系呀") == "联系呀"


def test_mapped_stretches_are_in_order_and_do_not_overlap() -> None:
    text = "唔该晒，佢哋话唔系我嘅嘢，有冇搞错啊"
    found = standardise(text)
    assert [text[start:end] for start, end, _ in found] == ["唔该晒", "佢哋", "唔系", "嘅", "嘢", "有冇搞错"]
    assert all(first[1] <= second[0] for first, second in pairwise(found))


def test_punctuation_within_separates_words() -> None:
    assert standardise("唔，好的") == standardise("唔。好。")
    assert "不要" not in standard_text("唔，好的，佢嘅")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("name: 甲\nlanguage: zh\nentries: []\n", "field id"),
        ("id: other\nname: 甲\nlanguage: zh\nentries: []\n", "line 1, field id"),
        ("id: mine\nname: 甲\nlanguage: zh\n", "field entries"),
        ("id: mine\nname: 甲\nlanguage: zh\nentries:\n  - [好, hao, 好]\n", "line 5, field entries[0]"),
        ("id: mine\nname: 甲\nlanguage: zh\nentries:\n  - [好, hao, 好, 4]\n", "line 5, field entries[0]"),
        ("id: mine\nname: 甲\nlanguage: zh\nentries:\n  - [呃人, hao, 骗人, 3]\n", "line 5, field entries[0][0]"),
        ("id: mine\nname: 甲\nlanguage: zh\nregions: 甲\nentries: []\n", "line 4, field regions"),
    ],
)
def test_broken_files_name_line_and_field(tmp_path: Path, text: str, place: str) -> None:
    (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(PackError) as caught:
        dialects(tmp_path)
    assert "lexicons/dialects/mine.yaml" in str(caught.value)
    assert place in str(caught.value)


def test_words_can_be_looked_up() -> None:
    word = word_of("cantonese")["唔该"]
    assert (word.reading, word.standard, word.strength) == ("m4 goi1", "谢谢", 3)


def test_lexicons_in_standard_words_find_dialect_speech() -> None:
    speech = NormalText("唔满意，我要投诉你哋。")
    other = standard_reading(speech)
    assert other is not None
    book = PhraseBook({"a": {"negative": lexicon("customer_negative")}})
    plain = {hit.phrase for hit in book.find(speech).get(("a", "negative"), ())}
    read = {hit.phrase for hit in book.find_read(speech, other, as_spoken=()).get(("a", "negative"), ())}
    assert "不满意" in read - plain


def test_standard_speech_has_no_other_reading() -> None:
    assert standard_reading(NormalText("你好，我要退款。")) is None
