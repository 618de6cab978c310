"""Workers that are killed -9 at random lose no call and report none twice; a lost machine's calls go on elsewhere.

    python benchmarks/kill_workers.py [--database sqlite|postgresql] [--jobs 300] [--engine embedded|scripted] [--json]

Part 1: short calls, cut from the sample calls' recordings, go through the whole service (real decoder, real
recognition, all analyses, one webhook) while its worker processes (one on SQLite, two on PostgreSQL) are killed -9 at
random moments and started again, `--kills` times. Then every call must have exactly one report, and every report's
message must have arrived at a local receiver at least once, under one id however often it came.

Part 2, on PostgreSQL only: of two workers with the settings' defaults one is killed for ever while it runs jobs. The
time until all jobs are done, and until those that it had are, counts from its loss. Goal: 2 minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

from sqlalchemy import func, select

from qingting.audio.encode import encode_wav
from qingting.audio.front_end import prepare
from qingting.bootstrap import open_inspector
from qingting.bootstrap.worker import run_worker
from qingting.model.account import SYSTEM
from qingting.model.call import CallInfo
from qingting.model.delivery import Webhook, WebhookEvent
from qingting.model.job import Priority
from qingting.service import webhooks
from qingting.settings import load_settings
from qingting.storage import dispatching
from qingting.storage.tables import jobs as job_table
from qingting.storage.tables import reports, transcripts
from qingting.telemetry import configure_logging
from qingting.testing.installation import Installation, WorkerProcess, installation, wait_until
from qingting.testing.postgres import postgres_server
from qingting.testing.receiver import Receiver, receiver
from qingting.testing.samples import sample_calls
from qingting.testing.scripted_engine import ScriptedEngine

LONGEST_SECONDS = 3600.0
LEASE_SECONDS = 420.0
"""A message whose sender was killed comes due again after the lease of its attempt, some five minutes."""


def main() -> None:
    """Run both parts and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--jobs", type=int, default=300, help="calls of part 1")
    parser.add_argument("--kills", type=int, default=30, help="kills of part 1")
    parser.add_argument("--lost-jobs", type=int, default=40, help="calls of part 2")
    parser.add_argument("--seconds", type=float, default=4.0, help="length of a call")
    parser.add_argument("--engine", choices=("embedded", "scripted"), default="embedded")
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        scripted_worker()
        return
    found = {
        "machine": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python "
        f"{platform.python_version()}",
        "database": arguments.database,
        "engine": arguments.engine,
        "killed": killed_at_random(arguments),
    }
    if arguments.database == "postgresql":
        found["lost"] = lost_for_ever(arguments)
    if arguments.json:
        print(json.dumps(found, indent=1))
    else:
        show(found)
    sys.exit(0 if sound(found) else 1)


def scripted_worker() -> None:
    """Body of a worker process that hears always the same words."""
    settings = load_settings()
    configure_logging(settings)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    engine = ScriptedEngine([], otherwise="您好，我要退款，请帮我查一下订单。")
    if run_worker(settings, stop=stop, open_inspector=lambda one: open_inspector(one, engine=engine)).left:
        os._exit(0)


def killed_at_random(arguments: argparse.Namespace) -> dict[str, Any]:
    """Part 1."""
    rng = random.Random(arguments.seed)
    jobs = {"concurrency": 2, "max_attempts": 20, "retry_seconds": 0.5}
    names = ["w1"] if arguments.database == "sqlite" else ["w1", "w2"]
    with opened(arguments, jobs) as (centre, messages):
        began = time.monotonic()
        ids = submit(centre, arguments, arguments.jobs, rng)
        workers = {name: start(centre, arguments, name, jobs).wait_until_ready(180) for name in names}
        kills = 0
        while not finished(centre, ids) and kills < arguments.kills:
            if rng.random() < 0.8:
                # Mostly in the middle of its work, sometimes while it still warms up: a worker that never lives long
                # enough for one job would have every job set aside in the end, as it should.
                wait_for_another(centre)
            time.sleep(rng.uniform(0.0, 8.0))
            name = rng.choice(names)
            workers[name].kill()
            kills += 1
            workers[name] = start(centre, arguments, name, jobs).wait_until_ready(180)
        wait_until(lambda: finished(centre, ids), seconds=LONGEST_SECONDS, every_seconds=0.5)
        seconds = time.monotonic() - began
        wait_until(lambda: len(told(messages)) >= len(ids), seconds=LEASE_SECONDS, every_seconds=0.5)
        for one in workers.values():
            one.stop()
        return {"kills": kills, "seconds": round(seconds, 1), **counts(centre, ids, messages)}


