"""Which hints a conversation gives, and which it does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from qingting.model.call import Role
from qingting.model.live_event import HintKind, PartialText, SpeechDropped

if TYPE_CHECKING:
    from tests.unit.live.assist.conftest import OpenTalk, Talk

    from qingting.model.live_event import AssistHint

OPENING = "您好，很高兴为您服务，本次通话将被录音，请问有什么可以帮您？"
FAREWELL = "感谢您的来电，祝您生活愉快，再见。"


def topics(hints: list[AssistHint]) -> list[str]:
    return [f"{hint.kind.value}/{hint.topic}" for hint in hints]


@pytest.fixture
def begun(talk: OpenTalk) -> Talk:
    """A call that began as it should."""
    call = talk()
    call.agent(OPENING)
    call.customer("你好。", seconds=1)
    assert call.hints == []
    return call


# Feelings


def test_a_word_of_disappointment_is_named(begun: Talk) -> None:
    [hint] = begun.customer("我对你们真的很失望。")
    assert (hint.kind, hint.topic) == (HintKind.EMPATHY, "mood")
    assert "“失望”" in hint.text
    assert "共情" in hint.text


@pytest.mark.parametrize("text", ["我没有失望。", "我朋友说他很失望。", "你好，帮我查一下。", ""])
def test_other_words_are_no_disappointment(begun: Talk, text: str) -> None:
    assert begun.customer(text) == []


def test_the_agents_own_words_are_none(begun: Talk) -> None:
    assert begun.agent("让您失望了，我查一下。") == []


@pytest.mark.parametrize(
    ("mood", "role", "told"),
    [
        ("negative", Role.CUSTOMER, ["empathy/mood"]),
        ("angry", Role.CUSTOMER, ["empathy/mood"]),
        ("calm", Role.CUSTOMER, []),
        ("positive", Role.CUSTOMER, []),
        ("angry", Role.AGENT, []),
    ],
)
def test_a_customers_bad_mood(begun: Talk, mood: str, role: Role, told: list[str]) -> None:
    assert topics(begun.mood(mood, role)) == told


def test_feelings_are_spoken_of_once_for_a_while(begun: Talk) -> None:
    begun.mood("negative")
    begun.customer("太失望了。", pause=20)
    begun.mood("angry")
    assert topics(begun.hints).count("empathy/mood") == 1
    begun.quiet(70)
    assert topics(begun.mood("angry"))[-1:] == ["empathy/mood"]


def test_who_has_just_shown_sympathy_needs_no_hint(begun: Talk) -> None:
    begun.risk("threat")
    begun.mood("negative")
    begun.agent("非常抱歉，给您添麻烦了，我马上为您登记。")
    begun.quiet(9)
    assert "empathy/mood" not in topics(begun.hints)


# Risks and findings


@pytest.mark.parametrize(
    ("kind", "role", "told", "urgent"),
    [
        ("threat", Role.CUSTOMER, "risk/threat", True),
        ("insult", Role.CUSTOMER, "risk/discontent", True),
        ("ultimatum", Role.CUSTOMER, "risk/discontent", False),
        ("challenge", Role.CUSTOMER, "risk/discontent", False),
        ("talk_back", Role.AGENT, "wording/agent", True),
    ],
)
def test_a_risk_gives_a_hint_at_once(begun: Talk, kind: str, role: Role, told: str, *, urgent: bool) -> None:
    [hint] = begun.risk(kind, role)
    assert (topics([hint]), hint.urgent) == ([told], urgent)


def test_an_unknown_risk_gives_none(begun: Talk) -> None:
    assert begun.risk("something new") == []
    assert begun.risk("threat", Role.UNSURE) == []


def test_a_threat_is_told_soon_after_another_hint(begun: Talk) -> None:
    begun.mood("negative")
    begun.quiet(3)
    assert begun.risk("threat") == []
    assert topics(begun.quiet(2)) == ["risk/threat"]


@pytest.mark.parametrize(
    ("rule", "facts", "told"),
    [
        ("emotion_analyzer.unanswered_refusal", {}, "unanswered/emotion_analyzer.unanswered_refusal"),
        ("responsiveness.fast_speech", {}, "pace/responsiveness.fast_speech"),
        ("compliance.secret_request", {"phrase": "验证码"}, "wording/compliance.secret_request"),
        ("emotion_analyzer.repeated_demand", {"count": 3, "demand": "refund"}, "repeat/refund"),
        ("emotion_analyzer.eased", {}, "praise/emotion_analyzer.eased"),
    ],
)
def test_findings_give_hints(talk: OpenTalk, rule: str, facts: dict[str, object], told: str) -> None:
    call = talk("finance")
    [hint] = call.finds(rule, **facts)
    assert topics([hint]) == [told]
    assert hint.finding_id == f"{rule}#1"


def test_demands_are_named_and_counted(begun: Talk) -> None:
    [hint] = begun.finds("emotion_analyzer.repeated_demand", count=4, demand="leader")
    assert hint.text.startswith("客户已四次提出“找主管”")


@pytest.mark.parametrize("rule", ["keywords.counts", "contact_reason.refund", "compliance.execution", "mine.rule"])
def test_other_findings_give_none(begun: Talk, rule: str) -> None:
    assert begun.finds(rule) == []


def test_doubtful_findings_give_none(begun: Talk) -> None:
    assert begun.finds("responsiveness.interruption", confidence=0.5) == []


def test_no_hint_quotes_the_call(talk: OpenTalk) -> None:
    """A finding's advice may hold a number of the customer; hints are not masked."""
    call = talk("finance")
    for rule in ("compliance.secret_request", "custom_rules.repeated_number_request", "compliance.guaranteed_return"):
        call.finds(rule)
        call.quiet(16)
    assert len(call.hints) == 3
    assert not any("138" in hint.text for hint in call.hints)


