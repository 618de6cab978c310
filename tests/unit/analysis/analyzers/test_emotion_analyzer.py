"""Emotion by words, voice and repetition: what escalates, what eases, and what is no anger at all."""

from __future__ import annotations

from dataclasses import replace

import pytest

from qingting.analysis.analyzers.emotion_analyzer import EmotionAnalyzer, EmotionOptions
from qingting.analysis.lexicon import groups
from qingting.analysis.runner import Inspection
from qingting.model.audio import VoiceFacts
from qingting.model.call import Role
from qingting.model.finding import Level, Polarity
from qingting.model.transcript import Transcript
from qingting.testing import check_analyzer, sample_calls

PROBLEM = "C 我的快递五天了还没收到，麻烦帮我查一下。"
ANGRY = ["C 说了好几遍了，你们太慢了，一直没人管。", "A 嗯。", "C 我要投诉！找你们领导！凭什么不给我处理？"]
ANSWER = "A 非常抱歉，已经为您补发了，预计明天送达。"


@pytest.fixture
def findings(talk, inspect):
    """Findings of a conversation, the curve left out."""

    def run(*lines: str, **options: object):
        result = inspect(talk(*lines), "general", EmotionAnalyzer(EmotionOptions(**options)))  # type: ignore[arg-type]
        return [one for one in result.findings if one.rule_id != "emotion_analyzer.curve"]

    return run


@pytest.fixture
def found(findings):
    """Rules found in a conversation, the curve left out."""

    def run(*lines: str, **options: object) -> list[str]:
        return [one.rule_id.removeprefix("emotion_analyzer.") for one in findings(*lines, **options)]

    return run


def curve(talk, inspect, *lines: str) -> dict[str, object]:
    return dict(inspect(talk(*lines), "general", EmotionAnalyzer()).findings[-1].facts)


def intensities(talk, inspect, *lines: str) -> list[float]:
    """Signed feelings of the customer's utterances."""
    text = str(curve(talk, inspect, *lines)["customer_valence"])
    return [float(point.split(":")[1]) for point in text.split(";")]


def with_voice(transcript: Transcript, **voices: tuple[float, float]) -> Transcript:
    """Give utterances a voice: u2=(loudness, pitch); the others speak at -24 dBFS and 150 Hz."""
    changed = []
    for one in transcript.utterances:
        loudness, pitch = voices.get(f"u{one.index}", (-24.0, 150.0))
        length_ms = one.end_ms - one.start_ms
        voice = VoiceFacts(
            voiced_ms=length_ms // 2, voiced_ratio=0.5, speech_ms=length_ms, loudness_dbfs=loudness,
            loudness_range_db=12.0, pitch_hertz=pitch, pitch_range_semitones=5.0, final_pitch_slope=0.0,
            pause_before_ms=0,
        )  # fmt: skip
        changed.append(replace(one, voice=voice))
    return replace(transcript, utterances=tuple(changed))


def test_growing_anger_is_raised_once_and_again_when_it_goes_on(findings) -> None:
    raised = findings(PROBLEM, "A 嗯。", *ANGRY)
    assert [one.rule_id for one in raised] == ["emotion_analyzer.escalation"]
    (escalation,) = raised
    assert (escalation.level, escalation.polarity, escalation.who) == (Level.MEDIUM, Polarity.FAULT, Role.CUSTOMER)
    assert [one.utterance for one in escalation.evidence] == [4, 2]
    assert "凭什么" in escalation.explanation
    assert "没人管" in escalation.explanation
    further = findings(PROBLEM, "A 嗯。", *ANGRY, "A 领导不在。", "C 我要投诉！我要投诉！你们这群骗子，气死我了！")
    levels = [one.level for one in further if one.rule_id.endswith("escalation")]
    assert levels == [Level.MEDIUM, Level.SERIOUS]


