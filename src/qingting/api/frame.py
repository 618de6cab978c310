"""What surrounds a request: an id, a limit of its size, headers that keep answers private, a last net for errors."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from qingting.api import problems
from qingting.model.ids import new_id
from qingting.telemetry import about, span

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger(__name__)

REQUEST_ID = "X-Request-ID"
_GIVEN_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_PRIVATE = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""Answers hold personal data: kept by no cache, shown in no foreign page. A route may set its own."""


class Frame:
    """ASGI middleware; `limit` gives the most bytes that a request's body may have, by method and path (None: any)."""

    def __init__(self, app: ASGIApp, *, limit: Callable[[str, str], int | None]) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(REQUEST_ID, "")
        request_id = given if _GIVEN_ID.fullmatch(given) else new_id()
        scope.setdefault("state", {})["request_id"] = request_id
        begun = False

        async def answer(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                headers = MutableHeaders(scope=message)
                headers[REQUEST_ID] = request_id
                for name, value in _PRIVATE.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            with about(request_id=request_id), span("request", method=scope["method"]):
                await self._bounded(scope, receive, answer)
        except ClientDisconnect:
            log.info("a sender went away in the middle of request %s", request_id)
        except Exception as error:  # noqa: BLE001  the last net; the message could hold customer words
            log.error("unexpected %s in request %s", type(error).__name__, request_id)
            if not begun:
                await problems.unexpected()(scope, receive, answer)

    async def _bounded(self, scope: Scope, receive: Receive, send: Send) -> None:
        limit = self._limit(scope["method"], scope["path"])
        declared = Headers(scope=scope).get("content-length", "0")
        if limit is not None and declared.isascii() and declared.isdigit() and int(declared) > limit:
            await problems.too_large()(scope, receive, send)
            return
        taken = 0

        async def counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if limit is not None and taken > limit:
                raise HTTPException(413)
            return message

        await self._app(scope, counted, send)
