"""The served aligner against a real vLLM on the processor (scripts/test --vllm), compared with the one in process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from qingting.errors import EngineAnswerError
from qingting.speech.aligner import words_to_align
from qingting.speech.aligner_server import ServedAlignerSettings, ServedForcedAligner
from qingting.speech.qwen3_health import look_at

sys.path.insert(0, str(Path(__file__).parent))
import local_times

ROOT = Path(__file__).parents[2]
MODEL = "tiny-qwen3-asr"
QUESTIONS = tuple(local_times.questions())


def options(checkpoint: Path) -> list[str]:
    """As docs/how-to/qwen3-server.md shows, with the tiny tokenizer's number of `<timestamp>`."""
    slot = json.loads((checkpoint / "config.json").read_text(encoding="utf-8"))["timestamp_token_id"]
    architecture = {"architectures": ["Qwen3ASRForcedAlignerForTokenClassification"]}
    pooling = {"tok_pooling_type": "STEP", "step_tag_id": slot}
    chosen = ["--runner", "pooling", "--hf-overrides", json.dumps(architecture), "--pooler-config", json.dumps(pooling)]
    return [*chosen, "--max-model-len", "8192", "--max-num-batched-tokens", "8192"]


@pytest.fixture(scope="module")
def local() -> Any:
    """What the aligner in process gives for the same questions."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    command = [os.environ["VLLM_TEST_PYTHON"], str(Path(local_times.__file__)), str(ROOT / ".cache")]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=900, env=environment)
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def settings(local: Any, make_server: Any) -> Iterator[ServedAlignerSettings]:
    checkpoint = Path(local["checkpoint"])
    running = make_server(checkpoint, options(checkpoint))
    running.start()
    try:
        sys.stderr.write(f"\nvLLM answers after {running.wait():.0f} s\n")
        yield ServedAlignerSettings(
            urls=(running.url,), model=MODEL, request_timeout_seconds=120.0, total_timeout_seconds=300.0
        )
    finally:
        running.kill()


@pytest.fixture
def aligner(settings: ServedAlignerSettings) -> Iterator[ServedForcedAligner]:
    made = ServedForcedAligner(settings)
    yield made
    made.close()


def test_health_names_the_aligner(settings: ServedAlignerSettings) -> None:
    (found,) = look_at(settings)
    assert (found.usable, found.remedy) == (True, "")


def test_the_times_are_those_of_the_aligner_in_process(aligner: ServedForcedAligner, local: Any) -> None:
    for (clip, text), answer in zip(QUESTIONS, local["answers"], strict=True):
        words = aligner.align(clip, text, "zh")
        assert [[word.text, word.start_ms, word.end_ms] for word in words] == answer["times"]
    assert sum(bool(answer["times"]) for answer in local["answers"]) >= 6


def test_every_slot_is_the_same_and_as_sure(aligner: ServedForcedAligner, local: Any) -> None:
    differences = []
    count = 0
    for (clip, text), answer in zip(QUESTIONS, local["answers"], strict=True):
        served = aligner._opened().slots(clip, words_to_align(text, "zh"))
        assert [slot for slot, _ in served] == [slot for slot, _ in answer["slots"]]
        differences += [abs(here - there) for (_, here), (_, there) in zip(served, answer["slots"], strict=True)]
        count += len(served)
    sys.stderr.write(f"  {count} slots the same; probabilities differ by at most {max(differences):.4f}\n")
    assert max(differences) < 0.002


def test_many_at_once_get_what_each_gets_alone(aligner: ServedForcedAligner, local: Any) -> None:
    numbers = [n % len(QUESTIONS) for n in range(96)]
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda n: aligner.align(*QUESTIONS[n], "zh"), numbers))
    for n, words in zip(numbers, answers, strict=True):
        assert [[word.text, word.start_ms, word.end_ms] for word in words] == local["answers"][n]["times"]


def test_what_does_not_fit_is_refused_in_plain_words(settings: ServedAlignerSettings) -> None:
    wrong_name = ServedForcedAligner(replace(settings, model="another"))
    with pytest.raises(EngineAnswerError) as caught:
        wrong_name.align(*QUESTIONS[0], "zh")
    assert "aligner.model" in caught.value.remedy
    wrong_name.close()
    too_long = ServedForcedAligner(settings)
    with pytest.raises(EngineAnswerError, match="400"):
        too_long.align(QUESTIONS[0][0], "查" * 8000, "zh")
    too_long.close()
