"""API keys as administrators see and make them."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from qingting.api.schemas.common import Body, View
from qingting.api.schemas.users import Teams
from qingting.model.account import ApiKey, Permission, UserRole


class NewApiKey(Body):
    """An API key to be made."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"name": "recorder", "role": "integrator", "scopes": ["calls:submit"], "expires_ms": 1_900_000_000_000}
            ]
        },
    )

    name: Annotated[str, Field(min_length=1, max_length=128)]
    """What the key is for."""
    role: UserRole
    scopes: Annotated[frozenset[Permission], Field(max_length=len(Permission))] = frozenset()
    """What the key may do, at most what its role may; empty is all of that."""
    teams: Teams = ()
    """Restricts reach to calls of these teams; empty is all. Keys of agents and supervisors must name some."""
    expires_ms: Annotated[int | None, Field(ge=0, lt=2**53)] = None
    """When it ends, in milliseconds since 1970, UTC; null is never."""


class ApiKeyView(View):
    """An API key without its secret."""

    id: str = Field(examples=["01k5w3v0q8m2f7r4t9x1c6b3zd"])
    name: str = Field(examples=["recorder"])
    role: UserRole
    scopes: tuple[Permission, ...]
    teams: tuple[str, ...]
    created_ms: int
    """Milliseconds since 1970, UTC, like all times here."""
    created_by: str
    """Id of the user who made it; while that user is disabled, the key does not work."""
    expires_ms: int | None
    revoked_ms: int | None
    last_used_ms: int | None
    """To the minute; null when never."""

    @classmethod
    def of(cls, key: ApiKey) -> ApiKeyView:
        """Show a key."""
        return cls(
            id=key.id,
            name=key.name,
            role=key.role,
            scopes=tuple(sorted(key.scopes)),
            teams=key.teams,
            created_ms=key.created_ms,
            created_by=key.created_by,
            expires_ms=key.expires_ms,
            revoked_ms=key.revoked_ms,
            last_used_ms=key.last_used_ms,
        )


class MadeApiKey(View):
    """A new API key."""

    key: ApiKeyView
    secret: str = Field(examples=["qt_01k5w3v0q8m2f7r4t9x1c6b3zd_…"])
    """What programs send as `Authorization: Bearer …`; shown this once, only its digest is kept."""
