"""Log lines and spans: what they hold, and above all what they do not."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterator

import pytest

from qingting import telemetry
from qingting.errors import EngineAnswerError
from qingting.settings import Settings
from qingting.settings.service import TelemetrySection

SECRET = "客户说我的卡号是6222020200112233"


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    names = [*telemetry._LEVELS, "qingting"]
    before = (
        root.handlers[:],
        root.level,
        {n: (logging.getLogger(n).level, logging.getLogger(n).propagate) for n in names},
    )
    yield
    root.handlers[:], level, levels = before
    root.setLevel(level)
    for name, (level, propagate) in levels.items():
        logging.getLogger(name).setLevel(level)
        logging.getLogger(name).propagate = propagate


def written(act: Callable[[], None], log_format: str = "text", log_level: str = "info") -> str:
    stream = io.StringIO()
    section = TelemetrySection(log_format=log_format, log_level=log_level)
    telemetry.configure_logging(Settings(telemetry=section), stream)
    act()
    return stream.getvalue()


def fail(error: Exception) -> None:
    try:
        raise error
    except Exception:
        logging.getLogger("qingting.jobs").exception("a step failed")


def test_a_line_names_time_level_logger_and_what_it_is_about() -> None:
    def act() -> None:
        with telemetry.about(job_id="j1"), telemetry.about(step="decode"):
            logging.getLogger("qingting.jobs").info("took %d ms", 12)
        logging.getLogger("qingting.jobs").info("after")

    first, second = written(act).splitlines()
    assert first.endswith("Z INFO qingting.jobs [job_id=j1 step=decode] took 12 ms")
    assert second.endswith("Z INFO qingting.jobs after")


def test_json_lines_are_objects_with_the_same() -> None:
    def act() -> None:
        with telemetry.about(request_id="r1"):
            fail(EngineAnswerError("The answer had no words."))

    (line,) = written(act, "json").splitlines()
    plain = json.loads(line)
    assert (plain["level"], plain["logger"], plain["request_id"]) == ("error", "qingting.jobs", "r1")
    assert plain["error"] == "EngineAnswerError: The answer had no words."


@pytest.mark.parametrize("log_level", ["info", "debug"])
@pytest.mark.parametrize("log_format", ["text", "json"])
def test_foreign_exceptions_are_types_and_our_frames(log_format: str, log_level: str) -> None:
    text = written(lambda: fail(ValueError(SECRET)), log_format, log_level)
    assert "ValueError" in text
    assert "6222" not in text
    assert ("test_telemetry.py" in text) is (log_level == "debug"), "frames of others only when debugging"


def test_an_exception_in_our_own_code_names_its_lines() -> None:
    def act() -> None:
        try:
            telemetry._place(None)  # type: ignore[arg-type]
        except TypeError:
            logging.getLogger("qingting").exception("broken")

    text = written(act)
    assert "src/qingting/telemetry.py:" in text or "qingting/telemetry.py:" in text
    assert "_place" in text


@pytest.mark.parametrize("log_level", ["info", "debug"])
def test_texts_of_libraries_are_withheld_and_their_place_told(log_level: str) -> None:
    def act() -> None:
        logging.getLogger("some.library").error("cannot store %s", SECRET)
        logging.getLogger("dbos").error(f"step failed: {SECRET}")  # noqa: G004

    text = written(act, "text", log_level)
    assert "6222" not in text
    assert text.count("withheld, test_telemetry:") == 2


@pytest.mark.parametrize("log_level", ["info", "debug"])
@pytest.mark.parametrize("name", ["uvicorn.access", "apprise", "sqlalchemy.engine.Engine", "httpx", "uvicorn.error"])
def test_chatter_of_libraries_is_off_at_every_level(name: str, log_level: str) -> None:
    assert written(lambda: logging.getLogger(name).info("GET /search?q=%s", SECRET), "text", log_level) == ""


def test_dbos_adds_no_handler_of_its_own() -> None:
    written(lambda: None)
    assert logging.getLogger("dbos").handlers


def test_levels_and_a_second_configuration() -> None:
    def act() -> None:
        logging.getLogger("qingting.x").info("quiet")
        logging.getLogger("qingting.x").warning("loud")

    stream = io.StringIO()
    telemetry.configure_logging(Settings(), stream)
    assert written(act, log_level="warning").count("loud") == 1
    assert "quiet" not in stream.getvalue()
    assert stream.getvalue() == "", "the first stream is no longer written to"


def test_a_record_with_line_ends_stays_one_line() -> None:
    text = written(lambda: logging.getLogger("qingting").warning("a\nERROR forged"))
    assert text.count("\n") == 1


def test_a_span_costs_nothing_without_a_collector() -> None:
    with telemetry.span("job", job_id="j"):
        pass


def test_spans_carry_ids_and_the_type_of_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    trace_sdk = pytest.importorskip("opentelemetry.sdk.trace")
    export = pytest.importorskip("opentelemetry.sdk.trace.export")
    memory = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter").InMemorySpanExporter()
    provider = trace_sdk.TracerProvider()
    provider.add_span_processor(export.SimpleSpanProcessor(memory))
    monkeypatch.setattr(telemetry._Tracing, "provider", provider)
    monkeypatch.setattr(telemetry._Tracing, "tracer", provider.get_tracer("test"))
    with (
        telemetry.about(job_id="j1"),
        telemetry.span("job"),
        pytest.raises(ValueError, match="卡号"),
        telemetry.span("job.decode", audio_ms=10),
    ):
        raise ValueError(SECRET)
    inner, outer = memory.get_finished_spans()
    assert (inner.name, dict(inner.attributes)) == ("job.decode", {"job_id": "j1", "audio_ms": 10})
    assert inner.parent.span_id == outer.context.span_id
    assert inner.status.description == "ValueError"
    assert "6222" not in inner.to_json() + outer.to_json()
    telemetry.stop_tracing()
    with telemetry.span("later"):
        pass
    assert len(memory.get_finished_spans()) == 2


def test_tracing_stays_off_without_an_address() -> None:
    telemetry.configure_tracing(Settings())
    assert telemetry._Tracing.tracer is None
