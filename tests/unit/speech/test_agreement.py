import pytest
from hypothesis import given
from hypothesis import strategies as st

from qingting.speech.agreement import StablePrefix, join, revised_units


def told(*decodes):
    """(stable, tail) after each decode."""
    prefix = StablePrefix()
    shown = []
    for text in decodes:
        tail = prefix.update(text)
        shown.append((prefix.text, tail))
    return shown


@pytest.mark.parametrize(
    ("decodes", "last"),
    [
        (["我想"], ("", "我想")),
        (["我想", "我想退款"], ("我想", "退款")),
        (["我想", "我想退款。", "我想退款，可以吗？"], ("我想退款", "，可以吗？")),
        (["我享", "我想退", "我想退款"], ("我想退", "款")),
        (["", "你好", "你好啊"], ("你好", "啊")),
        (["I want", "I want to", "I want to can", "I want to cancel"], ("I want to", " cancel")),
        (["好的。", "好的，您", "好的，您稍等"], ("好的，您", "稍等")),
    ],
)
def test_what_two_decodes_agree_on_is_stable(decodes, last):
    assert told(*decodes)[-1] == last


@pytest.mark.parametrize(
    ("later", "tail"),
    [
        ("我想退宽可以", "可以"),  # one character misheard
        ("想退款可以", "可以"),  # one left out
        ("我我想退款可以", "可以"),  # one doubled
        ("我想退", ""),  # shorter than what is stable
        ("", ""),
    ],
)
def test_a_decode_that_contradicts_the_stable_text_only_brings_what_follows(later, tail):
    shown = told("我想退款", "我想退款", later)
    assert shown[-1] == ("我想退款", tail)


def test_two_contradicting_decodes_agree_behind_the_stable_text():
    assert told("我想退款", "我想退款", "我想退宽可以吗", "我想退宽可以吗谢谢")[-1] == ("我想退款可以吗", "谢谢")


def test_punctuation_and_case_do_not_disagree():
    assert told("OK，好", "ok好的")[-1] == ("ok好", "的")


def test_a_freeze_keeps_everything_and_starts_anew():
    prefix = StablePrefix()
    prefix.update("我想退款")
    prefix.update("我想退款因为")
    prefix.freeze("我想退款，因为坏了。")
    assert prefix.text == "我想退款，因为坏了"
    assert prefix.update("他们") == "他们"
    assert prefix.update("他们说") == "说"
    assert prefix.text == "我想退款，因为坏了他们"


def test_stable_text_beyond_a_freeze_is_not_said_twice():
    prefix = StablePrefix()
    prefix.update("我想退款因为坏了")
    prefix.update("我想退款因为坏了他们")
    prefix.freeze("我想退款。")
    assert prefix.text == "我想退款因为坏了"
    assert prefix.update("因为坏了他们") == "他们"
    assert prefix.update("因为坏了他们说") == "说"
    assert prefix.text == "我想退款因为坏了他们"


def test_frozen_latin_words_do_not_grow_together():
    prefix = StablePrefix()
    prefix.freeze("cancel my")
    prefix.update("order")
    prefix.update("order")
    assert prefix.text == "cancel my order"
    assert join("退款", "OK") == "退款OK"


@given(st.lists(st.text(alphabet="我想退款ab 1，。", max_size=12), max_size=8), st.sets(st.integers(0, 7)))
def test_stable_text_only_grows(decodes, freezes):
    prefix = StablePrefix()
    before = ""
    for number, text in enumerate(decodes):
        if number in freezes:
            prefix.freeze(text)
        else:
            assert text.endswith(prefix.update(text))
        assert prefix.text.startswith(before)
        before = prefix.text


@pytest.mark.parametrize(
    ("stable", "final", "revised"),
    [
        ("", "我想退款", 0),
        ("我想", "我想退款。", 0),
        ("我想退", "我要退款", 1),
        ("我想", "", 2),
        ("我想，退款", "我想退款", 0),
        ("我想退款", "想退款", 1),
    ],
)
def test_units_the_final_took_back(stable, final, revised):
    assert revised_units(stable, final) == revised
