"""LoRA training of Qwen3-ASR: resumable, with its progress shown, on data sets small and large."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from qingting.errors import MissingExtraError
from qingting.speech import qwen3_weights

INSTALL_COMMAND = "pip install 'qingting[finetune]'"
_LIBRARIES = ("torch", "transformers", "tokenizers", "safetensors", "peft", "accelerate")
ADAPTER, CHECKPOINTS, OPTIONS = "adapter", "checkpoints", "options.json"
"""In the folder of a run: the finished adapter, what it can go on from, and its options."""


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """How an adapter is trained; the defaults suit tens of hours of telephone speech."""

    epochs: float = 3.0
    """Times that all examples are seen."""
    batch: int = 8
    """Examples per step and device."""
    accumulation: int = 2
    """Steps whose gradients are summed: the effective batch is batch × accumulation."""
    learning_rate: float = 1e-4
    warmup_share: float = 0.05
    """Share of the steps in which the rate rises; afterwards it falls along a cosine."""
    rank: int = 16
    """Rank of the adapter's matrices."""
    alpha: float = 32.0
    """Scale of the adapter: its effect is alpha / rank."""
    dropout: float = 0.05
    train_encoder: bool = False
    """Also adapt the sound encoder: for noise and accents far from the model's own, with much data."""
    save_steps: int = 200
    """Steps between two points to resume from; the validation loss is taken there too."""
    keep: int = 3
    """Points that are kept."""
    save_memory: bool = True
    """Compute activations again in the backward pass: half the memory, a third more time."""
    device: str = "auto"
    dtype: str = "auto"
    """As in the settings of `qwen3-local`."""
    workers: int = 0
    """Processes that read clips; 0 reads in the training process."""
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Step:
    """Where a training is."""

    step: int
    steps: int
    """In all."""
    loss: float | None = None
    """Mean loss since the last report."""
    validation_loss: float | None = None
    saved: bool = False
    """A point to resume from was written."""


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What a training came to."""

    adapter: Path
    steps: int
    resumed_at: int
    """Step it went on from; 0 for a new run."""
    first_loss: float
    """Validation loss before training (of the untouched model); NaN in a resumed run."""
    last_loss: float
    """Validation loss of the adapter that was kept."""


def require_libraries() -> None:
    """Raise MissingExtraError when a library of the extra is absent."""
    missing = [name for name in _LIBRARIES if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingExtraError(f"Fine-tuning lacks: {', '.join(missing)}.", remedy=f"Run: {INSTALL_COMMAND}")


def train(
    model: Path,
    data: Path,
    out: Path,
    options: TrainingOptions | None = None,
    report: Callable[[Step], None] | None = None,
    *,
    resume: bool = False,
) -> Trained:
    """Train an adapter for the model in a folder with the data set in another; it comes into `out/adapter`.

    With `resume` a run in `out` goes on from its last point and ends where it would have ended.
    Raises MissingExtraError, DatasetError, EngineUnavailableError for broken weights,
    TrainingError when `out` holds another run, nothing to resume from, or the loss is no number.
    """
    require_libraries()
    checkpoint = qwen3_weights.read_checkpoint(model, qwen3_weights.Kind.RECOGNISER)
    from qingting.speech.finetuning import _trainer

    return _trainer.run(checkpoint, data, out, options or TrainingOptions(), report or _silent, resume=resume)


def stored_options(out: Path) -> dict[str, object]:
    """The options a run was started with, for the model's papers; empty when they are not there."""
    try:
        read = json.loads((out / OPTIONS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return read if isinstance(read, dict) else {}


def _silent(step: Step) -> None:
    pass
