"""Text conversations through the same analysis and report as recordings."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from qingting.audio.options import AudioOptions
from qingting.bootstrap import open_inspector, plans
from qingting.cli.recordings import collect, read_call_list
from qingting.errors import EngineUnavailableError, ScriptError
from qingting.inspector import InspectedCall, Inspector, Job, judge_again
from qingting.model.call import CallInfo, Role
from qingting.report.formats.html import render_html
from qingting.report.formats.json import dump, load
from qingting.report.formats.terminal import render_terminal
from qingting.report.verify import verify
from qingting.settings import load_settings
from qingting.speech.recognizer import Recognizer
from qingting.testing import ScriptedEngine

CHAT = [
    ("客服", "10:00:05", "您好，很高兴为您服务，请问有什么可以帮您？"),
    ("客户", "10:00:20", "我的订单三天了还没收到，我要退款"),
    ("客服", "10:04:00", "麻烦您提供一下订单号。"),
    ("客户", "10:04:30", "50286612"),
    ("客服", "10:05:00", "已经为您申请退款。请问还有其他可以帮您的吗？"),
    ("客户", "10:05:30", "没有了"),
    ("客服", "10:05:40", "感谢您的咨询，祝您生活愉快，再见。"),
]


def chat_file(folder: Path, rows: list[tuple[str, str, str]] = CHAT, name: str = "chat.json") -> Path:
    path = folder / name
    path.write_text(json.dumps([{"role": r, "time": t, "text": x} for r, t, x in rows]), encoding="utf-8")
    return path


@pytest.fixture
def inspector() -> Inspector:
    def never(path: Path, options: AudioOptions) -> object:
        raise AssertionError("a chat was decoded as sound")

    return Inspector(
        prepare=never,  # type: ignore[arg-type]
        recognizer=Recognizer(ScriptedEngine([])),
        plan_for=plans(load_settings()),
        audio_options=AudioOptions(),
        role_threshold=0.75,
    )


@pytest.fixture
def inspected(inspector: Inspector, tmp_path: Path) -> InspectedCall:
    return inspector.inspect(chat_file(tmp_path), CallInfo(call_id="chat", line_of_business="ecommerce"))


def test_a_chat_gives_a_whole_report(inspected: InspectedCall) -> None:
    report = inspected.report
    assert verify(report) == []
    assert report.recording is None
    assert report.roles.confidence == 1.0
    assert report.score.valid
    assert [one.rule_id for one in report.findings if one.points] == [
        "responsiveness.late_answer",
        "compliance.refund_notice",
    ]
    assert load(dump(report)) == report
    assert {party.role: party.characters_per_second for party in report.statistics.parties} == {
        Role.AGENT: None,
        Role.CUSTOMER: None,
    }


def test_what_needs_sound_is_listed_and_not_scored(inspected: InspectedCall) -> None:
    report = inspected.report
    assert "medium" in {gap.what for gap in report.gaps}
    off = {line.item for line in report.score.lines if not line.applicable}
    assert {"dead_air", "interruption", "fast_speech", "talk_ratio", "monologue", "service_notice"} <= off
    assert "compliance.service_notice" not in {one.rule_id for one in report.findings}


def test_pages_without_sound(inspected: InspectedCall) -> None:
    assert inspected.player_mp3() is None
    assert inspected.waveform() == []
    page = render_html(inspected.report, audio_mp3=inspected.player_mp3(), peaks=inspected.waveform())
    assert "我要退款" in page
    assert render_terminal(inspected.report)


def test_a_stored_chat_report_can_be_analysed_again(inspected: InspectedCall) -> None:
    swapped = judge_again(inspected.report, plans(load_settings()))
    assert swapped.transcript.utterances[0].role is Role.CUSTOMER
    assert verify(swapped) == []


def test_chats_and_broken_chats_in_one_batch(inspector: Inspector, tmp_path: Path) -> None:
    good, bad = chat_file(tmp_path), tmp_path / "bad.csv"
    bad.write_text("role,text\n客户,你好,再见\n", encoding="utf-8")
    jobs = [Job(path=path, call=CallInfo(call_id=path.stem)) for path in (good, bad)]
    outcomes = {one.job.path.name: one for one in inspector.inspect_many(jobs, workers=2)}
    assert outcomes["chat.json"].result is not None
    assert isinstance(outcomes["bad.csv"].error, ScriptError)


def test_a_chat_without_times_says_that_answering_was_not_inspected(inspector: Inspector, tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_text("role,text\n" + "".join(f"{r},{x}\n" for r, _, x in CHAT), encoding="utf-8")
    report = inspector.inspect(path, CallInfo(call_id="c")).report
    assert {"analyzer:responsiveness", "chat.times"} <= {gap.what for gap in report.gaps}
    late = next(line for line in report.score.lines if line.item == "late_answer")
    assert not late.applicable
    assert verify(report) == []


def test_desktop_events_come_with_the_call_list(inspector: Inspector, tmp_path: Path) -> None:
    path = chat_file(tmp_path)
    (tmp_path / "d.jsonl").write_text('{"at_ms": 235100, "kind": "open", "title": "宽带安装预约"}\n', encoding="utf-8")
    (tmp_path / "calls.csv").write_text("file,desktop_events\nchat.json,d.jsonl\n", encoding="utf-8")
    call_list = read_call_list(tmp_path / "calls.csv")
    (job,) = collect([str(path)], call_list, agent_channel="auto", line_of_business="ecommerce")
    report = inspector.inspect(job.path, job.call).report
    assert "knowledge.use" in {one.rule_id for one in report.findings}
    assert "analyzer:knowledge" not in {gap.what for gap in report.gaps}
    assert load(dump(report)) == report
    assert verify(report) == []
    without = inspector.inspect(path, CallInfo(call_id="x")).report
    assert "analyzer:knowledge" in {gap.what for gap in without.gaps}
    (tmp_path / "d.jsonl").write_text("{\n", encoding="utf-8")
    with pytest.raises(ScriptError, match=r"d\.jsonl, line 1"):
        collect([str(path)], call_list, agent_channel="auto", line_of_business="ecommerce")


def test_chats_need_no_engine(tmp_path: Path) -> None:
    settings = load_settings(engine="no such engine")
    with open_inspector(settings, text_only=True) as inspector:
        assert inspector.inspect(chat_file(tmp_path), CallInfo(call_id="chat")).report.score.valid
        with pytest.raises(EngineUnavailableError, match="text conversations only"):
            inspector.inspect(tmp_path / "call.wav", CallInfo(call_id="call"))


def test_a_refusal_in_a_chat_may_wait_for_minutes(inspector: Inspector, tmp_path: Path) -> None:
    rows = [
        ("客服", "10:00:00", "您好，请问有什么可以帮您？"),
        ("客户", "10:00:10", "我的订单三天了还没收到，什么时候发货？"),
        ("客服", "10:00:30", "五天后才能发货。"),
        ("客户", "10:00:50", "不行，绝对不行，我不同意！"),
        ("客服", "10:01:00", "嗯。"),
        ("客服", "{answer}", "已经为您申请加急，今天发出。"),
    ]

    def refused(answer: str) -> bool:
        timed = [(role, when.format(answer=answer), text) for role, when, text in rows]
        report = inspector.inspect(chat_file(tmp_path, timed), CallInfo(call_id="c")).report
        return "emotion_analyzer.unanswered_refusal" in [one.rule_id for one in report.findings]

    assert not refused("10:02:30")
    assert refused("10:06:00")
