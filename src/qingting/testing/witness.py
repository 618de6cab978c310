"""An analyzer that remembers what went wrong inside another one.

The runner keeps only the class of an analyzer's exception, because messages may hold customer
words. A plug-in's author needs the exception itself, and which finding was refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import NoReturn, TypeVar, cast

from qingting.analysis.analyzer import Analyzer, SpeechStart, Watch
from qingting.analysis.context import CallSoFar, UtteranceFacts
from qingting.model.call import CallInfo
from qingting.model.finding import AnalyzerFailure, Finding
from qingting.model.report import Gap
from qingting.model.transcript import Transcript
from qingting.testing.finding_check import check_finding

_T = TypeVar("_T")
_DECLARED = (
    "id", "name", "description", "version", "Options",
    "needs_audio", "needs_roles", "needs_times", "needs_desktop_events",
)  # fmt: skip


class Witness(Analyzer):
    """Passes everything through to the analyzer it watches."""

    def __init__(self, inner: Analyzer) -> None:
        super().__init__(inner.options)
        self._inner = inner
        self.listens, self.wants_meaning = inner.listens, inner.wants_meaning
        self._error: Exception | None = None
        self._last: Finding | None = None

    def phrases(self) -> Mapping[str, Iterable[str]]:
        """Give the analyzer's phrases."""
        return self._inner.phrases()

    def watch(self, call: CallInfo, so_far: CallSoFar) -> Watch:
        """Open the analyzer's watch behind a remembering one."""
        return _WitnessWatch(self.remember(lambda: self._inner.watch(call, so_far)), self)

    def remember(self, ask: Callable[[], _T]) -> _T:
        """Return what `ask` returns, and keep what it raises."""
        try:
            return ask()
        except Exception as error:
            self._error = error
            raise

    def each(self, ask: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
        """Pass findings on one by one, so that the last one is the one that was refused."""
        findings = iter(self.remember(ask))
        while (finding := self.remember(lambda: next(findings, None))) is not None:
            self._last = finding
            yield finding

    def explain(self, failure: AnalyzerFailure, name: str, transcript: Transcript) -> NoReturn:
        """Raise AssertionError with the cause of a failure the runner reported."""
        where = f"{name}: at {failure.at_ms} ms"
        if self._error is not None:
            raise AssertionError(f"{where}: the analyzer raised {failure.error_type}") from self._error
        if isinstance(self._last, Finding):
            check_finding(replace(self._last, decided_ms=failure.at_ms), self.id, name, transcript)
        raise AssertionError(f"{where}: the runner refused what the analyzer gave ({failure.error_type})")


class _WitnessWatch(Watch):
    def __init__(self, inner: Watch, witness: Witness) -> None:
        self._inner = inner
        self._witness = witness

    def on_speech_start(self, speech: SpeechStart) -> Iterable[Finding]:
        return self._witness.each(lambda: self._inner.on_speech_start(speech))

    def on_utterance(self, facts: UtteranceFacts) -> Iterable[Finding]:
        return self._witness.each(lambda: self._inner.on_utterance(facts))

    def on_timer(self, at_ms: int, name: str) -> Iterable[Finding]:
        return self._witness.each(lambda: self._inner.on_timer(at_ms, name))

    def on_end(self, end_ms: int) -> Iterable[Finding]:
        return self._witness.each(lambda: self._inner.on_end(end_ms))

    def on_signals(self) -> Iterable[Finding]:
        return self._witness.each(self._inner.on_signals)

    def gaps(self) -> Iterable[Gap]:
        return self._witness.remember(self._inner.gaps)


def witness_of(analyzer: Analyzer) -> Witness:
    """Build a witness that declares itself as the analyzer it watches."""
    declared = {name: getattr(analyzer, name) for name in _DECLARED}
    kind = type("Witness", (Witness,), declared)
    return cast(Witness, kind(analyzer))
