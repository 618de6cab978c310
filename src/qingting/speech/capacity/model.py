"""Calls from throughput: simple arithmetic whose assumptions are data and are printed with every result."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from qingting.errors import SettingsError

_PUBLISHED = Path(__file__).with_name("published.json")


@dataclass(frozen=True, kw_only=True)
class Workload:
    """What a call centre gives the engine to do; the defaults are a plain service line."""

    agent_share: float = 0.45
    """Share of a call in which the agent speaks."""
    customer_share: float = 0.35
    """The same for the customer; silence is never sent."""
    call_minutes: float = 10.0
    """Mean length of a call."""
    hours_per_day: float = 10.0
    days_per_month: float = 30.0
    peak_factor: float = 2.0
    """Calls in the busiest hour against the mean hour."""
    most_load: float = 0.6
    """Share of the throughput planned for: the rest is for bursts, restarts and doubt about the figures."""
    live_passes: float = 3.0
    """Times a second of speech is decoded while it is listened to live: for an utterance of L seconds decoded again
    every d seconds (L/d + 1)/2; 5 s and 1 s give 3."""

    def __post_init__(self) -> None:
        """Raise SettingsError for shares and times that cannot be."""
        shares = (self.agent_share, self.customer_share, self.most_load)
        above = (self.call_minutes, self.hours_per_day, self.days_per_month)
        sound = all(0 <= share <= 1 for share in shares) and self.speech_share > 0 and self.most_load > 0
        sound = sound and all(value > 0 for value in above) and self.hours_per_day <= 24 and self.days_per_month <= 31
        if not (sound and self.peak_factor >= 1 and self.live_passes >= 1):
            raise SettingsError(
                "An assumption about the calls cannot be.",
                remedy="Shares and load are 0 to 1, lengths over 0, hours up to 24, days up to 31, factors from 1.",
            )

    @property
    def speech_share(self) -> float:
        """Seconds of speech, both channels together, per second of a call."""
        return self.agent_share + self.customer_share


@dataclass(frozen=True, kw_only=True)
class Capacity:
    """What one throughput carries."""

    throughput: float
    """Seconds of audio recognised per second, all servers together."""
    simultaneous_afterwards: int
    """Calls that may run at once if each is recognised as it ends."""
    simultaneous_live: int
    """Calls that may be listened to live at once."""
    calls_per_month_as_they_come: int
    """With the busiest hour still kept up with."""
    calls_per_month_around_the_clock: int
    """When recordings may wait for the night."""


@dataclass(frozen=True, kw_only=True)
class Published:
    """One row of the published table."""

    model: str
    in_flight: int
    throughput: float
    first_token_p95_ms: int | None
    source: str


def capacity(throughput: float, workload: Workload) -> Capacity:
    """Calls that `throughput` (seconds of audio per second) carries; raises ValueError unless it is over 0."""
    if not throughput > 0 or not math.isfinite(throughput):
        message = "throughput must be over 0"
        raise ValueError(message)
    planned = throughput * workload.most_load
    at_once = planned / workload.speech_share
    speech_per_call = workload.call_minutes * 60 * workload.speech_share
    days = workload.days_per_month
    busy = planned * workload.hours_per_day * 3600 * days / workload.peak_factor
    return Capacity(
        throughput=throughput,
        simultaneous_afterwards=int(at_once),
        simultaneous_live=int(at_once / workload.live_passes),
        calls_per_month_as_they_come=int(busy / speech_per_call),
        calls_per_month_around_the_clock=int(planned * 24 * 3600 * days / speech_per_call),
    )


def servers_for(calls_per_month: int, throughput: float, workload: Workload) -> int:
    """Fewest servers of `throughput` each that keep up with so many calls as they come."""
    one = throughput * workload.most_load * workload.hours_per_day * 3600 * workload.days_per_month
    needed = calls_per_month * workload.call_minutes * 60 * workload.speech_share * workload.peak_factor
    return max(1, math.ceil(needed / one - 1e-9))


def published(model: str, in_flight: int) -> Published:
    """The published row with at most so many requests in flight; raises SettingsError for an unknown model.

    Rows in between are not interpolated: the next smaller one is the safe figure.
    """
    document = _document()
    rows = document["models"].get(model)
    if rows is None:
        raise SettingsError(
            f"There are no published figures for {model!r}.", remedy=f"Choose one of {', '.join(document['models'])}."
        )
    if in_flight < 1:
        raise SettingsError("There must be a request in flight.", remedy="Use 1 or more.")
    row = [row for row in rows if row["in_flight"] <= in_flight][-1]
    return Published(
        model=model,
        in_flight=row["in_flight"],
        throughput=row["throughput"],
        first_token_p95_ms=row.get("first_token_p95_ms"),
        source=document["source"],
    )


@cache
def _document() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(_PUBLISHED.read_text(encoding="utf-8"))
    return content