@pytest.mark.parametrize(
    "lines",
    [
        # Polite, hesitant, denied, reported, supposed.
        ["C 不好意思，这个可能不行。", "A 好的。", "C 不好意思，恐怕不方便，麻烦你了。"],
        ["C 我不太确定，可能是昨天下的单。", "A 好的。", "C 应该不是，记不清了。"],
        ["C 我没有不满意，也没有生气。", "A 好的。", "C 不着急，你慢慢查。"],
        ["C 我朋友说你们太慢了，气死他了。", "A 好的。", "C 听说没人管。"],
        ["C 如果不满意可以退吗？", "A 可以。", "C 要是太慢我就换一家问问。"],
        # Joy is loud, too.
        ["C 太好了！这么快就到了，真的太感谢了！", "A 不客气。", "C 真棒！你们服务真好！太高兴了！"],
        # One outburst that stays alone.
        ["C 我要投诉！凭什么扣我的钱！", "A 非常抱歉，已经为您退款，明天到账。", "C 哦，那就好。"],
        # Asking is no questioning of good faith.
        ["C 是不是明天能到？", "A 是的。", "C 怎么会这样呢，能帮我看看吗？"],
        # Waiting for a courier without heat.
        ["C 我想问一下什么时候发货？", "A 今天发货。", "C 那什么时候能到？"],
        # Number reading, short sounds.
        ["C 订单号是五零二八六六。", "A 好的。", "C 嗯。", "A 好的。", "C 好的好的。"],
        # The agent names the feelings, not the customer.
        ["C 你好。", "A 我理解您很生气，太慢了是吧，我要投诉这种话我们都能理解。", "C 嗯，是的。"],
        # Thanks at the end of a complaint.
        ["C 之前太慢了，不过现在好了。", "A 好的。", "C 谢谢你，麻烦你了，再见。"],
    ],
)
def test_no_anger(found, lines: list[str]) -> None:
    assert found(PROBLEM, "A 好的。", *lines) == []


@pytest.mark.parametrize(
    ("calmer", "stronger"),
    [
        ("C 有点慢。", "C 你们太慢了。"),
        ("C 你们太慢了。", "C 你们太慢了，气死我了！"),
        ("C 不好意思，我不太满意。", "C 我很不满意。"),
        ("C 我要投诉。", "C 我要投诉！凭什么！"),
        ("C 这个可能不行。", "C 绝对不行，我不接受。"),
        ("C 有点失望，不过你态度很好，谢谢你。", "C 有点失望。"),
    ],
)
def test_words_are_graded(talk, inspect, calmer: str, stronger: str) -> None:
    (one,) = intensities(talk, inspect, calmer)
    (other,) = intensities(talk, inspect, stronger)
    assert other < one <= 0.2


def test_excited_joy_is_positive(talk, inspect) -> None:
    transcript = with_voice(
        talk("C 你好，我想问一下我的快递到了没有。", "A 到了。", "C 太好了！真快！谢谢你！"), u2=(-14, 230)
    )
    facts = inspect(transcript, "general", EmotionAnalyzer()).findings[-1].facts
    assert float(str(facts["customer_valence"]).split(":")[-1]) > 0.4
    assert facts["peak_tension"] == 0.0


@pytest.mark.parametrize(
    ("voice", "reason"),
    [((-16.0, 150.0), "音量比平时高8分贝"), ((-24.0, 220.0), "音调比平时高7个半音")],
)
def test_the_voice_strengthens_what_words_say(talk, inspect, voice: tuple[float, float], reason: str) -> None:
    lines = ["C 我的快递五天了还没收到，帮我查一下。", "A 嗯。", "C 你们太慢了，没人管吗？", "A 嗯。", "C 我要投诉。"]
    calm = inspect(with_voice(talk(*lines)), "general", EmotionAnalyzer()).findings[-1]
    loud = inspect(with_voice(talk(*lines), u4=voice), "general", EmotionAnalyzer()).findings
    assert float(loud[-1].facts["peak_tension"]) > float(calm.facts["peak_tension"])
    assert reason in " ".join(one.explanation for one in loud)


def test_a_raised_voice_alone_is_no_anger(talk, inspect) -> None:
    lines = [
        "C 你好，帮我查一下我的快递到哪了。",
        "A 好的。",
        "C 订单号我念给你听。",
        "A 好的。",
        "C 就是这个订单号码。",
    ]
    transcript = with_voice(talk(*lines), u2=(-14, 230), u4=(-12, 250))
    findings = inspect(transcript, "general", EmotionAnalyzer()).findings
    assert [one.rule_id for one in findings] == ["emotion_analyzer.curve"]
    assert findings[0].facts["peak_tension"] == 0.0


def test_faster_speech_is_named(talk, inspect) -> None:
    lines = ["C/4000 我的快递五天了还没收到，帮我查一下。", "A 嗯。", "C/1500 太慢了，一直没人管。", "A 嗯。",
             "C/1400 我要投诉，找你们领导。"]  # fmt: skip
    texts = " ".join(one.explanation for one in inspect(talk(*lines), "general", EmotionAnalyzer()).findings)
    assert "语速较其平均快" in texts


def test_text_alone_lowers_the_confidence_and_says_so(talk, inspect) -> None:
    lines = [PROBLEM, "A 嗯。", *ANGRY]
    written = inspect(talk(*lines), "general", EmotionAnalyzer()).findings
    heard = inspect(with_voice(talk(*lines), u4=(-14, 230)), "general", EmotionAnalyzer()).findings
    assert [one.rule_id for one in written] == [one.rule_id for one in heard]
    assert (written[0].confidence.value, heard[0].confidence.value) == (0.75, 1.0)
    assert "没有可比的声音数据" in written[0].confidence.reasons[0]
    assert (written[-1].facts["text_only"], heard[-1].facts["text_only"]) == (True, False)


