"""Conditions on other dimensions: where they hold, where not, and where they stay unknown."""

# ruff: noqa: E501  the table reads better on long lines

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qingting.analysis.analyzer import Analyzer, Watch
from qingting.analysis.context import UtteranceFacts
from qingting.analysis.rules.beside import analyzers_for
from qingting.analysis.rules.examples import example_call, read_examples
from qingting.analysis.rules.explaining import explain, explanation_text
from qingting.analysis.rules.eye import RuleEye
from qingting.analysis.rules.kinds.dimensions import KnowledgeState, ResolutionState
from qingting.analysis.rules.loading import load_all
from qingting.analysis.rules.model import Rule
from qingting.analysis.rules.testing import run_examples
from qingting.analysis.runner import AnalysisResult, Inspection
from qingting.model.call import CallInfo
from qingting.model.finding import Finding
from qingting.model.transcript import Transcript
from qingting.testing.edge_calls import edge_calls
from qingting.testing.made_up_voice import with_made_up_voice
from qingting.testing.replay import CallReplay
from qingting.testing.samples import sample_calls

Data = dict[str, object]


def build(when: object, **more: object) -> Rule:
    (rule,) = load_all((), [{"id": "r", "name": "规则", "advice": "请改进", "when": when, **more}])
    return rule


def play(turns: object) -> tuple[CallInfo, Transcript]:
    (one,) = read_examples({"positive": [turns if isinstance(turns, dict) else {"turns": turns}]}, (), line=1)
    return example_call(one)


def run(rule: Rule, turns: object, *, beside: Iterable[Analyzer] | None = None) -> AnalysisResult:
    """Run a rule beside the analyzers it needs; live must give the same findings and gaps."""
    eye = RuleEye([rule])
    inspection = Inspection([eye, *(analyzers_for(eye.compiled) if beside is None else beside)])
    call, transcript = play(turns)
    result = inspection.analyze(transcript, call)
    for seed in range(2):
        running = CallReplay(call, transcript, inspection, seed=seed)
        if not result.failures:
            assert running.run() == result.findings
    return result


def own(result: AnalysisResult) -> list[Finding]:
    return [one for one in result.findings if one.dimension == "custom_rules"]


HELLO = "坐席：您好，请讲。"
ASKED = "客户：我的快递怎么还没到？"
FURIOUS = "客户：你们太过分了，骗子公司，气死我了，我要投诉你们！"
CANTONESE = "客户：唔该，我想问下个快递点解仲未到嘅？"
REFUND = ["坐席：您好，请讲。", "客户：我要退款，东西坏了。"]
SOLVED = [
    "坐席：您好，请讲。", "客户：我的订单三天了还没收到。", "坐席：非常抱歉，已经为您补发，单号是SF123456，明天送到。",
    "坐席：您看这样处理可以吗？", "客户：可以，没问题，谢谢。", "坐席：请问还有其他可以帮您的吗？", "客户：没有了。",
]  # fmt: skip
REFUSED = [
    HELLO,
    "客户：我的订单三天了还没发货。",
    "坐席：五天后才能发货。",
    "客户：不可能，我不接受。",
    "坐席+40：嗯。",
]
UNSOLVED = [
    "坐席：您好，请讲。",
    "客户：我的订单三天了还没收到。",
    "坐席：这个我们办不了。",
    "客户：那算了，我不接受。",
]
QUESTION = [
    "坐席：您好，请讲。",
    "客户：请问退款多久能到账？",
    "坐席+3：好的，一般三到五个工作日退回原账户。",
    "客户：好的。",
]


def looked_up(*events: Data) -> Data:
    return {"turns": QUESTION, "desktop": list(events)}


FITTING = looked_up({"at_seconds": 7, "kind": "open", "title": "退款多久到账", "text": "退款三到五个工作日到账。"})
STRAYING = looked_up(
    {"at_seconds": 7, "kind": "open", "title": "发票抬头怎么修改", "text": "电子发票抬头可以在订单页面修改。"}
)
IN_VAIN = looked_up({"at_seconds": 7, "kind": "search", "query": "退款多久到账", "results": 0})

