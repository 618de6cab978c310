"""Builds the application: routes, errors, description."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from fastapi import APIRouter, FastAPI

from qingting import __version__
from qingting.api import description, problems
from qingting.api.audiosocket import AudioSocketServer, ExpectedCalls
from qingting.api.frame import Frame
from qingting.api.metrics import Metrics, Observer
from qingting.api.metrics import router as metrics_router
from qingting.api.routes import (
    alert_policies,
    alerts,
    api_keys,
    assist,
    audit,
    auth,
    batches,
    calls,
    events,
    exports,
    findings,
    health,
    imports,
    inspections,
    jobs,
    live,
    live_pages,
    measures,
    search,
    users,
    webhooks,
)
from qingting.api.waiting import Room
from qingting.bootstrap import open_first_look, open_reader
from qingting.bootstrap.live import open_live_calls
from qingting.service.event_feed import EventFeed

if TYPE_CHECKING:
    from qingting.service.center import Service
    from qingting.settings.service import ApiSection

PREFIX = "/api/v1"
TAGS = (
    {"name": "jobs", "description": "Submitting calls, one or many, waited for or not; what becomes of them."},
    {"name": "imports", "description": "Lists that complete what recordings tell: all calls, scores, desktop events."},
    {"name": "calls", "description": "Calls, their reports, words and sound; findings and search over all of them."},
    {"name": "measures", "description": "Figures over many calls, for dashboards."},
    {"name": "exports", "description": "Tables of many calls at once, as files."},
    {"name": "live", "description": "Running calls: sound in, events out, hints for agents."},
    {"name": "events", "description": "What happens, as it happens."},
    {"name": "auth", "description": "Signing in and out."},
    {"name": "users", "description": "People, their roles and reach."},
    {"name": "api-keys", "description": "Programs' ways in."},
    {"name": "audit", "description": "Who did and saw what."},
    {"name": "alerts", "description": "What is worth telling at once, and what became of it."},
    {"name": "alert-policies", "description": "Which findings become alerts, and who is told how."},
    {"name": "webhooks", "description": "Signed messages to other systems, and what became of each."},
    {"name": "operations", "description": "For those who run the service."},
)
_MEBIBYTE = 1024**2
_BESIDES_FILE = 20 * _MEBIBYTE
"""Bytes of an upload that are no recording: call data, names, boundaries."""
_TABLES = 220 * _MEBIBYTE
"""Lists of calls; a table's own limit is a little lower."""

ROUTERS: tuple[APIRouter, ...] = (
    inspections.router,
    jobs.router,
    batches.router,
    imports.router,
    calls.router,
    findings.router,
    search.router,
    measures.router,
    exports.router,
    live.router,
    assist.router,
    events.router,
    auth.router,
    users.router,
    api_keys.router,
    audit.router,
    alerts.router,
    alert_policies.router,
    webhooks.router,
)
"""In the order of the description."""


def build_app(service: Service) -> FastAPI:
    """Make the application over an open service; whoever opened it closes it."""
    settings = service.settings.api
    app = FastAPI(
        title="Qingting 倾听",
        version=__version__,
        summary="Speech quality inspection for call centres",
        description=_DESCRIPTION,
        openapi_tags=[dict(tag) for tag in TAGS],
        openapi_url=f"{PREFIX}/openapi.json",
        # The usual page of descriptions loads its scripts from elsewhere; everything here works offline.
        docs_url=None,
        redoc_url=None,
        lifespan=_open_parts,
    )
    app.state.service = service
    app.state.event_feed = EventFeed(service)
    app.state.room = Room(settings.sync_concurrency)
    app.state.expected = ExpectedCalls()
    app.state.open_live_calls = open_live_calls
    app.state.end_streams = lambda: None
    app.state.dismiss_hint = lambda call_id, hint_id: None
    problems.install(app)
    app.add_middleware(Frame, limit=_body_limit(settings))
    app.state.metrics = Metrics(service)
    app.add_middleware(Observer, metrics=app.state.metrics)
    for router in ROUTERS:
        app.include_router(router, prefix=PREFIX)
    # Probes ask the process itself, whatever version of the API it serves.
    app.include_router(health.router)
    app.include_router(metrics_router)
    app.include_router(live_pages.router)
    app.include_router(health.router, prefix=PREFIX, include_in_schema=False)
    description.install(app)
    return app


@asynccontextmanager
async def _open_parts(app: FastAPI) -> AsyncIterator[None]:
    """Open what the application has besides the service: decoding processes, the feed of events, running calls."""
    settings = app.state.service.settings
    loop, app.state.ending = asyncio.get_running_loop(), asyncio.Event()
    # Called in a signal handler.
    app.state.end_streams = lambda: loop.call_soon_threadsafe(app.state.ending.set)
    with ExitStack() as stack:
        app.state.reader = stack.enter_context(open_reader(settings))
        app.state.first_look = stack.enter_context(open_first_look())
        stack.enter_context(app.state.event_feed)
        app.state.live = app.state.open_live_calls(app.state.service)
        app.state.live.start()
        # Called in threads.
        app.state.dismiss_hint = lambda *hint: loop.call_soon_threadsafe(app.state.live.dismiss, *hint)
        telephony = AudioSocketServer(
            app.state.live,
            app.state.expected,
            senders=settings.live.audiosocket_senders,
            idle_seconds=settings.live.idle_seconds,
        )
        try:
            if settings.live.audiosocket_port:
                await telephony.open(settings.api.host, settings.live.audiosocket_port)
            yield
        finally:
            telephony.close()
            await app.state.live.close()


def _body_limit(settings: ApiSection) -> Callable[[str, str], int | None]:
    uploads = {f"{PREFIX}/inspections", f"{PREFIX}/jobs"}

    def limit(_: str, path: str) -> int | None:
        path = path.rstrip("/")
        if path in uploads:
            return settings.max_upload_bytes + _BESIDES_FILE
        if path == f"{PREFIX}/batches":
            return None  # each of its parts is bounded, and their number
        return _TABLES if path.startswith(f"{PREFIX}/imports") else _MEBIBYTE

    return limit


_DESCRIPTION = """\
Calls come in as uploads or by address; each becomes a job, and each job a report. Every way of asking gives the same
`Inspection`.

- **Signing in:** an API key (`Authorization: Bearer qt_…`), or the cookie of a session.
- **Errors** are problem details (RFC 9457); `type` names the kind, `errors` the wrong fields, `retry` says whether the
  same request may succeed later.
- **Lists** come in pages: send `next_cursor` as `cursor`.
- **Sending again** is harmless with an `Idempotency-Key`.
- **Personal data** is masked unless `reveal=true` is asked for and allowed; each access is on record.
- What is out of reach is answered like what does not exist: 404.
"""
