"""Progress of a batch: a bar in a terminal, plain lines on standard error elsewhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

if TYPE_CHECKING:
    from qingting.errors import QingtingError
    from qingting.inspector import InspectedCall


class Progress:
    """Counts finished recordings; a context manager."""

    def __init__(self, count: int, *, enabled: bool, output: Console) -> None:
        # One console for the bar and the reports where both go to the terminal, else they overwrite each other.
        self._console = output if output.is_terminal else Console(stderr=True)
        self._count, self._finished = count, 0
        self._enabled = enabled
        self._began = time.perf_counter()
        self._bar: RichProgress | None = None
        if enabled and self._console.is_terminal:
            self._bar = RichProgress(
                TextColumn("inspecting"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.description}"),
                console=self._console,
            )
            self._task = self._bar.add_task("", total=count)

    def __enter__(self) -> Progress:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()

    def done(self, name: str, result: InspectedCall) -> None:
        """A recording has its report."""
        score = result.report.score
        verdict = f"{score.total:g} {score.grade}" if score.valid else "no score"
        self._step(f"{name}: {verdict}, {len(result.report.findings)} findings")

    def failed(self, name: str, error: QingtingError | None) -> None:
        """A recording has failed."""
        self._step(f"{name}: failed ({error.code if error else 'unknown'})")

    def _step(self, line: str) -> None:
        self._finished += 1
        if self._bar:
            self._bar.update(self._task, advance=1, description=line)
        elif self._enabled:
            seconds = time.perf_counter() - self._began
            click.echo(f"[{self._finished}/{self._count}, {seconds:.0f} s] {line}", err=True)