TABLE: dict[str, tuple[object, object, object]] = {
    "emotion angry": ({"emotion": "angry", "role": "customer"}, [HELLO, FURIOUS], [HELLO, ASKED]),
    "emotion negative holds when angry": ({"emotion": "negative"}, [HELLO, FURIOUS], [HELLO, ASKED]),
    "emotion calm": ({"emotion": "calm", "role": "customer"}, [HELLO, ASKED], [HELLO, FURIOUS]),
    "emotion positive": ({"emotion": "positive", "role": "customer"}, [HELLO, "客户：太好了，非常满意，谢谢你！"], [HELLO, FURIOUS]),
    "emotion of the other side": ({"emotion": "angry", "role": "customer"}, [HELLO, FURIOUS], [ASKED, "坐席：骗子公司，气死我了！"]),
    "emotion level": ({"emotion": {"at_least": 0.6}, "role": "customer"}, [HELLO, FURIOUS], [HELLO, ASKED]),
    "emotion rising": ({"emotion": {"trend": "rising"}, "role": "customer"}, [HELLO, ASKED, FURIOUS], [HELLO, FURIOUS, ASKED]),
    "emotion falling": ({"emotion": {"trend": "falling"}, "role": "customer"}, [FURIOUS, HELLO, "客户：好的，我等一下。"], [HELLO, ASKED, FURIOUS]),
    "emotion falling needs its distance": (
        {"emotion": {"trend": "falling", "over_utterances": 2}, "role": "customer"},
        [FURIOUS, HELLO, ASKED], [ASKED, HELLO, ASKED]),
    "emotion times": ({"emotion": "negative", "role": "customer", "times": 2}, [FURIOUS, HELLO, FURIOUS], [FURIOUS, HELLO, ASKED]),
    "emotion absent": ({"not": {"emotion": "negative", "role": "customer"}}, [HELLO, ASKED], [HELLO, FURIOUS]),
    "language": ({"language": "cantonese"}, [HELLO, CANTONESE], [HELLO, ASKED]),
    "language mandarin": ({"language": "mandarin", "role": "customer"}, [HELLO, "客户：你们的快递怎么还没有到，能不能给我查一下？"], [HELLO, CANTONESE]),
    "dialect any": ({"dialect": "*", "role": "customer"}, [HELLO, CANTONESE], [HELLO, "客户：你们的快递怎么还没有到，能不能给我查一下？"]),
    "dialect listed": ({"dialect": ["wu", "cantonese"]}, [HELLO, CANTONESE], [HELLO, "客户：你们搞啥子，啷个还没到哦，莫得人管嗦？"]),
    "language unlike": ({"all": [{"language": "cantonese", "role": "customer"}, {"not": {"language": "cantonese", "role": "agent"}}]},
                        [HELLO, CANTONESE, "坐席：请您稍等。"], [HELLO, CANTONESE, "坐席：唔该等阵，我帮你睇下先啦。"]),
    "intent": ({"intent": "refund"}, REFUND, [HELLO, ASKED]),
    "intent any": ({"intent": "*"}, REFUND, [HELLO, "客户：你好，你好。"]),
    "intent primary": ({"intent": {"any": ["refund"], "primary": True}}, REFUND, ["客户：我要开发票。", HELLO, "客户：还要退款。"]),
    "intent unknown": ({"intent": "unknown"}, [HELLO, "客户：那个上次隔壁老王家里说的蓝色的东西。"], REFUND),
    "intent absent": ({"not": {"intent": "refund"}}, [HELLO, ASKED], REFUND),
    "intent then words": (
        [{"id": "i", "intent": "refund"}, {"words": ["订单号"], "role": "agent", "after": {"to": "i", "within_utterances": 1}}],
        [*REFUND, "坐席：订单号报一下。"], [*REFUND, "坐席：请讲。", "客户：嗯。", "坐席：订单号报一下。"]),
    "resolution problem": ({"resolution": "problem"}, SOLVED, [HELLO, "客户：你好。"]),
    "resolution solution": ({"resolution": "solution"}, SOLVED, UNSOLVED),
    "resolution confirmation": ({"resolution": "confirmation"}, SOLVED, UNSOLVED),
    "resolution acceptance": ({"resolution": "acceptance"}, SOLVED, UNSOLVED),
    "resolution rejection": ({"resolution": "rejection"}, UNSOLVED, SOLVED),
    "resolution resolved": ({"resolution": "resolved"}, SOLVED, UNSOLVED),
    "resolution unresolved": ({"resolution": ["unresolved", "unclear"]}, UNSOLVED, SOLVED),
    "resolution never offered": ({"all": [{"resolution": "problem"}, {"not": {"resolution": "solution"}}]}, UNSOLVED, SOLVED),
    "knowledge fits": ({"knowledge": "fits"}, FITTING, STRAYING),
    "knowledge mismatch": ({"knowledge": "mismatch"}, STRAYING, FITTING),
    "knowledge in vain": ({"knowledge": "searched_in_vain"}, IN_VAIN, FITTING),
    "knowledge not searched": ({"knowledge": "not_searched"},
                               {"turns": [HELLO, "客户：请问退款多久能到账？", "坐席：这个我不清楚。", "客户：好吧。"], "desktop": []}, FITTING),
    "finding by rule": ({"finding": "emotion_analyzer.unanswered_refusal"},
                        REFUSED, [HELLO, ASKED]),
    "finding by wildcard": ({"finding": "contact_reason.*"}, REFUND, [HELLO, "客户：你好。"]),
    "finding by dimension and level": ({"finding": {"dimension": "responsiveness", "level": "medium"}},
                                       [HELLO, ASKED, "坐席+40：您好。"], [HELLO, ASKED, "坐席：抱歉，今天下午送到。"]),
    "finding by polarity": ({"finding": {"dimension": "resolution", "polarity": "credit"}}, SOLVED, UNSOLVED),
    "finding absent": ({"not": {"finding": "resolution.resolved"}}, UNSOLVED, SOLVED),
    "finding of any dimension": ({"finding": {"rule": "*.resolved"}}, SOLVED, UNSOLVED),
    "hang up": ({"hang_up": "agent"}, {"turns": [HELLO, ASKED], "call": {"hang_up_side": "坐席"}},
                {"turns": [HELLO, ASKED], "call": {"hang_up_side": "customer"}}),
    "hang up absent": ({"not": {"hang_up": "customer"}}, {"turns": [HELLO, ASKED], "call": {"hang_up_side": "system"}},
                       {"turns": [HELLO, ASKED], "call": {"hang_up_side": "用户"}}),
    "hang up other field": ({"hang_up": {"by": "agent", "field": "release"}}, {"turns": [HELLO], "call": {"release": "Agent"}},
                            {"turns": [HELLO], "call": {"release": "Customer"}}),
    "hang up hint": ({"hang_up": {"by": "agent", "hint": True}}, {"turns": [ASKED, "坐席：再见。"], "tail_seconds": 1},
                     {"turns": [ASKED, "坐席：再见。"], "tail_seconds": 9}),
    "address": ({"entity": "address"}, [HELLO, "客户：我住北京市海淀区学院路37号。"], [HELLO, "客户：我在北京市海淀区。"]),
}  # fmt: skip


