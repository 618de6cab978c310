"""Makes a tiny Qwen3-ASR that knows the clips of a JSON-lines file; runs in the environment of vLLM.

usage: python make_checkpoint.py PAIRS FOLDER
"""

from __future__ import annotations

import json
import sys
import wave
from pathlib import Path

import numpy as np

from qingting.testing._tiny_qwen3_training import make_checkpoints
from qingting.testing.tiny_qwen3 import TinyClip


def known_clip(row: dict[str, object], number: int) -> TinyClip:
    with wave.open(str(row["audio"])) as file:
        pcm = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    return TinyClip(
        name=f"clip {number}",
        language=str(row["language"]),
        text=str(row["text"]),
        samples=(pcm / 32768.0).astype(np.float32),
        hot_words=tuple(row["hot_words"]),
        units=(("好", 0, 160),) if number == 0 else (),
    )


def main() -> None:
    pairs, folder = Path(sys.argv[1]), Path(sys.argv[2])
    rows = [json.loads(line) for line in pairs.read_text(encoding="utf-8").splitlines()]
    make_checkpoints(folder, [known_clip(row, number) for number, row in enumerate(rows)])


if __name__ == "__main__":
    main()
