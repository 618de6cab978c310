"""What the process that takes running calls needs of the installation, and how much it takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from qingting.model.account import Actor
    from qingting.model.call import CallInfo
    from qingting.model.live_event import ReportDelayed


class Register(Protocol):
    """The installation's side of running calls; its methods may block, and are called in threads."""

    def begin(self, actor: Actor, call: CallInfo, address: str) -> tuple[str, CallInfo]:
        """Register a call; returns its live id and what is known of it. Raises QingtingError."""
        ...

    def hand_over(self, live_id: str, sound: Path) -> ReportDelayed | None:
        """End a call by letting a job inspect its sound."""
        ...

    def forget(self, live_id: str) -> None:
        """End a call that had no sound."""
        ...

    def beat(self, live_ids: Collection[str]) -> None:
        """Say that this process lives and has these calls."""
        ...

    def recover(self) -> int:
        """End calls of this machine that dead processes left, or that could not be ended when they were over."""
        ...


@dataclass(frozen=True, kw_only=True)
class Limits:
    """As LiveSection."""

    most_calls: int
    max_seconds: float
    resume_seconds: float
