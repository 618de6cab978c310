"""The same call through the command line, the synchronous and the asynchronous entrance: one result."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from qingting.client import QingtingClient
from qingting.testing import SampleCall, sample_calls
from qingting.testing.postgres import PostgresServer
from qingting.testing.service_process import ServiceProcess, service_process

pytestmark = pytest.mark.timeout(600)

CALLS = ("absolute_promise", "refund_late_answer")
"""One mixed recording, one with a channel per party."""


def call_named(name: str) -> SampleCall:
    return next(one for one in sample_calls() if one.audio_path.stem == name)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    settings = {}
    if request.param == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgres")
        settings["QINGTING_STORAGE__DATABASE_URL"] = server.new_database()
    with service_process(tmp_path_factory.mktemp("service"), settings) as running:
        yield running


def by_command(path: Path, call: dict[str, str], folder: Path) -> dict[str, Any]:
    arguments = ["inspect", str(path), "--line-of-business", call["line_of_business"], "--format", "json", "--quiet"]
    result = subprocess.run(
        [sys.executable, "-m", "qingting", *arguments],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=250,
        check=True,
    )
    report: dict[str, Any] = json.loads(result.stdout)
    return report


def essence(report: dict[str, Any]) -> dict[str, Any]:
    """What must not depend on the entrance: everything but the call's id, its data and the moment."""
    kept = {name: report[name] for name in ("recording", "roles", "transcript", "statistics", "findings", "failures")}
    return kept | {"gaps": report["gaps"], "score": report["score"], "advice": report["advice"]}


@pytest.mark.parametrize("name", CALLS)
def test_three_entrances_give_one_result(service: ServiceProcess, name: str, tmp_path: Path) -> None:
    sample = call_named(name)
    call = {"line_of_business": sample.script.call.line_of_business}
    with QingtingClient(service.url, service.new_key("integrator")) as client:
        waited = client.inspect(sample.audio_path, call={**call, "call_id": f"{name}-sync"})
        job = client.submit(sample.audio_path, call={**call, "call_id": f"{name}-async"})
        later = client.wait(job.id, timeout_seconds=200)
    expected = essence(by_command(sample.audio_path, call, tmp_path))
    assert expected["findings"]
    for result in (waited, later):
        assert result.state == "done"
        assert result.report is not None
        assert result.report["score"] == expected["score"]
        with QingtingClient(service.url, service.new_key("inspector")) as inspector:
            unmasked = inspector.report(result.call_id, reveal=True)
        assert unmasked.masked is False
        assert unmasked.report is not None
        assert essence(unmasked.report) == expected
