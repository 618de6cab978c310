"""Late answers, silences, holds, interruptions, monologues, rate and talk share."""

from __future__ import annotations

import pytest

from qingting.analysis.analyzers.responsiveness import Responsiveness, ResponsivenessOptions
from qingting.model.call import Role
from qingting.model.finding import Polarity

HELLO = "A 您好，请问有什么可以帮您？"


def rules(result) -> list[str]:
    found = [one.rule_id for one in result.findings if one.dimension == "responsiveness"]
    return [rule.removeprefix("responsiveness.") for rule in found]


@pytest.fixture
def found(talk, inspect):
    """Rules found in a conversation, under the default options or others."""

    def run(*lines: str, tail_ms: int = 2000, **options: object) -> list[str]:
        analyzer = Responsiveness(ResponsivenessOptions(**options))  # type: ignore[arg-type]
        return rules(inspect(talk(*lines, tail_ms=tail_ms), "general", analyzer))

    return run


@pytest.mark.parametrize(
    "lines",
    [
        [HELLO, "C 我要退款。", "A+9000 好的，我来帮您处理退款。"],
        [HELLO, "C 我的快递什么时候能到", "A+5100 明天就能到。"],
        # Sounds of listening do not answer.
        [HELLO, "C 我要退款。", "A+1000 嗯", "A+4500 我帮您看一下订单。"],
        [HELLO, "C 我要退款。", "A+1000 好的。", "A+5500 我来帮您处理退款。"],
        # The customer had to ask again.
        [HELLO, "C 我要退款。", "C+6000 喂？", "A+600 在的，我来帮您处理。"],
        # A request to wait must come in time too.
        [HELLO, "C 帮我查一下物流。", "A+7000 请您稍等一下。", "A+5000 您的快递在派送。"],
    ],
)
def test_late_answers(found, lines: list[str]) -> None:
    assert found(*lines) == ["late_answer"]


def test_a_demand_without_any_answer_is_raised_at_the_end(found) -> None:
    assert found(HELLO, "C 我要退款，听到没有？", "A+1000 嗯", tail_ms=5500) == ["late_answer"]
    assert found(HELLO, "C 我要退款，听到没有？", "A+1000 嗯", tail_ms=500) == []


@pytest.mark.parametrize(
    "lines",
    [
        [HELLO, "C 我要退款。", "A+4900 好的，我来帮您处理退款。"],
        [HELLO, "C 帮我查一下物流。", "A+800 请您稍等一下。", "A+20000 您的快递在派送。"],
        [HELLO, "C 我要退款。", "C+4000 上周买的鞋子，大了一号。", "A+3000 好的，我来处理。"],
        # The answer begins while the customer still speaks.
        [HELLO, "C/4000 我要退款，上周买的。", "A-500/3000 好的，我来帮您处理。"],
        # A statement asks for no answer.
        [HELLO, "C 我的订单号是五零二八。", "A+5500 查到了，明天会送到。"],
        # 喂 is not a demand.
        ["A+0 您好。", "C 喂，你好。", "A+5500 您好，请讲。"],
        # A goodbye ends the call.
        [HELLO, "C 没什么要问的了，再见。"],
    ],
)
def test_answers_in_time(found, lines: list[str]) -> None:
    assert found(*lines) == []


