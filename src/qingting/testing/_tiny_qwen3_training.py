"""Training of the tiny Qwen3-ASR: it learns its clips by heart, and both layouts are saved."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import transformers
from safetensors.torch import save_file
from transformers import (
    GenerationConfig,
    Qwen3ASRConfig,
    Qwen3ASRForConditionalGeneration,
    Qwen3ASRForTokenClassification,
    Qwen3ASRProcessor,
)

from qingting.speech.qwen3_prompt import system_text
from qingting.testing._tiny_qwen3_files import (
    ALIGNER_TEMPLATE,
    NATIVE_TEMPLATE,
    ORIGINAL_TEMPLATE,
    TinyTokenizer,
    make_tokenizer,
    original_config,
    write_tokenizer,
)

if TYPE_CHECKING:
    from qingting.testing.tiny_qwen3 import TinyClip

_HIDDEN = 64
_LEARNING_RATE = 3e-3
_MOST_STEPS = 400
_GOOD_LOSS = 0.02
"""At this loss every token of every clip has a probability of about 0.98."""
_CUTS = 6
"""Batches with each clip cut in another way."""
_SPOKEN_LEVEL = 0.01
"""Samples above it belong to the made-up speech, not to its faint noise."""
_SLOT_MS = 80
_CLASSES = 128
"""Of the tiny aligner: 10 s on the grid of 80 ms."""
_TO_ORIGINAL = (
    ("model.multi_modal_projector.linear_1.", "thinker.audio_tower.proj1."),
    ("model.multi_modal_projector.linear_2.", "thinker.audio_tower.proj2."),
    ("model.language_model.", "thinker.model."),
    ("model.audio_tower.", "thinker.audio_tower."),
    ("score.", "thinker.lm_head."),
    ("lm_head.", "thinker.lm_head."),
)


def make_checkpoints(folder: Path, clips: Sequence[TinyClip]) -> None:
    """Train both models on the clips and write `asr`, `asr-original`, `aligner` and `aligner-original`."""
    made = make_tokenizer([clip.raw for clip in clips])
    transformers.utils.logging.disable_progress_bar()
    state = torch.get_rng_state()
    torch.manual_seed(0)
    try:
        _make_recogniser(folder, made, clips)
        _make_aligner(folder, made, [clip for clip in clips if clip.units])
    finally:
        torch.set_rng_state(state)


def _make_recogniser(folder: Path, made: TinyTokenizer, clips: Sequence[TinyClip]) -> None:
    write_tokenizer(made, folder / "asr", NATIVE_TEMPLATE, native=True)
    write_tokenizer(made, folder / "asr-original", ORIGINAL_TEMPLATE, native=False)
    model = Qwen3ASRForConditionalGeneration(_config(made))
    processor = Qwen3ASRProcessor.from_pretrained(folder / "asr")
    draw = np.random.default_rng(0)
    _train(
        model,
        [_recogniser_batch(processor, [*clips, *(_cut_elsewhere(clip, draw) for clip in clips)]) for _ in range(_CUTS)],
    )
    ends = [made.ids["<|endoftext|>"], made.ids["<|im_end|>"]]
    model.generation_config = GenerationConfig(
        eos_token_id=ends, pad_token_id=ends[-1], do_sample=False, max_new_tokens=128
    )
    model = model.to(torch.bfloat16)
    model.save_pretrained(folder / "asr")
    _save_original(model, made, folder / "asr", folder / "asr-original")
    generation = {"eos_token_id": ends, "pad_token_id": ends[-1], "do_sample": False}
    (folder / "asr-original" / "generation_config.json").write_text(json.dumps(generation), encoding="utf-8")


def _make_aligner(folder: Path, made: TinyTokenizer, clips: Sequence[TinyClip]) -> None:
    write_tokenizer(made, folder / "aligner", ALIGNER_TEMPLATE, native=True)
    write_tokenizer(made, folder / "aligner-original", ORIGINAL_TEMPLATE, native=False)
    model = Qwen3ASRForTokenClassification(_config(made, num_labels=_CLASSES))
    _train(model, [_aligner_batch(Qwen3ASRProcessor.from_pretrained(folder / "aligner"), clips, made)])
    model = model.to(torch.bfloat16)
    model.save_pretrained(folder / "aligner")
    _save_original(model, made, folder / "aligner", folder / "aligner-original", classes=_CLASSES)


def _config(made: TinyTokenizer, **extra: Any) -> Any:
    audio = {
        "num_mel_bins": 128, "encoder_layers": 1, "encoder_attention_heads": 2, "encoder_ffn_dim": 2 * _HIDDEN,
        "d_model": _HIDDEN, "downsample_hidden_size": 8, "output_dim": _HIDDEN, "n_window": 50, "n_window_infer": 800,
    }  # fmt: skip
    text = {
        "vocab_size": made.size, "hidden_size": _HIDDEN, "intermediate_size": 2 * _HIDDEN, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 32, "max_position_embeddings": 65536,
        "tie_word_embeddings": True, "rope_parameters": {"rope_type": "default", "rope_theta": 1000000.0},
        "eos_token_id": None, "bos_token_id": None,
    }  # fmt: skip
    return Qwen3ASRConfig(
        audio_config=audio,
        text_config=text,
        audio_token_id=made.ids["<|audio_pad|>"],
        timestamp_token_id=made.ids["<timestamp>"],
        pad_token_id=made.ids["<|im_end|>"],
        eos_token_id=[made.ids["<|endoftext|>"], made.ids["<|im_end|>"]],
        tie_word_embeddings=True,
        **extra,
    )


def _cut_elsewhere(clip: TinyClip, draw: np.random.Generator) -> TinyClip:
    """The clip with other edges, another level and a telephone's band: the model must know it all the same."""
    loud = np.flatnonzero(np.abs(clip.samples) > _SPOKEN_LEVEL)
    first, last = (int(loud[0]), int(loud[-1])) if len(loud) else (8000, 8000)
    before, after = draw.integers(0, 8000, 2)
    silence = draw.choice([0.0, 0.001]) * draw.standard_normal(8000)
    samples = np.concatenate([silence, clip.samples, silence])[first + 8000 - before : last + 8000 + after]
    smoothing = np.hanning(draw.integers(3, 8))
    samples = draw.uniform(0.4, 1.6) * np.convolve(samples, smoothing / smoothing.sum(), mode="same")
    return replace(clip, samples=samples.astype(np.float32))


