"""Languages of a call: dialects, English, switches, the summary, and the hint when the parties do not meet."""

from __future__ import annotations

import pytest

from qingting.analysis.analyzers.dialect_detector import DialectDetector, DialectOptions
from qingting.analysis.runner import analyze
from qingting.model.call import CallInfo, Role
from qingting.model.finding import Level, Polarity
from qingting.testing import check_analyzer
from qingting.testing.samples import sample_calls

CANTONESE = "C 唔该，我想问下点解我嘅快递仲未到？"
MANDARIN = "A 您好，我马上给您查一下，是什么时候下的单？"


@pytest.fixture
def found(talk, inspect):
    """Rules found in a conversation, the summary left out."""

    def run(*lines: str, summary: bool = False, **changes: object) -> list[str]:
        options = changes.pop("options", DialectOptions())
        result = inspect(talk(*lines, **changes), "general", DialectDetector(options))
        assert result.failures == ()
        rules = [one.rule_id.removeprefix("dialect_detector.") for one in result.findings]
        return rules if summary else [rule for rule in rules if rule != "summary"]

    return run


@pytest.mark.parametrize("sample", sample_calls(), ids=lambda one: one.id)
def test_the_demo_calls_are_in_the_language_they_were_written_in(sample) -> None:
    found = analyze(sample.transcript(), sample.script.call_info(), [DialectDetector()]).findings
    wanted = {one.rule for one in sample.script.expected if one.rule.startswith("dialect_detector.")}
    assert {one.rule_id for one in found} - {"dialect_detector.summary"} == wanted


@pytest.mark.parametrize(
    ("line", "rules"),
    [
        (CANTONESE, ["cantonese"]),
        ("C 搞啥子嘛，啷个还没到？", ["sichuan"]),
        ("C 侬好，阿拉的物事啥辰光到？", ["wu"]),
        ("C 咋整啊，还没整明白呢。", ["northeastern"]),
        ("C 弄啥嘞，恁们到底中不中？", ["henan"]),
        ("C I would like to cancel my order please.", ["english"]),
        ("C 我想check一下我的order有没有ship出来。", ["english"]),
    ],
)
def test_languages_that_show(found, line: str, rules: list[str]) -> None:
    assert found("A 您好。", line) == rules


@pytest.mark.parametrize(
    "line",
    [
        "C 靓仔。",
        "C 唔系。",
        "C 俺的快递啥时候到？",
        "C 我的iPhone连不上WiFi，APP也打不开。",
        "C 订单号是AB12cd-9，邮箱是zhang.san@mail.com。",
        "C OK，bye bye。",
        "C 我买的是Nike的鞋。",
        "C 好的，谢谢你。",
        "C 嗯。",
    ],
)
def test_too_little_to_claim_anything(found, line: str) -> None:
    assert found("A 您好。", line, summary=True) == []


def test_two_unsure_utterances_make_one_finding(talk, inspect) -> None:
    result = inspect(talk("C 唔系。", "A 好的。", "C 佢先。"), "general", DialectDetector())
    finding = result.findings[0]
    assert finding.rule_id == "dialect_detector.cantonese"
    assert [one.utterance for one in finding.evidence] == [2, 0]
    assert 0.6 <= finding.confidence.value < 0.85


def test_each_party_is_told_once(found) -> None:
    lines = [CANTONESE, "A 唔该等阵，我帮你睇下先。", "C 好，唔该晒，我等紧你哋。"]
    assert found(*lines) == ["cantonese", "cantonese"]


def test_a_finding_tells_the_words_their_meaning_and_the_source(talk, inspect) -> None:
    finding = inspect(talk("A 您好。", CANTONESE), "general", DialectDetector()).findings[0]
    assert (finding.level, finding.polarity, finding.who) == (Level.LIGHT, Polarity.NOTE, Role.CUSTOMER)
    assert [one.quote for one in finding.evidence] == ["唔该", "点解", "嘅", "仲未"]
    assert "像是粤语" in finding.explanation
    assert "为什么我的快递还没到" in finding.explanation
    assert finding.facts["source"] == "words"
    assert finding.confidence.value < 1.0
    assert "没有听辨口音" in finding.confidence.reasons[0]


def test_the_engines_label_counts_with_words_and_twice_without(talk, inspect) -> None:
    both = inspect(talk("C 我哋想退货得唔得？", language="yue"), "general", DialectDetector()).findings[0]
    assert both.facts["source"] == "engine+words"
    alone = inspect(talk("C 我想要退货可以吗？", language="yue"), "general", DialectDetector()).findings
    assert alone == ()
    lines = ("C 我想要退货可以吗？", "A 好。", "C 今天能不能办好呢？")
    twice = inspect(talk(*lines, language="yue"), "general", DialectDetector()).findings[0]
    assert twice.facts["source"] == "engine"
    assert twice.evidence[0].operator == "language_label"
    assert inspect(talk("C 好。", "C 嗯。", language="yue"), "general", DialectDetector()).findings == ()


