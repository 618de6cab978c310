"""Recognition error and cost with noise reduction off and light, in clean speech and in added noise.

    OMP_NUM_THREADS=1 python benchmarks/noise_reduction.py FOLDER [--limit 20] [--json]

FOLDER holds audio files and `manifest.jsonl` with lines {"audio": name, "text": reference}.
Noise is added at the given ratio of speech to noise, with the clips in a row and 0.5 s between them, as noise
reduction would meet them in a recording; the clips are then cut out again and recognised by the embedded engine.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from qingting.audio.denoise import reduce_noise
from qingting.audio.front_end import prepare
from qingting.audio.options import AudioOptions, NoiseReduction
from qingting.speech.embedded import EmbeddedEngine
from qingting.speech.engine import SAMPLE_RATE_HERTZ, Clip, RecognitionOptions
from qingting.speech.evaluation.cer import corpus_errors

_GAP = SAMPLE_RATE_HERTZ // 2
_CONDITIONS = (("clean", 0), ("white", 10), ("white", 5), ("hum", 10), ("hum", 5), ("babble", 10), ("babble", 5))
_HUM_HERTZ = 50.05


def main() -> None:
    """Run every condition and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder with audio and manifest.jsonl")
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    parser.add_argument("--limit", type=int, default=20, help="clips recognised; others make the babble")
    arguments = parser.parse_args()
    entries = [json.loads(line) for line in (arguments.folder / "manifest.jsonl").read_text("utf-8").splitlines()]
    step = max(1, len(entries) // arguments.limit)
    wanted = entries[::step][: arguments.limit]
    clips = [_samples(arguments.folder / entry["audio"]) for entry in wanted]
    others = [_samples(arguments.folder / e["audio"]) for e in entries if e not in wanted] or clips
    engine = EmbeddedEngine()
    rows = []
    table = sys.stderr if arguments.json else sys.stdout
    print(f"{'noise':8} {'SNR dB':>6} {'level':6} {'CER %':>6} {'x real time per core':>21}", file=table)
    for noise, ratio_db in _CONDITIONS:
        for level in NoiseReduction:
            row = _row(engine, clips, others, [e["text"] for e in wanted], noise, ratio_db, level)
            rows.append(row)
            speed = f"{row['times_real_time']:.0f}" if level is not NoiseReduction.OFF else "-"
            print(
                f"{noise:8} {ratio_db or '-':>6} {level.value:6} {100 * row['cer']:6.1f} {speed:>21}",
                file=table,
                flush=True,
            )
    if arguments.json:
        print(json.dumps(rows, indent=1))


def _samples(path: Path) -> np.ndarray:
    prepared = prepare(path, AudioOptions(separate_speakers=False))
    if prepared.rate_hertz != SAMPLE_RATE_HERTZ:
        raise SystemExit(f"clips must have {SAMPLE_RATE_HERTZ} Hz")
    return prepared.pcm[0].astype(np.float64)


def _row(
    engine: EmbeddedEngine,
    clips: list[np.ndarray],
    others: list[np.ndarray],
    references: list[str],
    noise: str,
    ratio_db: int,
    level: NoiseReduction,
) -> dict[str, Any]:
    row = np.concatenate([part for clip in clips for part in (clip, np.zeros(_GAP))])
    speech_power = np.mean(np.concatenate(clips) ** 2)
    if noise != "clean":
        added = _noise(noise, len(row), others)
        row = row + added * np.sqrt(speech_power / np.mean(added**2)) * 10 ** (-ratio_db / 20)
    row *= min(1.0, 32000 / np.abs(row).max())
    started = time.process_time()
    quiet = reduce_noise(row.astype(np.int16)[None], SAMPLE_RATE_HERTZ, level)[0]
    seconds = time.process_time() - started
    starts = np.cumsum([0] + [len(clip) + _GAP for clip in clips[:-1]])
    cut = [
        Clip(samples=(quiet[s : s + len(clip)] / 32768).astype(np.float32))
        for s, clip in zip(starts, clips, strict=True)
    ]
    texts = [result.text for result in engine.transcribe(cut, RecognitionOptions(language="zh"))]
    return {
        "noise": noise,
        "ratio_db": ratio_db,
        "level": level.value,
        "cer": corpus_errors(zip(texts, references, strict=True)).rate,
        "times_real_time": len(row) / SAMPLE_RATE_HERTZ / max(seconds, 1e-6),
    }


def _noise(kind: str, length: int, others: list[np.ndarray]) -> np.ndarray:
    random = np.random.default_rng(1)
    if kind == "white":
        return random.normal(size=length)
    if kind == "hum":
        phase = 2 * np.pi * _HUM_HERTZ * np.arange(length) / SAMPLE_RATE_HERTZ
        return sum(np.sin((k + 1) * phase + k) / (k + 1) for k in range(12))
    voices = np.zeros(length)
    speech = np.concatenate([clip / np.sqrt(np.mean(clip**2)) for clip in others])
    for _ in range(6):
        voices += np.resize(np.roll(speech, random.integers(len(speech))), length)
    return voices


if __name__ == "__main__":
    main()
