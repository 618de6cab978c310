"""Look-ups joined to questions: fits, mismatch, in vain, time lost, not searched; live as afterwards."""

from __future__ import annotations

from dataclasses import replace

import pytest

from qingting.analysis.analyzers._knowledge_match import Fit, Matcher, character_similarity, topics
from qingting.analysis.analyzers.knowledge import Knowledge, KnowledgeOptions
from qingting.analysis.runner import Inspection
from qingting.model.call import CallInfo, DesktopEvent, DesktopKind
from qingting.model.finding import Finding, Polarity
from qingting.model.transcript import Transcript
from qingting.testing import CallReplay, check_analyzer, sample_calls

OPEN = "A 您好，很高兴为您服务，请问有什么可以帮您？"
ASK = "C 你好，我想问一下退款多久能到账？"
WAIT = "A 请您稍等，我帮您查一下。"
ANSWER = "A+20000 退款会在3到5个工作日内原路退回到您的支付账户。"


def search(at_ms: int, query: str, results: int | None = None) -> DesktopEvent:
    return DesktopEvent(kind=DesktopKind.SEARCH, at_ms=at_ms, query=query, results=results)


def opened(at_ms: int, title: str, text: str = "") -> DesktopEvent:
    return DesktopEvent(kind=DesktopKind.OPEN, at_ms=at_ms, article="KB", title=title, text=text)


def run(transcript: Transcript, *events: DesktopEvent, analyzer: Knowledge | None = None) -> list[Finding]:
    call = CallInfo(call_id="k", desktop_events=events)
    result = Inspection([analyzer or Knowledge()]).analyze(transcript, call)
    assert result.failures == ()
    assert not [gap for gap in result.gaps if gap.what == "analyzer:knowledge"]
    return list(result.findings)


def rules(findings: list[Finding]) -> list[str]:
    return [one.rule_id.removeprefix("knowledge.") for one in findings if one.rule_id != "knowledge.use"]


@pytest.fixture
def asked(talk) -> Transcript:
    return talk(OPEN, ASK, WAIT, ANSWER, "C 好的谢谢。")


def waiting_ms(transcript: Transcript) -> int:
    return transcript.utterances[2].end_ms


@pytest.mark.parametrize(
    ("steps", "wanted"),
    [
        ([("search", "退款到账时间"), ("open", "退款到账时效说明")], []),
        ([("search", "钱什么时候退回来"), ("open", "原路退回规则")], []),
        ([("search", "退款"), ("open", "发票开具指南"), ("open", "退款到账时效")], []),
        ([("open", "售后政策总览")], ["mismatch"]),
        ([("search", "发票"), ("open", "电子发票抬头修改")], ["mismatch"]),
        ([("open", "宽带安装预约")], ["mismatch"]),
        ([("search", "退款到账")], ["searched_in_vain"]),
        ([("search", "发票抬头")], ["searched_in_vain", "mismatch"]),
        ([], []),
    ],
)
def test_what_is_found(asked, steps, wanted) -> None:
    begin = waiting_ms(asked)
    make = {"search": search, "open": opened}
    events = [make[kind](begin + 3000 * number, words) for number, (kind, words) in enumerate(steps)]
    assert rules(run(asked, *events)) == wanted


def test_a_mismatch_shows_both_sentences_and_their_similarity(asked) -> None:
    begin = waiting_ms(asked)
    (found,) = [one for one in run(asked, opened(begin, "电子发票抬头修改")) if one.rule_id == "knowledge.mismatch"]
    assert found.polarity is Polarity.FAULT
    assert found.facts["question"] == "你好，我想问一下退款多久能到账"
    assert found.facts["found"] == "电子发票抬头修改"
    assert found.facts["similarity"] == 0.0
    assert "相似度0.00" in found.explanation
    assert {"question", "desktop", "answer"} == {one.operator for one in found.evidence}
    assert found.confidence.value == 0.85


def test_unlike_words_alone_wait_for_a_person(asked) -> None:
    (found,) = [
        one for one in run(asked, opened(waiting_ms(asked), "售后政策总览")) if one.rule_id == "knowledge.mismatch"
    ]
    assert found.confidence.value == 0.5
    assert "同义" in found.confidence.reasons[0]


def test_an_article_whose_text_answers_fits_under_any_title(asked) -> None:
    article = opened(waiting_ms(asked), "售后政策总览", "第一条 开场。第二条 退款三到五个工作日到账。")
    assert rules(run(asked, article)) == []


def test_detours_that_took_too_long(asked) -> None:
    slow = replace(asked, utterances=asked.utterances)
    begin = waiting_ms(slow)
    events = [search(begin, "发票"), opened(begin + 2000, "发票抬头"), opened(begin + 12_000, "退款到账时效")]
    assert rules(run(slow, *events)) == []
    strict = Knowledge(KnowledgeOptions(time_lost_ms=10_000))
    (found,) = [one for one in run(slow, *events, analyzer=strict) if one.rule_id == "knowledge.time_lost"]
    assert found.facts["lost_ms"] == 12_000
    assert "12秒" in found.explanation


