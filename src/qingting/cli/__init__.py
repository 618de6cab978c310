"""The command `qingting`: one module per command, imported when its command runs."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping

import click

from qingting import __version__
from qingting.errors import QingtingError

COMMANDS: Mapping[str, tuple[str, str]] = {
    "inspect": ("qingting.cli.inspect:inspect", "Inspect recordings: files, folders, globs."),
    "live": ("qingting.cli.live:live", "Inspect a recording as a running call; print its events."),
    "report": ("qingting.cli.report:report", "Verify, render, review or re-analyse stored reports."),
    "rules": ("qingting.cli.rules:rules", "Check, test, explain and backtest rule files."),
    "evaluate": ("qingting.cli.evaluate:evaluate", "Measure recognition on recordings with reference texts."),
    "finetune": ("qingting.cli.finetune:finetune", "Adapt Qwen3-ASR: prepare data, train, evaluate, register."),
    "analyzers": ("qingting.cli.catalogues:analyzers", "List the inspection dimensions."),
    "engines": ("qingting.cli.catalogues:engines", "List the speech engines."),
    "capacity": ("qingting.cli.capacity:capacity", "Compute or measure how many calls a speech server carries."),
    "serve": ("qingting.cli.serve:serve", "Run the service: HTTP entrance and worker in one command."),
    "worker": ("qingting.cli.worker:worker", "Run a further worker of the service."),
    "import": ("qingting.cli.import_:import_", "Take in lists: all calls, customers' scores, desktop events."),
    "storage": ("qingting.cli.storage:storage", "Upgrade, check, back up and restore what the service keeps."),
    "users": ("qingting.cli.users:users", "Add, list and disable users of the service; make API keys."),
    "doctor": ("qingting.cli.doctor:doctor", "Check this installation and say how to mend it."),
}
"""Command -> (where it lives, its line in the help): listing them imports none of them."""
_INTERNAL = {"live-process": "qingting.cli.live_process:live_process"}
"""Started by other commands, and listed nowhere."""


class LazyCommands(click.Group):
    """Imports a command's module when it is called, so that `--help` stays quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command."""
        place = _INTERNAL.get(cmd_name) or COMMANDS.get(cmd_name, ("", ""))[0]
        if not place:
            return None
        module, _, name = place.partition(":")
        command = getattr(importlib.import_module(module), name)
        if not isinstance(command, click.Command):
            raise TypeError(f"{module}:{name} is no command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the help's table from COMMANDS alone."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, help_line) for name, (_, help_line) in COMMANDS.items()])


@click.group(cls=LazyCommands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="qingting")
def app() -> None:
    """Qingting 倾听: speech quality inspection for call centres."""


def main() -> None:
    """Run the command line; a known error prints its cause and remedy and exits with 1."""
    for stream in (sys.stdout, sys.stderr):
        # Chinese must come out even where the locale is C.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")
    try:
        app()
    except QingtingError as error:
        click.secho(f"error: {error.cause}", fg="red", err=True)
        if error.remedy:
            click.echo(f"  {error.remedy}", err=True)
        sys.exit(1)
