"""`qingting storage`: the tables, the files, and copies of both."""

from __future__ import annotations

from pathlib import Path

import click

from qingting.errors import StorageError

_MEBIBYTE = 1024**2


@click.group()
def storage() -> None:
    """Bring tables up to date, check, back up and restore what the service keeps."""


@storage.command()
def upgrade() -> None:
    """Bring the database's tables up to this release; make a backup first."""
    from qingting.bootstrap.service import open_database
    from qingting.settings import load_settings

    database = open_database(load_settings())
    from qingting.storage import upgrading

    try:
        before, _ = upgrading.current(database)
        upgrading.upgrade(database)
        after, _ = upgrading.current(database)
    finally:
        database.close()
    click.echo(f"tables were at {before or 'nothing'}, are at {after}")


@storage.command()
def check() -> None:
    """Look through database and recordings; exits with 1 when something is damaged or missing."""
    from qingting.bootstrap.service import open_service
    from qingting.settings import load_settings

    with open_service(load_settings(), upgrade=False) as service:
        from qingting.storage import backups

        problems = backups.problems_of(service.database)
        service.recordings.check()
        with service.database.read() as connection:
            keys = [key for key, _, _ in backups.recordings_of(connection)]
        missing = [key for key in keys if not service.recordings.exists(key)]
    for problem in problems:
        click.echo(f"database: {problem}", err=True)
    for key in missing[:20]:
        click.echo(f"missing: {key}", err=True)
    click.echo(f"{len(keys)} recordings, {len(missing)} of them missing; database {'damaged' if problems else 'sound'}")
    if problems or missing:
        raise StorageError("The storage is not whole.", remedy="Restore what is missing from a backup.")


@storage.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--without-recordings", is_flag=True, help="Only list recordings: their store has a backup of its own.")
def backup(folder: Path, *, without_recordings: bool) -> None:
    """Copy database and recordings into FOLDER, new or empty, while the service runs (SQLite)."""
    from qingting.bootstrap.service import open_service
    from qingting.settings import load_settings

    with open_service(load_settings(), upgrade=False) as service:
        from qingting.service.backup import back_up

        made = back_up(service, folder, copy_recordings=not without_recordings)
    copied = sum(file.copied for file in made.files)
    click.echo(f"{copied} files, {made.size_bytes / _MEBIBYTE:.1f} MiB; {made.missing} recordings were not there")


@storage.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
def restore(folder: Path) -> None:
    """Put the backup in FOLDER into `storage.folder`, where nothing may be yet."""
    from qingting.service.backup import restore as put_back
    from qingting.settings import load_settings

    made = put_back(load_settings(), folder)
    click.echo(f"restored {sum(file.copied for file in made.files)} files; start the service with `qingting serve`")


@storage.command("rebuild-measures")
def rebuild_measures() -> None:
    """Count all stored reports anew, after an upgrade that counts otherwise; the service may run."""
    from qingting.bootstrap.service import open_service
    from qingting.settings import load_settings

    with open_service(load_settings(), upgrade=False) as service:
        from qingting.service.recounting import rebuild

        done = rebuild(service)
    click.echo(f"{done.reports} reports, {done.changed} counted otherwise, {done.unreadable} unreadable")
