"""`qingting report`: work with stored JSON reports."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from qingting.errors import InputError


@click.group()
def report() -> None:
    """Verify, render, review or re-analyse stored reports (the JSON that `inspect --format json` wrote)."""


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
    from qingting.report.formats.json import load_file

    out.write_text(render_html(load_file(file), audio_mp3=None, peaks=None), encoding="utf-8")


@report.command("swap-roles")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="JSON file [default: standard output].")
@click.option("--agent", default="", metavar="PARTY", help="Name the agent's party instead: left, right, speaker_1 …")
def swap_roles(file: Path, out: Path | None, agent: str) -> None:
    """Exchange agent and customer and analyse again, without transcribing again."""
    from qingting.bootstrap import plans
    from qingting.inspector import judge_again
    from qingting.report.formats.json import dump, load_file
    from qingting.settings import load_settings

    text = dump(judge_again(load_file(file), plans(load_settings()), agent=agent))
    if out is None:
        click.echo(text)
    else:
        out.write_text(text, encoding="utf-8")


@report.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("finding_id", metavar="FINDING")
@click.option("--verdict", type=click.Choice(["confirmed", "rejected"]), required=True, help="Is the finding right?")
@click.option("--handling", default="", help="How it was handled; shown beside similar findings of other calls.")
@click.option("--reviewer", default="", help="Who decided.")
@click.option(
    "--library",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Case library to add to [default: the setting case_library].",
)
def review(file: Path, finding_id: str, **options: Any) -> None:
    """Add a person's verdict on a finding (its id, like `keywords.negative#1`) to the case library.

    Reports made from then on show it beside similar serious findings, and `qingting rules
    backtest --labels` takes the library as labels. The report itself is not changed.
    """
    from datetime import UTC, datetime

    from qingting.report.case_file import add_case, read_cases
    from qingting.report.formats.json import load_file
    from qingting.report.similar_cases import Review, reviewed
    from qingting.settings import load_settings

    library = options["library"] or load_settings().case_library
    if library is None:
        raise click.UsageError("give --library, or set case_library in the settings")
    stored = load_file(file)
    found = next((one for one in stored.findings if one.id == finding_id), None)
    if found is None:
        raise InputError(f"The report has no finding {finding_id!r}.", remedy="Use an id of its `findings`.")
    read_cases(library)  # a broken library is named before anything is added to it
    case = reviewed(
        found,
        stored.call.call_id,
        Review(options["verdict"]),
        handling=options["handling"],
        reviewer=options["reviewer"],
        date=datetime.now(UTC).astimezone().date().isoformat(),
    )
    add_case(library, case)
    click.echo(f"{library}: {finding_id} {case.verdict}")
