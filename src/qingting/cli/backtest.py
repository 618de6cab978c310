"""`qingting rules backtest`: two versions of a rule file or pack over stored reports."""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from qingting.backtest.summary import Summary

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("old")
@click.argument("new")
@click.option(
    "--calls",
    "folder",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Stored JSON reports, searched with sub-folders (`qingting inspect --format json --out FOLDER`).",
)
@click.option("--pack", "is_pack", is_flag=True, help="OLD and NEW are packs: an id, or the path of a .yaml file.")
@click.option("--labels", type=_FILE, metavar="FILE", help="Reviewed verdicts: .csv, or JSON lines (a case library).")
@click.option("--card", type=_FILE, metavar="FILE", help="Scorecard [default: that of the line of business].")
@click.option("--new-card", type=_FILE, metavar="FILE", help="Scorecard of the new version, when it has another.")
@click.option("--any-line", is_flag=True, help="With --pack: use calls of every line of business.")
@click.option("--workers", type=click.IntRange(1, 256), default=1, show_default=True, help="Processes.")
@click.option("--json", "as_json", is_flag=True, help="Write everything as JSON to standard output.")
@click.option("--csv", "table", type=click.Path(dir_okay=False, path_type=Path), help="Also write a table of changes.")
@click.option("--show", type=click.IntRange(min=0), default=50, show_default=True, help="Changes shown with quotes.")
def backtest(old: str, new: str, folder: Path, **options: Any) -> None:
    """Compare two versions of a rule file or pack over analysed calls.

    OLD and NEW are rule files (a path, or a bundled file's name), or packs with --pack. Shown are
    the changed verdicts with their quotes, score differences, counts per rule and, with --labels,
    precision and recall of both. Nothing is changed. Exit code: 0 when every report was compared,
    1 when some were damaged or not inspected, or a rule file is broken, 2 for wrong usage.
    """
    from qingting.backtest.labels import read_labels
    from qingting.backtest.running import backtest as run
    from qingting.backtest.running import stored_reports
    from qingting.backtest.versions import VersionName
    from qingting.bootstrap import open_versions
    from qingting.settings import load_settings

    card, is_pack = options["card"], options["is_pack"]
    names = (
        VersionName(name=old, is_pack=is_pack, card=card),
        VersionName(name=new, is_pack=is_pack, card=options["new_card"] or card),
    )
    labels = None if options["labels"] is None else read_labels(options["labels"])
    paths = stored_reports(folder)
    with click.progressbar(length=len(paths), file=sys.stderr, hidden=not sys.stderr.isatty()) as bar:
        summary = run(
            partial(open_versions, load_settings(), *names),
            paths,
            folder=folder,
            labels=labels,
            any_line=options["any_line"],
            workers=options["workers"],
            done=lambda: bar.update(1),
        )
    _write(summary, options)
    sys.exit(0 if summary.complete else 1)


def _write(summary: Summary, options: dict[str, Any]) -> None:
    from qingting.backtest.forms import changes_csv, to_plain
    from qingting.backtest.text import summary_text

    if options["table"] is not None:
        options["table"].write_bytes(changes_csv(summary))
    if options["as_json"]:
        click.echo(json.dumps(to_plain(summary), ensure_ascii=False))
    else:
        click.echo(summary_text(summary, show=options["show"]))
