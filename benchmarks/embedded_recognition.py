"""Error rate and cost of the embedded engine beside faster-whisper called directly.

    OMP_NUM_THREADS=1 python benchmarks/embedded_recognition.py FOLDER [--calls demo/calls] [--json]

FOLDER holds audio files and `manifest.jsonl` with lines {"audio": name, "text": reference}.
Every row decodes the same files in the same run on one thread; cost is processor time
(all threads of the process) over audio time, loading of models left out. The calls are prepared once by the audio
stage; their reference is the script of each channel.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import yaml

from qingting.audio.front_end import prepare
from qingting.model.audio import PreparedAudio
from qingting.model.transcript import Flag
from qingting.speech import _weights
from qingting.speech.embedded import EmbeddedEngine, EmbeddedSettings
from qingting.speech.engine import Clip, RecognitionOptions, SpeechEngine
from qingting.speech.evaluation.cer import Errors, add, character_errors
from qingting.speech.guards import find_loops
from qingting.speech.recognizer import Recognizer

Transcriber = Callable[[Sequence[np.ndarray]], list[str]]


def main() -> None:
    """Run every row and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder with audio and manifest.jsonl")
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    parser.add_argument("--calls", type=Path, help="folder with recordings and their scripts (*.yaml)")
    parser.add_argument("--limit", type=int, default=0, help="use only so many clips")
    parser.add_argument("--cache", type=Path, default=_weights.default_cache_folder())
    arguments = parser.parse_args()
    weights = _weights.prepare_weights(arguments.cache)
    engine = EmbeddedEngine(cache=arguments.cache, settings=EmbeddedSettings(threads=1))
    engine.warm_up()
    direct = _direct(weights)
    rows = clip_rows(arguments.folder, engine, direct, arguments.limit)
    if arguments.calls:
        rows += call_rows(arguments.calls, engine, direct)
    rows.append(nobody_row(engine, direct))
    machine = f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, one thread"
    if arguments.json:
        print(json.dumps({"machine": machine, "rows": rows}, ensure_ascii=False, indent=1))
        return
    for line in table(rows):
        print(line)
    print(f"\n{machine}")


def _direct(weights: Path) -> Any:
    from faster_whisper import WhisperModel

    return WhisperModel(str(weights), device="cpu", compute_type="int8", cpu_threads=1, local_files_only=True)


def clip_rows(folder: Path, engine: SpeechEngine, direct: Any, limit: int) -> list[dict[str, Any]]:
    """Each clip of the manifest against its reference."""
    entries = [json.loads(line) for line in (folder / "manifest.jsonl").read_text(encoding="utf-8").splitlines()]
    entries = entries[:limit] if limit else entries
    clips = [_whole(prepare(folder / entry["audio"])) for entry in entries]
    references = [entry["text"] for entry in entries]
    ways: list[tuple[str, Transcriber]] = [
        ("embedded", lambda c: _embedded(engine, c, None)),
        ("embedded, language=zh", lambda c: _embedded(engine, c, "zh")),
        ("faster-whisper, defaults", lambda c: [_transcribe(direct, x) for x in c]),
        ("faster-whisper, defaults, language=zh", lambda c: [_transcribe(direct, x, language="zh") for x in c]),
        (
            "faster-whisper, zh, beam 5, vad_filter",
            lambda c: [_transcribe(direct, x, language="zh", vad_filter=True) for x in c],
        ),
    ]
    return [_row(f"{len(clips)} clips", name, way, clips, references) for name, way in ways]


def call_rows(folder: Path, engine: SpeechEngine, direct: Any) -> list[dict[str, Any]]:
    """Each party's channel of the two-channel calls against its side of the script."""
    calls = list(_calls(folder))
    channels: list[np.ndarray] = []
    references: list[str] = []
    for prepared, script in calls:
        for row, role in enumerate(_roles(script)):
            channels.append(_at_16_khz(prepared.pcm[row], prepared.rate_hertz))
            references.append(
                "".join(turn.get("spoken", turn["text"]) for turn in script["turns"] if turn["role"] == role)
            )
    flags: list[Flag] = []

    def through_the_stage(_: Sequence[np.ndarray]) -> list[str]:
        texts = []
        for prepared, _script in calls:
            utterances, _identity = Recognizer(engine).transcribe(prepared)
            flags.extend(flag for utterance in utterances for flag in utterance.flags)
            texts += ["".join(u.text for u in utterances if u.party == party) for party in prepared.parties]
        return texts

    def with_vad(audio: Sequence[np.ndarray]) -> list[str]:
        return [_transcribe(direct, samples, language="zh", vad_filter=True) for samples in audio]

    label = f"{len(calls)} calls, {len(channels)} channels"
    rows = [
        _row(label, "embedded, voice activity and guards", through_the_stage, channels, references),
        _row(label, "faster-whisper, defaults", lambda c: [_transcribe(direct, x) for x in c], channels, references),
        _row(label, "faster-whisper, zh, vad_filter", with_vad, channels, references),
    ]
    rows[0]["flags"] = {flag.value: flags.count(flag) for flag in dict.fromkeys(flags)}
    return rows


def nobody_row(engine: SpeechEngine, direct: Any) -> dict[str, Any]:
    """Sounds nobody speaks in: how many yield text, through the whole stage and directly."""
    sounds = dict(nobody_speaks())
    through, straight = [], []
    for name, sound in sounds.items():
        prepared = prepare(_wav(sound))
        utterances, _ = Recognizer(engine).transcribe(prepared)
        through += [name] if any(u.text for u in utterances) else []
        straight += [name] if _transcribe(direct, sound, language="zh").strip() else []
    return {
        "set": f"{len(sounds)} sounds without speech",
        "way": "text invented in",
        "embedded": through,
        "direct": straight,
    }


