"""Requests made from the description (OpenAPI) itself: no defect, no answer that the description does not name."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from qingting.api.app import build_app
from qingting.api.auth import current_actor
from qingting.api.limits import Limits
from qingting.api.schemas.common import EXAMPLE_ID
from qingting.model.account import SYSTEM
from qingting.model.call import CallInfo
from qingting.service import intake
from qingting.service.center import Service
from qingting.service.intake import Submission
from qingting.settings import Settings
from qingting.storage import calls, workers
from qingting.storage.database import Database
from qingting.storage.recording_store import RecordingStore
from qingting.storage.upgrading import upgrade
from qingting.storage.workers import WorkerRow
from qingting.testing import sample_call

ALMIGHTY = replace(SYSTEM, id="almighty", is_key=True)
CHECKS = (
    schemathesis.checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
)
ENDLESS = {"watch_events", "watch_wall"}
OPEN = {"sign_in", "start_oidc", "finish_oidc", "is_alive", "is_ready"}
EXAMPLE_CALL = "20261130-0042"


def _settings() -> Settings:
    found = Settings()
    api = found.api.model_copy(update={"sync_timeout_seconds": 0.05})
    return found.model_copy(update={"api": api})


def _description() -> dict[str, Any]:
    """The description needs neither database nor store."""
    undressed = Service(settings=_settings(), database=None, recordings=None)  # type: ignore[arg-type]
    return build_app(undressed).openapi()


DESCRIPTION = _description()
OPERATIONS = [
    one["operationId"]
    for path in DESCRIPTION["paths"].values()
    for one in path.values()
    if one["operationId"] not in ENDLESS
]


@pytest.fixture(scope="module")
def loaded() -> schemathesis.BaseSchema:
    return schemathesis.openapi.from_dict(DESCRIPTION)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """An installation with a worker that seems to live."""
    folder: Path = tmp_path_factory.mktemp("installation")
    database = Database.open(f"sqlite:///{folder / 'qingting.sqlite'}")
    upgrade(database)
    store = RecordingStore.open((folder / "recordings").as_uri())
    opened = Service(settings=_settings(), database=database, recordings=store)
    now = opened.clock()
    worker = WorkerRow(
        id="w", host="h", pid=1, version="0", concurrency=1, started_ms=now, seen_ms=now + 24 * 3600 * 1000
    )
    with database.write() as connection:
        workers.beat(connection, worker)
    yield opened
    database.close()


@pytest.fixture(scope="module")
def address(service: Service) -> Iterator[str]:
    """A server at which everybody may do everything."""
    app = build_app(service)
    app.dependency_overrides[current_actor] = lambda: ALMIGHTY
    app.state.limits = Limits(requests_per_minute=0, sign_ins_per_minute=0)
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", ws="none"))
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join(20)


@pytest.fixture(autouse=True)
def _the_call_of_the_examples(service: Service, do_jobs: Callable[[Service], None]) -> None:
    """The description's examples name a call and a job: there they are, also after they were deleted."""
    with service.database.read() as connection:
        if calls.find(connection, EXAMPLE_CALL) is not None:
            return
    given = CallInfo(call_id=EXAMPLE_CALL, team="A", agent_id="A1", customer_reference="C-1")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(intake, "new_id", lambda: EXAMPLE_ID)
        intake.submit(service, ALMIGHTY, Submission(call=given, file=sample_call("refund_late_answer").audio_path))
    do_jobs(service)


@pytest.fixture(autouse=True)
def _no_names_are_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.getaddrinfo

    def look_up(host: Any, *given: Any, **named: Any) -> Any:
        if host in ("127.0.0.1", b"127.0.0.1", None):
            return real(host, *given, **named)
        raise socket.gaierror(socket.EAI_NONAME, "no such host")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)


@pytest.mark.parametrize("operation_id", OPERATIONS)
def test_every_operation_answers_as_it_is_described(
    operation_id: str, address: str, loaded: schemathesis.BaseSchema
) -> None:
    operation = loaded.find_operation_by_id(operation_id)
    cases = [operation.as_strategy(), *operation.get_strategies_from_examples()]
    if operation.body or operation.query or operation.path_parameters:
        cases.append(operation.as_strategy(generation_mode=schemathesis.GenerationMode.NEGATIVE))

    @settings(
        max_examples=12,
        derandomize=True,
        database=None,
        deadline=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(case=st.one_of(cases))
    def check(case: schemathesis.Case) -> None:
        case.call_and_validate(base_url=address, checks=CHECKS, timeout=60)

    check()


def test_the_description_is_complete() -> None:
    built = DESCRIPTION
    operations = [one for methods in built["paths"].values() for one in methods.values()]
    assert len({one["operationId"] for one in operations}) == len(operations) > 40
    for one in operations:
        assert one["summary"], one
        assert one["description"], one
        assert one["tags"], one
        assert bool(one.get("security")) is (one["operationId"] not in OPEN), one["operationId"]
        for status, answer in one["responses"].items():
            if int(status) >= 400 and one["operationId"] != "is_ready":
                (content,) = answer["content"].items()
                assert content == ("application/problem+json", {"schema": {"$ref": "#/components/schemas/Problem"}})
