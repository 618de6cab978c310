"""Patterns of rule authors: what they mean, what is refused, and that none can hang the analysis."""

from __future__ import annotations

import time

import pytest

from qingting.analysis.rules.examples import example_call, read_examples
from qingting.analysis.rules.eye import RuleEye
from qingting.analysis.rules.loading import parse_rules
from qingting.analysis.rules.patterns import compiled
from qingting.analysis.runner import Inspection
from qingting.testing.replay import CallReplay

MEANING = [
    (r"[\u4e00-\u9fff]+", "ok退款ok", "退款"),
    (r"\u9000款", "我要退款", "退款"),
    (r"退\w*款", "我要退这个款", "退这个款"),
    (r"\d+元", "一共128元", "128元"),
    (r"\d+", "１２８", "１２８"),
    (r"[\w-]+号", "ABC-订单号", "ABC-订单号"),
    (r"退\s款", "退\u3000款", "退\u3000款"),
    (r"\W", "退，款", "，"),
    (r"款\Z", "退款", "款"),
    (r"[]\d]+", "a]1]", "]1]"),
    (r"[^\d]+", "12退款34", "退款"),
    (r"\bOK\b", "好的OK吗", "OK"),
    (r"ok", "OK", "OK"),
    (r"\\w", r"a\w", r"\w"),
    (r"[(（]\d", "（3", "（3"),
]


@pytest.mark.parametrize(("pattern", "text", "found"), MEANING)
def test_what_a_pattern_finds(pattern: str, text: str, found: str) -> None:
    match = compiled(pattern).search(text)
    assert match is not None
    assert text[match.start() : match.end()] == found


def test_case_counts_when_wished() -> None:
    assert compiled("ok", ignore_case=False).search("OK") is None


def test_named_groups_are_captured() -> None:
    match = compiled(r"退(?P<value>\d+)元").search("先退128元")
    assert match is not None
    assert match.groupdict() == {"value": "128"}


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("(退款", "missing )"),
        ("(?=退)款", "look-around"),
        ("(?<!不)退款", "look-around"),
        (r"(退)\1", "back-references"),
        ("a{5000}", "repeats too much"),
        ("((a{100}){100}){100}", "repeats too much"),
        (r"[\W]", "cannot stand within"),
    ],
)
def test_what_is_refused(pattern: str, said: str) -> None:
    with pytest.raises(ValueError, match="no valid regular expression") as refused:
        compiled(pattern)
    assert said in str(refused.value)


HOSTILE = (
    "(a+)+$", "(a|aa)+$", "(a|ab?)+$", "(.*a){20}$", "(x+x+)+y", "([a-z]+)*1", "(.*)*!", "(a*)*b", "^(a?){50}a{50}$",
    r"(\w+\s?)+$", "(我*)*投", "(?P<value>(a+)+)z", "(.*,){30}q", "(a{1,100}){1,10}b",
)  # fmt: skip
LONG = {"one letter": "a" * 20_000, "two": "ab" * 10_000, "words": "我要投诉，" * 4_000, "digits": "1" * 20_000}


def hostile_file() -> str:
    rules = [
        f"  - {{id: r{number}, name: 规则, advice: 请改进, when: {{regex: {{pattern: '{one}', exclude: '{one}!!'}}}}}}"
        for number, one in enumerate(HOSTILE)
    ]
    return 'id: hostile\nname: 恶意规则\nversion: "1"\nrules:\n' + "\n".join(rules) + "\n"


@pytest.mark.parametrize("name", LONG)
def test_hostile_rules_on_a_long_utterance_take_bounded_time(name: str) -> None:
    rules = parse_rules(hostile_file(), source="hostile.rules.yaml").rules
    turns = ["坐席：您好。", f"客户：{LONG[name]}", "坐席：好的。", f"客户：{LONG[name]}!"]
    (example,) = read_examples({"positive": [{"turns": turns}]}, (), line=1)
    call, transcript = example_call(example)
    inspection = Inspection([RuleEye(rules)])
    began = time.process_time()
    result = inspection.analyze(transcript, call)
    taken = time.process_time() - began
    assert result.failures == ()
    assert CallReplay(call, transcript, inspection, seed=1).run() == result.findings
    assert taken < 2.0


@pytest.mark.parametrize("homophones", [False, True])
def test_a_long_utterance_full_of_hits_takes_bounded_time(homophones: bool) -> None:
    text = 'id: many\nname: 多\nversion: "1"\nhomophones: ' + str(homophones).lower() + "\nrules:\n"
    text += "".join(
        f"  - {{id: r{number}, name: 规则, advice: 请改进, when: {{words: "
        f"{{any: [我要投诉, 要投诉, 投诉], meant: {meant}}}, times: {times}, id: w}}}}\n"
        for number, (meant, times) in enumerate([("false", 1), ("true", 1), ("false", 50), ("true", 50)])
    )
    rules = parse_rules(text, source="many.rules.yaml").rules
    for said in ("我要投诉，" * 4_000, "我要投诉" * 5_000, "我要头诉" * 5_000):
        (example,) = read_examples({"positive": [{"turns": ["坐席：您好。", f"客户：{said}"]}]}, (), line=1)
        call, transcript = example_call(example)
        began = time.process_time()
        assert Inspection([RuleEye(rules)]).analyze(transcript, call).failures == ()
        assert time.process_time() - began < 5.0
