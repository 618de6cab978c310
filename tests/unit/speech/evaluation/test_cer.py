import pytest
from hypothesis import given
from hypothesis import strategies as st

from qingting.speech.evaluation.cer import Errors, add, character_errors, corpus_errors, readings


@pytest.mark.parametrize(
    ("hypothesis", "reference"),
    [
        ("我要退款。", "我要退款"),
        ("我要退款", "我要退款！"),
        ("OK，好的", "ok好的"),
        ("訂單", "订单"),
        ("13925800457", "一三九二五八零零四五七"),
        ("13925800457", "幺三九二五八零零四五七"),
        ("1392 5800457", "一三九二五八零零四五七"),
        ("3000套", "三千套"),
        ("退款120块", "退款一百二十块"),
        ("一百二十块", "120块"),
        ("2个", "两个"),
        ("20%", "百分之二十"),
        ("3.5折", "三点五折"),
        ("2026年3月5号退120块", "二零二六年三月五号退一百二十块"),
        ("共100500元", "共十万零五百元"),
        ("", ""),
    ],
)
def test_writing_makes_no_error(hypothesis, reference):
    assert character_errors(hypothesis, reference).total == 0


@pytest.mark.parametrize(
    ("hypothesis", "reference", "expected"),
    [
        ("我要退钱", "我要退款", (4, 1, 0, 0, 0)),
        ("我要款", "我要退款", (4, 0, 1, 0, 0)),
        ("我要退退款", "我要退款", (4, 0, 0, 1, 0)),
        ("", "我要退款", (4, 0, 4, 0, 0)),
        ("我要退款", "", (0, 0, 0, 4, 0)),
        ("退款" + "好的" * 5, "退款", (2, 0, 0, 10, 1)),
        ("退款啊啊啊啊啊", "退款", (2, 0, 0, 5, 0)),
        ("退130块", "退一百二十块", (6, 1, 0, 0, 0)),
        ("hello word", "hello world", (2, 1, 0, 0, 0)),
    ],
)
def test_errors_are_told_apart(hypothesis, reference, expected):
    errors = character_errors(hypothesis, reference)
    found = (errors.reference, errors.substitutions, errors.deletions, errors.insertions, errors.insertion_runs)
    assert found == expected


def plain_distance(a: str, b: str) -> int:
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        following = [i]
        for j, y in enumerate(b, 1):
            following.append(min(following[-1] + 1, row[j] + 1, row[j - 1] + (x != y)))
        row = following
    return row[-1]


@given(st.text(alphabet="我要退款", max_size=25), st.text(alphabet="我要退款", max_size=25))
def test_the_total_is_the_edit_distance(hypothesis, reference):
    assert character_errors(hypothesis, reference).total == plain_distance(hypothesis, reference)


def test_rates_and_sums():
    total = corpus_errors([("我要退钱", "我要退款"), ("好", "好的")])
    assert (total.reference, total.total) == (6, 2)
    assert total.rate == pytest.approx(1 / 3)
    assert add([]).rate == 0.0
    assert Errors(reference=0, insertions=2).rate == 1.0


def test_many_numbers_keep_the_readings_few():
    assert len(readings("1、2、3、4、5、6、7、8、9、10")) <= 16
    assert readings("没有数字") == ["没有数字"]
