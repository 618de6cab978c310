"""Every kind of condition with its parameters: dialogues where it holds and where it does not."""

# ruff: noqa: E501  the table reads better on long lines

from __future__ import annotations

import pytest

from qingting.analysis.rules.examples import example_call, read_examples
from qingting.analysis.rules.eye import RuleEye
from qingting.analysis.rules.loading import load_all
from qingting.analysis.runner import Inspection
from qingting.model.finding import Finding
from qingting.testing.replay import CallReplay

Data = dict[str, object]
A, C = "坐席：您好，请讲。", "客户：你好。"


def run(when: object, turns: object, **more: object) -> tuple[Finding, ...]:
    """Findings of one rule on one dialogue, checked to be the same live."""
    example = turns if isinstance(turns, dict) else {"turns": turns}
    rule: Data = {"id": "r", "name": "规则", "advice": "请改进", "when": when, **more}
    (built,) = load_all((), [rule])
    (one,) = read_examples({"positive": [example]}, (), line=1)
    call, transcript = example_call(one)
    inspection = Inspection([RuleEye([built])])
    result = inspection.analyze(transcript, call)
    assert result.failures == ()
    for seed in range(3):
        assert CallReplay(call, transcript, inspection, seed=seed).run() == result.findings
    return result.findings


def turn(role: str, text: str, **more: object) -> Data:
    return {"role": role, "text": text, **more}


LOUD = [turn("customer", "我想问一下话费的事情", loudness_dbfs=-30, pitch_hertz=180) for _ in range(3)]
SLOW = [turn("agent", "我来帮您看一下这个订单的情况", seconds=3.5) for _ in range(3)]
CARD = "62220202000" + "12345678"