def _recogniser_batch(processor: Any, clips: Sequence[TinyClip]) -> dict[str, Any]:
    """Inputs with labels on the answers alone: padding stands left, so an answer is the last tokens of its row."""
    prompts = [
        f"<|im_start|>system\n{system_text(clip.hot_words)}<|im_end|>\n<|im_start|>user\n"
        "<|audio_start|><|audio_pad|><|audio_end|><|im_end|>\n<|im_start|>assistant\n"
        for clip in clips
    ]
    answers = [f"{clip.raw}<|im_end|>" for clip in clips]
    texts = [prompt + answer for prompt, answer in zip(prompts, answers, strict=True)]
    batch = dict(processor(text=texts, audio=[clip.samples for clip in clips], sampling_rate=16000))
    labels = torch.full_like(batch["input_ids"], -100)
    for row, answer in enumerate(answers):
        count = len(processor.tokenizer(answer).input_ids)
        labels[row, -count:] = batch["input_ids"][row, -count:]
    return batch | {"labels": labels}


def _aligner_batch(processor: Any, clips: Sequence[TinyClip], made: TinyTokenizer) -> dict[str, Any]:
    """Inputs with the class of every time slot as labels: start and end of each unit in steps of 80 ms."""
    inputs, _ = processor.prepare_forced_aligner_inputs(
        audio=[clip.samples for clip in clips], transcript=[clip.text for clip in clips]
    )
    batch = dict(inputs)
    labels = torch.full_like(batch["input_ids"], -100)
    for row, clip in enumerate(clips):
        slots = batch["input_ids"][row] == made.ids["<timestamp>"]
        labels[row, slots] = torch.tensor([time // _SLOT_MS for _, *times in clip.units for time in times])
    return batch | {"labels": labels}


def _train(model: Any, batches: Sequence[dict[str, Any]]) -> None:
    """One batch after the other until the loss of all is good; raises RuntimeError when it never is."""
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=_LEARNING_RATE, weight_decay=0.0)
    good = 0
    for step in range(_MOST_STEPS):
        loss = model(**batches[step % len(batches)]).loss
        good = good + 1 if loss.item() < _GOOD_LOSS else 0
        if good == len(batches):
            model.eval()
            return
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    message = "The tiny model did not learn its clips."
    raise RuntimeError(message)


def _save_original(
    model: Any, made: TinyTokenizer, native: Path, original: Path, *, classes: int | None = None
) -> None:
    """Write the weights under the names of the first release."""
    config = original_config(json.loads((native / "config.json").read_text(encoding="utf-8")), made, classes=classes)
    (original / "config.json").write_text(json.dumps(config, indent=1), encoding="utf-8")
    weights = {}
    for name, value in model.state_dict().items():
        for new, old in _TO_ORIGINAL:
            if name.startswith(new):
                weights[old + name.removeprefix(new)] = value.detach().clone().contiguous()
                break
    save_file(weights, str(original / "model.safetensors"), metadata={"format": "pt"})
