"""Reads what senders say of a call in JSON and in connection parameters, and believes none of it unseen.

The names are the same at every door: `key`, `call_id`, `agent_id`, `team`, `line_of_business`, `direction`,
`started_at`, `customer_reference`; further data of the call stand in an object `fields`, or under names like
`fields.queue`. What else a telephone system sends (numbers, names) is not kept. Whether the values make sense
is for the service to check; here they are made texts of bounded length. No error says a value.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from typing import Any

from qingting.errors import LiveProtocolError
from qingting.model.call import AgentChannel, CallInfo, Role

MOST_BYTES = 1 << 20
"""Longest message: twenty seconds of the widest sound."""
_MOST_CHARACTERS = 1000
_MOST_FIELDS = 50
_MOST_WHOLE = 1 << 53
"""JSON's numbers are exact up to here."""
_FURTHER = "fields."


def read_object(message: str) -> dict[str, Any]:
    """Parse a message that must be a JSON object; raises LiveProtocolError."""
    said = read_json(message)
    if not isinstance(said, dict):
        raise LiveProtocolError("The message is no JSON object.")
    return said


def read_json(message: str) -> Any:
    """Parse a message that must be JSON without NaN and infinities; raises LiveProtocolError."""
    check_size(message)
    try:
        return json.loads(message, parse_constant=_no_number)
    except (ValueError, RecursionError):  # their texts quote the message
        raise LiveProtocolError("The message is no JSON.") from None


def check_size(message: bytes | str) -> None:
    """Refuse messages longer than 1 MiB; raises LiveProtocolError."""
    if len(message) > MOST_BYTES:
        raise LiveProtocolError("The message is longer than 1 MiB.", remedy="Send the sound in small messages.")


def object_of(said: Mapping[str, Any], name: str, *, needed: bool = True) -> dict[str, Any]:
    """Return the object of that name, an empty one where none is said; raises LiveProtocolError."""
    value = said.get(name)
    if value is None and not needed:
        return {}
    if not isinstance(value, dict):
        raise LiveProtocolError(f"{name} is missing or no object.")
    return value


def text_of(said: Mapping[str, Any], name: str) -> str:
    """Return a text of at most 1000 characters, empty where none is said; whole numbers count as texts.

    Raises LiveProtocolError for other types, control characters and halves of characters.
    """
    return _text(said.get(name), name)


def whole_of(said: Mapping[str, Any], name: str) -> int | None:
    """Return a whole number from 0, which may be said as a text; None where none is. Raises LiveProtocolError."""
    value = said.get(name)
    if value is None:
        return None
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= len(str(_MOST_WHOLE)):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MOST_WHOLE:
        raise LiveProtocolError(f"{name} is no whole number from 0 up.")
    return value


def role_of(said: Mapping[str, Any], name: str) -> Role | None:
    """Return who is meant, None where nobody is named; raises LiveProtocolError."""
    value = text_of(said, name)
    if value not in ("", Role.AGENT.value, Role.CUSTOMER.value):
        raise LiveProtocolError(f"{name} is neither agent nor customer.")
    return Role(value) if value else None


def call_of(said: Mapping[str, Any], *, call_id: str = "", roles: tuple[Role, ...] = ()) -> CallInfo:
    """Read the data of a call; `call_id` holds where none is said, `roles` are those of its channels.

    Raises LiveProtocolError, which names the wrong value but does not say it.
    """
    channel = AgentChannel.AUTO
    if len(roles) == 2 and Role.AGENT in roles:
        channel = AgentChannel.LEFT if roles[0] is Role.AGENT else AgentChannel.RIGHT
    return CallInfo(
        call_id=text_of(said, "call_id") or call_id,
        line_of_business=text_of(said, "line_of_business") or "general",
        agent_channel=channel,
        agent_id=text_of(said, "agent_id"),
        team=text_of(said, "team"),
        direction=text_of(said, "direction"),
        started_at=text_of(said, "started_at"),
        customer_reference=text_of(said, "customer_reference"),
        fields=_fields(said),
    )


def _fields(said: Mapping[str, Any]) -> dict[str, str]:
    given = {**object_of(said, "fields", needed=False)}
    given |= {name.removeprefix(_FURTHER): said[name] for name in said if name.startswith(_FURTHER)}
    if len(given) > _MOST_FIELDS:
        raise LiveProtocolError(f"fields holds more than {_MOST_FIELDS} values.")
    # Names may be anybody's words: the error of one does not say them.
    return {_text(name, "A name in fields"): _text(value, "A value in fields") for name, value in given.items()}


def _text(value: object, name: str) -> str:
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _MOST_WHOLE:
        value = str(value)
    if not isinstance(value, str) or len(value) > _MOST_CHARACTERS:
        raise LiveProtocolError(f"{name} is no text of at most {_MOST_CHARACTERS} characters.")
    if not value.isprintable() and any(unicodedata.category(one) in ("Cc", "Cs") for one in value):
        raise LiveProtocolError(f"{name} holds control characters or halves of characters.")
    return value


def _no_number(_: str) -> Any:
    raise ValueError
