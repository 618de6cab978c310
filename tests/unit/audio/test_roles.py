import pytest

from qingting.audio._role_phrases import HeardText, phrase_groups
from qingting.audio.roles import apply_roles, assign_agent, decide_roles, swap
from qingting.errors import InputError
from qingting.model.audio import RoleDecision
from qingting.model.call import AgentChannel, Role
from qingting.model.transcript import Utterance

STEREO = ("left", "right")
MONO = ("speaker_1", "speaker_2")
AUTO = AgentChannel.AUTO

OPENING = [
    ("a", "您好，感谢您的来电，工号1024，很高兴为您服务。"),
    ("c", "你好，我的订单到现在还没有收到。"),
    ("a", "请您稍等，我为您查询一下。"),
    ("c", "你们怎么这么慢，我要投诉。"),
]
BARE = [("a", "嗯。"), ("c", "对。"), ("a", "好。"), ("c", "嗯嗯。")]


def utterances(lines, names=STEREO, party_of_agent=0):
    parties = {"a": names[party_of_agent], "c": names[1 - party_of_agent]}
    result, at = [], 0
    for index, (who, text) in enumerate(lines):
        end = at + 200 * len(text)
        result.append(
            Utterance(
                index=index,
                party=parties[who],
                role=Role.UNSURE,
                role_confidence=0.0,
                start_ms=at,
                end_ms=end,
                text=text,
            )
        )
        at = end + 400
    return result


@pytest.mark.parametrize("channel", [AgentChannel.LEFT, AgentChannel.RIGHT])
def test_a_known_channel_map_is_certain_whatever_is_said(channel):
    decision = decide_roles(utterances(OPENING), STEREO, channel)
    assert (decision.agent, decision.confidence) == (channel.value, 1.0)
    assert decision.reasons == ("声道由设置指定",)
    assert decision.roles[channel.value] is Role.AGENT
    assert sorted(decision.roles.values()) == [Role.AGENT, Role.CUSTOMER]


def test_a_channel_map_says_nothing_about_a_mixed_recording():
    decision = decide_roles(utterances(OPENING, MONO, 1), MONO, AgentChannel.LEFT)
    assert decision.agent == "speaker_2"
    assert decision.confidence < 1


@pytest.mark.parametrize("names", [STEREO, MONO])
@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("lines", [OPENING, OPENING[1:], OPENING[2:]])
def test_what_is_said_decides(names, side, lines):
    decision = decide_roles(utterances(lines, names, side), names, AUTO)
    assert decision.agent == names[side]
    assert decision.confidence >= 0.75
    assert decision.roles == {names[side]: Role.AGENT, names[1 - side]: Role.CUSTOMER}


@pytest.mark.parametrize(
    "lines",
    [
        [
            ("a", "您好干谢您的来电，很高性为您服务。"),
            ("c", "我得定单怎么还没收到啊"),
            ("a", "请您少等一下"),
            ("c", "我要头诉你们"),
        ],
        [("a", "请问有什么可以办您"), ("c", "我想文一下"), ("a", "麻烦您提工一下手机号"), ("c", "一三八零零")],
    ],
)
def test_misheard_phrases_still_count(lines):
    assert decide_roles(utterances(lines), STEREO, AUTO).roles["left"] is Role.AGENT


def test_thin_evidence_leaves_the_roles_open_but_names_the_likelier():
    decision = decide_roles(utterances(BARE), STEREO, AUTO)
    assert decision.agent == "left"
    assert 0.5 <= decision.confidence < 0.75
    assert set(decision.roles.values()) == {Role.UNSURE}
    assert "没有听到坐席或客户的典型用语，仅凭说话习惯推测" in decision.reasons


def test_contradictory_evidence_leaves_the_roles_open():
    lines = [
        ("a", "请您稍等，我帮您查一下。"),
        ("c", "请您稍等，我帮您查一下。"),
        ("c", "我要退款，我的订单还没有收到。"),
        ("a", "我要退款，我的订单还没有收到。"),
    ]
    decision = decide_roles(utterances(lines), STEREO, AUTO)
    assert decision.confidence < 0.75
    assert set(decision.roles.values()) == {Role.UNSURE}
    assert any(reason.startswith("相反的依据") for reason in decision.reasons)


def test_contradiction_costs_confidence():
    agreeing = decide_roles(utterances(OPENING[2:]), STEREO, AUTO)
    mixed = decide_roles(utterances([*OPENING[2:], ("c", "麻烦您提供一下订单号，我帮您登记。")]), STEREO, AUTO)
    assert mixed.confidence < agreeing.confidence


def test_the_direction_tells_who_speaks_first():
    inbound = decide_roles(utterances(BARE), STEREO, AUTO, direction="inbound")
    outbound = decide_roles(utterances(BARE), STEREO, AUTO, direction="outbound")
    assert inbound.agent == "left"
    assert outbound.agent == "right"


@pytest.mark.parametrize(("speaker_confidence", "sure"), [(1.0, True), (0.95, True), (0.7, False), (0.0, False)])
def test_doubt_about_the_speakers_is_carried_on(speaker_confidence, sure):
    decision = decide_roles(utterances(OPENING, MONO), MONO, AUTO, speaker_confidence=speaker_confidence)
    assert decision.confidence <= speaker_confidence
    assert (decision.roles["speaker_1"] is Role.AGENT) is sure
    assert any("单声道" in reason for reason in decision.reasons) is (speaker_confidence < 1)


def test_the_threshold_is_the_callers():
    strict = decide_roles(utterances(OPENING), STEREO, AUTO, threshold=0.999)
    assert set(strict.roles.values()) == {Role.UNSURE}
    loose = decide_roles(utterances(BARE), STEREO, AUTO, threshold=0.5)
    assert loose.roles["left"] is Role.AGENT


