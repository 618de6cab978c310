"""The in-process engine's own decisions, with a model that answers from a table."""

import threading
from dataclasses import dataclass, field

import numpy as np
import pytest

from qingting.errors import EngineAnswerError, EngineUnavailableError, MissingExtraError, SettingsError
from qingting.model.transcript import Flag
from qingting.speech import qwen3_local, qwen3_weights
from qingting.speech.engine import Clip, RecognitionOptions
from qingting.speech.qwen3_local import Qwen3LocalEngine, Qwen3LocalSettings, batches_of_equal_length

pytestmark = pytest.mark.usefixtures("qwen_libraries")


@dataclass
class FakeModel:
    """Answers by the clip's first sample and whether there is a context; keeps what it was asked."""

    answers: dict
    fits: int = 100
    asked: list = field(default_factory=list)
    closed: bool = False

    def write(self, clips, *, context, prefix, limit_tokens, repetition_penalty=1.0):
        from qingting.speech._qwen3_model import DeviceFullError, Written
        from qingting.speech.unit_confidence import Token

        self.asked.append(
            (len(clips), {len(clip) for clip in clips}, context, prefix, limit_tokens, repetition_penalty)
        )
        if len(clips) > self.fits:
            raise DeviceFullError
        written = []
        for clip in clips:
            key = round(float(clip[0]) * 100)
            answer = self.answers.get((key, bool(context)), self.answers.get(key))
            if isinstance(answer, Exception):
                raise answer
            raw, probability, truncated = answer if isinstance(answer, tuple) else (answer, -0.1, False)
            token = Token(content=raw.encode(), log_probability=probability)
            written.append(Written(raw=raw, tokens=(token,), truncated=truncated))
        return written

    def close(self):
        self.closed = True


def clip(key, seconds=1.0):
    return Clip(samples=np.full(int(seconds * 16_000), key / 100, np.float32))


@pytest.fixture
def engine_with(monkeypatch, tmp_path):
    def make(answers, *, fits=100, **settings):
        monkeypatch.setattr(qwen3_weights, "read_checkpoint", lambda *_: None)
        engine = Qwen3LocalEngine(Qwen3LocalSettings(model=str(tmp_path), **settings))
        engine._model = FakeModel(answers, fits)
        return engine

    return make


def texts(engine, clips, **options):
    return [answer.text for answer in engine.transcribe(clips, RecognitionOptions(**options))]


def test_clips_of_a_batch_have_one_length():
    lengths = {"a": 16_000, "b": 15_999, "c": 16_001, "d": 100, "e": 40_000}
    assert list(batches_of_equal_length(lengths, step=16_000, size=9)) == [
        (48_000, ["e"]),
        (32_000, ["c"]),
        (16_000, ["a", "b", "d"]),
    ]
    assert [len(keys) for _, keys in batches_of_equal_length(dict.fromkeys("abcde", 1), step=16_000, size=2)] == [
        2,
        2,
        1,
    ]
    assert list(batches_of_equal_length({"d": 100}, step=1, size=9)) == [(8_000, ["d"])]
    assert list(batches_of_equal_length({}, step=1, size=9)) == []


def test_answers_come_in_order_from_batches_filled_up_and_bounded(engine_with):
    engine = engine_with({key: f"language Chinese<asr_text>第{key}句" for key in range(1, 8)}, batch=2)
    clips = [clip(1, 2.5), clip(2, 0.7), clip(3, 1.0), clip(4, 2.1), clip(5, 0.2), clip(6, 1.2), clip(7, 0.9)]
    assert texts(engine, clips) == [f"第{key}句" for key in range(1, 8)]
    asked = [(count, lengths) for count, lengths, *_ in engine._model.asked]
    assert asked == [(2, {48_000}), (1, {32_000}), (2, {16_000}), (2, {16_000})]
    limits = [row[4] for row in engine._model.asked]
    assert limits == sorted(limits, reverse=True)


def test_silence_is_answered_without_the_model(engine_with):
    engine = engine_with({})
    assert (
        texts(engine, [clip(0), Clip(samples=np.ones(10, np.float32)), Clip(samples=np.zeros(0, np.float32))])
        == [""] * 3
    )
    assert engine._model.asked == []


def test_hot_words_and_language_reach_the_model(engine_with):
    engine = engine_with({1: "我要退款"})
    (answer,) = engine.transcribe([clip(1)], RecognitionOptions(language="yue", hot_words=("退款", "订单")))
    assert engine._model.asked[0][2:4] == ("退款、订单", "language Cantonese<asr_text>")
    assert (answer.text, answer.language) == ("我要退款", "yue")
    assert answer.confidence == pytest.approx(np.exp(-0.1))
    assert answer.unit_confidences == pytest.approx([np.exp(-0.1)] * 4)


def test_no_speech_and_missing_labels(engine_with):
    engine = engine_with({1: "language None<asr_text>", 2: "只有文字", 3: "language None<asr_text>有字"})
    answers = engine.transcribe([clip(1), clip(2), clip(3)], RecognitionOptions())
    assert [(a.text, a.language) for a in answers] == [("", ""), ("只有文字", ""), ("有字", "")]
    assert answers[0].confidence is None


