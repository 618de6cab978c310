"""Takes recordings from a folder as they appear, each exactly once, whatever is killed in between.

A file is accepted under a key made of its path, size, time and content, and moved only afterwards: whoever
finds it again, after a crash or beside another worker, is told that it was accepted and moves it.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from qingting.errors import (
    ConflictError,
    QingtingError,
    StillRunningError,
    StorageError,
    TooManyRequestsError,
    UnreadableAudioError,
)
from qingting.model.account import SYSTEM
from qingting.service import intake
from qingting.service.intake import Submission
from qingting.service.watched_calls import Companions, is_companion, is_readable, recording_names, told_of
from qingting.storage import calls, recordings
from qingting.storage.recording_store import pieces

if TYPE_CHECKING:
    from qingting.service.center import Service

log = logging.getLogger(__name__)

DONE, REJECTED = "done", "rejected"
MOST_AT_ONCE = 200
"""Files that one look takes."""
_MOST_LOOKED_AT = 50_000
_UNFINISHED = (".part", ".tmp", ".filepart", ".partial", ".crdownload", ".lck", "~")
"""Ends of names under which programs write before they rename."""
_SettledKey = tuple[str, int, int]
_dealt_with: dict[Path, set[_SettledKey]] = {}
"""Watched folder -> files of it that stay where they are and need no second look by this process."""


@dataclass(kw_only=True)
class Looked:
    """What one look came to."""

    taken: int = 0
    rejected: int = 0
    stopped: bool = False
    """The service takes nothing more for now; what is left is taken by a later look."""


@dataclass(frozen=True, kw_only=True)
class _Found:
    """A file that has not changed for long enough."""

    path: Path
    name: str
    """Path below the watched folder."""
    size: int
    modified_ns: int

    @property
    def settled(self) -> _SettledKey:
        return self.name, self.size, self.modified_ns


def look(service: Service) -> Looked:
    """Look once, and take what has settled; problems of one file never stop the others."""
    folder = service.settings.watch.folder
    looked = Looked()
    if folder is None:
        return looked
    if not folder.is_dir():
        log.warning("the watched folder is missing")
        return looked
    known = _dealt_with.setdefault(folder, set())
    new = (one for one in _settled(service, folder) if one.settled not in known)
    for found in islice(new, MOST_AT_ONCE):
        try:
            _take(service, folder, found, looked)
        except (TooManyRequestsError, StillRunningError, StorageError) as error:
            log.warning("the watched folder waits: %s", error.code)
            looked.stopped = True
            break
    if looked.taken or looked.rejected:
        log.info("watched folder: %d taken, %d rejected", looked.taken, looked.rejected)
    return looked


def _settled(service: Service, folder: Path) -> Iterator[_Found]:
    # A copy may bring its old time of change along, but never that of its inode.
    latest = time.time() - service.settings.watch.settle_seconds
    for path, recorded in islice(_files(folder, top=True), _MOST_LOOKED_AT):
        with suppress(OSError):
            status = path.stat(follow_symlinks=False)
            if status.st_ctime <= latest and not is_companion(path, recorded):
                name = path.relative_to(folder).as_posix()
                yield _Found(path=path, name=name, size=status.st_size, modified_ns=status.st_mtime_ns)


def _files(folder: Path, *, top: bool) -> Iterator[tuple[Path, frozenset[str]]]:
    """Plain files below a folder, each with the names of its folder's recordings; links are not followed."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        log.warning("a watched folder cannot be read: %s", type(error).__name__)
        return
    entries = [one for one in entries if not one.name.startswith(".") and not (top and one.name in (DONE, REJECTED))]
    recorded = recording_names(one.name for one in entries)
    for entry in entries:
        try:
            if entry.is_dir(follow_symlinks=False):
                yield from _files(Path(entry.path), top=False)
            elif entry.is_file(follow_symlinks=False) and not entry.name.lower().endswith(_UNFINISHED):
                yield Path(entry.path), recorded
        except OSError:
            continue


