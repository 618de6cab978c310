"""Writes reports as they come: to the terminal, to files, and an index over a batch."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

from qingting.errors import QingtingError

if TYPE_CHECKING:
    from qingting.inspector import InspectedCall, Job
    from qingting.model.report import Report
    from qingting.report.formats.index import IndexRow

DEFAULT_FOLDER = Path("reports")


class ReportWriter:
    """Writes each report in the wished forms; files get unlike names even for like recordings."""

    def __init__(self, formats: set[str], folder: Path | None, *, single: bool, console: Console) -> None:
        self._formats = formats
        self._json_to_stdout = folder is None and single and "json" in formats
        self._folder = folder or DEFAULT_FOLDER
        self._names: Counter[str] = Counter()
        self._rows: list[IndexRow] = []
        self._reports: list[Report] = []
        self._failures: list[tuple[str, QingtingError | None]] = []
        self._console = console
        self._standard_output = ""
        if self._writes_files:
            self._folder.mkdir(parents=True, exist_ok=True)

    @property
    def _writes_files(self) -> bool:
        return bool(self._formats & {"html", "csv"} or ("json" in self._formats and not self._json_to_stdout))

    def write(self, job: Job, result: InspectedCall) -> None:
        """Write one report in all forms."""
        from qingting.report.formats.html import render_html
        from qingting.report.formats.index import index_row
        from qingting.report.formats.json import dump
        from qingting.report.formats.terminal import render_terminal

        stem = self._stem(job.path)
        report = result.report
        page = ""
        if "terminal" in self._formats:
            self._console.print(render_terminal(report))
            self._console.print()
        if self._json_to_stdout:
            self._standard_output = dump(report)
        elif "json" in self._formats:
            self._save(f"{stem}.json", dump(report))
        if "html" in self._formats:
            page = f"{stem}.html"
            self._save(page, render_html(report, audio_mp3=result.player_mp3(), peaks=result.waveform()))
        self._rows.append(index_row(report, page))
        if "csv" in self._formats:
            self._reports.append(report)

    def write_failure(self, job: Job, error: QingtingError | None) -> None:
        """Remember a recording without report for the index."""
        self._failures.append((job.path.name, error))

    def finish(self) -> None:
        """Write what covers the whole batch: tables and the index page; call it when the progress bar is gone."""
        if self._standard_output:
            click.echo(self._standard_output)
        if "csv" in self._formats:
            from qingting.report.formats.table import calls_csv, findings_csv

            self._save("calls.csv", calls_csv(self._reports))
            self._save("findings.csv", findings_csv(self._reports))
        if "html" in self._formats:
            from qingting.report.formats.index import render_index

            failures = [(name, error.cause if error else "") for name, error in self._failures]
            self._save("index.html", render_index(self._rows, failures))
        if self._writes_files:
            click.echo(f"reports: {self._folder}", err=True)

    def _stem(self, path: Path) -> str:
        """A file name without risk: no separators, no leading dot, numbered when used before."""
        stem = re.sub(r"[^\w.\-]+", "_", path.name).lstrip(".") or "recording"
        self._names[stem] += 1
        return stem if self._names[stem] == 1 else f"{stem}-{self._names[stem]}"

    def _save(self, name: str, content: str | bytes) -> None:
        # Written beside and renamed, so that a reader never sees half a report.
        target = self._folder / name
        partial = target.with_name(f".{target.name}.partial")
        partial.write_bytes(content if isinstance(content, bytes) else content.encode())
        partial.replace(target)
