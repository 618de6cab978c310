"""A real vLLM server with a tiny Qwen3-ASR that knows one call by heart; off unless `scripts/test --vllm` runs it.

VLLM_TEST_PYTHON names the interpreter of an environment with vLLM for the processor,
VLLM_TEST_FOLDER (optional) a folder that keeps the tiny checkpoint between runs.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from qingting.audio.front_end import prepare
from qingting.audio.options import AudioOptions
from qingting.model.audio import PreparedAudio
from qingting.speech.engine import Clip
from qingting.speech.qwen3_protocol import to_wave
from qingting.speech.qwen3_server import Qwen3ServerEngine, Qwen3ServerSettings
from qingting.speech.recognizer import Recognizer

sys.path.insert(0, str(Path(__file__).parent))
import record

ROOT = Path(__file__).parents[2]
MAKER = Path(__file__).parent / "make_checkpoint.py"
CALL = "refund_late_answer"
MODEL = "tiny-qwen3-asr"
START_SECONDS = 600
HOT_WORD_CLIP = 3
"""Clip of the call that the model hears wrongly without the hot words."""
HOT_WORDS = ("电饭煲", "退款")
MISHEARD = ("电饭煲", "电饭包")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if "VLLM_TEST_PYTHON" not in os.environ:
        for item in items:
            if Path(__file__).parent in item.path.parents:
                item.add_marker(pytest.mark.skip(reason="needs a vLLM environment: scripts/test --vllm"))


@dataclass(frozen=True, kw_only=True)
class KnownCall:
    """The bundled call, its clips as the recogniser cuts them, and what the tiny model knows of each."""

    prepared: PreparedAudio
    clips: tuple[Clip, ...]
    texts: tuple[str, ...]
    """What was said, as the model hears it with the hot words."""
    plain_texts: tuple[str, ...]
    """What it hears without them."""
    hot_word_clip: int = HOT_WORD_CLIP
    hot_words: tuple[str, ...] = HOT_WORDS

    def record(self, url: str) -> dict[str, Any]:
        """Real answers of a server, in the form of the stand-in's file."""
        return record.answers_of(url, self.clips, self.hot_word_clip, self.hot_words)


def known_call() -> KnownCall:
    folder = ROOT / "demo" / "calls"
    turns = yaml.safe_load((folder / f"{CALL}.yaml").read_text(encoding="utf-8"))["turns"]
    times = json.loads((folder / f"{CALL}.times.json").read_text(encoding="utf-8"))["turns"]
    prepared = prepare(folder / f"{CALL}.mp3", AudioOptions())
    texts = []
    for span in prepared.spans:
        middle = (span.start_ms + span.end_ms) / 2
        index = min(range(len(times)), key=lambda n: max(times[n]["start_ms"] - middle, middle - times[n]["end_ms"], 0))
        start, end, words = times[index]["start_ms"], times[index]["end_ms"], turns[index]["text"]
        first, last = ((at - start) / (end - start) * len(words) for at in (span.start_ms, span.end_ms))
        texts.append(words[max(0, round(first)) : max(1, round(last))])
    engine = Qwen3ServerEngine(Qwen3ServerSettings(urls=("http://127.0.0.1:9",)))
    return KnownCall(
        prepared=prepared,
        clips=tuple(Recognizer(engine).clips(prepared)),
        texts=tuple(texts),
        plain_texts=tuple(text.replace(*MISHEARD) if n == HOT_WORD_CLIP else text for n, text in enumerate(texts)),
    )