@pytest.mark.parametrize("name", TABLE)
def test_a_condition_holds_where_it_should_and_only_there(name: str) -> None:
    when, positive, negative = TABLE[name]
    rule = build(when)
    held, missed = run(rule, positive), run(rule, negative)
    assert held.failures == missed.failures == ()
    assert len(own(held)) == 1
    assert own(missed) == []
    assert not [one for one in (*held.gaps, *missed.gaps) if one.what.startswith("rules.")]
    (finding,) = own(held)
    assert finding.evidence
    assert finding.explanation.endswith("。")


def test_every_state_has_its_chinese_word() -> None:
    assert all(one.chinese for one in (*ResolutionState, *KnowledgeState))


NEEDS: dict[str, tuple[object, object]] = {
    "emotion": ({"emotion": "angry"}, [HELLO, FURIOUS]),
    "emotion absent": ({"not": {"emotion": "angry"}}, [HELLO, ASKED]),
    "language": ({"language": "cantonese"}, [HELLO, CANTONESE]),
    "intent": ({"intent": "refund"}, REFUND),
    "resolution": ({"resolution": "resolved"}, SOLVED),
    "knowledge": ({"knowledge": "fits"}, FITTING),
    "finding": ({"finding": "keywords.negative"}, [HELLO, FURIOUS]),
    "anchored": ([{"id": "e", "emotion": "angry"}, {"words": ["抱歉"], "after": "e"}], [HELLO, FURIOUS, "坐席：抱歉。"]),
    "hang up": ({"hang_up": "agent"}, [HELLO, ASKED]),
    "hang up strange": ({"hang_up": "agent"}, {"turns": [HELLO, ASKED], "call": {"hang_up_side": "7"}}),
    "similar": ({"similar": ["我要取消订单"]}, [HELLO, "客户：我要取消订单"]),
}  # fmt: skip


