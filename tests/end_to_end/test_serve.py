"""`qingting serve` and `qingting worker` as processes: start, refuse, stop, survive."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Mapping
from pathlib import Path

import pytest

from qingting.storage.database import Database
from qingting.testing.installation import wait_until
from qingting.testing.service_process import ServiceProcess, service_process

pytestmark = pytest.mark.timeout(300)

WORKER = re.compile(r"worker \S+ starts")


def run(folder: Path, *arguments: str, settings: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("QINGTING_")}
    environment = {**kept, "QINGTING_STORAGE__FOLDER": str(folder / "data"), **(settings or {})}
    return subprocess.run(
        [sys.executable, "-m", "qingting", *arguments], cwd=folder, env=environment, capture_output=True, text=True,
        encoding="utf-8", timeout=120, check=False,
    )  # fmt: skip


def workers_of(running: ServiceProcess) -> list[int]:
    found = subprocess.run(
        ["ps", "-o", "pid=,stat=", "--ppid", str(running.process.pid)], capture_output=True, text=True, check=False
    )
    return [int(line.split()[0]) for line in found.stdout.splitlines() if "Z" not in line.split()[1]]


def ready(running: ServiceProcess) -> bool:
    try:
        with urllib.request.urlopen(f"{running.url}/readyz", timeout=10) as answer:
            return answer.status == 200
    except OSError:
        return False


def test_it_starts_says_how_to_begin_and_stops_orderly(tmp_path: Path) -> None:
    with service_process(tmp_path) as running:
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", running.url)
        assert any("qingting users add" in line for line in running.log)
        wait_until(lambda: ready(running))
        worker = workers_of(running)
        assert len(worker) == 1
        assert running.stop() == 0
    assert not Path(f"/proc/{worker[0]}").exists()
    assert any("worker stopped, 0 jobs left" in line for line in running.log)


def test_a_worker_that_dies_is_started_again(tmp_path: Path) -> None:
    with service_process(tmp_path) as running:
        wait_until(lambda: ready(running))
        first = workers_of(running)[0]
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: len([line for line in running.log if WORKER.search(line)]) == 2)
        assert workers_of(running) != [first]


def test_a_killed_service_leaves_no_worker_that_bars_the_next(tmp_path: Path) -> None:
    with service_process(tmp_path) as running:
        wait_until(lambda: ready(running))
        worker = workers_of(running)[0]
        running.process.kill()
        running.process.wait()
        wait_until(lambda: not Path(f"/proc/{worker}").exists())
    with service_process(tmp_path) as again:
        wait_until(lambda: ready(again))


def test_without_a_worker_it_accepts_and_is_not_ready(tmp_path: Path) -> None:
    with service_process(tmp_path, None, "--no-worker") as running:
        assert workers_of(running) == []
        assert not ready(running)
        with urllib.request.urlopen(f"{running.url}/healthz", timeout=10) as answer:
            assert answer.status == 200


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        ended = run(tmp_path, "serve", "--port", str(port))
    assert ended.returncode == 1
    assert f"Port {port}" in ended.stderr
    assert "--port" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_an_address_of_another_machine_is_named(tmp_path: Path) -> None:
    ended = run(tmp_path, "serve", "--host", "203.0.113.7")
    assert ended.returncode == 1
    assert "203.0.113.7" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("command", ["serve", "worker"])
def test_tables_of_a_newer_release_are_refused(tmp_path: Path, command: str) -> None:
    (tmp_path / "data").mkdir()
    database = Database.open(f"sqlite:///{tmp_path / 'data' / 'qingting.sqlite'}")
    with database.write() as connection:
        connection.exec_driver_sql("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
        connection.exec_driver_sql("INSERT INTO alembic_version VALUES ('9999')")
    database.close()
    ended = run(tmp_path, command, *(["--port", "0"] if command == "serve" else []))
    assert ended.returncode == 1
    assert "newer release" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_database_that_is_away_is_named_without_its_password(tmp_path: Path) -> None:
    url = "postgresql://user:geheim@127.0.0.1:1/qingting"
    ended = run(tmp_path, "serve", "--port", "0", settings={"QINGTING_STORAGE__DATABASE_URL": url})
    assert ended.returncode == 1
    assert "cannot be reached" in ended.stderr
    assert "geheim" not in ended.stderr + ended.stdout


def test_a_missing_library_is_named_with_its_remedy(tmp_path: Path) -> None:
    (tmp_path / "uvicorn.py").write_text("raise ModuleNotFoundError(\"No module named 'uvicorn'\", name='uvicorn')")
    ended = run(tmp_path, "serve", "--port", "0", settings={"PYTHONPATH": str(tmp_path)})
    assert ended.returncode == 1
    assert "uvicorn" in ended.stderr
    assert "pip install 'qingting[serve" in ended.stderr
