"""Negated, reported and supposed words do not count; meant ones do."""

from __future__ import annotations

import pytest

from qingting.analysis.lexicon import lexicon
from qingting.analysis.text import NormalText, PhraseBook
from qingting.analysis.usage import Use, use_of

_BOOK = PhraseBook(
    {"": {"x": (*lexicon("customer_negative"), *lexicon("absolute_promise"), *lexicon("refund_agreed"), "满意")}}
)


def _uses(source: str) -> list[Use]:
    text = NormalText(source)
    return [use_of(text, hit) for hit in _BOOK.find(text).get(("", "x"), ())]


@pytest.mark.parametrize(
    "source",
    [
        "我很不满意",
        "你们太慢了",
        "这不是太慢了吗",
        "一直没人管",
        "是不是没人管啊",
        "有没有搞错",
        "如果再没人管我就走了",
        "你们再不处理，我就要投诉",
        "要不我要投诉好了",
        "不好意思，你们太慢了",
        "我跟他们说了，没人管",
        "不过服务太差了",
        "你们客服态度太差",
        "我保证明天到",
        "我说你们太慢了",
    ],
)
def test_meant(source: str) -> None:
    uses = _uses(source)
    assert uses
    assert set(uses) == {Use.MEANT}


@pytest.mark.parametrize(
    "source",
    [
        "我没有不满意",
        "不是太慢",
        "不会没人管的",
        "也没觉得太慢",
        "倒不是不满意",
        "谈不上不满意",
        "我并不是很不满意",
        "我们不会说绝对没问题",
        "不能给您百分之百的保证",
        "我们不敢保证绝对没问题",
        "这个暂时不可以退款",
        "没有什么不满意",
    ],
)
def test_negated(source: str) -> None:
    uses = _uses(source)
    assert uses
    assert set(uses) == {Use.NEGATED}


@pytest.mark.parametrize(
    "source",
    [
        "我朋友说你们太慢",
        "别人都说服务太差",
        "听说你们没人管",
        "网上说你们是骗子",
        "我同事跟我说你们太慢",
        "他说“太慢了”",
    ],
)
def test_reported(source: str) -> None:
    uses = _uses(source)
    assert uses
    assert set(uses) == {Use.REPORTED}


@pytest.mark.parametrize(
    "source", ["如果不满意可以退吗", "要是太慢怎么办", "不满意的话能退吗", "我怕没人管", "会不会没人管"]
)
def test_supposed(source: str) -> None:
    uses = _uses(source)
    assert uses
    assert set(uses) == {Use.SUPPOSED}


def test_a_negation_reaches_only_its_own_clause() -> None:
    assert _uses("我没有退货，你们太慢了") == [Use.MEANT]
    assert _uses("没有不满意。可是现在太慢了") == [Use.NEGATED, Use.MEANT]
