"""How well an engine writes a data set's examples: the measure before and after training."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from qingting.speech.engine import Clip, RecognitionOptions, SpeechEngine
from qingting.speech.evaluation.cer import Errors, add, character_errors
from qingting.speech.finetuning.dataset import Example, read_clip

Progress = Callable[[int, int], None]
"""Called with (examples done, examples in all)."""


def errors_on(engine: SpeechEngine, examples: Sequence[Example], progress: Progress | None = None) -> Errors:
    """Character errors of an engine over examples, each with its own hot words.

    Text invented where nobody speaks counts as insertions. Raises EngineError and DatasetError.
    """
    size = max(1, engine.capabilities.preferred_batch)
    by_prompt: dict[str, list[int]] = {}
    for index, example in enumerate(examples):
        by_prompt.setdefault(example.prompt, []).append(index)
    parts: list[Errors] = []
    for prompt, indices in by_prompt.items():
        options = RecognitionOptions(hot_words=tuple(word for word in prompt.split("、") if word))
        for first in range(0, len(indices), size):
            batch = [examples[index] for index in indices[first : first + size]]
            answers = engine.transcribe([Clip(samples=read_clip(one.audio)) for one in batch], options)
            parts += [character_errors(a.text, one.text) for a, one in zip(answers, batch, strict=True)]
            if progress is not None:
                progress(len(parts), len(examples))
    return add(parts)
