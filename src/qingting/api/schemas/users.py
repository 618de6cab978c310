"""Users as administrators see and change them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from qingting.api.schemas.auth import PasswordText
from qingting.api.schemas.common import Body, View
from qingting.model.account import User, UserRole

Teams = Annotated[tuple[Annotated[str, Field(min_length=1, max_length=128)], ...], Field(max_length=100)]
Contacts = Annotated[tuple[Annotated[str, Field(min_length=4, max_length=512)], ...], Field(max_length=10)]
Shift = Annotated[
    str, Field(pattern=r"^(([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9])?$", examples=["09:00-18:00"])
]


class NewUser(Body):
    """A user to be made."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "wang.li",
                    "display_name": "王丽",
                    "role": "supervisor",
                    "password": "一串只有自己知道的话",
                    "teams": ["华东一组"],
                    "shift": "09:00-18:00",
                }
            ]
        },
    )

    name: Annotated[str, Field(min_length=1, max_length=64)]
    """Login name, unique: small letters, digits, and . _ @ + - between them."""
    role: UserRole
    password: PasswordText | None = None
    """10 to 256 characters; null for users who sign in through the identity provider only."""
    display_name: Annotated[str, Field(max_length=128)] = ""
    """The name people read; empty takes the login name."""
    agent_id: Annotated[str, Field(max_length=128)] = ""
    """For agents: staff number, whose calls they see."""
    teams: Teams = ()
    """For supervisors: whose calls they see. For inspectors: empty is all teams."""
    contact: Contacts = ()
    """Push addresses for alerts in the form of the library apprise; never shown again in full."""
    shift: Shift = ""
    """Working hours in the centre's time zone; empty is always."""

    def fields(self) -> dict[str, Any]:
        """What was given, without name and password."""
        given = self.model_dump(exclude={"name", "password"}, exclude_unset=True)
        return {name: value for name, value in given.items() if name != "display_name" or value}


class UserChange(Body):
    """Fields of a user to be changed; those left out or null stay as they are."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"teams": ["华东一组", "华东二组"]}, {"disabled": True}]},
    )

    display_name: Annotated[str | None, Field(min_length=1, max_length=128)] = None
    role: UserRole | None = None
    agent_id: Annotated[str | None, Field(max_length=128)] = None
    teams: Teams | None = None
    contact: Contacts | None = None
    """All push addresses anew."""
    shift: Shift | None = None
    disabled: bool | None = None
    """Disabling ends the user's sessions and stops the API keys they made."""

    def fields(self) -> dict[str, Any]:
        """What was given."""
        return self.model_dump(exclude_none=True)


class PasswordOfUser(Body):
    """A password for somebody else."""

    password: PasswordText
    """10 to 256 characters, other than the user name."""


class UserView(View):
    """A user."""

    id: str = Field(examples=["01k5w3v0q8m2f7r4t9x1c6b3zd"])
    name: str = Field(examples=["wang.li"])
    display_name: str = Field(examples=["王丽"])
    role: UserRole
    role_chinese: str = Field(examples=["主管"])
    """The role as people read it."""
    agent_id: str
    teams: tuple[str, ...]
    contact: tuple[str, ...] = Field(examples=[["mailto://***"]])
    """Push addresses, only what kind they are: the rest is secret."""
    shift: str
    disabled: bool
    by_identity_provider: bool
    """Signs in through the identity provider, which also decides the role."""
    created_ms: int
    """Milliseconds since 1970, UTC."""

    @classmethod
    def of(cls, user: User) -> UserView:
        """Show a user without secrets."""
        return cls(
            id=user.id,
            name=user.name,
            display_name=user.display_name,
            role=user.role,
            role_chinese=user.role.chinese,
            agent_id=user.agent_id,
            teams=user.teams,
            contact=tuple(f"{one.partition('://')[0]}://***" for one in user.contact),
            shift=user.shift,
            disabled=user.disabled,
            by_identity_provider=bool(user.oidc_subject),
            created_ms=user.created_ms,
        )
