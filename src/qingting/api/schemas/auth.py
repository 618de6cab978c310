"""Signing in, and who is signed in."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from qingting.api.schemas.common import Body, View
from qingting.model.account import Actor, Permission, UserRole

PasswordText = Annotated[str, Field(min_length=1, max_length=1024)]
"""Checked against the rules for passwords in the service; bounded here so that nothing long is digested."""


class SignIn(Body):
    """A user name and a password."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "wang.li", "password": "一串只有自己知道的话"}]},
    )

    name: Annotated[str, Field(min_length=1, max_length=256)]
    """The login name; capitals do not matter."""
    password: PasswordText


class NewPassword(Body):
    """The own password, changed."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"current": "一串只有自己知道的话", "new": "另一串只有自己知道的话"}]},
    )

    current: PasswordText
    """The password until now."""
    new: PasswordText
    """10 to 256 characters, other than the user name."""


class ReachView(View):
    """Which calls somebody may see."""

    everything: bool
    """All calls; the other fields do not matter then."""
    agent_id: str
    """Calls of this agent; empty for nobody's."""
    teams: tuple[str, ...]
    """Calls of these teams."""


class ActorView(View):
    """Who makes the request."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "01k5w3v0q8m2f7r4t9x1c6b3zd",
                    "name": "wang.li",
                    "role": "supervisor",
                    "role_chinese": "主管",
                    "is_key": False,
                    "permissions": ["calls:listen", "calls:read"],
                    "reach": {"everything": False, "agent_id": "", "teams": ["华东一组"]},
                }
            ]
        },
    )

    id: str
    """Of the user or API key."""
    name: str
    role: UserRole
    role_chinese: str
    """The role as people read it."""
    is_key: bool
    """Whether it is an API key."""
    permissions: tuple[Permission, ...]
    """What it may do, sorted."""
    reach: ReachView

    @classmethod
    def of(cls, actor: Actor) -> ActorView:
        """Show an actor."""
        reach = actor.reach
        return cls(
            id=actor.id,
            name=actor.name,
            role=actor.role,
            role_chinese=actor.role.chinese,
            is_key=actor.is_key,
            permissions=tuple(sorted(actor.permissions)),
            reach=ReachView(everything=reach.everything, agent_id=reach.agent_id, teams=reach.teams),
        )


class Session(View):
    """A new session; its token is in the cookie."""

    actor: ActorView
    expires_ms: int = Field(examples=[1_790_000_000_000])
    """When it ends by itself, in milliseconds since 1970, UTC."""
