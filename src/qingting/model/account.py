"""Who uses the service, and what they may do and see."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class UserRole(StrEnum):
    """What a person (or a program) does in the centre."""

    AGENT = "agent"
    INSPECTOR = "inspector"
    SUPERVISOR = "supervisor"
    MANAGER = "manager"
    ADMIN = "admin"
    INTEGRATOR = "integrator"

    @property
    def chinese(self) -> str:
        """The word a user reads."""
        return {
            "agent": "坐席", "inspector": "质检员", "supervisor": "主管", "manager": "运营经理", "admin": "管理员",
            "integrator": "集成程序",
        }[self.value]  # fmt: skip


class Permission(StrEnum):
    """One thing that an actor may do; API keys carry a subset of their role's as scopes."""

    CALLS_SUBMIT = "calls:submit"
    """Submit recordings, call records, desktop events."""
    CALLS_READ = "calls:read"
    """Calls, reports, findings, search, within reach; personal data masked."""
    CALLS_LISTEN = "calls:listen"
    """Recordings and clips; personal data silenced."""
    CALLS_REVEAL = "calls:reveal"
    """The same without masks, on request; each time in the audit log."""
    CALLS_DELETE = "calls:delete"
    """Delete calls and all data of a customer."""
    EXPORT = "export"
    """Tables of many calls at once."""
    JOBS_READ = "jobs:read"
    JOBS_MANAGE = "jobs:manage"
    """Cancel, retry, reprioritise, analyse again."""
    MEASURES_READ = "measures:read"
    """Figures over many calls, within reach."""
    ALERTS_READ = "alerts:read"
    ALERTS_HANDLE = "alerts:handle"
    """Acknowledge and close."""
    ALERTS_CONFIGURE = "alerts:configure"
    WEBHOOKS_MANAGE = "webhooks:manage"
    USERS_MANAGE = "users:manage"
    """Users and API keys of anybody."""
    AUDIT_READ = "audit:read"


_P = Permission
ROLE_PERMISSIONS: dict[UserRole, frozenset[Permission]] = {
    UserRole.AGENT: frozenset({_P.CALLS_READ, _P.CALLS_LISTEN, _P.MEASURES_READ}),
    UserRole.INSPECTOR: frozenset(
        {
            _P.CALLS_READ, _P.CALLS_LISTEN, _P.CALLS_REVEAL, _P.EXPORT, _P.JOBS_READ, _P.JOBS_MANAGE, _P.MEASURES_READ,
            _P.ALERTS_READ,
        }
    ),
    UserRole.SUPERVISOR: frozenset(
        {
            _P.CALLS_READ, _P.CALLS_LISTEN, _P.CALLS_REVEAL, _P.EXPORT, _P.MEASURES_READ, _P.ALERTS_READ,
            _P.ALERTS_HANDLE,
        }
    ),
    UserRole.MANAGER: frozenset(
        {_P.CALLS_READ, _P.EXPORT, _P.JOBS_READ, _P.MEASURES_READ, _P.ALERTS_READ, _P.ALERTS_HANDLE,
         _P.ALERTS_CONFIGURE}
    ),
    UserRole.ADMIN: frozenset(
        {
            _P.JOBS_READ, _P.JOBS_MANAGE, _P.MEASURES_READ, _P.ALERTS_READ, _P.ALERTS_CONFIGURE, _P.WEBHOOKS_MANAGE,
            _P.USERS_MANAGE, _P.AUDIT_READ, _P.CALLS_DELETE, _P.CALLS_SUBMIT,
        }
    ),
    UserRole.INTEGRATOR: frozenset(
        {
            _P.CALLS_SUBMIT, _P.CALLS_READ, _P.EXPORT, _P.JOBS_READ, _P.JOBS_MANAGE, _P.MEASURES_READ,
            _P.WEBHOOKS_MANAGE,
        }
    ),
}  # fmt: skip
"""What each role may do. Administrators run the system and need no customer words, so they may not read calls."""


@dataclass(frozen=True, kw_only=True)
class Reach:
    """Which calls an actor may see."""

    everything: bool = False
    """All calls; the other fields do not matter then."""
    agent_id: str = ""
    """Calls of this agent."""
    teams: tuple[str, ...] = ()
    """Calls of these teams."""

    def covers(self, *, agent_id: str, team: str) -> bool:
        """Whether a call of this agent and team is within reach."""
        return self.everything or bool(self.agent_id and agent_id == self.agent_id) or bool(team and team in self.teams)


NOTHING = Reach()
"""No call at all."""


@dataclass(frozen=True, kw_only=True)
class Actor:
    """Whoever makes a request: a user or an API key, after signing in."""

    id: str
    """Id of the user or key; names the actor in the audit log."""
    name: str
    """For people; never a secret."""
    role: UserRole
    permissions: frozenset[Permission]
    reach: Reach
    is_key: bool = False

    def may(self, permission: Permission) -> bool:
        """Whether the actor has a permission."""
        return permission in self.permissions


SYSTEM = Actor(
    id="system",
    name="system",
    role=UserRole.ADMIN,
    permissions=frozenset(Permission),
    reach=Reach(everything=True),
)
"""The service itself: watch folder, retention, the command line on the same machine."""


@dataclass(frozen=True, kw_only=True)
class User:
    """A person who signs in."""

    id: str
    name: str
    """Login name, unique, small letters."""
    display_name: str
    role: UserRole
    created_ms: int
    agent_id: str = ""
    """For agents: whose calls they see."""
    teams: tuple[str, ...] = ()
    """For supervisors: whose calls they see. For inspectors: empty is all teams."""
    disabled: bool = False
    oidc_subject: str = ""
    """`issuer|subject` of a user who signs in through OpenID Connect."""
    contact: tuple[str, ...] = ()
    """Push addresses (apprise form) for alerts; secrets, never shown in full."""
    shift: str = ""
    """Working hours `HH:MM-HH:MM` in the centre's time zone; empty is always."""

    def reach(self) -> Reach:
        """Which calls the user may see."""
        match self.role:
            case UserRole.AGENT:
                return Reach(agent_id=self.agent_id)
            case UserRole.SUPERVISOR:
                return Reach(teams=self.teams)
            case UserRole.INSPECTOR:
                return Reach(teams=self.teams) if self.teams else Reach(everything=True)
            case _:
                return Reach(everything=True)

    def actor(self) -> Actor:
        """The user as the maker of a request."""
        return Actor(
            id=self.id,
            name=self.name,
            role=self.role,
            permissions=ROLE_PERMISSIONS[self.role],
            reach=self.reach(),
        )


@dataclass(frozen=True, kw_only=True)
class ApiKey:
    """A program's way in; the secret itself is shown once and kept as a digest."""

    id: str
    name: str
    role: UserRole
    scopes: frozenset[Permission]
    """A subset of the role's permissions."""
    created_ms: int
    created_by: str
    """Id of the user."""
    teams: tuple[str, ...] = ()
    """Restricts reach to these teams; empty is all."""
    expires_ms: int | None = None
    revoked_ms: int | None = None
    last_used_ms: int | None = None

    def actor(self) -> Actor:
        """The key as the maker of a request."""
        reach = Reach(teams=self.teams) if self.teams else Reach(everything=True)
        return Actor(
            id=self.id,
            name=self.name,
            role=self.role,
            permissions=self.scopes & ROLE_PERMISSIONS[self.role],
            reach=reach,
            is_key=True,
        )
