"""Copies a running installation on SQLite into a folder, and puts such a copy in place again.

The copy is the state of one moment: first the database, then the recordings that it names. The job
engine's own file is left out: what it knows follows from the rows of the jobs.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from qingting import __version__
from qingting.errors import ConflictError, InputError, InvalidRequestError, NotFoundError, SettingsError
from qingting.storage import backups, upgrading
from qingting.storage.recording_store import checked, pieces, typed_errors

if TYPE_CHECKING:
    from qingting.service.center import Service
    from qingting.settings import Settings

DATABASE = "qingting.sqlite"
RECORDINGS = "recordings"
MANIFEST = "manifest.json"
_FORM = 1


@dataclass(frozen=True, kw_only=True)
class BackedUpFile:
    """A file of a backup."""

    name: str
    """Path below the backup's folder."""
    size_bytes: int
    sha256: str
    copied: bool = True
    """False for recordings that are only listed: their store has a backup of its own."""


@dataclass(frozen=True, kw_only=True)
class Backup:
    """What a backup holds."""

    files: tuple[BackedUpFile, ...]
    missing: int = 0
    """Recordings that were deleted while the backup was made, or could not be read."""

    @property
    def size_bytes(self) -> int:
        """Bytes of what was copied."""
        return sum(file.size_bytes for file in self.files if file.copied)


def back_up(service: Service, folder: Path, *, copy_recordings: bool = True) -> Backup:
    """Copy database and recordings into a new or empty folder while the service runs.

    Raises SettingsError on PostgreSQL, which has tools of its own, ConflictError for a folder in use, StorageError.
    """
    if not service.database.is_sqlite:
        raise SettingsError("The database is PostgreSQL.", remedy="Back it up with pg_dump, see docs/how-to/backup.md.")
    with typed_errors():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise ConflictError("The folder of the backup is not empty.", remedy="Name a new one for each backup.")
    backups.copy_sqlite(service.database, folder / DATABASE)
    files, missing = [_measured(folder / DATABASE, DATABASE)], 0
    with backups.opened(folder / DATABASE) as connection:
        for key, size, sha256 in backups.recordings_of(connection):
            name = f"{RECORDINGS}/{key}"
            copied = copy_recordings and _copy(service, key, folder / name, sha256)
            missing += copy_recordings and not copied
            if copied or not copy_recordings:
                files.append(BackedUpFile(name=name, size_bytes=size, sha256=sha256, copied=copied))
    backup = Backup(files=tuple(files), missing=missing)
    _write_manifest(folder, backup, upgrading.current(service.database)[0])
    return backup


def restore(settings: Settings, folder: Path) -> Backup:
    """Check a backup and put it where the settings say; nothing may be there yet.

    Raises InputError for a folder that is no whole backup, ConflictError where an installation stands,
    SettingsError for settings that name PostgreSQL or a bucket, StorageError.
    """
    target = _empty_target(settings)
    backup = _read_manifest(folder)
    for file in backup.files:
        if file.copied and _measured(folder / file.name, file.name) != file:
            raise InputError(f"{file.name} of the backup is damaged.", remedy="Take another backup.")
    with typed_errors():
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
        for file in sorted(backup.files, key=lambda one: one.name == DATABASE):
            if file.copied:
                # The database last: an installation whose copy broke off is none.
                place = target / file.name
                place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                shutil.copyfile(folder / file.name, place)
                place.chmod(0o600)
    return backup


def _empty_target(settings: Settings) -> Path:
    section = settings.storage
    if section.database_url.get_secret_value() or section.recordings_url:
        raise SettingsError(
            "The settings name a database or a store of recordings elsewhere.",
            remedy="Restore with storage.folder alone, or copy the files by hand as docs/how-to/backup.md tells.",
        )
    with typed_errors():
        if section.folder.exists() and any(section.folder.iterdir()):
            raise ConflictError(
                "An installation is in the folder already.",
                remedy="Stop the service and move the folder storage.folder away.",
            )
    return section.folder


def _copy(service: Service, key: str, target: Path, sha256: str) -> bool:
    with typed_errors():
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        with service.recordings.local(key) as source, typed_errors():
            shutil.copyfile(source, target)
            target.chmod(0o600)
    except NotFoundError:
        return False
    if _measured(target, key).sha256 == sha256:
        return True
    with typed_errors():
        target.unlink()
    return False


def _measured(path: Path, name: str) -> BackedUpFile:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            for piece in pieces(file):
                digest.update(piece)
            return BackedUpFile(name=name, size_bytes=file.tell(), sha256=digest.hexdigest())
    except OSError as error:
        raise InputError(f"{name} of the backup cannot be read: {type(error).__name__}.") from None


def _write_manifest(folder: Path, backup: Backup, step: str | None) -> None:
    plain = {
        "form": _FORM,
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "release": __version__,
        "tables": step,
        "missing": backup.missing,
        "files": [asdict(file) for file in backup.files],
    }
    with typed_errors():
        # Without it the folder is no backup: it comes last.
        (folder / MANIFEST).write_text(json.dumps(plain, ensure_ascii=False, indent=1), encoding="utf-8")


def _read_manifest(folder: Path) -> Backup:
    try:
        plain = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        files = tuple(BackedUpFile(**file) for file in plain["files"])
        for file in files:
            checked(file.name)
        return Backup(files=files, missing=int(plain["missing"]))
    except (OSError, ValueError, TypeError, KeyError, InvalidRequestError):
        raise InputError(
            f"The folder holds no whole backup: {MANIFEST} is missing or damaged.", remedy="Name a backup's folder."
        ) from None
