"""Opens an installation: its database, its recordings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import quote

from qingting.errors import MissingExtraError

if TYPE_CHECKING:
    from qingting.service.center import Service
    from qingting.settings import Settings
    from qingting.storage.database import Database
    from qingting.storage.recording_store import RecordingStore


def open_database(settings: Settings) -> Database:
    """Open the database that the settings name; raises SettingsError, MissingExtraError."""
    try:
        from qingting.storage.database import Database
    except ModuleNotFoundError as error:
        raise _missing(error) from None
    section = settings.storage
    # A % or ? in the name of the folder must not be read as part of the URL.
    url = section.database_url.get_secret_value() or f"sqlite:///{quote(str(section.folder / 'qingting.sqlite'))}"
    return Database.open(url, pool_size=section.pool_size, busy_timeout_seconds=section.busy_timeout_seconds)


def open_recordings(settings: Settings) -> RecordingStore:
    """Open the store of recordings that the settings name; raises SettingsError, MissingExtraError, StorageError."""
    from qingting.storage.recording_store import RecordingStore

    section = settings.storage
    return RecordingStore.open(
        section.recordings_url or (section.folder / "recordings").absolute().as_uri(),
        endpoint=section.s3_endpoint,
        key=section.s3_key,
        secret=section.s3_secret.get_secret_value(),
        min_free_bytes=section.min_free_bytes,
    )


@contextmanager
def open_service(settings: Settings, *, upgrade: bool = True) -> Iterator[Service]:
    """Give the installation that the settings describe; its tables are brought up to date, or else checked.

    Raises SettingsError, MissingExtraError, StorageUnavailableError, StorageVersionError.
    """
    database = open_database(settings)
    from qingting.service.alert_policies import ensure_default_policies
    from qingting.service.center import Service
    from qingting.storage import upgrading

    try:
        if upgrade:
            upgrading.upgrade(database)
        else:
            upgrading.require_current(database)
        service = Service(settings=settings, database=database, recordings=open_recordings(settings))
        if upgrade:
            ensure_default_policies(service)
        yield service
    finally:
        database.close()


def _missing(error: ModuleNotFoundError) -> MissingExtraError:
    return MissingExtraError(
        f"The service needs the package {error.name}.", remedy="pip install 'qingting[serve,embedded]'"
    )
