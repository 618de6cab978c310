"""Merging itself. Imported late: needs torch."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import transformers

from qingting.errors import EngineUnavailableError
from qingting.speech._qwen3_model import load_model, load_processor
from qingting.speech.finetuning._adapters import merged

if TYPE_CHECKING:
    from qingting.speech.qwen3_weights import Checkpoint

CHAT_TEMPLATE = (
    "{%- set seen = namespace(system='', sounds=0) -%}"
    "{%- for message in messages -%}"
    "{%- set text = [{'type': 'text', 'text': message.content}] -%}"
    "{%- for part in (text if message.content is string else message.content) -%}"
    "{%- if part.type in ('audio', 'input_audio', 'audio_url') -%}{%- set seen.sounds = seen.sounds + 1 -%}"
    "{%- elif message.role == 'system' -%}{%- set seen.system = seen.system + part.text -%}{%- endif -%}"
    "{%- endfor -%}{%- endfor -%}"
    "{{- '<|im_start|>system\\n' + seen.system + '<|im_end|>\\n<|im_start|>user\\n' -}}"
    "{{- '<|audio_start|><|audio_pad|><|audio_end|>' * seen.sounds + '<|im_end|>\\n' -}}"
    "{%- for message in messages if message.role == 'assistant' -%}"
    "{{- '<|im_start|>assistant\\n' -}}"
    "{%- if message.content is string -%}{{- message.content -}}"
    "{%- else -%}{%- for part in message.content -%}{{- part.text -}}{%- endfor -%}{%- endif -%}{{- '<|im_end|>\\n' -}}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}"
)
"""The published prompt, for servers: the system turn is always there, assistant turns may be begun."""


def write_merged(checkpoint: Checkpoint, adapter: Path, out: Path) -> None:
    """Write weights (bfloat16, as published), configuration, tokenizer and chat template.

    The sum is made in float32: merged in bfloat16, small changes would be rounded away.
    """
    transformers.utils.logging.disable_progress_bar()
    processor = load_processor(checkpoint)
    base = load_model(checkpoint, processor, torch.float32)
    try:
        whole = merged(base, adapter)
    except (ValueError, RuntimeError, KeyError) as error:
        raise EngineUnavailableError(
            f"The adapter does not fit the model ({type(error).__name__}).",
            remedy="Name the model that the adapter was trained on.",
        ) from error
    whole.to(torch.bfloat16).save_pretrained(out)
    processor.chat_template = CHAT_TEMPLATE
    processor.save_pretrained(out)
    for name in ("vocab.json", "merges.txt"):
        if (checkpoint.folder / name).is_file():
            shutil.copyfile(checkpoint.folder / name, out / name)
