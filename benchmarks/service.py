"""What the service itself costs, recognition left out: acceptance, queue to report, memory over a long queue.

    python benchmarks/service.py [--database sqlite|postgresql|both] [--queued 5000] [--json]

Real processes on one machine: `qingting serve --no-worker`, clients in threads of this process, then
`qingting worker`. Accepted are two-second recordings (8 kHz WAV, 32 KB each) and short conversations; what
is worked through are conversations, which need neither decoding nor recognition: the time from acceptance
to the stored report, by the service's own clock, is then the overhead of queue, steps and storage with the
few milliseconds of their analysis. Clients, server, worker and database share the machine's cores.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import wave
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from qingting.client import QingtingClient
from qingting.testing.postgres import postgres_server
from qingting.testing.service_process import ServiceProcess, service_process

CLIENTS = 8
SINGLE = 200
"""Calls submitted one after the other to an idle worker."""
CHAT = [
    {"role": "customer", "text": "你好，我的订单一直没收到，想退款。", "time": "2026-11-30 09:00:00"},
    {"role": "agent", "text": "您好，已为您登记退款，三个工作日内到账，您看可以吗？", "time": "2026-11-30 09:00:20"},
    {"role": "customer", "text": "可以，谢谢。", "time": "2026-11-30 09:00:40"},
]
SETTINGS = {"QINGTING_API__REQUESTS_PER_MINUTE": "0", "QINGTING_JOBS__POLL_SECONDS": "0.05"}


def wav(seed: int) -> bytes:
    """Two seconds of faint noise: no two recordings alike."""
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(random.Random(seed).randbytes(32_000))
    return content.getvalue()


def resident_megabytes(pid: int) -> float:
    """Memory of a process and its children, as the kernel counts it."""
    children = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False).stdout
    pids = [pid, *map(int, children.split())]
    pages = sum(int(Path(f"/proc/{one}/statm").read_text().split()[1]) for one in pids if Path(f"/proc/{one}").exists())
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def submit_all(client: QingtingClient, files: list[Path], name: str) -> float:
    """Submit files by CLIENTS at once; returns how many were accepted per second."""
    began = time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(lambda one: client.submit(one[1], call={"call_id": f"{name}-{one[0]}"}), enumerate(files)))
    return len(files) / (time.perf_counter() - began)


@contextmanager
def worker(service: ServiceProcess) -> Iterator[int]:
    """A worker of the same installation, ready to take jobs; gives its process id."""
    process = subprocess.Popen(
        [sys.executable, "-m", "qingting", "worker"],
        cwd=service.folder, env=dict(service.environment), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    for line in process.stdout:
        if "is ready" in line:
            break
    else:
        raise SystemExit("the worker did not start")
    reader = threading.Thread(target=process.stdout.read, daemon=True)
    reader.start()
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait(60)


def one_by_one(client: QingtingClient, file: Path) -> list[int]:
    """Milliseconds from acceptance to report of calls that wait for nothing."""
    spent = []
    for number in range(SINGLE):
        job = client.submit(file, call={"call_id": f"single-{number}"})
        client.wait(job.id)
        plain = client.job(job.id)
        assert plain.finished_ms is not None
        spent.append(plain.finished_ms - plain.created_ms)
    return spent


def drain(client: QingtingClient, pid: int, queued: int) -> dict[str, float]:
    """Wait until the queue is empty; reports per second and the worker's greatest memory meanwhile."""
    began, most = time.perf_counter(), 0.0
    while next(iter(client.calls(state="queued")), None) is not None:
        most = max(most, resident_megabytes(pid))
        time.sleep(0.5)
    return {"reports_per_second": queued / (time.perf_counter() - began), "worker_megabytes_most": most}


def measure(folder: Path, settings: dict[str, str], queued: int) -> dict[str, float]:
    """All figures of one database."""
    chat = folder / "chat.json"
    chat.write_text(json.dumps(CHAT, ensure_ascii=False), encoding="utf-8")
    recordings = []
    for number in range(300):
        recordings.append(folder / f"{number}.wav")
        recordings[-1].write_bytes(wav(number))
    found: dict[str, float] = {}
    with (
        service_process(folder, {**SETTINGS, **settings}, "--no-worker") as service,
        QingtingClient(service.url, service.new_key("integrator")) as client,
    ):
        found["server_megabytes_before"] = resident_megabytes(service.process.pid)
        found["conversations_accepted_per_second"] = submit_all(client, [chat] * queued, "queued")
        found["server_megabytes_queued"] = resident_megabytes(service.process.pid)
        with worker(service) as pid:
            found["worker_megabytes_before"] = resident_megabytes(pid)
            found.update(drain(client, pid, queued))
            spent = one_by_one(client, chat)
        found["recordings_accepted_per_second"] = submit_all(client, recordings, "recording")
    found["queue_to_report_ms_p50"] = statistics.median(spent)
    found["queue_to_report_ms_p99"] = sorted(spent)[int(len(spent) * 0.99)]
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", choices=["sqlite", "postgresql", "both"], default="both")
    parser.add_argument("--queued", type=int, default=5000)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    results: dict[str, Any] = {"machine": f"{os.cpu_count()} cores, {platform.machine()}", "queued": given.queued}
    with tempfile.TemporaryDirectory() as name:
        if given.database != "postgresql":
            (Path(name) / "sqlite").mkdir()
            results["sqlite"] = measure(Path(name) / "sqlite", {}, given.queued)
        if given.database != "sqlite":
            (Path(name) / "postgresql").mkdir()
            with postgres_server() as server:
                url = {"QINGTING_STORAGE__DATABASE_URL": server.new_database()}
                results["postgresql"] = measure(Path(name) / "postgresql", url, given.queued)
    if given.json:
        print(json.dumps(results, indent=2))
        return
    databases = [one for one in ("sqlite", "postgresql") if one in results]
    print(f"{'':36}" + "".join(f"{one:>14}" for one in databases))
    for row in results[databases[0]]:
        print(f"{row:36}" + "".join(f"{results[one][row]:>14.1f}" for one in databases))


if __name__ == "__main__":
    main()