@pytest.mark.parametrize("lines", [[], [("a", "。"), ("c", "")]])
def test_without_words_nothing_is_decided(lines):
    decision = decide_roles(utterances(lines), STEREO, AUTO)
    assert decision == RoleDecision(
        agent="",
        confidence=0.0,
        reasons=("没有可用的文字，无法判断角色",),
        roles={"left": Role.UNSURE, "right": Role.UNSURE},
    )


def test_an_agent_alone_is_named():
    decision = decide_roles(utterances(OPENING[::2]), STEREO, AUTO)
    assert decision.agent == "left"
    assert decision.roles == {"left": Role.AGENT, "right": Role.CUSTOMER}
    assert decision.reasons[0] == "只有左声道在说话"


def test_a_customer_alone_makes_the_silent_channel_the_agents():
    decision = decide_roles(utterances(OPENING[1::2]), STEREO, AUTO)
    assert decision.agent == "left"
    assert decision.roles["right"] is Role.CUSTOMER


def test_a_customer_alone_in_a_mixed_recording_leaves_no_agent():
    decision = decide_roles(utterances(OPENING[1::2], ("x", "mono")), ("mono",), AUTO)
    assert decision.agent == ""
    assert decision.roles == {"mono": Role.CUSTOMER}


@pytest.mark.parametrize("text", ["喂，听得到吗？", "嗯，好的。", "今天天气不错。"])
def test_one_side_without_typical_words_is_undecided(text):
    decision = decide_roles(utterances([("a", text)]), STEREO, AUTO)
    assert (decision.agent, decision.confidence) == ("", 0.0)
    assert set(decision.roles.values()) == {Role.UNSURE}


def test_both_voices_in_one_party_are_no_agent():
    lines = [("a", text) for _, text in OPENING]
    decision = decide_roles(utterances(lines), ("left",), AUTO)
    assert decision.roles == {"left": Role.UNSURE}


def test_reasons_quote_nothing_that_was_said():
    lines = [*OPENING, ("c", "我叫欧阳震华，手机号是13800125678，我要退款。")]
    decision = decide_roles(utterances(lines), STEREO, AUTO)
    text = "".join(decision.reasons)
    assert not any(secret in text for secret in ("欧阳", "138", "1024", "我要退款"))
    assert "欢迎语" in text


def test_reasons_come_weightiest_first():
    reasons = decide_roles(utterances(OPENING), STEREO, AUTO).reasons
    assert "先开口" not in reasons[0]
    assert 2 <= len(reasons) <= 7


def test_swap_exchanges_the_roles_and_is_certain():
    decision = decide_roles(utterances(BARE), STEREO, AUTO)
    swapped = swap(decision)
    assert swapped.agent == "right"
    assert swapped.roles == {"left": Role.CUSTOMER, "right": Role.AGENT}
    assert (swapped.confidence, swapped.reasons) == (1.0, ("人工对调",))
    assert swap(swapped).agent == "left"


def test_swap_needs_an_agent_and_two_parties():
    undecided = decide_roles([], STEREO, AUTO)
    with pytest.raises(InputError):
        swap(undecided)
    with pytest.raises(InputError):
        swap(RoleDecision(agent="mono", confidence=0.9, roles={"mono": Role.AGENT}))
    assert assign_agent(undecided, "right").roles == {"left": Role.CUSTOMER, "right": Role.AGENT}
    with pytest.raises(InputError):
        assign_agent(undecided, "mono")


def test_roles_are_applied_without_touching_the_words():
    given = utterances(OPENING)
    decision = decide_roles(given, STEREO, AUTO)
    applied = apply_roles(given, decision)
    assert [u.role for u in applied] == [Role.AGENT, Role.CUSTOMER] * 2
    assert {u.role_confidence for u in applied} == {decision.confidence}
    assert [(u.text, u.start_ms, u.party, u.index) for u in applied] == [
        (u.text, u.start_ms, u.party, u.index) for u in given
    ]
    unsure = apply_roles(applied, decide_roles([], STEREO, AUTO))
    assert {u.role for u in unsure} == {Role.UNSURE}
    stranger = apply_roles(given, RoleDecision(agent="", confidence=0.9, roles={}))
    assert {(u.role, u.role_confidence) for u in stranger} == {(Role.UNSURE, 0.0)}


def test_an_unsure_decision_leaves_the_likely_roles_with_their_confidence():
    given = utterances(OPENING)
    decision = decide_roles(given, STEREO, AUTO, speaker_confidence=0.6)
    assert set(decision.roles.values()) == {Role.UNSURE}
    assert decision.agent
    applied = apply_roles(given, decision)
    assert [u.role for u in applied] == [Role.AGENT, Role.CUSTOMER] * 2
    assert {u.role_confidence for u in applied} == {decision.confidence}


def test_phrases_are_many_distinct_and_searchable():
    groups = phrase_groups()
    phrases = [phrase for group in groups for phrase in group.phrases]
    assert len(phrases) > 300
    assert len(set(phrases)) == len(phrases)
    assert all(phrase.isalnum() and len(phrase) >= 2 for phrase in phrases)
    assert {group.agent_side for group in groups} == {True, False}


@pytest.mark.parametrize(
    ("text", "phrase", "found"),
    [
        ("很高兴，为您服务！", "很高兴为您服务", True),
        ("很高性为您服务", "很高兴为您服务", True),
        ("很高兴认识你", "很高兴为您服务", False),
        ("工号一零二四", "工号", True),
        ("公号一零二四", "工号", False),
        ("务服您为兴高很", "很高兴为您服务", False),
        ("", "很高兴为您服务", False),
    ],
)
def test_strength_of_a_phrase(text, phrase, found):
    assert (HeardText.of(text).strength(phrase) > 0) is found
