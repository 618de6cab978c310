"""Whether a call solved the customer's problem: each step, what is missing, what contradicts."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from qingting.analysis.analyzers.resolution import Resolution, ResolutionOptions
from qingting.analysis.contact_history import PastContact
from qingting.analysis.runner import Inspection
from qingting.model.call import CallInfo, Role
from qingting.model.finding import Level, Polarity
from qingting.testing import check_analyzer, sample_calls

PROBLEM = "C 我的快递五天了还没收到。"
DONE = "A 非常抱歉，已经为您补发了，单号SF12345678，预计明天送达。"
CONFIRM = "A 您看这样处理可以吗？"


@pytest.fixture
def verdicts(talk, inspect):
    """State of every problem of a conversation."""

    def run(*lines: str, **options: object) -> list[str]:
        found = inspect(talk(*lines), "general", Resolution(ResolutionOptions(**options))).findings  # type: ignore[arg-type]
        return [one.rule_id.removeprefix("resolution.") for one in found if one.rule_id != "resolution.repeat_contact"]

    return run


@pytest.mark.parametrize(
    "lines",
    [
        [PROBLEM, DONE, CONFIRM, "C 可以，谢谢。"],
        [PROBLEM, DONE, CONFIRM, "C 好的。"],
        [PROBLEM, DONE, CONFIRM, "C 嗯，行。"],
        [PROBLEM, "A 已经为您补发了，您看这样可以吗？", "C 没问题。"],
        ["C 我想退款。", "A 可以退款，款项会在3到5个工作日内原路退回。您看这样可以吗？", "C 可以，挺好的。"],
        ["C 我的宽带上不了网。", "A 请您把光猫重启一下。", "C 可以上网了。", "A 好的，问题解决了吗？", "C 解决了。"],
        ["C 我想问一下套餐多少钱？", "A 您的套餐每个月是五十九元，包含一百分钟。您清楚了吗？", "C 清楚了，明白。"],
        # Agreed first, done afterwards.
        ["C 我想取消会员。", "A 我现在为您取消，可以吗？", "C 可以。", "A 已经为您取消了。", "C 好的。"],
        # A doubt that the agent's next solution removes.
        [PROBLEM, "A 已经帮您催了。", "C 不行，太久了。", DONE, CONFIRM, "C 这样可以。"],
        # Accepted of the customer's own accord.
        [PROBLEM, DONE, "C 那就这么办，谢谢你。"],
        [PROBLEM, DONE, "C 好的，谢谢你。"],
    ],
)
def test_resolved(verdicts, lines: list[str]) -> None:
    assert verdicts(*lines) == ["resolved"]


@pytest.mark.parametrize(
    "lines",
    [
        # Nobody offers anything.
        [PROBLEM, "A 领导现在不在。", "C 那怎么办？", "A 我没有办法。"],
        [PROBLEM, "A 这个不归我们管，您自己联系快递。", "C 哦。"],
        [PROBLEM, "A 您的手机号是多少？", "C 你自己查。", "A 请问您贵姓？", "C 喂？"],
        # Contradicted.
        [PROBLEM, DONE, CONFIRM, "C 可以是可以，但是问题还是没有解决。"],
        [PROBLEM, DONE, CONFIRM, "C 可以。", "C 不对，上次也这么说，还是没收到。"],
        ["C 我的宽带上不了网。", "A 请您重启一下光猫。", "C 还是不行。"],
        ["C 我的宽带上不了网。", "A 已经恢复了，您看可以吗？", "C 好的。", "C+3000 还是上不了。", "A 我再看看。"],
        [PROBLEM, "A 我帮您登记，24小时内专员联系您。", "C 又是登记，每次都这么说。"],
        [PROBLEM, "A 会尽快处理的。", "C 算了，我自己想办法。"],
        [PROBLEM, "A 会尽快处理的。", "C 我不接受。"],
    ],
)
def test_unresolved(verdicts, lines: list[str]) -> None:
    assert verdicts(*lines) == ["unresolved"]


@pytest.mark.parametrize(
    ("lines", "missing"),
    [
        # A mere sound is no acceptance.
        ([PROBLEM, DONE, "C 好的。"], "只是应声"),
        ([PROBLEM, DONE, "C 嗯，知道了。"], "只是应声"),
        ([PROBLEM, DONE, "C 那好吧。"], "只是应声"),
        ([PROBLEM, DONE, "C 嗯。", "A 请问还有其他可以帮您的吗？", "C 没有了，谢谢。"], "没有向客户确认"),
        # 尽快处理 is no solution, however politely received.
        ([PROBLEM, "A 好的，我们会尽快处理。", "C 好的，谢谢。"], "笼统的承诺"),
        ([PROBLEM, "A 我帮您反馈一下。您看可以吗？", "C 好的。"], "没有具体办法"),
        # Asked, and nobody answered, or much too late.
        ([PROBLEM, DONE, CONFIRM], "客户没有表示接受"),
        ([PROBLEM, DONE, CONFIRM, "C+60000 好的。"], "只是应声"),
        # Said over the question, before it was asked.
        ([PROBLEM, DONE, "A/4000 您看这样处理可以吗？", "C-3500/500 嗯。"], "客户只是应声"),
        # To be considered is neither yes nor no.
        ([PROBLEM, DONE, CONFIRM, "C 我再考虑一下。"], ""),
        # The question comes long after the solution.
        ([PROBLEM, DONE, "A+200000 您看这样处理可以吗？", "C 好的。"], "没有向客户确认"),
    ],
)
def test_unclear(talk, inspect, lines: list[str], missing: str) -> None:
    (finding,) = inspect(talk(*lines), "general", Resolution()).findings
    assert finding.rule_id == "resolution.unclear"
    assert finding.polarity is Polarity.NOTE
    assert missing in str(finding.facts["missing"])


@pytest.mark.parametrize(
    "lines",
    [
        ["A 您好。", "C 嗯，你说吧。", "A 我们有新套餐。", "C 我不需要，谢谢。"],
        ["A 您好。", "C 喂，听得到吗？"],
        ["C 你好，请问一下。", "A 您请说。"],
        ["A 您好，您的快递还没收到是吗？"],
    ],
)
def test_no_problem_no_verdict(verdicts, lines: list[str]) -> None:
    assert verdicts(*lines) == []


def test_several_problems_get_a_verdict_each(talk, inspect) -> None:
    lines = [
        PROBLEM, DONE, CONFIRM, "C 可以。", "A 请问还有其他可以帮您的吗？",
        "C 还有一个问题，我上个月被多扣了话费。", "A 这个没有办法。", "C 那怎么行。",
    ]  # fmt: skip
    first, second = inspect(talk(*lines), "general", Resolution()).findings
    assert [first.rule_id, second.rule_id] == ["resolution.resolved", "resolution.unresolved"]
    assert (second.facts["problem"], second.facts["problems"]) == (2, 2)
    assert "第2个问题" in second.explanation


@pytest.mark.parametrize("question", ["C 那大概几天能到？", "C 好的，那运费谁出？", "C 单号再说一遍可以吗？"])
def test_a_question_about_the_solution_is_no_further_problem(verdicts, question: str) -> None:
    assert verdicts(PROBLEM, DONE, CONFIRM, "C 可以。", question, "A 明天就能到。") == ["resolved"]


def test_the_verdict_shows_every_step(talk, inspect) -> None:
    transcript = talk(PROBLEM, DONE, CONFIRM, "C 可以，谢谢。")
    (finding,) = inspect(transcript, "general", Resolution()).findings
    assert (finding.level, finding.polarity, finding.who) == (Level.LIGHT, Polarity.CREDIT, Role.AGENT)
    assert [one.operator for one in finding.evidence] == ["acceptance", "problem", "solution", "confirmation"]
    assert [one.utterance for one in finding.evidence] == [3, 0, 1, 2]
    assert finding.facts["reason"] == "delivery"
    assert finding.decided_ms == transcript.duration_ms
    assert "未接入历史来电记录" in finding.explanation


def test_a_fault_says_what_to_do(talk, inspect) -> None:
    (finding,) = inspect(talk(PROBLEM, "A 领导现在不在。", "C 还没解决。"), "general", Resolution()).findings
    assert (finding.level, finding.polarity) == (Level.MEDIUM, Polarity.FAULT)
    assert "我的快递五天了还没收到" in finding.advice
    assert finding.evidence[0].quote == "还没解决"


def test_turning_down_a_concrete_solution_is_no_fault_of_the_agent(talk, inspect) -> None:
    (finding,) = inspect(talk(PROBLEM, DONE, CONFIRM, "C 我不同意。"), "general", Resolution()).findings
    assert (finding.rule_id, finding.polarity) == ("resolution.unresolved", Polarity.NOTE)


def test_hanging_up_after_the_first_question_is_no_fault_of_the_agent(talk, inspect) -> None:
    (finding,) = inspect(talk(PROBLEM, "A 请问您的订单号是多少？"), "general", Resolution()).findings
    assert (finding.rule_id, finding.polarity) == ("resolution.unresolved", Polarity.NOTE)


def test_without_confirmation_the_verdict_is_less_sure(talk, inspect) -> None:
    (finding,) = inspect(talk(PROBLEM, DONE, "C 那就这么办。"), "general", Resolution()).findings
    assert (finding.rule_id, finding.polarity, finding.confidence.value) == ("resolution.resolved", Polarity.NOTE, 0.7)
    assert finding.confidence.reasons


class History:
    """A centre's memory that notes what it is asked."""

    def __init__(self, *past: PastContact) -> None:
        self.past = past
        self.asked: list[tuple[str, str, int]] = []

    def find(self, call: CallInfo, reason: str, within_days: int) -> Sequence[PastContact]:
        self.asked.append((call.customer_reference, reason, within_days))
        return self.past


