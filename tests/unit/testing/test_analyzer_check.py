"""Each broken analyzer breaks one rule of the contract and must be caught for that rule."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import pytest

from qingting.analysis.analyzer import Analyzer, SpeechStart, Watch
from qingting.analysis.context import CallSoFar, UtteranceFacts
from qingting.model.call import CallInfo, Role
from qingting.model.finding import Confidence, Evidence, Finding, Level, Polarity
from qingting.testing import SampleCall, analyzer_check, check_analyzer, edge_calls, sample_calls


@cache
def two_samples() -> tuple[SampleCall, ...]:
    return sample_calls()[:2]


@pytest.fixture(autouse=True)
def _few_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(analyzer_check, "sample_calls", two_samples)
    small = tuple(edge for edge in edge_calls() if len(edge.transcript.utterances) < 50)
    monkeypatch.setattr(analyzer_check, "edge_calls", lambda: small)


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of the good analyzer."""

    longest_ms: int = 2000
    """Longer silences are noted."""


def finding(analyzer: str, evidence: Evidence, **changes: Any) -> Finding:
    made = Finding(
        rule_id=f"{analyzer}.seen",
        rule_version="1",
        dimension=analyzer,
        title="说明",
        level=Level.LIGHT,
        polarity=Polarity.NOTE,
        who=Role.AGENT,
        evidence=(evidence,),
        confidence=Confidence(value=1.0),
        explanation="这是一条说明。",
    )
    return replace(made, **changes)


class GoodWatch(Watch):
    """Notes every utterance with words, every long silence by a timer, and the end."""

    def __init__(self, analyzer: GoodAnalyzer, so_far: CallSoFar) -> None:
        self.analyzer = analyzer
        self.so_far = so_far
        self.last_end_ms = 0
        self.heard = 0

    def on_speech_start(self, speech: SpeechStart) -> Iterable[Finding]:
        return ()

    def on_utterance(self, facts: UtteranceFacts) -> Iterator[Finding]:
        self.heard += 1
        utterance = facts.utterance
        self.last_end_ms = utterance.end_ms
        self.so_far.set_timer(utterance.end_ms + self.analyzer.options.longest_ms, f"silence {utterance.end_ms}")
        if utterance.text:
            yield finding(self.analyzer.id, self.quote(facts))

    def quote(self, facts: UtteranceFacts) -> Evidence:
        start_ms, end_ms = facts.time_of(0, 1)
        return Evidence(
            operator="keyword",
            start_ms=start_ms,
            end_ms=end_ms,
            utterance=facts.utterance.index,
            start_char=0,
            end_char=1,
            quote=facts.utterance.text[:1],
            role=facts.role,
        )

    def on_timer(self, at_ms: int, name: str) -> Iterable[Finding]:
        if name == f"silence {self.last_end_ms}":
            return [finding(self.analyzer.id, Evidence(operator="silence", start_ms=self.last_end_ms, end_ms=at_ms))]
        return ()

    def on_end(self, end_ms: int) -> Iterable[Finding]:
        evidence = Evidence(operator="omission", start_ms=0, end_ms=end_ms)
        return [finding(self.analyzer.id, evidence, facts={"heard": self.heard})]


class GoodAnalyzer(Analyzer):
    id = "good"
    name = "好维度"
    description = "记录每句话。"
    version = "1"
    Options = Options
    options: Options

    def watch(self, call: CallInfo, so_far: CallSoFar) -> Watch:
        return GoodWatch(self, so_far)


def test_a_good_analyzer_passes() -> None:
    check_analyzer(GoodAnalyzer())


def test_the_authors_own_calls_are_run_too() -> None:
    edge = edge_calls()[2]

    class Counts(GoodAnalyzer):
        seen: list[str] = []  # noqa: RUF012 - the test reads it

        def watch(self, call: CallInfo, so_far: CallSoFar) -> Watch:
            self.seen.append(call.call_id)
            return super().watch(call, so_far)

    check_analyzer(Counts(), also=[(replace(edge.call, call_id="mine"), edge.transcript)])
    assert "mine" in Counts.seen


