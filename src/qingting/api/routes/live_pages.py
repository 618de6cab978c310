"""Two pages over running calls, for people: the supervisors' wall and the agent's assist.

They are plain files that ask the API like any other program: nothing of a call is in them, so they need nobody to
be signed in. What they may load, and who may show them in a frame, stands in their headers.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import SimpleNamespace
from typing import TYPE_CHECKING

from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qingting.settings import Settings

router = APIRouter()

PAGES = ("wall", "assist")
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'none'; base-uri 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
"""No text of a call can run: scripts come from here alone, and browsers refuse to make markup of texts."""
_KEPT = {"Cache-Control": "no-cache"}
"""Browsers keep the files and ask whether they are still good: page and scripts are always of one release."""
_HIDDEN, _SHOWN = b'<meta name="oidc" content="no">', b'<meta name="oidc" content="yes">'


@dataclass(frozen=True, kw_only=True)
class _File:
    content: bytes
    media_type: str

    @property
    def tag(self) -> str:
        """Entity tag."""
        return f'"{hashlib.sha256(self.content).hexdigest()[:32]}"'


async def show_page(request: Request) -> Response:
    """Answer with one of the pages."""
    settings: Settings = request.app.state.service.settings
    name = request.scope["path"].rpartition("/")[2]
    _name_for_metrics(request, f"/live/{name}")
    file = _files()[f"{name}.html"]
    if settings.oidc.issuer:
        file = _File(content=file.content.replace(_HIDDEN, _SHOWN), media_type=file.media_type)
    headers = {
        "Content-Security-Policy": f"{_POLICY}; frame-ancestors {_ancestors(settings.live.embed_origins)}",
        # Browsers that know frame-ancestors leave this one aside.
        "X-Frame-Options": "SAMEORIGIN",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(self)",
    }
    return _answer(request, file, headers)


async def show_asset(request: Request) -> Response:
    """Answer with a file that the pages load: one of a fixed list, whatever path is asked for."""
    name = request.path_params["name"]
    _name_for_metrics(request, "/live/assets/{name}")
    file = None if name.endswith(".html") else _files().get(name)
    if file is None:
        raise HTTPException(404)
    return _answer(request, file, {})


def _name_for_metrics(request: Request, path: str) -> None:
    """Routes of the API name themselves."""
    request.scope["route"] = SimpleNamespace(path=path)


def _answer(request: Request, file: _File, headers: dict[str, str]) -> Response:
    headers = {**_KEPT, "ETag": file.tag, **headers}
    if file.tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(file.content, media_type=file.media_type, headers=headers)


def _ancestors(origins: Sequence[str]) -> str:
    return " ".join(["'self'", *origins])


@cache
def _files() -> dict[str, _File]:
    """Name -> file, read once."""
    found = (one for one in (resources.files("qingting.api") / "pages").iterdir() if one.is_file())
    return {
        one.name: _File(content=one.read_bytes(), media_type=_TYPES[suffix])
        for one in found
        if (suffix := f".{one.name.rpartition('.')[2]}") in _TYPES
    }


# No part of the API: plain routes, which its description and its clients do not know.
for _page in PAGES:
    router.add_route(f"/live/{_page}", show_page, methods=["GET"], include_in_schema=False)
router.add_route("/live/assets/{name}", show_asset, methods=["GET"], include_in_schema=False)
