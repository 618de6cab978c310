"""The training itself, on Transformers' Trainer and PEFT. Imported late."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import transformers
from transformers import Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_utils import get_last_checkpoint

from qingting.errors import TrainingError
from qingting.speech._qwen3_model import Placement, load_model, load_processor, resolve
from qingting.speech.finetuning._adapters import with_adapter
from qingting.speech.finetuning._batches import Clips, Collator
from qingting.speech.finetuning.dataset import TRAIN, VALIDATION, Examples
from qingting.speech.finetuning.training import ADAPTER, CHECKPOINTS, OPTIONS, Step, Trained, TrainingOptions

if TYPE_CHECKING:
    from qingting.speech.qwen3_weights import Checkpoint

_REPORTS = 50
"""About so many loss reports in a run."""


def run(
    checkpoint: Checkpoint,
    data: Path,
    out: Path,
    options: TrainingOptions,
    report: Callable[[Step], None],
    *,
    resume: bool,
) -> Trained:
    """See training.train."""
    training, validation = Examples(data / TRAIN), Examples(data / VALIDATION)
    training.check()
    validation.check()
    last = _last_point(out, resume=resume)
    transformers.utils.logging.disable_progress_bar()
    transformers.set_seed(options.seed)
    device, dtype = resolve(Placement(device=options.device, dtype=options.dtype))
    processor = load_processor(checkpoint)
    model = with_adapter(load_model(checkpoint, processor, dtype), options)
    steps = steps_of(len(training), options)
    trainer = Trainer(
        model=model,
        args=_arguments(out, options, steps, device=device, dtype=dtype),
        data_collator=Collator(processor),
        train_dataset=Clips(training),
        eval_dataset=Clips(validation),
        callbacks=[_Reporter(report, steps)],
    )
    trainer.remove_callback(transformers.PrinterCallback)
    out.mkdir(parents=True, exist_ok=True)
    (out / OPTIONS).write_text(json.dumps(asdict(options), indent=2) + "\n", encoding="utf-8")
    first = math.nan if last else _validation_loss(trainer)
    try:
        trainer.train(resume_from_checkpoint=last)
    except torch.OutOfMemoryError as error:
        raise TrainingError(
            "The device's memory is too small for a step.", remedy="Lower --batch and raise --accumulation."
        ) from error
    final = _validation_loss(trainer)
    trainer.model.save_pretrained(out / ADAPTER)
    return Trained(
        adapter=out / ADAPTER,
        steps=trainer.state.global_step,
        resumed_at=int(Path(last).name.rpartition("-")[2]) if last else 0,
        first_loss=first,
        last_loss=final,
    )


def steps_of(examples: int, options: TrainingOptions) -> int:
    """Optimiser steps of a whole run."""
    per_epoch = math.ceil(math.ceil(examples / options.batch) / options.accumulation)
    return max(1, math.ceil(per_epoch * options.epochs))


def _arguments(out: Path, options: TrainingOptions, steps: int, *, device: Any, dtype: Any) -> TrainingArguments:
    return TrainingArguments(
        output_dir=str(out / CHECKPOINTS),
        max_steps=steps,
        per_device_train_batch_size=options.batch,
        per_device_eval_batch_size=options.batch,
        gradient_accumulation_steps=options.accumulation,
        learning_rate=options.learning_rate,
        warmup_steps=math.ceil(steps * options.warmup_share),
        lr_scheduler_type="cosine",
        max_grad_norm=1.0,
        logging_steps=max(1, steps // _REPORTS),
        eval_strategy="steps",
        eval_steps=options.save_steps,
        save_strategy="steps",
        save_steps=options.save_steps,
        save_total_limit=options.keep,
        load_best_model_at_end=True,
        metric_for_best_model="eval_loss",
        greater_is_better=False,
        prediction_loss_only=True,
        remove_unused_columns=False,
        label_names=["labels"],
        activation_checkpointing=options.save_memory,
        activation_checkpointing_kwargs={"use_reentrant": False} if options.save_memory else None,
        bf16=dtype is torch.bfloat16,
        fp16=dtype is torch.float16,
        use_cpu=device.type == "cpu",
        dataloader_num_workers=options.workers,
        dataloader_pin_memory=device.type == "cuda",
        disable_tqdm=True,
        report_to=[],
        seed=options.seed,
    )


def _last_point(out: Path, *, resume: bool) -> str | None:
    folder = out / CHECKPOINTS
    last = get_last_checkpoint(str(folder)) if folder.is_dir() else None
    if resume and last is None:
        raise TrainingError("There is nothing to resume from.", remedy="Start the training without --resume.")
    if not resume and (last is not None or (out / ADAPTER).exists()):
        raise TrainingError("The folder holds an earlier run.", remedy="Go on with --resume, or name a new folder.")
    return last


def _validation_loss(trainer: Trainer) -> float:
    loss = float(trainer.evaluate()["eval_loss"])
    if not math.isfinite(loss):
        raise TrainingError(
            "The loss is no number.", remedy="Use bfloat16 or float32 (--dtype), or a lower --learning-rate."
        )
    return loss


class _Reporter(TrainerCallback):  # type: ignore[misc]
    """Hands the trainer's events on as steps; ends a run whose loss is no number."""

    def __init__(self, report: Callable[[Step], None], steps: int) -> None:
        self._report = report
        self._steps = steps

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
        """A mean loss, or a validation loss."""
        values = logs or {}
        loss, validation = values.get("loss"), values.get("eval_loss")
        if loss is not None and not math.isfinite(loss):
            raise TrainingError(
                "The loss is no number.", remedy="Use bfloat16 or float32 (--dtype), or a lower --learning-rate."
            )
        if loss is not None or validation is not None:
            self._report(Step(step=state.global_step, steps=self._steps, loss=loss, validation_loss=validation))

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """A point to resume from was written."""
        self._report(Step(step=state.global_step, steps=self._steps, saved=True))
