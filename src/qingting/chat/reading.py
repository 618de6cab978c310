"""Reads chat files (JSON, CSV) into messages, with errors that name the place and never the content."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from qingting.errors import ScriptError
from qingting.model.call import Role

MAX_BYTES = 50 * 1024**2
"""Largest file read."""
MAX_MESSAGES = 20_000
"""Longest conversation."""
MAX_CHARACTERS = 20_000
"""Longest message."""

FIELDS: Mapping[str, tuple[str, ...]] = {
    "role": ("role", "sender", "from", "角色", "发送方", "发送人"),
    "time": ("time", "timestamp", "sent_at", "date", "时间", "发送时间"),
    "text": ("text", "content", "message", "body", "内容", "消息", "正文"),
    "name": ("name", "姓名", "昵称"),
    "subject": ("subject", "主题"),
}
"""Field -> the names it may have, in order of preference."""

_ROLES: Mapping[Role | None, tuple[str, ...]] = {
    Role.AGENT: (
        "agent",
        "staff",
        "service",
        "seat",
        "support",
        "operator",
        "坐席",
        "座席",
        "客服",
        "人工客服",
        "人工",
    ),
    Role.CUSTOMER: ("customer", "client", "user", "visitor", "buyer", "客户", "用户", "顾客", "买家", "访客"),
    None: ("system", "bot", "robot", "系统", "系统消息", "机器人", "智能客服"),
}
_ROLE_OF = {word: role for role, words in _ROLES.items() for word in words}
_EXAMPLE = 'Write [{"role": "customer", "time": "2024-05-01T10:00:00", "text": "…"}, …].'


@dataclass(frozen=True, kw_only=True)
class Message:
    """One message as its file writes it."""

    place: str
    """Where it stands, for errors: `messages[3]` or `line 5`."""
    role: Role | None
    """None for messages of the system or a robot."""
    time: object
    """As written; None without one."""
    text: str
    name: str = ""
    """Who wrote it."""
    subject: str = ""
    """Subject of an e-mail."""


@dataclass(frozen=True, kw_only=True)
class ChatFile:
    """A chat file's content."""

    messages: tuple[Message, ...]
    call: Mapping[str, str]
    """Call data that the file gives; values are texts."""
    medium: str = ""
    """`chat` or `email` when the file says so."""


