"""The speech engines there are, as data: another engine is one more line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qingting.errors import QingtingError, SettingsError, UnknownEngineError
from qingting.speech.engine import SpeechEngine


@dataclass(frozen=True, kw_only=True)
class Availability:
    """Whether an engine can run here and now."""

    available: bool
    detail: str
    """What was found, one sentence."""
    remedy: str = ""
    """What to do when it is not available."""


@dataclass(frozen=True, kw_only=True)
class EngineEntry:
    """One engine of the catalogue."""

    name: str
    """As in settings and reports."""
    description: str
    """One sentence in English."""
    chinese: str
    """The same in Chinese."""
    extra: str
    """Extra of the package that installs it."""
    check: Callable[[], Availability]
    """Quick look whether it can run; loads nothing."""
    make: Callable[..., SpeechEngine]
    """Builds it from keyword settings."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What `auto` chose, and why."""

    name: str
    explanation: str
    """Chinese sentence for the doctor command and the log."""


def _check_embedded() -> Availability:
    from qingting.speech import _weights

    missing = _weights.missing_packages()
    if missing:
        return Availability(
            available=False,
            detail=f"not installed: {', '.join(missing)}",
            remedy=f"Run: {_weights.INSTALL_COMMAND}",
        )
    return Availability(available=True, detail="Whisper base, int8, weights installed as packages")


def _make_embedded(*, cache: Path | None = None, **settings: Any) -> SpeechEngine:
    from qingting.speech.embedded import EmbeddedEngine, EmbeddedSettings

    return EmbeddedEngine(cache=cache, settings=EmbeddedSettings(**settings))


_ENTRIES: tuple[EngineEntry, ...] = (
    EngineEntry(
        name="embedded",
        description="Whisper base (int8, CTranslate2) on the processor: works right after installation, offline.",
        chinese="内置引擎：Whisper base（int8，CTranslate2），CPU 运行，安装即用，无需联网。",
        extra="embedded",
        check=_check_embedded,
        make=_make_embedded,
    ),
)
"""In order of preference for `auto`: the best engine first, `embedded` last."""

ENGINES: Mapping[str, EngineEntry] = {entry.name: entry for entry in _ENTRIES}
AUTO = "auto"


def engine_names() -> tuple[str, ...]:
    """Names of all engines, best first, without `auto`."""
    return tuple(ENGINES)


def entry(name: str) -> EngineEntry:
    """One engine's entry; raises UnknownEngineError."""
    try:
        return ENGINES[name]
    except KeyError:
        raise UnknownEngineError(
            f"There is no speech engine named {name!r}; there are: {', '.join((AUTO, *ENGINES))}."
        ) from None


def availability(name: str) -> Availability:
    """Whether the engine can run here; raises UnknownEngineError."""
    return entry(name).check()


def choose() -> Choice:
    """The engine `auto` stands for: the first of the catalogue that can run here.

    Raises SettingsError with every engine's remedy when none can.
    """
    passed_over: list[tuple[str, str, str]] = []
    for candidate in _ENTRIES:
        found = candidate.check()
        if found.available:
            reasons = "".join(f"{name} 不可用（{detail}）；" for name, detail, _ in passed_over)
            return Choice(name=candidate.name, explanation=f"{reasons}选用 {candidate.name}：{candidate.chinese}")
        passed_over.append((candidate.name, found.detail, found.remedy))
    raise SettingsError(
        "No speech engine can run here: " + "; ".join(f"{name}: {detail}" for name, detail, _ in passed_over) + ".",
        remedy=" ".join(remedy for _, _, remedy in passed_over if remedy),
    )


def create(name: str = AUTO, **settings: Any) -> SpeechEngine:
    """Build an engine from keyword settings of its own.

    Raises UnknownEngineError, MissingExtraError, or SettingsError for settings it does
    not have.
    """
    chosen = choose().name if name == AUTO else name
    try:
        return entry(chosen).make(**settings)
    except QingtingError:
        raise
    except TypeError as error:
        raise SettingsError(f"The {chosen} engine does not know one of its settings.") from error
