"""Whether the parts that the service needs are there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qingting.errors import QingtingError, StorageUnavailableError
from qingting.storage import upgrading, workers

if TYPE_CHECKING:
    from qingting.service.center import Service


@dataclass(frozen=True, kw_only=True)
class PartState:
    """One part of the service."""

    name: str
    """`database`, `tables`, `recordings` or `workers`."""
    ready: bool
    problem: str = ""
    """What is wrong; empty when nothing is."""


def readiness(service: Service) -> list[PartState]:
    """Look at every part; never raises."""
    return [
        _state("database", service.database.check),
        _state("tables", lambda: upgrading.require_current(service.database)),
        _state("recordings", service.recordings.check),
        _state("workers", lambda: _require_worker(service)),
    ]


def _state(name: str, check: Callable[[], None]) -> PartState:
    try:
        check()
    except QingtingError as error:
        return PartState(name=name, ready=False, problem=error.cause)
    except Exception as error:  # noqa: BLE001  whatever is wrong, the answer says so
        return PartState(name=name, ready=False, problem=f"unexpected {type(error).__name__}")
    return PartState(name=name, ready=True)


def _require_worker(service: Service) -> None:
    since = service.clock() - round(service.settings.jobs.lost_after_seconds * 1000)
    with service.database.read() as connection:
        alive = any(worker.lives(since) for worker in workers.every(connection))
    if not alive:
        raise StorageUnavailableError("No worker lives: calls are accepted, but wait.")
