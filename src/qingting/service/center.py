"""What every use case needs: settings, database, recordings, clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from qingting.settings import Settings
    from qingting.storage.database import Database
    from qingting.storage.recording_store import RecordingStore


def now_ms() -> int:
    """Milliseconds since 1970, UTC."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, kw_only=True)
class Service:
    """One installation; safe to use from several threads."""

    settings: Settings
    database: Database
    recordings: RecordingStore
    clock: Callable[[], int] = now_ms
    """Milliseconds since 1970, UTC; tests pass their own."""

    @cached_property
    def zone(self) -> ZoneInfo:
        """The centre's time zone."""
        return ZoneInfo(self.settings.time_zone)

    def local(self, at_ms: int) -> datetime:
        """Return a moment in the centre's time zone."""
        return datetime.fromtimestamp(at_ms / 1000, self.zone)

    def day_and_hour(self, at_ms: int) -> tuple[int, int]:
        """Day (20261130) and hour of a moment in the centre's time zone."""
        at = self.local(at_ms)
        return at.year * 10_000 + at.month * 100 + at.day, at.hour
