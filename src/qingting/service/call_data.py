"""Checks what callers say of a call, and writes it as a row."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from qingting.analysis.packs import pack_names
from qingting.errors import AccessDeniedError, InvalidRequestError
from qingting.model.call import CallInfo
from qingting.service.documents import call_from_plain, call_to_plain

if TYPE_CHECKING:
    from qingting.model.account import Reach
    from qingting.service.center import Service
    from qingting.storage.calls import CallRow

MAX_FIELDS = 50
MAX_FIELD_NAME = 64
MAX_FIELD = 1000
"""Characters of one further value."""
_LENGTHS = {"call_id": 128, "agent_id": 128, "team": 128, "customer_reference": 256}
_DIRECTIONS = ("", "inbound", "outbound")
_EARLIEST_MS, _LATEST_MS = 0, 4_102_444_800_000
"""1970 to 2100: other times are mistakes."""


def check_call(service: Service, call: CallInfo) -> None:
    """Refuse call data that cannot be stored or understood; raises InvalidRequestError naming the field."""
    check_texts(call)
    if call.line_of_business not in known_lines(service):
        raise _wrong("call.line_of_business", f"must be one of {', '.join(known_lines(service))}")


def check_texts(call: CallInfo) -> None:
    """Do what check_call does, but for the line of business, which takes a look into the packs' folders."""
    for name, length in _LENGTHS.items():
        _check_text(f"call.{name}", getattr(call, name), length)
    if not call.call_id or call.call_id != call.call_id.strip() or call.call_id in (".", ".."):
        raise _wrong("call.call_id", "must not be empty, dots, or begin or end with spaces")
    if "/" in call.call_id or "\\" in call.call_id:
        raise _wrong("call.call_id", "must not hold slashes")
    if call.direction not in _DIRECTIONS:
        raise _wrong("call.direction", "must be inbound, outbound or empty")
    if call.started_at:
        started_ms(call.started_at)
    _check_fields(call.fields)


def known_lines(service: Service) -> tuple[str, ...]:
    """Ids of all packs, own ones included."""
    folder = service.settings.pack_folder
    return tuple(sorted({*pack_names(), *(pack_names(folder) if folder else ())}))


def check_reach(reach: Reach, *, agent_id: str, team: str) -> None:
    """Refuse calls of others; raises AccessDeniedError."""
    if not reach.covers(agent_id=agent_id, team=team):
        raise AccessDeniedError(
            "The call's team is none of those that the key may submit for.", remedy="Name one of the key's own teams."
        )


def started_ms(started_at: str) -> int:
    """Return a call's start in milliseconds since 1970; raises InvalidRequestError."""
    try:
        moment = datetime.fromisoformat(started_at)
        at = round(moment.timestamp() * 1000)
    except (ValueError, OverflowError, OSError):
        raise _wrong("call.started_at", "must be ISO 8601 with zone: 2026-11-30T10:00:00+08:00") from None
    if moment.tzinfo is None:
        raise _wrong("call.started_at", "names no zone: write 2026-11-30T10:00:00+08:00")
    if not _EARLIEST_MS <= at < _LATEST_MS:
        raise _wrong("call.started_at", "must lie between 1970 and 2100")
    return at


def merged(known: CallRow, given: CallInfo) -> CallInfo:
    """What the call records know of a call, with what its submission says besides or instead."""
    base = call_from_plain(known.info)
    default = CallInfo(call_id=given.call_id)
    said = {
        field.name: getattr(given, field.name)
        for field in fields(CallInfo)
        if getattr(given, field.name) != getattr(default, field.name)
    }
    return replace(base, **{**said, "fields": {**base.fields, **given.fields}})


def columns(service: Service, call: CallInfo, *, now_ms: int) -> dict[str, Any]:
    """Write a call as columns of its row; without a start it counts for the moment of its registration."""
    at = started_ms(call.started_at) if call.started_at else now_ms
    day, hour = service.day_and_hour(at)
    return {
        "line_of_business": call.line_of_business,
        "medium": call.medium.value,
        "direction": call.direction,
        "agent_id": call.agent_id,
        "team": call.team,
        "customer_reference": call.customer_reference,
        "started_ms": at,
        "day": day,
        "hour": hour,
        "info": call_to_plain(call),
    }


def _check_fields(given: Mapping[str, str]) -> None:
    if len(given) > MAX_FIELDS:
        raise _wrong("call.fields", f"must not hold more than {MAX_FIELDS} values")
    for number, (name, value) in enumerate(given.items(), start=1):
        # Names and values may be the customer's: the place is enough.
        _check_text(f"call.fields (name {number})", name, MAX_FIELD_NAME)
        _check_text(f"call.fields (value {number})", value, MAX_FIELD, lines=True)


def _check_text(field: str, value: str, longest: int, *, lines: bool = False) -> None:
    if len(value) > longest:
        raise _wrong(field, f"must not be longer than {longest} characters")
    allowed = "\t\n\r" if lines else ""
    if any(unicodedata.category(one) in ("Cc", "Cs") and one not in allowed for one in value):
        raise _wrong(field, "must not hold control characters or halves of characters")


def _wrong(field: str, problem: str) -> InvalidRequestError:
    return InvalidRequestError(f"{field} {problem}.", field=field)
