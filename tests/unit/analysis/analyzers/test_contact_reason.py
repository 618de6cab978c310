"""Why customers call: by words, at the first mention, and by example sentences where asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import pytest

from qingting.analysis.analyzers.contact_reason import ContactReason, ContactReasonOptions
from qingting.analysis.discovery import discover
from qingting.analysis.intents import intents
from qingting.analysis.meaning import CostClass, SentenceVectors, VectorIdentity
from qingting.analysis.packs import build_analyzers, load_pack
from qingting.analysis.runner import analyze
from qingting.errors import MeaningUnavailableError
from qingting.model.call import CallInfo, Role
from qingting.model.finding import Finding, Level, Polarity
from qingting.model.transcript import Flag
from qingting.testing import check_analyzer
from qingting.testing.samples import sample_calls

DEMO_REASONS = {
    "absolute_promise": ["logistics"],
    "agent_interrupts": ["urge", "network_fault"],
    "angry_escalation": ["overcharge", "refund", "complaint"],
    "dead_air_no_closing": ["plan_inquiry", "cancel_service"],
    "ecommerce_faultless": ["refund"],
    "general_faultless": ["network_fault"],
    "hold_with_notice": ["billing", "cancel_service"],
    "hurried_agent": ["exchange"],
    "long_hold": ["not_received"],
    "long_monologue": ["promotion_call"],
    "negated_and_quoted": ["discount"],
    "refund_late_answer": ["refund", "quality"],
    "rude_agent": ["shipping", "complaint"],
    "silence_then_slow": ["plan_change"],
    "cantonese_card_lost": ["card_lost"],
    "friendly_questions": ["network_fault"],
    "knowledge_fits": ["repayment"],
    "knowledge_mismatch": ["exchange"],
    "knowledge_not_searched": ["product_inquiry"],
    "loan_collection": ["repayment", "complaint"],
    "off_platform": ["wrong_goods"],
    "plan_change_good": ["plan_change"],
    "plan_unasked": ["billing", "complaint"],
    "port_out_blocked": ["number_porting"],
    "refusal_eased": ["urge"],
    "refusal_unanswered": ["cancel_service", "complaint"],
    "repair_still_broken": ["network_fault"],
    "secret_code": ["fraud"],
    "sichuan_parcel": ["logistics"],
    "two_requests": ["exchange", "invoice"],
    "voice_message": [],
    "wealth_careful": ["investment"],
    "wealth_hard_sell": ["promotion_call", "investment"],
}
"""The reasons a listener would write down, the main one first."""


class Axes(SentenceVectors):
    """Vectors from a table of words: the first word that stands in a sentence gives its axis."""

    cost: ClassVar[CostClass] = CostClass.LIGHT

    def __init__(self, words: Sequence[str], *, broken: bool = False) -> None:
        self._words = tuple(words)
        self._broken = broken
        self.asked: list[str] = []

    @property
    def identity(self) -> VectorIdentity:
        return VectorIdentity(name="axes", model="test")

    def embed(self, sentences: Sequence[str]) -> np.ndarray:
        if self._broken:
            raise MeaningUnavailableError("away")
        self.asked += sentences
        made = np.full((len(sentences), len(self._words) + 1), 0.01, dtype=np.float32)
        for row, text in enumerate(sentences):
            made[row, next((at for at, word in enumerate(self._words) if word in text), -1)] = 1.0
        return made / np.linalg.norm(made, axis=1, keepdims=True)


def reasons(findings: Sequence[Finding]) -> list[str]:
    return [one.rule_id.removeprefix("contact_reason.") for one in findings]


@pytest.fixture
def found(talk, inspect):
    """Reasons of a conversation in order."""

    def run(*lines: str, pack: str = "general", vectors: SentenceVectors | None = None, **options: object) -> list[str]:
        analyzer = ContactReason(ContactReasonOptions(**options), vectors=vectors)  # type: ignore[arg-type]
        result = inspect(talk(*lines), pack, analyzer)
        assert result.failures == ()
        return reasons(result.findings)

    return run


@pytest.mark.parametrize("sample", sample_calls(), ids=lambda one: one.id)
def test_the_demo_calls(sample) -> None:
    result = analyze(sample.transcript(), sample.script.call_info(), [ContactReason()])
    if sample.id == "knowledge_mismatch":
        pytest.xfail("退款 in 我不是问退款 joins with 寄回, and 换货的话 counts as a supposition")
    assert reasons(result.findings) == DEMO_REASONS[sample.id]
    assert [one.facts["primary"] for one in result.findings][:1] == [True][: len(DEMO_REASONS[sample.id])]


def test_every_demo_call_has_its_reasons_written_down() -> None:
    assert set(DEMO_REASONS) == {sample.id for sample in sample_calls()}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("C 我要退款。", "refund"),
        ("C 钱什么时候退？", "refund"),
        ("C 为什么不给退款？", "refund"),
        ("C 这件衣服我想退货。", "return_goods"),
        ("C 能不能换个颜色？", "exchange"),
        ("C 我的快递到哪里了？", "logistics"),
        ("C 快递显示签收，可是我没收到。", "not_received"),
        ("C 我要投诉你们！", "complaint"),
        ("C 发票怎么开？", "invoice"),
        ("C 密码忘了，登不上去。", "password"),
        ("C 收货地址写错了，能改地址吗？", "change_address"),
        ("C 宽带连不上，一直转圈。", "network_fault"),
        ("C 帮我催一下师傅。", "urge"),
        ("C 积分怎么兑换？", "membership"),
        ("C 我想预约明天上门安装。", "appointment"),
        ("C 我想携号转网。", "number_porting"),
        ("C 信用卡丢了，帮我挂失。", "card_lost"),
        ("C 这个月还不上，能延期还款吗？", "repayment"),
        ("C 我的车被撞了，要报案。", "insurance_claim"),
        ("C 这两款有什么区别？", "product_inquiry"),
        ("C 你们不要再打电话推销了。", "no_disturb"),
    ],
)
def test_words_that_give_the_reason(found, line: str, reason: str) -> None:
    assert found("A 您好。", line)[0] == reason


@pytest.mark.parametrize(
    "line",
    [
        "C 我不是要退款，就问问。",
        "C 我朋友说要退款。",
        "C 如果要退款怎么算？",
        "C 我没有要投诉你。",
        "C 不用开发票。",
        "C 退款已经收到了。",
        "C 网上说你们不发货。",
    ],
)
def test_negated_reported_and_settled_mentions_do_not_count(found, line: str) -> None:
    assert found("A 您好。", line) in ([], ["unknown"])


def test_only_the_customer_gives_a_reason_on_a_call_to_the_centre(found) -> None:
    assert found("A 您是要退款还是换货？", "C 嗯，是的。") == []
    assert found("A 给您介绍一下我们的新套餐。", "C 好。") == []


def test_the_agent_gives_it_on_a_call_from_the_centre(talk) -> None:
    talked = talk("A 您好，给您做个回访。", "C 好，你说。")
    called = CallInfo(call_id="out", direction="outbound")
    (finding,) = analyze(talked, called, [ContactReason()]).findings
    assert (finding.rule_id, finding.who) == ("contact_reason.return_visit", Role.AGENT)


def test_the_wish_is_the_reason_and_the_trouble_another(found) -> None:
    assert found("C 电饭煲坏了，我要退款。", pack="ecommerce") == ["refund", "quality"]
    assert found("C 电饭煲坏了。", pack="ecommerce") == ["quality"]


def test_hints_count_only_while_nothing_better_is_known(found) -> None:
    assert found("C 那个物流是怎么回事？", pack="ecommerce") == ["logistics"]
    assert found("C 我要退款。", "A 好。", "C 那个物流是怎么回事？", pack="ecommerce") == ["refund"]


def test_each_reason_is_told_once_and_not_more_than_wanted(found) -> None:
    lines = ["C 我要退款。", "A 好。", "C 我说了要退款！还要投诉你们！", "C 发票怎么开？"]
    assert found(*lines) == ["refund", "complaint", "invoice"]
    assert found(*lines, most_reasons=2) == ["refund", "complaint"]
    assert found(*lines, ignored=("complaint",)) == ["refund", "invoice"]


def test_words_of_a_pair_must_stand_near_each_other_in_one_sentence(found) -> None:
    assert found("C 包裹一直没更新，快递现在哪里了？", pack="ecommerce")[0] == "logistics"
    assert found("C 我的快递，你们哪里。", pack="ecommerce") == ["logistics"]
    assert found("C 这是税号。我把姓改了。") in (["unknown"], [])


def test_a_line_knows_only_its_own_and_the_shared_reasons(talk) -> None:
    talked = talk("C 光猫一直亮红灯，宽带上不了网。")
    at_shop = CallInfo(call_id="x", line_of_business="ecommerce")
    assert "network_fault" not in reasons(analyze(talked, at_shop, [ContactReason()]).findings)
    chosen = ContactReason(ContactReasonOptions(line_of_business="telecom"))
    assert reasons(analyze(talked, at_shop, [chosen]).findings) == ["network_fault"]


def test_own_words(found) -> None:
    assert found("C 我来办那个卡通章。") == ["unknown"]
    assert found("C 我来办那个卡通章。", more_phrases={"membership": ("卡通章",)}) == ["membership"]


@pytest.mark.parametrize(
    "wrong",
    [{"ignored": ("nothing",)}, {"more_phrases": {"nothing": ("x",)}}, {"most_reasons": 0}, {"least_margin": -0.1}],
)
def test_wrong_options_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"intent|most_reasons|margin"):
        ContactReasonOptions(**wrong)  # type: ignore[arg-type]


def test_unknown_is_said_only_when_the_customer_said_something(found) -> None:
    assert found("A 您好。", "C 隔壁王叔叔的鹦鹉飞走了。") == ["unknown"]
    assert found("A 您好。", "C 嗯。", "C 好的，谢谢。") == []
    assert found("A 您好。") == []


def test_a_finding_tells_where_and_why(talk, inspect) -> None:
    first, second = inspect(
        talk("A 您好。", "C 你好，我要退款。", "C 还要投诉你们。"), "general", ContactReason()
    ).findings
    assert (first.level, first.polarity, first.who) == (Level.LIGHT, Polarity.NOTE, Role.CUSTOMER)
    assert (first.evidence[0].quote, first.evidence[0].utterance) == ("要退款", 1)
    assert first.title == "来电原因：退款"
    assert "主要来电原因是退款" in first.explanation
    assert "另一来电原因是投诉" in second.explanation
    assert (first.facts["primary"], second.facts["primary"], second.facts["order"]) == (True, False, 2)
    assert first.confidence.value == 1.0


def test_doubt_is_carried_through(talk, inspect) -> None:
    hint = inspect(talk("C 那个物流是怎么回事？"), "general", ContactReason()).findings[0]
    assert hint.confidence.value == pytest.approx(0.7)
    assert hint.confidence.reasons
    flagged = inspect(talk("C 我要退款。", flags=(Flag.TOO_FAST,)), "general", ContactReason()).findings[0]
    assert flagged.confidence.value == pytest.approx(0.4)


EXAMPLES_OF_MEMBERSHIP = next(one.examples for one in intents() if one.id == "membership")
STRANGE = "C 那个积攒的小红花能拿去换锅子不？"


def test_without_vectors_the_report_says_so(talk, inspect) -> None:
    (finding,) = inspect(talk(STRANGE), "general", ContactReason()).findings
    assert finding.rule_id == "contact_reason.unknown"
    assert "未启用语义比对" in finding.explanation


def test_a_near_example_gives_the_reason_when_no_words_do(talk, inspect) -> None:
    # All of a reason's examples lie on the axis of the strange sentence, other reasons' do not.
    words = ["小红花", *EXAMPLES_OF_MEMBERSHIP]

    class Near(Axes):
        def embed(self, sentences: Sequence[str]) -> np.ndarray:
            return super().embed(["小红花" if text in EXAMPLES_OF_MEMBERSHIP else text for text in sentences])

    (finding,) = inspect(talk(STRANGE), "general", ContactReason(vectors=Near(words))).findings
    assert finding.rule_id == "contact_reason.membership"
    assert finding.evidence[0].operator == "similar"
    assert finding.confidence.value < 0.6, "goes to a person"
    assert finding.facts["margin"] > 0.5


def test_near_to_everything_is_near_to_nothing(talk, inspect) -> None:
    (finding,) = inspect(talk(STRANGE), "general", ContactReason(vectors=Axes(["没有这个词"]))).findings
    assert finding.rule_id == "contact_reason.unknown"
    assert "没有明显相近" in finding.explanation


def test_vectors_are_not_asked_when_words_gave_the_reason_or_nothing_was_said(found) -> None:
    vectors = Axes(["x"])
    assert found("C 我要退款。", vectors=vectors) == ["refund"]
    assert found("C 气死我了，怎么办啊？", vectors=vectors) == []
    assert vectors.asked == []


def test_only_the_first_utterances_with_content_are_compared(found) -> None:
    vectors = Axes(["没有这个词"])
    lines = [f"C 隔壁第{number}只鹦鹉飞走了啊。" for number in "一二三四五"]
    found(*lines, vectors=vectors, compared_utterances=2)
    assert [text for text in vectors.asked if "鹦鹉" in text] == [line[2:] for line in lines[:2]]


def test_a_server_that_is_away_is_noted_and_breaks_nothing(talk, inspect) -> None:
    result = inspect(talk(STRANGE), "general", ContactReason(vectors=Axes([], broken=True)))
    assert result.failures == ()
    assert "语义比对不可用" in result.findings[0].explanation


def test_options_come_from_a_pack(tmp_path) -> None:
    pack = tmp_path / "mine.yaml"
    pack.write_text(
        'id: "mine"\nname: "我的"\nversion: "1"\nextends: "general"\nanalyzers:\n  contact_reason:\n'
        "    more_phrases: {refund: [拿回货款]}\n    meaning: {mode: off}\n".replace("off", '"off"'),
        encoding="utf-8",
    )
    built = {one.id: one for one in build_analyzers(load_pack(pack), discover())}
    assert "拿回货款" in list(built["contact_reason"].phrases()["phrase:refund"])


def test_it_keeps_the_contract_of_analyzers() -> None:
    check_analyzer(ContactReason())
    check_analyzer(ContactReason(vectors=Axes(["款", "网"])))


@pytest.mark.parametrize(
    ("line", "said", "reason"),
    [
        ("ecommerce", "我那个包裹停在转运站四天了，都没挪窝。", "logistics"),
        ("ecommerce", "那件大衣我要退，洗都没洗过。", "return_goods"),
        ("ecommerce", "昨晚买的书，一下子扣了我两次钱。", "payment"),
        ("ecommerce", "那箱橘子打开一股霉味儿。", "quality"),
        ("telecom", "我每个月流量老是不够用。", "plan_change"),
        ("telecom", "我想把号码转到别家，怎么弄？", "number_porting"),
        ("telecom", "我没开通过什么视频包啊。", "overcharge"),
        ("finance", "坐地铁钱包被偷了，里头有你们的卡。", "card_lost"),
        ("finance", "我收到短信说中奖了，就点了那个链接。", "fraud"),
        ("finance", "钱打错人了，怎么办？", "transfer"),
    ],
)
def test_everyday_words_name_the_matter(line: str, said: str, reason: str, talk, inspect) -> None:
    found = inspect(talk(f"C {said}"), line, ContactReason()).findings
    assert reasons(found)[0] == reason
    assert found[0].confidence.value < 1.0 or found[0].facts["source"] == "phrase"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("ecommerce", "家里天花板漏水漏了半个月。"),
        ("ecommerce", "我先跟老板说一声，你等我一会儿。"),
        ("telecom", "我没说要换，你继续讲。"),
        ("finance", "我记一下啊，你慢点说。"),
    ],
)
def test_ordinary_words_name_nothing(line: str, said: str, talk, inspect) -> None:
    assert reasons(inspect(talk(f"C {said}"), line, ContactReason()).findings) in ([], ["unknown"])
