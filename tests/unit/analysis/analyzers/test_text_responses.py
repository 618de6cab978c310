"""响应 in chats and e-mail: minutes and hours instead of seconds, and nothing about sound."""

from __future__ import annotations

from dataclasses import replace

import pytest

from qingting.analysis.analyzers.keywords import Keywords
from qingting.analysis.analyzers.responsiveness import Responsiveness
from qingting.analysis.runner import Inspection
from qingting.analysis.wording import duration
from qingting.model.call import CallInfo, Medium
from qingting.model.finding import Finding
from qingting.model.transcript import Transcript
from qingting.testing import check_analyzer, sample_calls

CHAT = CallInfo(call_id="t", medium=Medium.CHAT)
MAIL = CallInfo(call_id="t", medium=Medium.EMAIL)
MINUTE = 60_000


def found(transcript: Transcript, call: CallInfo = CHAT) -> list[Finding]:
    result = Inspection([Responsiveness()]).analyze(transcript, call)
    assert result.failures == ()
    return list(result.findings)


def rules(transcript: Transcript, call: CallInfo = CHAT) -> list[str]:
    return [one.rule_id.removeprefix("responsiveness.") for one in found(transcript, call)]


@pytest.mark.parametrize(
    ("lines", "wanted"),
    [
        (["C 我要退款", "A+50000 已经为您申请退款。"], []),
        (["C 我要退款", "A+90000 已经为您申请退款。"], ["late_answer"]),
        (["C 我要退款", "A+90000 嗯", "A+1000 已经为您申请退款。"], ["late_answer"]),
        (["C 我要退款", "C+5000 订单号是五零二八", "A+58000 已经为您申请退款。"], []),
        (["C 我要退款", "C+50000 在吗", "C+20000 人呢", "A+5000 已经为您申请退款。"], ["late_answer"]),
        (["C 我要退款", "A+9000 请您稍等，我查一下。", "A+90000 已经为您申请退款。"], []),
        (["C 我要退款", "A+9000 请您稍等，我查一下。", "A+200000 已经为您申请退款。"], ["long_hold"]),
        (["C 我要退款", "A+90000 请您稍等，我查一下。", "A+9000 已经为您申请退款。"], ["late_answer"]),
        (["A 您好，请问有什么可以帮您？", "C+300000 我要退款", "A+9000 已经为您申请退款。"], []),
        (["C 我要退款", "C+90000 算了"], ["late_answer"]),
        (["C 我要退款", "A+9000 已经为您申请退款。", "C+900000 谢谢，再见"], []),
    ],
)
def test_chats(talk, lines: list[str], wanted: list[str]) -> None:
    assert rules(talk(*lines)) == wanted


def test_the_same_minutes_in_a_call_are_faults(talk) -> None:
    transcript = talk("C 我要退款", "A+50000 已经为您申请退款。")
    assert rules(transcript, CallInfo(call_id="v")) == ["late_answer"]


def test_mail_is_answered_within_a_day(talk) -> None:
    hour = 60 * MINUTE
    assert rules(talk("C 我要退款", f"A+{20 * hour} 已经为您申请退款。"), MAIL) == []
    (late,) = found(talk("C 我要退款", f"A+{30 * hour} 已经为您申请退款。"), MAIL)
    assert "30小时" in late.explanation
    assert "24小时以内" in late.explanation


def test_the_delay_is_exact(talk) -> None:
    transcript = talk("C/200 我要退款", "A+90000 已经为您申请退款。")
    (late,) = found(transcript)
    assert late.facts["delay_ms"] == 90_200
    assert "2分钟" not in late.explanation
    assert "90秒" in late.explanation


def test_without_times_the_dimension_is_a_gap(talk) -> None:
    call = replace(CHAT, times_known=False)
    result = Inspection([Responsiveness()]).analyze(talk("C 我要退款", "A+90000 已经为您申请退款。"), call)
    assert result.findings == ()
    assert {gap.what for gap in result.gaps} == {"analyzer:responsiveness", "medium"}


def test_customers_write_several_messages_without_impatience(talk) -> None:
    transcript = talk("C 我的订单三天了还没收到", "C+5000 太慢了", "A+9000 已经为您催促快递了。")
    for call, wanted in ((CHAT, "keywords.negative"), (CallInfo(call_id="v"), "keywords.unanswered_complaint")):
        findings = Inspection([Keywords()]).analyze(transcript, call).findings
        assert findings[0].rule_id == wanted


def test_live_is_afterwards() -> None:
    chats = [(replace(one.script.call_info(), medium=Medium.CHAT), one.transcript()) for one in sample_calls()]
    check_analyzer(Responsiveness(), also=chats)


@pytest.mark.parametrize(
    ("length_ms", "words"), [(45_000, "45秒"), (119_000, "119秒"), (180_000, "3分钟"), (26 * 3_600_000, "26小时")]
)
def test_lengths(length_ms: int, words: str) -> None:
    assert duration(length_ms) == words
