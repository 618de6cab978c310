"""Which recordings the arguments of `qingting inspect` mean, and the call data beside them."""

from __future__ import annotations

import csv
import glob
import io
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from qingting.analysis.desktop_events import load_desktop_events
from qingting.call_list import DESKTOP_COLUMN, call_of_row
from qingting.errors import InputError
from qingting.inspector import Job
from qingting.model.call import AgentChannel, CallInfo

AUDIO_SUFFIXES = frozenset(
    ".wav .wave .mp3 .amr .awb .3gp .3g2 .m4a .mp4 .aac .ogg .oga .opus .flac .wma .asf .g722 .gsm .au .caf .aif .aiff"
    " .webm .mka .mkv .mov .avi .ts .v3 .voc".split()
)
"""Files looked at inside folders; a file that is named itself is always tried."""


def collect(
    paths: Iterable[str], call_list: Mapping[str, Mapping[str, str]], *, agent_channel: str, line_of_business: str
) -> list[Job]:
    """Return one job per recording, in order, none twice.

    Raises InputError when an argument matches nothing or a call list value is wrong.
    """
    found: dict[Path, None] = {}
    for text in paths:
        found.update(dict.fromkeys(_expand(text)))
    default = CallInfo(call_id="", line_of_business=line_of_business, agent_channel=AgentChannel(agent_channel))
    ids = _call_ids(list(found))
    return [
        Job(path=path, call=_call_info(replace(default, call_id=ids[path]), call_list.get(path.name, {})))
        for path in found
    ]


def read_call_list(path: Path) -> dict[str, dict[str, str]]:
    """Read a CSV of call data: file name -> column -> value; UTF-8 (with or without BOM) or GB18030.

    Raises InputError when it has no column `file` or cannot be read.
    """
    data = path.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        # Excel on a Chinese desktop saves CSV in the system's encoding.
        text = data.decode("gb18030", errors="replace")
    try:
        rows = csv.DictReader(io.StringIO(text, newline=""))
        if "file" not in (rows.fieldnames or ()):
            raise InputError("the call list has no column `file`", remedy="Add it: the recording's file name.")
        return {Path(row["file"]).name: _columns(row, path.parent) for row in rows if row["file"]}
    except csv.Error as error:
        raise InputError(f"the call list is no CSV: {error}", remedy="Save it again as CSV.") from None


def _columns(row: Mapping[str, str | None], folder: Path) -> dict[str, str]:
    """The columns that have a heading, without the file's own; files are named as seen from the list's folder."""
    found = {name: value.strip() for name, value in row.items() if name and name != "file" and isinstance(value, str)}
    if found.get("desktop_events"):
        found["desktop_events"] = str(folder / found["desktop_events"])
    return found


def _expand(text: str) -> list[Path]:
    path = Path(text)
    if path.is_dir():
        inside = sorted(p for p in path.rglob("*") if p.suffix.lower() in AUDIO_SUFFIXES and p.is_file())
        if not inside:
            raise InputError(
                f"no recordings in the folder {text}", remedy="Name the files themselves, or another folder."
            )
        return inside
    if path.exists():
        return [path]
    if glob.has_magic(text):
        # Path.glob knows no absolute patterns.
        matched = sorted(Path(name) for name in glob.glob(text, recursive=True))  # noqa: PTH207
        files = [p for p in matched if p.is_file()]
        if files:
            return files
        raise InputError(f"nothing matches {text}", remedy="Check the pattern.")
    raise InputError(f"{text} does not exist", remedy="Check the path.")


def _call_ids(paths: list[Path]) -> dict[Path, str]:
    """The file's stem where that is unique, else its name, else its path."""
    stems, names = Counter(p.stem for p in paths), Counter(p.name for p in paths)
    return {p: p.stem if stems[p.stem] == 1 else p.name if names[p.name] == 1 else p.as_posix() for p in paths}


def _call_info(default: CallInfo, row: Mapping[str, str]) -> CallInfo:
    known = call_of_row(default, row)
    if not row.get(DESKTOP_COLUMN):
        return known
    return replace(known, desktop_events=load_desktop_events(Path(row[DESKTOP_COLUMN]), started_at=known.started_at))
