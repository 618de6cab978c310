"""The stages joined: real recordings through the real front end, with words from their scripts."""

from __future__ import annotations

import logging
import threading
import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from qingting.audio.front_end import prepare
from qingting.audio.options import AudioOptions
from qingting.bootstrap import open_inspector, plans
from qingting.errors import EngineUnavailableError, InputError, PackError, QingtingError
from qingting.inspector import Inspector, Job, Outcome, judge_again
from qingting.model.call import AgentChannel, CallInfo, Role
from qingting.model.finding import Standing
from qingting.report.verify import verify
from qingting.settings import load_settings
from qingting.speech.engine import Clip, Recognition, RecognitionOptions
from qingting.speech.recognizer import Recognizer
from qingting.testing import SampleCall, ScriptedEngine, sample_calls


def inspector_for(engine: ScriptedEngine, prepare_with: Callable[..., object] = prepare) -> Inspector:
    """Prepares in this process: these recordings are our own."""
    settings = load_settings()
    return Inspector(
        prepare=prepare_with,  # type: ignore[arg-type]
        recognizer=Recognizer(engine),
        plan_for=plans(settings),
        audio_options=AudioOptions(),
        role_threshold=settings.role_threshold,
    )


def from_script(sample: SampleCall) -> ScriptedEngine:
    spans = prepare(sample.audio_path).spans
    ordered = sorted(spans, key=lambda s: (s.start_ms, s.end_ms, s.party))
    return ScriptedEngine.for_spans(sample.script, ordered)


def wav(path: Path, samples: np.ndarray, rate: int = 8000) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1 if samples.ndim == 1 else samples.shape[0])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.ascontiguousarray(samples.T, dtype="<i2").tobytes())
    return path


STEREO = [s for s in sample_calls() if s.script.audio is not None and s.script.audio.channels == 2]


@pytest.mark.parametrize("sample", STEREO, ids=lambda s: s.id)
def test_a_two_channel_call_gives_a_whole_report(sample: SampleCall) -> None:
    report = inspector_for(from_script(sample)).inspect(sample.audio_path, sample.script.call_info()).report
    assert verify(report) == []
    assert report.score.valid
    assert report.roles.confidence == 1.0
    assert {u.role for u in report.transcript.utterances} == {Role.AGENT, Role.CUSTOMER}
    assert report.transcript.engine.name == "scripted"


@pytest.mark.parametrize("sample", STEREO, ids=lambda s: s.id)
def test_the_agents_channel_is_found_without_a_map(sample: SampleCall) -> None:
    call = CallInfo(call_id="x", line_of_business=sample.script.call_info().line_of_business)
    assert call.agent_channel is AgentChannel.AUTO
    report = inspector_for(from_script(sample)).inspect(sample.audio_path, call).report
    assert report.roles.agent == sample.script.call_info().agent_channel.value
    assert report.roles.reasons


def test_a_wrong_channel_map_is_mended_by_a_swap_without_recognition() -> None:
    sample = STEREO[0]
    right = sample.script.call_info()
    wrong_side = AgentChannel.LEFT if right.agent_channel is AgentChannel.RIGHT else AgentChannel.RIGHT
    call = CallInfo(call_id="x", line_of_business=right.line_of_business, agent_channel=wrong_side)
    engine = from_script(sample)
    inspector = inspector_for(engine)
    wrong = inspector.inspect(sample.audio_path, call).report
    asked = engine.asked
    mended = judge_again(wrong, plans(load_settings()))
    assert engine.asked == asked
    assert mended.roles.agent == right.agent_channel.value
    assert [f.rule_id for f in mended.findings] != [f.rule_id for f in wrong.findings]
    assert [u.text for u in mended.transcript.utterances] == [u.text for u in wrong.transcript.utterances]
    assert verify(mended) == []
    named = judge_again(wrong, plans(load_settings()), agent=right.agent_channel.value)
    assert [f.rule_id for f in named.findings] == [f.rule_id for f in mended.findings]
    with pytest.raises(InputError):
        judge_again(wrong, plans(load_settings()), agent="speaker_9")


@pytest.mark.parametrize(
    ("name", "samples"),
    [
        ("silence", np.zeros(8000 * 5)),
        ("noise", np.random.default_rng(1).normal(0, 40, 8000 * 5)),
        ("tone", 6000 * np.sin(2 * np.pi * 450 * np.arange(8000 * 5) / 8000)),
        ("silent stereo", np.zeros((2, 8000 * 5))),
    ],
)
def test_a_recording_without_speech_has_an_honest_report(tmp_path: Path, name: str, samples: np.ndarray) -> None:
    engine = ScriptedEngine([], otherwise="谢谢观看")
    result = inspector_for(engine).inspect(wav(tmp_path / "x.wav", samples), CallInfo(call_id="x"))
    report = result.report
    assert report.transcript.utterances == ()
    assert report.findings == ()
    assert not report.score.valid
    assert report.gaps
    assert verify(report) == []
    assert result.player_mp3()
    assert len(result.waveform()) >= 1


