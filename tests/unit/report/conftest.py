"""Hand-written calls and their reports: the ground on which the report stage is tested."""

from __future__ import annotations

from dataclasses import replace

import pytest

from qingting.model.audio import RecordingFormat, RoleDecision, VoiceFacts
from qingting.model.call import AgentChannel, CallInfo, Role
from qingting.model.finding import AnalyzerFailure, Confidence, Evidence, Finding, Level, Polarity
from qingting.model.report import Gap
from qingting.model.transcript import EngineIdentity, Flag, TimedText, Transcript, Utterance
from qingting.report.assemble import assemble
from qingting.report.card import builtin_cards

ENGINE = EngineIdentity(name="embedded", model="whisper-base", revision="3f9a1c07d2e84b55")
A, C = Role.AGENT, Role.CUSTOMER
PARTY = {Role.AGENT: "left", Role.CUSTOMER: "right", Role.UNSURE: "mono"}
VERSIONS = {"keywords": "1", "responsiveness": "1", "compliance": "1", "custom_rules": "1"}
NAMES = {"keywords": "服务态度", "responsiveness": "响应", "compliance": "合规话术", "custom_rules": "自定义规则"}


def say(index, role, start_ms, text, *, end_ms=None, party=None, **more):
    """An utterance whose characters are spread evenly over its time."""
    words = [c for c in text if c.isalnum()]
    end_ms = start_ms + max(len(words), 2) * 210 if end_ms is None else end_ms
    step = (end_ms - start_ms) / max(len(words), 1)
    units = tuple(
        TimedText(text=c, start_ms=round(start_ms + i * step), end_ms=round(start_ms + (i + 1) * step), confidence=0.9)
        for i, c in enumerate(words)
    )
    values = {"confidence": 0.91, "language": "zh", "engine": "embedded", "role_confidence": 1.0, **more}
    return Utterance(
        index=index,
        party=party or PARTY[role],
        role=role,
        start_ms=start_ms,
        end_ms=end_ms,
        text=text,
        characters=units,
        voice=VoiceFacts(
            voiced_ms=(end_ms - start_ms) * 7 // 10,
            voiced_ratio=0.7,
            speech_ms=(end_ms - start_ms) * 95 // 100,
            loudness_dbfs=-24.5,
            loudness_range_db=9.0,
            pitch_hertz=182.4,
            pitch_range_semitones=5.5,
            final_pitch_slope=None,
            pause_before_ms=400,
        ),
        **values,
    )


def transcript_of(lines, duration_ms=None):
    """A transcript from (role, start_ms, text[, more]) rows in order of time."""
    said = tuple(say(i, row[0], row[1], row[2], **(row[3] if len(row) > 3 else {})) for i, row in enumerate(lines))
    end = max((u.end_ms for u in said), default=0)
    return Transcript(utterances=said, engine=ENGINE, duration_ms=duration_ms or end + 1200)


def quote(transcript, index, words, *, operator="keyword", note=""):
    """Evidence that quotes words of an utterance, at the time they were said."""
    utterance = transcript.utterances[index]
    at = utterance.text.index(words)
    before = sum(c.isalnum() for c in utterance.text[:at])
    units = utterance.characters[before : before + sum(c.isalnum() for c in words)]
    return Evidence(
        operator=operator,
        start_ms=units[0].start_ms,
        end_ms=units[-1].end_ms,
        utterance=index,
        start_char=at,
        end_char=at + len(words),
        quote=words,
        role=utterance.role,
        note=note,
    )


def stretch(start_ms, end_ms, *, operator="silence", role=Role.AGENT, note=""):
    """Evidence without words."""
    return Evidence(operator=operator, start_ms=start_ms, end_ms=end_ms, role=role, note=note)


def found(rule, title, evidence, *, n=1, level=Level.MEDIUM, polarity=Polarity.FAULT, sure=0.92, doubts=(), **more):
    """A finding as the runner hands it over."""
    values = {
        "who": A,
        "explanation": f"{title}。",
        "advice": "" if polarity is not Polarity.FAULT else f"{title}：请改进。",
    }
    values |= more
    evidence = tuple(evidence)
    return Finding(
        rule_id=rule,
        rule_version="1",
        dimension=rule.split(".")[0],
        title=title,
        level=level,
        polarity=polarity,
        evidence=evidence,
        confidence=Confidence(value=sure, reasons=tuple(doubts)),
        id=f"{rule}#{n}",
        decided_ms=max(e.end_ms for e in evidence),
        **values,
    )


