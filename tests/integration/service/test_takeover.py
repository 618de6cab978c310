"""Several workers on PostgreSQL: no job is done twice, and a machine that never comes back leaves none behind."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from qingting.model.job import JobState
from qingting.storage import workers
from qingting.storage.tables import reports
from qingting.testing.installation import Installation, WorkerProcess, installation, wait_until
from qingting.testing.postgres import PostgresServer
from qingting.testing.told_inspector import ToldInspector

SCRIPT = Path(__file__).parent / "worker_script.py"
JOBS = {
    "concurrency": 2, "retry_seconds": 0.1, "poll_seconds": 0.05, "heartbeat_seconds": 0.3, "lost_after_seconds": 4.0,
    "stop_seconds": 1.0,
}  # fmt: skip

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def centre(postgres: PostgresServer, tmp_path: Path) -> Iterator[Installation]:
    url = postgres.new_database()
    with installation(tmp_path, database_url=url, jobs=JOBS) as opened:
        yield opened
    postgres.drop_database(url)


def start(centre: Installation, name: str, **settings: Any) -> WorkerProcess:
    return centre.start_script(SCRIPT, name, **settings)


def trace(centre: Installation) -> ToldInspector:
    return ToldInspector(centre.folder / "trace")


def reported(centre: Installation) -> dict[str, int]:
    with centre.service.database.read() as connection:
        counted = select(reports.c.job_id, func.count()).group_by(reports.c.job_id)
        return {job: int(number) for job, number in connection.execute(counted)}


def test_two_workers_share_the_work_and_do_nothing_twice(centre: Installation) -> None:
    ids = [centre.tell({"seconds": 0.2}) for _ in range(16)]
    pair = [start(centre, "w1"), start(centre, "w2")]
    wait_until(lambda: centre.states() == {"done": 16}, seconds=120)
    for one in pair:
        one.wait_until_ready()
    assert reported(centre) == dict.fromkeys(ids, 1)
    lines = trace(centre).done("transcribe")
    assert len(lines) == 16
    assert {int(line.split()[2]) for line in lines} <= {one.process.pid for one in pair}


def test_a_worker_lost_for_ever_leaves_its_jobs_to_the_others(centre: Installation) -> None:
    """Two survivors: both look for lost workers, and one of them gets each."""
    stuck = [centre.tell({"transcribe": "wait", "times": 1}) for _ in range(2)]
    lost = start(centre, "lost").wait_until_ready()
    wait_until(lambda: len(trace(centre).done("transcribe")) == 2)
    waiting = centre.tell({})
    wait_until(lambda: _handed_over(centre, waiting))
    survivors = [start(centre, f"s{number}").wait_until_ready() for number in range(2)]
    lost.kill()
    began = time.monotonic()
    wait_until(lambda: all(centre.job(one).state.ended for one in (*stuck, waiting)), seconds=110)
    assert time.monotonic() - began < 110
    assert [centre.job(one).state for one in (*stuck, waiting)] == [JobState.DONE] * 3
    assert reported(centre) == dict.fromkeys([*stuck, waiting], 1)
    # What was interrupted was done once more, by one survivor; the finished decoding counts as done.
    assert len(trace(centre).done("transcribe")) == 5
    told = [line for one in survivors for line in one.lines if "took over" in line]
    assert sum("jobs of worker lost" in line for line in told) == len(told) >= 1


def test_a_worker_that_only_paused_does_no_harm_when_it_comes_back(centre: Installation) -> None:
    """As a virtual machine that was suspended: its jobs went on elsewhere meanwhile."""
    job_id = centre.tell({"seconds": 1.0})
    paused = start(centre, "paused").wait_until_ready()
    wait_until(lambda: bool(trace(centre).done("decode")))
    paused.process.send_signal(19)
    start(centre, "other").wait_until_ready()
    wait_until(lambda: centre.job(job_id).state is JobState.DONE, seconds=110)
    paused.process.send_signal(18)
    more = [centre.tell({}) for _ in range(4)]
    wait_until(lambda: all(centre.job(one).state.ended for one in more), seconds=60)
    wait_until(lambda: _lives(centre, "paused"))
    assert reported(centre) == dict.fromkeys([job_id, *more], 1)
    assert centre.job(job_id).state is JobState.DONE


def test_what_a_worker_left_at_an_orderly_stop_goes_on_at_once(centre: Installation) -> None:
    job_id = centre.tell({"transcribe": "wait", "times": 1})
    stopping = start(centre, "w1").wait_until_ready()
    wait_until(lambda: bool(trace(centre).done("transcribe")))
    start(centre, "w2", lost_after_seconds=3600.0).wait_until_ready()
    assert stopping.stop() == 0
    wait_until(lambda: centre.job(job_id).state is JobState.DONE)
    assert reported(centre) == {job_id: 1}


def _handed_over(centre: Installation, job_id: str) -> bool:
    from qingting.storage import dispatching

    with centre.service.database.read() as connection:
        return any(one.job_id == job_id for one in dispatching.unfinished(connection, "lost"))


def _lives(centre: Installation, name: str) -> bool:
    with centre.service.database.read() as connection:
        row = workers.get(connection, name)
    return row is not None and row.lives(centre.service.clock() - 2000)