def with_history(talk, history: History, *lines: str, reference: str = "K1"):
    call = CallInfo(call_id="now", customer_reference=reference)
    return Inspection([Resolution(history=history)]).analyze(talk(*lines), call)


def test_the_history_is_asked_for_the_customers_matter(talk) -> None:
    history = History(PastContact(call_id="old", days_ago=2.0, state="resolved"))
    result = with_history(talk, history, PROBLEM, DONE, CONFIRM, "C 可以。")
    assert result.failures == ()
    assert history.asked == [("K1", "delivery", 7)]
    repeat = result.findings[-1]
    assert (repeat.rule_id, repeat.facts["source"], repeat.facts["last_call"]) == (
        "resolution.repeat_contact", "history", "old",
    )  # fmt: skip
    assert "7天内第2次" in repeat.explanation
    assert "未接入" not in result.findings[0].explanation


def test_without_reference_or_past_nothing_is_claimed(talk) -> None:
    past = PastContact(call_id="old", days_ago=2.0)
    unknown = History(past)
    assert len(with_history(talk, unknown, PROBLEM, DONE, CONFIRM, "C 可以。", reference="").findings) == 1
    assert unknown.asked == []
    assert len(with_history(talk, History(), PROBLEM, DONE, CONFIRM, "C 可以。").findings) == 1


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("C 我已经打了三次电话了，快递还没收到。", True),
        ("C 上次也是登记，快递还没收到。", True),
        ("C 我朋友说之前打过电话，我的快递还没收到。", False),
        ("C 我都打了四回电话了，快递还没收到。", True),
        ("C 我第三回打过来了，快递还没收到。", True),
        ("C 上一个客服也这么说，快递还没收到。", True),
        ("C 我之前买的快递还没收到。", False),
        ("C 我都说了三遍了，快递还没收到。", False),
    ],
)
def test_the_customer_says_it_is_not_the_first_time(talk, inspect, line: str, found: bool) -> None:
    findings = inspect(talk(line, DONE, CONFIRM, "C 可以。"), "general", Resolution()).findings
    assert ("resolution.repeat_contact" in {one.rule_id for one in findings}) is found


def test_contract() -> None:
    check_analyzer(Resolution())


@pytest.mark.parametrize("sample", sample_calls(), ids=lambda sample: sample.id)
def test_sample_calls_give_what_they_were_written_for(sample) -> None:
    script = sample.script
    findings = Inspection([Resolution()]).analyze(sample.transcript(), script.call_info()).findings
    found = {one.rule_id for one in findings}
    wanted = {one.rule for one in script.expected if one.rule.startswith("resolution.")}
    assert wanted <= found
    assert not {one.rule for one in script.must_not_fire if one.turn is None} & found
    if script.faultless:
        assert all(one.polarity is not Polarity.FAULT for one in findings)
    if "resolution.unresolved" not in wanted:
        assert "resolution.unresolved" not in found
