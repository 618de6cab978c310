"""Conditions on meaning, with made-up vectors: what is near, what is nearer to something else, what is unknown."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from qingting.analysis.meaning import CostClass, SentenceVectors, VectorIdentity
from qingting.analysis.rules.examples import example_call, read_examples
from qingting.analysis.rules.explaining import explain
from qingting.analysis.rules.eye import RuleEye
from qingting.analysis.rules.loading import load_all
from qingting.analysis.rules.testing import run_examples
from qingting.analysis.runner import AnalysisResult, Inspection
from qingting.errors import MeaningUnavailableError
from qingting.testing.replay import CallReplay

TOPICS = (("取消", "不要了", "撤销"), ("订单", "单子"), ("发货", "到哪"), ("您好", "谢谢", "稍等", "再见"))


class MadeUp(SentenceVectors):
    """A sentence's direction is the topics that its words name."""

    cost = CostClass.LIGHT

    def __init__(self, *, fails_after: int | None = None) -> None:
        self.asked: list[str] = []
        self._left = fails_after

    @property
    def identity(self) -> VectorIdentity:
        return VectorIdentity(name="made-up", model="topics")

    def embed(self, sentences: Sequence[str]) -> NDArray[np.float32]:
        if self._left is not None:
            self._left -= 1
            if self._left < 0:
                raise MeaningUnavailableError("away")
        self.asked += sentences
        rows = [[*(float(any(word in one for word in topic)) for topic in TOPICS), 0.1] for one in sentences]
        found = np.asarray(rows, dtype=np.float32)
        return found / np.linalg.norm(found, axis=1, keepdims=True)


SAMPLES = {"sentences": ["我要取消订单", "这个单子不要了"], "unlike": ["订单发货到哪了"]}


def inspection(vectors: SentenceVectors | None, *whens: object) -> Inspection:
    data = [{"id": f"r{number}", "name": "规则", "advice": "请改进", "when": when} for number, when in enumerate(whens)]
    return Inspection([RuleEye(load_all((), data))], vectors=vectors)


def run(vectors: SentenceVectors | None, when: object, *lines: str) -> AnalysisResult:
    prepared = inspection(vectors, when)
    (one,) = read_examples({"positive": [list(lines)]}, (), line=1)
    call, transcript = example_call(one)
    result = prepared.analyze(transcript, call)
    assert result.failures == ()
    if not isinstance(vectors, MadeUp) or vectors._left is None:
        assert CallReplay(call, transcript, prepared, seed=1).run() == result.findings
    return result


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("客户：麻烦把那个单子撤销掉", 1),
        ("客户：你听我说。那个单子我撤销吧。谢谢。", 1),
        ("客户：订单发货了没有", 0),
        ("客户：今天天气真是不错", 0),
        ("客户：您好，谢谢", 0),
        ("客户：嗯", 0),
    ],
)
def test_words_near_to_a_sample_and_nearer_than_what_is_unlike(said: str, found: int) -> None:
    result = run(MadeUp(), {"similar": SAMPLES, "role": "customer"}, "坐席：您好，请讲。", said)
    assert len(result.findings) == found


def test_the_evidence_is_the_sentence_and_the_doubt_says_how_near() -> None:
    result = run(MadeUp(), {"similar": SAMPLES}, "坐席：您好。", "客户：你听我说。那个单子我撤销吧。谢谢。")
    (finding,) = result.findings
    assert finding.evidence[0].quote.startswith("那个单子我撤销吧")
    assert 0 < finding.confidence.value < 1
    assert "相似度" in "".join(finding.confidence.reasons)


def test_a_speaker_is_heeded() -> None:
    assert run(MadeUp(), {"similar": SAMPLES, "role": "agent"}, "坐席：您好。", "客户：我要取消订单").findings == ()


def test_an_utterance_is_measured_once_for_all_rules() -> None:
    vectors = MadeUp()
    prepared = inspection(vectors, {"similar": SAMPLES}, {"similar": ["我要取消订单"]}, {"similar": ["我要发货"]})
    (one,) = read_examples({"positive": [["坐席：您好。", "客户：我不要了"]]}, (), line=1)
    call, transcript = example_call(one)
    prepared.analyze(transcript, call)
    assert vectors.asked.count("我不要了") == 1


def test_without_vectors_it_is_neither_present_nor_absent() -> None:
    for when in ({"similar": SAMPLES}, {"not": {"similar": SAMPLES}}):
        result = run(None, when, "坐席：您好。", "客户：我要取消订单")
        assert result.findings == ()
        (gap,) = [one for one in result.gaps if one.what.startswith("rules.unknown")]
        assert "没有可用的语义向量" in gap.reason


def test_vectors_that_fail_during_the_call_make_it_unknown() -> None:
    when = {"not": {"similar": SAMPLES}}
    result = run(MadeUp(fails_after=1), when, "坐席：您好。", "客户：我要取消订单")
    assert result.findings == ()
    (gap,) = [one for one in result.gaps if one.what.startswith("rules.unknown")]
    assert "语义比对不可用" in gap.reason
    assert "取消" not in gap.reason


def test_examples_and_explanations_take_the_vectors() -> None:
    examples = {"positive": [["坐席：您好。", "客户：单子撤销掉"]], "negative": [["坐席：您好。", "客户：发货了吗"]]}
    data = {"id": "r", "name": "规则", "advice": "请改进", "when": {"similar": SAMPLES}, "examples": examples}
    (rule,) = load_all((), [data])
    assert all(one.passed for one in run_examples([rule], vectors=MadeUp()))
    call, transcript = example_call(rule.examples[0])
    assert len(explain(rule, call, transcript, vectors=MadeUp()).findings) == 1
