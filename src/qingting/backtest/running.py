"""Runs a backtest over a folder: one stored report at a time, so that memory does not grow with it."""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import TYPE_CHECKING

from qingting.backtest.comparing import compare_call
from qingting.backtest.labels import Labels
from qingting.backtest.summary import Summary, summarise
from qingting.backtest.values import CallComparison, LeftOut
from qingting.backtest.versions import Version
from qingting.errors import InputError, QingtingError, WorkerCrashedError
from qingting.report.formats.json import load_file

if TYPE_CHECKING:
    from qingting.model.report import Report

OpenVersions = Callable[[], tuple[Version, Version]]
"""Makes the old and the new version; called once in every process, so it must be picklable for several."""
_AHEAD = 4
"""Reports handed to each worker process ahead of the one it works on."""


class Comparer:
    """Compares the stored reports of one folder, each by its own file."""

    def __init__(
        self, versions: tuple[Version, Version], *, folder: Path, labels: Labels, any_line: bool = False
    ) -> None:
        self._old, self._new = versions
        self._folder = folder
        self._labels = labels
        self._lines = set() if any_line else {line for line in (self._old.line, self._new.line) if line}

    def compare(self, path: Path) -> CallComparison | LeftOut:
        """Compare one stored report; whatever is wrong with it becomes a LeftOut."""
        file = path.relative_to(self._folder).as_posix()
        try:
            report = load_file(path)
            reason = self._not_meant(report)
            if reason:
                return LeftOut(file=file, reason=reason, damaged=False)
            labels = self._labels.of(report.call.call_id)
            return compare_call(report, self._old, self._new, labels=labels, file=file)
        except QingtingError as error:
            return LeftOut(file=file, reason=f"{error.code}: {error.cause}", damaged=True)
        except Exception as error:  # noqa: BLE001  one report's fault must not end the run
            # The message could hold customer words; its type is enough to report the defect.
            return LeftOut(file=file, reason=f"unexpected {type(error).__name__}", damaged=True)

    def _not_meant(self, report: Report) -> str:
        line = report.call.line_of_business
        return f"业务为 {line}，不属于本次比较" if self._lines and line not in self._lines else ""


def stored_reports(folder: Path) -> list[Path]:
    """List the JSON files of a folder and its sub-folders in order of name, hidden ones left out.

    Raises InputError when there are none.
    """
    found = sorted(
        path
        for path in folder.rglob("*.json")
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )
    if not found:
        raise InputError(
            f"no stored reports in the folder {folder}",
            remedy="Write them with: qingting inspect … --format json --out FOLDER",
        )
    return found


def backtest(
    open_versions: OpenVersions,
    paths: Sequence[Path],
    *,
    folder: Path,
    labels: Labels | None = None,
    any_line: bool = False,
    workers: int = 1,
    done: Callable[[], None] = lambda: None,
) -> Summary:
    """Compare two versions over stored reports of a folder, in this process or in several.

    `done` is called after every report. Raises PackError for a broken version before the first
    report, WorkerCrashedError when a worker process died.
    """
    versions = open_versions()
    known = labels or Labels()
    outcomes = _outcomes(open_versions, versions, paths, folder, known, workers, any_line=any_line)

    def told() -> Iterator[CallComparison | LeftOut]:
        for outcome in _each_once(outcomes):
            yield outcome
            done()

    return summarise(told(), old=versions[0].label, new=versions[1].label, labels=known)


def _outcomes(
    open_versions: OpenVersions,
    versions: tuple[Version, Version],
    paths: Sequence[Path],
    folder: Path,
    labels: Labels,
    workers: int,
    *,
    any_line: bool,
) -> Iterator[CallComparison | LeftOut]:
    if workers == 1:
        comparer = Comparer(versions, folder=folder, labels=labels, any_line=any_line)
        return map(comparer.compare, paths)
    return _in_processes(open_versions, paths, folder, labels, workers, any_line=any_line)


def _each_once(outcomes: Iterable[CallComparison | LeftOut]) -> Iterator[CallComparison | LeftOut]:
    """Leave out a call that was seen already (the same call id): it would count twice."""
    seen: dict[str, str] = {}
    for outcome in outcomes:
        if isinstance(outcome, LeftOut):
            yield outcome
            continue
        first = seen.setdefault(outcome.call_id, outcome.file)
        if first == outcome.file:
            yield outcome
        else:
            yield LeftOut(file=outcome.file, reason=f"与 {first} 是同一通话（通话编号相同）", damaged=False)


_comparer: Comparer | None = None
"""Of a worker process."""


def _begin(open_versions: OpenVersions, folder: Path, labels: Labels, any_line: bool) -> None:  # noqa: FBT001  positional by the pool
    global _comparer  # noqa: PLW0603  a worker process has exactly one
    _comparer = Comparer(open_versions(), folder=folder, labels=labels, any_line=any_line)


def _compare(path: Path) -> CallComparison | LeftOut:
    assert _comparer is not None  # noqa: S101  set by _begin
    return _comparer.compare(path)


def _in_processes(
    open_versions: OpenVersions,
    paths: Sequence[Path],
    folder: Path,
    labels: Labels,
    workers: int,
    *,
    any_line: bool,
) -> Iterator[CallComparison | LeftOut]:
    """Compare in worker processes, results in the order of the paths, only a few ahead of the reader."""
    context = multiprocessing.get_context("spawn")
    begin = (open_versions, folder, labels, any_line)
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_begin, initargs=begin) as pool:
        waiting = iter(paths)
        running: deque[Future[CallComparison | LeftOut]] = deque()
        try:
            for path in waiting:
                running.append(pool.submit(_compare, path))
                if len(running) >= workers * _AHEAD:
                    yield running.popleft().result()
            while running:
                yield running.popleft().result()
        except BrokenProcessPool:
            raise WorkerCrashedError(
                "a process of the backtest died", remedy="Run it with --workers 1, and with more memory."
            ) from None
        finally:
            pool.shutdown(cancel_futures=True)