def test_late_answer_names_times_and_words(talk, inspect) -> None:
    lines = [HELLO, "C+28800/2000 我要退款。", "A+9000 好的，我来帮您处理退款。"]
    result = inspect(talk(*lines), "general", Responsiveness(ResponsivenessOptions(dead_air_after_question_ms=60_000)))
    (finding,) = result.findings
    assert finding.facts["delay_ms"] == 9000
    assert finding.advice.startswith("客户在第0分32秒提出“我要退款”，坐席9秒后才回应，建议先用一句话应答")
    assert [one.operator for one in finding.evidence] == ["demand", "response_time", "answer"]
    assert finding.evidence[0].quote == "我要退款"
    assert finding.who is Role.AGENT


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([HELLO, "C 我的网不能用了。", "A 我看到线路有故障。", "C+7000 哦。"], ["dead_air"]),
        ([HELLO, "C 嗯，我知道了。", "A+9000 另外还有一个业务。"], ["dead_air"]),
        ([HELLO, "C 嗯，我知道了。", "A+6000 另外还有一个业务。"], []),
        # After a question the customer may look something up.
        ([HELLO, "C 我查账单。", "A 请您说一下账号。", "C+9000 六八二。"], []),
        ([HELLO, "C 我查账单。", "A 请您说一下账号。", "C+13000 六八二。"], ["dead_air"]),
        # The customer asked to wait.
        ([HELLO, "C 我查账单，等一下，我找一下。", "C+15000 找到了。"], []),
        # Announced by the agent.
        ([HELLO, "C 我的网不能用了。", "A 好的，请稍等。", "A+12000 线路已经恢复了。"], []),
        # The same silence is a late answer, not dead air too.
        ([HELLO, "C 我要退款。", "A+9000 好的，我来帮您处理退款。"], ["late_answer"]),
        # Ringing before the first word is no silence of the agent.
        (["A+20000 您好，请讲。", "C 我知道了。"], []),
        # Roles unknown: nobody can be blamed.
        (["U 您好。", "U+9000 你好。"], []),
    ],
)
def test_dead_air(found, lines: list[str], expected: list[str]) -> None:
    assert found(*lines) == expected


def test_silence_at_the_end_counts_only_without_a_goodbye(found) -> None:
    assert found(HELLO, "C 我的网不能用了。", "A 线路有故障。", tail_ms=9000) == ["dead_air"]
    assert found(HELLO, "C 好的，再见。", "A 祝您生活愉快，再见。", tail_ms=30_000) == []
    assert found(HELLO, "C 好的，再见。", "A 嗯。", tail_ms=30_000) == []


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["C 帮我查物流。", "A 请您稍等一下。", "A+36000 查到了。"], ["long_hold"]),
        (["C 帮我查物流。", "A 请您稍等，我联系快递公司。", "A+31000 查到了。"], ["long_hold"]),
        (["C 帮我查物流。", "A 请您稍等一下。", "A+30000 查到了。"], []),
        # Coming back in between begins a new wait.
        (["C 帮我查物流。", "A 请您稍等一下。", "A+20000 还在查询，请再稍等一下。", "A+20000 查到了。"], []),
        # A customer who asks whether anyone is there does not end the wait.
        (["C 帮我查物流。", "A 请您稍等一下。", "C+20000 喂？", "A+20000 查到了。"], ["long_hold"]),
        # Time in which the customer talks is no waiting.
        (["C 帮我查物流。", "A 请您稍等一下。", "C+2000/20000 我昨天也打过电话。", "A+10000 查到了。"], []),
        # Words right after 稍等 belong to it, until they bring a result.
        (["C 帮我查物流。", "A 好的，请您稍等一下。", "A+400 我帮您含一下这样的。", "A+12000 查到了。"], []),
        (["C 帮我查物流。", "A 好的，请您稍等一下。", "A+400 我帮您含一下这样的。", "A+36000 查到了。"], ["long_hold"]),
        (["C 帮我查物流。", "A 请您稍等一下。", "A+400 查到了，明天送到。", "C+9000 哦。"], ["dead_air"]),
        (["C 帮我查物流。", "A 请您稍等一下。", "A+9000 快到了。", "C+9000 哦。"], ["dead_air"]),
        # 等一下 in the middle of an answer asks for nothing.
        (
            ["C 怎么办。", "A 您可以等一下再试，系统正在升级，一个小时以后就恢复了。", "C+5000 好。", "A+5000 好的。"],
            [],
        ),
    ],
)
def test_long_holds(found, lines: list[str], expected: list[str]) -> None:
    assert found(*lines) == expected


def test_a_hold_that_never_ends_is_raised_at_the_end(found) -> None:
    assert found("C 帮我查物流。", "A 请您稍等一下。", tail_ms=40_000) == ["long_hold"]


