"""`qingting inspect`: recordings in, reports out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from qingting.errors import InputError, QingtingError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qingting.cli.output import ReportWriter
    from qingting.cli.progress import Progress
    from qingting.inspector import Outcome

FORMATS = ("terminal", "html", "json", "csv")


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option(
    "--agent-channel",
    type=click.Choice(["left", "right", "auto"]),
    default="auto",
    show_default=True,
    help="Which channel of two-channel recordings is the agent.",
)
@click.option("--line-of-business", default="general", show_default=True, metavar="ID", help="Pack and scorecard.")
@click.option(
    "--call-list",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="CSV",
    help="Call data per recording: a column `file` and any of call_id, line_of_business, agent_channel, agent_id, "
    "team, direction, started_at, customer_reference, desktop_events (a JSON lines file); others become fields.",
)
@click.option(
    "--format",
    "formats",
    type=click.Choice(FORMATS),
    multiple=True,
    default=("terminal",),
    show_default=True,
    help="May be given several times.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Folder for reports [default: reports; JSON of one recording goes to standard output].",
)
@click.option("--engine", metavar="NAME", help="Speech engine [default: auto; `qingting engines` lists them].")
@click.option("--workers", type=click.IntRange(min=1), metavar="N", help="Recordings at once [default: one per core].")
@click.option(
    "--raw", metavar="ENC:RATE:CH", help="Read headerless files, e.g. alaw:8000:1, mulaw:8000:2, s16le:16000:1."
)
@click.option("--noise-reduction", type=click.Choice(["off", "light"]), help="Reduce noise first [default: off].")
@click.option("--quiet", is_flag=True, help="No progress display.")
def inspect(paths: tuple[str, ...], **options: Any) -> None:
    """Inspect recordings and text conversations, and report what was found.

    PATH is a recording, a folder (searched with its sub-folders) or a glob in quotes; a chat or
    e-mail thread is a .json or .csv file with role, time and text of each message. One
    broken recording never stops the others. Exit code: 0 when every recording has its report,
    1 when some failed, 2 for wrong usage.
    """
    from rich.console import Console

    from qingting.bootstrap import open_inspector
    from qingting.chat import is_chat
    from qingting.cli.output import ReportWriter
    from qingting.cli.progress import Progress
    from qingting.cli.recordings import collect, read_call_list
    from qingting.settings import load_settings

    try:
        call_list = read_call_list(options["call_list"]) if options["call_list"] else {}
        jobs = collect(
            paths, call_list, agent_channel=options["agent_channel"], line_of_business=options["line_of_business"]
        )
        overrides = {name: options[name] for name in ("engine", "workers") if options[name] is not None}
        settings = load_settings(**overrides)
    except InputError as error:
        raise click.UsageError(f"{error.cause}. {error.remedy}") from None
    formats = set(options["formats"])
    console = Console()
    writer = ReportWriter(formats, options["out"], single=len(jobs) == 1, console=console)
    with open_inspector(
        settings,
        raw=_raw_format(options["raw"]),
        noise_reduction=options["noise_reduction"],
        text_only=all(is_chat(job.path) for job in jobs),
    ) as inspector:
        outcomes = inspector.inspect_many(jobs, workers=settings.workers)
        with Progress(len(jobs), enabled=not options["quiet"], output=console) as progress:
            failures = _consume(outcomes, writer, progress)
    _print_summary(len(jobs), failures)
    writer.finish()
    if failures:
        sys.exit(1)


def _consume(outcomes: Iterator[Outcome], writer: ReportWriter, progress: Progress) -> list[Outcome]:
    """Write every outcome as it comes; returns those that failed."""
    failures: list[Outcome] = []
    for outcome in outcomes:
        if outcome.result is not None:
            writer.write(outcome.job, outcome.result)
            progress.done(outcome.job.path.name, outcome.result)
        else:
            failures.append(outcome)
            writer.write_failure(outcome.job, outcome.error)
            progress.failed(outcome.job.path.name, outcome.error)
    return failures


def _print_summary(count: int, failures: list[Outcome]) -> None:
    click.echo(f"{count - len(failures)} of {count} recordings inspected.", err=True)
    for outcome in failures:
        error = outcome.error
        click.secho(f"  failed: {outcome.job.path}: {_cause(error)}", fg="red", err=True)
        if error is not None and error.remedy:
            click.echo(f"          {error.remedy}", err=True)


def _cause(error: QingtingError | None) -> str:
    return "" if error is None else f"{error.code}: {error.cause}"


def _raw_format(text: str | None) -> Any:
    from qingting.audio.options import RawFormat

    if text is None:
        return None
    try:
        encoding, rate, channels = text.split(":")
        if encoding not in {"s16le", "alaw", "mulaw", "g722"} or int(rate) <= 0 or int(channels) not in {1, 2}:
            raise ValueError
        return RawFormat(encoding=encoding, sample_rate_hertz=int(rate), channels=int(channels))
    except ValueError:
        raise click.BadParameter(
            "write ENCODING:RATE:CHANNELS, e.g. alaw:8000:1 (encodings: s16le, alaw, mulaw, g722; 1 or 2 channels)",
            param_hint="--raw",
        ) from None
