"""Hours of the day, `HH:MM-HH:MM`: quiet hours and shifts, also over midnight."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from qingting.errors import InvalidRequestError

PATTERN = r"^(|([01]\d|2[0-3]):[0-5]\d-(([01]\d|2[0-3]):[0-5]\d|24:00))$"
"""Of the text form; empty is none."""
_DAY_MINUTES = 24 * 60


@dataclass(frozen=True, kw_only=True)
class Hours:
    """A part of every day, from its first minute to the minute before its end."""

    start_minute: int
    """Minutes since midnight."""
    end_minute: int
    """Exclusive; at or before the start it lies on the next day (equal: the whole day)."""

    def hold(self, at: datetime) -> bool:
        """Whether a moment of local time lies within."""
        minute = at.hour * 60 + at.minute
        if self.start_minute < self.end_minute:
            return self.start_minute <= minute < self.end_minute
        return minute >= self.start_minute or minute < self.end_minute

    def end_after(self, at: datetime) -> datetime:
        """Return when they end next, for a moment of local time within; in the moment's own zone."""
        days, minute = divmod(self.end_minute, _DAY_MINUTES)
        # The wall clock decides, also where clocks are put forward or back.
        end = at.replace(hour=minute // 60, minute=minute % 60, second=0, microsecond=0, fold=0) + timedelta(days=days)
        return end if end > at else end + timedelta(days=1)


def parse_hours(text: str) -> Hours | None:
    """Read `HH:MM-HH:MM`; None for an empty text. Raises InvalidRequestError for any other."""
    if not text:
        return None
    if not re.fullmatch(PATTERN, text):
        raise InvalidRequestError("Hours are no HH:MM-HH:MM.", remedy="Write them like 22:00-07:30.")
    start, end = (int(part[:2]) * 60 + int(part[3:]) for part in text.split("-"))
    return Hours(start_minute=start, end_minute=end)


def on_shift(shift: str, at: datetime) -> bool:
    """Whether somebody with this shift works at a moment of local time.

    An empty shift is always on; so is a malformed one, since nobody may miss an alert by a slip of the pen.
    """
    try:
        hours = parse_hours(shift)
    except InvalidRequestError:
        return True
    return hours is None or hours.hold(at)
