"""What Prometheus and the log are told of requests: templates and numbers, nothing of any call."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from qingting.api import metrics
from qingting.errors import StorageUnavailableError
from qingting.model.account import Permission, UserRole
from qingting.storage import workers
from qingting.storage.workers import WorkerRow

SECRET = "王小明13812345678"


def scraped(api: Any) -> dict[tuple[str, ...], float]:
    """(name, label values in order of labels) -> value."""
    answer = api.client.get("http://qingting.test/metrics", headers=api.admin)
    assert answer.status_code == 200
    return {
        (sample.name, *(sample.labels[key] for key in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def submit(api: Any, call_id: str) -> None:
    file = {"file": ("c.json", b'[{"role": "customer", "text": "x"}]')}
    answer = api.client.post("jobs", files=file, data={"call": f'{{"call_id": "{call_id}"}}'}, headers=api.admin)
    assert answer.status_code == 202


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "_CACHE_SECONDS", 0.0)


def test_jobs_workers_and_reports_are_counted(api: Any, clock: Any) -> None:
    submit(api, "c1")
    clock.ms += 60_000
    submit(api, "c2")
    found = scraped(api)
    assert found["qingting_jobs", "queued"] == 2
    assert found["qingting_oldest_waiting_seconds",] == 60
    assert (found["qingting_workers",], found["qingting_database_up",], found["qingting_recordings_up",]) == (0, 1, 1)
    for name, seen_ms in (("w1", clock.ms), ("w2", clock.ms - 3_600_000)):
        row = WorkerRow(id=name, host="h", pid=1, version="1", concurrency=4, started_ms=1, seen_ms=seen_ms)
        with api.service.database.write() as connection:
            workers.beat(connection, row)
    clock.ms += 30_000
    api.work()
    found = scraped(api)
    assert (found["qingting_jobs", "queued"], found["qingting_oldest_waiting_seconds",]) == (0, 0)
    assert (found["qingting_workers",], found["qingting_worker_places",]) == (1, 4)
    assert found["qingting_live_calls",] == 0
    assert found["qingting_reports_last_10_minutes",] == 2
    assert found["qingting_report_wait_seconds", "0.95"] == 30
    assert {("qingting_deliveries", "dead"), ("qingting_alerts", "open"), ("process_resident_memory_bytes",)} <= set(
        found
    )
    clock.ms += 11 * 60_000
    assert scraped(api)["qingting_reports_last_10_minutes",] == 0


def test_requests_are_counted_by_template(api: Any) -> None:
    for call_id in (SECRET, "x", "y"):
        assert api.client.get(f"calls/{call_id}", headers=api.admin).status_code == 404
    for path in ("/nothing", f"/{SECRET}", "/api/v1/calls/a/b/c"):
        assert api.client.get(f"http://qingting.test{path}").status_code == 404
    api.client.request("BREW", "http://qingting.test/coffee")
    found = scraped(api)
    assert found["qingting_requests_total", "GET", "/calls/{call_id}", "404"] == 3
    assert found["qingting_requests_total", "GET", "unmatched", "404"] == 3
    assert found["qingting_requests_total", "OTHER", "unmatched", "404"] == 1
    assert found["qingting_request_seconds_count", "GET", "/calls/{call_id}"] == 3
    assert found["qingting_requests_under_way",] == 1, "the scrape itself"
    assert SECRET not in str(found)


def test_the_log_line_of_a_request_names_no_path(api: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, logger="qingting.api.access"):
        answer = api.client.get(f"calls/{SECRET}?reveal=false&q={SECRET}", headers=api.admin)
        api.client.get("http://qingting.test/healthz")
    first, second = caplog.records
    assert first.getMessage().startswith("GET /calls/{call_id} 404 in ")
    assert answer.headers["X-Request-ID"] in first.getMessage()
    assert SECRET not in first.getMessage()
    assert (first.levelno, second.levelno) == (logging.INFO, logging.DEBUG)


def test_a_database_that_is_away_is_told_not_raised(api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object, **__: object) -> None:
        raise StorageUnavailableError("away")

    monkeypatch.setattr(api.service.database, "read", away)
    monkeypatch.setattr(api.service.recordings, "check", away)
    found = scraped(api)
    assert (found["qingting_database_up",], found["qingting_recordings_up",]) == (0, 0)
    assert ("qingting_workers",) not in found


def test_the_database_is_asked_once_in_a_while(api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "_CACHE_SECONDS", 3600.0)
    assert scraped(api)["qingting_jobs", "queued"] == 0
    submit(api, "c1")
    assert scraped(api)["qingting_jobs", "queued"] == 0


def test_metrics_need_a_key(api: Any) -> None:
    url = "http://qingting.test/metrics"
    assert api.client.get(url).status_code == 401
    assert api.client.get(url, headers=api.key(UserRole.INTEGRATOR, Permission.CALLS_READ)).status_code == 403
    answer = api.client.get(url, headers=api.key(UserRole.INTEGRATOR, Permission.JOBS_READ))
    assert answer.headers["content-type"].startswith("text/plain")
