"""Runs analyzers over a call, live or finished: one order of events, so one set of findings.

Order of events at the same millisecond: timers that are due; ends of utterances (by start,
then party); starts of speech (by party); ends of utterances without length. Events out of
order are errors, save that several ends (or starts) at one millisecond may come in any order;
`event_key_of_*` sort them too, so that both ways agree in every case.
A live session that must wait for recognised words keeps its events in a heap under these keys
and feeds them when nothing earlier can come any more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from qingting.analysis.analyzer import Analyzer, SpeechStart, Watch
from qingting.analysis.context import CallSoFar, CallState, Timers
from qingting.analysis.gaps import find_gaps, lacking
from qingting.analysis.signals import FAILED, MEANING, Signal, SignalBoard, SignalName
from qingting.analysis.text import PhraseBook
from qingting.analysis.validation import check_finding
from qingting.errors import InputError
from qingting.model.finding import AnalyzerFailure, Finding

if TYPE_CHECKING:
    from qingting.analysis.meaning import SentenceVectors
    from qingting.model.call import CallInfo, Role
    from qingting.model.report import Gap
    from qingting.model.transcript import Transcript, Utterance

_Question = Callable[[Watch, str], Iterable[Finding]]
EventKey = tuple[int, int, int, str]
"""(time, rank at that time, start, party): sorts the events of a call."""


def event_key_of_start(party: str, at_ms: int) -> EventKey:
    """Place of a speech start in the order of events."""
    return (at_ms, 1, at_ms, party)


def event_key_of_utterance(utterance: Utterance) -> EventKey:
    """Place of a finished utterance in the order of events."""
    rank = 0 if utterance.start_ms < utterance.end_ms else 2
    return (utterance.end_ms, rank, utterance.start_ms, utterance.party)


@dataclass(frozen=True, kw_only=True)
class AnalysisResult:
    """What the analysis of one call came to."""

    findings: tuple[Finding, ...]
    """In order of decision."""
    failures: tuple[AnalyzerFailure, ...]
    gaps: tuple[Gap, ...]


class Inspection:
    """Analyzers prepared for many calls: their phrases are compiled once."""

    def __init__(self, analyzers: Sequence[Analyzer], *, vectors: SentenceVectors | None = None) -> None:
        """`vectors` compare sentences by meaning for the analyzers that want it."""
        self.analyzers = tuple(analyzers)
        self.vectors = vectors
        self.book = PhraseBook({analyzer.id: analyzer.phrases() for analyzer in self.analyzers})
        self.as_spoken = frozenset(analyzer.id for analyzer in self.analyzers if analyzer.as_spoken)

    def open(self, call: CallInfo, *, also_signals: Iterable[SignalName] = ()) -> CallAnalysis:
        """Begin the analysis of one call; `also_signals` are told besides those that some analyzer listens to."""
        return CallAnalysis(call, self, also_signals=also_signals)

    def analyze(self, transcript: Transcript, call: CallInfo) -> AnalysisResult:
        """Analyse a finished transcript through the very events of a live call.

        Raises InputError when the transcript's times contradict each other.
        """
        utterances = transcript.utterances
        running = self.open(call)
        events = [(event_key_of_start(u.party, u.start_ms), True, u) for u in utterances]
        events += [(event_key_of_utterance(u), False, u) for u in utterances]
        for _, begins, utterance in sorted(events, key=lambda event: (event[0], event[2].index)):
            if begins:
                running.speech_started(utterance.party, utterance.role, utterance.start_ms)
            else:
                running.hear(utterance)
        end_ms = max([transcript.duration_ms, *(u.end_ms for u in utterances)])
        running.finish(end_ms)
        return AnalysisResult(findings=running.findings, failures=running.failures, gaps=running.gaps)


def analyze(transcript: Transcript, call: CallInfo, analyzers: Sequence[Analyzer] | Inspection) -> AnalysisResult:
    """Analyse a finished transcript; prepare an `Inspection` once when there are many calls."""
    inspection = analyzers if isinstance(analyzers, Inspection) else Inspection(analyzers)
    return inspection.analyze(transcript, call)


def _fire(at_ms: int, name: str, watch: Watch, _owner: str) -> Iterable[Finding]:
    return watch.on_timer(at_ms, name)


def _tell(watch: Watch, _owner: str) -> Iterable[Finding]:
    return watch.on_signals()


class CallAnalysis:
    """One call under analysis, fed with events in order of call time.

    Every feeding method returns the findings decided by it and raises InputError when an
    event comes out of order. Not for use from several threads at once.
    """

    def __init__(
        self,
        call: CallInfo,
        analyzers: Sequence[Analyzer] | Inspection,
        *,
        also_signals: Iterable[SignalName] = (),
    ) -> None:
        inspection = analyzers if isinstance(analyzers, Inspection) else Inspection(analyzers)
        self._inspection = inspection
        listening = [analyzer for analyzer in inspection.analyzers if analyzer.listens]
        wanted = frozenset(name for analyzer in listening for name in analyzer.listens) | frozenset(also_signals)
        self._board = SignalBoard(wanted, [analyzer.id for analyzer in inspection.analyzers])
        self._listeners = tuple(analyzer.id for analyzer in listening)
        if inspection.vectors is None:
            self._board.lost[MEANING] = "没有可用的语义向量"
        self._state = CallState(call, inspection.book, self._board, inspection.vectors, as_spoken=inspection.as_spoken)
        self._timers = Timers()
        self._numbers: Counter[str] = Counter()
        self._findings: list[Finding] = []
        self._failures: list[AnalyzerFailure] = []
        self._gaps: tuple[Gap, ...] = ()
        self._last: EventKey = (0, -1, 0, "")
        self._finished = False
        self._watches: dict[str, Watch] = {}
        self._names = {analyzer.id: analyzer.name for analyzer in inspection.analyzers}
        self._need_audio = {analyzer.id for analyzer in inspection.analyzers if analyzer.needs_audio}
        # Those who listen come last: at every event they know what the others made of it.
        for analyzer in sorted(inspection.analyzers, key=lambda one: bool(one.listens)):
            missing = lacking(analyzer, call)
            if missing:
                self._board.lost[analyzer.id] = missing.removesuffix("。")
            else:
                self._open(analyzer, call)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Findings decided until now, in order; only ever grows."""
        return tuple(self._findings)

    @property
    def signals(self) -> Sequence[Signal]:
        """What dimensions told each other until now, in order; only ever grows, and is not to be changed."""
        return self._board.signals

    @property
    def failures(self) -> tuple[AnalyzerFailure, ...]:
        """Analyzers that failed until now."""
        return tuple(self._failures)

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """What could not be inspected; known when the call is finished."""
        return self._gaps

    def speech_started(self, party: str, role: Role, at_ms: int) -> list[Finding]:
        """Take note that a party begins to speak; an utterance of this party with this start must follow."""
        findings = self._move(event_key_of_start(party, at_ms))
        self._state.start(party, role, at_ms)
        speech = SpeechStart(party=party, role=role, at_ms=at_ms)
        return findings + self._each(lambda watch, _: watch.on_speech_start(speech))

    def hear(self, utterance: Utterance) -> list[Finding]:
        """Take an utterance that has ended and whose words are known."""
        if not self._state.is_running(utterance) or utterance.end_ms < utterance.start_ms:
            raise InputError(
                f"Utterance {utterance.index} ends at {utterance.end_ms} ms without a speech start of its party "
                f"at {utterance.start_ms} ms.",
                remedy="Announce every utterance with speech_started at its start_ms.",
            )
        if utterance.index in self._state.by_index:
            raise InputError(f"Utterance {utterance.index} was heard twice.", remedy="Number utterances from 0.")
        findings = self._move(event_key_of_utterance(utterance))
        facts = self._state.add(utterance)

        def hear(watch: Watch, owner: str) -> Iterable[Finding]:
            if utterance.voice is None and owner in self._need_audio:
                return ()
            return watch.on_utterance(facts.for_analyzer(owner))

        return findings + self._each(hear)

    def advance(self, now_ms: int) -> list[Finding]:
        """Nothing more can happen before now_ms: let timers up to then fire. Never changes what is found."""
        return self._move(self._last if now_ms == self._last[0] else (now_ms, -1, 0, ""))

    def finish(self, end_ms: int) -> list[Finding]:
        """End the call; further events are errors."""
        findings = self._move((end_ms, 3, 0, ""))
        no_audio = all(utterance.voice is None for utterance in self._state.utterances)
        if no_audio:
            self._board.lost |= dict.fromkeys(self._need_audio, "没有录音的声学信息")

        def end(watch: Watch, owner: str) -> Iterable[Finding]:
            return () if no_audio and owner in self._need_audio else watch.on_end(end_ms)

        findings += self._each(end)
        self._finished = True
        self._gaps = (*find_gaps(self._inspection.analyzers, self._state), *self._gaps_of_watches())
        return findings

    def _gaps_of_watches(self) -> list[Gap]:
        gaps: list[Gap] = []
        for owner, watch in tuple(self._watches.items()):
            try:
                gaps += watch.gaps()
            except Exception as error:  # noqa: BLE001  an analyzer's fault must not end the others
                self._fail(owner, error)
        return gaps

    def _move(self, key: EventKey) -> list[Finding]:
        """Go to an event's time, firing the timers due until then in their own order."""
        if self._finished:
            raise InputError("The call is already finished.", remedy="Open a new CallAnalysis for each call.")
        if key[:2] < self._last[:2]:
            raise InputError(
                f"An event at {key[0]} ms came after one at {self._last[0]} ms.",
                remedy="Feed events in order of time; at equal times ends of speech come before starts.",
            )
        self._last = key
        findings: list[Finding] = []
        for at_ms, owner, name in self._timers.due(key[0]):
            self._state.now_ms = max(self._state.now_ms, at_ms)
            told = len(self._board.signals)
            findings += self._ask(owner, partial(_fire, at_ms, name))
            if len(self._board.signals) > told:
                for listener in self._listeners:
                    findings += self._ask(listener, _tell)
        self._state.now_ms = key[0]
        return findings

    def _open(self, analyzer: Analyzer, call: CallInfo) -> None:
        so_far = CallSoFar(self._state, self._timers, analyzer.id)
        try:
            self._watches[analyzer.id] = analyzer.watch(call, so_far)
        except Exception as error:  # noqa: BLE001  an analyzer's fault must not end the others
            self._fail(analyzer.id, error)

    def _each(self, ask: _Question) -> list[Finding]:
        findings: list[Finding] = []
        for owner in tuple(self._watches):
            findings += self._ask(owner, ask)
        return findings

    def _ask(self, owner: str, ask: _Question) -> list[Finding]:
        """Ask one watch; what it found before failing stands."""
        watch = self._watches.get(owner)
        found: list[Finding] = []
        if watch is None:
            return found
        try:
            for finding in ask(watch, owner):
                check_finding(finding, owner, self._state.by_index, self._state.now_ms)
                self._numbers[finding.rule_id] += 1
                number = f"{finding.rule_id}#{self._numbers[finding.rule_id]}"
                found.append(replace(finding, id=number, decided_ms=self._state.now_ms))
        except Exception as error:  # noqa: BLE001  an analyzer's fault must not end the others
            self._fail(owner, error)
        self._findings += found
        if found and SignalName.FINDING in self._board.wanted and owner not in self._listeners:
            self._board.signals += [self._signal(finding) for finding in found]
        return found

    def _signal(self, finding: Finding) -> Signal:
        places = dict.fromkeys(one.utterance for one in finding.evidence if one.utterance is not None)
        return Signal(
            name=SignalName.FINDING,
            value=finding.rule_id,
            role=finding.who,
            evidence=finding.evidence,
            confidence=finding.confidence,
            utterances=tuple(self._state.by_index[index] for index in places),
            says=finding.title,
            finding=finding,
        )

    def _fail(self, owner: str, error: Exception) -> None:
        self._watches.pop(owner, None)
        self._board.lost[owner] = FAILED
        failure = AnalyzerFailure(
            analyzer=owner, name=self._names[owner], error_type=type(error).__name__, at_ms=self._state.now_ms
        )
        self._failures.append(failure)
