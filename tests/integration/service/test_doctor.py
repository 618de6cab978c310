"""What the doctor says of a service, set up or not, sound or not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from qingting import doctor_service
from qingting.bootstrap.service import open_service
from qingting.doctor import Check
from qingting.doctor_service import examine_service
from qingting.service.center import now_ms
from qingting.settings import Settings, load_settings
from qingting.storage import upgrading, workers
from qingting.storage.database import Database
from qingting.storage.workers import WorkerRow


def found(settings: Settings) -> dict[str, Check]:
    return {check.name: check for check in examine_service(settings)}


def settings_in(folder: Path, **sections: dict[str, Any]) -> Settings:
    storage = {"folder": folder / "data", "min_free_bytes": 0, **sections.pop("storage", {})}
    return load_settings(storage=storage, **sections)


def test_nothing_is_made_by_looking(tmp_path: Path) -> None:
    assert found(settings_in(tmp_path))["service"].state == "ok"
    assert list(tmp_path.iterdir()) == []


def test_a_sound_service(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    with open_service(settings) as service:
        assert found(settings)["workers"].state == "warning"
        row = WorkerRow(id="w", host="h", pid=1, version="1", concurrency=3, started_ms=1, seen_ms=now_ms())
        with service.database.write() as connection:
            workers.beat(connection, row)
    checks = found(settings)
    assert {check.state for check in checks.values()} == {"ok"}
    assert {"database", "workers", "recordings", "time zone", "entrance"} <= set(checks)
    assert "3 recordings at once" in checks["workers"].detail


def test_the_database_is_named_without_its_password(database: Database, database_url: str) -> None:
    url = database_url.replace("@", ":secret-word@")
    checks = found(load_settings(storage={"database_url": url}))
    assert checks["database"].state == "ok"
    assert "secret-word" not in str(checks)


def test_a_database_that_is_away(tmp_path: Path) -> None:
    url = "postgresql://user:secret-word@127.0.0.1:9/x"
    checks = found(settings_in(tmp_path, storage={"database_url": url, "busy_timeout_seconds": 1}))
    assert checks["database"].state == "fault"
    assert "workers" not in checks
    assert "secret-word" not in str(checks)


def test_tables_of_another_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_in(tmp_path)
    with open_service(settings):
        pass
    monkeypatch.setattr(upgrading, "current", lambda _: ("0001", "0002"))
    check = found(settings)["database"]
    assert (check.state, "storage upgrade" in check.remedy) == ("fault", True)


def test_recordings_that_cannot_be_stored(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    with open_service(settings):
        pass
    full = settings_in(tmp_path, storage={"min_free_bytes": 10**18})
    assert found(full)["recordings"].state == "fault"


@pytest.mark.parametrize(
    ("api", "state"),
    [
        ({"host": "127.0.0.1"}, "ok"),
        ({"host": "0.0.0.0"}, "warning"),
        ({"host": "0.0.0.0", "secure_cookies": True}, "ok"),
    ],
)
def test_an_open_entrance_without_tls(tmp_path: Path, api: dict[str, Any], state: str) -> None:
    assert found(settings_in(tmp_path, api=api))["entrance"].state == state


def test_the_watched_folder(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, watch={"folder": tmp_path / "in"})
    assert found(settings)["watch folder"].state == "fault"
    (tmp_path / "in").mkdir()
    assert found(settings)["watch folder"].state == "ok"


def test_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_in(tmp_path, telemetry={"otlp_endpoint": "http://x"})
    monkeypatch.setattr(doctor_service, "find_spec", lambda name: None if name == "opentelemetry" else object())
    assert found(settings)["extra telemetry"].state == "fault"
    monkeypatch.setattr(doctor_service, "find_spec", lambda name: None if name == "dbos" else object())
    assert [(check.state, "dbos" in check.detail) for check in examine_service(settings)] == [("warning", True)]
    monkeypatch.setattr(doctor_service, "find_spec", lambda _: None)
    assert [check.state for check in examine_service(settings)] == ["ok"]


@pytest.fixture
def provider() -> Iterator[str]:
    """An identity provider that describes itself."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            port = self.server.server_address[1]
            body = json.dumps({"issuer": f"http://127.0.0.1:{port}/good"}).encode()
            self.send_response(200 if self.path.startswith(("/good", "/other")) else 404)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Answer)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(("path", "state"), [("/good", "ok"), ("/other", "fault"), ("/missing", "fault")])
def test_the_identity_provider(tmp_path: Path, provider: str, path: str, state: str) -> None:
    settings = settings_in(tmp_path, oidc={"issuer": provider + path})
    assert found(settings)["identity provider"].state == state


def test_an_identity_provider_that_is_away(tmp_path: Path) -> None:
    assert found(settings_in(tmp_path, oidc={"issuer": "http://127.0.0.1:9"}))["identity provider"].state == "fault"
