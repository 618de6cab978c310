"""`qingting report`: work with stored JSON reports."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from qingting.errors import ReportError
from qingting.model.report import Report


@click.group()
def report() -> None:
    """Verify, render or re-analyse stored reports (the JSON that `inspect --format json` wrote)."""


@report.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--recording", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Check its digest too.")
def verify(files: tuple[Path, ...], recording: Path | None) -> None:
    """Check that a report is whole: digests, quotes, times, points. Exit code 1 when one is not."""
    import hashlib

    from qingting.report.verify import verify_json

    digest = hashlib.sha256(recording.read_bytes()).hexdigest() if recording else None
    broken = 0
    for file in files:
        problems = verify_json(file.read_bytes(), audio_sha256=digest)
        broken += bool(problems)
        click.echo(f"{file}: {'holds' if not problems else f'{len(problems)} problems'}")
        for problem in problems:
            click.echo(f"  {problem.where}: {problem.message}")
    sys.exit(1 if broken else 0)


@report.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="HTML file to write.")
def render(file: Path, out: Path) -> None:
    """Write the HTML page of a stored report (without sound)."""
    from qingting.report.formats.html import render_html

    out.write_text(render_html(_load(file), audio_mp3=None, peaks=None), encoding="utf-8")


@report.command("swap-roles")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="JSON file [default: standard output].")
@click.option("--agent", default="", metavar="PARTY", help="Name the agent's party instead: left, right, speaker_1 …")
def swap_roles(file: Path, out: Path | None, agent: str) -> None:
    """Exchange agent and customer and analyse again, without transcribing again."""
    from qingting.bootstrap import plans
    from qingting.inspector import judge_again
    from qingting.report.formats.json import dump
    from qingting.settings import load_settings

    text = dump(judge_again(_load(file), plans(load_settings()), agent=agent))
    if out is None:
        click.echo(text)
    else:
        out.write_text(text, encoding="utf-8")


def _load(file: Path) -> Report:
    from qingting.report.formats.json import load

    try:
        return load(file.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise ReportError("the report is not UTF-8 text") from None