TABLE: dict[str, tuple[object, object, object]] = {
    "words any": ({"words": ["退款", "退钱"]}, [A, "客户：我要退钱"], [A, "客户：我要退货"]),
    "words role": ({"words": ["退款"], "role": "customer"}, [A, "客户：退款"], ["坐席：退款吗", C]),
    "words all": ({"words": {"all": ["昨天", "退款"]}}, ["客户：昨天我要退款"], ["客户：昨天", "客户：退款"]),
    "words all across": ({"words": {"all": ["昨天", "退款"], "within": "call"}}, ["客户：昨天", "客户：退款"], ["客户：昨天"]),
    "words some": ({"words": {"some": ["甲方", "乙方", "丙方"], "needed": 2}}, ["客户：甲方和丙方"], ["客户：甲方和甲方"]),
    "words none": ({"words": {"none": ["抱歉"]}, "role": "agent"}, [C, "坐席：没有"], [C, "坐席：抱歉"]),
    "words times": ({"words": ["投诉"], "times": 3}, ["客户：投诉投诉", "客户：投诉"], ["客户：投诉投诉"]),
    "words times window": (
        {"words": ["投诉"], "times": 2, "window_seconds": 5}, ["客户：投诉", "客户：投诉"], ["客户：投诉", "客户+9：投诉"]),
    "words synonyms": (
        {"words": {"all": ["退款", "三天"], "synonyms": {"退款": ["退钱"]}}}, ["客户：三天没退钱"], ["客户：三天没到"]),
    "words without": ({"words": {"any": ["退款"], "without": ["成功"]}}, ["客户：退款呢"], ["客户：退款成功了"]),
    "words inside": ({"words": {"any": ["保证"], "ignore_inside": ["保证金"]}}, ["坐席：我保证"], ["坐席：保证金"]),
    "words meant": ({"words": {"any": ["不满意"], "meant": True}}, ["客户：我不满意"], ["客户：我没有不满意"]),
    "words lexicon": ({"words": {"lexicons": ["customer_negative"]}}, ["客户：你们太慢了"], ["客户：挺快的"]),
    "words lexicon inside": ({"words": {"lexicons": ["farewell"]}}, ["坐席：那拜了"], ["坐席：下个礼拜了"]),
    "words lexicon end": ({"words": {"lexicons": ["farewell"]}}, ["坐席：慢走"], ["坐席：白白浪费"]),
    "words latin": ({"words": ["ok"]}, ["客户：OK 可以"], ["客户：facebook"]),
    "homophones": ({"words": {"any": ["我要投诉"], "homophones": True}}, ["客户：我要头诉你"], ["客户：我要透露"]),
    "homophones off": ({"words": ["我要投诉"]}, ["客户：我要投诉"], ["客户：我要头诉"]),
    "regex": ({"regex": "退.{0,2}款"}, ["客户：退一下款"], ["客户：退货不是收款"]),
    "regex exclude": ({"regex": {"pattern": "退款", "exclude": "不.{0,2}退款"}}, ["客户：退款"], ["客户：不要退款"]),
    "near characters": (
        {"near": {"first": ["好评"], "second": ["返现"], "characters": 4}}, ["坐席：好评可以返现"],
        ["坐席：好评是客户的自由我们绝不返现"]),
    "near ordered": (
        {"near": {"first": ["好评"], "second": ["返现"], "characters": 4, "ordered": True}}, ["坐席：好评返现"],
        ["坐席：返现好评"]),
    "near seconds": (
        {"near": {"first": ["好评"], "second": ["返现"], "seconds": 5}}, ["坐席：好评", "坐席：返现"],
        ["坐席：好评", "坐席+9：返现"]),
    "near utterances": (
        {"near": {"first": ["好评"], "second": ["返现"], "utterances": 1}, "role": "agent"},
        ["坐席：好评", "客户：嗯", "坐席：返现"], ["坐席：好评", "坐席：嗯", "坐席：返现"]),
    "script": (
        {"script": "本次通话将被录音__感谢您的配合(谢谢)"}, ["坐席：本次通话将会被录音，", "坐席：感谢您的配合"], ["坐席：录音"]),
    "script by sound": (
        {"script": {"texts": "投资有风险理财须谨慎", "homophones": True}}, ["坐席：投资有峰险理财需谨甚"], ["坐席：投资理财"]),
    "repeat": ({"repeat": {}}, ["客户：我要找你们领导", A, "客户：我要找你们领导"], ["客户：我要找你们领导", "客户：我想退货"]),
    "repeat nth": (
        {"repeat": {"repeats": 2}}, ["客户：我要退货退款", "客户：我要退货退款", "客户：我要退货退款"],
        ["客户：我要退货退款", "客户：我要退货退款"]),
    "repeat exclude": (
        {"repeat": {"exclude": ["谢谢"]}}, ["客户：我要退货", "客户：我要退货"], ["客户：好的谢谢你", "客户：好的谢谢你"]),
    "entity phone": ({"entity": "phone"}, ["客户：13800138000"], ["客户：23800138000"]),
    "entity id card": ({"entity": "id_card"}, ["客户：11010519491231002X"], ["客户：110105194912310021"]),
    "entity bank card": ({"entity": "bank_card"}, ["客户：6222021234567890128"], ["客户：6222021234567890123"]),
    "entity order": ({"entity": "order_number"}, ["客户：订单号是SF1234567"], ["客户：我有1234567个"]),
    "entity amount": ({"entity": "amount"}, ["客户：扣了我50块钱"], ["客户：扣了我50次"]),
    "entity date": ({"entity": "date"}, ["客户：3月15日买的"], ["客户：第3次买的"]),
    "entity excluded": (
        {"entity": {"kind": "phone", "exclude": ["4001234567"]}}, ["客户：4007654321"], ["客户：4001234567"]),
    "silence anyone": ({"silence": 5}, [C, "坐席+6：好"], [C, "坐席+4：好"]),
    "silence at the end": ({"silence": 5}, {"turns": [C], "tail_seconds": 6}, {"turns": [C], "tail_seconds": 4}),
    "silence from start": ({"silence": {"seconds": 5, "from_start": True}}, ["客户+6：喂"], ["客户+3：喂"]),
    "silence response": (
        {"silence": {"seconds": 5, "between": "response"}, "role": "agent"}, [C, "坐席+6：好"], [A, "客户+6：好"]),
    "silence own": (
        {"silence": {"seconds": 3, "between": "own"}, "role": "agent"}, [A, "坐席+4：好"], [A, "客户+4：好"]),
    "rate above": (
        {"speech_rate": {"above": 6}}, [turn("agent", "我来帮您看一下这个订单的情况", seconds=1.5)], SLOW),
    "rate jump": (
        {"speech_rate": {"jump": 1.4}}, [*SLOW, turn("agent", "我来帮您看一下这个订单的情况", seconds=1.5)], SLOW * 2),
    "rate call": ({"speech_rate": {"below": 4.5, "over": "call"}, "role": "agent"}, SLOW, [A]),
    "overlap": (
        {"overlap": 1, "role": "agent"},
        [turn("customer", "我跟你说我的问题是这样的", seconds=5), turn("agent", "您先听我说", gap_seconds=-2.5)],
        [turn("customer", "我跟你说我的问题是这样的", seconds=5), turn("agent", "您先听我说", gap_seconds=-0.5)]),
    "loudness": (
        {"loudness": 6}, [*LOUD, turn("customer", "你们怎么回事", loudness_dbfs=-20)],
        [*LOUD, turn("customer", "你们怎么回事", loudness_dbfs=-27)]),
    "pitch": (
        {"pitch": 3}, [*LOUD, turn("customer", "你们怎么回事", pitch_hertz=250)],
        [*LOUD, turn("customer", "你们怎么回事", pitch_hertz=185)]),
    "turns above": ({"turns": {"above": 1}, "role": "customer"}, [C, A, C], [C, C, A]),
    "turns below": ({"turns": {"below": 2}, "role": "customer"}, [C, A], [C, A, C]),
    "talk ratio": (
        {"talk_ratio": {"above": 0.7}, "role": "agent"}, [C, "坐席：这个问题是这样的我跟您详细说明一下情况"], [C, "坐席：好"]),
    "duration above": ({"duration": {"above": 10}}, {"turns": [C], "tail_seconds": 15}, [C]),
    "duration below": ({"duration": {"below": 10}}, [C], {"turns": [C], "tail_seconds": 15}),
    "call field": (
        {"call": {"field": "csat", "compare": "at_most", "value": 2}}, {"turns": [C], "call": {"csat": 1}},
        {"turns": [C], "call": {"csat": 10}}),
    "position first seconds": ({"words": ["您好"], "position": {"first_seconds": 3}}, ["坐席：您好"], ["坐席+5：您好"]),
    "position last utterances": (
        {"words": ["再见"], "position": {"last_utterances": 1}}, [A, "坐席：再见"], ["坐席：再见", "坐席：喂"]),
    "position percent": (
        {"words": ["再见"], "position": {"from_percent": 50}}, [A, A, "坐席：再见"], ["坐席：再见", A, A]),
    "not in first utterances": (
        {"not": {"words": ["您好"], "role": "agent", "position": {"first_utterances": 1}}}, [C, "坐席：喂"], [C, A]),
    "at least": (
        {"at_least": 2, "of": [{"words": ["甲"]}, {"words": ["乙"]}, {"words": ["丙"]}]}, ["客户：甲丙"], ["客户：甲"]),
    "any": ({"any": [{"words": ["甲"]}, {"silence": 5}]}, ["客户：甲"], ["客户：乙"]),
    "after": (
        [{"id": "a", "words": ["退款"]}, {"words": ["抱歉"], "after": "a"}], ["客户：退款", "坐席：抱歉"],
        ["坐席：抱歉", "客户：退款"]),
    "before": (
        [{"id": "a", "words": ["退款"]}, {"words": ["核对"], "before": {"to": "a", "within_seconds": 5}}],
        ["坐席：核对", "坐席：退款"], ["坐席：核对", "坐席+9：退款"]),
    "around": (
        [{"id": "a", "words": ["退款"]}, {"words": ["核对"], "around": {"to": "a", "within_utterances": 1}}],
        ["坐席：退款", "坐席：核对"], ["坐席：退款", A, "坐席：核对"]),
    "same": (
        [{"id": "a", "words": ["退款"]}, {"words": ["核对"], "same": "a"}], ["坐席：核对后退款"], ["坐席：退款", "坐席：核对"]),
    "second hit": (
        [{"id": "a", "words": ["投诉"]}, {"words": ["抱歉"], "after": {"to": "a", "hit": 2}}],
        ["客户：投诉", "客户：投诉", "坐席：抱歉"], ["客户：投诉", "坐席：抱歉", "客户：投诉"]),
    "every hit": (
        [{"id": "a", "words": ["投诉"]}, {"words": ["抱歉"], "after": {"to": "a", "hit": "every", "within_utterances": 1}}],
        ["客户：投诉", "坐席：抱歉", "客户：投诉", "坐席：抱歉"], ["客户：投诉", "坐席：抱歉", "客户：投诉", "坐席：哦"]),
    "last hit": (
        [{"id": "a", "words": ["投诉"]}, {"words": ["抱歉"], "after": {"to": "a", "hit": "last"}}],
        ["客户：投诉", "客户：投诉", "坐席：抱歉"], ["客户：投诉", "坐席：抱歉", "客户：投诉"]),
}  # fmt: skip


