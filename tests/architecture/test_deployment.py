"""Image and compose files name commands, settings, addresses and files that exist, and hold no secrets.

No container engine runs here: this is all that can be said of them without one.
"""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from qingting.api.app import build_app
from qingting.cli import app
from qingting.service.center import Service
from qingting.settings import Settings, load_settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
QWEN3 = yaml.safe_load((DEPLOY / "compose.qwen3.yaml").read_text(encoding="utf-8"))
DOCKERFILE = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
EXAMPLE = (DEPLOY / "env.example").read_text(encoding="utf-8")
OURS = {name: one for name, one in COMPOSE["services"].items() if one["image"] == "qingting"}


def check_command(arguments: list[str]) -> None:
    """A command of ours whose options exist."""
    command: click.Command | None = app
    while isinstance(command, click.Group):
        name, *arguments = arguments
        command = command.get_command(click.Context(command), name)
        assert command is not None, f"no command {name}"
    assert command is not None
    command.make_context(name, arguments)


def environment_of(service: dict[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in service.get("environment", {}).items()}


def example_variables() -> dict[str, str]:
    lines = [line.lstrip("#") for line in EXAMPLE.splitlines() if re.match(r"#?[A-Z0-9_]+=", line)]
    return dict(line.split("=", 1) for line in lines)


def image_variables() -> dict[str, str]:
    (block,) = re.findall(r"^ENV PATH.*?(?=^USER)", DOCKERFILE, re.M | re.S)
    return dict(word.split("=", 1) for word in shlex.split(block.removeprefix("ENV ").replace("\\\n", " ")))


def test_the_parts_of_the_service_are_there() -> None:
    assert set(OURS) == {"api", "worker"}
    assert set(COMPOSE["services"]) == {"api", "worker", "postgres"}
    assert {"qwen3-0", "qwen3-1"} == set(QWEN3["services"])


@pytest.mark.parametrize("name", sorted(OURS))
def test_commands_exist(name: str) -> None:
    check_command(OURS[name]["command"])


def test_the_image_starts_a_command_of_ours() -> None:
    (entry,) = re.findall(r"^ENTRYPOINT (.*)$", DOCKERFILE, re.M)
    (command,) = re.findall(r"^CMD (.*)$", DOCKERFILE, re.M)
    assert json.loads(entry) == ["qingting"]
    check_command(json.loads(command))


def test_the_commands_of_the_comments_exist() -> None:
    (line,) = re.findall(r"exec api qingting (.*)$", (DEPLOY / "compose.yaml").read_text(encoding="utf-8"), re.M)
    check_command(shlex.split(line))


def test_variables_are_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for source in (image_variables(), example_variables(), *(environment_of(one) for one in OURS.values())):
        for name, value in source.items():
            if name.startswith("QINGTING_"):
                monkeypatch.setenv(name, value)
    settings = load_settings()
    assert settings.storage.folder == Path("/data/service")
    assert settings.qwen3_server.urls == ("http://qwen3-0:8000",)


def test_probes_ask_for_addresses_that_exist() -> None:
    paths = set(re.findall(r"http://127\.0\.0\.1:8600(/\w+)", f"{DOCKERFILE} {COMPOSE}"))
    service = Service(settings=Settings(), database=None, recordings=None)  # type: ignore[arg-type]
    assert paths
    assert paths <= set(build_app(service).openapi()["paths"])
    assert Settings().api.port == 8600


def test_every_service_is_watched_and_comes_back() -> None:
    for name, service in COMPOSE["services"].items():
        assert service["restart"] == "unless-stopped"
        assert "test" in service["healthcheck"] or name == "worker"
    assert all(one["depends_on"]["postgres"]["condition"] == "service_healthy" for one in OURS.values())
    grace = int(OURS["worker"]["stop_grace_period"].removesuffix("s"))
    assert grace > Settings().jobs.stop_seconds


def test_volumes_are_declared_and_containers_write_nothing_else() -> None:
    used = {volume.split(":")[0] for one in COMPOSE["services"].values() for volume in one["volumes"]}
    assert used == set(COMPOSE["volumes"])
    assert all(one["read_only"] and one["cap_drop"] == ["ALL"] for one in OURS.values())
    assert re.search(r"^USER (?!root|0)\w+$", DOCKERFILE, re.M)


def test_no_secret_stands_in_the_files() -> None:
    for one in (*COMPOSE["services"].values(), *QWEN3["services"].values()):
        for name, value in environment_of(one).items():
            if re.search("PASSWORD|KEY|SECRET", name):
                assert value.startswith("${"), name
    assert re.findall(r"://\w+:(?!\$\{)", str(COMPOSE)) == []
    secrets = {name: value for name, value in example_variables().items() if re.search("PASSWORD|KEY|SECRET", name)}
    assert set(secrets.values()) == {""}
    assert len(secrets) == 3
    assert "/deploy/.env" in (ROOT / ".gitignore").read_text(encoding="utf-8").split()


def test_the_example_names_every_variable_that_must_be_set() -> None:
    text = (DEPLOY / "compose.yaml").read_text(encoding="utf-8") + (DEPLOY / "compose.qwen3.yaml").read_text("utf-8")
    needed = set(re.findall(r"\$\{(\w+):\?", text))
    assert needed == {"POSTGRES_PASSWORD", "QWEN3_WEIGHTS"}
    assert needed <= set(example_variables())


def test_the_image_is_made_from_pinned_packages_and_files_that_exist() -> None:
    copied = [word for line in re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE, re.M) for word in line.split()[:-1]]
    assert all((ROOT / name).exists() for name in copied)
    assert "--require-hashes -r requirements/serve.txt" in DOCKERFILE
    allowed = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8")
    assert {f"!{name}" for name in copied} <= set(allowed.split())
    assert all("build" in one and (DEPLOY / one["build"]["context"]).resolve() == ROOT for one in OURS.values())
