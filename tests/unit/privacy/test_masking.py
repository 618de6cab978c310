"""Masks in texts and transcripts."""

# ruff: noqa: E501  the tables read better on long lines

from __future__ import annotations

import time

import pytest

from qingting.errors import SettingsError
from qingting.model.call import Role
from qingting.model.transcript import EngineIdentity, Transcript, Utterance
from qingting.privacy.detection import KINDS
from qingting.privacy.masking import Masker

MASKED = {
    "我的手机是13812345678。": "我的手机是138****5678。",
    "手机138 1234 5678": "手机138 **** 5678",
    "打幺三八幺二三四五六七八": "打幺三八****五六七八",
    "座机010-62345678": "座机010-****5678",
    "身份证11010519491231002X": "身份证******************",
    "身份证号是 440106 19900101 0012": "身份证号是 ****** ******** ****",
    "身份证后四位3368": "身份证后四位****",
    "卡号6217001234567890123": "卡号***************0123",
    "卡号6217 0012 3456 7890": "卡号**** **** **** 7890",
    "住北京市海淀区学院路37号": "住北京市海淀区******",
    "我叫张伟": "我叫张*",
    "欧阳修明女士您好": "欧阳**女士您好",
    "[我叫刘洋，海洋的洋]": "[我叫刘*，****]",
}
LEFT = (
    "订单号13812345678", "运单号SF1234567890123", "工单编号202611300012345", "余额1380013元", "拨打400-820-8820", "打10086",
    "工号2031", "手机尾号5678", "2026年11月30日", "电话20261130买的", "一共一千三百八十元", "王女士您好", "很高兴为您服务", "",
)  # fmt: skip


def transcript(*lines: tuple[str, str, int]) -> Transcript:
    return Transcript(
        utterances=tuple(
            Utterance(
                index=index, party=party, role=Role.AGENT if party == "left" else Role.CUSTOMER, role_confidence=1.0,
                start_ms=start_ms, end_ms=start_ms + 900, text=text,
            )
            for index, (party, text, start_ms) in enumerate(lines)
        ),
        engine=EngineIdentity(name="script", model="script", revision=""),
        duration_ms=lines[-1][2] + 1000,
    )  # fmt: skip


def said(spoken: Transcript) -> dict[int, list[tuple[str, str]]]:
    spans = Masker(KINDS).spans_of_transcript(spoken)
    return {
        index: [(spoken.utterances[index].text[start:end], kind) for start, end, kind in places]
        for index, places in spans.items()
    }


@pytest.mark.parametrize("text", MASKED)
def test_personal_data_is_masked_and_the_length_stays(text: str) -> None:
    assert Masker(KINDS).mask_text(text) == MASKED[text]
    assert len(MASKED[text]) == len(text)


@pytest.mark.parametrize("text", LEFT)
def test_what_names_nobody_stays(text: str) -> None:
    assert Masker(KINDS).mask_text(text) == text


def test_only_the_chosen_kinds_are_masked() -> None:
    assert Masker(["phone"]).mask_text("我叫张伟，手机13812345678") == "我叫张伟，手机138****5678"
    assert Masker([]).mask_text("我叫张伟，手机13812345678") == "我叫张伟，手机13812345678"


def test_an_unknown_kind_is_a_settings_error_that_names_it() -> None:
    with pytest.raises(SettingsError, match="passport"):
        Masker(["passport"])


def test_given_names_are_masked_wherever_they_stand() -> None:
    masker = Masker(KINDS, ["仝卓", "", "王"])
    assert masker.mask_text("仝卓昨天来过，王也是") == "仝*昨天来过，王也是"


def test_a_number_in_pieces_over_utterances_is_found() -> None:
    pieces = transcript(
        ("left", "您的手机号？", 0), ("right", "我的号码是138", 1000), ("left", "嗯。", 2000), ("right", "1234", 3000),
        ("left", "1234。", 4000), ("right", "嗯，5678。", 5000),
    )  # fmt: skip
    assert said(pieces) == {1: [("138", "phone")], 3: [("1234", "phone")], 5: [("5678", "phone")]}


def test_pieces_more_than_15_seconds_apart_are_different_numbers() -> None:
    apart = transcript(("right", "138", 0), ("right", "1234", 17_000), ("right", "5678", 19_000))
    assert said(apart) == {}


def test_pieces_of_different_parties_are_different_numbers() -> None:
    assert said(transcript(("right", "138", 0), ("left", "12345678", 1000))) == {}


def test_a_misheard_number_is_found_by_the_question() -> None:
    asked = transcript(("left", "请问您的手机号？", 0), ("right", "1381234567。", 1000))
    assert said(asked) == {1: [("1381234567", "phone")]}
    assert said(transcript(("left", "请问订单号？", 0), ("right", "1381234567。", 1000))) == {}


def test_the_last_digits_of_an_identity_number_are_found_by_the_question() -> None:
    asked = transcript(("left", "身份证后四位是？", 0), ("right", "是012X。", 1000))
    assert said(asked) == {1: [("012X", "id_card")]}
    assert said(transcript(("left", "手机后四位是？", 0), ("right", "3368。", 1000))) == {}


def test_a_long_number_after_a_question_for_an_order_stays() -> None:
    assert said(transcript(("left", "请报一下订单号。", 0), ("right", "202611301234567。", 1000))) == {}
    assert said(transcript(("left", "请说。", 0), ("right", "6217001234567890123。", 1000))) != {}


def test_a_name_is_found_again_where_no_cue_stands() -> None:
    again = transcript(("right", "我叫张小伟。", 0), ("left", "张小伟您好。", 2000))
    assert said(again) == {0: [("张小伟", "name")], 1: [("张小伟", "name")]}


@pytest.mark.parametrize("piece", ["1", "138，", "我叫张", "的的", "身份证", "幺", "王先生", "是", "1 "])
def test_no_text_makes_the_search_slow(piece: str) -> None:
    text = piece * (8000 // len(piece))
    began = time.process_time()
    Masker(KINDS).mask_text(text)
    assert time.process_time() - began < 2.0
