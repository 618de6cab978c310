"""`qingting import`: lists that complete what recordings tell, into the service of this machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from qingting.model.account import SYSTEM

if TYPE_CHECKING:
    from qingting.service.call_records import ImportResult
    from qingting.service.center import Service

_FILE = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
_SHOWN = 20
"""Problems that are printed; the API gives more."""


@click.group("import")
def import_() -> None:
    """Take in lists: all calls of a day, customers' scores, actions in the knowledge base."""


@import_.command("call-records")
@_FILE
def import_call_records(file: Path) -> None:
    """Take in the list of all calls in FILE (CSV or Excel), so that it is known how many were inspected."""
    with _opened() as service:
        from qingting.service.call_records import import_calls

        _show(import_calls(service, SYSTEM, file))


@import_.command("csat")
@_FILE
def import_csat(file: Path) -> None:
    """Take in customers' scores from FILE (CSV or Excel: call id and score)."""
    with _opened() as service:
        from qingting.service.call_records import import_scores

        _show(import_scores(service, SYSTEM, file))


@import_.command("desktop-events")
@_FILE
def import_desktop_events(file: Path) -> None:
    """Take in what agents did in the knowledge base from FILE (JSON lines, CSV or Excel)."""
    with _opened() as service:
        from qingting.service.desktop import import_events

        result = import_events(service, SYSTEM, file)
    _show(result)
    click.echo(f"{result.events} actions; {result.analysed_again} calls are analysed again")


@contextmanager
def _opened() -> Iterator[Service]:
    from qingting.bootstrap.service import open_service
    from qingting.settings import load_settings

    with open_service(load_settings()) as service:
        yield service


def _show(result: ImportResult) -> None:
    for problem in result.problems[:_SHOWN]:
        click.echo(f"row {problem.row}, {problem.column or 'whole row'}: {problem.problem}", err=True)
    if result.problem_count > _SHOWN:
        click.echo(f"… {result.problem_count - _SHOWN} more problems", err=True)
    click.echo(
        f"{result.added} added, {result.changed} changed, {result.unchanged} unchanged, {result.refused} refused"
    )
