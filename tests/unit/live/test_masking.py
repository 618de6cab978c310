"""What a running call tells hides personal data, also while it is still being said."""

from __future__ import annotations

import pytest

from qingting.live.masking import LiveMasking
from qingting.model.call import Role
from qingting.model.transcript import Utterance
from qingting.privacy.detection import KINDS
from qingting.privacy.masking import Masker


def said(index: int, text: str, party: str = "left") -> Utterance:
    role = Role.AGENT if party == "right" else Role.CUSTOMER
    at_ms = index * 3000
    return Utterance(
        index=index, party=party, role=role, role_confidence=1.0, start_ms=at_ms, end_ms=at_ms + 2000, text=text,
        language="zh",
    )  # fmt: skip


@pytest.fixture
def masking() -> LiveMasking:
    return LiveMasking(Masker(KINDS))


def test_a_number_is_hidden_and_everywhere_it_comes_again(masking: LiveMasking) -> None:
    text = masking.utterance(said(0, "我的手机号是13812345678，谢谢"))
    assert "13812345678" not in text
    assert len(text) == len("我的手机号是13812345678，谢谢")
    assert "12345678" not in masking.text("客户说“13812345678”")


def test_a_name_that_answers_a_question_is_hidden(masking: LiveMasking) -> None:
    masking.utterance(said(0, "请问您贵姓？", "right"))
    assert "王小明" not in masking.utterance(said(1, "我叫王小明"))
    assert "王小明" not in masking.utterance(said(2, "好的，王小明先生", "right"))


@pytest.mark.parametrize("said_until_now", ["138", "13812", "一三八零零", "13812345678"])
def test_digits_that_may_become_a_number_are_hidden_while_they_grow(masking: LiveMasking, said_until_now: str) -> None:
    grown = f"我的手机号是{said_until_now}"
    stable, tail = masking.growing(grown[:8], grown[8:])
    assert (len(stable), len(tail)) == (len(grown[:8]), len(grown[8:]))
    assert not any(digit in (stable + tail)[8:] for digit in "4567八零"), "a whole one keeps its first digits only"


def test_words_without_personal_data_stay(masking: LiveMasking) -> None:
    assert masking.growing("我要投诉", "你们") == ("我要投诉", "你们")
    assert masking.utterance(said(0, "我要投诉你们")) == "我要投诉你们"


def test_without_masks_nothing_is_hidden() -> None:
    bare = LiveMasking(Masker(()))
    assert bare.growing("号码138", "") == ("号码138", "")
