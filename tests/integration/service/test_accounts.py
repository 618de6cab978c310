"""Users and API keys: nobody gives more than they have, one administrator remains, keys end when they should."""

from __future__ import annotations

import threading
from typing import Any, Protocol

import pytest

from qingting.errors import AccessDeniedError, ConflictError, InvalidRequestError, NotFoundError, NotSignedInError
from qingting.model.account import ROLE_PERMISSIONS, SYSTEM, Actor, Permission, Reach, User, UserRole
from qingting.model.ids import new_id
from qingting.service import accounts
from qingting.service.accounts import NewKey
from qingting.service.center import Service
from qingting.service.credentials import actor_of_key
from qingting.storage import audit
from qingting.storage.audit import AuditEntry, AuditFilter

pytestmark = pytest.mark.usefixtures("quick_digests")
MINUTE_MS = 60_000


class Clock(Protocol):
    ms: int


def add(service: Service, name: str, role: UserRole = UserRole.ADMIN, actor: Actor = SYSTEM, **fields: Any) -> User:
    password = fields.pop("password", None)
    return accounts.add_user(service, actor, name=name, fields={"role": role, **fields}, password=password)


@pytest.fixture
def admin(service: Service) -> User:
    return add(service, "admin")


def key_of(service: Service, actor: Actor, role: UserRole = UserRole.INTEGRATOR, **more: Any) -> tuple[str, str]:
    """Id and written secret of a new key."""
    key, written = accounts.add_key(
        service, actor, NewKey(name="recorder", role=role, scopes=frozenset(more.pop("scopes", ())), **more)
    )
    return key.id, written


def key_actor(*permissions: Permission, teams: tuple[str, ...] = ()) -> Actor:
    reach = Reach(teams=teams) if teams else Reach(everything=True)
    return Actor(
        id=new_id(), name="key", role=UserRole.ADMIN, permissions=frozenset(permissions), reach=reach, is_key=True
    )


def log(service: Service) -> list[AuditEntry]:
    with service.database.read() as connection:
        return list(audit.page(connection, wanted=AuditFilter(), limit=100).items)


@pytest.mark.parametrize("name", ["", " ", "王丽", "a b", "a/b", "-a", "a" * 65, "a\x00", "a\nb", "a'--"])
def test_login_names_are_plain(service: Service, name: str) -> None:
    with pytest.raises(InvalidRequestError):
        add(service, name)


@pytest.mark.parametrize(
    "fields",
    [
        {"display_name": "a\x00b"},
        {"display_name": ""},
        {"display_name": "王" * 129},
        {"agent_id": "8" * 129},
        {"teams": ("",)},
        {"teams": ("a\n",)},
        {"teams": tuple(f"team {number}" for number in range(101))},
        {"contact": ("no address",)},
        {"contact": ("mailto://a b",)},
        {"contact": ("mailto://***",)},
        {"contact": ("ntfy://x",) * 11},
        {"shift": "9-18"},
        {"shift": "24:00-18:00"},
        {"shift": "09:00-18:00\n"},
        {"oidc_subject": "https://idp|1"},
        {"id": "x"},
    ],
)
def test_fields_out_of_shape_are_refused_and_nothing_is_stored(service: Service, fields: dict[str, Any]) -> None:
    user = add(service, "wang")
    with pytest.raises(InvalidRequestError):
        add(service, "other", **fields)
    with pytest.raises(InvalidRequestError):
        accounts.change_user(service, SYSTEM, user.id, fields)
    assert accounts.list_users(service, limit=10).items == (user,)


def test_names_are_unique_whatever_their_capitals(service: Service) -> None:
    add(service, "wang.li")
    with pytest.raises(ConflictError):
        add(service, "Wang.Li")


def test_weak_passwords_are_refused(service: Service, admin: User) -> None:
    for password in ("short", "newcomer.2026"):
        with pytest.raises(InvalidRequestError):
            accounts.add_user(service, SYSTEM, name="newcomer.2026", fields={"role": UserRole.AGENT}, password=password)
    with pytest.raises(InvalidRequestError):
        accounts.set_password(service, SYSTEM, admin.id, "short")
    assert accounts.list_users(service, limit=10).items == (admin,)


def test_unknown_users_and_keys(service: Service) -> None:
    for attempt in (
        lambda: accounts.get_user(service, new_id()),
        lambda: accounts.change_user(service, SYSTEM, new_id(), {"disabled": True}),
        lambda: accounts.set_password(service, SYSTEM, new_id(), "a good password"),
        lambda: accounts.revoke_key(service, SYSTEM, new_id()),
    ):
        with pytest.raises(NotFoundError):
            attempt()


