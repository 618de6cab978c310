"""A masked report holds no value in any form, and is otherwise the same report."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from qingting.model.audio import RoleDecision
from qingting.model.call import CallInfo, DesktopEvent, DesktopKind, Role
from qingting.model.finding import Confidence, Evidence, Finding, Level, Polarity
from qingting.model.report import (
    Advice,
    CallStatistics,
    Gap,
    Likeness,
    Provenance,
    Report,
    Score,
    ScoreLine,
    SimilarCase,
)
from qingting.model.transcript import Correction, EngineIdentity, TimedText, Transcript, Utterance
from qingting.particulars.digits import digit_of
from qingting.particulars.numbers import valid_id_card
from qingting.privacy.detection import KINDS
from qingting.privacy.masking import Masker
from qingting.privacy.report_masking import mask_report
from qingting.report.evidence import seal
from qingting.report.formats import json as json_format

MASKER = Masker(KINDS)
SPOKEN = dict(zip("0123456789", "零幺二三四五六七八九", strict=True))


def utterance(index: int, text: str, *, spoken: str = "", original: str = "", role: Role = Role.CUSTOMER) -> Utterance:
    start = 3000 * index
    units = tuple(
        TimedText(text=one, start_ms=start + 50 * at, end_ms=start + 50 * at + 50)
        for at, one in enumerate(one for one in text if one.isalnum())
    )
    return Utterance(
        index=index, party="left" if role is Role.AGENT else "right", role=role, role_confidence=1.0, start_ms=start,
        end_ms=start + 2900, text=text, spoken_text=spoken or text, original_text=original, characters=units,
    )  # fmt: skip


def report_of(*said: Utterance, note: str = "", call: CallInfo | None = None, quote: str = "") -> Report:
    """A report in which every sentence could repeat the note, and one finding quotes the first utterance."""
    transcript = Transcript(
        utterances=said,
        engine=EngineIdentity(name="script", model="script", revision=""),
        duration_ms=3000 * len(said),
    )
    first = said[0]
    at = max(first.text.find(quote), 0)
    evidence = Evidence(
        operator="keyword", start_ms=first.start_ms, end_ms=first.end_ms, utterance=0, start_char=at,
        end_char=at + len(quote), quote=quote, role=first.role, note=note,
    )  # fmt: skip
    finding = Finding(
        rule_id="keywords.x", rule_version="1", dimension="keywords", title="关键词", level=Level.LIGHT,
        polarity=Polarity.NOTE, who=Role.CUSTOMER, evidence=(evidence,),
        confidence=Confidence(value=1.0, reasons=(note,)), explanation=f"客户说“{quote}”。{note}", advice=note,
        facts={"phrase": quote, "note": note, "delay_ms": 4471}, id="keywords.x#1",
    )  # fmt: skip
    case = SimilarCase(
        finding="keywords.x#1", call_id="c2", rule_id="keywords.x", verdict="成立", quote=note, handling=note, date="",
        similarity=None, likeness=Likeness.RULE,
    )  # fmt: skip
    line = ScoreLine(item="x", name="x", section="x", points=0.0, reason=note)
    score = Score(
        card="x", card_name="x", card_version="1", base=100.0, floor=0.0, ceiling=100.0, total=100.0, grade="优秀",
        lines=(line,), note=note,
    )  # fmt: skip
    return seal(
        Report(
            call=call or CallInfo(call_id="c1"),
            recording=None,
            roles=RoleDecision(agent="left", confidence=1.0, reasons=(note,), roles={}),
            transcript=transcript,
            statistics=CallStatistics(
                duration_ms=0, parties=(), silence_ms=0, longest_silence_ms=0, longest_silence_start_ms=0, overlap_ms=0,
                mean_response_ms=None,
            ),
            findings=(finding,),
            failures=(),
            gaps=(Gap(what="audio.note", reason=note),),
            score=score,
            advice=(Advice(title="x", text=note, findings=("keywords.x#1",), start_ms=0),),
            provenance=Provenance(qingting_version="1", created_at="2026-01-01T00:00:00+00:00", pack="general@1",
                                  transcript_sha256=""),
            similar_cases=(case,),
        )
    )  # fmt: skip


def strings(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for name, one in value.items() if not name.endswith("sha256") for text in strings(one)]
    return [text for one in value for text in strings(one)] if isinstance(value, list) else []


def digits_of(text: str) -> str:
    return "".join("X" if one in "Xx" else digit_of(one) for one in text)


def new_phone(dice: random.Random) -> str:
    return f"1{dice.choice('3456789')}" + "".join(dice.choice("0123456789") for _ in range(9))


def new_id(dice: random.Random) -> str:
    front = f"{dice.choice(['110105', '440106', '510105'])}{dice.randint(1950, 2015)}{dice.randint(1, 12):02}"
    front += f"{dice.randint(1, 28):02}{dice.randint(0, 999):03}"
    return next(front + last for last in "0123456789X" if valid_id_card(front + last))


def new_card(dice: random.Random) -> str:
    return "62" + "".join(dice.choice("0123456789") for _ in range(dice.choice((14, 15, 17))))


FORMS = {
    "written": lambda value: value,
    "spaced": lambda value: " ".join(value[at : at + 4] for at in range(0, len(value), 4)),
    "spoken": lambda value: "".join(SPOKEN.get(one, one) for one in value),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("seed", range(12))
def test_no_form_of_a_number_is_left_in_any_text(seed: int, form: str) -> None:
    dice = random.Random(seed)
    values = {"手机": new_phone(dice), "身份证": new_id(dice), "银行卡": new_card(dice)}
    written = "，".join(f"{kind}是{value}" for kind, value in values.items())
    spoken = "，".join(f"{kind}是{FORMS['spoken'](value)}" for kind, value in values.items())
    heard = "，".join(f"{kind}是{FORMS[form](value)}" for kind, value in values.items())
    note = "系统记录：" + "；".join(FORMS[dice.choice(list(FORMS))](value) for value in values.values())
    call = CallInfo(
        call_id=f"rec_{values['手机']}_1", customer_reference=values["手机"],
        fields={"备注": note, "phone": values["手机"], "k": values["身份证"], "score": "5"},
        desktop_events=(DesktopEvent(kind=DesktopKind.SEARCH, at_ms=1, query=values["银行卡"], title=note, text=note),),
    )  # fmt: skip
    report = report_of(utterance(0, heard, spoken=spoken, original=written), note=note, call=call, quote=heard[3:14])
    masked = mask_report(report, MASKER)
    for text in strings(json_format.to_plain(masked)):
        assert not [value for value in values.values() if value in digits_of(text)], text
    assert json_format.load(json_format.dump(masked)) == masked
    assert len(masked.transcript.utterances[0].text) == len(heard)


@pytest.mark.parametrize("seed", range(8))
def test_a_number_in_pieces_is_left_nowhere(seed: int) -> None:
    dice = random.Random(seed)
    phone = new_phone(dice)
    pieces = [phone[:3], phone[3:7], phone[7:]]
    said = [utterance(0, "手机号报一下？", role=Role.AGENT)]
    for at, piece in enumerate(pieces):
        spoken = FORMS["spoken"](piece)
        said.append(utterance(2 * at + 1, f"{piece}。", spoken=f"{spoken}。"))
        said.append(utterance(2 * at + 2, "嗯。", role=Role.AGENT))
    masked = mask_report(report_of(*said, note=f"手机号{phone}；中间{pieces[1]}", quote="手机号"), MASKER)
    assert masked.transcript.utterances[3].text == "****。"
    assert masked.transcript.utterances[3].spoken_text == "****。"
    for text in strings(json_format.to_plain(masked)):
        assert phone not in digits_of(text)
    assert pieces[1] not in masked.findings[0].explanation


def test_quotes_names_and_addresses_are_masked_everywhere() -> None:
    text = "我叫张小伟，住北京市海淀区学院路37号。"
    note = "坐席称呼张小伟，派单到北京市海淀区学院路37号"
    masked = mask_report(report_of(utterance(0, text), note=note, quote="叫张小伟，住北京"), MASKER)
    assert masked.transcript.utterances[0].text == "我叫张**，住北京市海淀区******。"
    assert masked.findings[0].evidence[0].quote == "叫张**，住北京"
    assert masked.findings[0].explanation.startswith("客户说“叫张**，住北京”")
    assert all("张小伟" not in one and "学院路" not in one for one in strings(json_format.to_plain(masked)))
    assert "".join(unit.text for unit in masked.transcript.utterances[0].characters) == ("我叫张**住北京市海淀区******")


def test_a_quotation_that_was_cut_inside_a_number_is_masked() -> None:
    said = utterance(0, "号码是13800125678，帮我查一下订单到哪里了。")
    masked = mask_report(report_of(said, note="客户说“号码是1380012……帮我查一下”"), MASKER)
    assert masked.findings[0].advice == "客户说“号码是138****……帮我查一下”"


def test_a_name_that_is_an_ordinary_word_is_masked_in_quotations_only() -> None:
    masked = mask_report(report_of(utterance(0, "我叫许可。"), note="“我叫许可”，未经许可"), MASKER)
    assert masked.findings[0].advice == "“我叫许*”，未经许可"


def test_the_last_digits_of_an_identity_number_are_masked_beside_figures_that_stay() -> None:
    said = (utterance(0, "身份证后四位？", role=Role.AGENT), utterance(1, "4471。", spoken="四四七幺。"))
    masked = mask_report(report_of(*said, note="核对“4471”，用时4471毫秒", quote=""), MASKER)
    assert masked.transcript.utterances[1].text == "****。"
    assert masked.transcript.utterances[1].spoken_text == "****。"
    assert masked.findings[0].advice == "核对“****”，用时4471毫秒"
    assert masked.findings[0].facts["delay_ms"] == 4471


def test_a_number_that_rules_shortened_is_masked_altogether() -> None:
    masked = mask_report(report_of(utterance(0, "身份证11010519491231002X"), note="说出身份证号“1101****002X”"), MASKER)
    assert masked.findings[0].advice == "说出身份证号“************”"


def test_corrections_are_masked_with_the_text() -> None:
    one = utterance(0, "我叫张小伟。")
    corrected = replace(
        one, corrections=(Correction(start_char=2, end_char=5, heard="章小卫", written="张小伟", why="客户名"),)
    )
    masked = mask_report(report_of(corrected), MASKER).transcript.utterances[0]
    assert (masked.corrections[0].heard, masked.corrections[0].written) == ("***", "张**")


def test_call_data_keep_what_names_nobody() -> None:
    call = CallInfo(
        call_id="20261130143022001", agent_id="张伟", team="一组", customer_reference="C10086", started_at="2026-11-30",
        fields={"customer_name": "李四", "客户电话": "62345678", "queue": "退款", "batch": "202611301430220011"},
    )  # fmt: skip
    masked = mask_report(report_of(utterance(0, "你好。"), call=call), MASKER).call
    assert masked == replace(call, fields={**call.fields, "customer_name": "**", "客户电话": "********"})


def test_a_report_without_personal_data_stays_the_same_to_the_seal() -> None:
    report = report_of(utterance(0, "我要退款，订单号是502866。"), note="普通说明", quote="退款")
    assert mask_report(report, MASKER) == report


def test_nothing_is_masked_when_no_kind_is_chosen() -> None:
    report = report_of(utterance(0, "我叫张小伟，手机13812345678"), note="手机13812345678", quote="张小伟")
    assert mask_report(report, Masker([])) == report
