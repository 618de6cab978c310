"""`qingting evaluate`: recognition measured on recordings with reference texts."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from qingting.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qingting.speech.evaluation.material import Problem
    from qingting.speech.evaluation.table import FileFigures, Row


@click.command()
@click.argument("folder", type=click.Path(exists=True, path_type=Path), metavar="FOLDER")
@click.option("--engine", metavar="NAME", help="Speech engine [default: auto; `qingting engines` lists them].")
@click.option(
    "--against",
    type=click.Choice(["faster-whisper"]),
    multiple=True,
    help="Measure this program too, called directly with its defaults.",
)
@click.option("--line-of-business", default="general", show_default=True, metavar="ID", help="Whose words are terms.")
@click.option("--language", metavar="CODE", help="Force a language, e.g. zh.")
@click.option("--hot-words/--no-hot-words", default=True, show_default=True, help="Give the engine hot words.")
@click.option("--correct-terms/--no-correct-terms", default=True, show_default=True, help="Put misheard terms right.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Use only the first N recordings.")
@click.option("--texts", is_flag=True, help="With --json: the recognised and the reference texts too.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of the table.")
def evaluate(folder: Path, **options: Any) -> None:
    """Measure recognition: error rate, business terms, times, speed; overall and by property of the recording.

    FOLDER holds recordings with name.txt beside name.wav, or manifest.jsonl / manifest.csv with audio, text and
    any of language, dialect, channel, noise, terms, line_of_business (the manifest itself may be named), or call
    scripts with their recordings. Exit code: 0 when every recording was measured, 1 when some failed, 2
    for wrong usage.
    """
    from qingting.cli.recordings import AUDIO_SUFFIXES
    from qingting.evaluator import Choices, load_material, open_evaluator
    from qingting.settings import load_settings
    from qingting.speech.evaluation.table import rows_of

    try:
        material = load_material(folder, AUDIO_SUFFIXES)
    except InputError as error:
        raise click.UsageError(f"{error.cause}. {error.remedy}") from None
    samples = material.samples[: options["limit"]]
    settings = load_settings(**({"engine": options["engine"]} if options["engine"] else {}))
    choices = Choices(
        line_of_business=options["line_of_business"],
        language=options["language"],
        hot_words=options["hot_words"],
        correct_terms=options["correct_terms"],
    )
    figures: list[FileFigures] = []
    problems = list(material.problems)
    with open_evaluator(settings, choices, against=options["against"]) as evaluator:
        for done, (sample, measured, problem) in enumerate(evaluator.run(samples), start=1):
            figures += measured
            problems += [problem] if problem is not None else []
            if not options["as_json"]:
                click.echo(f"[{done}/{len(samples)}] {sample.name}{': failed' if problem else ''}", err=True)
    rows = rows_of(figures)
    if options["as_json"]:
        click.echo(_json(rows, figures, problems, choices=asdict(choices), texts=options["texts"]))
    else:
        _print(rows, problems)
    if problems:
        sys.exit(1)


def _print(rows: Sequence[Row], problems: Sequence[Problem]) -> None:
    from qingting.speech.evaluation.table import markdown

    for line in markdown(rows) if rows else ("nothing was measured",):
        click.echo(line)
    for problem in problems:
        click.secho(f"failed: {problem.name}: {problem.cause}", fg="red", err=True)


def _json(
    rows: Sequence[Row],
    figures: Sequence[FileFigures],
    problems: Sequence[Problem],
    *,
    choices: dict[str, Any],
    texts: bool,
) -> str:
    from qingting.speech.evaluation.table import plain_row

    files = []
    for one in figures:
        plain = asdict(one)
        if not texts:
            del plain["hypothesis"], plain["reference"]
        files.append({**plain, "error_rate": round(one.errors.rate, 5)})
    return json.dumps(
        {
            "choices": choices,
            "rows": [plain_row(row) for row in rows],
            "files": files,
            "failed": [asdict(problem) for problem in problems],
        },
        ensure_ascii=False,
        indent=1,
    )