# Waiting


def test_a_customer_who_waits_for_an_answer(begun: Talk) -> None:
    begun.customer("我要退款。")
    assert begun.quiet(4.5) == []
    assert topics(begun.quiet(0.5)) == ["waiting/waiting_answer"]
    assert begun.quiet(30) == []


def test_an_answer_in_time_gives_no_hint(begun: Talk) -> None:
    begun.customer("我要退款。")
    begun.agent("好的，已经为您提交退款申请。", seconds=8, pause=4)
    assert "waiting/waiting_answer" not in topics(begun.hints)


@pytest.mark.parametrize(
    ("agent", "customer", "silent", "loud"),
    [
        ("您的套餐是每月五十九元。", "嗯，我知道了。", 5.5, 6),
        ("请问您的订单号是多少？", "", 11.5, 12),
        ("好的，请您稍等，我查一下。", "", 24.5, 25),
        ("好的，请您稍等，我查一下。", "好的。", 20.5, 25),
        ("您先重启一下试试。", "行，你等我一下，我去弄。", 24.5, 25),
    ],
)
def test_silences_that_last(begun: Talk, agent: str, customer: str, silent: float, loud: float) -> None:
    begun.agent(agent)
    if customer:
        begun.customer(customer, seconds=1)
    before = len(begun.hints)
    begun.quiet(silent)
    assert topics(begun.hints[before:]) == []
    begun.quiet(loud - silent + 1)
    assert [hint.kind for hint in begun.hints[before:]] == [HintKind.WAITING]


def test_the_seconds_are_told(begun: Talk) -> None:
    begun.agent("好的，请您稍等，我查一下。")
    [hint] = begun.quiet(26)
    assert "25秒" in hint.text


def test_after_goodbye_silence_is_no_matter(begun: Talk) -> None:
    begun.agent("请问还有其他可以帮您的吗？")
    begun.customer("没有了，再见。")
    begun.agent(FAREWELL)
    assert begun.quiet(40) == []


def test_who_speaks_now_is_no_silence(begun: Talk) -> None:
    begun.customer("我要退款。")
    begun.tell(
        PartialText(
            at_ms=begun.now_ms, party="left", role=Role.AGENT, start_ms=begun.now_ms, stable_text="", tail_text="好"
        )
    )
    assert begun.quiet(10) == []
    begun.tell(SpeechDropped(at_ms=begun.now_ms, party="left", start_ms=begun.now_ms))
    assert topics(begun.quiet(1)) == ["waiting/waiting_answer"]


def test_speech_without_words_ends_a_silence_too(begun: Talk) -> None:
    begun.customer("我要退款。")
    begun.agent("", seconds=2, pause=4)
    assert begun.quiet(4.5) == []


