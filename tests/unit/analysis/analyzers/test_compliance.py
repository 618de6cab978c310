"""Must say, must ask, must not say: windows, order, conditions, doubt, and the execution rate."""

from __future__ import annotations

import pytest

from qingting.analysis.analyzers._compliance_items import Item, Kind, Topic, Window
from qingting.analysis.analyzers.compliance import Compliance, ComplianceOptions
from qingting.model.finding import Level, Polarity
from qingting.model.transcript import Flag

OPEN = "A 您好，很高兴为您服务，工号1024，本次通话将被录音，请问有什么可以帮您？"
CLOSE = ["A 请问还有其他可以帮您的吗？", "C 没有了。", "A 感谢您的来电，祝您生活愉快，再见。"]


def rules(result) -> list[str]:
    found = [one.rule_id.removeprefix("compliance.") for one in result.findings if one.dimension == "compliance"]
    return [rule for rule in found if rule != "execution"]


@pytest.fixture
def found(talk, inspect):
    """Rules of a pack found in a conversation, the execution rate left out."""

    def run(*lines: str, pack: str = "general", tail_ms: int = 2000) -> list[str]:
        return rules(inspect(talk(*lines, tail_ms=tail_ms), pack))

    return run


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([OPEN, "C 查话费。", *CLOSE], []),
        (["A 喂，什么事？", "C 查话费。", "A 本次通话将被录音。", *CLOSE], ["opening"]),
        ([OPEN.replace("本次通话将被录音，", ""), "C 查话费。", "A+30000 好的。", *CLOSE], ["service_notice"]),
        ([OPEN, "C 查话费。", "A 好的。", CLOSE[2]], ["further_help"]),
        ([OPEN, "C 查话费。", CLOSE[0], "C 没有了。", "A 嗯，好。"], ["closing"]),
        # Notice within the second utterance is in time.
        (["A 您好，很高兴为您服务。", "A 来电会被录音。请讲。", "C 查话费。", *CLOSE], []),
        # Misheard and shortened read-outs still count.
        (["A 你好，很高心为您服务，请问有什么可以帮忙。", "A 本次通话讲会被录音。", "C 查话费。", *CLOSE], []),
        # A closing long before the end is no closing.
        ([OPEN, "C 查话费。", CLOSE[2], CLOSE[0], "A 等等。", "A 还有一件事。", "A 好了。"], ["closing"]),
    ],
)
def test_must_say_items_of_the_general_pack(found, lines: list[str], expected: list[str]) -> None:
    assert found(*lines) == expected


@pytest.mark.parametrize(
    "lines",
    [
        ["A 喂？"],
        ["A 您好。", "A 喂？听得到吗？"],
        ["C 喂？"],
        [],
        ["A 喂？", "C "],
    ],
)
def test_one_sided_calls_have_no_omissions(found, lines: list[str]) -> None:
    assert found(*lines, tail_ms=60_000) == []


def test_an_omission_waits_for_the_customer_to_speak(talk, inspect) -> None:
    transcript = talk("A 喂。", "A 说话。", "C+40000/1000 查话费。", *CLOSE)
    opening = next(one for one in inspect(transcript).findings if one.rule_id == "compliance.opening")
    assert opening.decided_ms == transcript.utterances[2].end_ms


def test_a_window_in_seconds_waits_for_the_utterance_begun_in_it(found) -> None:
    item = "A/20000 您好，您拨打的是我们公司的电话，现在是工作时间，欢迎致电客服中心。"
    assert "opening" not in found("A/500 喂。", item, "C 查话费。", *CLOSE)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("A 这个不归我管。", ["forbidden_words"]),
        ("A 你自己看，随便你。", ["forbidden_words"]),
        ("C 这不归我管吧。", []),
        ("A 我们不能跟客户说不归我管。", []),
        ("A 我保证百分之百没问题。", ["absolute_promise"]),
        ("A 这个100%能退。", ["absolute_promise"]),
        ("A 您的套餐包含100分钟通话。", []),
        ("A 为保证服务质量，请您稍等。", []),
        ("A 我们不会说绝对没问题。", []),
        ("A 我没办法保证绝对不会再坏。", []),
        ("A 需要交保证金。", []),
    ],
)
def test_forbidden_words_and_promises(found, line: str, expected: list[str]) -> None:
    assert found(OPEN, "C 查话费。", line, *CLOSE) == expected


