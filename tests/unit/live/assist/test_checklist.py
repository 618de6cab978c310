"""The script checklist of a running call: what is still to say, what was said where, what was missed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from qingting.model.call import Medium, Role
from qingting.model.live_event import FinalUtterance, FindingRaised, ItemState
from qingting.model.transcript import Utterance

if TYPE_CHECKING:
    from tests.unit.live.assist.conftest import OpenTalk

OPEN, SAID, MISSED, NOT_NEEDED = ItemState
OPENING = "您好，很高兴为您服务，请问有什么可以帮您？"
NOTICE = "为保证服务质量，本次通话将被录音。"


def test_it_is_told_at_the_start_and_once(talk: OpenTalk) -> None:
    call = talk("ecommerce")
    call.tell()
    assert call.states == {
        "opening": OPEN, "service_notice": OPEN, "further_help": OPEN, "closing": OPEN, "identity_check": OPEN,
        "refund_notice": NOT_NEEDED,
    }  # fmt: skip
    call.quiet(5)
    assert call.changes == 1


def test_items_say_when_and_what(talk: OpenTalk) -> None:
    call = talk("ecommerce")
    call.tell()
    items = {item.id: item for item in call.assist.checklist}
    assert {name: item.when for name, item in items.items()} == {
        "opening": "开场15秒内", "service_notice": "开场30秒内", "further_help": "", "closing": "结束前",
        "identity_check": "说出订单信息前", "refund_notice": "同意退款后",
    }  # fmt: skip
    assert items["refund_notice"].name == "告知退款时效"
    assert "原路退回" in items["refund_notice"].advice


def test_what_was_said_is_ticked_off_with_its_place(talk: OpenTalk) -> None:
    call = talk()
    call.agent(OPENING, seconds=4)
    assert (call.states["opening"], call.states["service_notice"]) == (SAID, OPEN)
    opening = call.assist.checklist[0]
    assert (opening.utterance, opening.said_ms) == (0, 500)
    call.agent(NOTICE)
    assert call.states["service_notice"] is SAID
    assert call.assist.checklist[1].utterance == 1


def test_the_customers_words_tick_nothing_off(talk: OpenTalk) -> None:
    call = talk()
    call.customer(OPENING + NOTICE)
    assert SAID not in call.states.values()


@pytest.mark.parametrize("text", ["本次通话不录音。", "您可以听一下上次的录音。"])
def test_denied_and_other_words_tick_nothing_off(talk: OpenTalk, text: str) -> None:
    call = talk()
    call.agent(text)
    assert call.states["service_notice"] is OPEN


def test_an_item_applies_when_its_topic_comes(talk: OpenTalk) -> None:
    call = talk("ecommerce")
    call.agent("可以为您退款，我马上提交。")
    assert call.states["refund_notice"] is OPEN
    call.agent("款项会在三到五个工作日内原路退回。")
    assert call.states["refund_notice"] is SAID


def test_what_was_said_before_its_topic_counts(talk: OpenTalk) -> None:
    call = talk("ecommerce")
    call.agent("退款一般三到五个工作日原路退回。")
    call.agent("好的，同意为您退款。")
    assert call.states["refund_notice"] is SAID


def test_a_number_of_the_customer_does_as_well(talk: OpenTalk) -> None:
    call = talk("ecommerce")
    call.customer("订单号是502866。")
    assert call.states["identity_check"] is SAID


def test_closing_words_that_the_talk_goes_on_after_are_open_again(talk: OpenTalk) -> None:
    call = talk()
    call.agent("感谢您的来电，祝您生活愉快，再见。")
    assert call.states["closing"] is SAID
    for _ in range(3):
        call.agent("我再为您看一下这个订单。")
    assert call.states["closing"] is OPEN


def test_what_the_analysis_calls_missed_is_missed(talk: OpenTalk) -> None:
    call = talk()
    call.agent("喂，什么事？")
    call.finds("compliance.opening", omitted=True)
    assert call.states["opening"] is MISSED
    call.agent(OPENING)
    assert call.states["opening"] is MISSED


@pytest.mark.parametrize("rule", ["compliance.forbidden_words", "custom_rules.opening", "compliance.nothing"])
def test_other_findings_change_nothing(talk: OpenTalk, rule: str) -> None:
    call = talk()
    call.tell()
    call.finds(rule)
    assert call.changes == 1


def test_at_the_end_what_nothing_asked_for_was_not_needed(talk: OpenTalk) -> None:
    call = talk("ecommerce")
    call.agent(OPENING + NOTICE)
    call.customer("你好，我想问一下。")
    call.ends(FindingRaised(at_ms=call.now_ms, finding=call.finding("compliance.further_help", omitted=True)))
    assert (call.states["identity_check"], call.states["further_help"]) == (NOT_NEEDED, MISSED)
    assert call.assist.checklist[0].state is SAID


def test_the_reports_sum_is_the_last_word(talk: OpenTalk) -> None:
    call = talk("ecommerce")
    call.agent(OPENING)
    facts = {"opening": "omitted", "service_notice": "done", "refund_notice": "not_applicable", "items": 4, "done": 2}
    call.ends(FindingRaised(at_ms=call.now_ms, finding=call.finding("compliance.execution", **facts)))
    assert (call.states["opening"], call.states["service_notice"]) == (MISSED, SAID)
    assert call.states["refund_notice"] is NOT_NEEDED


def test_a_one_sided_call_is_not_judged(talk: OpenTalk) -> None:
    call = talk()
    call.agent("您的电话没有人接，给您留个言。")
    call.ends()
    assert set(call.states.values()) == {OPEN}


def test_without_an_agent_there_is_none(talk: OpenTalk) -> None:
    call = talk(roles=(Role.CUSTOMER,))
    call.tell()
    call.customer("你好。")
    assert call.changes == 0
    assert call.assist.checklist == ()
    assert call.ends() == []


def test_chats_have_items_of_their_own(talk: OpenTalk) -> None:
    call = talk(medium=Medium.CHAT)
    call.tell()
    assert "service_notice" not in call.states


def test_utterances_are_taken_in_order_of_their_end(talk: OpenTalk) -> None:
    """A session tells them in order of their start; what the customer said within the agent's sentence came first."""

    def said(role: Role, start_ms: int, end_ms: int, text: str) -> FinalUtterance:
        spoken = Utterance(
            index=start_ms,
            party=role.value,
            role=role,
            role_confidence=1.0,
            start_ms=start_ms,
            end_ms=end_ms,
            text=text,
        )
        return FinalUtterance(at_ms=9000, utterance=spoken)

    call = talk("ecommerce")
    call.tell(
        said(Role.AGENT, 1000, 8000, "您的收货地址是和平路18号。"), said(Role.CUSTOMER, 2000, 4000, "订单号是502866。")
    )
    assert call.states["identity_check"] is SAID


def test_the_same_place_is_told_once(talk: OpenTalk) -> None:
    call = talk()
    call.agent(OPENING)
    changes = call.changes
    call.agent("好的，我查一下。")
    call.customer("嗯。")
    assert call.changes == changes