def test_without_unfinished_words_nobody_knows_who_speaks(talk: OpenTalk) -> None:
    call = talk(live_words=False)
    call.agent(OPENING)
    call.customer("我要退款。")
    assert call.quiet(60) == []


def test_long_talk_without_a_word_of_the_customer(begun: Talk) -> None:
    begun.customer("那你介绍一下新的套餐吧。")
    for _ in range(4):
        begun.agent("第一种套餐每个月三十九元，包含五十分钟通话。", seconds=10)
    assert begun.hints == []
    assert topics(begun.agent("第二种套餐每个月六十九元。", seconds=10)) == ["pace/monologue"]


def test_talk_after_a_silence_is_no_monologue(begun: Talk) -> None:
    begun.agent("好的，请您稍等，我联系快递公司。", seconds=10)
    begun.quiet(40)
    begun.agent("让您久等了，包裹放在超市了。", seconds=8)
    assert "pace/monologue" not in topics(begun.hints)


# Asking again, knowledge


def ask_three_times(call: Talk) -> list[AssistHint]:
    call.customer("我的快递到哪里了？")
    call.agent("您稍等。")
    call.customer("那物流信息怎么一直没更新？")
    call.agent("我看一下。")
    return call.customer("到底什么时候能送到啊？")


def test_the_same_question_again_and_again(talk: OpenTalk) -> None:
    call = talk("ecommerce")
    call.agent(OPENING)
    hint = ask_three_times(call)[-1]
    assert topics([hint]) == ["repeat/logistics"]
    assert hint.text == "客户已三次询问物流，建议主动提供单号和最新进度。"


def test_questions_in_one_breath_are_one(talk: OpenTalk) -> None:
    call = talk("ecommerce")
    call.agent(OPENING)
    for text in ("我的快递到哪里了？", "快递到哪了？", "什么时候能送到？", "物流怎么没更新？"):
        call.customer(text)
    assert HintKind.REPEAT not in {hint.kind for hint in call.hints + call.quiet(10)}


def test_questions_long_ago_do_not_count(talk: OpenTalk) -> None:
    call = talk("ecommerce")
    call.agent(OPENING)
    call.customer("我的快递到哪里了？")
    call.agent("您稍等。")
    call.quiet(300)
    call.customer("那物流信息怎么一直没更新？")
    call.agent("我看一下。")
    call.customer("到底什么时候能送到啊？")
    assert HintKind.REPEAT not in {hint.kind for hint in call.hints + call.quiet(10)}


def test_a_question_that_the_knowledge_answers(talk: OpenTalk) -> None:
    call = talk("ecommerce")
    call.agent(OPENING)
    [hint] = call.customer("换货的话运费是谁出啊？")
    assert topics([hint]) == ["knowledge/freight"]
    assert hint.text.startswith("可参考“退换货运费”：")
    call.quiet(100)
    assert "knowledge/freight" not in topics(call.customer("那运费是谁出？"))


def test_an_agent_who_does_not_know(begun: Talk) -> None:
    begun.customer("那这个算不算流量？")
    assert topics(begun.agent("这个我也说不好。")) == ["knowledge/unsure"]


@pytest.mark.parametrize("text", ["您如果不清楚，可以再打给我们。", "不清楚的地方您再问我。", "我查一下再告诉您。"])
def test_politeness_is_no_not_knowing(begun: Talk, text: str) -> None:
    assert begun.agent(text) == []


# Reminders


def test_an_opening_item_whose_time_runs_out(talk: OpenTalk) -> None:
    call = talk()
    call.agent("您好，很高兴为您服务，请问有什么可以帮您？", seconds=5)
    call.customer("帮我查一下话费。")
    call.agent("好的，您的号码是多少？")
    call.customer("号码是六二五一八八三零。")
    call.hints.clear()
    assert topics(call.quiet(8))[:1] == ["checklist/service_notice"]
    assert "录音告知" in call.hints[0].text
    call.finds("compliance.service_notice", omitted=True)
    call.quiet(20)
    assert topics(call.hints).count("checklist/service_notice") == 1


def test_who_is_just_speaking_may_be_saying_it(talk: OpenTalk) -> None:
    call = talk()
    call.agent("喂，你好。", seconds=1)
    call.customer("你好，帮我查一下。", seconds=2)
    assert call.agent("您好，很高兴为您服务，为保证服务质量，本次通话将被录音。", seconds=20) == []


