"""Nearness in meaning on a readable scale."""

from __future__ import annotations

import numpy as np
import pytest

from qingting.analysis.likeness import MeaningLikeness
from qingting.analysis.meaning import CostClass, SentenceVectors, VectorIdentity, open_vectors
from qingting.analysis.meaning import MeaningMode as Mode
from qingting.analysis.meaning import MeaningOptions as Options

ANGLES = {"退款": 0.0, "退钱": 0.2, "天气": 0.6, "远处": 1.2}


class Circle(SentenceVectors):
    """Vectors in a narrow angle, as those of real models are; unknown sentences lie at 0.6."""

    cost = CostClass.LIGHT

    @property
    def identity(self) -> VectorIdentity:
        return VectorIdentity(name="circle", model="circle")

    def embed(self, sentences):
        angles = np.array([ANGLES.get(one, 0.6) for one in sentences])
        return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def test_the_same_is_one_the_unrelated_nought():
    same, near, unrelated, beyond = MeaningLikeness(Circle())("退款", ["退款", "退钱", "天气", "远处"])
    assert same == pytest.approx(1.0, abs=1e-5)
    assert 0.8 < near < 1.0
    assert unrelated == pytest.approx(0.0, abs=1e-5)
    assert beyond == 0.0


def test_a_sentence_like_the_everyday_ones_is_no_error():
    assert MeaningLikeness(Circle())("天气", ["天气", "退款"]) == pytest.approx([0.0, 0.0])


def test_nothing_to_compare():
    assert MeaningLikeness(Circle())("退款", []) == []


def test_the_installed_vectors_tell_like_from_unlike():
    vectors = open_vectors(Options(mode=Mode.AUTO))
    if vectors is None:
        pytest.skip("no sentence vectors are installed")
    like = MeaningLikeness(vectors)
    near, far = like("这个不归我管", ["这不是我负责的", "订单三天了还没收到"])
    assert near > far + 0.1
    assert far < 0.4
    assert like("我要投诉", ["我要投诉"])[0] == pytest.approx(1.0, abs=1e-3)
