"""The real embedded engine on a few seconds of the bundled calls."""

import json
import os
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from qingting.audio.front_end import prepare
from qingting.errors import EngineError
from qingting.model.transcript import Flag
from qingting.speech import _weights
from qingting.speech.catalog import availability
from qingting.speech.embedded import EmbeddedEngine, EmbeddedSettings
from qingting.speech.engine import Clip, RecognitionOptions
from qingting.speech.evaluation.cer import corpus_errors
from qingting.speech.recognizer import Recognizer

CALLS = Path(__file__).parents[3] / "demo" / "calls"
pytestmark = pytest.mark.skipif(not availability("embedded").available, reason="the embedded extra is not installed")

CALL = "ecommerce_faultless"
TURNS = 2
"""The agent's greeting and the customer's wish to be refunded."""


@pytest.fixture(scope="module")
def script():
    return yaml.safe_load((CALLS / f"{CALL}.yaml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def said(script):
    """What each party says in these turns, as spoken."""
    agent = script["audio"]["agent_channel"]
    party = {"agent": agent, "customer": {"left": "right", "right": "left"}[agent]}
    return {party[turn["role"]]: turn.get("spoken", turn["text"]) for turn in script["turns"][:TURNS]}


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def engine(cache):
    engine = EmbeddedEngine(cache=cache)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def beginning(script):
    """The call up to the end of these turns."""
    times = json.loads((CALLS / f"{CALL}.times.json").read_text(encoding="utf-8"))["turns"]
    border = (times[TURNS - 1]["end_ms"] + times[TURNS]["start_ms"]) // 2
    audio = prepare(CALLS / script["audio"]["file"])
    keep = [i for i, span in enumerate(audio.spans) if span.start_ms < border]
    return replace(audio, spans=tuple(audio.spans[i] for i in keep), voice=tuple(audio.voice[i] for i in keep))


@pytest.fixture(scope="module")
def utterances(engine, beginning):
    return Recognizer(engine).transcribe(beginning)[0]


def test_a_call_becomes_text_of_the_right_party(utterances, said):
    heard = {party: "".join(u.text for u in utterances if u.party == party) for party in said}
    left, right = said
    assert corpus_errors([(heard[party], said[party]) for party in said]).rate < 0.35
    assert corpus_errors([(heard[left], said[right]), (heard[right], said[left])]).rate > 0.6


def test_utterances_have_sound_times_and_no_flags(utterances):
    for utterance in utterances:
        times = [(c.start_ms, c.end_ms) for c in utterance.characters]
        assert all(utterance.start_ms <= start < end <= utterance.end_ms for start, end in times)
        assert times == sorted(times)
        assert utterance.language == "zh"
        assert not any(flag.doubtful for flag in utterance.flags)
        assert Flag.TIMES_SPREAD not in utterance.flags
        assert 0.3 < utterance.confidence <= 1.0


def test_packing_and_company_change_little(engine, beginning):
    alone = [Recognizer(engine).transcribe(replace(beginning, spans=(s,), voice=(v,)))[0] for s, v in pairs(beginning)]
    together = Recognizer(engine).transcribe(beginning)[0]
    texts = [("".join(u.text for u in one), two.text) for one, two in zip(alone, together, strict=True)]
    assert corpus_errors(texts).rate < 0.35


def pairs(audio):
    return zip(audio.spans, audio.voice, strict=True)


def test_threads_get_the_same_answer(engine, beginning):
    recognizer = Recognizer(engine)
    one = replace(beginning, spans=beginning.spans[:1], voice=beginning.voice[:1])
    with ThreadPoolExecutor(2) as pool:
        texts = list(pool.map(lambda _: recognizer.transcribe(one)[0][0].text, range(3)))
    assert len(set(texts)) == 1


def test_nothing_is_asked_of_a_network(cache, monkeypatch):
    def refuse(*_args, **_kwargs):
        pytest.fail("the engine opened a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    engine = EmbeddedEngine(cache=cache)
    engine.warm_up()
    engine.close()


def test_noise_is_decoded_again_but_ends(engine):
    noise = np.random.default_rng(3).normal(0, 0.1, 16_000 * 6).astype(np.float32)
    (answer,) = engine.transcribe([Clip(samples=noise)], RecognitionOptions(language="zh"))
    assert len(answer.text) < 150


def test_a_closed_engine_says_so(cache):
    engine = EmbeddedEngine(cache=cache, settings=EmbeddedSettings(beam=1))
    engine.close()
    with pytest.raises(EngineError, match="closed"):
        engine.transcribe([Clip(samples=np.ones(16_000, np.float32) * 0.1)], RecognitionOptions())


def test_two_processes_join_the_weights_at_once(tmp_path):
    code = (
        "import sys, pathlib; from qingting.speech._weights import *; print(prepare_weights(pathlib.Path(sys.argv[1])))"
    )
    running = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path)], env={**os.environ}, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    outputs = {process.communicate(timeout=60)[0].strip() for process in running}
    assert [process.returncode for process in running] == [0, 0]
    (folder,) = outputs
    assert _weights._sha256(Path(folder) / "model.bin") == _weights.MODEL_SHA256
    assert not list(Path(folder).glob("*.part"))
