"""`qingting users`: users and API keys of the service on this machine."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from qingting.errors import NotFoundError
from qingting.model.account import SYSTEM, Permission, User, UserRole

if TYPE_CHECKING:
    from qingting.service.center import Service

_ROLES = click.Choice([role.value for role in UserRole])
_SCOPES = click.Choice([permission.value for permission in Permission])


@click.group()
def users() -> None:
    """Add, list and disable the service's users; make API keys."""


@contextmanager
def _opened() -> Iterator[Service]:
    from qingting.bootstrap.service import open_service
    from qingting.settings import load_settings

    with open_service(load_settings()) as service:
        yield service


@users.command()
@click.argument("name")
@click.option("--role", type=_ROLES, required=True, help="What the user does.")
@click.option("--display-name", default="", help="The name people read; otherwise NAME.")
@click.option("--agent-id", default="", help="For agents: staff number, whose calls they see.")
@click.option("--team", "teams", multiple=True, help="A team whose calls the user sees; may be repeated.")
@click.option("--shift", default="", metavar="HH:MM-HH:MM", help="Working hours, for alerts.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input instead of asking.")
@click.option("--no-password", is_flag=True, help="For users who sign in through the identity provider only.")
def add(name: str, *, role: str, password_stdin: bool, no_password: bool, teams: tuple[str, ...], **texts: str) -> None:
    """Add the user NAME."""
    from qingting.service import accounts

    fields: dict[str, Any] = {key: value for key, value in texts.items() if value}
    password = None if no_password else _password(from_stdin=password_stdin)
    with _opened() as service:
        user = accounts.add_user(
            service, SYSTEM, name=name, fields={**fields, "role": UserRole(role), "teams": teams}, password=password
        )
    click.echo(f"{user.name} ({user.role.value}) {user.id}")


@users.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_users(*, as_json: bool) -> None:
    """List all users."""
    with _opened() as service:
        found = list(_all_users(service))
    if as_json:
        click.echo(json.dumps([_plain(user) for user in found], ensure_ascii=False, indent=2))
        return
    for user in found:
        note = "  disabled" if user.disabled else ""
        click.echo(f"{user.name:24} {user.role.value:12} {user.agent_id} {' '.join(user.teams)}{note}".rstrip())


@users.command()
@click.argument("name")
@click.option("--enable", is_flag=True, help="Let the user in again.")
def disable(name: str, *, enable: bool) -> None:
    """Disable the user NAME: their sessions end, and the API keys they made stop working."""
    from qingting.service import accounts

    with _opened() as service:
        user = accounts.change_user(service, SYSTEM, _named(service, name).id, {"disabled": not enable})
    click.echo(f"{user.name} is {'disabled' if user.disabled else 'enabled'}")


@users.command("set-password")
@click.argument("name")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input instead of asking.")
def set_password(name: str, *, password_stdin: bool) -> None:
    """Set the password of the user NAME; their sessions and any lock end."""
    from qingting.service import accounts

    password = _password(from_stdin=password_stdin)
    with _opened() as service:
        user = _named(service, name)
        accounts.set_password(service, SYSTEM, user.id, password)
    click.echo(f"{user.name} has a new password")


@users.command()
@click.argument("name")
@click.option("--role", type=_ROLES, default=UserRole.INTEGRATOR.value, show_default=True, help="What the key does.")
@click.option("--scope", "scopes", multiple=True, type=_SCOPES, help="Restricts the key; all of the role without any.")
@click.option("--team", "teams", multiple=True, help="A team whose calls the key reaches; all teams without any.")
@click.option("--days", type=click.IntRange(1, 3650), help="Days until it expires; otherwise never.")
def key(name: str, *, role: str, scopes: tuple[str, ...], teams: tuple[str, ...], days: int | None) -> None:
    """Make an API key for the program NAME and print it; it cannot be shown again."""
    from qingting.service import accounts

    with _opened() as service:
        wanted = accounts.NewKey(
            name=name,
            role=UserRole(role),
            scopes=frozenset(Permission(scope) for scope in scopes),
            teams=teams,
            expires_ms=None if days is None else service.clock() + days * 86_400_000,
        )
        _, secret = accounts.add_key(service, SYSTEM, wanted)
    click.echo(secret)


@users.command("revoke-key")
@click.argument("key_id")
def revoke_key(key_id: str) -> None:
    """Revoke the API key KEY_ID (the part between `qt_` and the second `_`) for good."""
    from qingting.service import accounts

    with _opened() as service:
        revoked = accounts.revoke_key(service, SYSTEM, key_id)
    click.echo(f"{revoked.name} is revoked")


def _all_users(service: Service) -> Iterator[User]:
    from qingting.service import accounts

    after = ""
    while True:
        page = accounts.list_users(service, limit=200, after=after)
        yield from page.items
        after = page.next_key
        if not after:
            return


def _named(service: Service, name: str) -> User:
    found = next((user for user in _all_users(service) if user.name == name.strip().lower()), None)
    if found is None:
        raise NotFoundError("No such user.", remedy="`qingting users list` lists them.")
    return found


def _plain(user: User) -> dict[str, Any]:
    """Without push addresses: they are secrets."""
    return {
        "id": user.id,
        "name": user.name,
        "display_name": user.display_name,
        "role": user.role.value,
        "agent_id": user.agent_id,
        "teams": list(user.teams),
        "shift": user.shift,
        "disabled": user.disabled,
        "by_identity_provider": bool(user.oidc_subject),
    }


def _password(*, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    asked: str = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    return asked