def test_forbidden_words_give_one_finding_per_utterance_with_fitting_advice(talk, inspect) -> None:
    result = inspect(talk(OPEN, "C 查话费。", "A 你有完没完，随便你。", *CLOSE))
    (finding,) = [one for one in result.findings if one.rule_id == "compliance.forbidden_words"]
    assert finding.level is Level.SERIOUS
    assert finding.facts["phrases"] == 2
    assert "“有完没完”、“随便你”" in finding.explanation
    assert "顶撞" in finding.advice


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["C 我的快递呢？", "A 您的订单显示已经发货了。"], ["identity_check"]),
        (["C 我的快递呢？", "A 麻烦您提供一下订单号。", "C 五零二八六六。", "A 您的订单显示已经发货了。"], []),
        (["C 我的快递呢，订单号502866。", "A 您的订单显示已经发货了。"], []),
        (["C 我的快递呢，我有2个。", "A 您的订单显示已经发货了。"], ["identity_check"]),
        # Asked only afterwards, or later in the same breath.
        (["C 我的快递呢？", "A 您的订单显示已发货，麻烦您提供一下订单号。"], ["identity_check"]),
        (["C 我的快递呢？", "A 麻烦您提供一下订单号，好的，您的订单显示已发货。"], []),
        # No order details, nothing to check.
        (["C 你们几点下班？", "A 晚上九点下班。"], []),
        (["C 我要退款。", "A 好的，我已经为您申请退款。"], ["refund_notice"]),
        (["C 我要退款。", "A 好的，我已经为您申请退款，3到5个工作日内原路退回。"], []),
        (["C 我要退款。", "A 退款要三个工作日，我给您申请退款了。"], []),
        (["C 我要退款。", "A 这个暂时不可以退款。"], []),
        (["C 可以退款吗？", "A 我帮您问一下。"], []),
    ],
)
def test_ecommerce_items(found, lines: list[str], expected: list[str]) -> None:
    assert found(OPEN, *lines, *CLOSE, pack="ecommerce") == expected


def test_order_is_judged_once(found) -> None:
    lines = [OPEN, "C 快递呢？", "A 您的订单显示已发货。", "A 物流显示明天到。", *CLOSE]
    assert found(*lines, pack="ecommerce") == ["identity_check"]


def test_conditional_omissions_show_what_made_them_due(talk, inspect) -> None:
    result = inspect(talk(OPEN, "C 我要退款。", "A 好的，给您退款了。", *CLOSE), "ecommerce")
    finding = next(one for one in result.findings if one.rule_id == "compliance.refund_notice")
    assert finding.evidence[0].quote == "给您退款了"
    assert finding.evidence[1].operator == "omission"
    assert finding.decided_ms == finding.evidence[1].end_ms
    assert "同意退款" in finding.explanation


def test_omissions_are_doubtful_when_something_similar_was_heard(talk, inspect) -> None:
    unclear = "A 您好，很高兴为您服务，本次通话将会被路音，请问有什么可以帮您？"
    result = inspect(talk(unclear, "C 查话费。", "A+30000 好的。", *CLOSE))
    finding = next(one for one in result.findings if one.rule_id == "compliance.service_notice")
    assert finding.confidence.value == 0.5
    assert "相近" in finding.confidence.reasons[0]


