"""What every engine of the catalogue, and every wrapper around one, must keep."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from qingting.errors import EngineError, QingtingError
from qingting.speech.catalog import availability, create, engine_names
from qingting.speech.engine import SAMPLE_RATE_HERTZ, Clip, RecognitionOptions
from qingting.speech.wrappers import CheckedEngine, FallbackEngine, LimitedEngine, MeteredEngine, RetryingEngine


def bare(engine):
    return engine


def wrapped(engine):
    return MeteredEngine(FallbackEngine(RetryingEngine(LimitedEngine(CheckedEngine(engine), concurrent=1)), engine))


@pytest.fixture(scope="module", params=engine_names())
def inner(request, tmp_path_factory):
    sections = {}
    if request.param == "qwen3-local":
        sections["qwen3-local"] = {"model": str(request.getfixturevalue("tiny").native)}
    if not availability(request.param, sections).available:
        pytest.skip(f"{request.param} cannot run here")
    engine = create(request.param, sections=sections, cache=tmp_path_factory.mktemp("cache"))
    yield engine
    engine.close()


@pytest.fixture(params=[bare, wrapped])
def engine(inner, request):
    return request.param(inner)


def silence(seconds: float) -> Clip:
    return Clip(samples=np.zeros(int(seconds * SAMPLE_RATE_HERTZ), np.float32))


def buzz(seconds: float, hertz: float = 140.0) -> Clip:
    time = np.arange(int(seconds * SAMPLE_RATE_HERTZ)) / SAMPLE_RATE_HERTZ
    return Clip(samples=(0.1 * np.sign(np.sin(2 * np.pi * hertz * time))).astype(np.float32))


def test_identity_and_capabilities_are_data(engine):
    identity, capabilities = engine.identity, engine.capabilities
    assert identity.name in engine_names()
    assert identity.model
    assert identity.revision
    assert "zh" in capabilities.languages
    assert capabilities.preferred_batch >= 1
    assert capabilities.longest_clip_seconds >= 28.0


def test_no_clips_no_answers(engine):
    assert engine.transcribe([], RecognitionOptions()) == []


def test_one_answer_per_clip_whatever_its_length(engine):
    clips = [silence(1.0), silence(0.0), silence(0.01), silence(28.0), buzz(0.2)]
    answers = engine.transcribe(clips, RecognitionOptions(language="zh", hot_words=("退款", "订单")))
    assert len(answers) == len(clips)
    assert [answer.text for answer in answers[:4]] == ["", "", "", ""]


def test_answers_keep_the_contract(engine):
    (answer,) = engine.transcribe([buzz(2.0)], RecognitionOptions(language="zh"))
    assert answer.confidence is None or 0.0 <= answer.confidence <= 1.0
    assert all(0 <= word.start_ms <= word.end_ms <= 2000 for word in answer.words)
    assert answer.text == answer.text.strip()


def test_samples_are_left_as_they_are(engine):
    clip = buzz(0.5)
    before = clip.samples.copy()
    engine.transcribe([clip], RecognitionOptions(language="zh"))
    assert np.array_equal(clip.samples, before)


def test_clips_that_are_too_long_are_refused(engine):
    with pytest.raises(EngineError):
        engine.transcribe([silence(engine.capabilities.longest_clip_seconds + 1)], RecognitionOptions())


def test_unknown_languages_are_refused(inner):
    with pytest.raises(QingtingError):
        inner.transcribe([silence(1.0)], RecognitionOptions(language="xx"))


def test_several_threads_may_ask_at_once(engine):
    with ThreadPoolExecutor(3) as pool:
        results = list(pool.map(lambda _: engine.transcribe([silence(0.5)], RecognitionOptions()), range(6)))
    assert [len(result) for result in results] == [1] * 6
