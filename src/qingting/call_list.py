"""Call data as a list gives it: one row per recording, its columns named as the fields of a call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace

from qingting.errors import InputError
from qingting.model.call import AgentChannel, CallInfo

FILE_COLUMN = "file"
"""Names the recording."""
DESKTOP_COLUMN = "desktop_events"
"""Names a file of the agent's actions in the knowledge base; read by those who may open files."""
CALL_COLUMNS = frozenset(field.name for field in fields(CallInfo)) - {"fields", "medium", "times_known"}
"""Columns that are fields of a call; all others become `CallInfo.fields`."""


def call_of_row(default: CallInfo, row: Mapping[str, str]) -> CallInfo:
    """Fill a call with what its row of the list says; empty cells leave the default.

    Raises InputError for an unknown agent channel.
    """
    given: dict[str, str] = {name: value for name, value in row.items() if name in CALL_COLUMNS and value}
    if "agent_channel" in given and given["agent_channel"] not in set(AgentChannel):
        raise InputError("the call list has an agent_channel other than left, right or auto", remedy="Correct it.")
    channel = AgentChannel(given.pop("agent_channel", default.agent_channel))
    given.pop(DESKTOP_COLUMN, None)
    extra = {name: value for name, value in row.items() if name not in CALL_COLUMNS and value}
    known: CallInfo = replace(default, **given, agent_channel=channel, fields=extra)  # type: ignore[arg-type]
    return known