def recording_of(transcript, **more):
    """What the file was."""
    values = {"container": "wav", "codec": "pcm_alaw", "sample_rate_hertz": 8000, "channels": 2, **more}
    return RecordingFormat(
        duration_ms=transcript.duration_ms,
        size_bytes=transcript.duration_ms * 16 + 44,
        sha256="5d1c9e0f7a4b8c2e6f3d0a9b1c4e7f8a2b5d6c9e0f1a3b4c7d8e9f0a1b2c3d4e",
        **values,
    )


REFUND = [
    (A, 600, "您好，优选商城客服，很高兴为您服务，请问有什么可以帮您？"),
    (C, 7200, "我上周买的那个电饭煲，到现在都没有收到，我要退款。"),
    (A, 20400, "呃，这个我看一下。"),
    (C, 23500, "你们这个物流也太慢了吧，打了三次电话都没人管。"),
    (A, 29600, "请您提供一下订单号。"),
    (C, 33200, "订单号是 SF20240618，手机尾号 5521。"),
    (A, 39800, "好的，请稍等一下，我帮您查询。"),
    (A, 66800, "让您久等了，包裹卡在转运中心了，这边显示还没有出库。"),
    (C, 75900, "那你们到底什么时候能送到？", {"confidence": 0.52, "flags": (Flag.TOO_SPARSE,)}),
    (A, 79300, "你急也没有用，这个不归我管，是物流那边的问题。"),
    (C, 86200, "什么叫不归你管？我是跟你们买的，又不是跟物流买的。"),
    (A, 92900, "那我给您申请退款，保证百分之百今天就能到账。"),
    (C, 99600, "行吧，那钱退到哪里？"),
    (A, 102600, "原路退回您的支付账户。"),
    (C, 106200, "唔该晒，咁我等你消息。", {"language": "yue", "confidence": 0.71}),
    (A, 110400, "好的，再见。"),
]


