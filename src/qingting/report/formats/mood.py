"""The emotion curve of a call as the page draws it.

The analyzer leaves the curve in the facts of one finding, per role as `ms:valence` pairs joined by
semicolons. A stored report may have been written by anyone: what does not read as such pairs is left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qingting.model.call import Role

if TYPE_CHECKING:
    from qingting.model.report import Report

CURVE_RULE = "emotion_analyzer.curve"
WIDTH, HEIGHT = 1000, 120
"""View box of the drawing; valence +1 is its top, -1 its bottom."""
_PAIR = re.compile(r"(\d{1,9}):(-?\d(?:\.\d{1,3})?)")


@dataclass(frozen=True, kw_only=True)
class MoodPoint:
    """One utterance on the curve."""

    x: float
    y: float
    at_ms: int
    valence: float
    """-1 (most negative) to 1."""


@dataclass(frozen=True, kw_only=True)
class MoodLine:
    """One role's curve."""

    role: Role
    points: tuple[MoodPoint, ...]

    @property
    def polyline(self) -> str:
        """The points as SVG writes them."""
        return " ".join(f"{point.x:g},{point.y:g}" for point in self.points)


@dataclass(frozen=True, kw_only=True)
class Mood:
    """The whole drawing."""

    lines: tuple[MoodLine, ...]
    summary: str
    """The finding's own Chinese sentence."""


def mood_of(report: Report) -> Mood | None:
    """Read the curve of a report; None where it has none worth drawing."""
    finding = next((f for f in report.findings if f.rule_id == CURVE_RULE), None)
    if finding is None:
        return None
    duration = max(report.statistics.duration_ms, 1)
    lines = [
        MoodLine(role=role, points=_points(str(finding.facts.get(f"{role.value}_valence", "")), duration))
        for role in (Role.CUSTOMER, Role.AGENT)
    ]
    drawn = tuple(line for line in lines if len(line.points) > 1)
    return Mood(lines=drawn, summary=finding.explanation) if drawn else None


def _points(text: str, duration_ms: int) -> tuple[MoodPoint, ...]:
    points = []
    for pair in text.split(";"):
        match = _PAIR.fullmatch(pair)
        if match is None:
            continue
        at_ms, valence = int(match[1]), max(-1.0, min(1.0, float(match[2])))
        if at_ms <= duration_ms:
            x = round(WIDTH * at_ms / duration_ms, 1)
            y = round(HEIGHT / 2 * (1 - valence), 1)
            points.append(MoodPoint(x=x, y=y, at_ms=at_ms, valence=valence))
    return tuple(points)
