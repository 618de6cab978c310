"""LoRA on the tiny checkpoint: it learns, goes on after a stop, is merged, and the engine loads it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from qingting.errors import DatasetError, EngineUnavailableError, SettingsError, TrainingError
from qingting.speech.engine import Clip, RecognitionOptions
from qingting.speech.finetuning.dataset import TRAIN, VALIDATION, Example, Examples, label, write_clip
from qingting.speech.finetuning.evaluating import errors_on
from qingting.speech.finetuning.registry import Papers, merge, register_model, registered, resolve
from qingting.speech.finetuning.training import Step, TrainingOptions, stored_options, train
from qingting.speech.qwen3_local import Qwen3LocalEngine, Qwen3LocalSettings
from qingting.testing.tiny_qwen3 import TinyQwen3

NEW = {"greeting": "我查一下订单。", "order": "您好，请问有什么可以帮您？", "english": "Thank you."}
"""What the adapted model shall write for clips that the base knows otherwise."""
OPTIONS = TrainingOptions(
    epochs=60, batch=3, accumulation=1, learning_rate=1e-2, warmup_share=0.05, dropout=0.0, save_steps=20, device="cpu"
)


@pytest.fixture(scope="module")
def data(tiny: TinyQwen3, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Training and validation on the same clips: what is learnt here is by heart."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "audio").mkdir()
    lines = []
    for name, text in NEW.items():
        clip = tiny.clip(name)
        write_clip(folder / "audio" / f"{name}.wav", (clip.samples * 32767).astype(np.int16))
        answer = label(text, "en" if name == "english" else "zh")
        lines.append(f'{{"audio": "audio/{name}.wav", "text": "{answer}"}}\n')
    for file in (TRAIN, VALIDATION):
        (folder / file).write_text("".join(lines), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def trained(tiny: TinyQwen3, data: Path, tmp_path_factory: pytest.TempPathFactory):
    out = tmp_path_factory.mktemp("run")
    steps: list[Step] = []
    result = train(tiny.native, data, out, OPTIONS, steps.append)
    return result, steps, out


def engine(folder: Path) -> Qwen3LocalEngine:
    return Qwen3LocalEngine(Qwen3LocalSettings(model=str(folder), device="cpu"))


def test_the_loss_falls_and_progress_is_shown(trained) -> None:
    result, steps, out = trained
    assert result.steps == 60
    assert result.resumed_at == 0
    assert result.last_loss < result.first_loss / 4
    assert [one.step for one in steps if one.saved] == [20, 40, 60]
    losses = [one.loss for one in steps if one.loss is not None]
    assert losses[-1] < losses[0]
    assert all(one.steps == 60 for one in steps)
    assert (result.adapter / "adapter_config.json").is_file()
    assert stored_options(out)["learning_rate"] == OPTIONS.learning_rate


def test_the_merged_model_is_better_on_its_data_and_serves_as_an_engine(
    trained, tiny: TinyQwen3, data: Path, tmp_path: Path
) -> None:
    merged = merge(tiny.native, trained[0].adapter, tmp_path / "merged")
    examples = Examples(data / VALIDATION)
    before, after = errors_on(engine(tiny.native), examples), errors_on(engine(merged), examples)
    assert before.rate > 0.5
    assert after.rate < 0.2
    (answer,) = engine(merged).transcribe([Clip(samples=tiny.clip("greeting").samples)], RecognitionOptions())
    assert answer.text == NEW["greeting"]
    assert (merged / "chat_template.jinja").is_file(), "servers need the prompt"


def test_a_stopped_run_goes_on_and_ends_where_it_would_have_ended(
    trained, tiny: TinyQwen3, data: Path, tmp_path: Path
) -> None:
    class StoppedError(Exception):
        pass

    def stop(step: Step) -> None:
        if step.saved and step.step == 20:
            raise StoppedError

    with pytest.raises(StoppedError):
        train(tiny.native, data, tmp_path, OPTIONS, stop)
    with pytest.raises(TrainingError, match="earlier run"):
        train(tiny.native, data, tmp_path, OPTIONS)
    result = train(tiny.native, data, tmp_path, OPTIONS, resume=True)
    assert (result.resumed_at, result.steps) == (20, 60)
    assert result.last_loss == pytest.approx(trained[0].last_loss, rel=0.05)


def test_nothing_to_resume_is_said(tiny: TinyQwen3, data: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="nothing to resume"):
        train(tiny.native, data, tmp_path, OPTIONS, resume=True)


def test_a_missing_recording_stops_before_training(tiny: TinyQwen3, data: Path, tmp_path: Path) -> None:
    line = (data / TRAIN).read_text(encoding="utf-8").splitlines()[0]
    for file in (TRAIN, VALIDATION):
        (tmp_path / file).write_text(line + "\n", encoding="utf-8")
    with pytest.raises(DatasetError, match="example 1: its recording is missing"):
        train(tiny.native, tmp_path, tmp_path / "run", OPTIONS)


def test_losses_that_are_no_numbers_end_the_run(tiny: TinyQwen3, data: Path, tmp_path: Path) -> None:
    wild = replace(OPTIONS, learning_rate=1e30, warmup_share=0.0)
    with pytest.raises(TrainingError, match="no number"):
        train(tiny.native, data, tmp_path / "run", wild)


@pytest.mark.parametrize("batch", [1, 2, 3, 5])
def test_labels_are_the_answers_alone_whatever_the_lengths(tiny: TinyQwen3, tmp_path: Path, batch: int) -> None:
    from qingting.speech._qwen3_model import load_processor
    from qingting.speech.finetuning._batches import NOT_TRAINED, Collator
    from qingting.speech.qwen3_weights import Kind, read_checkpoint

    processor = load_processor(read_checkpoint(tiny.native, Kind.RECOGNISER))
    examples = []
    for number in range(batch):
        path = tmp_path / f"{number}.wav"
        write_clip(path, np.zeros(8000 + 11_000 * number, dtype=np.int16))
        examples.append(
            Example(audio=path, answer=label("您好。" * (number + 1), "zh"), prompt="订单、退款" * (number % 2))
        )
    made = Collator(processor)(examples)
    for row, example in enumerate(examples):
        kept = made["labels"][row] != NOT_TRAINED
        assert processor.tokenizer.decode(made["labels"][row][kept]) == f"{example.answer}<|im_end|>"
        assert made["attention_mask"][row][kept].all()
        sound = processor.tokenizer.convert_tokens_to_ids("<|audio_pad|>")
        assert sound not in made["labels"][row].tolist()


def test_merging_needs_an_adapter_and_a_new_folder(tiny: TinyQwen3, trained, tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailableError, match="no finished adapter"):
        merge(tiny.native, tmp_path, tmp_path / "merged")
    with pytest.raises(SettingsError, match="exists"):
        merge(tiny.native, trained[0].adapter, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_models_are_registered_by_name(tmp_path: Path) -> None:
    papers = Papers(name="bank-2024", base="base", base_revision="00", data_sha256="11", examples=3)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    models = tmp_path / "models"
    place = register_model(tmp_path / "a", models, papers)
    assert registered(models) == (papers,)
    assert resolve("bank-2024", models) == str(place)
    assert resolve("Qwen/Qwen3-ASR-0.6B", models) == "Qwen/Qwen3-ASR-0.6B"
    assert resolve("../models/bank-2024", models) == "../models/bank-2024"
    with pytest.raises(SettingsError, match="exists"):
        register_model(tmp_path / "b", models, papers)
    with pytest.raises(SettingsError, match="name"):
        register_model(tmp_path / "b", models, replace(papers, name="../evil"))
    (models / "broken").mkdir()
    (models / "broken" / "qingting-model.json").write_text("{", encoding="utf-8")
    assert registered(models) == (papers,)
