"""Adapters on a model, through PEFT. Imported late."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from peft import LoraConfig, PeftModel, get_peft_model

if TYPE_CHECKING:
    from qingting.speech.finetuning.training import TrainingOptions

_DECODER = r".*language_model.*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"
_ENCODER = r".*audio_tower.*\.(q_proj|k_proj|v_proj|out_proj|fc1|fc2)"
"""Layers that get an adapter: attention and feed-forward; norms and embeddings stay as published."""


def with_adapter(model: Any, options: TrainingOptions) -> PeftModel:
    """The model with a new adapter, all else frozen."""
    config = LoraConfig(
        r=options.rank,
        lora_alpha=options.alpha,
        lora_dropout=options.dropout,
        target_modules=f"({_DECODER})|({_ENCODER})" if options.train_encoder else _DECODER,
    )
    with _quiet():
        return get_peft_model(model, config)


def merged(base: Any, adapter: Path) -> Any:
    """The base with a stored adapter added to its weights; raises PEFT's errors when they do not fit."""
    with _quiet():
        return PeftModel.from_pretrained(base, adapter).merge_and_unload()


@contextmanager
def _quiet() -> Iterator[None]:
    """PEFT 0.21 asks for a name that Transformers 5 calls deprecated: nothing a user could change."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing.*", category=FutureWarning)
        yield
