"""The two versions that a backtest compares."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from qingting.inspector import Plan


class Side(StrEnum):
    """Which of the two versions."""

    OLD = "old"
    NEW = "new"

    @property
    def chinese(self) -> str:
        """The word people read."""
        return {"old": "旧版", "new": "新版"}[self.value]


@dataclass(frozen=True, kw_only=True)
class VersionName:
    """How a version is named on the command line."""

    name: str
    """Rule file: a bundled file's name or a path. Pack: an id or the path of a `.yaml` file."""
    is_pack: bool = False
    card: Path | None = None
    """Scorecard for all calls; None takes the card of the line of business."""


@dataclass(frozen=True, kw_only=True)
class Version:
    """A version ready to judge calls."""

    label: str
    """Id and version, `general@2`."""
    plan_for: Callable[[str], Plan]
    """Line of business -> plan; raises PackError where it has none."""
    line: str = ""
    """Line of business of a pack: calls of others are not its business. Empty for rule files."""
    rules: frozenset[str] | None = None
    """Finding rule ids that a rule file decides about; None for a pack: all."""