@pytest.mark.parametrize("name", TABLE)
def test_a_condition_holds_and_does_not(name: str) -> None:
    when, positive, negative = TABLE[name]
    assert len(run(when, positive)) == 1
    assert run(when, negative) == ()


def test_every_hit_is_judged_on_its_own() -> None:
    when = [{"id": "a", "words": ["退款"], "role": "customer"},
            {"not": {"words": ["抱歉"], "role": "agent", "after": {"to": "a", "within_seconds": 5}}}]  # fmt: skip
    turns = [A, "客户：退款", "坐席：抱歉", "客户：退款", "坐席+8：抱歉"]
    (found,) = run(when, turns, for_each="a")
    assert found.evidence[0].start_ms > 4000
    assert found.decided_ms == found.evidence[0].end_ms + 5000
    assert len(run(when, [A, "客户：退款", "客户+8：退款"], for_each="a")) == 2
    assert len(run(when, [A, "客户：退款", "客户+8：退款"], for_each="a", max_findings=1)) == 1


def test_a_deadline_waits_for_words_that_began_before_it() -> None:
    when = [{"id": "a", "words": ["退款"], "role": "customer"},
            {"not": {"words": ["抱歉"], "role": "agent", "after": {"to": "a", "within_seconds": 4}}}]  # fmt: skip
    late = [A, "客户：退款", turn("agent", "抱歉我帮您看看这个问题", gap_seconds=3, seconds=6)]
    assert run(when, late, for_each="a") == ()
    (found,) = run(when, [A, "客户：退款", turn("agent", "我帮您看看这个问题", gap_seconds=3, seconds=6)], for_each="a")
    assert found.decided_ms == found.evidence[0].end_ms + 9000


