"""Signing in and out."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote, unquote, urlsplit

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import RedirectResponse

from qingting.api import problems
from qingting.api.auth import SESSION_COOKIE
from qingting.api.dependencies import Needs, TheService
from qingting.api.limits import address_of, limits_of
from qingting.api.schemas.auth import ActorView, NewPassword, Session, SignIn
from qingting.errors import InvalidRequestError, NotSignedInError
from qingting.model.account import Actor
from qingting.service import signing_in
from qingting.service.oidc import Attempt, OidcProvider
from qingting.service.oidc_users import sign_in_with_claims

if TYPE_CHECKING:
    from qingting.service.center import Service
    from qingting.service.signing_in import SignedIn

router = APIRouter(prefix="/auth", tags=["auth"])
_ATTEMPT_COOKIE = "qingting_oidc"
_ATTEMPT_SECONDS = 600
_ATTEMPT = re.compile(r"([0-9a-f]{64})\.([0-9a-f]{64})\.([0-9a-f]{64})\.([^;,\s]{1,2048})")
_LOCAL_PATH = re.compile(r"/([^/\\\x00-\x20\x7f][^\\\x00-\x20\x7f]*)?")
AnyActor = Annotated[Actor, Depends(Needs())]


@router.post(
    "/sign-in",
    operation_id="sign_in",
    summary="Sign in with a user name and password",
    responses=problems.documented(),
)
def sign_in(body: SignIn, request: Request, response: Response, service: TheService) -> Session:
    """Open a session; its token comes as a cookie that scripts cannot read.

    A wrong password and an unknown user name get the same answer. Ten failures lock a user for 15 minutes.
    """
    address = address_of(request)
    limits_of(request.app).take_sign_in(address=address, name=body.name)
    signed_in = signing_in.sign_in(service, name=body.name, password=body.password, address=address)
    _set_cookie(service, response, signed_in)
    return Session(actor=ActorView.of(signed_in.user.actor()), expires_ms=signed_in.expires_ms)


@router.post(
    "/sign-out",
    operation_id="sign_out",
    summary="Sign out",
    status_code=204,
    response_class=Response,
    responses=problems.documented(),
)
def sign_out(actor: AnyActor, request: Request, service: TheService) -> Response:
    """End the session of the cookie; an API key has none to end."""
    token = request.cookies.get(SESSION_COOKIE, "")
    if token and not actor.is_key:
        signing_in.sign_out(service, actor, token=token, address=address_of(request))
    return _without_cookie(service)


@router.get("/me", operation_id="get_me", summary="Who am I, and what may I do", responses=problems.documented())
def get_me(actor: AnyActor) -> ActorView:
    """Return the user or API key that makes the request, its permissions and reach."""
    return ActorView.of(actor)


@router.post(
    "/password",
    operation_id="change_password",
    summary="Change the own password",
    status_code=204,
    response_class=Response,
    responses=problems.documented(),
)
def change_password(body: NewPassword, actor: AnyActor, request: Request, service: TheService) -> Response:
    """Set a new password; all of the user's sessions end, this one too."""
    address = address_of(request)
    limits_of(request.app).take_sign_in(address=address, name=actor.name)
    signing_in.change_password(service, actor, current=body.current, new=body.new, address=address)
    return _without_cookie(service)


@router.get(
    "/oidc/start",
    operation_id="start_oidc",
    summary="Sign in through the identity provider",
    status_code=303,
    response_class=RedirectResponse,
    responses=problems.documented(404),
)
def start_oidc(
    request: Request,
    service: TheService,
    to: Annotated[str, Query(alias="next", max_length=512, examples=["/"])] = "/",
) -> RedirectResponse:
    """Send the browser to the identity provider; `next` is the page of this service shown afterwards."""
    provider = _provider(request)
    limits_of(request.app).take_sign_in(address=address_of(request))
    attempt = Attempt.new()
    response = RedirectResponse(provider.authorization_url(attempt), status_code=303)
    response.set_cookie(
        _ATTEMPT_COOKIE,
        f"{attempt.state}.{attempt.nonce}.{attempt.verifier}.{quote(_local(to), safe='/')}",
        max_age=_ATTEMPT_SECONDS,
        path=_callback_path(service),
        secure=service.settings.api.secure_cookies,
        httponly=True,
        # The provider sends the browser back from its own site.
        samesite="lax",
    )
    return response


@router.get(
    "/oidc/callback",
    operation_id="finish_oidc",
    summary="Come back from the identity provider",
    status_code=303,
    response_class=RedirectResponse,
    responses=problems.documented(404, 409),
)
def finish_oidc(
    request: Request,
    service: TheService,
    state: Annotated[str, Query(max_length=256)] = "",
    code: Annotated[str, Query(max_length=4096)] = "",
    error: Annotated[str, Query(max_length=256)] = "",
    iss: Annotated[str, Query(max_length=2048)] = "",
) -> RedirectResponse:
    """Open a session for whom the provider names, if this very browser began the attempt."""
    provider = _provider(request)
    address = address_of(request)
    limits_of(request.app).take_sign_in(address=address)
    begun = _ATTEMPT.fullmatch(request.cookies.get(_ATTEMPT_COOKIE, ""))
    if begun is None:
        raise NotSignedInError("This browser did not begin the attempt to sign in, or it was too long ago.")
    if error or not code:
        raise NotSignedInError("The identity provider did not let the user in.")
    attempt = Attempt(state=begun[1], nonce=begun[2], verifier=begun[3])
    claims = provider.claims(attempt, state=state, code=code, issuer=iss)
    signed_in = sign_in_with_claims(service, claims, address=address)
    response = RedirectResponse(_local(unquote(begun[4])), status_code=303)
    response.delete_cookie(_ATTEMPT_COOKIE, path=_callback_path(service))
    _set_cookie(service, response, signed_in)
    return response


def _provider(request: Request) -> OidcProvider:
    """The provider of the application, opened at the first request."""
    state = request.app.state
    if not hasattr(state, "oidc_provider"):
        state.oidc_provider = OidcProvider(state.service.settings.oidc)
    provider: OidcProvider = state.oidc_provider
    return provider


def _callback_path(service: Service) -> str:
    """The path as browsers see it, which a proxy may have changed."""
    return urlsplit(service.settings.oidc.redirect_url).path or "/"


def _local(path: str) -> str:
    """Refuse a page of another site (`//other.example`, `https:…`); raises InvalidRequestError."""
    if not _LOCAL_PATH.fullmatch(path):
        raise InvalidRequestError("next: a path of this service that begins with a single slash.")
    return path


def _set_cookie(service: Service, response: Response, signed_in: SignedIn) -> None:
    response.set_cookie(
        SESSION_COOKIE,
        signed_in.token,
        max_age=int(service.settings.api.session_hours * 3600),
        path="/",
        secure=service.settings.api.secure_cookies,
        httponly=True,
        samesite="lax",
    )


def _without_cookie(service: Service) -> Response:
    response = Response(status_code=204)
    response.delete_cookie(
        SESSION_COOKIE, path="/", secure=service.settings.api.secure_cookies, httponly=True, samesite="lax"
    )
    return response
