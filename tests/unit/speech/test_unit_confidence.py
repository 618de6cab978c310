import math

import pytest

from qingting.model.transcript import TimedText
from qingting.speech.unit_confidence import Token, text_confidence, with_confidences


def token(content, probability):
    data = content if isinstance(content, bytes) else content.encode()
    return Token(content=data, log_probability=math.log(probability) if probability else -math.inf)


LABEL = (token("language", 0.2), token(" Chinese", 0.3), token("<asr_text>", 0.4))
END = (token("<|im_end|>", 0.1),)


def by_unit(text, *tokens):
    found = text_confidence(text, (*LABEL, *tokens, *END))
    assert found is not None
    return [round(value, 3) for value in found.by_unit]


def test_labels_and_end_marks_do_not_count():
    found = text_confidence("退款", (*LABEL, token("退", 0.9), token("款", 0.4), *END))
    assert found is not None
    assert found.overall == pytest.approx(0.6)
    assert by_unit("退款", token("退", 0.9), token("款", 0.4)) == [0.9, 0.4]


def test_a_token_of_several_units_speaks_for_each():
    assert by_unit("我要退款，AB12", token("我要退款", 0.8), token("，", 0.1), token("AB", 0.7), token("12", 0.6)) == [
        0.8, 0.8, 0.8, 0.8, 0.7, 0.6, 0.6,
    ]  # fmt: skip


def test_bytes_of_one_character_in_several_tokens_count_by_the_least():
    first, second = "退".encode()[:2], "退".encode()[2:]
    assert by_unit("退款", token(first, 0.9), token(second, 0.5), token("款", 0.8)) == [0.5, 0.8]


def test_broken_characters_share_the_gap_they_stand_for():
    broken = "\ufffd"
    assert by_unit("我退款", token("我", 0.9), token(broken, 0.5), token(broken, 0.7), token("款", 0.8)) == [
        0.9,
        0.5,
        0.8,
    ]
    assert by_unit("款退", token("款", 0.9), token(broken, 0.5), token(broken, 0.7)) == [0.9, 0.5]


@pytest.mark.parametrize(("text", "tokens"), [("", LABEL), ("退款", ()), ("退款", LABEL), ("退款", (*LABEL, *END))])
def test_nothing_to_say(text, tokens):
    assert text_confidence(text, tokens) is None


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 5.0, -1e9])
def test_odd_probabilities_stay_in_range(value):
    found = text_confidence("退", (Token(content="退".encode(), log_probability=value),))
    assert found is not None
    assert 0.0 <= found.overall <= 1.0
    assert all(0.0 <= one <= 1.0 for one in found.by_unit)


def timed(*texts, confidence=None):
    return [TimedText(text=text, start_ms=n, end_ms=n + 1, confidence=confidence) for n, text in enumerate(texts)]


def test_rewritten_units_take_the_least_of_what_they_replace():
    found = with_confidences(timed("退", "1", "2", "0", "元"), "退一百二十元", (0.9, 0.8, 0.7, 0.3, 0.6, 0.5))
    assert [(item.text, item.confidence) for item in found] == [
        ("退", 0.9), ("1", 0.3), ("2", 0.3), ("0", 0.3), ("元", 0.5),
    ]  # fmt: skip


def test_script_and_case_do_not_part_units():
    found = with_confidences(timed("错", "ok"), "錯OK", (0.4, 0.6))
    assert [item.confidence for item in found] == [0.4, 0.6]


def test_engines_own_confidences_stay_and_mismatched_ones_are_left_out():
    own = timed("退", "款", confidence=0.1)
    assert [item.confidence for item in with_confidences(own, "退款", (0.9, 0.9))] == [0.1, 0.1]
    assert [item.confidence for item in with_confidences(timed("退", "款"), "退款", (0.9,))] == [None, None]
    assert [item.confidence for item in with_confidences(timed("退", "款"), "退款", ())] == [None, None]


def test_units_cut_by_a_guard_take_their_confidence_with_them():
    found = with_confidences(timed("退", "款"), "退款订单客服", (0.9, 0.7, 0.1, 0.1, 0.1, 0.1))
    assert [item.confidence for item in found] == [0.9, 0.7]