LONG = "C/8000 我家的电话坏了三天了，昨天你们说今天上午来修。"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([LONG, "A-4000/2500 您先把号码报一下。"], ["interruption"]),
        ([LONG, "A-2000/5000 您先把号码报一下。"], ["interruption"]),
        ([LONG, "A-800/3000 您先把号码报一下。"], []),
        ([LONG, "A-4000/1500 嗯，好的。"], []),
        ([LONG, "A-4000/1500 "], []),
        # Both began together: nobody interrupted.
        ([LONG, "A-7700/3000 您先把号码报一下。"], []),
        # The customer's own 嗯 cannot be interrupted.
        (["C/3000 嗯。", "A-2000/4000 我跟您说一下。"], []),
        (["A/8000 这个套餐包含两百分钟通话。", "C-5000/3000 我不需要这个。"], ["customer_interruption"]),
        (["A/8000 这个套餐包含两百分钟通话。", "C-1200/3000 我不需要这个。"], []),
    ],
)
def test_interruptions(found, lines: list[str], expected: list[str]) -> None:
    assert found(*lines) == expected


def test_interruption_tells_overlap_and_both_speakers(talk, inspect) -> None:
    result = inspect(talk(LONG, "A-4000/2500 您先把号码报一下。"), "general", Responsiveness())
    (finding,) = result.findings
    assert finding.facts["overlap_ms"] == 2500
    assert {one.role for one in finding.evidence} == {Role.AGENT, Role.CUSTOMER}
    assert "重叠2.5秒" in finding.advice


def test_a_customers_interruption_is_a_note(talk, inspect) -> None:
    transcript = talk("A/8000 这个套餐包含两百分钟通话。", "C-5000/3000 我不需要这个。")
    (finding,) = inspect(transcript, "general", Responsiveness()).findings
    assert (finding.polarity, finding.who, finding.advice) == (Polarity.NOTE, Role.CUSTOMER, "")


PART = "A+400/15000 这个套餐每个月包含两百分钟通话，还送家里的宽带。"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([PART] * 4, ["monologue"]),
        ([PART] * 3, []),
        ([PART, PART, "C 嗯。", PART, PART], ["monologue"]),
        ([PART, PART, "C 我不需要。", PART, PART], []),
        ([PART, PART, PART.replace("A+400", "A+5500"), PART], []),
        # 嗯 to a question is a turn of the customer.
        ([PART, "A/16000 您看可以吗？", "C 嗯。", PART, PART], []),
    ],
)
def test_monologues(found, lines: list[str], expected: list[str]) -> None:
    assert found(*lines, "C 我考虑一下。", talk_ratio=1.0) == expected


FAST = "A/4000 您打开订单页面点申请售后选择换货填上大一号的尺码提交以后我们马上审核"


def test_fast_speech_needs_enough_text_and_is_raised_once(found) -> None:
    assert found("C 怎么换货。", FAST) == []
    assert found("C 怎么换货。", *[FAST] * 3) == ["fast_speech"]
    assert found("C 怎么换货。", *[FAST] * 9, talk_ratio=1.0) == ["fast_speech"]
    assert found("C 怎么换货。", *[FAST.replace("/4000", "/6000")] * 5, talk_ratio=1.0) == []


def test_a_fast_stretch_after_slow_speech_is_found(found) -> None:
    slow = FAST.replace("/4000", "/9000")
    assert found("C 怎么换货。", slow, slow, "C 没听清。", *[FAST] * 3, talk_ratio=1.0) == ["fast_speech"]


def test_talk_ratio_is_judged_on_calls_with_enough_speech_of_both(found) -> None:
    assert found("C/4000 我想问套餐。", PART, "C/500 好。", PART, "C/500 好。", PART) == ["talk_ratio"]
    assert found("C/9000 我想问套餐。", PART, "C/500 好。", PART) == []
    assert found("C/500 我想问套餐。", PART) == []
    assert found(PART, PART, PART) == []


def test_thresholds_are_options(found) -> None:
    lines = [HELLO, "C 我要退款。", "A+4000 好的，我来帮您处理退款。"]
    assert found(*lines, late_answer_ms=3000) == ["late_answer"]
    assert found(*lines) == []
