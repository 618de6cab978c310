"""Examines an installation: what works, what is missing, and the command that mends it."""

from __future__ import annotations

import platform
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from qingting import __version__
from qingting.errors import QingtingError

if TYPE_CHECKING:
    from qingting.settings import Settings

State = Literal["ok", "warning", "fault"]

NEEDED_DECODERS = (
    "pcm_alaw",
    "pcm_mulaw",
    "gsm",
    "adpcm_ima_wav",
    "mp3",
    "libopencore_amrnb",
    "amrwb",
    "aac",
    "opus",
    "flac",
    "wmav2",
    "g722",
)
"""Decoders that the formats of the audio stage need."""
REPORTED_PACKAGES = ("numpy", "numba", "av", "soxr", "pydantic", "ctranslate2", "tokenizers", "torch", "transformers")


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing examined."""

    name: str
    state: State
    detail: str
    remedy: str = ""
    """What to do; empty when nothing is wrong."""


def examine() -> Iterator[Check]:
    """Examine everything; a check that breaks is a fault of its own and never ends the rest."""
    from qingting.settings import load_settings

    yield from _guarded("python", lambda: iter([_python()]))
    yield from _guarded("packages", lambda: iter([_packages()]))
    try:
        settings = load_settings()
    except QingtingError as error:
        yield _from_error("settings", error)
        return
    yield Check(name="settings", state="ok", detail=f"engine={settings.engine}, workers={settings.workers}")
    examinations: list[tuple[str, Callable[[Settings], Iterator[Check]]]] = [
        ("cache folder", _cache),
        ("codecs", _codecs),
        ("decoding process", _worker),
        ("engines", _engines),
        ("speech servers", _speech_servers),
        ("aligner", _aligner),
        ("analyzers", _analyzers),
        ("service", _service),
    ]
    for name, look in examinations:
        yield from _guarded(name, lambda look=look: look(settings))  # type: ignore[misc]


def _guarded(name: str, look: Callable[[], Iterator[Check]]) -> Iterator[Check]:
    try:
        yield from look()
    except QingtingError as error:
        yield _from_error(name, error)
    except Exception as error:  # noqa: BLE001  the doctor must survive any illness
        detail = f"{type(error).__name__}: {error}"
        yield Check(
            name=name, state="fault", detail=detail, remedy="pip install --force-reinstall 'qingting[embedded]'"
        )


def _from_error(name: str, error: QingtingError) -> Check:
    return Check(name=name, state="fault", detail=error.cause, remedy=error.remedy)


def _python() -> Check:
    detail = f"qingting {__version__}, Python {platform.python_version()}, {platform.machine()} {sys.platform}"
    return Check(name="python", state="ok", detail=detail)


def _packages() -> Check:
    def number(package: str) -> str:
        try:
            return version(package)
        except PackageNotFoundError:
            return "not installed"

    return Check(name="packages", state="ok", detail=", ".join(f"{name} {number(name)}" for name in REPORTED_PACKAGES))


def _cache(settings: Settings) -> Iterator[Check]:
    folder = settings.cache_folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        remedy = "Give write permission, or set QINGTING_CACHE_FOLDER to a writable folder."
        yield Check(name="cache folder", state="fault", detail=f"{folder}: {type(error).__name__}", remedy=remedy)
        return
    yield Check(name="cache folder", state="ok", detail=str(folder))


def _codecs(_: Settings) -> Iterator[Check]:
    import av

    missing = [name for name in NEEDED_DECODERS if name not in av.codecs_available]
    if missing:
        remedy = "pip install --force-reinstall --only-binary av av"
        yield Check(name="codecs", state="fault", detail=f"PyAV lacks {', '.join(missing)}", remedy=remedy)
    else:
        yield Check(name="codecs", state="ok", detail=f"PyAV {av.__version__} has all {len(NEEDED_DECODERS)} decoders")


def _worker(settings: Settings) -> Iterator[Check]:
    """Prepare a second of silence in a real worker process, with compiled kernels and all."""
    import wave

    from qingting.audio.worker import WorkerPool
    from qingting.bootstrap import PREPARE, audio_options

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "silence.wav"
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(8000)
            file.writeframes(bytes(16_000))
        with WorkerPool(PREPARE, workers=1, timeout_seconds=120) as pool:
            audio = pool.run(path, audio_options(settings))
    detail = f"starts and prepares {audio.format.duration_ms} ms of audio"
    yield Check(name="decoding process", state="ok", detail=detail)


def _engines(settings: Settings) -> Iterator[Check]:
    from qingting.bootstrap import engine_sections
    from qingting.speech import catalog

    sections = engine_sections(settings)
    for name in catalog.engine_names():
        found = catalog.availability(name, sections)
        state: State = "ok" if found.available else "warning"
        yield Check(name=f"engine {name}", state=state, detail=found.detail, remedy=found.remedy)
    if settings.engine == catalog.AUTO:
        yield Check(name="engine choice", state="ok", detail=catalog.choose(sections).explanation)
        return
    chosen = catalog.availability(settings.engine, sections)
    state = "ok" if chosen.available else "fault"
    detail = f"{settings.engine}: the settings name it"
    yield Check(name="engine choice", state=state, detail=detail, remedy=chosen.remedy)


def _speech_servers(settings: Settings) -> Iterator[Check]:
    """Every Qwen3-ASR server that the settings name."""
    from qingting.bootstrap import engine_sections
    from qingting.speech.qwen3_health import look_at
    from qingting.speech.qwen3_server import Qwen3ServerSettings

    if settings.qwen3_server.urls:
        for found in look_at(Qwen3ServerSettings(**engine_sections(settings)["qwen3-server"])):
            state: State = "ok" if found.usable else "warning"
            yield Check(name=f"speech server {found.url}", state=state, detail=found.detail, remedy=found.remedy)


def _aligner(settings: Settings) -> Iterator[Check]:
    from qingting.bootstrap.speech import local_aligner_settings, served_aligner_settings
    from qingting.speech.aligner import aligner_availability
    from qingting.speech.qwen3_health import look_at

    section = settings.aligner
    if section.use == "off":
        yield Check(
            name="aligner", state="ok", detail="switched off: where an engine has no word times they are estimates"
        )
        return
    needed: State = "fault" if section.use == "on" else "warning"
    served = served_aligner_settings(settings)
    if served is not None:
        servers = look_at(served)
        lacking: State = "warning" if any(server.usable for server in servers) else needed
        for server in servers:
            state: State = "ok" if server.usable else lacking
            yield Check(name=f"aligner server {server.url}", state=state, detail=server.detail, remedy=server.remedy)
        return
    found = aligner_availability(local_aligner_settings(settings))
    yield Check(
        name="aligner", state="ok" if found.available else needed, detail=found.detail, remedy=found.remedy
    )  # fmt: skip


def _analyzers(settings: Settings) -> Iterator[Check]:
    from qingting.bootstrap import lines_of_business, plans

    plan_for = plans(settings)
    for business in lines_of_business(settings):
        plan = plan_for(business)
        detail = f"{', '.join(a.id for a in plan.analyzers)}; card {plan.card.id}@{plan.card.version}"
        yield Check(name=f"pack {plan.pack}", state="ok", detail=detail)


def _service(settings: Settings) -> Iterator[Check]:
    from qingting.doctor_service import examine_service

    yield from examine_service(settings)
