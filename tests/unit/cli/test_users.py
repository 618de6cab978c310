"""`qingting users`: the way in for the first administrator."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from qingting.cli import app
from qingting.errors import ConflictError, InvalidRequestError, NotFoundError, QingtingError
from qingting.service.credentials import actor_of_key

PASSWORD = "a good password"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("QINGTING_STORAGE__FOLDER", str(tmp_path / "data"))
    return tmp_path / "data"


def run(*arguments: str, typed: str = "") -> Result:
    return CliRunner().invoke(app, ["users", *arguments], input=typed, catch_exceptions=True)


def done(*arguments: str, typed: str = "") -> str:
    result = run(*arguments, typed=typed)
    assert result.exit_code == 0, result.output
    return result.output


def refused(kind: type[QingtingError], *arguments: str, typed: str = "") -> None:
    assert isinstance(run(*arguments, typed=typed).exception, kind)


def listed() -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(done("list", "--json"))
    return found


def test_the_first_administrator_comes_from_the_command_line(folder: Path) -> None:
    done("add", "Root", "--role", "admin", "--password-stdin", typed=f"{PASSWORD}\n")
    done("add", "wang", "--role", "supervisor", "--team", "华东", "--team", "华北", "--no-password")
    done("add", "li", "--role", "agent", "--agent-id", "8001", "--display-name", "李", typed=f"{PASSWORD}\n" * 2)
    assert [(one["name"], one["role"], one["teams"], one["agent_id"]) for one in listed()] == [
        ("root", "admin", [], ""), ("wang", "supervisor", ["华东", "华北"], ""), ("li", "agent", [], "8001"),
    ]  # fmt: skip
    assert (folder / "qingting.sqlite").is_file()
    assert done("list").splitlines()[1].split() == ["wang", "supervisor", "华东", "华北"]


def test_passwords_are_neither_shown_nor_stored() -> None:
    shown = done("add", "root", "--role", "admin", typed=f"{PASSWORD}\n" * 2)
    assert PASSWORD not in shown
    assert not [path for path in Path("data").rglob("*") if path.is_file() and PASSWORD.encode() in path.read_bytes()]


def test_wrong_input_is_refused_with_the_reason() -> None:
    refused(InvalidRequestError, "add", "root", "--role", "admin", "--password-stdin", typed="short\n")
    refused(InvalidRequestError, "add", "root", "--role", "admin", "--password-stdin", typed="")
    refused(NotFoundError, "disable", "root")
    refused(NotFoundError, "revoke-key", "nothing")
    assert run("add", "root", "--role", "emperor").exit_code == 2
    assert run("add", "root", "--role", "admin", typed=f"{PASSWORD}\nother\n").exit_code == 1
    done("add", "root", "--role", "admin", "--no-password")
    refused(ConflictError, "add", "root", "--role", "agent", "--no-password")
    refused(ConflictError, "disable", "root")
    assert [one["disabled"] for one in listed()] == [False]


def test_users_are_disabled_and_let_in_again() -> None:
    done("add", "wang", "--role", "agent", "--no-password")
    assert done("disable", "Wang") == "wang is disabled\n"
    assert "disabled" in done("list")
    assert done("disable", "wang", "--enable") == "wang is enabled\n"
    assert [one["disabled"] for one in listed()] == [False]


def test_a_new_password(folder: Path) -> None:
    done("add", "wang", "--role", "agent", "--no-password")
    assert done("set-password", "wang", "--password-stdin", typed=f"{PASSWORD}\n") == "wang has a new password\n"
    refused(InvalidRequestError, "set-password", "wang", "--password-stdin", typed="short\n")


def test_a_key_for_a_program() -> None:
    from qingting.bootstrap.service import open_service
    from qingting.settings import load_settings

    secret = done("key", "recorder", "--scope", "calls:submit", "--team", "华东", "--days", "30").strip()
    with open_service(load_settings()) as service:
        actor = actor_of_key(service, secret)
    assert (actor.name, actor.role.value, actor.permissions) == ("recorder", "integrator", {"calls:submit"})
    assert done("revoke-key", actor.id) == "recorder is revoked\n"
    refused(InvalidRequestError, "key", "recorder", "--scope", "users:manage")
