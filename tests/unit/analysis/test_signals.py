"""Signals between dimensions: who hears what, in which order, and who is missing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from qingting.analysis.analyzer import Analyzer, Watch
from qingting.analysis.context import CallSoFar, UtteranceFacts
from qingting.analysis.findings import time_evidence, utterance_evidence
from qingting.analysis.rules.examples import dialogue_call
from qingting.analysis.runner import AnalysisResult, Inspection
from qingting.analysis.signals import MEANING, Signal, SignalName
from qingting.model.call import CallInfo
from qingting.model.finding import Confidence, Finding, Level, Polarity
from qingting.model.report import Gap
from qingting.testing.replay import CallReplay

CALL, TALK = dialogue_call(["坐席：您好", "客户+5：在吗"], source="test")


def note(rule: str, dimension: str, *, role: Any, at_ms: int) -> Finding:
    return Finding(
        rule_id=f"{dimension}.{rule}", rule_version="1", dimension=dimension, title="记录", level=Level.LIGHT,
        polarity=Polarity.NOTE, who=role, evidence=(time_evidence(at_ms, at_ms, operator="test", role=role),),
        confidence=Confidence(value=1.0), explanation="记录。",
    )  # fmt: skip


class Teller(Analyzer):
    """Tells the language of every utterance, and has a finding 3 s after the first."""

    id = "teller"
    name = "讲述"
    description = "测试。"
    version = "1"

    def watch(self, call: CallInfo, so_far: CallSoFar) -> Watch:
        class Telling(Watch):
            def on_utterance(self, facts: UtteranceFacts) -> Iterable[Finding]:
                so_far.publish(
                    Signal(
                        name=SignalName.LANGUAGE, value=facts.utterance.text, role=facts.role,
                        evidence=(utterance_evidence(facts, operator="test"),), confidence=Confidence(value=1.0),
                        utterances=(facts.utterance,),
                    )
                )  # fmt: skip
                if facts.utterance.index == 0:
                    so_far.set_timer(facts.utterance.end_ms + 3000, "late")
                self.role = facts.role
                return ()

            def on_timer(self, at_ms: int, name: str) -> Iterable[Finding]:
                return (note("late", "teller", role=self.role, at_ms=at_ms),)

        return Telling()


class Listener(Analyzer):
    """Keeps what it heard; its id sorts before the teller's, yet it is asked after it."""

    id = "a_listener"
    name = "倾听"
    description = "测试。"
    version = "1"
    listens = frozenset({SignalName.LANGUAGE, SignalName.FINDING})

    def __init__(self, heard: list[tuple[str, str]]) -> None:
        super().__init__()
        self.heard = heard

    def watch(self, call: CallInfo, so_far: CallSoFar) -> Watch:
        heard = self.heard

        class Listening(Watch):
            def take(self, event: str) -> tuple[Finding, ...]:
                heard.extend((event, signal.value) for signal in so_far.take_signals())
                return ()

            def on_utterance(self, facts: UtteranceFacts) -> Iterable[Finding]:
                return self.take(facts.utterance.text)

            def on_signals(self) -> Iterable[Finding]:
                return self.take("timer")

            def on_end(self, end_ms: int) -> Iterable[Finding]:
                self.take("end")
                heard.append(("missing", f"{so_far.missing('teller')}|{so_far.missing('x')}|{so_far.missing(MEANING)}"))
                return ()

            def gaps(self) -> Iterable[Gap]:
                return (Gap(what="own", reason="自有的缺口。"),)

        return Listening()


def inspect(*analyzers: Analyzer) -> AnalysisResult:
    return Inspection(analyzers).analyze(TALK, CALL)


def test_a_listener_knows_at_every_event_what_the_others_made_of_it() -> None:
    heard: list[tuple[str, str]] = []
    result = inspect(Listener(heard), Teller())
    assert heard == [
        ("您好", "您好"), ("timer", "teller.late"), ("在吗", "在吗"), ("missing", "|未启用|没有可用的语义向量"),
    ]  # fmt: skip
    assert result.failures == ()
    assert [one.reason for one in result.gaps if one.what == "own"] == ["自有的缺口。"]


def test_live_signals_come_in_the_same_order() -> None:
    heard: list[tuple[str, str]] = []
    inspection = Inspection([Listener(heard), Teller()])
    inspection.analyze(TALK, CALL)
    afterwards = list(heard)
    for seed in range(4):
        heard.clear()
        CallReplay(CALL, TALK, inspection, seed=seed).run()
        assert heard == afterwards


def test_what_nobody_wants_is_not_kept() -> None:
    running = Inspection([Teller()]).open(CALL)
    first = TALK.utterances[0]
    running.speech_started("left", first.role, first.start_ms)
    running.hear(first)
    assert running._board.signals == []


class BadGaps(Listener):
    """Fails when asked for its gaps."""

    def watch(self, call: CallInfo, so_far: CallSoFar) -> Watch:
        class Bad(Watch):
            def on_utterance(self, facts: UtteranceFacts) -> Iterable[Finding]:
                return ()

            def gaps(self) -> Iterable[Gap]:
                raise RuntimeError("您好")

        return Bad()


def test_a_listener_that_fails_is_a_failure_of_its_own() -> None:
    result = inspect(BadGaps([]), Teller())
    assert [(one.analyzer, one.error_type) for one in result.failures] == [("a_listener", "RuntimeError")]