@pytest.mark.parametrize("name", NEEDS)
def test_a_rule_without_its_dimension_is_unknown_and_the_report_says_so(name: str) -> None:
    when, turns = NEEDS[name]
    result = run(build(when), turns, beside=())
    assert own(result) == []
    (gap,) = [one for one in result.gaps if one.what.startswith("rules.unknown")]
    assert "规则" in gap.reason
    assert gap.reason.endswith("）。")


def test_knowledge_without_recorded_desktop_is_unknown() -> None:
    result = run(build({"knowledge": "fits"}), QUESTION)
    assert any("未提供桌面操作记录" in one.reason for one in result.gaps if one.what.startswith("rules."))


def test_an_exception_that_cannot_be_judged_makes_the_rule_unknown() -> None:
    rule = build({"words": ["投诉"], "role": "customer"}, unless={"emotion": "calm", "role": "customer"})
    assert own(run(rule, [HELLO, FURIOUS], beside=())) == []
    assert len(own(run(rule, [HELLO, FURIOUS]))) == 1


def test_what_holds_or_fails_anyway_needs_no_missing_dimension() -> None:
    either = build({"any": [{"words": ["投诉"]}, {"emotion": "angry"}]})
    both = build({"all": [{"words": ["退货"]}, {"emotion": "angry"}]})
    held, failed = (run(rule, [HELLO, FURIOUS], beside=()) for rule in (either, both))
    assert len(own(held)) == 1
    assert own(failed) == []
    assert not [one for result in (held, failed) for one in result.gaps if one.what.startswith("rules.")]


class _Failing(Analyzer):
    """Breaks on the third utterance."""

    id = "emotion_analyzer"
    name = "情绪与语气"
    description = "测试。"
    version = "1"

    def watch(self, call: CallInfo, so_far: object) -> Watch:
        class Breaking(Watch):
            count = 0

            def on_utterance(self, facts: UtteranceFacts) -> Iterable[Finding]:
                self.count += 1
                if self.count == 3:
                    raise RuntimeError("我的快递")
                return ()

        return Breaking()


def test_a_dimension_that_fails_during_the_call_makes_its_rules_unknown() -> None:
    turns = [HELLO, ASKED, FURIOUS, "坐席：嗯。"]
    rule = build([{"id": "a", "words": ["快递"]}, {"not": {"emotion": "angry", "after": "a"}}])
    result = run(rule, turns, beside=[_Failing()])
    assert own(result) == []
    (gap,) = [one for one in result.gaps if one.what.startswith("rules.")]
    assert "检查时出错" in gap.reason
    assert "快递" not in gap.reason


def test_an_absence_is_not_certain_before_a_late_finding_can_come() -> None:
    """The refusal's finding lies at 客户's words but is decided 30 s later: the window is long past then."""
    words = {"id": "no", "words": ["不可能"], "role": "customer"}
    late = {"not": {"finding": "emotion_analyzer.unanswered_refusal", "same": "no"}}
    turns = REFUSED
    assert own(run(build([words, late]), turns)) == []
    kind = {"finding": "emotion_analyzer.unanswered_refusal", "same": "no"}
    assert len(own(run(build([words, kind]), turns))) == 1


def test_words_of_an_utterance_and_its_signal_are_judged_together() -> None:
    """The agent's soothing words end in the very event that closes the window."""
    rule = build(
        [{"id": "e", "emotion": "angry", "role": "customer"},
         {"not": {"words": ["抱歉"], "role": "agent", "after": {"to": "e", "within_utterances": 1}}}],
    )  # fmt: skip
    assert own(run(rule, [HELLO, FURIOUS, "坐席：非常抱歉。", "坐席：稍等。"])) == []
    assert len(own(run(rule, [HELLO, FURIOUS, "坐席：稍等。", "坐席：非常抱歉。"]))) == 1


def test_the_hint_of_who_hung_up_is_under_every_doubt_threshold() -> None:
    (finding,) = own(
        run(build({"hang_up": {"by": "agent", "hint": True}}), {"turns": [ASKED, "坐席：再见。"], "tail_seconds": 1})
    )
    assert finding.confidence.value <= 0.3
    assert "推测" in "".join(finding.confidence.reasons)


def test_an_explanation_runs_the_dimensions_and_tells_where_each_held() -> None:
    rule = build([{"id": "e", "emotion": "angry", "role": "customer"}, {"intent": "complaint"}])
    call, transcript = play([HELLO, FURIOUS])
    text = explanation_text(explain(rule, call, transcript))
    assert "命中1次" in text
    assert "情绪激烈不满" in text
    assert "提到来电原因“" in text


