"""What is known of a recording in a watched folder: by a file beside it, a list in its folder, or the call records.

For `0001.wav`: `0001.wav.json` or `0001.json` holds call data, `0001.desktop.jsonl` the agent's actions in
the knowledge base, and `calls.csv` (or `calls.xlsx`) rows with a column `file`. Otherwise the call's id is
the name without its suffix, under which the call records may know it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from qingting.analysis.desktop_events import load_desktop_events, parse_desktop_events
from qingting.call_list import CALL_COLUMNS, DESKTOP_COLUMN, FILE_COLUMN, call_of_row
from qingting.chat import CHAT_SUFFIXES
from qingting.errors import InvalidRequestError, QingtingError
from qingting.model.call import CallInfo
from qingting.service.call_record_rows import moment, plain_text
from qingting.service.tables_in import open_table
from qingting.storage import calls

if TYPE_CHECKING:
    from qingting.model.call import DesktopEvent
    from qingting.service.center import Service

LISTS = ("calls.csv", "calls.xlsx")
_DESKTOP = ".desktop.jsonl"
_MOST_BYTES = 16 * 1024**2
"""Of a file with call data."""
_REMEDY = 'Write an object with names of call data: {"agent_id": "1001", "team": "物流组", "fields": {}}.'
_GENERAL = CallInfo(call_id="").line_of_business


@dataclass(frozen=True, kw_only=True)
class Companions:
    """Files that tell of a recording."""

    data: Path | None = None
    desktop: Path | None = None
    table: Path | None = None
    """The folder's list; it stays where it is."""

    @classmethod
    def of(cls, path: Path) -> Companions:
        """Find those of a recording or conversation."""
        named = (path.with_name(f"{path.name}.json"), path.with_suffix(".json"))
        return cls(
            data=next((one for one in named if one != path and _is_file(one)), None),
            desktop=next((one for one in (path.with_suffix(_DESKTOP),) if _is_file(one)), None),
            table=next((path.with_name(name) for name in LISTS if _is_file(path.with_name(name))), None),
        )

    @property
    def own(self) -> tuple[Path, ...]:
        """Files that tell of this recording only and go with it."""
        return tuple(path for path in (self.data, self.desktop) if path is not None)

    def settled(self, latest: float) -> bool:
        """Whether none of them has changed after a time, in seconds since 1970."""
        paths = (*self.own, *(() if self.table is None else (self.table,)))
        try:
            return all(path.stat(follow_symlinks=False).st_ctime <= latest for path in paths)
        except OSError:
            return False


@dataclass(frozen=True, kw_only=True)
class Told:
    """A call as far as it is known."""

    call: CallInfo
    options: Mapping[str, str]
    """As InspectionJob.options."""


def recording_names(names: Iterable[str]) -> frozenset[str]:
    """Names and stems of the recordings among the files of a folder: files that tell of them are named so."""
    found = [name for name in names if PurePosixPath(name).suffix.lower() not in (*CHAT_SUFFIXES, ".jsonl")]
    return frozenset({*found, *(PurePosixPath(name).stem for name in found)})


def is_companion(path: Path, recorded: frozenset[str]) -> bool:
    """Whether a file tells of recordings (`recorded` are those of its folder) instead of being one.

    A `.json` that tells of none is a conversation if it reads as one; else its recording has not come yet.
    """
    if path.name.lower() in LISTS or path.name.endswith(_DESKTOP):
        return True
    return path.suffix.lower() == ".json" and (path.stem in recorded or not _is_conversation(path))


def is_readable(table: Path) -> bool:
    """Whether a folder's list can be read: with a broken one its recordings wait, they are not to blame."""
    try:
        _row(table, "")
    except QingtingError:
        return False
    return True


