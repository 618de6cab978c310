"""`qingting finetune`: adapt Qwen3-ASR to a centre's own speech."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from qingting.errors import QingtingError

if TYPE_CHECKING:
    from qingting.settings import Settings
    from qingting.speech.evaluation.cer import Errors
    from qingting.speech.finetuning.preparing import Reviewed
    from qingting.speech.finetuning.training import Step

_FOLDER = click.Path(file_okay=False, path_type=Path)
_HAVE = click.Path(exists=True, file_okay=False, path_type=Path)
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_MODEL = click.option(
    "--model", metavar="MODEL", help="Folder, hub name or registered name [default: the setting qwen3_local.model]."
)


@click.group()
def finetune() -> None:
    """Adapt Qwen3-ASR to the words and voices of a centre: prepare, train, register."""


@finetune.command()
@click.argument("out", type=_FOLDER)
@click.option("--manifest", type=_FILE, help="CSV or JSON lines: audio, text and optionally language, start_ms …")
@click.option("--corrections", type=_FILE, help="CSV or JSON lines: call_id, utterance, text (reviewed utterances).")
@click.option("--reports", type=_HAVE, help="JSON reports that the corrections are about.")
@click.option("--recordings", type=_HAVE, help="The reports' recordings, found by their digests.")
@click.option("--validation-share", type=click.FloatRange(0.01, 0.5), default=0.1, show_default=True)
def prepare(out: Path, validation_share: float, **source: Path | None) -> None:
    """Cut reviewed speech into a data set: OUT/train.jsonl, OUT/validation.jsonl and the clips.

    Whole calls are kept for validation. What cannot be used is counted by reason.
    """
    from qingting.bootstrap import open_reader
    from qingting.settings import load_settings
    from qingting.speech.finetuning.preparing import PreparationOptions
    from qingting.speech.finetuning.preparing import prepare as write_data_set

    reviewed = _reviewed(**source)
    with open_reader(load_settings(workers=1)) as read:
        result = write_data_set(
            reviewed, out, read, PreparationOptions(validation_share=validation_share), _counter("recordings")
        )
    click.echo(f"training:   {result.train} examples, {result.train_hours:.2f} h")
    click.echo(f"validation: {result.validation} examples, {result.validation_hours:.2f} h")
    for reason, count in result.left_out.items():
        click.echo(f"left out:   {count} ({reason})")


@finetune.command()
@click.argument("data", type=_HAVE)
@click.argument("out", type=_FOLDER)
@_MODEL
@click.option("--epochs", type=click.FloatRange(min=0.01), default=3.0, show_default=True)
@click.option("--batch", type=click.IntRange(min=1), default=8, show_default=True, help="Examples per step.")
@click.option("--accumulation", type=click.IntRange(min=1), default=2, show_default=True, help="Steps summed up.")
@click.option("--learning-rate", type=click.FloatRange(min=0, min_open=True), default=1e-4, show_default=True)
@click.option("--rank", type=click.IntRange(min=1), default=16, show_default=True, help="Rank of the adapter.")
@click.option("--train-encoder", is_flag=True, help="Also adapt the sound encoder (much data only).")
@click.option("--save-steps", type=click.IntRange(min=1), default=200, show_default=True)
@click.option("--device", default="auto", show_default=True)
@click.option("--dtype", default="auto", show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--resume", is_flag=True, help="Go on from the last point in OUT.")
def train(data: Path, out: Path, model: str | None, resume: bool, **values: Any) -> None:  # noqa: FBT001
    """Train a LoRA adapter with the data set in DATA; it comes into OUT/adapter."""
    from qingting.settings import load_settings
    from qingting.speech.finetuning.training import TrainingOptions
    from qingting.speech.finetuning.training import train as train_adapter

    options = TrainingOptions(**values)
    result = train_adapter(_model_folder(load_settings(), model), data, out, options, _show, resume=resume)
    if result.resumed_at:
        click.echo(f"resumed at step {result.resumed_at}, done at {result.steps}")
    click.echo(f"validation loss: {result.first_loss:.4f} before, {result.last_loss:.4f} after {result.steps} steps")
    click.echo(f"adapter: {result.adapter}")


@finetune.command()
@click.argument("data", type=_HAVE)
@click.option("--model", "models", multiple=True, required=True, metavar="MODEL", help="May be given several times.")
def evaluate(data: Path, models: tuple[str, ...]) -> None:
    """Character error rate of models on the validation examples of a data set."""
    from qingting.settings import load_settings

    settings = load_settings()
    for model in models:
        errors = _errors(settings, _model_folder(settings, model), data)
        click.echo(f"{model}: CER {errors.rate:.2%} ({errors.total} errors in {errors.reference} characters)")


@finetune.command()
@click.argument("run", type=_HAVE)
@click.option("--data", type=_HAVE, required=True, help="The data set it was trained with.")
@_MODEL
@click.option("--name", required=True, metavar="NAME", help="Name for the settings.")
@click.option("--anyway", is_flag=True, help="Register it even if it is not better than its base.")
def register(run: Path, data: Path, model: str | None, name: str, anyway: bool) -> None:  # noqa: FBT001
    """Merge the adapter of RUN into its base, measure both, and register the result as a model."""
    from qingting.settings import load_settings
    from qingting.speech.finetuning.dataset import TRAIN, Examples
    from qingting.speech.finetuning.registry import Papers, merge, place_of, register_model
    from qingting.speech.finetuning.training import ADAPTER, stored_options
    from qingting.speech.qwen3_weights import revision

    settings = load_settings()
    base = _model_folder(settings, model)
    place_of(name, settings.model_folder)
    merged = merge(base, run / ADAPTER, run / f"merged-{name}")
    before, after = _errors(settings, base, data), _errors(settings, merged, data)
    click.echo(f"CER on the validation examples: {before.rate:.2%} before, {after.rate:.2%} after")
    if after.rate >= before.rate and not anyway:
        raise QingtingError(
            "The adapted model is not better than its base; it was not registered.",
            remedy=f"Look at the data, or register it with --anyway. The merged model is in {merged.name}.",
        )
    training = Examples(data / TRAIN)
    papers = Papers(
        name=name,
        base=model or settings.qwen3_local.model,
        base_revision=revision(base),
        data_sha256=training.digest(),
        examples=len(training),
        cer_before=round(before.rate, 4),
        cer_after=round(after.rate, 4),
        options=stored_options(run),
    )
    place = register_model(merged, settings.model_folder, papers)
    click.echo(f"registered: {place}")
    click.echo(f"use it:     QINGTING_ENGINE=qwen3-local QINGTING_QWEN3_LOCAL__MODEL={name} qingting inspect …")
    click.echo(f"serve it:   vllm serve {place} --served-model-name {name}")


def _reviewed(
    *, manifest: Path | None, corrections: Path | None, reports: Path | None, recordings: Path | None
) -> list[Reviewed]:
    from qingting.bootstrap import reviewed_speech
    from qingting.speech.finetuning.sources import read_corrections, read_manifest

    if manifest is not None and not (corrections or reports or recordings):
        return read_manifest(manifest)
    if manifest is None and corrections and reports and recordings:
        found, lost = reviewed_speech(read_corrections(corrections), reports, recordings)
        if lost:
            click.echo(f"left out:   {lost} corrections without report, utterance or recording", err=True)
        return found
    raise click.UsageError("give --manifest, or --corrections with --reports and --recordings")


def _model_folder(settings: Settings, model: str | None) -> Path:
    from qingting.bootstrap import model_folder

    return model_folder(settings, model)


def _errors(settings: Settings, model: Path, data: Path) -> Errors:
    from qingting.bootstrap import open_local_model
    from qingting.speech.finetuning.dataset import VALIDATION, Examples
    from qingting.speech.finetuning.evaluating import errors_on

    engine = open_local_model(settings, model)
    try:
        return errors_on(engine, Examples(data / VALIDATION), _counter(f"clips by {model.name}"))
    finally:
        engine.close()


def _show(step: Step) -> None:
    place = f"step {step.step}/{step.steps}"
    if step.loss is not None:
        click.echo(f"{place}  loss {step.loss:.4f}")
    if step.validation_loss is not None:
        click.echo(f"{place}  validation loss {step.validation_loss:.4f}")
    if step.saved:
        click.echo(f"{place}  saved")


def _counter(what: str) -> Any:
    def show(done: int, total: int) -> None:
        if done == total or done % max(1, total // 20) == 0:
            click.echo(f"{done}/{total} {what}", err=True)

    return show