def test_the_callers_region_tips_the_balance(talk) -> None:
    talked = talk("C 冇得人接电话，冇得人。", "C 冇得人接电话。")
    assert analyze(talked, CallInfo(call_id="x"), [DialectDetector()]).findings == ()
    home = CallInfo(call_id="x", fields={"province": "湖南省"})
    finding = analyze(talked, home, [DialectDetector()]).findings[0]
    assert finding.rule_id == "dialect_detector.hunan"
    assert finding.facts["source"] == "words+home"
    assert "来电地区" in finding.confidence.reasons[0]
    line = DialectDetector(DialectOptions(expected=("cantonese",)))
    assert analyze(talked, CallInfo(call_id="x"), [line]).findings[0].rule_id == "dialect_detector.cantonese"


def test_switches_between_languages_that_words_tell_apart(found) -> None:
    mandarin = "C 你们这个是什么时候给我发货的呢？"
    assert found(mandarin, CANTONESE) == ["cantonese", "switch"]
    assert found(CANTONESE, "C 好的。", "C 嗯，可以。") == ["cantonese"], "short words are said in every dialect"
    assert found(CANTONESE, mandarin, CANTONESE) == ["cantonese", "switch", "switch"]
    assert found(mandarin, "C 搞啥子嘛，啷个还没到？", mandarin) == ["sichuan"], "Sichuan Mandarin is Mandarin too"
    assert found(mandarin, "C I want to talk to your manager now.") == ["english", "switch"]
    many = [mandarin, CANTONESE] * 4
    assert found(*many).count("switch") == 3
    assert found(*many, options=DialectOptions(most_switches=1)).count("switch") == 1


def test_the_summary_counts_per_party(talk, inspect) -> None:
    result = inspect(talk(CANTONESE, MANDARIN, "C 嗯。"), "general", DialectDetector())
    summary = result.findings[-1]
    assert summary.rule_id == "dialect_detector.summary"
    assert summary.facts["customer_cantonese"] == 1
    assert summary.facts["agent_mandarin"] == 1
    assert "客户：粤语1句、无法判断1句" in summary.explanation
    assert summary.decided_ms == talk(CANTONESE, MANDARIN, "C 嗯。").duration_ms


KEEPS = [CANTONESE, MANDARIN, "C 我琴日已经打过嚟喇，冇人理。", "A 这个问题我已经给您登记了，您看可以吗？"]
THIRD = ["C 几时可以搞掂啊？我等咗好耐喇。", "A 我们会在明天给您回复，您是不是还有什么问题？"]


def test_a_customer_in_cantonese_and_an_agent_in_mandarin(talk, inspect) -> None:
    result = inspect(talk(*KEEPS, *THIRD), "general", DialectDetector())
    (hint,) = [one for one in result.findings if one.rule_id == "dialect_detector.mismatch"]
    assert (hint.polarity, hint.who, hint.level) == (Polarity.NOTE, Role.AGENT, Level.LIGHT)
    assert hint.evidence[0].utterance == 0
    assert "不是差错" in hint.explanation
    assert "粤语" in hint.advice
    assert hint.decided_ms < result.findings[-1].decided_ms, "told while the call runs"


@pytest.mark.parametrize(
    "lines",
    [
        KEEPS,
        [*KEEPS, "A 唔该等阵，我帮你睇下。", *THIRD],
        ["C 你们这个是什么时候给我发货的呢？"] * 4 + [*KEEPS, *THIRD],
        [MANDARIN] * 4 + ["C 你们这个是什么时候给我发货的呢？"],
        ["C 搞啥子嘛，啷个还没到？", MANDARIN] * 5,
        [line.replace("A ", "U ") for line in [*KEEPS, *THIRD]],
    ],
)
def test_no_hint_when_they_meet_or_it_is_too_early(found, lines: list[str]) -> None:
    assert "mismatch" not in found(*lines)


def test_languages_are_told_without_roles(talk, inspect) -> None:
    finding = inspect(talk(CANTONESE.replace("C ", "U ")), "general", DialectDetector()).findings[0]
    assert (finding.rule_id, finding.who) == ("dialect_detector.cantonese", Role.UNSURE)
    assert "说话人在" in finding.explanation


@pytest.mark.parametrize("wrong", [{"expected": ("klingon",)}, {"most_switches": -1}, {"mismatch_utterances": 0}])
def test_wrong_options_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"dialect|most_switches"):
        DialectOptions(**wrong)  # type: ignore[arg-type]


def test_it_keeps_the_contract_of_analyzers(talk) -> None:
    own = [
        (CallInfo(call_id="keeps"), talk(*KEEPS, *THIRD)),
        (CallInfo(call_id="switches"), talk(*[CANTONESE, "C 你们这个是什么时候给我发货的呢？"] * 3)),
        (CallInfo(call_id="english"), talk("C I want to talk to your manager.", "A 我帮你check一下这个order。")),
    ]
    check_analyzer(DialectDetector(), also=own)
    check_analyzer(DialectDetector(DialectOptions(expected=("cantonese",), mismatch_utterances=1)), also=own)