def told_of(service: Service, folder: Path, path: Path, companions: Companions) -> Told:
    """Gather what is known of a recording; raises InvalidRequestError, ScriptError, InputError for broken files."""
    data = {} if companions.data is None else _data_in(companions.data)
    row = {} if companions.table is None else _row(companions.table, path.name)
    options, further, events = data.pop("options", {}), data.pop("fields", {}), data.pop(DESKTOP_COLUMN, None)
    texts = {**row, **_texts(further, "fields"), **_texts(data, "")}
    listed = texts.pop(DESKTOP_COLUMN, "")
    if texts.get("started_at"):
        texts["started_at"] = _start(service, texts["started_at"])
    call = call_of_row(CallInfo(call_id=path.stem), texts)
    if "line_of_business" not in texts:
        call = replace(call, line_of_business=_line(service, call.call_id))
    if events is not None:
        call = replace(call, desktop_events=_events(events, call.started_at))
    elif file := companions.desktop or _file_of_list(folder, path, listed):
        call = replace(call, desktop_events=load_desktop_events(file, started_at=call.started_at))
    return Told(call=call, options=_texts(options, "options"))


def _is_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _is_conversation(path: Path) -> bool:
    """Whether a JSON file holds messages; data of a recording that has not come yet holds none."""
    try:
        plain = json.loads(_read(path))
    except InvalidRequestError:
        return False
    except (ValueError, RecursionError):
        # What is broken is taken, and rejected with its reason.
        return True
    return isinstance(plain, list) or (isinstance(plain, dict) and "messages" in plain)


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise InvalidRequestError("The call data beside the recording have too many bytes.")
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        raise InvalidRequestError("The call data beside the recording cannot be read.", remedy=_REMEDY) from None


def _data_in(path: Path) -> dict[str, object]:
    try:
        plain = json.loads(_read(path))
    except (ValueError, RecursionError):
        plain = None
    if not isinstance(plain, dict):
        raise InvalidRequestError("The call data beside the recording are no JSON object.", remedy=_REMEDY)
    return plain


def _row(table: Path, name: str) -> dict[str, str]:
    status = table.stat()
    return dict(_rows(table, status.st_size, status.st_mtime_ns).get(name, {}))


@lru_cache(maxsize=16)
def _rows(table: Path, size: int, modified_ns: int) -> dict[str, dict[str, str]]:
    """File name -> column -> value; read once as long as the list does not change."""
    del size, modified_ns
    found: dict[str, dict[str, str]] = {}
    with open_table(table, lambda headings: FILE_COLUMN in headings) as opened:
        for row in opened.rows:
            values = {heading: plain_text(cell) for heading, cell in row.values.items()}
            found[PurePosixPath(values.pop(FILE_COLUMN, "").replace("\\", "/")).name] = values
    return found


def _texts(plain: object, place: str) -> dict[str, str]:
    if not isinstance(plain, Mapping):
        raise InvalidRequestError(f"{place} of the call data must be an object.", remedy=_REMEDY, field=place)
    found: dict[str, str] = {}
    for name, value in plain.items():
        if isinstance(value, dict | list) or (name in CALL_COLUMNS and not isinstance(value, str | int | None)):
            raise InvalidRequestError("A value of the call data must be text or a number.", remedy=_REMEDY)
        if value is not None:
            found[str(name)] = value if isinstance(value, str) else json.dumps(value)
    return found


def _start(service: Service, written: str) -> str:
    """Times without a zone are those of the centre."""
    try:
        return moment(written, service.zone).isoformat()
    except ValueError:
        # Refused with the other call data, in the same words as everywhere.
        return written


def _line(service: Service, call_id: str) -> str:
    """Line of business where nothing names one: what the call records say, else the settings'."""
    with service.database.read() as connection:
        known = calls.find(connection, call_id)
    if known is not None and known.line_of_business != _GENERAL:
        return known.line_of_business
    return service.settings.watch.line_of_business


def _events(events: object, started_at: str) -> tuple[DesktopEvent, ...]:
    if not isinstance(events, list):
        raise InvalidRequestError("desktop_events of the call data must be a list.", remedy=_REMEDY)
    lines = "\n".join(json.dumps(one) for one in events)
    return parse_desktop_events(lines, source=DESKTOP_COLUMN, started_at=started_at)


def _file_of_list(folder: Path, path: Path, named: str) -> Path | None:
    """The file that a list names, as seen from the list; it must lie in the watched folder itself."""
    if not named:
        return None
    found = (path.parent / named).resolve()
    if not found.is_relative_to(folder.resolve()) or not found.is_file():
        raise InvalidRequestError("The list names a file of desktop events that is not in the folder.")
    return found