def test_exceptions_forgive() -> None:
    when = {"id": "s", "silence": 5}
    unless = [{"words": ["稍等"], "role": "agent", "before": {"to": "s", "within_seconds": 10}}]
    assert run(when, [C, "坐席：请稍等", "坐席+8：好了"], unless=unless, for_each="s") == ()
    (found,) = run(when, [C, "坐席：我看看", "坐席+8：好了"], unless=unless, for_each="s")
    assert found.decided_ms == found.evidence[0].end_ms


def test_rules_that_are_not_meant_for_a_call_stay_silent() -> None:
    scope = {"direction": ["outbound"], "fields": [{"field": "csat", "compare": "below", "value": 3}]}
    when = {"words": ["退款"]}
    fits = {"turns": ["客户：退款"], "call": {"direction": "outbound", "csat": 2}}
    assert len(run(when, fits, applies_to=scope)) == 1
    assert run(when, {**fits, "call": {"direction": "inbound", "csat": 2}}, applies_to=scope) == ()
    assert run(when, {**fits, "call": {"direction": "outbound", "csat": 4}}, applies_to=scope) == ()


def test_absences_are_not_judged_where_nothing_can_be_heard() -> None:
    assert run({"not": {"words": ["您好"], "role": "agent"}}, ["客户：喂"]) == ()
    assert run({"not": {"loudness": 6}}, [C, A]) == ()
    assert run({"not": {"words": ["抱歉"], "after": "a"}}, [C, A], conditions={"a": {"words": ["退款"]}}) == ()


def test_captured_values_are_masked_in_texts() -> None:
    when = {"id": "n", "entity": "phone", "role": "customer"}
    (found,) = run(when, ["客户：13812345678"], advice="号码{n.value}")
    assert found.advice == "号码138****5678"
    assert "13812345678" not in found.explanation
    assert found.evidence[0].quote == "13812345678"
    (shown,) = run({**when, "entity": {"kind": "phone", "masked": False}}, ["客户：13812345678"], advice="{n.value}")
    assert shown.advice == "13812345678"


def test_what_was_found_by_sound_is_less_sure_and_says_why() -> None:
    (found,) = run({"words": {"any": ["我要投诉"], "homophones": True}}, ["客户：我要头诉"])
    assert found.confidence.value == 0.75
    assert found.confidence.reasons
    assert found.evidence[0].quote == "我要头诉"
