"""The in-process Qwen3-ASR, with the tiny checkpoint: the real formats, the real classes, memorised answers."""

import gc
import json
import shutil
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from qingting.errors import EngineAnswerError, EngineUnavailableError, SettingsError
from qingting.model.transcript import Flag
from qingting.speech import qwen3_local
from qingting.speech.engine import Clip, RecognitionOptions
from qingting.speech.qwen3_local import Qwen3LocalEngine, Qwen3LocalSettings
from qingting.speech.qwen3_prompt import language_code
from qingting.testing import check_engine

ANY = RecognitionOptions()


def engine_of(folder, **settings):
    return Qwen3LocalEngine(Qwen3LocalSettings(model=str(folder), device="cpu", **settings))


@pytest.fixture(scope="module")
def engine(tiny):
    made = engine_of(tiny.native)
    yield made
    made.close()


def known(tiny):
    return [clip for clip in tiny.clips if not clip.hot_words]


def heard(clips):
    return [Clip(samples=clip.samples) for clip in clips]


@pytest.mark.parametrize("layout", ["native", "original"])
def test_both_layouts_give_the_same_answers(tiny, layout):
    engine = engine_of(getattr(tiny, layout))
    answers = engine.transcribe(heard(known(tiny)), ANY)
    assert [(a.text, a.language) for a in answers] == [(c.text, language_code(c.language)) for c in known(tiny)]
    spoken = [answer for answer in answers if answer.text]
    assert all(0.9 < answer.confidence <= 1.0 for answer in spoken)
    for answer in spoken:
        words = len(answer.text.split()) if answer.language == "en" else sum(c.isalnum() for c in answer.text)
        assert len(answer.unit_confidences) == words
    engine.close()


def test_the_contract_holds(engine, tiny):
    check_engine(engine, speech=heard([tiny.clip("greeting"), tiny.clip("english"), tiny.clip("cantonese")]))


def test_a_batch_of_mixed_lengths_answers_like_single_clips(engine, tiny):
    """Fault: with padded batches the shorter answers came out as `!`."""
    clips = []
    for cut in (0, 1500, 3100):
        clips += [Clip(samples=clip.samples[cut:]) for clip in known(tiny)]
    together = engine.transcribe(clips, ANY)
    alone = [engine.transcribe([clip], ANY)[0] for clip in clips]
    assert [(a.text, a.language, a.flags) for a in together] == [(a.text, a.language, a.flags) for a in alone]
    assert len({answer.text for answer in together}) >= 5
    for one, other in zip(together, alone, strict=True):
        assert one.confidence == pytest.approx(other.confidence, abs=1e-4)


def test_unequal_clips_never_share_a_batch(engine):
    model = engine._loaded()
    with pytest.raises(EngineAnswerError, match="unequal"):
        model.write([np.ones(16_000, np.float32), np.ones(32_000, np.float32)], context="", prefix="", limit_tokens=5)


def test_hot_words_go_into_the_system_turn(engine, tiny):
    clip = Clip(samples=tiny.clip("corrected").samples)
    assert engine.transcribe([clip], ANY)[0].text == "我要退宽。"
    options = RecognitionOptions(hot_words=tiny.clip("corrected").hot_words)
    assert engine.transcribe([clip], options)[0].text == "我要退款。"


def test_a_forced_language_is_the_answers_language(engine, tiny):
    (answer,) = engine.transcribe([Clip(samples=tiny.clip("cantonese").samples)], RecognitionOptions(language="yue"))
    assert (answer.text, answer.language) == (tiny.clip("cantonese").text, "yue")


def test_noise_without_speech_is_no_text(engine, tiny):
    (answer,) = engine.transcribe([Clip(samples=tiny.clip("noise").samples)], ANY)
    assert (answer.text, answer.language, answer.flags) == ("", "", ())


def test_the_token_limit_is_flagged(engine, tiny, monkeypatch):
    monkeypatch.setattr(qwen3_local, "token_limit", lambda _: 12)
    (answer,) = engine.transcribe([Clip(samples=tiny.clip("greeting").samples)], ANY)
    assert Flag.TRUNCATED in answer.flags
    assert tiny.clip("greeting").text.startswith(answer.text)
    assert answer.text


def test_threads_get_their_own_answers(engine, tiny):
    clips = heard(known(tiny)) * 2
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda clip: engine.transcribe([clip], ANY)[0].text, clips))
    assert answers == [clip.text for clip in known(tiny)] * 2


def test_closing_frees_the_weights(tiny):
    engine = engine_of(tiny.native)
    engine.warm_up()
    weights = weakref.ref(next(engine._model._model.parameters()))
    assert weights() is not None
    engine.close()
    gc.collect()
    assert weights() is None


def test_results_that_are_no_numbers_are_an_error(tiny):
    """Fault: float16 overflow made every token `!`."""
    engine = engine_of(tiny.native)
    engine.warm_up()
    engine._model._model.lm_head.weight.data.fill_(float("nan"))
    with pytest.raises(EngineAnswerError, match="no numbers") as caught:
        engine.transcribe([Clip(samples=tiny.clip("greeting").samples)], ANY)
    assert "float32" in caught.value.remedy
    engine.close()


def test_lower_precision_on_request(tiny):
    engine = engine_of(tiny.native, dtype="bfloat16")
    assert engine.transcribe([Clip(samples=tiny.clip("order").samples)], ANY)[0].text == tiny.clip("order").text
    assert str(engine._model._model.dtype) == "torch.bfloat16"
    engine.close()


def test_a_device_that_is_not_there_is_a_wrong_setting(tiny):
    engine = Qwen3LocalEngine(Qwen3LocalSettings(model=str(tiny.native), device="cuda:7"))
    with pytest.raises(SettingsError, match="GPU"):
        engine.warm_up()


def test_the_identity_names_the_files_that_answered(tiny, engine):
    assert engine.identity.name == "qwen3-local"
    assert engine.identity.model == tiny.native.name
    assert engine.identity.revision != engine_of(tiny.original).identity.revision


@pytest.fixture
def copy(tiny, tmp_path):
    return shutil.copytree(tiny.native, tmp_path / "copy")


def test_weights_cut_short_are_found_before_loading(copy):
    path = copy / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(EngineUnavailableError, match="not wholly downloaded"):
        engine_of(copy)


def test_weights_that_do_not_fit_are_refused(copy):
    config = json.loads((copy / "config.json").read_text())
    config["text_config"]["num_hidden_layers"] += 1
    config["text_config"].pop("layer_types", None)
    (copy / "config.json").write_text(json.dumps(config))
    with pytest.raises(EngineUnavailableError, match=r"loaded|fit"):
        engine_of(copy).warm_up()


def test_the_aligner_is_no_recogniser(tiny):
    with pytest.raises(EngineUnavailableError, match="aligner"):
        engine_of(tiny.aligner_native)
