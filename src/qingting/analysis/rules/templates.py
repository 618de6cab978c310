"""Texts with places to fill in: {demand.quote}, {demand.time}, {silence.seconds}, {order.value}."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from qingting.analysis.wording import at, quoted, seconds

if TYPE_CHECKING:
    from qingting.analysis.rules.scopes import Stamped
    from qingting.model.call import CallInfo

_PLACE = re.compile(r"\{([^{}]*)\}")
FIELDS: Mapping[str, str] = {
    "quote": "the words heard",
    "time": "when it was heard: 第3分12秒",
    "end": "when it ended",
    "seconds": "how long a silence or overlap lasted",
    "value": "the captured value, masked",
    "count": "how many hits there are",
}
CALL_FIELDS = ("agent_id", "team")


def places(template: str) -> list[tuple[str, str]]:
    """(condition, field) of every place; (text, "") for one that has no such form."""
    found = []
    for text in _PLACE.findall(template):
        condition, dot, name = text.partition(".")
        found.append((condition, name) if dot else (text, ""))
    return found


def fill(template: str, hits: Mapping[str, Sequence[Stamped]], call: CallInfo) -> str:
    """Write the template with a call's own facts; places of conditions without hits read 未出现."""

    def value(match: re.Match[str]) -> str:
        condition, _, name = match[1].partition(".")
        if condition == "call":
            return str(getattr(call, name))
        return _value(hits.get(condition, ()), name)

    return _PLACE.sub(value, template)


def _value(hits: Sequence[Stamped], name: str) -> str:
    if name == "count":
        return str(len(hits))
    if not hits:
        return "（未出现）"
    found = hits[0].found
    texts = {
        "quote": quoted(found.quote) if found.quote else "",
        "time": at(found.start_ms),
        "end": at(found.end_ms),
        "seconds": seconds(found.end_ms - found.start_ms if found.length_ms is None else found.length_ms),
        "value": found.value,
    }
    return texts[name]
