from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from qingting.errors import EngineAnswerError
from qingting.model.audio import SpeechSpan
from qingting.model.call import Role
from qingting.speech.engine import Clip, Recognition, RecognitionOptions
from qingting.testing import CallScript, ScriptedEngine, answers_for_spans, check_engine, load_script

OPTIONS = RecognitionOptions()
CLIP = Clip(samples=np.zeros(16_000, np.float32))
SCRIPT = """
id: talk
title: 对话
line_of_business: general
audio:
  {{file: t.wav, container: wav, codec: pcm_alaw, sample_rate_hertz: 8000, channels: {channels}, agent_channel: left}}
turns:
  - {{role: agent, gap_ms: 1000, text: "您好，请讲。"}}
  - {{role: customer, gap_ms: 1000, text: "我要退款。"}}
"""


def script(folder: Path, channels: int = 2) -> CallScript:
    (folder / "talk.yaml").write_text(SCRIPT.format(channels=channels), encoding="utf-8")
    return load_script(folder / "talk.yaml")


def span(party: str, start_ms: int, end_ms: int) -> SpeechSpan:
    return SpeechSpan(party=party, channel=0, start_ms=start_ms, end_ms=end_ms)


def texts(answers: list[Recognition]) -> list[str]:
    return [answer.text for answer in answers]


def test_answers_clips_in_the_order_asked_over_several_calls() -> None:
    engine = ScriptedEngine(["一", "二", Recognition(text="三", language="yue")])
    assert texts(engine.transcribe([CLIP, CLIP], OPTIONS)) == ["一", "二"]
    assert engine.transcribe([], OPTIONS) == []
    assert engine.transcribe([CLIP], OPTIONS)[0].language == "yue"
    assert engine.asked == 3


def test_running_out_of_answers_is_an_error_and_not_silence() -> None:
    engine = ScriptedEngine(["一"])
    with pytest.raises(EngineAnswerError, match="has 1 answers and was asked for clip 2"):
        engine.transcribe([CLIP, CLIP], OPTIONS)


def test_otherwise_answers_what_comes_after() -> None:
    engine = ScriptedEngine(["一"], otherwise="")
    assert texts(engine.transcribe([CLIP, CLIP, CLIP], OPTIONS)) == ["一", "", ""]


def test_words_are_spread_over_the_clip_when_no_times_are_given() -> None:
    (answer,) = ScriptedEngine(["好的"]).transcribe([CLIP], OPTIONS)
    assert [(word.text, word.start_ms, word.end_ms) for word in answer.words] == [("好", 0, 500), ("的", 500, 1000)]


def test_it_keeps_the_contract_of_an_engine() -> None:
    check_engine(ScriptedEngine([], otherwise="您好，请讲。"))


def test_spans_of_a_two_channel_call_follow_its_channel_map(tmp_path: Path) -> None:
    talk = script(tmp_path)
    agent, customer = talk.turns
    spans = [span("left", agent.start_ms, agent.end_ms), span("right", customer.start_ms, customer.end_ms)]
    assert texts(answers_for_spans(talk, spans)) == ["您好，请讲。", "我要退款。"]


@pytest.mark.parametrize("names", [("speaker_1", "speaker_2"), ("speaker_2", "speaker_1")])
def test_parties_of_a_mixed_call_are_matched_by_shared_time(tmp_path: Path, names: tuple[str, str]) -> None:
    talk = script(tmp_path, channels=1)
    agent, customer = talk.turns
    spans = [span(names[0], agent.start_ms, agent.end_ms), span(names[1], customer.start_ms, customer.end_ms)]
    assert texts(answers_for_spans(talk, spans)) == ["您好，请讲。", "我要退款。"]


def test_one_mixed_party_speaks_for_both(tmp_path: Path) -> None:
    talk = script(tmp_path, channels=1)
    (answer,) = answers_for_spans(talk, [span("mono", 0, talk.duration_ms)])
    assert answer.text == "您好，请讲。我要退款。"


def test_a_turn_cut_in_two_loses_and_doubles_no_word(tmp_path: Path) -> None:
    talk = script(tmp_path)
    agent = talk.turns[0]
    middle_ms = (agent.start_ms + agent.end_ms) // 2
    spans = [span("left", agent.start_ms + 90, middle_ms), span("left", middle_ms + 60, agent.end_ms + 200)]
    answers = answers_for_spans(talk, spans)
    assert texts(answers) == ["您好，", "请讲。"]
    for answer, one in zip(answers, spans, strict=True):
        times = [(word.start_ms, word.end_ms) for word in answer.words]
        assert all(start < end for start, end in times)
        assert all(before[1] <= after[0] for before, after in pairwise(times))
        assert times[-1][1] <= one.end_ms - one.start_ms


def test_a_span_where_nobody_speaks_gets_no_words(tmp_path: Path) -> None:
    talk = script(tmp_path)
    agent = talk.turns[0]
    spans = [span("left", agent.start_ms, agent.end_ms), span("left", agent.end_ms + 3000, agent.end_ms + 4000)]
    assert texts(answers_for_spans(talk, spans)) == ["您好，请讲。", ""]


def test_a_party_that_was_not_heard_leaves_its_words_out(tmp_path: Path) -> None:
    talk = script(tmp_path)
    agent = talk.turns[0]
    assert texts(answers_for_spans(talk, [span("left", agent.start_ms, agent.end_ms)])) == ["您好，请讲。"]
    assert answers_for_spans(talk, []) == []


def test_roles_are_the_scripts(tmp_path: Path) -> None:
    assert [turn.role for turn in script(tmp_path).turns] == [Role.AGENT, Role.CUSTOMER]