LOOP = "language Chinese<asr_text>" + "我要退款" * 30
GOOD = "language Chinese<asr_text>我要退款"


def test_a_loop_is_decoded_again_without_hot_words_and_with_a_penalty(engine_with):
    engine = engine_with({(1, True): (LOOP, -0.01, True), (1, False): GOOD, 2: GOOD})
    answers = engine.transcribe([clip(1), clip(2)], RecognitionOptions(hot_words=("退款",)))
    assert [(a.text, a.flags) for a in answers] == [("我要退款", ()), ("我要退款", ())]
    assert [(row[0], row[2], row[5]) for row in engine._model.asked] == [(2, "退款", 1.0), (1, "", 1.1)]


def test_a_lasting_loop_keeps_its_flag_and_is_asked_twice_only(engine_with):
    engine = engine_with({1: (LOOP, -0.01, True)})
    (answer,) = engine.transcribe([clip(1)], RecognitionOptions())
    assert answer.flags == (Flag.TRUNCATED,)
    assert len(engine._model.asked) == 2


def test_leaked_hot_words_are_decoded_again_without_them(engine_with):
    engine = engine_with({(1, True): "language Chinese<asr_text>退款订单客服", (1, False): GOOD})
    assert texts(engine, [clip(1, 3.0)], hot_words=("退款", "订单", "客服")) == ["我要退款"]
    assert [row[5] for row in engine._model.asked] == [1.0, 1.0]


def test_a_second_try_that_is_no_better_does_not_count(engine_with):
    long = "language Chinese<asr_text>" + "您好请问有什么可以帮您的吗先生女士"
    engine = engine_with({(1, True): (long, -0.1, False), (1, False): ("language Chinese<asr_text>", -9.0, True)})
    assert texts(engine, [clip(1, 0.6)], hot_words=("您好",)) == [long.partition(">")[2]]


def test_a_batch_too_large_for_the_device_is_halved(engine_with):
    engine = engine_with({key: f"language Chinese<asr_text>第{key}句" for key in range(1, 6)}, fits=2)
    assert texts(engine, [clip(key) for key in range(1, 6)]) == [f"第{key}句" for key in range(1, 6)]
    with pytest.raises(EngineAnswerError, match="memory"):
        texts(engine_with({1: GOOD}, fits=0), [clip(1)])


def test_foreign_failures_become_our_errors_without_words(engine_with):
    engine = engine_with({1: RuntimeError("客户的话")})
    with pytest.raises(EngineAnswerError, match="RuntimeError") as caught:
        engine.transcribe([clip(1)], RecognitionOptions())
    assert "客户" not in str(caught.value)


@pytest.mark.parametrize(
    ("clips", "options", "error"),
    [
        ([clip(1, 61.0)], RecognitionOptions(), EngineAnswerError),
        ([Clip(samples=np.ones((2, 16_000), np.float32))], RecognitionOptions(), EngineAnswerError),
        ([clip(1)], RecognitionOptions(language="Sichuan"), SettingsError),
    ],
)
def test_wrong_requests_are_refused(engine_with, clips, options, error):
    engine = engine_with({1: GOOD})
    with pytest.raises(error):
        engine.transcribe(clips, options)
    assert engine._model.asked == []


def test_a_closed_engine_frees_its_model_and_answers_no_more(engine_with):
    engine = engine_with({1: GOOD})
    model = engine._model
    engine.close()
    engine.close()
    assert model.closed
    assert engine._model is None
    with pytest.raises(EngineAnswerError, match="closed"):
        engine.transcribe([clip(1)], RecognitionOptions())


def test_the_model_is_loaded_once_for_all_threads(engine_with, monkeypatch):
    from qingting.speech import _qwen3_model

    loads = []
    monkeypatch.setattr(_qwen3_model, "Qwen3Recogniser", lambda *_: loads.append(1) or FakeModel({1: GOOD}))
    engine = engine_with({})
    engine._model = None
    threads = [threading.Thread(target=engine.transcribe, args=([clip(1)], RecognitionOptions())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert loads == [1]


def test_live_needs_a_graphics_card(engine_with, monkeypatch):
    monkeypatch.setattr(qwen3_local, "gpu_seen", lambda: True)
    assert engine_with({}).capabilities.live
    assert not engine_with({}, device="cpu").capabilities.live
    monkeypatch.setattr(qwen3_local, "gpu_seen", lambda: False)
    assert not engine_with({}).capabilities.live


def test_what_is_missing_is_said_when_the_engine_is_made(monkeypatch, tmp_path):
    monkeypatch.setenv("MODELSCOPE_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(EngineUnavailableError, match="not on this machine"):
        Qwen3LocalEngine()
    with pytest.raises(SettingsError, match="source"):
        Qwen3LocalEngine(Qwen3LocalSettings(source="usb stick"))
    monkeypatch.setattr(qwen3_weights, "missing_libraries", lambda: ("torch",))
    with pytest.raises(MissingExtraError, match="torch"):
        Qwen3LocalEngine()