SLOW_AFTER_SILENCE = [PROBLEM, "A 需要您补交三百元。", "C+7500/4000 哦，要补交三百元啊。"]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (SLOW_AFTER_SILENCE, True),
        # A mere sound first, then the slow words.
        ([*SLOW_AFTER_SILENCE[:2], "C+7500/500 哦。", "C+800/4000 要补交三百元啊。"], True),
        # Not long enough; not slow; the agent was to come back; the agent had asked; the agent ended the silence.
        ([*SLOW_AFTER_SILENCE[:2], "C+6000/4000 哦，要补交三百元啊。"], False),
        ([*SLOW_AFTER_SILENCE[:2], "C+7500/2000 哦，要补交三百元啊。"], False),
        ([PROBLEM, "A 请您稍等一下。", "C+9000/4000 怎么样了，查到了吗你们。"], False),
        ([PROBLEM, "A 请问您的订单号是多少？", "C+9000/5000 我看看，是这一个吧。"], False),
        ([*SLOW_AFTER_SILENCE[:2], "A+8000 您看呢？", "C/4000 哦，要补交三百元啊。"], False),
        # Reading a number out, asking who is there, good news.
        ([*SLOW_AFTER_SILENCE[:2], "C+7500/5000 卡号是6222 0021。"], False),
        ([*SLOW_AFTER_SILENCE[:2], "C+7500/4000 喂，喂，在吗？"], False),
        ([*SLOW_AFTER_SILENCE[:2], "C+7500/5000 那太好了，谢谢你啊。"], False),
        # No measure of the customer's own speech yet.
        (["A 需要您补交三百元。", "C+7500/4000 哦，要补交三百元啊。"], False),
    ],
)
def test_silence_and_slow_words(found, lines: list[str], expected: bool) -> None:
    assert ("potential_dissatisfaction" in found(*lines)) is expected


REFUSAL = "C 不行，我不接受，今天必须给我处理。"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([REFUSAL, "A 系统里没有记录。", "C 那怎么办？", "A+32000 嗯。"], True),
        ([REFUSAL, "A 这个没有办法。"], True),
        ([REFUSAL, "A+40000 您说什么？"], True),
        # Answered in time, however many words came first.
        ([REFUSAL, "A 非常抱歉。", "A 可以退款，款项三到五个工作日内原路退回。", "C+40000 嗯。"], False),
        # The answer was begun in time and ended late.
        ([REFUSAL, "A+25000/9000 您别着急，那我现在为您办理退款，明天到账。", "C+40000 嗯。"], False),
        # Asked to wait, and answered after that.
        ([REFUSAL, "A+20000 请您稍等，我查一下。", "A+20000 已经为您退款了。", "C 嗯。"], False),
        # The customer gave in; never was refused in earnest; asked; denied a fact.
        ([REFUSAL, "A 嗯。", "C 那行，就这么办吧。", "A+40000 嗯。"], False),
        (["C 不好意思，这个不行。", "A+40000 嗯。"], False),
        (["C 这样行不行？", "A+40000 嗯。"], False),
        (["C 可能不行吧。", "A+40000 嗯。"], False),
        (["C 如果不行怎么办？", "A+40000 嗯。"], False),
        (["C 手机不行了。", "A+40000 嗯。"], False),
        (["A 是不是没有插好？", "C 不可能。", "A+40000 嗯。"], False),
    ],
)
def test_unanswered_refusal(found, lines: list[str], expected: bool) -> None:
    assert ("unanswered_refusal" in found(PROBLEM, "A 五天后才能发货。", *lines)) is expected


def test_a_sales_call_may_be_refused(found) -> None:
    assert found("A 我给您介绍新套餐。", "C 不行，我不同意，不需要。", "A 好的，打扰您了。") == []


def test_the_refusal_alert_comes_when_time_is_up(talk, inspect) -> None:
    lines = [PROBLEM, "A 五天后才能发货。", REFUSAL, "A 系统里没有记录。", "C+60000 喂？"]
    result = inspect(talk(*lines), "general", EmotionAnalyzer())
    (alert,) = [one for one in result.findings if one.rule_id.endswith("unanswered_refusal")]
    refused_ms = talk(*lines).utterances[2].end_ms
    assert (alert.level, alert.who, alert.decided_ms) == (Level.SERIOUS, Role.AGENT, refused_ms + 30_000)
    assert "系统里没有记录" in alert.explanation