def test_events_after_the_end_and_before_the_question_do_not_count(asked) -> None:
    late = opened(asked.duration_ms + 1, "宽带安装预约")
    early = opened(-5000, "宽带安装预约")
    assert rules(run(asked, early, late)) == []


def test_a_question_that_refers_back_is_compared_with_what_was_said_before(talk) -> None:
    transcript = talk(OPEN, "C 我要退款。", "A 已经为您申请退款，请您放心等待。", "C 那要多久呢？", WAIT, ANSWER)
    begin = transcript.utterances[4].end_ms
    assert rules(run(transcript, opened(begin, "退款到账时效"))) == []


@pytest.mark.parametrize(
    ("said", "fires"),
    [
        ("A 这个我不太清楚。", True),
        ("A 不好意思，这个我也不知道呢。", True),
        ("A 这个我不太清楚，我帮您查一下。", False),
        ("A 这个我不确定，帮您转接专员。", False),
        ("A 您还有不清楚的地方吗？", False),
        ("A 如果您不清楚，可以看说明。", False),
        ("A 不知道您方便提供订单号吗？", False),
        ("A 退款三到五个工作日到账。", False),
    ],
)
def test_not_knowing_and_not_searching(talk, said: str, fires: bool) -> None:
    transcript = talk(OPEN, ASK, said, "C 那算了吧。", "A 感谢您的来电，再见。")
    assert rules(run(transcript)) == (["not_searched"] if fires else [])


def test_searching_after_not_knowing_is_right(talk) -> None:
    transcript = talk(OPEN, ASK, "A 这个我不太清楚。", ANSWER, "C 好的。")
    begin = transcript.utterances[2].end_ms
    assert rules(run(transcript, opened(begin + 500, "退款到账时效"))) == []


def test_not_knowing_without_a_question_is_nothing(talk) -> None:
    assert rules(run(talk(OPEN, "A 这个我不太清楚。", "C 嗯。"))) == []


def test_without_a_record_the_dimension_is_a_gap(asked) -> None:
    result = Inspection([Knowledge()]).analyze(asked, CallInfo(call_id="k"))
    assert result.findings == ()
    (gap,) = [one for one in result.gaps if one.what == "analyzer:knowledge"]
    assert "未提供桌面操作记录" in gap.reason


def test_another_scorer_can_be_given(asked) -> None:
    same = Knowledge(scorer=lambda _question, _found: 1.0)
    assert rules(run(asked, opened(waiting_ms(asked), "售后政策总览"), analyzer=same)) == []


def test_live_is_afterwards_with_events(asked) -> None:
    begin = waiting_ms(asked)
    events = (search(begin - 4000, "发票"), opened(begin + 1, "宽带安装预约"), search(begin + 9000, "快递"))
    cases = [(CallInfo(call_id="k", desktop_events=events), asked)]
    for sample in sample_calls():
        ends = [one.end_ms for one in sample.transcript().utterances]
        many = (*(opened(at_ms, "宽带安装预约") for at_ms in ends[::2]), search(ends[-1], "退款"))
        cases.append((replace(sample.script.call_info(), desktop_events=many), sample.transcript()))
    check_analyzer(Knowledge(), also=cases)
    inspection = Inspection([Knowledge()])
    for call, transcript in cases:
        afterwards = inspection.analyze(transcript, call).findings
        assert CallReplay(call, transcript, inspection, seed=7).run() == afterwards
        assert afterwards


@pytest.mark.parametrize(
    ("asked_words", "found_words", "fit"),
    [
        ("我的快递怎么还没到", "物流停滞处理", Fit.FITS),
        ("手机停机了，交了话费还没通", "欠费复机时效", Fit.FITS),
        ("我想改一下收货地址", "订单地址变更流程", Fit.FITS),
        ("信用卡丢了怎么办", "信用卡挂失补卡", Fit.FITS),
        ("我想提前还款", "提前结清说明", Fit.FITS),
        ("我想提前还款", "结清证明开具", Fit.UNLIKE),
        ("我想提前还款", "账单分期手续费", Fit.MISMATCH),
        ("理财亏了怎么赎回", "信用卡年费减免", Fit.MISMATCH),
        ("宽带上不了网", "携号转网条件", Fit.MISMATCH),
    ],
)
def test_pairs(asked_words: str, found_words: str, fit: Fit) -> None:
    matcher = Matcher(fits_from=0.34, unlike_below=0.12)
    assert matcher.compare([asked_words], [found_words]).fit is fit


def test_similarity_weighs_content() -> None:
    assert character_similarity("请问退款多久到账", "退款到账") > 0.6
    assert character_similarity("请问这个怎么办理", "请问那个怎么查询") == 0.0
    assert character_similarity("", "退款") == 0.0
    assert character_similarity("退", "退") == 1.0
    assert topics(["我要退款，发票也要"]) == ("refund", "invoice")


@pytest.mark.parametrize("options", [{"fits_from": 0.1, "unlike_below": 0.2}, {"fits_from": 1.5}])
def test_contradicting_thresholds_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        KnowledgeOptions(**options)
