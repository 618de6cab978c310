"""The in-process aligner with the tiny checkpoint, alone and behind the recogniser."""

import gc
import weakref

import numpy as np
import pytest

from qingting.bootstrap import open_aligner, open_engine
from qingting.errors import EngineAnswerError, EngineUnavailableError
from qingting.model.audio import PreparedAudio, RecordingFormat, SpeechSpan, VoiceFacts
from qingting.model.transcript import Flag
from qingting.settings import load_settings
from qingting.speech import catalog
from qingting.speech.aligner import Aligner, Qwen3AlignerSettings, Qwen3ForcedAligner
from qingting.speech.engine import Clip
from qingting.speech.qwen3_local import Qwen3LocalEngine, Qwen3LocalSettings
from qingting.speech.qwen3_prompt import language_code
from qingting.speech.recognizer import Recognizer, RecognizerOptions
from qingting.testing import ScriptedEngine

SPOKEN = ("greeting", "order", "misheard", "english", "cantonese")


@pytest.fixture(scope="module")
def aligner(tiny):
    made = Qwen3ForcedAligner(Qwen3AlignerSettings(model=str(tiny.aligner_native), device="cpu"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def engine(tiny):
    made = Qwen3LocalEngine(Qwen3LocalSettings(model=str(tiny.native), device="cpu"))
    yield made
    made.close()


def aligned(aligner, clip):
    words = aligner.align(Clip(samples=clip.samples), clip.text, language_code(clip.language))
    return tuple((word.text, word.start_ms, word.end_ms) for word in words)


def test_every_unit_gets_its_time(tiny, aligner):
    for name in SPOKEN:
        clip = tiny.clip(name)
        assert aligned(aligner, clip) == tuple((text.strip("."), *times) for text, *times in clip.units)


def test_both_layouts_give_the_same_times(tiny, aligner):
    original = Qwen3ForcedAligner(Qwen3AlignerSettings(model=str(tiny.aligner_original), device="cpu"))
    clip = tiny.clip("greeting")
    assert aligned(original, clip) == aligned(aligner, clip) != ()
    original.close()


def test_the_confidence_is_of_the_time(tiny, aligner):
    clip = tiny.clip("order")
    words = aligner.align(Clip(samples=clip.samples), clip.text, "zh")
    assert all(0.5 < word.confidence <= 1.0 for word in words)


@pytest.mark.parametrize(("text", "language"), [("", "zh"), ("……", "zh"), ("สวัสดี", "th"), ("您好", "")])
def test_what_it_cannot_align_is_empty(tiny, aligner, text, language):
    assert aligner.align(Clip(samples=tiny.clip("order").samples), text, language) == ()


def test_clips_it_cannot_take_are_refused(aligner):
    with pytest.raises(EngineAnswerError):
        aligner.align(Clip(samples=np.zeros(181 * 16_000, np.float32)), "您好", "zh")
    with pytest.raises(EngineAnswerError):
        aligner.align(Clip(samples=np.zeros((2, 16_000), np.float32)), "您好", "zh")
    assert aligner.align(Clip(samples=np.zeros(0, np.float32)), "您好", "zh") == ()


def test_closing_frees_the_weights(tiny):
    made = Qwen3ForcedAligner(Qwen3AlignerSettings(model=str(tiny.aligner_native), device="cpu"))
    aligned(made, tiny.clip("order"))
    weights = weakref.ref(next(made._model._model.parameters()))
    made.close()
    gc.collect()
    assert weights() is None
    with pytest.raises(EngineAnswerError, match="closed"):
        aligned(made, tiny.clip("order"))


def test_the_recogniser_is_no_aligner(tiny):
    with pytest.raises(EngineUnavailableError, match="recogniser"):
        Qwen3ForcedAligner(Qwen3AlignerSettings(model=str(tiny.native)))


def call_of(clip, before_ms=2000):
    """A call in which the clip is said after some silence."""
    samples = np.concatenate([np.zeros(before_ms * 16, np.float32), clip.samples])
    end_ms = len(samples) // 16
    length_ms = end_ms - before_ms
    voice = VoiceFacts(
        voiced_ms=length_ms, voiced_ratio=1.0, speech_ms=length_ms, loudness_dbfs=-25.0, loudness_range_db=9.0,
        pitch_hertz=200.0, pitch_range_semitones=3.0, final_pitch_slope=0.0, pause_before_ms=0,
    )  # fmt: skip
    form = RecordingFormat(
        container="wav", codec="pcm_s16le", sample_rate_hertz=16_000, channels=1, duration_ms=end_ms, size_bytes=1,
        sha256="",
    )  # fmt: skip
    span = SpeechSpan(party="left", channel=0, start_ms=before_ms, end_ms=end_ms)
    pcm = np.round(samples * 32768).astype(np.int16)[None]
    return PreparedAudio(format=form, rate_hertz=16_000, pcm=pcm, parties=("left",), spans=(span,), voice=(voice,))


NO_MARGIN = RecognizerOptions(margin_ms=0)


def test_utterances_get_the_aligners_times_and_the_engines_confidence(tiny, engine, aligner):
    clip = tiny.clip("cantonese")
    (utterance,), _ = Recognizer(engine, NO_MARGIN, aligner=aligner).transcribe(call_of(clip))
    assert utterance.text == "我想查下张单。"
    assert utterance.original_text == clip.text
    assert [(c.start_ms - 2000, c.end_ms - 2000) for c in utterance.characters] == [(s, e) for _, s, e in clip.units]
    assert all(c.confidence > 0.9 for c in utterance.characters)
    assert utterance.flags == (Flag.SIMPLIFIED,)
    assert utterance.language == "yue"


class Failing(Aligner):
    identity = property(lambda self: None)
    languages = ("zh", "yue")
    longest_clip_seconds = 180.0

    def align(self, clip, text, language):
        raise EngineAnswerError("out of order")


@pytest.mark.parametrize("helper", [None, Failing()])
def test_without_sound_times_they_are_spread_and_flagged(tiny, engine, helper):
    (utterance,), _ = Recognizer(engine, NO_MARGIN, aligner=helper).transcribe(call_of(tiny.clip("greeting")))
    assert Flag.TIMES_SPREAD in utterance.flags
    assert len(utterance.characters) == 11


def test_the_settings_join_engine_and_aligner(tiny, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = load_settings(
        cache_folder=tmp_path,
        qwen3_local={"model": str(tiny.original), "device": "cpu"},
        aligner={"model": str(tiny.aligner_original), "device": "cpu"},
    )
    engine = open_engine(settings)
    assert engine.identity.name == "qwen3-local"
    aligner = open_aligner(settings, engine)
    assert aligner is not None
    assert aligned(aligner, tiny.clip("order")) == tiny.clip("order").units
    aligner.close()
    engine.close()
    missing = {"model": "Qwen/Qwen3-ForcedAligner-0.6B"}
    monkeypatch.setenv("MODELSCOPE_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    assert open_aligner(load_settings(aligner=missing), engine) is None
    assert open_aligner(load_settings(aligner={"use": "off"}), engine) is None
    with pytest.raises(EngineUnavailableError):
        open_aligner(load_settings(aligner={**missing, "use": "on"}), engine)
    timed = ScriptedEngine([])
    assert timed.capabilities.word_times
    assert open_aligner(replace_use(settings), timed) is None


def replace_use(settings):
    return settings.model_copy(update={"aligner": settings.aligner.model_copy(update={"use": "on"})})


def test_auto_prefers_local_weights_to_the_embedded_engine(tiny):
    assert catalog.choose({"qwen3-local": {"model": str(tiny.native)}}).name == "qwen3-local"
    found = catalog.availability("qwen3-local", {"qwen3-local": {"model": str(tiny.aligner_native)}})
    assert (found.available, "aligner" in found.detail) == (False, True)