def nobody_speaks() -> Iterator[tuple[str, np.ndarray]]:
    """Silence, hiss, hum, ring-back, dial tones and a melody, 10 s each at 16 kHz."""
    time_s = np.arange(160_000) / 16_000
    generator = np.random.default_rng(7)
    yield "silence", np.zeros(160_000, np.float32)
    yield "hiss", (0.003 * generator.standard_normal(160_000)).astype(np.float32)
    yield "hum", (0.05 * np.sin(2 * np.pi * 50 * time_s)).astype(np.float32)
    yield "ring-back", (0.2 * np.sin(2 * np.pi * 450 * time_s) * (time_s % 5 < 1)).astype(np.float32)
    keys = 0.1 * (np.sin(2 * np.pi * 770 * time_s) + np.sin(2 * np.pi * 1336 * time_s)) * (time_s % 0.5 < 0.1)
    yield "keys", keys.astype(np.float32)
    notes = 220 * 2 ** (np.array([0, 4, 7, 12, 7, 4, 5, 9, 12, 9])[(time_s * 2).astype(int) % 10] / 12)
    phase = 2 * np.pi * np.cumsum(notes) / 16_000
    melody = sum(0.1 / k * np.sin(k * phase) for k in (1, 2, 3)) * np.exp(-3 * (time_s * 2 % 1))
    yield "melody", np.asarray(melody, np.float32)


def _row(
    data: str, name: str, way: Transcriber, clips: Sequence[np.ndarray], references: Sequence[str]
) -> dict[str, Any]:
    seconds = sum(len(clip) for clip in clips) / 16_000
    started = time.process_time()
    texts = way(clips)
    spent = time.process_time() - started
    print(f"… {data}: {name}", file=sys.stderr)
    parts = [character_errors(text, reference) for text, reference in zip(texts, references, strict=True)]
    return {
        "set": data,
        "way": name,
        "cer_percent": round(100 * add(parts).rate, 2),
        "interval_percent": [round(100 * value, 1) for value in _interval(parts)],
        "cpu_seconds_per_audio_second": round(spent / seconds, 4),
        "insertion_runs": add(parts).insertion_runs,
        "texts_with_loops": sum(bool(find_loops(text)) for text in texts),
        "audio_seconds": round(seconds, 1),
    }


def _interval(parts: Sequence[Errors]) -> tuple[float, float]:
    """95 % interval of the corpus rate by resampling files."""
    generator = np.random.default_rng(1)
    errors, sizes = np.array([p.total for p in parts]), np.array([p.reference for p in parts])
    picks = generator.integers(0, len(parts), (2000, len(parts)))
    rates = errors[picks].sum(axis=1) / np.maximum(1, sizes[picks].sum(axis=1))
    return float(np.percentile(rates, 2.5)), float(np.percentile(rates, 97.5))


def _embedded(engine: SpeechEngine, clips: Sequence[np.ndarray], language: str | None) -> list[str]:
    answers = engine.transcribe([Clip(samples=clip) for clip in clips], RecognitionOptions(language=language))
    return [answer.text for answer in answers]


def _transcribe(direct: Any, samples: np.ndarray, **options: Any) -> str:
    segments, _ = direct.transcribe(samples, **options)
    return "".join(segment.text for segment in segments)


def _calls(folder: Path) -> Iterator[tuple[PreparedAudio, dict[str, Any]]]:
    for path in sorted(folder.glob("*.yaml")):
        script = yaml.safe_load(path.read_text(encoding="utf-8"))
        if script["audio"]["channels"] == 2:
            yield prepare(folder / script["audio"]["file"]), script


def _roles(script: dict[str, Any]) -> Iterable[str]:
    agent_left = script["audio"]["agent_channel"] == "left"
    return ("agent", "customer") if agent_left else ("customer", "agent")


def _whole(prepared: PreparedAudio) -> np.ndarray:
    return _at_16_khz(prepared.pcm[0], prepared.rate_hertz)


def _at_16_khz(pcm: np.ndarray, rate_hertz: int) -> np.ndarray:
    samples = pcm.astype(np.float32) / 32768.0
    if rate_hertz == 16_000:
        return samples
    import soxr

    return soxr.resample(samples, rate_hertz, 16_000).astype(np.float32)


def _wav(samples: np.ndarray) -> bytes:
    import io
    import wave

    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(16_000)
        out.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return buffer.getvalue()


def table(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Rows as Markdown."""
    yield "| data | way | CER % | 95 % interval | CPU-s per audio-s | insertion runs | looped texts |"
    yield "|---|---|---|---|---|---|---|"
    for row in rows:
        if "cer_percent" in row:
            low, high = row["interval_percent"]
            yield (
                f"| {row['set']} | {row['way']} | {row['cer_percent']} | {low} to {high} "
                f"| {row['cpu_seconds_per_audio_second']} | {row['insertion_runs']} | {row['texts_with_loops']} |"
            )
        else:
            counts = f"embedded {len(row['embedded'])}, direct {len(row['direct'])}"
            yield f"| {row['set']} | {row['way']}: {counts} | | | | | |"
    for row in rows:
        if "flags" in row:
            counted = re.sub(r"[{}']", "", str(row["flags"]))
            yield f"\nFlags in {row['set']}: {counted or 'none'}"


if __name__ == "__main__":
    main()
