"""Warnings within the sentence: what is said counts, what is denied or told of others does not."""

from __future__ import annotations

import pytest

from qingting.live.risk import RiskWatch, risks_in
from qingting.model.call import Role


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("我要投诉你们", "投诉或要求升级"),
        ("找你们领导来", "投诉或要求升级"),
        ("你们再不处理我就去消协", "投诉或要求升级"),
    ],
)
def test_a_customers_threat_warns(text: str, title: str) -> None:
    assert title in {risk.title for risk in risks_in(text, Role.CUSTOMER)}
    assert title in {risk.title for risk in risks_in(text, Role.UNSURE)}


@pytest.mark.parametrize("text", ["我不是要投诉", "我朋友说要投诉", "谢谢你", "请问怎么退款", ""])
def test_other_words_do_not(text: str) -> None:
    assert risks_in(text, Role.CUSTOMER) == []


def test_an_agent_warns_by_other_words() -> None:
    assert {risk.title for risk in risks_in("你爱投诉就投诉", Role.AGENT)} == {"坐席顶撞"}
    assert risks_in("我要投诉你们", Role.AGENT) == []


def test_a_growing_sentence_warns_once_and_the_next_one_again() -> None:
    watch = RiskWatch()
    grown = [
        watch.look(text, party="left", role=Role.CUSTOMER, start_ms=1000) for text in ("我要", "我要投诉", "我要投诉你")
    ]
    assert [len(found) for found in grown] == [0, 1, 0]
    assert watch.look("我要投诉", party="left", role=Role.CUSTOMER, start_ms=9000) != []


def test_offsets_are_those_of_the_words() -> None:
    text = "我说了，我要投诉！"
    risk = risks_in(text, Role.CUSTOMER)[0]
    assert "投诉" in text[risk.start_char : risk.end_char]
