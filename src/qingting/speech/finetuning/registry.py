"""Adapted models: merged into whole checkpoints with papers that say what they were made of."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from qingting.errors import EngineUnavailableError, SettingsError
from qingting.speech import qwen3_weights
from qingting.speech.finetuning.training import require_libraries

PAPERS = "qingting-model.json"
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


@dataclass(frozen=True, kw_only=True)
class Papers:
    """What an adapted model is made of, and what that brought."""

    name: str
    """As settings name it."""
    base: str
    """Name of the model it was adapted from."""
    base_revision: str
    """SHA-256 over that model's files."""
    data_sha256: str
    """Digest of the training examples' file."""
    examples: int
    """Training examples."""
    cer_before: float | None = None
    """Character error rate of the base on the validation examples, 0 to 1."""
    cer_after: float | None = None
    """The same of the adapted model."""
    options: dict[str, Any] = field(default_factory=dict)
    """Training options."""
    made_at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    """ISO 8601, UTC."""


def merge(model: Path, adapter: Path, out: Path) -> Path:
    """Merge an adapter into the model it was trained on: a whole checkpoint in `out`, to load or to serve.

    The folder appears only when it is whole. Raises EngineUnavailableError when model and
    adapter do not fit, SettingsError when `out` exists.
    """
    require_libraries()
    if out.exists():
        raise SettingsError("The folder for the merged model exists.", remedy="Name a new folder.")
    checkpoint = qwen3_weights.read_checkpoint(model, qwen3_weights.Kind.RECOGNISER)
    if not (adapter / "adapter_config.json").is_file():
        raise EngineUnavailableError("There is no finished adapter.", remedy="Run `qingting finetune train` first.")
    from qingting.speech.finetuning import _merging

    out.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}-"))
    try:
        _merging.write_merged(checkpoint, adapter, work)
        work.chmod(0o755)
        os.replace(work, out)  # noqa: PTH105  a folder
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return out


def register_model(merged: Path, folder: Path, papers: Papers) -> Path:
    """Move a merged model, with its papers, to its place among an installation's models; see place_of."""
    place = place_of(papers.name, folder)
    folder.mkdir(parents=True, exist_ok=True)
    (merged / PAPERS).write_text(json.dumps(asdict(papers), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    shutil.move(merged, place)
    return place


def place_of(name: str, folder: Path) -> Path:
    """Where a new model of this name will be.

    Raises SettingsError for a name that cannot be a folder's, or one that is taken.
    """
    if not _NAME.fullmatch(name):
        raise SettingsError(
            "The model's name may hold lower-case letters, digits, dots, hyphens and underscores.",
            remedy="Choose another name.",
        )
    if (folder / name).exists():
        raise SettingsError("A model of this name exists.", remedy="Choose another name, or remove the old one.")
    return folder / name


def registered(folder: Path) -> tuple[Papers, ...]:
    """The models of an installation by name; folders without readable papers are left out."""
    return tuple(papers for place in sorted(folder.glob("*")) if (papers := _read(place)) is not None)


def resolve(model: str, folder: Path) -> str:
    """The folder of a registered model's name; anything else as it is."""
    place = folder / model
    return str(place) if _NAME.fullmatch(model) and (place / PAPERS).is_file() else model


def _read(place: Path) -> Papers | None:
    try:
        return Papers(**json.loads((place / PAPERS).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
