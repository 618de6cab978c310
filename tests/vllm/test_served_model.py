"""The server engine against a real vLLM on the processor (scripts/test --vllm); see docs/qwen3-vllm-run.md."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from qingting.speech.engine import Clip, RecognitionOptions
from qingting.speech.qwen3_health import look_at
from qingting.speech.qwen3_protocol import Forcing
from qingting.speech.qwen3_server import Qwen3ServerEngine, Qwen3ServerSettings
from qingting.speech.recognizer import Recognizer
from qingting.testing.qwen3_stand_in import recorded

if TYPE_CHECKING:
    from typing import Any

MODEL = "tiny-qwen3-asr"
PLAIN = RecognitionOptions()
CHINESE = RecognitionOptions(language="zh")


def say(line: str) -> None:
    sys.stderr.write(f"  {line}\n")


def shape(value: object) -> object:
    """Names and kinds of a JSON document, first elements of lists."""
    if isinstance(value, dict):
        # A token's bytes may be none: the end mark has no characters.
        return {key: "bytes" if key == "bytes" else shape(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return "number" if isinstance(value, int | float) else type(value).__name__


@pytest.fixture
def engine(server: Any) -> Iterator[Qwen3ServerEngine]:
    made = Qwen3ServerEngine(
        Qwen3ServerSettings(urls=(server.url,), model=MODEL, request_timeout_seconds=120.0, total_timeout_seconds=600.0)
    )
    yield made
    made.close()


@pytest.fixture(scope="module")
def alone(server: Any, call: Any) -> list[str]:
    """What the server answers for every clip when it is asked for nothing else: what batches must give too."""
    one = Qwen3ServerEngine(
        Qwen3ServerSettings(urls=(server.url,), model=MODEL, request_timeout_seconds=120.0, max_in_flight=1)
    )
    texts = [answer.text for answer in one.transcribe(call.clips, PLAIN)]
    one.close()
    learned = sum(text == known for text, known in zip(texts, call.plain_texts, strict=True))
    say(f"asked one by one: {learned} of {len(texts)} clips are answered as the tiny model learned them")
    assert learned >= len(texts) - 2
    assert len(set(texts)) >= len(texts) - 2
    return texts


def test_health_names_the_model(server: Any) -> None:
    (found,) = look_at(Qwen3ServerSettings(urls=(server.url,), model=MODEL))
    say(f"health: {found.detail}")
    assert found.usable
    (other,) = look_at(Qwen3ServerSettings(urls=(server.url,), model="another"))
    assert MODEL in other.detail


def test_a_call_is_transcribed(engine: Qwen3ServerEngine, call: Any, alone: list[str]) -> None:
    utterances, identity = Recognizer(engine).transcribe(call.prepared)
    heard = [utterance.text for utterance in utterances]
    for utterance in utterances:
        say(f"{utterance.start_ms / 1000:6.2f} {utterance.party:5} {utterance.confidence or 0:.3f} {utterance.text}")
    assert identity.name == "qwen3-server"
    assert len(heard) == len(call.texts)
    assert {utterance.language for utterance in utterances} == {"zh"}
    plain = engine.transcribe(call.clips, PLAIN)
    assert [answer.text for answer in plain] == alone


def test_confidence_of_text_and_characters(engine: Qwen3ServerEngine, call: Any) -> None:
    (answer,) = engine.transcribe(call.clips[:1], PLAIN)
    assert answer.confidence is not None
    assert 0.5 < answer.confidence <= 1.0
    assert len(answer.unit_confidences) == sum(character.isalnum() for character in answer.text)
    say(f"confidence {answer.confidence:.3f}, least of a character {min(answer.unit_confidences):.3f}")


def test_hot_words_change_what_is_heard(engine: Qwen3ServerEngine, call: Any) -> None:
    clip = [call.clips[call.hot_word_clip]]
    (plain,) = engine.transcribe(clip, PLAIN)
    (helped,) = engine.transcribe(clip, RecognitionOptions(hot_words=call.hot_words))
    say(f"without hot words: {plain.text}")
    say(f"with hot words:    {helped.text}")
    assert plain.text == call.plain_texts[call.hot_word_clip]
    assert helped.text == call.texts[call.hot_word_clip]
    assert plain.text != helped.text


def test_a_forced_language_brings_text_without_a_label(engine: Qwen3ServerEngine, call: Any, alone: list[str]) -> None:
    answers = engine.transcribe(call.clips, CHINESE)
    say(f"forced through: {engine.servers[0].forcing.name.lower()}")
    assert engine.servers[0].forcing is Forcing.PREFIX
    assert [answer.text for answer in answers] == alone
    assert {answer.language for answer in answers} == {"zh"}


def test_sound_without_speech_gives_no_text(engine: Qwen3ServerEngine) -> None:
    faint = Clip(samples=np.full(32_000, 0.0, np.float32))
    faint.samples[0] = 1e-3
    (answer,) = engine.transcribe([faint], PLAIN)
    assert answer.text == ""


def test_thirty_two_in_flight(engine: Qwen3ServerEngine, call: Any, alone: list[str]) -> None:
    engine.transcribe(call.clips[:1], PLAIN)
    numbers = [n % len(call.clips) for n in range(96)]
    started = time.perf_counter()
    answers = engine.transcribe([call.clips[n] for n in numbers], PLAIN)
    wall = time.perf_counter() - started
    seconds = sum(call.clips[n].seconds for n in numbers)
    say(f"96 utterances, 32 in flight: {wall:.1f} s for {seconds:.0f} s of audio")
    assert [answer.text for answer in answers] == [alone[n] for n in numbers]
    assert engine.servers[0].answered == 97


def test_real_answers_have_the_recorded_form(server: Any, call: Any) -> None:
    from_server = call.record(server.url)
    known = recorded()
    for name in ("no_speech", "truncated", "unknown_model", "prefix_refused", "too_many_tokens", "template_prefix"):
        assert shape(from_server[name]) == shape(known[name]), name
    assert shape(from_server["calls"]) == shape(known["calls"])
    assert from_server["prefix_refused"]["error"]["code"] == 400
    target = os.environ.get("VLLM_TEST_RECORD")
    if target:
        content = json.dumps(from_server, ensure_ascii=False, separators=(",", ":"))
        Path(target).write_text(content, encoding="utf-8")


def test_killed_and_started_again_nothing_is_lost_or_doubled(
    engine: Qwen3ServerEngine, server: Any, call: Any, alone: list[str]
) -> None:
    """Last of all: kill -9 with 32 requests in flight, then a new start."""
    numbers = [n % len(call.clips) for n in range(1200)]
    clips = [call.clips[n] for n in numbers]
    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(engine.transcribe, clips, PLAIN)
        while not engine.servers or engine.servers[0].answered < 100 or engine.servers[0].in_flight < 32:
            time.sleep(0.002)
            assert not working.done()
        before = engine.servers[0]
        server.kill()
        time.sleep(1.0)
        down = engine.servers[0]
        server.start()
        took = server.wait()
        answers = working.result(timeout=600)
    after = engine.servers[0]
    say(f"killed after {before.answered} answers with {before.in_flight} in flight; breaker then {down.state.value}")
    say(f"answered again after {took:.0f} s; {after.answered} answers, {after.failed} failed requests asked again")
    assert before.in_flight > 0
    assert after.failed > 0
    assert [answer.text for answer in answers] == [alone[n] for n in numbers]
    assert all(answer.flags == () for answer in answers)
    assert after.answered == len(numbers)
