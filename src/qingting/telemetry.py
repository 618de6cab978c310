"""Logs and traces: who does what for how long, never what was said.

A process calls `configure_logging(settings)` and `configure_tracing(settings)` once at its start, before
it imports `dbos`, and `stop_tracing()` at its end. Code then uses

    with about(job_id=job.id), span("job.transcribe", audio_ms=duration):
        ...

`about` puts identifiers into every log line written within (also in threads that inherit the context);
`span` is a trace's span and costs nothing where tracing is off. Both take identifiers of ours (job,
request, worker), names of steps, numbers: no customer words, names or numbers. Libraries know no such
rule, so their texts are withheld: a line of theirs names the place in the source that wrote it, and an
exception is written as its type and our own frames.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any, TextIO

from qingting import __version__
from qingting.errors import MissingExtraError, QingtingError

if TYPE_CHECKING:
    from qingting.settings import Settings

Attribute = str | int | float | bool

_ABOUT: ContextVar[Mapping[str, Attribute]] = ContextVar("qingting_about", default=MappingProxyType({}))
_HERE = str(Path(__file__).parent)
_OURS = "qingting"
_HARMLESS = ("alembic", "uvicorn.error")
"""Loggers of libraries whose texts hold no content: start, stop, migrations."""
_LEVELS: Mapping[str, int] = {
    "alembic": logging.INFO,
    # Paths hold call ids and query strings search words: the API writes its own line for each request.
    "uvicorn.access": logging.CRITICAL + 1,
    # Its lines about WebSockets hold query strings.
    "uvicorn.error": logging.WARNING,
    # Their texts hold push addresses, which are secrets.
    "apprise": logging.CRITICAL + 1,
    # Statements with their values.
    "sqlalchemy": logging.WARNING,
    "dbos": logging.WARNING,
    # Requests with their addresses.
    "httpx": logging.WARNING,
    "httpx2": logging.WARNING,
}


@contextmanager
def about(**identifiers: Attribute) -> Iterator[None]:
    """Put identifiers (`request_id`, `job_id`, `worker_id`) into the log lines written within."""
    token = _ABOUT.set({**_ABOUT.get(), **identifiers})
    try:
        yield
    finally:
        _ABOUT.reset(token)


def configure_logging(settings: Settings, stream: TextIO | None = None) -> None:
    """Write logs to a stream (standard error) as the settings say; may be called again."""
    section = settings.telemetry
    level = getattr(logging, section.log_level.upper())
    handler = logging.StreamHandler(stream or sys.stderr)
    frames_of_libraries = level <= logging.DEBUG
    form = _JsonLines if section.log_format == "json" else _TextLines
    handler.setFormatter(form(frames_of_libraries=frames_of_libraries))
    root = logging.getLogger()
    for old in list(root.handlers):
        # Handlers of test runners and embedding programs stay.
        if isinstance(old, logging.StreamHandler) and isinstance(old.formatter, _Lines):
            root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(max(level, logging.WARNING))
    logging.getLogger(_OURS).setLevel(level)
    for name, least in _LEVELS.items():
        logger = logging.getLogger(name)
        logger.setLevel(max(level, least))
        logger.propagate = True
    # DBOS writes to the console by itself unless its logger has a handler.
    logging.getLogger("dbos").addHandler(logging.NullHandler())


class _Lines(logging.Formatter):
    """What both forms have in common: which texts may be written."""

    def __init__(self, *, frames_of_libraries: bool) -> None:
        super().__init__()
        self._frames_of_libraries = frames_of_libraries

    def _message(self, record: logging.LogRecord) -> str:
        if _is_ours(record.name) or record.name.startswith(_HARMLESS):
            return record.getMessage()
        return f"text of a library withheld, {record.module}:{record.lineno}"

    def _trouble(self, record: logging.LogRecord) -> tuple[str, list[str]]:
        """Type of the exception (our errors with their cause, which holds no content) and its frames."""
        if not record.exc_info or record.exc_info[1] is None:
            return "", []
        error, frames = record.exc_info[1], record.exc_info[2]
        name = type(error).__name__
        return (f"{name}: {error.cause}" if isinstance(error, QingtingError) else name), self._frames(frames)

    def _frames(self, frames: TracebackType | None) -> list[str]:
        return [
            f"{_place(frame.filename)}:{frame.lineno} {frame.name}"
            for frame in traceback.extract_tb(frames)
            if self._frames_of_libraries or frame.filename.startswith(_HERE)
        ]


class _TextLines(_Lines):
    """`2026-11-30T01:15:02.123Z INFO qingting.jobs [job_id=…] message`."""

    def format(self, record: logging.LogRecord) -> str:
        known = " ".join(f"{name}={value}" for name, value in _ABOUT.get().items())
        line = (
            f"{_time(record)} {record.levelname} {record.name} {f'[{known}] ' if known else ''}{self._message(record)}"
        )
        error, frames = self._trouble(record)
        parts = [line, *([f"  {error}"] if error else []), *(f"    {frame}" for frame in frames)]
        # One record never looks like two.
        return "\n".join(part.replace("\r", " ").replace("\n", " ") for part in parts)


class _JsonLines(_Lines):
    """One object a line: time, level, logger, message, identifiers, error."""

    def format(self, record: logging.LogRecord) -> str:
        error, frames = self._trouble(record)
        plain: dict[str, Any] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": self._message(record),
            **_ABOUT.get(),
            **({"error": error, "frames": frames} if error else {}),
        }
        return json.dumps(plain, ensure_ascii=False)


def _is_ours(name: str) -> bool:
    return name == _OURS or name.startswith(f"{_OURS}.")


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _place(file: str) -> str:
    """A file without the folders of this machine."""
    parts = Path(file).parts
    return "/".join(parts[parts.index("site-packages") + 1 :] if "site-packages" in parts else parts[-3:])


class _Tracing:
    """The process's tracer; None while tracing is off."""

    provider: Any = None
    tracer: Any = None


