"""Counts for those who run the service, on both databases."""

from __future__ import annotations

from typing import Any

from sqlalchemy import insert

from qingting.storage import call_records, operating
from qingting.storage.database import Database
from qingting.storage.tables import alerts, deliveries, jobs, reports, transcripts


def test_an_empty_installation_counts_nothing(database: Database) -> None:
    with database.read() as connection:
        assert operating.job_states(connection) == {"queued": 0, "running": 0, "set_aside": 0}
        assert operating.alert_states(connection) == {"open": 0, "escalated": 0}
        assert operating.delivery_states(connection) == {"pending": 0, "dead": 0}
        assert operating.report_waits_ms(connection, since_ms=0, limit=5) == []


def test_states_that_want_something_are_counted(database: Database) -> None:
    with database.write() as connection:
        info: dict[str, Any] = {
            "call_id": "a", "line_of_business": "general", "medium": "voice", "started_ms": 1, "day": 1, "hour": 1,
            "info": {}, "source": "api", "created_ms": 1, "state": "inspected",
        }  # fmt: skip
        call = call_records.add_missing(connection, [info])["a"].id
        for number, state in enumerate(("queued", "queued", "running", "set_aside", "done", "done", "failed")):
            connection.execute(
                insert(jobs).values(
                    id=f"j{number}", kind="inspect", call=call, state=state, priority=3, max_attempts=3, due_ms=0,
                    dispatched=False, options={}, submitted_by="x", created_ms=1000 + number, cancel_requested=False,
                )
            )  # fmt: skip
        for number, state in enumerate(("open", "escalated", "closed", "open")):
            connection.execute(
                insert(alerts).values(
                    id=f"a{number}", at_ms=1, level=1, policy_id="p", policy_name="p", call=call, call_id="a",
                    finding_id=f"f{number}", rule_id="r", title="t", team="", agent_id="", start_ms=0, state=state,
                )
            )  # fmt: skip
        for number, state in enumerate(("pending", "dead", "delivered")):
            connection.execute(
                insert(deliveries).values(
                    id=f"d{number}", kind="webhook", target="w", event="job.done", body={}, created_ms=1, state=state,
                    dispatched=False, due_ms=0,
                )
            )  # fmt: skip
        words = {"id": "t", "call": call, "job_id": "j4", "created_ms": 1, "engine": "e", "duration_ms": 1}
        connection.execute(insert(transcripts).values(**words, document=b""))
        for job, created_ms in (("j4", 5000), ("j5", 9000)):
            row = {"id": f"r{job}", "call": call, "job_id": job, "transcript_id": "t", "created_ms": created_ms}
            rest = {"latest": True, "pack": "p", "card": "c", "sha256": "", "document": b"", "contributions": b""}
            connection.execute(insert(reports).values(**row, **rest))
    with database.read() as connection:
        assert operating.job_states(connection) == {"queued": 2, "running": 1, "set_aside": 1}
        assert operating.alert_states(connection) == {"open": 2, "escalated": 1}
        assert operating.delivery_states(connection) == {"pending": 1, "dead": 1}
        assert operating.report_waits_ms(connection, since_ms=0, limit=5) == [9000 - 1005, 5000 - 1004]
        assert operating.report_waits_ms(connection, since_ms=5001, limit=5) == [9000 - 1005]
        assert operating.report_waits_ms(connection, since_ms=0, limit=1) == [9000 - 1005]
