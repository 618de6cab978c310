"""How tokens and alignments become words, with a tokenizer of single UTF-8 bytes."""

from types import SimpleNamespace

import pytest

from qingting.model.transcript import TimedText
from qingting.speech._whisper import WhisperModel, _hangs_on, _without_pause


class Bytes:
    """Every token is one byte, so that a Chinese character takes three."""

    def decode(self, tokens):
        return bytes(tokens).decode("utf-8", errors="replace")


@pytest.fixture
def model():
    model = WhisperModel.__new__(WhisperModel)
    model._tokenizer = Bytes()
    return model


def words_of(model, text, per_token=5):
    tokens = list(text.encode())
    alignment = [(index, index * per_token) for index in range(len(tokens))]
    result = SimpleNamespace(alignments=alignment, text_token_probs=[0.5] * len(tokens))
    return model._words(tokens, result)


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("你好", ["你", "好"]),
        ("你好。", ["你", "好。"]),
        ("好,谢谢!", ["好,", "谢", "谢!"]),
        ("用WiFi吗?", ["用", "WiFi", "吗?"]),
        ("my order", ["my ", "order"]),
        ("120块", ["120", "块"]),
        ("。好", ["。", "好"]),
    ],
)
def test_tokens_become_words_whose_texts_join_to_the_text(model, text, units):
    words = words_of(model, text)
    assert [word.text for word in words] == units
    assert "".join(word.text for word in words) == text


def test_words_have_times_and_confidence_in_order(model):
    words = words_of(model, "你好。")
    assert [(w.start_ms, w.end_ms, w.confidence) for w in words] == [(0, 300, 0.5), (300, 600, 0.5)]


def test_broken_bytes_at_the_end_do_not_vanish(model):
    assert [w.text for w in model._words([*"好".encode(), 0xE4], SimpleNamespace(alignments=[], text_token_probs=[]))]


@pytest.mark.parametrize(
    ("word", "start", "end"),
    [
        (TimedText(text="好", start_ms=0, end_ms=2000), 1520, 2000),
        (TimedText(text="好", start_ms=1800, end_ms=2000), 1800, 2000),
        (TimedText(text="order", start_ms=0, end_ms=3000), 1400, 3000),
        (TimedText(text="爸爸", start_ms=0, end_ms=3000), 2040, 3000),
    ],
)
def test_pauses_before_words_are_not_theirs(word, start, end):
    cut = _without_pause(word)
    assert (cut.start_ms, cut.end_ms) == (start, end)


@pytest.mark.parametrize(
    ("previous", "text", "hangs"),
    [
        ("好", "。", True),
        ("好", "的", False),
        ("Wi", "Fi", True),
        ("ok", " fine", False),
        ("好", "a", False),
        ("12", "0", True),
    ],
)
def test_what_hangs_on_the_word_before(previous, text, hangs):
    assert _hangs_on(previous, text) is hangs