def refund_findings(t):
    """What the analyzers would find in the refund call."""
    return [
        found(
            "compliance.service_notice",
            "未告知通话录音",
            [stretch(0, 30_000, operator="omission", note="开场30秒内未听到录音告知")],
            level=Level.LIGHT,
            explanation="开场30秒内，坐席没有告知客户通话将被录音。",
            advice="请在开场白后补一句：“为保证服务质量，本次通话将被录音。”",
        ),
        found(
            "responsiveness.late_answer",
            "回应过慢",
            [
                quote(t, 1, "我要退款", operator="response_time", note="客户提出要求"),
                stretch(12_030, 20_400, note="无人说话"),
            ],
            level=Level.MEDIUM,
            explanation="客户在第7秒起提出退款要求，说完后过了8.2秒坐席才开口，超过5秒的要求。",
            advice="客户在第12秒提出“我要退款”后，坐席回应延迟了8.2秒；建议先说“我马上为您查询”，再操作系统。",
            facts={"delay_ms": 8160, "threshold_ms": 5000},
        ),
        found(
            "keywords.unanswered_complaint",
            "客户不满未获回应",
            [
                quote(t, 3, "太慢了", note="客户表达不满"),
                quote(t, 3, "没人管", note="客户表达不满"),
                quote(t, 4, "请您提供一下订单号", note="坐席未作安抚"),
            ],
            level=Level.SERIOUS,
            who=C,
            explanation="客户说明问题后说“太慢了”“没人管”，坐席没有致歉或安抚，直接要订单号。",
            advice="第25秒客户抱怨“太慢了”时，先致歉再办事：“给您添麻烦了，非常抱歉，我现在就为您查。”",
            facts={"phrase": "没人管"},
        ),
        found(
            "responsiveness.long_hold",
            "等待过久",
            [
                quote(t, 6, "请稍等一下", operator="hold", note="开始等待"),
                stretch(42_530, 66_800, note="24.3秒无人说话"),
            ],
            level=Level.LIGHT,
            explanation="坐席请客户稍等后，24.3秒没有任何回应，超过20秒的约定。",
            advice="第42秒起让客户等了24.3秒；查询超过15秒时请先回来说明进度。",
            facts={"hold_ms": 24270, "threshold_ms": 20000},
        ),
        found(
            "responsiveness.late_answer",
            "回应过慢",
            [quote(t, 8, "什么时候能送到", operator="response_time", note="客户提问")],
            n=2,
            level=Level.LIGHT,
            sure=0.48,
            doubts=("第1分15秒语句识别把握仅52%。",),
            explanation="客户在第1分15秒询问送达时间，坐席没有正面回答。",
            advice="客户在第1分15秒问“什么时候能送到”，请给出具体时间或何时回复。",
        ),
        found(
            "compliance.forbidden_words",
            "服务禁语",
            [quote(t, 9, "你急也没有用", note="坐席用语"), quote(t, 9, "不归我管", note="坐席用语")],
            level=Level.SERIOUS,
            explanation="坐席对客户说“你急也没有用”“不归我管”，属推诿用语。",
            advice="第1分19秒的“不归我管”请改为：“这件事由我跟到底，我现在联系物流，今天给您回电。”",
        ),
        found(
            "responsiveness.interruption",
            "抢话",
            [stretch(92_000, 92_900, operator="overlap", note="坐席抢话")],
            level=Level.LIGHT,
            sure=0.88,
            explanation="客户还没说完，坐席已开口。",
            advice="第1分32秒请等客户说完再回应。",
        ),
        found(
            "compliance.absolute_promise",
            "绝对化承诺",
            [quote(t, 11, "保证百分之百今天就能到账", note="坐席承诺")],
            explanation="坐席承诺“百分之百今天到账”，退款时效以支付机构为准，无法保证。",
            advice="第1分34秒请改说：“一般1至3个工作日原路退回，具体以支付机构到账为准。”",
        ),
        found(
            "keywords.positive",
            "客户致谢",
            [quote(t, 14, "唔该晒", note="粤语：多谢")],
            level=Level.LIGHT,
            polarity=Polarity.CREDIT,
            who=C,
            explanation="客户用粤语致谢。",
        ),
        found(
            "compliance.further_help",
            "未询问其他需求",
            [stretch(86_000, t.duration_ms, operator="omission", note="结束前未询问")],
            level=Level.LIGHT,
            explanation="挂断前，坐席没有询问客户是否还有其他需要。",
            advice="第1分50秒道别前，请先问：“请问还有其他可以帮您的吗？”",
        ),
    ]


def call_of(call_id="call-20240618-0042", **more):
    """What is known of the call beforehand."""
    values = {
        "line_of_business": "ecommerce",
        "agent_channel": AgentChannel.LEFT,
        "agent_id": "1086",
        "team": "售后一组",
        "direction": "inbound",
        "started_at": "2024-06-18T14:03:27+08:00",
        **more,
    }
    return CallInfo(call_id=call_id, **values)


ROLES = RoleDecision(agent="left", confidence=1.0, reasons=("声道已指定。",), roles={"left": A, "right": C})


def report_of(transcript, findings=(), *, failures=(), gaps=(), card="ecommerce", **more):
    """A report as the inspector would assemble it."""
    values = {
        "call": call_of(),
        "recording": recording_of(transcript),
        "roles": ROLES,
        "analyzer_versions": VERSIONS,
        "analyzer_names": NAMES,
        "pack": "ecommerce@1",
        "created_at": "2024-06-18T06:05:31Z",
        **more,
    }
    return assemble(
        transcript=transcript, findings=findings, failures=failures, gaps=gaps, card=builtin_cards()[card], **values
    )


def refund():
    """A call with faults of every level, a doubtful one, a credit, dialect and silences."""
    transcript = transcript_of(REFUND)
    return report_of(transcript, refund_findings(transcript))


