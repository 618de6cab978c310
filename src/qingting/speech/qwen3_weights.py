"""Where the weights of Qwen3-ASR and its aligner lie, whether they are whole, and how to get them.

Only files are looked at: nothing here loads a model, and only `fetch_model` uses a network,
for a source that the settings name.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Any

from qingting.errors import EngineUnavailableError, MissingExtraError, SettingsError

INSTALL_COMMAND = "pip install 'qingting[qwen]'"
SIZES = {
    "Qwen/Qwen3-ASR-0.6B": "1.9 GB",
    "Qwen/Qwen3-ASR-0.6B-hf": "1.6 GB",
    "Qwen/Qwen3-ASR-1.7B": "4.7 GB",
    "Qwen/Qwen3-ForcedAligner-0.6B": "1.8 GB",
}
"""What a download of the released models weighs."""
_LIBRARIES = ("torch", "transformers", "tokenizers", "safetensors")
_BLOCK_BYTES = 1 << 22
_LONGEST_HEADER_BYTES = 100_000_000
"""The safetensors format allows no longer header."""


class Source(StrEnum):
    """Where a model that is named, not given as a folder, comes from."""

    AUTO = "auto"
    """Look where ModelScope and Hugging Face keep what was downloaded; never download."""
    MODELSCOPE = "modelscope"
    """Look there, then download from ModelScope."""
    HUGGINGFACE = "huggingface"
    """Look there, then download from Hugging Face."""


class Kind(StrEnum):
    """What a checkpoint is for."""

    RECOGNISER = "recogniser"
    ALIGNER = "aligner"


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A folder with whole weights of the wanted kind."""

    folder: Path
    kind: Kind
    original: bool
    """Whether it has the layout of the first release (`thinker_config`), not that of Transformers' own classes."""
    config: dict[str, Any]
    """config.json."""


def missing_libraries() -> tuple[str, ...]:
    """Libraries of the extra that are not installed; imports nothing."""
    return tuple(name for name in _LIBRARIES if importlib.util.find_spec(name) is None)


def require_libraries() -> None:
    """Raise MissingExtraError when a library of the extra is absent."""
    missing = missing_libraries()
    if missing:
        raise MissingExtraError(f"Qwen3-ASR in process lacks: {', '.join(missing)}.", remedy=f"Run: {INSTALL_COMMAND}")


def how_to_get(model: str) -> str:
    """The commands that fetch a model, with its size, for error messages."""
    short = model.rsplit("/", 1)[-1]
    size = f" ({SIZES[model]})" if model in SIZES else ""
    return (
        f"Fetch the weights{size}: `modelscope download --model {model} --local_dir {short}` or "
        f"`hf download {model} --local-dir {short}`, then name the folder in the settings."
    )


def is_folder(model: str) -> bool:
    """Whether a model is named by a folder: it exists, or it cannot be a hub name."""
    return Path(model).is_dir() or model.count("/") != 1 or model.startswith((".", "~"))


def find_model(model: str, source: Source = Source.AUTO) -> Path | None:
    """The folder of a model that is already on this machine, or None.

    `model` is a folder, or a hub name (`Qwen/Qwen3-ASR-0.6B`) that is looked up in the
    caches of ModelScope and Hugging Face (of the named source first).
    """
    if is_folder(model):
        folder = Path(model).expanduser()
        return folder if folder.is_dir() else None
    places = [_in_modelscope, _in_huggingface]
    if source is Source.HUGGINGFACE:
        places.reverse()
    for place in places:
        for folder in place(model):
            if (folder / "config.json").is_file():
                return folder
    return None


def require_model(model: str, source: Source = Source.AUTO) -> Path:
    """The folder of a model, downloaded where the source allows it.

    Raises EngineUnavailableError with the commands that fetch it, SettingsError for a folder
    that does not exist, MissingExtraError when the source's library is not installed.
    """
    found = find_model(model, source)
    if found is not None:
        return found
    if is_folder(model):
        message = "The folder of the speech model in the settings does not exist."
        raise SettingsError(message, remedy="Correct the path, or name a model such as Qwen/Qwen3-ASR-0.6B.")
    if source is Source.AUTO:
        raise EngineUnavailableError(f"The weights of {model} are not on this machine.", remedy=how_to_get(model))
    return fetch_model(model, source)


def fetch_model(model: str, source: Source) -> Path:
    """Download a model into its hub's own cache; see require_model for the errors."""
    if _offline():
        raise EngineUnavailableError(
            f"The weights of {model} are not on this machine, and the environment forbids downloads.",
            remedy=how_to_get(model),
        )
    library = "modelscope" if source is Source.MODELSCOPE else "huggingface_hub"
    if importlib.util.find_spec(library) is None:
        raise MissingExtraError(f"Downloads need {library}.", remedy=f"Run: pip install {library}")
    try:
        return Path(_download(library, model))
    except Exception as error:
        raise EngineUnavailableError(
            f"{model} could not be downloaded ({type(error).__name__}).", remedy=how_to_get(model)
        ) from error


