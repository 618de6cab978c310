"""Batches for training: prompts as in use, labels on the answer alone. Imported late: needs torch.

The published training script masks labels from the left while its processor pads on the left, so
that in batches of unequal lengths prompt and sound are trained as answers (QwenLM/Qwen3-ASR issue
70). Here the answer is found from the right: it is the last tokens of its row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from qingting.speech._qwen3_model import AUDIO, END
from qingting.speech.engine import SAMPLE_RATE_HERTZ
from qingting.speech.finetuning.dataset import Example, read_clip

NOT_TRAINED = -100
"""Label that the loss leaves out."""


class Clips(torch.utils.data.Dataset[Example]):  # type: ignore[misc]
    """Examples as torch reads them."""

    def __init__(self, examples: Sequence[Example]) -> None:
        self._examples = examples

    def __len__(self) -> int:
        return len(self._examples)

    def __getitem__(self, index: int) -> Example:
        return self._examples[index]


class Collator:
    """Makes a batch of examples of any lengths."""

    def __init__(self, processor: Any) -> None:
        """`processor` is the checkpoint's own."""
        self._processor = processor

    def __call__(self, examples: Sequence[Example]) -> dict[str, Any]:
        """Input ids [n, t], attention mask [n, t], sound features, and labels [n, t].

        Raises TypeError when the processor does not pad on the left, for then the labels would be wrong.
        """
        answers = [f"{example.answer}{END}" for example in examples]
        prompts = [
            f"<|im_start|>system\n{example.prompt}{END}\n<|im_start|>user\n{AUDIO}{END}\n<|im_start|>assistant\n"
            for example in examples
        ]
        batch = dict(
            self._processor(
                text=[prompt + answer for prompt, answer in zip(prompts, answers, strict=True)],
                audio=[read_clip(example.audio) for example in examples],
                sampling_rate=SAMPLE_RATE_HERTZ,
            )
        )
        if not bool(batch["attention_mask"][:, -1].all()):
            message = "The processor pads on the right."
            raise TypeError(message)
        labels = torch.full_like(batch["input_ids"], NOT_TRAINED)
        for row, answer in enumerate(answers):
            count = len(self._processor.tokenizer(answer).input_ids)
            labels[row, -count:] = batch["input_ids"][row, -count:]
        return batch | {"labels": labels}