def lost_for_ever(arguments: argparse.Namespace) -> dict[str, Any]:
    """Part 2."""
    rng = random.Random(arguments.seed + 1)
    jobs = {"concurrency": 2}
    with opened(arguments, jobs) as (centre, messages):
        first, second = (start(centre, arguments, name, jobs).wait_until_ready(180) for name in ("lost", "survivor"))
        ids = submit(centre, arguments, arguments.lost_jobs, rng)
        wait_until(lambda: len(held(centre, "lost")) >= 2, seconds=120)
        first.kill()
        lost = time.monotonic()
        its = held(centre, "lost")
        wait_until(lambda: finished(centre, its), seconds=LONGEST_SECONDS)
        its_seconds = time.monotonic() - lost
        wait_until(lambda: finished(centre, ids), seconds=LONGEST_SECONDS)
        all_seconds = time.monotonic() - lost
        wait_until(lambda: len(told(messages)) >= len(ids), seconds=LEASE_SECONDS, every_seconds=0.5)
        second.stop()
        times = {"its_jobs": len(its), "its_jobs_seconds": round(its_seconds, 1), "all_seconds": round(all_seconds, 1)}
        return {**times, **counts(centre, ids, messages)}


@contextmanager
def opened(arguments: argparse.Namespace, jobs: dict[str, Any]) -> Iterator[tuple[Installation, Receiver]]:
    """An installation with a subscribed receiver."""
    with tempfile.TemporaryDirectory(prefix="qingting-kill-") as folder, receiver() as messages:
        sections = {"jobs": jobs, "api": {"allowed_hosts": "127.0.0.1"}}
        with database(arguments.database) as url, installation(Path(folder), database_url=url, **sections) as centre:
            wanted = Webhook(
                id="", url=messages.url, secret="", events=(WebhookEvent.JOB_DONE, WebhookEvent.JOB_FAILED),
                created_ms=0, created_by="",
            )  # fmt: skip
            webhooks.create(centre.service, SYSTEM, wanted)
            yield centre, messages


@contextmanager
def database(kind: str) -> Iterator[str]:
    """URL of an empty database; empty is SQLite in the installation's folder."""
    if kind == "sqlite":
        yield ""
        return
    with postgres_server() as server:
        yield server.new_database()


def start(centre: Installation, arguments: argparse.Namespace, name: str, jobs: dict[str, Any]) -> WorkerProcess:
    """Start a worker process as its installer would: by its command and environment."""
    storage = centre.settings["storage"]
    environment = {
        "QINGTING_STORAGE__FOLDER": str(storage["folder"]),
        "QINGTING_STORAGE__DATABASE_URL": str(storage["database_url"]),
        "QINGTING_STORAGE__MIN_FREE_BYTES": "0",
        "QINGTING_ENGINE": "embedded",
        "QINGTING_API__ALLOWED_HOSTS": "127.0.0.1",
        "QINGTING_JOBS__WORKER_ID": name,
        **{f"QINGTING_JOBS__{key.upper()}": str(value) for key, value in jobs.items()},
    }
    own = [sys.executable, str(Path(__file__).resolve()), "--worker"]
    command = own if arguments.engine == "scripted" else [sys.executable, "-m", "qingting", "worker"]
    return centre.start(command, **environment)


