"""Personal names: found where somebody is named, and never in ordinary words."""

from __future__ import annotations

import pytest

from qingting.particulars.names import (
    answered_names,
    asks_for_name,
    is_ordinary,
    names,
    spelt_characters,
    surname_length,
)

FOUND = {
    "您好，我叫张伟，想查快递": "张伟",
    "我的名字叫王建国": "王建国",
    "收件人陈晓燕，电话在系统里": "陈晓燕",
    "机主是吴桂兰": "吴桂兰",
    "持卡人孙丽娟麻烦查一下": "孙丽娟",
    "请问是朱文静女士吗": "朱文静",
    "给林志强先生回个电话": "林志强",
    "我姓欧阳，叫欧阳修明": "欧阳修明",
    "我是客服梁静，很高兴为您服务": "梁静",
    "工号2031宋倩为您服务": "宋倩",
    "我叫许可": "许可",
    "我叫阿依古丽·买买提": "阿依古丽·买买提",
    "我是何俊的爱人": "何俊",
}
NOT_FOUND = (
    "我是来问退款的", "我叫你们经理来", "我姓什么你们不知道吗", "高兴为您服务", "很高兴为您服务", "小姐姐帮帮忙",
    "李宁的鞋子", "马上给您处理", "王女士您好", "请问是张先生吗", "免贵姓王", "我是方便面厂家", "我是江苏的",
    "我是金卡会员", "收件人是谁", "联系人方式错了", "我叫安装师傅来", "叫我小王就行", "张经理在吗", "向王先生道歉",
    "周末张先生来", "我叫高铁票改签", "户主不在", "我是石家庄的", "姓名是必填项", "", "我叫", "先生", "我是张",
)  # fmt: skip


@pytest.mark.parametrize("text", FOUND)
def test_a_name_is_found_whole(text: str) -> None:
    assert {text[start:end] for start, end in names(text)} == {FOUND[text]}


@pytest.mark.parametrize("text", NOT_FOUND)
def test_ordinary_words_are_no_name(text: str) -> None:
    assert [text[start:end] for start, end in names(text)] == []


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        ("冯远征。", "冯远征"),
        ("嗯，邓丽。", "邓丽"),
        ("免贵姓陆，陆毅。", "陆毅"),
        ("姓王。", None),
        ("不方便说。", None),
        ("方便。", None),
        ("你问这个干什么", None),
        ("", None),
    ],
)
def test_a_short_clause_answers_the_question_for_a_name(answer: str, name: str | None) -> None:
    assert [answer[start:end] for start, end in answered_names(answer)] == ([name] if name else [])


@pytest.mark.parametrize(
    ("question", "asks"),
    [
        ("请问您贵姓？", True),
        ("收件人是哪位？", True),
        ("报一下姓名", True),
        ("几点到？", False),
        ("哪位师傅来修？", False),
    ],
)
def test_a_question_for_a_name_is_known(question: str, asks: bool) -> None:
    assert asks_for_name(question) is asks


@pytest.mark.parametrize(
    ("text", "name", "spelt"),
    [
        ("洋是海洋的洋", "刘洋", ["海洋的洋"]),
        ("建设的建，军人的军", "田建军", ["建设的建", "军人的军"]),
        ("孔子的孔", "孔令辉", []),
        ("海洋的水", "刘洋", []),
    ],
)
def test_words_that_spell_the_given_name_are_found(text: str, name: str, spelt: list[str]) -> None:
    assert [text[start:end] for start, end in spelt_characters(text, name)] == spelt


def test_a_compound_surname_has_two_characters() -> None:
    assert (surname_length("欧阳修"), surname_length("欧阳"), surname_length("张伟")) == (2, 1, 1)


def test_some_names_are_ordinary_words() -> None:
    assert is_ordinary("许可")
    assert not is_ordinary("张伟")