def test_a_voice_message_needs_no_opening(talk: OpenTalk) -> None:
    call = talk()
    call.agent("陈先生您好，您的线路修好了。", seconds=8)
    assert call.quiet(30) == []


def test_what_its_topic_asks_for_and_the_agent_has_gone_on(talk: OpenTalk) -> None:
    call = talk("ecommerce")
    call.agent(OPENING)
    call.customer("鞋子大了，我不想要了。")
    call.agent("好的，同意为您退款。")
    assert topics(call.customer("我的地址要再说一遍吗？")) == []
    call.agent("不用，我再核对一下您的地址。")
    told = call.customer("地址没有变。")
    assert topics(told) == ["checklist/refund_notice"]
    assert "原路退回" in told[0].text


def test_what_is_left_when_the_call_closes(talk: OpenTalk) -> None:
    call = talk("ecommerce")
    call.agent(OPENING)
    call.customer("我不想要了。")
    call.agent("好的，同意为您退款。请问还有其他可以帮您的吗？")
    assert topics(call.hints) == ["checklist/refund_notice"]
    assert call.hints[0].text.startswith("通话快结束了")


def test_goodbye_without_the_question_for_more(begun: Talk) -> None:
    begun.customer("帮我查一下话费。")
    begun.agent("您的话费还有三十元。")
    assert topics(begun.customer("好的，那就这样，再见。")) == ["checklist/further_help"]


def test_goodbye_without_closing_words(begun: Talk) -> None:
    begun.agent("请问还有其他可以帮您的吗？")
    assert begun.customer("没有了，再见。") == []
    assert topics(begun.agent("嗯，好。", seconds=1)) == ["checklist/closing"]


def test_closing_words_need_no_reminder(begun: Talk) -> None:
    begun.agent("请问还有其他可以帮您的吗？")
    begun.customer("没有了，再见。")
    begun.agent(FAREWELL)
    assert begun.quiet(10) == []


@pytest.mark.parametrize("text", ["我等了一个礼拜了，啥情况啊？", "我还没说再见呢，你先帮我查一下。"])
def test_words_like_a_goodbye_close_nothing(begun: Talk, text: str) -> None:
    assert "checklist/further_help" not in topics(begun.customer(text))


def test_what_must_come_first_is_made_up_for(talk: OpenTalk) -> None:
    call = talk("ecommerce")
    call.agent(OPENING)
    call.customer("我的东西到哪了？")
    call.agent("您的收货地址是和平路18号。")
    [hint] = call.finds("compliance.identity_check", order=True)
    assert topics([hint]) == ["checklist/identity_check"]
    assert "现在补上" in hint.text


# The whole


def test_the_end_gives_no_hint(begun: Talk) -> None:
    begun.customer("太失望了，我要投诉。", pause=30)
    told = begun.ends()
    assert not [event for event in told if hasattr(event, "hint_id")]


def test_dismissed_hints_stay_away(begun: Talk) -> None:
    [hint] = begun.mood("negative")
    assert begun.assist.dismiss(hint.hint_id)
    assert not begun.assist.dismiss("h99")
    begun.quiet(200)
    assert begun.mood("angry") == []


def test_calls_know_nothing_of_each_other(talk: OpenTalk) -> None:
    one, other = talk(), talk()
    one.mood("negative")
    assert topics(other.mood("negative")) == ["empathy/mood"]


def test_parties_that_nobody_tells_apart_give_no_hints(talk: OpenTalk) -> None:
    call = talk(roles=())
    for role in (Role.UNSURE, Role.UNSURE):
        call._say(role, "我很失望，我要投诉，帮我查一下快递到哪里了？", 3, 1)
    assert call.quiet(60) == []


def test_what_is_kept_does_not_grow_with_the_call(talk: OpenTalk) -> None:
    """Hours of talk: all that grows is bounded."""
    call = talk("ecommerce")
    call.agent(OPENING)
    for _ in range(60):
        ask_three_times(call)
        call.mood("negative")
        call.risk("threat")
    assist = call.assist
    assert len(call.hints) <= 20
    assert len(assist._desk._waiting) < 10
    assert all(len(times) <= 12 for times in assist._asking._asked.values())
    assert len(assist._checklist._agent) <= 3  # type: ignore[union-attr]