def submit(centre: Installation, arguments: argparse.Namespace, count: int, rng: random.Random) -> list[str]:
    """Accept short calls cut from the sample calls."""
    sounds = [prepare(sample.audio_path) for sample in sample_calls()]
    ids = []
    for number in range(count):
        audio = rng.choice(sounds)
        length = round(arguments.seconds * audio.rate_hertz)
        at = rng.randrange(max(1, audio.pcm.shape[1] - length))
        wav = encode_wav(audio.pcm[:, at : at + length], audio.rate_hertz)
        # One line of business: each further one costs a worker that has just started seconds to prepare.
        call = CallInfo(call_id=f"call-{number}", agent_id=f"a{number % 7}")
        ids.append(centre.put(wav, call=call, priority=rng.choice((Priority.NORMAL, Priority.LOW))))
    return ids


def wait_for_another(centre: Installation) -> None:
    """Wait until one more job has ended, or all have."""

    def left() -> int:
        return sum(number for state, number in centre.states().items() if state in ("queued", "running"))

    before = left()
    wait_until(lambda: not before or left() < before, seconds=300)


def finished(centre: Installation, ids: list[str]) -> bool:
    """Whether these jobs have ended."""
    with centre.service.database.read() as connection:
        waiting = select(func.count()).where(job_table.c.id.in_(ids), job_table.c.state.in_(("queued", "running")))
        return not connection.execute(waiting).scalar_one()


def held(centre: Installation, name: str) -> list[str]:
    """Jobs that a worker has."""
    with centre.service.database.read() as connection:
        return [one.job_id for one in dispatching.unfinished(connection, name)]


def told(messages: Receiver) -> dict[str, list[str]]:
    """Job -> ids of the messages that came for it, in order."""
    came: dict[str, list[str]] = defaultdict(list)
    for one in list(messages.received):
        came[json.loads(one.body)["data"]["job_id"]].append(one.headers["webhook-id"])
    return came


def counts(centre: Installation, ids: list[str], messages: Receiver) -> dict[str, Any]:
    """What is there after all: the sums that must be right."""
    with centre.service.database.read() as connection:
        per_job = Counter(connection.execute(select(reports.c.job_id)).scalars())
        words = Counter(connection.execute(select(transcripts.c.job_id)).scalars())
        rows = connection.execute(select(job_table.c.state, job_table.c.attempts)).all()
    came = told(messages)
    return {
        "jobs": len(ids),
        "states": dict(Counter(row.state for row in rows)),
        "attempts": sum(row.attempts for row in rows),
        "most_attempts": max(row.attempts for row in rows),
        "without_report": sum(per_job[one] == 0 for one in ids),
        "reported_twice": sum(per_job[one] > 1 for one in ids),
        "transcribed_twice": sum(words[one] > 1 for one in ids),
        "messages": sum(map(len, came.values())),
        "jobs_without_message": sum(one not in came for one in ids),
        "messages_came_again": sum(len(found) - len(set(found)) for found in came.values()),
        "jobs_with_two_messages": sum(len(set(found)) > 1 for found in came.values()),
    }


def sound(found: dict[str, Any]) -> bool:
    """Whether nothing was lost or done twice."""
    parts = [part for part in (found["killed"], found.get("lost")) if part]
    wrong = ("without_report", "reported_twice", "transcribed_twice", "jobs_without_message", "jobs_with_two_messages")
    return not any(part[name] for part in parts for name in wrong) and all(
        part["states"] == {"done": part["jobs"]} for part in parts
    )


def show(found: dict[str, Any]) -> None:
    """Print both parts as a table."""
    for part in ("killed", "lost"):
        if part in found:
            print(f"{part} ({found['database']}, {found['engine']} engine)")
            for name, value in found[part].items():
                print(f"  {name.replace('_', ' '):<24}{value}")
    print(f"\n{found['machine']}")


if __name__ == "__main__":
    main()
