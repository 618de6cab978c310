"""One sign of emotion, and how signs add up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from qingting.analysis.text import Hit


@dataclass(frozen=True, kw_only=True)
class Cue:
    """One sign of emotion in an utterance."""

    kind: str
    """`anger`, `rhetorical`, `loud` …"""
    weight: float
    """Intensity it would give alone, 0 to 1."""
    reason: str
    """Chinese: 音量比其平时高6分贝."""
    hit: Hit | None = None
    """The words; None for signs of the voice."""


def together(weights: Iterable[float]) -> float:
    """Join weights from 0 to 1 as independent signs: 1 - (1-a)(1-b)…; never above 1."""
    rest = 1.0
    for weight in weights:
        rest *= 1.0 - min(max(weight, 0.0), 1.0)
    return 1.0 - rest
