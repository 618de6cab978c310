"""Brings a database's tables to those of this release."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import text

from qingting.errors import StorageVersionError

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy import Connection

    from qingting.storage.database import Database

MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = 0x71696E67
"""Number of the advisory lock: two processes that start at once upgrade one after the other."""


def upgrade(database: Database) -> None:
    """Run the steps that are missing, all or none.

    Raises StorageVersionError when the tables are of a newer release.
    """
    from alembic import command

    with database.write() as connection:
        if not database.is_sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _LOCK})
        config = _config(connection)
        _refuse_newer(connection, config)
        command.upgrade(config, "head")


def current(database: Database) -> tuple[str | None, str | None]:
    """Return the step that the database is at (None for an empty one), and this release's."""
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    with database.read() as connection:
        at = MigrationContext.configure(connection).get_current_revision()
        return at, ScriptDirectory.from_config(_config(connection)).get_current_head()


def require_current(database: Database) -> None:
    """Raise StorageVersionError unless the tables are those of this release."""
    at, wanted = current(database)
    if at != wanted:
        raise StorageVersionError(f"The database's tables are of step {at or 'none'}, this release needs {wanted}.")


def _config(connection: Connection) -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    return config


def _refuse_newer(connection: Connection, config: Config) -> None:
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    at = MigrationContext.configure(connection).get_current_revision()
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if at is not None and at not in known:
        raise StorageVersionError("The database's tables are of a newer release than this one.")
