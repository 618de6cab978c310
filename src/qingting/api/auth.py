"""Tells who makes a request: by API key, or by the cookie of a session.

A browser sends cookies with whatever another site makes it request. Requests that change something and
rely on the cookie must therefore carry the header `X-Qingting-Request: 1`: other sites cannot add a header
without asking first (CORS), and that is never granted. It needs neither Origin nor Sec-Fetch-Site, which
proxies and older browsers leave out. API keys are sent on purpose and need no such proof.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import Request, Security
from fastapi.security import APIKeyCookie, APIKeyHeader, HTTPBearer
from fastapi.security.http import HTTPAuthorizationCredentials

from qingting.api.limits import limits_of
from qingting.errors import AccessDeniedError, NotSignedInError
from qingting.model.account import Actor
from qingting.service.credentials import actor_of_key, actor_of_session

if TYPE_CHECKING:
    from qingting.service.center import Service

SESSION_COOKIE = "qingting_session"
PROOF_HEADER = "X-Qingting-Request"
_SAFE = {"GET", "HEAD", "OPTIONS"}
_KEY_HEADERS = {"authorization", "x-api-key"}

_bearer = HTTPBearer(auto_error=False, scheme_name="ApiKeyBearer", description="An API key: `qt_<id>_<secret>`.")
_header = APIKeyHeader(name="X-API-Key", auto_error=False, scheme_name="ApiKeyHeader", description="An API key.")
_cookie = APIKeyCookie(
    name=SESSION_COOKIE,
    auto_error=False,
    scheme_name="Session",
    description=f"Set by signing in. Requests that change something also need the header `{PROOF_HEADER}: 1`.",
)


def current_actor(
    request: Request,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)] = None,
    key: Annotated[str | None, Security(_header)] = None,
    token: Annotated[str | None, Security(_cookie)] = None,
) -> Actor:
    """Return who makes the request, and count it.

    A key that was sent decides alone: a wrong one is refused even beside a good session. Raises
    NotSignedInError, AccessDeniedError (a cookie without proof), TooManyRequestsError.
    """
    service: Service = request.app.state.service
    written = bearer.credentials if bearer else key
    if written is not None or not _KEY_HEADERS.isdisjoint(request.headers):
        actor = actor_of_key(service, written or "")
    elif token:
        actor = actor_of_session(service, token)
        require_proof(request)
    else:
        raise NotSignedInError("Nobody is signed in.")
    limits_of(request.app).take_request(actor.id)
    return actor


def require_proof(request: Request) -> None:
    """Refuse a request that changes something unless its own page sent it; raises AccessDeniedError."""
    if request.method not in _SAFE and request.headers.get(PROOF_HEADER) != "1":
        raise AccessDeniedError(
            "A request with a session's cookie may come from another site.",
            remedy=f"Send the header `{PROOF_HEADER}: 1`, or use an API key.",
        )