def read_checkpoint(folder: Path, kind: Kind) -> Checkpoint:
    """Check that a folder holds whole weights of the kind.

    Raises EngineUnavailableError naming what is wrong: no or unreadable configuration,
    another architecture, no weights, weights cut short.
    """
    config = _config(folder)
    thinker = config.get("thinker_config")
    original = isinstance(thinker, dict)
    _check_architecture(config, thinker if isinstance(thinker, dict) else config, kind)
    if not (folder / "tokenizer.json").is_file() and not (folder / "vocab.json").is_file():
        raise _broken("the tokenizer is missing")
    files = _weight_files(folder)
    if not files:
        raise _broken("there is no .safetensors file")
    for path in files:
        _check_whole(path)
    return Checkpoint(folder=folder, kind=kind, original=original, config=config)


def revision(folder: Path) -> str:
    """SHA-256 over configuration, tokenizer and weights: two machines with one model give one revision.

    Read once per process and state of the files; 1.9 GB take one to four seconds.
    """
    files = _evidence(folder)
    state = tuple((path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files)
    return _digest(folder.resolve(), state)


@lru_cache(maxsize=16)
def _digest(folder: Path, state: tuple[tuple[str, int, int], ...]) -> str:
    digest = hashlib.sha256()
    for name, size, _ in state:
        digest.update(f"{name}\0{size}\0".encode())
        with (folder / name).open("rb") as source:
            while block := source.read(_BLOCK_BYTES):
                digest.update(block)
    return digest.hexdigest()


def _evidence(folder: Path) -> list[Path]:
    names = ("config.json", "tokenizer.json", "vocab.json", "merges.txt", "tokenizer_config.json")
    return [folder / name for name in names if (folder / name).is_file()] + _weight_files(folder)


def _weight_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.safetensors") if path.is_file())


def _config(folder: Path) -> dict[str, Any]:
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise _broken("config.json is missing") from None
    except (OSError, ValueError):
        raise _broken("config.json cannot be read") from None
    if not isinstance(config, dict):
        raise _broken("config.json is no object")
    return config


def _check_architecture(config: dict[str, Any], inner: dict[str, Any], kind: Kind) -> None:
    if config.get("model_type") not in ("qwen3_asr", "qwen3_forced_aligner"):
        raise _broken("it is no Qwen3-ASR model")
    if not isinstance(inner.get("audio_config"), dict) or not isinstance(inner.get("text_config"), dict):
        raise _broken("config.json lacks the model's parts")
    architectures = " ".join(map(str, config.get("architectures") or ()))
    aligner = bool(inner.get("classify_num")) or "TokenClassification" in architectures
    if aligner and kind is Kind.RECOGNISER:
        raise _broken("it is the aligner, not the recogniser")
    if not aligner and kind is Kind.ALIGNER:
        raise _broken("it is the recogniser, not the aligner")


def _check_whole(path: Path) -> None:
    """Compare the file's size with what its own header says (safetensors: length, header, data)."""
    try:
        size = path.stat().st_size
        with path.open("rb") as source:
            (length,) = struct.unpack("<Q", source.read(8))
            if not 0 < length < _LONGEST_HEADER_BYTES:
                raise _broken(f"{path.name} is damaged")
            header = json.loads(source.read(length))
        ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
    except (OSError, ValueError, struct.error, LookupError, TypeError, AttributeError):
        raise _broken(f"{path.name} is damaged or not wholly downloaded") from None
    if size != 8 + length + max(ends, default=0):
        raise _broken(f"{path.name} is not wholly downloaded")


def _broken(what: str) -> EngineUnavailableError:
    return EngineUnavailableError(
        f"The folder of the speech model cannot be used: {what}.",
        remedy="Download the model again, or name another folder in the settings.",
    )


def _in_modelscope(model: str) -> Iterator[Path]:
    """Folders in which ModelScope's versions keep a model: dots in its name may have become underscores."""
    owner, name = model.split("/")
    own = os.environ.get("MODELSCOPE_CACHE", "")
    base = Path(own).expanduser() if own else Path.home() / ".cache" / "modelscope"
    for root in (base / "models", base / "hub" / "models", base, base / "hub"):
        for form in (name, name.replace(".", "___")):
            yield root / owner / form
        yield from _snapshots(root / f"{owner}--{name}")


def _in_huggingface(model: str) -> Iterator[Path]:
    own = os.environ.get("HF_HUB_CACHE", "")
    home = Path(os.environ.get("HF_HOME", "") or Path.home() / ".cache" / "huggingface").expanduser()
    root = Path(own).expanduser() if own else home / "hub"
    yield from _snapshots(root / f"models--{model.replace('/', '--')}")


def _snapshots(folder: Path) -> Iterator[Path]:
    """Snapshots of a hub's cache: the one that `main` or `master` names first, then the newest."""
    for branch in ("main", "master"):
        reference = folder / "refs" / branch
        if reference.is_file():
            yield folder / "snapshots" / reference.read_text(encoding="utf-8").strip()
    with_times = [(path.stat().st_mtime, path) for path in (folder / "snapshots").glob("*")]
    yield from (path for _, path in sorted(with_times, reverse=True))


def _offline() -> bool:
    names = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    return any(os.environ.get(name, "").strip().lower() in {"1", "true", "yes", "on"} for name in names)


def _download(library: str, model: str) -> str:
    if library == "modelscope":
        import modelscope

        return str(modelscope.snapshot_download(model))
    import huggingface_hub

    return str(huggingface_hub.snapshot_download(model))