def test_omissions_are_doubtful_when_recognition_was_or_the_customer_hung_up(talk, inspect) -> None:
    def confidence(*lines: str, tail_ms: int = 2000, **changes: object):
        result = inspect(talk(*lines, tail_ms=tail_ms, **changes))
        return next(one for one in result.findings if one.rule_id == "compliance.closing").confidence

    lines = [OPEN, "C 查话费。", CLOSE[0], "C 没有了。"]
    assert confidence(*lines, "A 嗯。").value == 1.0
    assert confidence(*lines, "A 嗯。", flags=(Flag.REFUSED,)).value == 0.4
    assert confidence(*lines, "A 嗯。", confidence=0.7).value == 0.7
    assert confidence(*lines, "A 嗯。", role_confidence=0.6).value == 0.6
    cut = confidence(*lines, tail_ms=300)
    assert (cut.value, "挂断" in cut.reasons[0]) == (0.5, True)


def test_execution_rate_tells_each_items_state_and_place(talk, inspect) -> None:
    result = inspect(talk(OPEN, "C 我要退款。", "A 好的，给您退款了。", CLOSE[0], "C 没了。", "A 嗯。"), "ecommerce")
    note = next(one for one in result.findings if one.rule_id == "compliance.execution")
    assert note.polarity is Polarity.NOTE
    assert (note.facts["items"], note.facts["done"], note.facts["rate"]) == (5, 3, 0.6)
    states = {name: note.facts[name] for name in ("opening", "closing", "refund_notice", "identity_check")}
    assert states == {
        "opening": "done", "closing": "omitted", "refund_notice": "omitted", "identity_check": "not_applicable",
    }  # fmt: skip
    assert [one.operator for one in note.evidence] == ["said", "said", "said", "omission"]
    assert "结束语、告知退款时效" in note.explanation


def own(**changes: object) -> Item:
    fields: dict[str, object] = {"id": "own", "name": "自有", "phrases": ("风险提示",), "advice": "请说。", **changes}
    return Item(**fields)  # type: ignore[arg-type]


def test_scripts_are_read_over_two_utterances(talk, inspect) -> None:
    script = "投资有风险，入市需谨慎，过往业绩不代表未来表现"
    analyzer = Compliance(ComplianceOptions(items=(own(phrases=(), scripts=(script,)),)))
    halves = ["A 提醒您，投资有风险，入市要谨慎。", "A 过往的业绩不代表未来的表现。", "C 知道了。"]
    assert rules(inspect(talk(*halves), "general", analyzer)) == []
    assert rules(inspect(talk(halves[0], "C 知道了。"), "general", analyzer)) == ["own"]


def test_items_for_topics_of_the_customer(talk, inspect) -> None:
    item = own(when=Topic(phrases=("理财",), who="customer", name="询问理财"))
    item = own(when=Topic(phrases=("理财",), name="理财"))
    analyzer = Compliance(ComplianceOptions(items=(item,)))
    assert rules(inspect(talk("A 买理财吗？", "C 好。"), "general", analyzer)) == ["own"]
    assert rules(inspect(talk("A 您好。", "C 我买理财。"), "general", analyzer)) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "Not snake"},
        {"phrases": ()},
        {"lexicons": ("nope",)},
        {"advice": ""},
        {"script_share": 0.1},
        {"before": Topic(phrases=("x",)), "when": Topic(phrases=("y",))},
        {"before": Topic(phrases=("x",)), "window": Window(last_utterances=1)},
    ],
)
def test_items_that_cannot_work_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"item|phrases|lexicon|script_share"):
        own(**changes)


def test_two_items_of_one_id_are_refused() -> None:
    with pytest.raises(ValueError, match="same id"):
        ComplianceOptions(items=(own(), own(kind=Kind.MUST_NOT_SAY)))


def test_without_items_nothing_is_found(talk, inspect) -> None:
    assert inspect(talk("A 喂。", "C 不归我管。"), "general", Compliance()).findings == ()
