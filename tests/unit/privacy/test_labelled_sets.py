"""The labelled sets of the benchmark: what is found must not become less, nor what is masked by mistake more."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from qingting.privacy.detection import KINDS
from qingting.privacy.masking import Masker

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    spec = importlib.util.spec_from_file_location("masking_benchmark", ROOT / "benchmarks" / "masking.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("name", "recall", "in_conversations"), [("tuning", 0.99, 0.95), ("held_out", 0.97, 0.83)])
def test_the_figures_hold(benchmark: ModuleType, name: str, recall: float, in_conversations: float) -> None:
    figures = benchmark.measure(name, Masker(KINDS))
    assert figures["recall_all"] >= recall
    assert figures["recall_in_conversations"] >= in_conversations
    assert figures["false_masks_per_10000_characters"] <= 1.0
    assert figures["personal_sentences"] >= 75
    assert figures["ordinary_sentences"] >= 250


def test_a_value_that_is_missed_and_a_word_that_is_masked_by_mistake_are_counted(benchmark: ModuleType) -> None:
    one = benchmark.labelled(["坐：您贵姓？", "客：[我](name)的电话13812345678"])
    masker = Masker(KINDS)
    assert benchmark.covered(one, masker) == {1: set(range(4, 15))}
    assert [text.split()[0] for text in benchmark.false_masks(one, masker)] == ["13812345678"]
