"""Words by their sound."""

from __future__ import annotations

import pytest

from qingting.pinyin import DEFAULT_CONFUSIONS, Confusion, fold, likeness, split_tone

DEFAULT = frozenset(DEFAULT_CONFUSIONS)


@pytest.mark.parametrize(("marked", "plain"), [("lüè", ("lve", 4)), ("zhōng", ("zhong", 1)), ("de", ("de", 5))])
def test_tones(marked: str, plain: tuple[str, int]) -> None:
    assert split_tone(marked) == plain


@pytest.mark.parametrize(
    ("one", "other", "confusion"),
    [
        ("zhong", "zong", Confusion.Z_ZH), ("chi", "ci", Confusion.C_CH), ("shi", "si", Confusion.S_SH),
        ("nan", "lan", Confusion.N_L), ("hang", "fang", Confusion.F_H), ("ran", "lan", Confusion.R_L),
        ("huang", "fang", Confusion.HU_FU), ("jin", "jing", Confusion.IN_ING), ("shen", "sheng", Confusion.EN_ENG),
        ("guan", "guang", Confusion.AN_ANG),
    ],
)  # fmt: skip
def test_each_confusion_joins_its_sounds_and_no_others(one: str, other: str, confusion: Confusion) -> None:
    assert fold(one, frozenset([confusion])) == fold(other, frozenset([confusion]))
    assert fold(one, frozenset(set(Confusion) - {confusion, Confusion.F_H})) != fold(
        other, frozenset(set(Confusion) - {confusion, Confusion.F_H})
    )


@pytest.mark.parametrize(
    ("word", "heard"),
    [("我要投诉", "我要头诉"), ("投诉", "头诉"), ("没人管", "没人馆"), ("银行卡", "银航卡"), ("支付宝", "资付宝")],
)
def test_misheard_words(word: str, heard: str) -> None:
    assert likeness(word, heard, DEFAULT) is not None


@pytest.mark.parametrize(
    ("word", "heard"),
    [("投诉", "投宿"), ("我要投诉", "我要透露"), ("退款", "存款"), ("没人管", "没能管"), ("退款", "腿宽")],
)
def test_other_words(word: str, heard: str) -> None:
    assert likeness(word, heard, DEFAULT) is None