def test_an_explanation_says_what_is_unknown() -> None:
    call, transcript = play([HELLO, ASKED])
    got = explain(build({"hang_up": "agent"}), call, transcript)
    assert "[未知]" in explanation_text(got)
    assert "通话字段hang_up_side未提供" in "".join(got.unknown)


def test_examples_run_with_the_dimensions_and_fail_where_what_they_need_is_missing() -> None:
    both = {"positive": [[HELLO, FURIOUS]], "negative": [[HELLO, ASKED]]}
    assert all(one.passed for one in run_examples([build({"emotion": "angry"}, examples=both)]))
    # Without vectors neither example may seem to pass.
    similar = build(
        {"similar": ["我要取消订单"]}, examples={"positive": [["客户：我要取消订单"]], "negative": [["客户：你好吗"]]}
    )
    assert not any(one.passed for one in run_examples([similar]))


def test_an_address_is_shown_without_its_door() -> None:
    rule = build({"id": "a", "entity": "address"}, advice="请核对{a.value}")
    (finding,) = own(run(rule, [HELLO, "客户：寄到成都市武侯区人民南路四段27号。"]))
    assert finding.advice == "请核对成都市武侯区****"
    assert "人民南路" not in finding.explanation


ALL = [
    {"id": f"r{number}", "name": "规则", "advice": "请改进", "when": when}
    for number, (when, _, _) in enumerate(TABLE.values())
] + [
    {"id": "each", "name": "规则", "advice": "请改进", "for_each": "e",
     "conditions": {"e": {"emotion": {"trend": "rising", "change": 0.1}}, "w": {"words": ["抱歉", "好的"], "after": {"to": "e", "within_seconds": 10}},
                    "f": {"finding": "*", "after": {"to": "e", "hit": "first", "within_seconds": 20}},
                    "l": {"resolution": "problem", "before": {"to": "e", "hit": "last"}}},
     "when": ["e", {"any": [{"not": "w"}, "f"]}], "unless": "l"},
]  # fmt: skip


def everything() -> Inspection:
    eye = RuleEye(load_all((), ALL))
    return Inspection([eye, *analyzers_for(eye.compiled)])


def same_live(inspection: Inspection, call: CallInfo, transcript: Transcript, seed: int) -> int:
    result = inspection.analyze(transcript, call)
    assert result.failures == ()
    assert CallReplay(call, transcript, inspection, seed=seed).run() == result.findings
    assert inspection.analyze(transcript, call).gaps == result.gaps
    return len(own(result))


def test_every_sample_and_edge_call_gives_the_same_live_and_afterwards() -> None:
    inspection, found = everything(), 0
    for number, sample in enumerate(sample_calls()):
        call, transcript = sample.script.call_info(), sample.transcript()
        found += same_live(inspection, call, transcript if number % 2 else with_made_up_voice(transcript), number)
    for edge in edge_calls():
        if len(edge.transcript.utterances) < 500:
            same_live(inspection, edge.call, edge.transcript, 1)
    assert found > 100


LINES = (HELLO, ASKED, FURIOUS, CANTONESE, *REFUND, *SOLVED, *UNSOLVED, *QUESTION, "坐席：非常抱歉。", "未知：喂？")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.tuples(st.sampled_from(LINES), st.sampled_from([0.0, 0.6, 3.0, 10.0, 31.0, -1.0])), min_size=1, max_size=20
    ),
    st.integers(0, 9),
)
def test_made_up_calls_give_the_same_live_and_afterwards(lines: list[tuple[str, float]], seed: int) -> None:
    roles = {"坐席": "agent", "客户": "customer", "未知": "unsure"}
    turns, latest = [], {}
    for line, gap in lines:
        who, _, text = line.partition("：")
        who = who.partition("+")[0]
        # One party never overlaps itself.
        own_gap = gap if gap >= 0 or latest.get("who") != who else 0.0
        latest["who"] = who
        turns.append({"role": roles[who], "text": text, "gap_seconds": own_gap})
    call, transcript = play(
        {"turns": turns, "call": {"hang_up_side": random.Random(seed).choice(["", "agent", "customer"])}}
    )
    same_live(_EVERYTHING, call, transcript, seed)


_EVERYTHING = everything()
