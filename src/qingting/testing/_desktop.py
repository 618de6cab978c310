"""The agent's actions in the knowledge base, as a script places them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from qingting.model.call import DesktopEvent, DesktopKind
from qingting.testing.call_script import ScriptDesktopEvent

if TYPE_CHECKING:
    from collections.abc import Iterable

    from qingting.testing._fields import Fields


def read_desktop_events(fields: Fields, turns: int) -> tuple[ScriptDesktopEvent, ...] | None:
    """Take the script's `desktop_events`; None without the field.

    `turns` is the script's number of turns. Raises ScriptError that names the field.
    """
    if not fields.has("desktop_events"):
        return None
    return tuple(_read(item, turns) for item in fields.items("desktop_events"))


def _read(item: Fields, turns: int) -> ScriptDesktopEvent:
    kind = DesktopKind(item.choice("kind", tuple(one.value for one in DesktopKind)))
    turn = item.whole("after_turn", 0, 100_000)
    if turn >= turns:
        raise item.fail("after_turn", "must be the index of a turn, from 0")
    results = item.whole("results", 0, 1_000_000) if item.has("results") else None
    searches = kind is DesktopKind.SEARCH
    event = DesktopEvent(
        kind=kind,
        at_ms=0,
        query=item.text("query", None if searches else ""),
        results=results,
        article=item.text("article", "" if searches else None),
        title=item.text("title", ""),
        text=item.text("text", ""),
    )
    placed = ScriptDesktopEvent(after_turn=turn, offset_ms=item.whole("offset_ms", -60_000, 600_000, 0), event=event)
    item.done()
    return placed


def as_json_lines(events: Iterable[DesktopEvent]) -> str:
    """Write actions as the JSON lines that `load_desktop_events` reads; what is empty is left out."""
    lines = []
    for event in events:
        plain: dict[str, object] = {"at_ms": event.at_ms, "kind": event.kind.value}
        plain |= {name: value for name in ("query", "article", "title", "text") if (value := getattr(event, name))}
        if event.results is not None:
            plain["results"] = event.results
        lines.append(json.dumps(plain, ensure_ascii=False))
    return "".join(f"{line}\n" for line in lines)
