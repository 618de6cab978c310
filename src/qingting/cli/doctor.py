"""`qingting doctor`: is this installation sound?"""

from __future__ import annotations

import sys

import click

_MARKS = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "fault": ("✗", "red")}


@click.command()
def doctor() -> None:
    """Check this installation and say how to mend what is missing. Exit code 1 on a fault."""
    from qingting.doctor import examine

    worst = "ok"
    for check in examine():
        mark, colour = _MARKS[check.state]
        click.secho(f" {mark} {check.name}: ", fg=colour, nl=False)
        click.echo(check.detail)
        if check.remedy:
            click.echo(f"     {check.remedy}")
        worst = max(worst, check.state, key=list(_MARKS).index)
    sys.exit(1 if worst == "fault" else 0)
