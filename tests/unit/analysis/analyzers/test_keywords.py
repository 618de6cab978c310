"""Praise and complaint, weighed by their place in the call."""

from __future__ import annotations

import pytest

from qingting.analysis.analyzers.keywords import KeywordOptions, Keywords
from qingting.model.call import Role
from qingting.model.finding import Level, Polarity

PROBLEM = "C 我的快递五天了还没收到。"


def rules(result) -> list[str]:
    found = [one.rule_id.removeprefix("keywords.") for one in result.findings]
    return [rule for rule in found if rule != "counts"]


@pytest.fixture
def found(talk, inspect):
    """Rules found in a conversation, the closing count left out."""

    def run(*lines: str, **options: object) -> list[str]:
        return rules(inspect(talk(*lines), "general", Keywords(KeywordOptions(**options))))  # type: ignore[arg-type]

    return run


@pytest.mark.parametrize(
    "lines",
    [
        # The agent only listened, asked back, put off, or was silent.
        [PROBLEM, "A 嗯。", "C 你们太慢了。"],
        [PROBLEM, "A 您的手机号是多少？", "C 我都说了三遍了，一直没人管。"],
        [PROBLEM, "A 请您稍等一下。", "C+9000 怎么这么慢，还要等多久？"],
        [PROBLEM, "C+3500 喂，怎么没人理？"],
        [PROBLEM, "A 非常抱歉，给您带来不便。", "C 光道歉没有用，我很不满意。"],
        [PROBLEM, "A 这个不归我管，你去找快递公司。", "C 太不负责任了。"],
        ["C 说好三天到账的，钱呢？", "A 哦。", "C 你们太慢了。"],
        ["C 我要退款。", "A 领导现在不在。", "C 我要投诉！"],
    ],
)
def test_complaints_before_any_answer(found, lines: list[str]) -> None:
    assert found(*lines) == ["unanswered_complaint"]


@pytest.mark.parametrize(
    "lines",
    [
        # Said together with the problem: the agent had no chance yet.
        ["C 我的快递五天了还没收到，你们太慢了。"],
        [PROBLEM, "C+700 真的太慢了。"],
        # After the answer.
        [PROBLEM, "A 已经为您催了快递，明天会送到。", "C 你们还是太慢了。"],
        [PROBLEM, "A 您的快递在北京中转站，因为下雪延误了。", "C 太慢了。"],
        # Asking who is there states no problem.
        ["C 你好，是优选商城吗？", "A 是的。", "C 你们太慢了。"],
        # No problem stated.
        ["A 您好。", "C 你们服务太差了。"],
    ],
)
def test_other_complaints_are_notes(found, lines: list[str]) -> None:
    assert found(*lines) == ["negative"]


@pytest.mark.parametrize(
    "line",
    [
        "C 我没有不满意。",
        "C 也不是太慢。",
        "C 应该不会没人管吧。",
        "C 我朋友说你们太慢。",
        "C 别人都说你们服务太差。",
        "C 如果不满意可以退吗？",
        "C 没有别的问题了，不好意思，麻烦你了。",
        "C 我不需要，谢谢。",
        "C 没有听清楚，请再说一遍。",
    ],
)
def test_words_that_are_no_complaint(found, line: str) -> None:
    assert found(PROBLEM, "A 嗯。", line) == []


def test_complaint_and_praise_in_one_breath_are_both_found(found) -> None:
    assert found("A 您好。", "C 你们效率太低了，但是你态度挺好的。") == ["negative", "positive"]


def test_the_agents_words_are_not_the_customers(found) -> None:
    assert found(PROBLEM, "A 太慢了是吧，我理解您很生气。", "A 您的服务很好。") == []


def test_one_fault_per_unanswered_problem(found) -> None:
    lines = [PROBLEM, "A 嗯。", "C 你们太慢了。", "A 哦。", "C 没人管吗？"]
    assert found(*lines) == ["unanswered_complaint", "negative"]
    again = [*lines, "A 已经为您催了快递，明天送到。", "C 我还要退货，怎么退？", "A 嗯。", "C 太慢了。"]
    assert found(*again) == ["unanswered_complaint", "negative", "unanswered_complaint"]


def test_a_courteous_closing_does_not_count(found) -> None:
    answered = [PROBLEM, "A 已经为您催了快递，明天会送到。"]
    assert found(*answered, "C 就是之前太慢了，现在好了，谢谢你。") == []
    assert found(*answered, "C 太慢了，不过谢谢你。") == ["negative"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("C 你的服务很好，谢谢你。", ["positive"]),
        ("C 你真专业。", ["positive"]),
        ("C 我对你的处理很满意。", ["positive"]),
        ("C 我不满意。", ["negative"]),
        ("C 一点都不专业。", ["negative"]),
        ("C 谢谢。", []),
        ("C 没有很满意。", []),
        ("C 我朋友说你们服务很好。", []),
    ],
)
def test_praise(found, line: str, expected: list[str]) -> None:
    assert found("A 您好。", line) == expected


def test_findings_tell_what_happened(talk, inspect) -> None:
    result = inspect(talk(PROBLEM, "A 您的手机号是多少？", "C 你们太慢了，没人管。"), "general", Keywords())
    fault, counts = result.findings
    assert (fault.level, fault.polarity, fault.who) == (Level.MEDIUM, Polarity.FAULT, Role.AGENT)
    assert [one.note for one in fault.evidence] == ["客户表达不满", "客户表达不满", "客户陈述问题", "坐席尚未给出答复"]
    assert fault.evidence[0].quote == "你们太慢了"
    assert "“太慢了”、“没人管”" in fault.explanation
    assert "您的手机号是多少" in fault.explanation
    assert "我的快递五天了还没收到" in fault.advice
    assert counts.polarity is Polarity.NOTE
    assert counts.facts["customer_negative"] == 2


def test_counts_cover_all_groups_and_stay_away_without_a_place(talk, inspect) -> None:
    result = inspect(talk("A 您好，请问您贵姓？", "C 好的，明白了，谢谢，真专业。"), "general", Keywords())
    facts = result.findings[-1].facts
    assert facts["customer_positive"] == 2
    assert facts["customer_neutral"] >= 2
    assert facts["agent_courtesy"] >= 2
    assert inspect(talk("A 您好。", "C 好的，谢谢。"), "general", Keywords()).findings == ()


def test_doubtful_roles_lower_the_confidence(talk, inspect) -> None:
    transcript = talk(PROBLEM, "A 嗯。", "C 你们太慢了。", role_confidence=0.5)
    fault = inspect(transcript, "general", Keywords()).findings[0]
    assert fault.confidence.value == 0.5
    assert fault.confidence.reasons


def test_own_words_and_ignored_words(found) -> None:
    assert found("A 您好。", "C 你们太墨迹。", more_negative=("太墨迹",)) == ["negative"]
    assert found("A 您好。", "C 你们好棒。", more_positive=("好棒",)) == ["positive"]
    assert found("A 您好。", "C 我很失望。", ignored=("失望", "很失望")) == []