def configure_tracing(settings: Settings, *, component: str = "qingting") -> None:
    """Send spans to the collector that the settings name, if they name one.

    Raises MissingExtraError when the extra `telemetry` is not installed.
    """
    endpoint = settings.telemetry.otlp_endpoint
    if not endpoint or _Tracing.provider is not None:
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ModuleNotFoundError:
        raise MissingExtraError(
            "The settings name a trace collector, but OpenTelemetry is not installed.",
            remedy="pip install 'qingting[telemetry]', or unset telemetry.otlp_endpoint.",
        ) from None
    address = endpoint if endpoint.endswith("/v1/traces") else f"{endpoint.rstrip('/')}/v1/traces"
    provider = TracerProvider(resource=Resource.create({"service.name": component, "service.version": __version__}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=address)))
    _Tracing.provider, _Tracing.tracer = provider, provider.get_tracer(_OURS, __version__)


def stop_tracing() -> None:
    """Send what is left and turn tracing off."""
    provider, _Tracing.provider, _Tracing.tracer = _Tracing.provider, None, None
    if provider is not None:
        provider.shutdown()


@contextmanager
def span(name: str, **attributes: Attribute) -> Iterator[None]:
    """Trace a piece of work; nothing where tracing is off. The name is fixed, attributes are ids and numbers.

    An exception passes through; the span gets its type, never its text.
    """
    if _Tracing.tracer is None:
        yield
        return
    from opentelemetry.trace import Status, StatusCode

    known = {**_ABOUT.get(), **attributes}
    with _Tracing.tracer.start_as_current_span(
        name, attributes=known, record_exception=False, set_status_on_exception=False
    ) as current:
        try:
            yield
        except BaseException as error:
            current.set_status(Status(StatusCode.ERROR, type(error).__name__))
            raise