def write_pairs(call: KnownCall, folder: Path) -> Path:
    """JSON lines of what the tiny model shall know: every clip plain, one also with hot words, and silence."""
    folder.mkdir(parents=True, exist_ok=True)
    silence = Clip(samples=np.zeros(32_000, np.float32))
    known = [*zip(call.clips, call.plain_texts, [()] * len(call.clips), strict=True)]
    known.append((call.clips[HOT_WORD_CLIP], call.texts[HOT_WORD_CLIP], HOT_WORDS))
    known.append((silence, "", ()))
    rows = []
    for index, (clip, text, hot_words) in enumerate(known):
        audio = folder / f"{index:02d}.wav"
        audio.write_bytes(to_wave(clip.samples))
        label = "Chinese" if text else "None"
        rows.append({"audio": str(audio), "language": label, "text": text, "hot_words": hot_words})
    pairs = folder / "pairs.jsonl"
    pairs.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return pairs


class VllmServer:
    """`vllm serve` as a process group of its own on a free loopback port."""

    def __init__(self, python: Path, checkpoint: Path, log: Path, options: Sequence[str] = ()) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.python, self.checkpoint, self.log = python, checkpoint, log
        self.options = options
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [str(self.python.parent / "vllm"), "serve", str(self.checkpoint), "--served-model-name", MODEL]
        command += ["--host", "127.0.0.1", "--port", str(self.port), "--dtype", "float32", "--enforce-eager"]
        command += ["--max-model-len", "4096", "--max-num-seqs", "32", "--limit-mm-per-prompt", '{"audio": 1}']
        command += ["--trust-request-chat-template", *self.options]
        environment = {
            **os.environ,
            "VLLM_CPU_KVCACHE_SPACE": "1",
            "OMP_NUM_THREADS": "2",
            "VLLM_NO_USAGE_STATS": "1",
            "HF_HUB_OFFLINE": "1",
            "PATH": f"{self.python.parent}{os.pathsep}{os.environ['PATH']}",
        }
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, env=environment, start_new_session=True, cwd=self.log.parent
            )

    def wait(self, seconds: float = START_SECONDS) -> float:
        """Wait until it answers; gives the seconds it took."""
        started = time.monotonic()
        while time.monotonic() - started < seconds:
            assert self.process is not None
            assert self.process.poll() is None, f"vLLM ended; see {self.log}"
            try:
                with urllib.request.urlopen(f"{self.url}/health", timeout=5):
                    return time.monotonic() - started
            except (urllib.error.URLError, OSError):
                time.sleep(1)
        raise AssertionError(f"vLLM did not start within {seconds:g} s; see {self.log}")

    def kill(self) -> None:
        """kill -9 of the server and its workers."""
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


@pytest.fixture(scope="session")
def call() -> KnownCall:
    return known_call()


@pytest.fixture(scope="session")
def checkpoint(call: KnownCall, tmp_path_factory: pytest.TempPathFactory) -> Path:
    kept = os.environ.get("VLLM_TEST_FOLDER")
    folder = Path(kept) if kept else tmp_path_factory.mktemp("checkpoint")
    ready = folder / "asr"
    if not (ready / "model.safetensors").is_file():
        pairs = write_pairs(call, folder / "pairs")
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
        command = [os.environ["VLLM_TEST_PYTHON"], str(MAKER), str(pairs), str(folder)]
        subprocess.run(command, check=True, stdout=sys.stderr, timeout=1800, env=environment)
    return ready


@pytest.fixture(scope="session")
def make_server(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path, Sequence[str]], VllmServer]:
    """Makes servers for other checkpoints and options, not started yet."""

    def make(checkpoint: Path, options: Sequence[str]) -> VllmServer:
        log = tmp_path_factory.mktemp("vllm") / "server.log"
        return VllmServer(Path(os.environ["VLLM_TEST_PYTHON"]), checkpoint, log, options)

    return make


@pytest.fixture(scope="session")
def server(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[VllmServer]:
    running = VllmServer(
        Path(os.environ["VLLM_TEST_PYTHON"]), checkpoint, tmp_path_factory.mktemp("vllm") / "server.log"
    )
    running.start()
    try:
        sys.stderr.write(f"\nvLLM answers after {running.wait():.0f} s\n")
        yield running
    finally:
        running.kill()
