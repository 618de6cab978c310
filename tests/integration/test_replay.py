"""A stored report can be analysed again: the same plan gives the very same report, whatever the call was."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from qingting.audio.front_end import prepare
from qingting.audio.options import AudioOptions
from qingting.bootstrap import plans
from qingting.inspector import Inspector, certain_roles, judge, replay
from qingting.model.call import CallInfo, DesktopEvent, DesktopKind, Role
from qingting.model.report import Gap, Report
from qingting.report.formats.json import dump, load_file
from qingting.settings import load_settings
from qingting.speech.recognizer import Recognizer
from qingting.testing import SampleCall, ScriptedEngine, edge_calls, sample_call, sample_calls, with_made_up_voice

PLANS = plans(load_settings())


def replayed(report: Report, folder: Path) -> Report:
    """Through the file, as a backtest reads it."""
    path = folder / "report.json"
    path.write_text(dump(report), encoding="utf-8")
    return replay(load_file(path), PLANS(report.call.line_of_business))


def expect_the_same(again: Report, report: Report) -> None:
    assert again.findings == report.findings
    assert again.score == report.score
    # All but the time at which it was made, and the digest over it.
    assert replace(again, provenance=report.provenance) == report


@pytest.mark.parametrize("sample", sample_calls(), ids=lambda s: s.id)
def test_every_sample_call_in_the_words_of_its_script(sample: SampleCall, tmp_path: Path) -> None:
    call, transcript = sample.script.call_info(), with_made_up_voice(sample.transcript())
    plan = PLANS(call.line_of_business)
    report = judge(call=call, roles=certain_roles(transcript), transcript=transcript, plan=plan)
    assert report.findings
    expect_the_same(replayed(report, tmp_path), report)


@pytest.mark.parametrize("edge", edge_calls(), ids=lambda e: e.name)
def test_every_edge_call(edge, tmp_path: Path) -> None:
    call = replace(edge.call, line_of_business="finance")
    report = judge(
        call=call, roles=certain_roles(edge.transcript), transcript=edge.transcript, plan=PLANS("finance")
    )  # fmt: skip
    expect_the_same(replayed(report, tmp_path), report)


@cache
def inspected(call_id: str) -> Report:
    """A real recording through the real front end: its acoustic facts, notes and role decision."""
    sample = sample_call(call_id)
    spans = sorted(prepare(sample.audio_path).spans, key=lambda s: (s.start_ms, s.end_ms, s.party))
    inspector = Inspector(
        prepare=prepare,
        recognizer=Recognizer(ScriptedEngine.for_spans(sample.script, spans)),
        plan_for=PLANS,
        audio_options=AudioOptions(),
        role_threshold=0.75,
    )
    # Without a channel map, so that the roles are decided from what was heard.
    call = replace(CallInfo(call_id=call_id), line_of_business=sample.script.call_info().line_of_business)
    return inspector.inspect(sample.audio_path, call).report


@pytest.mark.parametrize("call_id", ["rude_agent", "dead_air_no_closing", "silence_then_slow"])
def test_recordings(call_id: str, tmp_path: Path) -> None:
    report = inspected(call_id)
    assert any(one.voice is not None and one.voice.pitch_hertz for one in report.transcript.utterances)
    expect_the_same(replayed(report, tmp_path), report)


def test_what_the_sound_was_like_is_kept(tmp_path: Path) -> None:
    note, derived = Gap(what="audio.note", reason="开头有提示音。"), Gap(what="analyzer:x", reason="旧的。")
    report = inspected("rude_agent")
    missing = Gap(what="audio.truncated", reason="实时音频缺失约1.2秒，缺失处按静音处理。")
    report = replace(report, gaps=(*report.gaps, note, missing, derived))
    again = replayed(report, tmp_path)
    assert note in again.gaps
    assert missing in again.gaps
    assert derived not in again.gaps


def test_a_chat_stays_a_chat(tmp_path: Path) -> None:
    chat = tmp_path / "chat.json"
    turns = [
        ("客服", "10:00:05", "您好，请问有什么可以帮您？"),
        ("客户", "10:00:20", "我要退款"),
        ("系统", "10:00:30", "…"),
    ]
    chat.write_text(json.dumps([{"role": r, "time": t, "text": x} for r, t, x in turns]), encoding="utf-8")
    inspector = Inspector(
        prepare=lambda path, options: prepare(path, options),
        recognizer=Recognizer(ScriptedEngine([])),
        plan_for=PLANS,
        audio_options=AudioOptions(),
        role_threshold=0.75,
    )
    report = inspector.inspect(chat, CallInfo(call_id="chat", line_of_business="ecommerce")).report
    assert {"medium", "chat.left_out"} & {gap.what for gap in report.gaps}
    expect_the_same(replayed(report, tmp_path), report)


def test_what_the_agent_did_on_the_desktop_is_stored(tmp_path: Path) -> None:
    sample = sample_call("refund_late_answer")
    events = (
        DesktopEvent(kind=DesktopKind.SEARCH, at_ms=12_000, query="会员积分规则", results=3),
        DesktopEvent(
            kind=DesktopKind.OPEN, at_ms=15_000, article="KB-1", title="会员积分规则", text="积分按消费金额计算。"
        ),
    )
    call = replace(sample.script.call_info(), desktop_events=events)
    transcript = sample.transcript()
    report = judge(call=call, roles=certain_roles(transcript), transcript=transcript, plan=PLANS(call.line_of_business))
    assert any(one.dimension == "knowledge" for one in report.findings)
    expect_the_same(replayed(report, tmp_path), report)


def test_doubtful_roles_stay_doubtful(tmp_path: Path) -> None:
    sample = sample_call("rude_agent")
    transcript = sample.transcript()
    doubtful = replace(transcript, utterances=tuple(replace(one, role_confidence=0.6) for one in transcript.utterances))
    roles = replace(certain_roles(transcript), confidence=0.6, roles={"left": Role.UNSURE, "right": Role.UNSURE})
    report = judge(call=sample.script.call_info(), roles=roles, transcript=doubtful, plan=PLANS("ecommerce"))
    expect_the_same(replayed(report, tmp_path), report)
