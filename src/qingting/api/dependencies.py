"""What routes ask for: the service, and an actor who may do what the route does."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Header, Request

from qingting.api.auth import current_actor
from qingting.errors import AccessDeniedError
from qingting.model.account import Actor, Permission
from qingting.service.center import Service


def the_service(request: Request) -> Service:
    """Return the application's service."""
    service: Service = request.app.state.service
    return service


class Needs:
    """Dependency of a route: whoever asks is signed in and has one of the permissions (any, where none is named).

    A test walks over all routes and refuses one without it.
    """

    def __init__(self, *permissions: Permission) -> None:
        self.permissions = permissions

    def __call__(self, actor: Annotated[Actor, Depends(current_actor)]) -> Actor:
        """Return the actor; raises NotSignedInError or AccessDeniedError."""
        if self.permissions and not any(actor.may(permission) for permission in self.permissions):
            raise AccessDeniedError("The role or the key's scopes do not allow this.")
        return actor


TheService = Annotated[Service, Depends(the_service)]
IdempotencyKey = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        pattern=r"^[\x21-\x7e]{0,255}$",
        description="The same key with the same request, within 24 hours, does nothing twice and gets the same answer.",
        examples=["3f2c6c0e-6c1b-4a55-9d0e-7d1f6f0a9b42"],
    ),
]
"""Of requests that make something."""
