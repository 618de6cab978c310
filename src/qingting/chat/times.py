"""Times of messages, in the many ways in which systems write them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from enum import StrEnum

_DATE = re.compile(
    r"(?P<year>\d{4})(?:[-/.]|年)(?P<month>\d{1,2})(?:[-/.]|月)(?P<day>\d{1,2})日?(?:T|\s+|\s*,\s*)"
    r"(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,](?P<fraction>\d{1,9}))?)?"
    r"\s*(?P<zone>Z|[+-]\d{2}:?\d{2})?",
    re.ASCII,
)
_CLOCK = re.compile(
    r"(?P<hour>\d{1,2}):(?P<minute>[0-5]\d)(?::(?P<second>[0-5]\d)(?:[.,](?P<fraction>\d{1,9}))?)?", re.ASCII
)
_NUMBER = re.compile(r"\d{1,15}(?:\.\d{1,9})?", re.ASCII)
EPOCH_SECONDS_FROM = 1e8
"""Numbers from here on are seconds since 1970 (1973 and later), smaller ones seconds of the conversation."""
EPOCH_MILLISECONDS_FROM = 1e11
"""Numbers from here on are milliseconds since 1970."""
_LARGEST = 4e12
"""About the year 2096 in milliseconds: larger numbers are no times."""
_DAY_SECONDS = 86_400.0


class TimeKind(StrEnum):
    """What a time counts from; all times of one conversation are of one kind."""

    OFFSET = "seconds from the start"
    CLOCK = "a time of day"
    LOCAL = "a date and time without zone"
    WORLD = "a date and time with zone"


@dataclass(frozen=True, kw_only=True)
class MessageTime:
    """One message's time."""

    kind: TimeKind
    seconds: float
    """Since the start, midnight, or 1970, by kind."""
    iso: str = ""
    """ISO 8601 for dates; empty for the others."""


def parse_time(value: object) -> MessageTime:
    """Read a time: seconds, seconds or milliseconds since 1970, 10:03:05, a date and time, an e-mail's date.

    Raises ValueError (without the value) for anything else.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("is neither a number nor text")
    if not isinstance(value, str):
        if not 0 <= value <= _LARGEST:
            raise ValueError("is no time")
        return _number(float(value))
    text = value.strip()
    if _NUMBER.fullmatch(text):
        return _number(float(text))
    clock = _CLOCK.fullmatch(text)
    if clock and int(clock["hour"]) < 24:
        seconds = int(clock["hour"]) * 3600 + int(clock["minute"]) * 60 + int(clock["second"] or 0)
        return MessageTime(kind=TimeKind.CLOCK, seconds=seconds + float(f"0.{clock['fraction'] or 0}"))
    return _moment(_date(text))


def _number(value: float) -> MessageTime:
    if value > _LARGEST:
        raise ValueError("is no time")
    if value < EPOCH_SECONDS_FROM:
        return MessageTime(kind=TimeKind.OFFSET, seconds=value)
    seconds = value / 1000 if value >= EPOCH_MILLISECONDS_FROM else value
    return _moment(datetime.fromtimestamp(seconds, UTC))


def _date(text: str) -> datetime:
    match = _DATE.fullmatch(text)
    if match is None:
        try:
            return parsedate_to_datetime(text)
        except (ValueError, TypeError, IndexError, OverflowError):
            raise ValueError("is no time") from None
    fraction = round(float(f"0.{match['fraction'] or 0}") * 1_000_000)
    numbers = [int(match[name] or 0) for name in ("year", "month", "day", "hour", "minute", "second")]
    try:
        return datetime(*numbers, min(fraction, 999_999), tzinfo=_zone(match["zone"]))  # type: ignore[arg-type,misc]
    except ValueError:
        raise ValueError("is no date of the calendar") from None


def _zone(text: str | None) -> timezone | None:
    if text is None:
        return None
    if text == "Z":
        return UTC
    minutes = int(text[1:3]) * 60 + int(text[-2:])
    return timezone(timedelta(minutes=minutes if text[0] == "+" else -minutes))


def _moment(moment: datetime) -> MessageTime:
    kind = TimeKind.LOCAL if moment.tzinfo is None else TimeKind.WORLD
    since = datetime(1970, 1, 1, tzinfo=None if moment.tzinfo is None else UTC)
    return MessageTime(kind=kind, seconds=(moment - since).total_seconds(), iso=moment.isoformat())


def in_order(times: list[MessageTime]) -> list[float]:
    """Seconds of messages that are in the order of their writing; a clock that passes midnight goes on."""
    seconds: list[float] = []
    days = 0
    for time in times:
        value = time.seconds + days * _DAY_SECONDS
        if time.kind is TimeKind.CLOCK and seconds and value < seconds[-1] - _DAY_SECONDS / 2:
            days += 1
            value += _DAY_SECONDS
        seconds.append(value)
    return seconds