def faultless():
    """A short call in which the agent does everything right."""
    transcript = transcript_of(
        [
            (A, 500, "您好，欢迎致电优选商城，本次通话将被录音，请问有什么可以帮您？"),
            (C, 7400, "我想问一下我的发票什么时候能开？"),
            (A, 11_300, "已经开好了，我马上发到您的邮箱。"),
            (C, 15_400, "这么快，谢谢你，你很专业。"),
            (A, 18_600, "不客气，请问还有其他可以帮您的吗？感谢来电，再见。"),
        ]
    )
    praise = found(
        "keywords.positive",
        "客户认可",
        [quote(transcript, 3, "你很专业")],
        level=Level.LIGHT,
        polarity=Polarity.CREDIT,
        who=C,
    )
    return report_of(transcript, [praise], card="general", call=call_of("call-0043", line_of_business="general"))


def empty():
    """A recording in which nobody speaks."""
    transcript = transcript_of([], duration_ms=12_000)
    roles = RoleDecision(agent="", confidence=0.0, reasons=("没有检测到说话声。",), roles={})
    return report_of(transcript, roles=roles, call=call_of("call-0044"))


def one_sided():
    """The customer speaks to a mailbox."""
    transcript = transcript_of(
        [(C, 2000, "喂？喂？有人吗？"), (C, 9000, "怎么没有声音，那我挂了。")], duration_ms=15_000
    )
    complaint = found("keywords.unanswered_complaint", "不满", [quote(transcript, 1, "没有声音")], who=C)
    return report_of(transcript, [complaint], call=call_of("call-0045"))


def truncated():
    """The file ends early: what was not heard may have been lost."""
    transcript = transcript_of(REFUND[:6])
    findings = [
        found("compliance.closing", "未使用结束语", [stretch(20_000, transcript.duration_ms, operator="omission")]),
        found("keywords.unanswered_complaint", "客户不满未获回应", [quote(transcript, 3, "太慢了")], who=C),
    ]
    recording = recording_of(transcript, truncated=True, truncation="文件在第41秒处中断。")
    return report_of(transcript, findings, recording=recording, call=call_of("call-0046"))


def failed_analyzer():
    """One analyzer failed halfway, another did not run at all."""
    transcript = transcript_of(REFUND)
    findings = [f for f in refund_findings(transcript) if f.dimension in ("keywords", "responsiveness")][:2]
    failures = (AnalyzerFailure(analyzer="responsiveness", name="响应", error_type="ZeroDivisionError", at_ms=39_000),)
    versions = {"keywords": "1", "responsiveness": "1"}
    gaps = (Gap(what="analyzer:compliance", reason="“合规话术”未启用，未质检。"),)
    return report_of(
        transcript, findings, failures=failures, gaps=gaps, analyzer_versions=versions, call=call_of("call-0047")
    )


def unsure_roles():
    """A mixed recording whose parties could not be told apart."""
    rows = [(Role.UNSURE, start, text, {"role_confidence": 0.5}) for _, start, text, *_ in REFUND[:6]]
    plain = transcript_of(rows)
    said = tuple(replace(u, party=f"speaker_{1 + i % 2}") for i, u in enumerate(plain.utterances))
    transcript = replace(plain, utterances=said)
    roles = RoleDecision(
        agent="",
        confidence=0.5,
        reasons=("双方都没有使用客服用语。",),
        roles={"speaker_1": Role.UNSURE, "speaker_2": Role.UNSURE},
    )
    fault = found("keywords.unanswered_complaint", "不满", [quote(transcript, 3, "太慢了")], who=Role.UNSURE)
    recording = recording_of(transcript, channels=1)
    return report_of(transcript, [fault], roles=roles, recording=recording, call=call_of("call-0048"))


BUILDERS = {
    "refund": refund,
    "faultless": faultless,
    "empty": empty,
    "one_sided": one_sided,
    "truncated": truncated,
    "failed_analyzer": failed_analyzer,
    "unsure_roles": unsure_roles,
}


@pytest.fixture(scope="session")
def reports():
    """All sample reports by name."""
    return {name: build() for name, build in BUILDERS.items()}


@pytest.fixture(params=list(BUILDERS))
def report(request, reports):
    """Each sample report in turn."""
    return reports[request.param]


@pytest.fixture(scope="session")
def build():
    """The builders above as one namespace, for tests that make their own calls."""
    from types import SimpleNamespace

    names = (
        "say transcript_of quote stretch found recording_of refund_findings call_of report_of REFUND ROLES BUILDERS "
        "VERSIONS ENGINE"
    )
    return SimpleNamespace(**{name: globals()[name] for name in names.split()})
