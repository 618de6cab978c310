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

_UNIT_MS = 160


def known_clip(row: dict[str, object], number: int, *, aligned: bool) -> TinyClip:
    with wave.open(str(row["audio"])) as file:
        pcm = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    return TinyClip(
        name=f"clip {number}",
        language=str(row["language"]),
        text=str(row["text"]),
        samples=(pcm / 32768.0).astype(np.float32),
        hot_words=tuple(row["hot_words"]),
        units=_units(str(row["text"])) if aligned else (),
    )


def _units(text: str) -> tuple[tuple[str, int, int], ...]:
    """Made-up times, one per character: the aligner is made as well, though these tests do not use it."""
    characters = [character for character in text if character.isalnum()]
    return tuple((one, _UNIT_MS * at, _UNIT_MS * (at + 1)) for at, one in enumerate(characters))


def main() -> None:
    pairs, folder = Path(sys.argv[1]), Path(sys.argv[2])
    rows = [json.loads(line) for line in pairs.read_text(encoding="utf-8").splitlines()]
    # Digits and letters are joined to words, whose number is not that of the characters.
    plain = next(at for at, row in enumerate(rows) if not any(one.isascii() and one.isalnum() for one in row["text"]))
    make_checkpoints(folder, [known_clip(row, at, aligned=at == plain) for at, row in enumerate(rows)])


if __name__ == "__main__":
    main()