def _take(service: Service, folder: Path, found: _Found, looked: Looked) -> None:
    companions = Companions.of(found.path)
    if not companions.settled(time.time() - service.settings.watch.settle_seconds):
        return
    if companions.table is not None and not is_readable(companions.table):
        log.warning("a list in the watched folder cannot be read; the recordings beside it wait")
        return
    try:
        sha256 = _digest(found)
        if sha256 is None:
            return
        _submit(service, folder, found, companions, sha256)
    except QingtingError as error:
        if isinstance(error, TooManyRequestsError | StillRunningError | StorageError) and error.can_retry:
            raise
        # Another worker that took it in this moment took what was told of it along.
        if found.path.exists():
            _reject(service, folder, found, companions, error)
            looked.rejected += 1
    else:
        _put_away(service, folder, found, companions, sha256)
        looked.taken += 1


def _digest(found: _Found) -> str | None:
    """SHA-256 of a file; None when it changed meanwhile, or somebody else took it."""
    digest = hashlib.sha256()
    try:
        handle = os.open(found.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(handle, "rb") as file:
            for piece in pieces(file):
                digest.update(piece)
            status = os.fstat(file.fileno())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UnreadableAudioError(f"The file cannot be read: {type(error).__name__}.") from None
    unchanged = (status.st_size, status.st_mtime_ns) == (found.size, found.modified_ns)
    return digest.hexdigest() if unchanged else None


def _submit(service: Service, folder: Path, found: _Found, companions: Companions, sha256: str) -> None:
    told = told_of(service, folder, found.path, companions)
    submission = Submission(
        call=told.call, file=found.path, file_name=found.path.name, options=told.options, source="watch"
    )
    try:
        intake.submit(service, SYSTEM, submission, idempotency_key=_key(found, sha256))
    except StillRunningError:
        raise
    except ConflictError:
        # Answers to keys are kept for a day only; the recording itself tells for longer that it was accepted.
        if not _is_stored(service, told.call.call_id, sha256):
            raise


def _key(found: _Found, sha256: str) -> str:
    told = f"{found.name}\0{found.size}\0{found.modified_ns}\0{sha256}"
    return f"watch-{hashlib.sha256(told.encode('utf-8', 'surrogateescape')).hexdigest()}"


def _is_stored(service: Service, call_id: str, sha256: str) -> bool:
    with service.database.read() as connection:
        call = calls.find(connection, call_id)
        stored = None if call is None else recordings.latest_of_call(connection, call.id)
    return stored is not None and stored.sha256 == sha256


def _put_away(service: Service, folder: Path, found: _Found, companions: Companions, sha256: str) -> None:
    after = service.settings.watch.after
    if after == "leave":
        _dealt_with[folder].add(found.settled)
        return
    # The recording first: found again without what was told of it, it would be another call.
    for path in (found.path, *companions.own):
        try:
            if after == "delete":
                path.unlink(missing_ok=True)
            else:
                _move(path, folder / DONE / path.relative_to(folder), sha256)
        except OSError as error:
            log.warning("a taken file cannot be put away: %s", type(error).__name__)
            _dealt_with[folder].add(found.settled)
            return


def _reject(service: Service, folder: Path, found: _Found, companions: Companions, error: QingtingError) -> None:
    _dealt_with[folder].add(found.settled)
    log.warning("a watched file is rejected: %s", error.code)
    if service.settings.watch.after == "leave":
        return
    reason = {"code": error.code, "cause": error.cause, "remedy": error.remedy}
    target = folder / REJECTED / found.name
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        note = target.with_name(f"{target.name}.reason.json")
        note.write_text(json.dumps(reason, ensure_ascii=False, indent=1), encoding="utf-8")
        for path in (found.path, *companions.own):
            _move(path, folder / REJECTED / path.relative_to(folder), str(time.time_ns()))
    except OSError as failure:
        log.warning("a rejected file cannot be moved: %s", type(failure).__name__)


def _move(path: Path, target: Path, mark: str) -> None:
    """Move a file; an earlier one of the same name stays. One that another worker moved is no trouble."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        target = target.with_name(f"{target.stem}.{mark[-12:]}{target.suffix}")
    with suppress(FileNotFoundError):
        path.rename(target)
