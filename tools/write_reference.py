"""Writes docs/reference/ from the code, so that it cannot drift.

usage: python tools/write_reference.py [--check]
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import click
from fastapi.routing import APIRoute
from pydantic import BaseModel

from qingting import errors
from qingting.analysis.discovery import discover
from qingting.api.app import PREFIX, ROUTERS, build_app
from qingting.api.dependencies import Needs
from qingting.cli import COMMANDS, app
from qingting.settings import Settings

if TYPE_CHECKING:
    from fastapi import FastAPI

    from qingting.service.center import Service

FOLDER = Path(__file__).parents[1] / "docs" / "reference"
HEAD = "<!-- Written by tools/write_reference.py from the code; do not edit. -->\n\n"


def settings_page() -> str:
    """Every setting with its environment variable, default and meaning."""
    lines = ["# Settings\n"]
    lines += ["Environment variables win over `qingting.toml` (or the file that `QINGTING_CONFIG` names).\n"]
    lines += ["| setting | environment variable | default | meaning |", "|---|---|---|---|"]
    for name, field in Settings.model_fields.items():
        if name not in SECTIONS:
            lines.append(_setting(name, f"QINGTING_{name.upper()}", field))
    for section, kind in SECTIONS.items():
        for name, field in kind.model_fields.items():
            lines.append(_setting(f"{section}.{name}", f"QINGTING_{section.upper()}__{name.upper()}", field))
    return "\n".join(lines) + "\n"


SECTIONS: dict[str, type[BaseModel]] = {
    name: field.annotation
    for name, field in Settings.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
}
DEFAULTS = {
    "workers": "one per core",
    "jobs.concurrency": "one per core",
    "cache_folder": "`~/.cache/qingting`",
    "model_folder": "`~/.local/share/qingting/models`",
    "storage.folder": "`~/.local/share/qingting/service`",
}
"""Defaults that differ from machine to machine."""


def _setting(name: str, variable: str, field: object) -> str:
    default = DEFAULTS.get(name) or f"`{getattr(field, 'default', '')}`"
    return f"| `{name}` | `{variable}` | {default} | {getattr(field, 'description', '')} |"


def analyzers_page() -> str:
    """Every bundled analyzer with its options."""
    lines = ["# Inspection dimensions\n", "Options are set per pack, under `analyzers: <id>:`.\n"]
    for kind in discover():
        if not kind.__module__.startswith("qingting.analysis."):
            continue
        lines += [
            f"## `{kind.id}` {kind.name}\n",
            f"{kind.description}\n",
            "| option | default | meaning |",
            "|---|---|---|",
        ]
        meanings = _field_lines(kind.Options)
        for field in dataclasses.fields(kind.Options):
            default = field.default if field.default is not dataclasses.MISSING else "(see the packs)"
            lines.append(f"| `{field.name}` | `{default}` | {meanings.get(field.name, '')} |")
        lines.append("")
    return "\n".join(lines)


def _field_lines(kind: type) -> dict[str, str]:
    """Field -> the docstring line under it."""
    (node,) = ast.parse(inspect.cleandoc(inspect.getsource(kind))).body
    assert isinstance(node, ast.ClassDef)
    meanings: dict[str, str] = {}
    for field, line in zip(node.body, node.body[1:], strict=False):
        documented = isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and documented:
            meanings[field.target.id] = " ".join(str(line.value.value).split())  # type: ignore[union-attr]
    return meanings


def errors_page() -> str:
    """Every error with its code, whether a retry can help, and its remedy."""
    kinds = [k for _, k in inspect.getmembers(errors, inspect.isclass) if issubclass(k, errors.QingtingError)]
    lines = ["# Errors\n", "| code | error | meaning | retry | what to do |", "|---|---|---|---|---|"]
    for kind in sorted(kinds, key=lambda k: [c.__name__ for c in reversed(k.__mro__)]):
        doc = " ".join((kind.__doc__ or "").split())
        retry = "yes" if kind.can_retry else "no"
        lines.append(f"| `{kind('').code}` | {kind.__name__} | {doc} | {retry} | {kind.default_remedy} |")
    return "\n".join(lines) + "\n"


def command_page() -> str:
    """The help of every command."""
    lines = ["# The command `qingting`\n"]
    pending: list[tuple[str, click.Command]] = []
    context = click.Context(app, info_name="qingting")
    for name in COMMANDS:
        command = app.get_command(context, name)
        assert command is not None
        pending.append((f"qingting {name}", command))
    while pending:
        name, command = pending.pop(0)
        own = click.Context(command, info_name=name, max_content_width=110, terminal_width=110)
        lines += [f"## {name}\n", "```text", command.get_help(own), "```\n"]
        if isinstance(command, click.Group):
            pending = [(f"{name} {sub}", c) for sub, c in command.commands.items()] + pending
    return "\n".join(lines)


def api_page() -> str:
    """Every endpoint with who may use it."""
    app = build_app(cast("Service", SimpleNamespace(settings=Settings())))
    lines = [
        "# Endpoints\n",
        "`GET /api/v1/openapi.json` describes every request and answer with examples. Errors are problem details",
        "([codes](errors.md)). A permission belongs to roles ([accounts](../how-to/accounts.md)); a key's scopes are a",
        "part of its role's permissions. What is out of reach is answered like what does not exist.\n",
    ]
    for tag in app.openapi()["tags"]:
        rows = [_endpoint(route, prefix) for route, prefix in _routes(app) if tag["name"] in route.tags]
        if rows:
            lines += [f"## {tag['name']}\n", tag.get("description", "") + "\n"]
            lines += ["| endpoint | does | needs |", "|---|---|---|", *rows, ""]
    return "\n".join(lines)


def _routes(app: FastAPI) -> list[tuple[APIRoute, str]]:
    """Routes that the description shows, with what stands before their path."""
    found = [(route, PREFIX) for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]
    found += [(route, "") for route in app.routes if isinstance(route, APIRoute)]
    named = {route.operation_id: (route, prefix) for route, prefix in reversed(found) if route.include_in_schema}
    return list(reversed(named.values()))


def _endpoint(route: APIRoute, prefix: str) -> str:
    path = route.path if route.path.startswith(prefix) else prefix + route.path
    methods = ", ".join(sorted(route.methods or ()))
    needed = [one.call.permissions for one in route.dependant.dependencies if isinstance(one.call, Needs)]
    who = "nothing" if not needed else " or ".join(f"`{one.value}`" for one in needed[0]) or "to be signed in"
    return f"| `{methods} {path}` | {route.summary} | {who} |"


PAGES = {
    "api.md": api_page,
    "settings.md": settings_page,
    "dimensions.md": analyzers_page,
    "errors.md": errors_page,
    "command.md": command_page,
}


def main() -> int:
    """Write the pages, or with --check name those that are out of date."""
    stale = []
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, write in PAGES.items():
        text, file = HEAD + write(), FOLDER / name
        if "--check" not in sys.argv[1:]:
            file.write_text(text, encoding="utf-8")
        elif not file.exists() or file.read_text(encoding="utf-8") != text:
            stale.append(name)
    if stale:
        print(f"out of date: {', '.join(stale)}; run python tools/write_reference.py")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
