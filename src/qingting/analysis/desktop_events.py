"""Reads what agents did in the knowledge base: JSON lines, one action per line.

    {"time": "2024-05-01T10:00:12+08:00", "kind": "search", "query": "退款多久到账", "results": 4}
    {"at_ms": 15200, "kind": "open", "article": "KB-102", "title": "退款到账时间", "text": "…"}

`time` is a date and time (the call's start is then needed) or seconds of the call; `at_ms` is the
call time itself. Other fields are ignored.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from qingting.errors import ScriptError
from qingting.model.call import DesktopEvent, DesktopKind

if TYPE_CHECKING:
    from pathlib import Path

MAX_EVENTS = 10_000
"""More actions than anyone does in one call."""
MAX_TEXT = 4000
"""Characters kept of an article: enough to compare; reports hold them."""
_MAX_BYTES = 50 * 1024**2
_LONGEST_MS = 7 * 86_400_000
"""Actions further from the call's start than a week belong to another call."""
_KINDS = {
    **{kind.value: kind for kind in DesktopKind},
    **{kind.chinese: kind for kind in DesktopKind},
    "搜索": DesktopKind.SEARCH,
    "query": DesktopKind.SEARCH,
    "view": DesktopKind.OPEN,
    "查看": DesktopKind.OPEN,
}
_REMEDY = 'Write one JSON object per line: {"at_ms": 15200, "kind": "search", "query": "…"}.'


def load_desktop_events(path: Path, *, started_at: str = "") -> tuple[DesktopEvent, ...]:
    """Read a JSON lines file; events come in order of time.

    `started_at` is the call's start as ISO 8601, needed when events carry dates. Raises
    ScriptError naming file and line, never the content.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ScriptError(f"{path.name}: is larger than {_MAX_BYTES // 1024**2} MiB", remedy="Split it by call.")
        text = path.read_bytes().decode("utf-8-sig")
    except (OSError, ValueError) as error:
        raise ScriptError(
            f"{path.name}: cannot be read: {type(error).__name__}", remedy="Check the path; files are UTF-8."
        ) from None
    return parse_desktop_events(text, source=path.name, started_at=started_at)


def parse_desktop_events(text: str, *, source: str, started_at: str = "") -> tuple[DesktopEvent, ...]:
    """Parse the text of a JSON lines file; see load_desktop_events."""
    events: list[DesktopEvent] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            events.append(_event(line, f"{source}, line {number}", started_at))
        if len(events) > MAX_EVENTS:
            raise ScriptError(f"{source}: holds more than {MAX_EVENTS} events", remedy="Give the events of one call.")
    return tuple(sorted(events, key=lambda event: event.at_ms))


def _event(line: str, place: str, started_at: str) -> DesktopEvent:
    try:
        plain = json.loads(line)
    except (ValueError, RecursionError):
        raise ScriptError(f"{place}: is no JSON", remedy=_REMEDY) from None
    if not isinstance(plain, Mapping):
        raise ScriptError(f"{place}: must be a JSON object", remedy=_REMEDY)
    kind = plain.get("kind")
    if not isinstance(kind, str) or kind.strip().lower() not in _KINDS:
        raise ScriptError(f"{place}: kind: must be one of {', '.join(_KINDS)}", remedy=_REMEDY)
    event = DesktopEvent(
        kind=_KINDS[kind.strip().lower()],
        at_ms=_at_ms(plain, place, started_at),
        query=_text(plain, "query", place),
        results=_results(plain, place),
        article=_text(plain, "article", place),
        title=_text(plain, "title", place),
        text=_text(plain, "text", place)[:MAX_TEXT],
    )
    if event.kind is DesktopKind.SEARCH and not event.query:
        raise ScriptError(f"{place}: query: is required for a search", remedy=_REMEDY)
    if event.kind in (DesktopKind.OPEN, DesktopKind.CLOSE) and not (event.article or event.title):
        raise ScriptError(f"{place}: article: or title: is required to open or close one", remedy=_REMEDY)
    return event


def _text(plain: Mapping[str, object], name: str, place: str) -> str:
    value = plain.get(name)
    if isinstance(value, int) and not isinstance(value, bool) and name == "article":
        value = str(value)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ScriptError(f"{place}: {name}: must be text")
    # Halves of characters could not be written into a report.
    return value.encode("utf-8", "replace").decode("utf-8").strip()


def _results(plain: Mapping[str, object], place: str) -> int | None:
    value = plain.get("results")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ScriptError(f"{place}: results: must be a whole number")
    return value


def _at_ms(plain: Mapping[str, object], place: str, started_at: str) -> int:
    if "at_ms" in plain:
        value = plain["at_ms"]
        if isinstance(value, bool) or not isinstance(value, int):
            raise ScriptError(f"{place}: at_ms: must be a whole number of milliseconds")
        return _near(value, f"{place}: at_ms")
    time = plain.get("time")
    if isinstance(time, int | float) and not isinstance(time, bool):
        return _near(time * 1000, f"{place}: time")
    if not isinstance(time, str):
        raise ScriptError(f"{place}: time: is required, or at_ms", remedy=_REMEDY)
    return _near(_since_start(time, place, started_at), f"{place}: time")


def _near(at_ms: float, place: str) -> int:
    if not -_LONGEST_MS <= at_ms <= _LONGEST_MS:
        raise ScriptError(f"{place}: lies more than a week from the call's start", remedy="Check clock and time zone.")
    return round(at_ms)


def _since_start(time: str, place: str, started_at: str) -> float:
    if not started_at:
        remedy = "Give the call's `started_at`, or write `at_ms`."
        raise ScriptError(f"{place}: time: is a date, but the call's start is not known", remedy=remedy)
    try:
        moment, start = datetime.fromisoformat(time.strip()), datetime.fromisoformat(started_at.strip())
    except ValueError:
        raise ScriptError(f"{place}: time: it or the call's start is no ISO 8601 date", remedy=_REMEDY) from None
    if (moment.tzinfo is None) != (start.tzinfo is None):
        raise ScriptError(f"{place}: time: only it or the call's start names a zone", remedy="Write both alike.")
    return (moment - start).total_seconds() * 1000