class EnglishName(GoodAnalyzer):
    name = "good dimension"


class OddId(GoodAnalyzer):
    id = "Good-Dimension"


class NoVersion(GoodAnalyzer):
    version = " "


class LooseOptions(GoodAnalyzer):
    @dataclass
    class Options:  # type: ignore[assignment]
        longest_ms: int = 2000


class NeedyOptions(GoodAnalyzer):
    @dataclass(frozen=True, kw_only=True)
    class Options:  # type: ignore[assignment]
        longest_ms: int

    def __init__(self) -> None:
        super().__init__(self.Options(longest_ms=1))


class EmptyPhrase(GoodAnalyzer):
    def phrases(self) -> Mapping[str, Iterable[str]]:
        return {"bad": ["", "好"]}


class ChangingPhrases(GoodAnalyzer):
    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def phrases(self) -> Mapping[str, Iterable[str]]:
        self.count += 1
        return {"good": ["好" * self.count]}


@pytest.mark.parametrize(
    ("analyzer", "message"),
    [
        (EnglishName, "`name` must be Chinese"),
        (OddId, "snake_case"),
        (NoVersion, "`version` must be a text"),
        (LooseOptions, "must be frozen"),
        (NeedyOptions, "`longest_ms` must have a default"),
        (EmptyPhrase, "phrases of `bad`"),
        (ChangingPhrases, "same phrases each time"),
    ],
)
def test_a_wrong_declaration_is_caught(analyzer: type[Analyzer], message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_analyzer(analyzer())


def broken(**changes: Any) -> type[GoodAnalyzer]:
    """An analyzer whose quotes are changed in their evidence (`e_...`) or finding."""

    class BrokenWatch(GoodWatch):
        def on_utterance(self, facts: UtteranceFacts) -> Iterator[Finding]:
            for good in super().on_utterance(facts):
                evidence = {name[2:]: value for name, value in changes.items() if name.startswith("e_")}
                rest = {name: value for name, value in changes.items() if not name.startswith("e_")}
                yield replace(good, **{"evidence": (replace(good.evidence[0], **evidence),), **rest})

    class Broken(GoodAnalyzer):
        def watch(self, call: CallInfo, so_far: CallSoFar) -> Watch:
            return BrokenWatch(self, so_far)

    return Broken


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rule_id": "other.seen"}, "must begin with the analyzer's id"),
        ({"dimension": "other"}, "`dimension` must be"),
        ({"rule_version": ""}, "`rule_version`"),
        ({"title": "seen"}, "`title` must be Chinese"),
        ({"explanation": "seen"}, "`explanation` must be Chinese"),
        ({"polarity": Polarity.FAULT}, "must give `advice`"),
        ({"confidence": Confidence(value=1.2)}, "from 0 to 1"),
        ({"confidence": Confidence(value=0.5)}, "must give its reasons"),
        ({"evidence": ()}, "without evidence"),
        ({"e_operator": ""}, "`operator`"),
        ({"e_quote": "错"}, "must be exactly text"),
        ({"e_end_char": 999}, "offsets leave the utterance"),
        ({"e_utterance": 999}, "does not exist"),
        ({"e_utterance": None}, "must have no quote"),
        ({"e_start_ms": 900_000}, "in order and inside the call"),
        ({"e_start_ms": -1}, "in order and inside the call"),
        ({"e_start_ms": 0, "e_end_ms": 1}, "within the utterance it quotes"),
    ],
)
def test_a_finding_that_cannot_be_checked_is_caught(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_analyzer(broken(**changes)())


class Prophet(GoodAnalyzer):
    """Ends its silence after the time it was decided."""

    def watch(self, call: CallInfo, so_far: CallSoFar) -> Watch:
        class Ahead(GoodWatch):
            def on_timer(self, at_ms: int, name: str) -> Iterable[Finding]:
                later = Evidence(operator="silence", start_ms=at_ms, end_ms=at_ms + 1)
                return [finding("good", later)]

        return Ahead(self, so_far)


class Raises(GoodAnalyzer):
    def watch(self, call: CallInfo, so_far: CallSoFar) -> Watch:
        class Raising(GoodWatch):
            def on_utterance(self, facts: UtteranceFacts) -> Iterator[Finding]:
                raise KeyError("oops")

        return Raising(self, so_far)


class RaisesLater(GoodAnalyzer):
    def watch(self, call: CallInfo, so_far: CallSoFar) -> Watch:
        class Raising(GoodWatch):
            def on_utterance(self, facts: UtteranceFacts) -> Iterator[Finding]:
                yield from super().on_utterance(facts)
                raise ZeroDivisionError

        return Raising(self, so_far)


class CountsCalls(GoodAnalyzer):
    """Keeps state on the analyzer: a second run differs from the first."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def watch(self, call: CallInfo, so_far: CallSoFar) -> Watch:
        self.calls += 1
        watch = GoodWatch(self, so_far)
        watch.heard = self.calls
        return watch


class SharesWatch(GoodAnalyzer):
    """Counts on the analyzer, but resets at each call: only calls at once give it away."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def watch(self, call: CallInfo, so_far: CallSoFar) -> Watch:
        outer = self
        outer.count = 0

        class Sharing(GoodWatch):
            def on_utterance(self, facts: UtteranceFacts) -> Iterator[Finding]:
                outer.count += 1
                yield from super().on_utterance(facts)

            def on_end(self, end_ms: int) -> Iterable[Finding]:
                self.heard = outer.count
                return super().on_end(end_ms)

        return Sharing(self, so_far)


class LooksAtTheClock(GoodAnalyzer):
    """Finds something at each tick by asking the time now, so ticks change what it finds."""

    def watch(self, call: CallInfo, so_far: CallSoFar) -> Watch:
        class Chatty(GoodWatch):
            def on_timer(self, at_ms: int, name: str) -> Iterable[Finding]:
                return [finding("good", Evidence(operator="silence", start_ms=0, end_ms=at_ms), facts={"now": drift()})]

        return Chatty(self, so_far)


_DRIFT = iter(range(10**9))


def drift() -> int:
    return next(_DRIFT)


class SpoilsFields(GoodAnalyzer):
    def watch(self, call: CallInfo, so_far: CallSoFar) -> Watch:
        assert isinstance(call.fields, dict)
        call.fields["seen"] = "yes"
        return super().watch(call, so_far)


@pytest.mark.parametrize(
    ("analyzer", "message"),
    [
        (Prophet, "inside the call|ends after the finding was decided"),
        (Raises, "the analyzer raised KeyError"),
        (RaisesLater, "the analyzer raised ZeroDivisionError"),
        (CountsCalls, "a second run gave other findings"),
        (SharesWatch, "a replay among other running calls gave other findings"),
        (LooksAtTheClock, "a second run gave other findings"),
        (SpoilsFields, "changed the call or the transcript"),
    ],
)
def test_wrong_conduct_is_caught(analyzer: type[Analyzer], message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_analyzer(analyzer())


def test_the_analyzers_own_exception_is_the_cause() -> None:
    with pytest.raises(AssertionError) as caught:
        check_analyzer(Raises())
    assert isinstance(caught.value.__cause__, KeyError)


def test_edge_calls_are_valid_and_cover_the_edges() -> None:
    calls = edge_calls()
    names = [edge.name for edge in calls]
    assert len(set(names)) == len(names)
    assert max(len(edge.transcript.utterances) for edge in calls) == 500
    assert any(not edge.transcript.utterances for edge in calls)
    for edge in calls:
        order = [(one.start_ms, one.end_ms, one.party) for one in edge.transcript.utterances]
        assert order == sorted(order), edge.name
        assert all(one.end_ms <= edge.transcript.duration_ms for one in edge.transcript.utterances), edge.name
        assert [one.index for one in edge.transcript.utterances] == list(range(len(order))), edge.name