@pytest.mark.parametrize(
    ("lines", "count"),
    [
        (["C 我要退款。", "A 嗯。", "C 给我退款。", "A 嗯。", "C 我要退款。"], 1),
        # Twice is enough when the customer is upset.
        (["C 我要投诉，太气人了。", "A 嗯。", "C 我要投诉！"], 1),
        (["C 我要退款。", "A 好的，您是要退款对吧？", "C 对，我要退款。"], 0),
        # Far apart; denied; three times in one breath only.
        (["C 我要退款。", "A 嗯。", "C+100000 给我退款。", "A 嗯。", "C+100000 我要退款。"], 0),
        (["C 我要退款。", "A 嗯。", "C 我没说我要退款。", "A 嗯。", "C 不是我要退款。"], 0),
        (["C 我要退款，给我退款，我要退钱。"], 0),
    ],
)
def test_repeated_demands(found, lines: list[str], count: int) -> None:
    assert found(*lines).count("repeated_demand") == count


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("A 我都跟你说了，你听不懂吗？", True),
        ("A 随便你，爱找谁找谁。", True),
        ("A 急什么，催也没用。", True),
        ("A 我理解您很生气，真的太慢了，非常抱歉。", False),
        ("A 请问还有什么事可以帮您吗？", False),
        ("A 您可以自己查看订单页面，我也可以帮您查。", False),
        ("A 我们不会说随便你这样的话。", False),
        ("A 这个规定就是七天，我帮您申请一下。", False),
    ],
)
def test_the_agents_own_temper(found, line: str, expected: bool) -> None:
    assert ("agent_emotion" in found(PROBLEM, line)) is expected


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([ANSWER, "C 那就好，谢谢你。"], True),
        ([ANSWER, "C 明天送到我家对吧。", "A 对的。", "C 我家里有人在的。"], True),
        # No answer; not calm; only the closing thanks; gives up.
        (["A 嗯。", "C 那就好，谢谢你。"], False),
        ([ANSWER, "C 你们就是骗子！"], False),
        ([ANSWER, "A 请问还有其他可以帮您的吗？", "C 没有了，谢谢你，再见。"], False),
        ([ANSWER, "C 算了，谢谢你了。"], False),
        ([ANSWER, "C 好的。"], False),
    ],
)
def test_eased(found, lines: list[str], expected: bool) -> None:
    assert ("eased" in found(PROBLEM, "A 嗯。", *ANGRY, *lines)) is expected


def test_a_calm_customer_cannot_be_eased(found) -> None:
    assert found(PROBLEM, ANSWER, "C 那就好，谢谢你。") == []


def test_after_a_calm_stretch_anger_can_escalate_anew(found) -> None:
    calm = ["A 好的。", "C 嗯，明天送到我家。", "A 好的。", "C 我家里有人在的。", "A 好的。"]
    assert found(PROBLEM, "A 嗯。", *ANGRY, *calm, *ANGRY).count("escalation") == 2


def test_the_curve_covers_both_sides(talk, inspect) -> None:
    transcript = talk(PROBLEM, "A 嗯。", *ANGRY)
    facts = inspect(transcript, "general", EmotionAnalyzer()).findings[-1].facts
    for role in ("customer", "agent"):
        starts = [one.start_ms for one in transcript.utterances if one.role.value == role]
        for kind in ("intensity", "valence"):
            points = [point.split(":") for point in str(facts[f"{role}_{kind}"]).split(";")]
            assert [int(at) for at, _ in points] == starts
            assert all(-1 <= float(value) <= 1 for _, value in points)
    assert facts["peak_ms"] == transcript.utterances[4].start_ms


def test_without_words_there_is_no_curve(talk, inspect) -> None:
    assert inspect(talk("C ", "A "), "general", EmotionAnalyzer()).findings == ()


def test_lexicons_are_large_and_their_groups_do_not_share_phrases() -> None:
    feelings = groups("emotion_customer")
    assert sum(map(len, feelings.values())) >= 500
    negative = [one for name in ("rage", "anger", "frustration", "disappointment", "anxiety") for one in feelings[name]]
    positive = {one for name in ("gratitude", "satisfaction", "relief") for one in feelings[name]}
    assert not positive & set(negative)
    assert all(len(phrase) >= 2 for phrase in negative)


def test_contract() -> None:
    check_analyzer(EmotionAnalyzer())


@pytest.mark.parametrize("sample", sample_calls(), ids=lambda sample: sample.id)
def test_sample_calls_give_what_they_were_written_for(sample) -> None:
    script = sample.script
    findings = Inspection([EmotionAnalyzer()]).analyze(sample.transcript(), script.call_info()).findings
    found = {one.rule_id for one in findings}
    wanted = {one.rule for one in script.expected if one.rule.startswith("emotion_analyzer.")}
    allowed = {one.rule for one in script.may_fire}
    assert found - wanted - allowed <= {"emotion_analyzer.curve", "emotion_analyzer.repeated_demand"}
    assert wanted <= found
    if script.faultless:
        assert found == {"emotion_analyzer.curve"}