@pytest.mark.parametrize("change", [{"disabled": True}, {"role": UserRole.MANAGER}])
def test_the_last_active_administrator_stays(service: Service, admin: User, change: dict[str, Any]) -> None:
    add(service, "former", disabled=True)
    with pytest.raises(ConflictError):
        accounts.change_user(service, admin.actor(), admin.id, change)
    assert accounts.get_user(service, admin.id) == admin
    second = add(service, "second")
    accounts.change_user(service, admin.actor(), admin.id, change)
    with pytest.raises(ConflictError):
        accounts.change_user(service, SYSTEM, second.id, change)


def test_two_administrators_cannot_disable_each_other_at_once(service: Service, admin: User) -> None:
    second = add(service, "second")
    gate = threading.Barrier(2)
    refused: list[str] = []

    def disable(user: User) -> None:
        gate.wait()
        try:
            accounts.change_user(service, SYSTEM, user.id, {"disabled": True})
        except ConflictError:
            refused.append(user.id)

    threads = [threading.Thread(target=disable, args=(user,)) for user in (admin, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 1
    active = accounts.list_users(service, limit=10, role=UserRole.ADMIN, disabled=False).items
    assert [user.id for user in active] == refused


def test_a_key_works_and_is_not_stored(service: Service, admin: User) -> None:
    key_id, written = key_of(service, admin.actor(), teams=("华东",), scopes={Permission.CALLS_SUBMIT})
    actor = actor_of_key(service, written)
    assert (actor.id, actor.is_key, actor.permissions, actor.reach) == (
        key_id, True, {Permission.CALLS_SUBMIT}, Reach(teams=("华东",)),
    )  # fmt: skip
    secret = written.split("_")[2]
    with service.database.read() as connection:
        assert secret not in str(connection.exec_driver_sql("SELECT * FROM api_keys").all())
    assert secret not in str(log(service))


def test_a_key_without_scopes_named_has_all_of_its_role(service: Service, admin: User) -> None:
    _, written = key_of(service, admin.actor())
    assert actor_of_key(service, written).permissions == ROLE_PERMISSIONS[UserRole.INTEGRATOR]


def test_wrong_keys_are_all_refused_in_the_same_words(service: Service, admin: User, clock: Clock) -> None:
    key_id, written = key_of(service, admin.actor())
    revoked_id, revoked = key_of(service, admin.actor())
    accounts.revoke_key(service, admin.actor(), revoked_id)
    _, expired = key_of(service, admin.actor(), expires_ms=clock.ms + 1)
    add(service, "second")
    former = add(service, "former")
    _, orphaned = key_of(service, former.actor())
    accounts.change_user(service, SYSTEM, former.id, {"disabled": True})
    clock.ms += 1
    secret = written.split("_")[2]
    told = set()
    for wrong in (
        revoked, expired, orphaned, "", "qt", "qt__", f"qt_{key_id}_", f"qt_{key_id}_{'0' * 64}",
        f"qt_{new_id()}_{secret}", f"qt_{revoked_id}_{secret}", written.upper(), f" {written}", f"{written}\n",
        f"qt_{'a' * 26}_{'b' * 64}", "qt_' OR 1=1 --_x", "\x00",
    ):  # fmt: skip
        with pytest.raises(NotSignedInError) as refused:
            actor_of_key(service, wrong)
        told.add(str(refused.value))
    assert len(told) == 1
    assert actor_of_key(service, written).id == key_id


def test_enabling_its_maker_brings_a_key_back_but_nothing_a_revoked_one(service: Service, admin: User) -> None:
    second = add(service, "second")
    key_id, written = key_of(service, second.actor())
    accounts.change_user(service, SYSTEM, second.id, {"disabled": True})
    accounts.change_user(service, SYSTEM, second.id, {"disabled": False})
    assert actor_of_key(service, written).id == key_id
    accounts.revoke_key(service, SYSTEM, key_id)
    accounts.revoke_key(service, SYSTEM, key_id)
    with pytest.raises(NotSignedInError):
        actor_of_key(service, written)
    assert [one.action for one in log(service)].count("key.revoked") == 1


def test_the_last_use_is_written_once_a_minute(service: Service, admin: User, clock: Clock) -> None:
    _, written = key_of(service, admin.actor())
    start = clock.ms
    seen = []
    for later in (0, MINUTE_MS - 1, MINUTE_MS):
        clock.ms = start + later
        actor_of_key(service, written)
        seen.append(accounts.list_keys(service, limit=1).items[0].last_used_ms)
    assert seen == [start, start, start + MINUTE_MS]


@pytest.mark.parametrize(
    "wanted",
    [
        NewKey(name="k", role=UserRole.INTEGRATOR, scopes=frozenset({Permission.USERS_MANAGE})),
        NewKey(name="k", role=UserRole.ADMIN, scopes=frozenset({Permission.CALLS_READ})),
        NewKey(name="", role=UserRole.INTEGRATOR, scopes=frozenset()),
        NewKey(name="k\x00", role=UserRole.INTEGRATOR, scopes=frozenset()),
        NewKey(name="k", role=UserRole.INTEGRATOR, scopes=frozenset(), teams=("",)),
        NewKey(name="k", role=UserRole.INTEGRATOR, scopes=frozenset(), expires_ms=1),
        NewKey(name="k", role=UserRole.AGENT, scopes=frozenset()),
        NewKey(name="k", role=UserRole.SUPERVISOR, scopes=frozenset()),
    ],
)
def test_keys_out_of_shape_are_refused(service: Service, wanted: NewKey) -> None:
    with pytest.raises(InvalidRequestError):
        accounts.add_key(service, SYSTEM, wanted)
    assert accounts.list_keys(service, limit=1).items == ()


def test_an_administrator_gives_any_role_and_it_is_recorded(service: Service, admin: User) -> None:
    for role in UserRole:
        add(service, f"user-{role.value}", role, admin.actor())
        key_of(service, admin.actor(), role, teams=("华东",))
    recorded = [(one.action, one.detail["role"], one.actor_id) for one in log(service)]
    for role in UserRole:
        assert ("user.created", role.value, admin.id) in recorded
        assert ("key.created", role.value, admin.id) in recorded


def test_a_key_gives_no_more_than_it_has(service: Service, admin: User) -> None:
    """Neither a stronger key nor a stronger user, nor somebody else's account."""
    weak = key_actor(Permission.USERS_MANAGE, Permission.CALLS_SUBMIT)
    supervisor = add(service, "boss", UserRole.SUPERVISOR)
    for attempt in (
        lambda: key_of(service, weak, UserRole.INTEGRATOR),
        lambda: key_of(service, weak, UserRole.ADMIN, scopes={Permission.AUDIT_READ}),
        lambda: add(service, "new", UserRole.ADMIN, weak),
        lambda: add(service, "new", UserRole.AGENT, weak),
        lambda: accounts.change_user(service, weak, supervisor.id, {"display_name": "x"}),
        lambda: accounts.set_password(service, weak, admin.id, "a good password"),
    ):
        with pytest.raises(AccessDeniedError):
            attempt()
    key_of(service, weak, UserRole.INTEGRATOR, scopes={Permission.CALLS_SUBMIT})


def test_a_key_of_some_teams_reaches_no_others_through_what_it_makes(service: Service) -> None:
    narrow = key_actor(*Permission, teams=("华东",))
    for teams in ((), ("华北",), ("华东", "华北")):
        with pytest.raises(AccessDeniedError):
            key_of(service, narrow, teams=teams)
        with pytest.raises(AccessDeniedError):
            add(service, "new", UserRole.SUPERVISOR, narrow, teams=teams)
    key_of(service, narrow, teams=("华东",))
    add(service, "new", UserRole.SUPERVISOR, narrow, teams=("华东",))


def test_changes_are_recorded_by_name_without_secrets(service: Service, admin: User) -> None:
    user = add(service, "wang", UserRole.AGENT, password="a good password")
    change = {"contact": ("ntfy://secret-topic",), "role": UserRole.INSPECTOR}
    accounts.change_user(service, admin.actor(), user.id, change, address="10.0.0.1")
    accounts.change_user(service, admin.actor(), user.id, {"disabled": True})
    accounts.change_user(service, admin.actor(), user.id, {"disabled": False})
    accounts.set_password(service, admin.actor(), user.id, "another good one")
    lines = [one for one in reversed(log(service)) if one.object_id == user.id]
    assert [one.action for one in lines] == [
        "user.created", "user.changed", "user.disabled", "user.enabled", "user.password_changed",
    ]  # fmt: skip
    assert lines[1].detail == {"fields": ["contact", "role"], "role": "inspector", "role_before": "agent"}
    assert (lines[1].actor_id, lines[1].address) == (admin.id, "10.0.0.1")
    assert not any(secret in str(lines) for secret in ("secret-topic", "good password", "good one"))