def read_chat_file(path: Path) -> ChatFile:
    """Read a .json or .csv file; UTF-8 (with or without BOM) or GB18030.

    Raises ScriptError naming file and place.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ScriptError(f"{path.name}: is larger than {MAX_BYTES // 1024**2} MiB", remedy="Split the file.")
        data = path.read_bytes()
    except OSError as error:
        raise ScriptError(f"{path.name}: cannot be read: {type(error).__name__}", remedy="Check the path.") from None
    text = _decoded(data, path.name)
    found = _from_csv(text, path.name) if path.suffix.lower() == ".csv" else _from_json(text, path.name)
    if not found.messages:
        raise ScriptError(f"{path.name}: holds no message", remedy=_EXAMPLE)
    return found


def _decoded(data: bytes, name: str) -> str:
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise ScriptError(f"{name}: is neither UTF-8 nor GB18030 text", remedy="Save the file as UTF-8.")


def _from_json(text: str, name: str) -> ChatFile:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        line = f", line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise ScriptError(f"{name}{line}: is no JSON", remedy=_EXAMPLE) from None
    call: Mapping[str, str] = {}
    medium: object = ""
    if isinstance(data, Mapping):
        if "schema_version" in data and "transcript" in data:
            raise ScriptError(f"{name}: is a stored report, no conversation", remedy="Use `qingting report`.")
        call, medium = _call(data.get("call"), name), data.get("medium", "")
        data = data.get("messages")
    if not isinstance(data, list):
        raise ScriptError(f"{name}: must be a list of messages, or an object with `messages`", remedy=_EXAMPLE)
    if medium not in ("", "chat", "email"):
        raise ScriptError(f"{name}: medium: must be chat or email")
    _check_count(len(data), name)
    messages = tuple(_message(item, f"{name}: messages[{index}]") for index, item in enumerate(data))
    return ChatFile(messages=messages, call=call, medium=str(medium))


def _call(value: object, name: str) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ScriptError(f"{name}: call: must be an object of names and texts")
    found: dict[str, str] = {}
    for number, (key, item) in enumerate(value.items()):
        if not isinstance(item, str | bool | float | int):
            raise ScriptError(f"{name}: call: value {number + 1} must be text or a number")
        found[clean(str(key))] = clean(item if isinstance(item, str) else json.dumps(item))
    return found


def _from_csv(text: str, name: str) -> ChatFile:
    try:
        messages = tuple(_csv_messages(text, name))
    except csv.Error:
        raise ScriptError(f"{name}: is no CSV", remedy="Save it again as CSV; put texts in quotes.") from None
    return ChatFile(messages=messages, call={})


def _csv_messages(text: str, name: str) -> Iterator[Message]:
    head = text.lstrip("\r\n").split("\n", 1)[0]
    delimiter = max(",;\t", key=head.count)
    rows = csv.DictReader(io.StringIO(text.lstrip("\r\n"), newline=""), delimiter=delimiter, strict=True)
    for required in ("role", "text"):
        if not any(_is(column, required) for column in rows.fieldnames or ()):
            raise ScriptError(f"{name}: line 1: has no column `{required}`", remedy="Write `role,time,text` above.")
    for count, row in enumerate(rows, start=1):
        place = f"{name}: line {rows.line_num}"
        _check_count(count, name)
        if None in row:
            raise ScriptError(f"{place}: has more fields than the header", remedy="Put texts with commas in quotes.")
        values = {column: value for column, value in row.items() if value is not None and value.strip()}
        if values:
            yield _message(values, place)


def _check_count(count: int, name: str) -> None:
    if count > MAX_MESSAGES:
        raise ScriptError(f"{name}: holds more than {MAX_MESSAGES} messages", remedy="Split the conversation.")


def _is(column: str | None, field: str) -> bool:
    return column is not None and column.strip().lower() in FIELDS[field]


def _message(item: object, place: str) -> Message:
    if not isinstance(item, Mapping):
        raise ScriptError(f"{place}: must be an object with role and text", remedy=_EXAMPLE)
    given = {str(key).strip().lower(): value for key, value in item.items()}
    values = {field: _first(given, names) for field, names in FIELDS.items()}
    role = values["role"]
    if not isinstance(role, str) or role.strip().lower() not in _ROLE_OF:
        raise ScriptError(f"{place}: role: must be one of {', '.join(_ROLE_OF)}")
    text = _text(values["text"], f"{place}: text")
    if len(text) > MAX_CHARACTERS:
        raise ScriptError(f"{place}: text: is longer than {MAX_CHARACTERS} characters")
    time = values["time"]
    return Message(
        place=place,
        role=_ROLE_OF[role.strip().lower()],
        time=None if isinstance(time, str) and not time.strip() else time,
        text=text,
        name=_text(values["name"], f"{place}: name"),
        subject=_text(values["subject"], f"{place}: subject"),
    )


def _first(given: Mapping[str, object], names: tuple[str, ...]) -> object:
    return next((given[name] for name in names if given.get(name) is not None), None)


def _text(value: object, place: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ScriptError(f"{place}: must be text")
    return clean(value)


def clean(text: str) -> str:
    """Return text without control characters and halves of characters, which no report could hold."""
    unified = text.replace("\r\n", "\n").replace("\r", "\n")
    whole = unified.encode("utf-8", "replace").decode("utf-8")
    return "".join(c for c in whole if c in "\n\t" or c.isprintable() or ord(c) > 0x9F).strip()
