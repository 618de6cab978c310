"""Builds the application: routes, errors, description."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter, FastAPI

from qingting import __version__
from qingting.api import problems

if TYPE_CHECKING:
    from qingting.service.center import Service

PREFIX = "/api/v1"

ROUTERS: tuple[APIRouter, ...] = ()
"""In the order of the description."""


def build_app(service: Service) -> FastAPI:
    """Make the application over an open service; whoever opened it closes it."""
    settings = service.settings.api
    app = FastAPI(
        title="Qingting 倾听",
        version=__version__,
        summary="Speech quality inspection for call centres",
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url="/api/docs" if settings.docs else None,
        redoc_url=None,
    )
    app.state.service = service
    problems.install(app)
    for router in ROUTERS:
        app.include_router(router, prefix=PREFIX)
    return app
