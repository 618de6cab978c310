"""Rules that sleep until one of their words is said find what they would have found awake."""

from __future__ import annotations

import random

import pytest

from qingting.analysis.rules.compiling import CompiledRule, CompiledRules
from qingting.analysis.rules.examples import example_call
from qingting.analysis.rules.explaining import explain
from qingting.analysis.rules.eye import RuleEye
from qingting.analysis.rules.loading import bundled_rule_files, load_all
from qingting.analysis.rules.model import Rule
from qingting.analysis.runner import Inspection
from qingting.model.call import CallInfo
from qingting.model.finding import Finding
from qingting.model.transcript import Transcript
from qingting.testing.replay import CallReplay
from qingting.testing.samples import sample_calls

CALL = CallInfo(call_id="c")


def rule(conditions: dict[str, object], when: object, **more: object) -> Rule:
    data = {"id": "r", "name": "规则", "advice": "请改进", "conditions": conditions, "when": when, **more}
    (built,) = load_all((), [data])
    return built


WORD, NOT_SAID = {"words": ["退款"]}, {"words": ["抱歉"], "after": "word"}
WAKERS: dict[str, tuple[Rule, set[str]]] = {
    "for each": (rule({"word": WORD, "answer": {"words": ["抱歉"]}}, ["word", "answer"], for_each="word"), {"word"}),
    "all of two": (rule({"word": WORD, "other": {"words": ["抱歉"]}}, ["word", "other"]), {"word"}),
    "any of two": (rule({"word": WORD, "other": {"words": ["抱歉"]}}, {"any": ["word", "other"]}), {"word", "other"}),
    "two of three": (
        rule({name: {"words": [name * 2]} for name in "abc"}, {"at_least": 2, "of": list("abc")}),
        {"a", "b"},
    ),
    "absence": (rule({"word": WORD}, {"not": "word"}), set()),
    "absence after": (rule({"word": WORD, "none": NOT_SAID}, [{"not": "none"}, "word"]), {"word"}),
    "absence after, alone": (rule({"word": WORD, "none": NOT_SAID}, {"not": "none"}), {"word"}),
    "with a silence": (rule({"word": WORD, "quiet": {"silence": {"seconds": 3}}}, ["word", "quiet"]), {"word"}),
    "a silence or a word": (
        rule({"word": WORD, "quiet": {"silence": {"seconds": 3}}}, {"any": ["word", "quiet"]}), set()),
    "a silence alone": (rule({"quiet": {"silence": {"seconds": 3}}}, "quiet"), set()),
}  # fmt: skip


@pytest.mark.parametrize("name", WAKERS)
def test_what_wakes_a_rule(name: str) -> None:
    built, wakers = WAKERS[name]
    assert CompiledRules([built]).rules[0].wakers == wakers


def found(inspection: Inspection, call: CallInfo, transcript: Transcript, *, seed: int = 0) -> tuple[Finding, ...]:
    result = inspection.analyze(transcript, call)
    assert result.failures == ()
    assert CallReplay(call, transcript, inspection, seed=seed).run() == result.findings
    return result.findings


def test_bundled_rules_find_the_same_asleep_and_awake(monkeypatch: pytest.MonkeyPatch) -> None:
    rules = list(load_all(bundled_rule_files(), ()))
    calls = [example_call(one) for each in rules for one in each.examples]
    calls += [(one.script.call_info(), one.transcript()) for one in sample_calls()]
    sleeping = Inspection([RuleEye(rules)])
    asleep = [found(sleeping, *one) for one in calls]
    monkeypatch.setattr(CompiledRule, "wakers", frozenset())
    restless = Inspection([RuleEye(rules)])
    awake = [found(restless, *one) for one in calls]
    assert [[one.id for one in each] for each in asleep] == [[one.id for one in each] for each in awake]
    assert asleep == awake
    assert sum(map(len, asleep)) > 50


SPOKEN = ("退款", "抱歉", "稍等", "我要头诉", "好的", "嗯退款抱歉", "aa稍等bb", "aabb", "")


def random_rule(number: int, dice: random.Random) -> dict[str, object]:
    """Some rule on words, anchors, absences and counts."""
    names = ["a", "b", "c"][: dice.randint(2, 3)]
    conditions: dict[str, object] = {}
    for at, name in enumerate(names):
        words = dice.sample(["退款", "抱歉", "稍等", "我要投诉", "aa", "bb"], 2)
        condition: dict[str, object] = {"words": {"any": words, "homophones": dice.random() < 0.5}}
        if dice.random() < 0.5:
            condition["role"] = dice.choice(["agent", "customer"])
        if at and dice.random() < 0.6:
            anchor: dict[str, object] = {"to": names[0], "hit": dice.choice(["any", "first", "last", "every"])}
            if dice.random() < 0.5:
                anchor[dice.choice(["within_seconds", "within_utterances"])] = dice.randint(1, 5)
            condition[dice.choice(["after", "before", "around"])] = anchor
        if dice.random() < 0.2:
            condition["times"] = 2
        conditions[name] = condition
    parts = [{"not": name} if at and dice.random() < 0.4 else name for at, name in enumerate(names)]
    when = dice.choice([parts, {"any": parts}, {"at_least": len(parts) - 1, "of": parts}])
    each = {"for_each": "a"} if dice.random() < 0.5 else {}
    return {"id": f"r{number}", "name": "规则", "advice": "请改进", "conditions": conditions, "when": when, **each}


def test_made_up_rules_find_the_same_asleep_and_awake(monkeypatch: pytest.MonkeyPatch) -> None:
    dice = random.Random(5)
    rules = list(load_all((), [random_rule(number, dice) for number in range(120)]))
    calls = []
    for _ in range(12):
        lines = [f"{dice.choice(['坐席', '客户'])}+{dice.choice([0, 1, 4])}：{dice.choice(SPOKEN)}" for _ in range(14)]
        turns = [line for line in lines if not line.endswith("：")]
        calls.append(example_call(read(turns)))
    sleeping = Inspection([RuleEye(rules)])
    asleep = [found(sleeping, *one, seed=2) for one in calls]
    assert 30 < sum(bool(one.wakers) for one in CompiledRules(rules).rules) < 120
    monkeypatch.setattr(CompiledRule, "wakers", frozenset())
    restless = Inspection([RuleEye(rules)])
    assert asleep == [found(restless, *one, seed=2) for one in calls]
    assert sum(map(len, asleep)) > 200


def read(turns: list[str]):
    from qingting.analysis.rules.examples import read_examples

    (one,) = read_examples({"positive": [{"turns": turns}]}, (), line=1)
    return one


def test_a_sleeping_rule_is_explained_in_full() -> None:
    built = rule({"word": WORD, "answer": {"words": ["抱歉"], "role": "agent"}}, ["word", "answer"], for_each="word")
    call, transcript = example_call(read(["坐席：抱歉", "客户：好的", "坐席：很抱歉"]))
    traces = {one.id: one.total for one in explain(built, call, transcript).conditions}
    assert traces == {"word": 0, "answer": 2}
