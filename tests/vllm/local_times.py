"""Prints what the aligner in process gives for the tiny clips and for noise; runs in the environment of vLLM.

usage: python local_times.py CACHE_FOLDER
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from qingting.speech.aligner import Qwen3AlignerSettings, Qwen3ForcedAligner, words_to_align
from qingting.speech.engine import Clip
from qingting.testing.tiny_qwen3 import tiny_clips, tiny_qwen3

UNKNOWN = "我想查一下iPhone订单 thank you for calling 2024"
"""Over noise the probabilities are flat: the hardest case for agreement."""


def questions() -> Iterator[tuple[Clip, str]]:
    yield from ((Clip(samples=clip.samples), clip.text) for clip in tiny_clips() if clip.units)
    random = np.random.default_rng(11)
    for seconds in (0.3, 0.5, 0.9, 1.7, 2.5, 4.1, 6.0, 7.3, 8.8, 10.0):
        noise = 0.1 * random.standard_normal(int(seconds * 16_000))
        yield Clip(samples=noise.astype(np.float32)), UNKNOWN


def main() -> None:
    tiny = tiny_qwen3(Path(sys.argv[1]))
    aligner = Qwen3ForcedAligner(Qwen3AlignerSettings(model=str(tiny.aligner_original), device="cpu"))
    model = aligner._loaded()
    answers = [
        {
            "slots": model.slots(clip.samples, words_to_align(text, "zh")),
            "times": [(word.text, word.start_ms, word.end_ms) for word in aligner.align(clip, text, "zh")],
        }
        for clip, text in questions()
    ]
    sys.stdout.write(json.dumps({"checkpoint": str(tiny.aligner_original), "answers": answers}) + "\n")


if __name__ == "__main__":
    main()