def test_a_truncated_recording_says_so(tmp_path: Path) -> None:
    sample = next(s for s in STEREO if s.audio_path.suffix == ".wav")
    data = sample.audio_path.read_bytes()
    path = tmp_path / "cut.wav"
    path.write_bytes(data[: len(data) // 2])
    engine = ScriptedEngine([], otherwise="您好很高兴为您服务")
    report = inspector_for(engine).inspect(path, sample.script.call_info()).report
    assert report.recording is not None
    assert report.recording.truncated
    assert any("truncated" in gap.what for gap in report.gaps)


def test_unsure_roles_leave_findings_for_review_and_no_score() -> None:
    sample = max(STEREO, key=lambda s: len(s.script.expected))
    call = CallInfo(call_id="x", line_of_business=sample.script.call_info().line_of_business)
    sure = inspector_for(from_script(sample)).inspect(sample.audio_path, call).report
    settings = load_settings()
    strict = Inspector(
        prepare=prepare,
        recognizer=Recognizer(from_script(sample)),
        plan_for=plans(settings),
        audio_options=AudioOptions(),
        role_threshold=1.0,
    )
    unsure = strict.inspect(sample.audio_path, call).report
    assert set(unsure.roles.roles.values()) == {Role.UNSURE}
    assert [f.rule_id for f in unsure.findings] == [f.rule_id for f in sure.findings]
    assert not unsure.score.valid
    assert not [f for f in unsure.findings if f.standing is Standing.COUNTED]
    assert any(gap.what == "roles.unsure" for gap in unsure.gaps)
    assert verify(unsure) == []


class BrokenEngine(ScriptedEngine):
    """Raises what it is given."""

    def __init__(self, error: Exception) -> None:
        super().__init__([])
        self._error = error

    def transcribe(self, clips: list[Clip], options: RecognitionOptions) -> list[Recognition]:  # type: ignore[override]
        raise self._error


def outcomes(inspector: Inspector, *paths: Path, workers: int = 2) -> dict[str, Outcome]:
    jobs = [Job(path=path, call=CallInfo(call_id=path.stem)) for path in paths]
    return {outcome.job.path.name: outcome for outcome in inspector.inspect_many(jobs, workers=workers)}


def test_an_engine_that_is_away_is_an_error_not_an_empty_report() -> None:
    result = outcomes(inspector_for(BrokenEngine(EngineUnavailableError("away"))), STEREO[0].audio_path)
    (outcome,) = result.values()
    assert isinstance(outcome.error, EngineUnavailableError)
    assert outcome.result is None


def test_a_defect_ends_one_recording_and_leaks_no_words(caplog: pytest.LogCaptureFixture) -> None:
    secret = "客户王小明的电话是13800138000"
    with caplog.at_level(logging.DEBUG):
        result = outcomes(inspector_for(BrokenEngine(KeyError(secret))), STEREO[0].audio_path)
    (outcome,) = result.values()
    assert type(outcome.error) is QingtingError
    assert "KeyError" in outcome.error.cause
    assert secret not in f"{outcome.error.cause}{outcome.error.remedy}{caplog.text}"


def test_an_unknown_line_of_business_is_named() -> None:
    inspector = inspector_for(ScriptedEngine([], otherwise="x"))
    with pytest.raises(PackError):
        inspector.inspect(STEREO[0].audio_path, CallInfo(call_id="x", line_of_business="nonesuch"))


@contextmanager
def counting(limit: int) -> Iterator[Callable[..., object]]:
    """A prepare() that fails when more than `limit` run at once."""
    running, lock = [0], threading.Lock()

    def limited(path: Path, options: AudioOptions) -> object:
        with lock:
            running[0] += 1
            assert running[0] <= limit
        try:
            return prepare(path, options)
        finally:
            with lock:
                running[0] -= 1

    yield limited


def test_many_recordings_run_side_by_side_but_bounded(tmp_path: Path) -> None:
    paths = [wav(tmp_path / f"{n}.wav", np.zeros(8000)) for n in range(9)]
    (tmp_path / "4.wav").write_bytes(b"no audio at all")
    with counting(3) as limited:
        result = outcomes(inspector_for(ScriptedEngine([]), limited), *paths, workers=3)
    assert len(result) == 9
    assert [name for name, outcome in result.items() if outcome.error] == ["4.wav"]


def test_the_consumer_may_stop_early(tmp_path: Path) -> None:
    paths = [wav(tmp_path / f"{n}.wav", np.zeros(8000)) for n in range(20)]
    jobs = [Job(path=path, call=CallInfo(call_id=path.stem)) for path in paths]
    running = inspector_for(ScriptedEngine([])).inspect_many(jobs, workers=2)
    next(running)
    running.close()  # type: ignore[attr-defined]
    assert not [t for t in threading.enumerate() if t.name.startswith("inspect")]


def test_the_composed_inspector_prepares_in_a_worker_process() -> None:
    sample = min(STEREO, key=lambda s: s.script.duration_ms)
    with open_inspector(load_settings(workers=1), engine=from_script(sample)) as inspector:
        report = inspector.inspect(sample.audio_path, sample.script.call_info()).report
    assert report.score.valid
