"""Which engine, aligner and local model the settings mean."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qingting.errors import EngineUnavailableError
from qingting.speech import catalog
from qingting.speech.aligner import Aligner, Qwen3AlignerSettings, Qwen3ForcedAligner, aligner_availability
from qingting.speech.aligner_server import ServedAlignerSettings, ServedForcedAligner
from qingting.speech.finetuning import registry
from qingting.speech.qwen3_health import availability_of
from qingting.speech.wrappers import CheckedEngine, LimitedEngine, RetryingEngine

if TYPE_CHECKING:
    from qingting.settings import Settings
    from qingting.speech.engine import SpeechEngine


def open_engine(settings: Settings) -> SpeechEngine:
    """Open the engine that the settings choose, held to its contract and asked again after passing errors.

    Raises UnknownEngineError, or the reason why it cannot run here.
    """
    engine = catalog.create(
        settings.engine, sections=engine_sections(settings), cache=settings.cache_folder, workers=settings.workers
    )
    return LimitedEngine(RetryingEngine(CheckedEngine(engine)), concurrent=settings.workers)


def engine_sections(settings: Settings) -> dict[str, dict[str, Any]]:
    """The settings' sections of single engines, by engine name; secrets are opened."""
    server = settings.qwen3_server
    fields = {name: getattr(server, name) for name in type(server).model_fields}
    model = registry.resolve(settings.qwen3_local.model, settings.model_folder)
    return {
        "qwen3-server": {**fields, "api_key": server.api_key.get_secret_value()},
        "qwen3-local": settings.qwen3_local.model_dump() | {"model": model},
    }


def open_aligner(settings: Settings, engine: SpeechEngine) -> Aligner | None:
    """Open the aligner where the engine gives no word times and the settings allow it, else None.

    Served if the settings name servers, else in process. With `aligner.use = "on"` raises the
    reason why it cannot run; with `auto` it is left out then, but servers are asked anew for
    every utterance, since they may come back.
    """
    section = settings.aligner
    if section.use == "off" or engine.capabilities.word_times:
        return None
    served = served_aligner_settings(settings)
    if served is not None:
        if section.use == "on":
            usable, detail, remedy = availability_of(served)
            if not usable:
                raise EngineUnavailableError(f"The aligner's servers cannot be used: {detail}.", remedy=remedy)
        return ServedForcedAligner(served)
    chosen = local_aligner_settings(settings)
    if section.use == "auto" and not aligner_availability(chosen).available:
        return None
    return Qwen3ForcedAligner(chosen)


def local_aligner_settings(settings: Settings) -> Qwen3AlignerSettings:
    """Settings of the aligner in process."""
    section = settings.aligner
    return Qwen3AlignerSettings(model=section.model, source=section.source, device=section.device, dtype=section.dtype)


def served_aligner_settings(settings: Settings) -> ServedAlignerSettings | None:
    """Settings of the served aligner with its secret opened; None when no server is named."""
    section = settings.aligner
    if not section.urls:
        return None
    wanted = {field.name for field in fields(ServedAlignerSettings)} & set(type(section).model_fields)
    chosen = {name: getattr(section, name) for name in wanted}
    return ServedAlignerSettings(**{**chosen, "api_key": section.api_key.get_secret_value()})


def model_folder(settings: Settings, model: str | None = None) -> Path:
    """Return the folder of a local model: a folder, a hub name, or the name of a registered one.

    Raises EngineUnavailableError with the way to get it, MissingExtraError, SettingsError.
    """
    from qingting.speech import qwen3_weights

    section = settings.qwen3_local
    named = registry.resolve(model or section.model, settings.model_folder)
    return qwen3_weights.require_model(named, qwen3_weights.Source(section.source))


def open_local_model(settings: Settings, model: Path) -> SpeechEngine:
    """Open the engine `qwen3-local` with another model than the settings name."""
    section = settings.qwen3_local.model_dump() | {"model": str(model)}
    return CheckedEngine(catalog.create("qwen3-local", sections={"qwen3-local": section}))
