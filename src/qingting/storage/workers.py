"""Workers: who lives, whose work must be taken over, and who does which chore next."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, Row, and_, delete, or_, select, update

from qingting.storage.statements import insert_for
from qingting.storage.tables import chores, workers


@dataclass(frozen=True, kw_only=True)
class WorkerRow:
    """A worker process as it described itself."""

    id: str
    host: str
    """The machine's name."""
    pid: int
    version: str
    """Release of Qingting."""
    concurrency: int
    """Recordings that it handles at once."""
    started_ms: int
    seen_ms: int
    """Its last sign of life."""
    stopped_ms: int | None = None
    """When it stopped orderly; None while it runs (or was killed)."""

    def lives(self, since_ms: int) -> bool:
        """Whether it has not stopped and gave a sign of life after a time."""
        return self.stopped_ms is None and self.seen_ms >= since_ms


def beat(connection: Connection, worker: WorkerRow) -> bool:
    """Write a sign of life; False when another process has taken the worker's name since.

    A later start takes the name over: of two processes, the one that started last owns it.
    """
    values = asdict(worker)
    statement = insert_for(connection, workers).values(**values)
    mine_or_older = workers.c.started_ms <= worker.started_ms
    changed = statement.on_conflict_do_update(index_elements=["id"], set_=values, where=mine_or_older)
    return connection.execute(changed.returning(workers.c.id)).first() is not None


def get(connection: Connection, worker_id: str) -> WorkerRow | None:
    """Return a worker; None when unknown."""
    row = connection.execute(select(workers).where(workers.c.id == worker_id)).one_or_none()
    return None if row is None else _worker(row)


def every(connection: Connection) -> list[WorkerRow]:
    """Return all workers, in order of their names."""
    return [_worker(row) for row in connection.execute(select(workers).order_by(workers.c.id))]


def stopped(connection: Connection, worker: WorkerRow, *, at_ms: int) -> bool:
    """Say that a worker stopped orderly; False when another process has its name."""
    own = and_(workers.c.id == worker.id, workers.c.started_ms == worker.started_ms, workers.c.pid == worker.pid)
    return connection.execute(update(workers).where(own).values(stopped_ms=at_ms, seen_ms=at_ms)).rowcount == 1


def hold_silent(connection: Connection, worker_id: str, *, seen_ms: int) -> bool:
    """Whether a worker is gone; if it is, nobody else gets True until the transaction ends.

    It is gone when it stopped, gave no sign of life since the one at `seen_ms`, or was never known.
    """
    unknown = {"id": worker_id, "host": "", "pid": 0, "version": "", "concurrency": 0, "started_ms": 0, "seen_ms": 0}
    connection.execute(insert_for(connection, workers).values(**unknown).on_conflict_do_nothing())
    chosen = select(workers).where(workers.c.id == worker_id).with_for_update(skip_locked=True)
    row = connection.execute(chosen).one_or_none()
    return row is not None and (row.stopped_ms is not None or row.seen_ms in (0, seen_ms))


def forget_before(connection: Connection, at_ms: int) -> int:
    """Delete workers that gave no sign of life after a time; returns how many."""
    return connection.execute(delete(workers).where(workers.c.seen_ms < at_ms)).rowcount


def claim_chore(connection: Connection, name: str, *, worker_id: str, now_ms: int, every_ms: int) -> bool:
    """Whether a chore is due and this worker shall do it: one claim per interval, however many workers ask."""
    values = {"due_ms": now_ms + every_ms, "worker_id": worker_id}
    statement = insert_for(connection, chores).values(name=name, **values)
    # A clock that was set back must not put a chore off for longer than its interval.
    due = or_(chores.c.due_ms <= now_ms, chores.c.due_ms > now_ms + every_ms)
    claimed = statement.on_conflict_do_update(index_elements=["name"], set_=values, where=due)
    return connection.execute(claimed.returning(chores.c.name)).first() is not None


def _worker(row: Row[Any]) -> WorkerRow:
    return WorkerRow(**row._mapping)  # noqa: SLF001  SQLAlchemy's documented access
