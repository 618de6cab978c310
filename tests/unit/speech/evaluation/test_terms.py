from __future__ import annotations

import pytest

from qingting.speech.evaluation.terms import TermCounts, add_terms, count_terms


@pytest.mark.parametrize(
    ("heard", "said", "counts"),
    [
        ("我要退款", "我要退款", (1, 1, 0)),
        ("我要推款", "我要退款", (1, 0, 0)),
        ("退款退款", "退款", (1, 1, 1)),
        ("订单", "订单号", (1, 0, 1)),  # the longer term was said
        ("訂單號是，5。", "订单号是5", (1, 1, 0)),  # script and punctuation do not matter
        ("vip 会员", "VIP会员", (1, 1, 0)),
        ("", "退款订单号", (2, 0, 0)),
        ("你好", "再见", (0, 0, 0)),
    ],
)
def test_terms_are_counted(heard: str, said: str, counts: tuple[int, int, int]) -> None:
    found = count_terms(heard, said, ["退款", "订单", "订单号", "VIP会员", ""])
    assert (found.said, found.found, found.false) == counts


def test_recall() -> None:
    assert TermCounts().recall is None
    assert add_terms([TermCounts(said=3, found=1), TermCounts(said=1, found=1, false=2)]) == TermCounts(
        said=4, found=2, false=2
    )
    assert add_terms([TermCounts(said=4, found=1)]).recall == 0.25
