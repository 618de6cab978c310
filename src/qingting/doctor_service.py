"""What `qingting doctor` looks at of the service; an installation without the extra `serve` needs none of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime
from importlib.util import find_spec
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from qingting.doctor import Check, State
from qingting.errors import QingtingError

if TYPE_CHECKING:
    from qingting.settings import Settings
    from qingting.storage.database import Database

_NEEDED = ("alembic", "apprise", "argon2", "dbos", "fastapi", "joserfc", "openpyxl", "prometheus_client", "psycopg",
           "python_multipart", "sqlalchemy", "uvicorn")  # fmt: skip
_INSTALL = "pip install 'qingting[serve]'"
_LOCAL = ("127.0.0.1", "::1", "localhost")
_ANSWER_SECONDS = 5.0


def examine_service(settings: Settings) -> Iterator[Check]:
    """Examine what the service needs, as far as it has been set up."""
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if len(missing) == len(_NEEDED):
        yield Check(name="service", state="ok", detail=f"not installed; {_INSTALL} adds it")
        return
    if missing:
        # Without the service everything else works.
        yield Check(name="service", state="warning", detail=f"packages missing: {', '.join(missing)}", remedy=_INSTALL)
        return
    for look in (_extras, _storage, _time_zone, _entrance, _watch_folder, _identity_provider):
        yield from look(settings)


def _extras(settings: Settings) -> Iterator[Check]:
    asked = (
        (settings.storage.recordings_url.startswith("s3:"), "s3fs", "s3", "storage.recordings_url names a bucket"),
        (settings.telemetry.otlp_endpoint, "opentelemetry", "telemetry", "telemetry.otlp_endpoint is set"),
    )
    for wanted, package, extra, why in asked:
        if wanted and find_spec(package) is None:
            remedy = f"pip install 'qingting[{extra}]'"
            yield Check(name=f"extra {extra}", state="fault", detail=f"{why}, but {package} is missing", remedy=remedy)


def _storage(settings: Settings) -> Iterator[Check]:
    section = settings.storage
    is_own_file = not section.database_url.get_secret_value()
    if is_own_file and not (section.folder / "qingting.sqlite").exists():
        yield Check(name="service", state="ok", detail="not set up yet; `qingting serve` sets it up")
        return
    from qingting.bootstrap.service import open_database

    database = open_database(settings)
    try:
        checks = list(_database(database))
        yield from checks
        if all(check.state != "fault" for check in checks):
            yield from _workers(settings, database)
    finally:
        database.close()
    yield from _recordings(settings)


def _database(database: Database) -> Iterator[Check]:
    from qingting.storage import upgrading

    where = database.engine.url.render_as_string(hide_password=True)
    try:
        at, wanted = upgrading.current(database)
    except QingtingError as error:
        yield Check(name="database", state="fault", detail=f"{where}: {error.cause}", remedy=error.remedy)
        return
    if at == wanted:
        yield Check(name="database", state="ok", detail=f"{where}, tables at step {at}")
    else:
        remedy = "qingting storage upgrade, after a backup"
        detail = f"{where}: tables at step {at or 'none'}, this release has {wanted}"
        yield Check(name="database", state="fault", detail=detail, remedy=remedy)


def _workers(settings: Settings, database: Database) -> Iterator[Check]:
    from qingting.service.center import now_ms
    from qingting.storage import workers

    since = now_ms() - round(settings.jobs.lost_after_seconds * 1000)
    with database.read() as connection:
        alive = [worker for worker in workers.every(connection) if worker.lives(since)]
    if alive:
        places = sum(worker.concurrency for worker in alive)
        yield Check(name="workers", state="ok", detail=f"{len(alive)} live, {places} recordings at once")
    else:
        remedy = "qingting serve, or qingting worker"
        yield Check(name="workers", state="warning", detail="none lives: calls are accepted, but wait", remedy=remedy)


def _recordings(settings: Settings) -> Iterator[Check]:
    from qingting.bootstrap.service import open_recordings

    try:
        open_recordings(settings).check()
    except QingtingError as error:
        yield Check(name="recordings", state="fault", detail=error.cause, remedy=error.remedy)
        return
    where = settings.storage.recordings_url or str(settings.storage.folder / "recordings")
    yield Check(name="recordings", state="ok", detail=where)


def _time_zone(settings: Settings) -> Iterator[Check]:
    now = datetime.now(ZoneInfo(settings.time_zone))
    detail = f"{settings.time_zone}, where it is {now:%Y-%m-%d %H:%M}"
    yield Check(name="time zone", state="ok", detail=detail)


def _entrance(settings: Settings) -> Iterator[Check]:
    api = settings.api
    if api.host in _LOCAL or api.secure_cookies:
        yield Check(name="entrance", state="ok", detail=f"{api.host}:{api.port}")
    else:
        detail = f"{api.host}:{api.port} is open to others, and cookies are sent without TLS"
        remedy = "Put a proxy with TLS in front (docs/how-to/operations.md) and set QINGTING_API__SECURE_COOKIES=true."
        yield Check(name="entrance", state="warning", detail=detail, remedy=remedy)


def _watch_folder(settings: Settings) -> Iterator[Check]:
    watch = settings.watch
    if watch.folder is None:
        return
    needed = os.R_OK | os.X_OK | (0 if watch.after == "leave" else os.W_OK)
    usable = watch.folder.is_dir() and os.access(watch.folder, needed)
    state: State = "ok" if usable else "fault"
    remedy = "" if usable else "Make the folder, and let this user read it and move files in it."
    detail = str(watch.folder) if usable else f"{watch.folder} is missing or may not be used"
    yield Check(name="watch folder", state=state, detail=detail, remedy=remedy)


def _identity_provider(settings: Settings) -> Iterator[Check]:
    issuer = settings.oidc.issuer
    if not issuer:
        return
    import httpx2

    address = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
    try:
        answer = httpx2.get(address, timeout=_ANSWER_SECONDS)
        told = answer.json().get("issuer") if answer.status_code == 200 else None
        problem = "" if told == issuer else f"answers {answer.status_code}, and does not call itself {issuer}"
    except (httpx2.HTTPError, ValueError, AttributeError) as error:
        problem = f"gives no answer: {type(error).__name__}"
    if problem:
        remedy = "Check oidc.issuer, and that the provider can be reached from here."
        yield Check(name="identity provider", state="fault", detail=f"{address} {problem}", remedy=remedy)
    else:
        yield Check(name="identity provider", state="ok", detail=issuer)
