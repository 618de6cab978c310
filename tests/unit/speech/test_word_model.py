from __future__ import annotations

import pytest

from qingting.speech._word_model import count_of, divide, is_known_word, word_log_probabilities


def test_the_list_is_one_of_common_words() -> None:
    words = word_log_probabilities()
    assert len(words) > 100_000
    assert all(value < 0 for value in words.values())
    assert count_of("我们") > count_of("透析") > 0
    assert count_of("头诉") == 0.0


@pytest.mark.parametrize("word", ["透析", "投诉", "手机", "现在", "优惠"])
def test_words_are_known(word: str) -> None:
    assert is_known_word(word)


@pytest.mark.parametrize("text", ["头诉", "丁丹", "好", ""])
def test_other_texts_are_not(text: str) -> None:
    assert not is_known_word(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("我们办公单位", ["我们", "办公", "单位"]),
        ("我要头诉", ["我", "要", "头", "诉"]),
        ("龘龘", ["龘", "龘"]),
        ("", []),
    ],
)
def test_texts_are_divided(text: str, words: list[str]) -> None:
    value, found = divide(text, {}, 1)
    assert found == words
    assert value <= 0


def test_extra_words_count() -> None:
    plain, _ = divide("全家享套餐", {}, 1)
    better, words = divide("全家享套餐", {"全家享套餐": -9.0}, 5)
    assert words == ["全家享套餐"]
    assert better == -9.0 > plain
