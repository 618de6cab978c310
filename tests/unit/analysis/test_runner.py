"""One order of events, checked findings, failures that stay with their analyzer, honest gaps."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import ClassVar

import pytest

from qingting.analysis.analyzer import Analyzer, SpeechStart, Watch
from qingting.analysis.context import CallSoFar, UtteranceFacts
from qingting.analysis.runner import CallAnalysis, Inspection, analyze, event_key_of_start, event_key_of_utterance
from qingting.errors import InputError
from qingting.model.audio import VoiceFacts
from qingting.model.call import CallInfo, Role
from qingting.model.finding import Confidence, Evidence, Finding, Level, Polarity
from qingting.model.transcript import Flag, Transcript, Utterance

CALL = CallInfo(call_id="test")


def a_finding(**changes: object) -> Finding:
    fields: dict[str, object] = {
        "rule_id": "spy.rule",
        "rule_version": "1",
        "dimension": "spy",
        "title": "题目",
        "level": Level.LIGHT,
        "polarity": Polarity.FAULT,
        "who": Role.AGENT,
        "evidence": (Evidence(operator="silence", start_ms=0, end_ms=1),),
        "confidence": Confidence(value=1.0),
        "explanation": "说明",
        "advice": "建议",
        **changes,
    }
    return Finding(**fields)  # type: ignore[arg-type]


@dataclass
class Script:
    """What the spy does at each event; returns findings or raises."""

    on_start: Callable[[SpeechStart, CallSoFar], Iterable[Finding]] = lambda _, __: ()
    on_utterance: Callable[[UtteranceFacts, CallSoFar], Iterable[Finding]] = lambda _, __: ()
    on_timer: Callable[[int, str, CallSoFar], Iterable[Finding]] = lambda _, __, ___: ()
    on_end: Callable[[int, CallSoFar], Iterable[Finding]] = lambda _, __: ()


class SpyWatch(Watch):
    def __init__(self, script: Script, so_far: CallSoFar) -> None:
        self.script = script
        self.so_far = so_far

    def on_speech_start(self, speech: SpeechStart) -> Iterable[Finding]:
        return self.script.on_start(speech, self.so_far)

    def on_utterance(self, facts: UtteranceFacts) -> Iterable[Finding]:
        return self.script.on_utterance(facts, self.so_far)

    def on_timer(self, at_ms: int, name: str) -> Iterable[Finding]:
        return self.script.on_timer(at_ms, name, self.so_far)

    def on_end(self, end_ms: int) -> Iterable[Finding]:
        return self.script.on_end(end_ms, self.so_far)


class Spy(Analyzer):
    id: ClassVar[str] = "spy"
    name: ClassVar[str] = "探子"
    description: ClassVar[str] = "测试用。"
    version: ClassVar[str] = "1"

    def __init__(self, script: Script) -> None:
        super().__init__()
        self.script = script

    def phrases(self) -> dict[str, list[str]]:
        return {"x": ["退款"]}

    def watch(self, call: CallInfo, so_far: CallSoFar) -> Watch:
        return SpyWatch(self.script, so_far)


class OtherSpy(Spy):
    id: ClassVar[str] = "other"

    def phrases(self) -> dict[str, list[str]]:
        return {"x": ["您好"]}


class AudioSpy(Spy):
    id: ClassVar[str] = "audio_spy"
    needs_audio: ClassVar[bool] = True


class Rolefree(Spy):
    id: ClassVar[str] = "rolefree"
    needs_roles: ClassVar[bool] = False


def test_events_come_in_order_of_time_and_ends_before_starts(talk) -> None:
    seen: list[str] = []
    script = Script(
        on_start=lambda speech, _: seen.append(f"start {speech.role} {speech.at_ms}") or (),
        on_utterance=lambda facts, _: seen.append(f"end {facts.role} {facts.utterance.end_ms}") or (),
        on_end=lambda end_ms, _: seen.append(f"over {end_ms}") or (),
    )
    analyze(talk("A/1000 您好", "C+0/2000 退款", "A-1000/3000 请稍等"), CALL, [Spy(script)])
    assert seen == [
        "start agent 600", "end agent 1600", "start customer 1600", "start agent 2600",
        "end customer 3600", "end agent 5600", "over 7600",
    ]  # fmt: skip


def test_timers_fire_before_later_events_and_do_not_depend_on_ticks(talk) -> None:
    transcript = talk("A/1000 您好", "C+9000/1000 退款")

    def run(ticks: list[int]) -> list[tuple[str, int]]:
        seen: list[tuple[str, int]] = []

        def heard(facts: UtteranceFacts, so_far: CallSoFar) -> tuple[()]:
            seen.append(("heard", so_far.now_ms))
            so_far.set_timer(so_far.now_ms + 5000, "late")
            so_far.set_timer(so_far.now_ms + 2000, "early")
            so_far.set_timer(so_far.now_ms + 3000, "cancelled")
            so_far.set_timer(so_far.now_ms + 60_000, "never")
            so_far.cancel_timer("cancelled")
            return ()

        def timer(at_ms: int, name: str, so_far: CallSoFar) -> tuple[()]:
            assert so_far.now_ms == at_ms
            seen.append((name, at_ms))
            return ()

        analysis = CallAnalysis(CALL, [Spy(Script(on_utterance=heard, on_timer=timer))])
        first, second = transcript.utterances
        analysis.speech_started(first.party, first.role, first.start_ms)
        analysis.hear(first)
        for tick in ticks:
            analysis.advance(tick)
        analysis.speech_started(second.party, second.role, second.start_ms)
        analysis.hear(second)
        analysis.finish(transcript.duration_ms)
        return seen

    expected = [("heard", 1600), ("early", 3600), ("late", 6600), ("heard", 11_600), ("early", 13_600)]
    assert run([]) == expected
    assert run([1600, 3599, 3600, 6600, 6601, 10_600]) == expected


def test_a_timer_due_at_an_events_time_fires_before_it(talk) -> None:
    seen: list[str] = []
    script = Script(
        on_start=lambda speech, so_far: (seen.append("start"), so_far.set_timer(1600, "t"))[:0],
        on_utterance=lambda _, __: seen.append("heard") or (),
        on_timer=lambda _, name, __: seen.append(name) or (),
    )
    analyze(talk("A/1000 您好"), CALL, [Spy(script)])
    assert seen == ["start", "t", "heard"]


def test_setting_a_timer_again_moves_it(talk) -> None:
    seen: list[int] = []
    script = Script(
        on_utterance=lambda facts, so_far: so_far.set_timer(facts.utterance.end_ms + 1500, "t") or (),
        on_timer=lambda at_ms, _, __: seen.append(at_ms) or (),
    )
    analyze(talk("A/1000 您好", "C+500/500 喂"), CALL, [Spy(script)])
    assert seen == [4100]


def test_findings_get_number_and_time_of_decision(talk) -> None:
    script = Script(on_utterance=lambda _, __: [a_finding(), a_finding(rule_id="spy.other")])
    result = analyze(talk("A/1000 您好", "C+500/500 喂"), CALL, [Spy(script)])
    assert [(one.id, one.decided_ms) for one in result.findings] == [
        ("spy.rule#1", 1600), ("spy.other#1", 1600), ("spy.rule#2", 2600), ("spy.other#2", 2600),
    ]  # fmt: skip


def test_a_failing_analyzer_ends_alone_and_its_earlier_findings_stand(talk) -> None:
    def fail(facts: UtteranceFacts, _: CallSoFar) -> Iterable[Finding]:
        yield a_finding()
        if facts.utterance.index:
            raise ZeroDivisionError("客户的话")

    other: list[int] = []
    healthy = OtherSpy(Script(on_utterance=lambda facts, _: other.append(facts.utterance.index) or ()))
    result = analyze(talk("A 您好", "C 喂", "A 请讲"), CALL, [Spy(Script(on_utterance=fail)), healthy])
    assert [one.id for one in result.findings] == ["spy.rule#1", "spy.rule#2"]
    assert [(one.analyzer, one.name, one.error_type) for one in result.failures] == [
        ("spy", "探子", "ZeroDivisionError")
    ]
    assert other == [0, 1, 2]


def test_an_analyzer_that_cannot_open_its_watch_fails_at_the_start(talk) -> None:
    class Broken(Spy):
        def watch(self, call: CallInfo, so_far: CallSoFar) -> Watch:
            raise KeyError("x")

    result = analyze(talk("A 您好"), CALL, [Broken(Script())])
    assert [(one.error_type, one.at_ms) for one in result.failures] == [("KeyError", 0)]


QUOTE = Evidence(operator="keyword", start_ms=600, end_ms=1600, utterance=0, start_char=0, end_char=2, quote="您好")


@pytest.mark.parametrize(
    "change",
    [
        {"dimension": "other"},
        {"rule_id": "other.rule"},
        {"rule_version": ""},
        {"title": ""},
        {"explanation": ""},
        {"advice": ""},
        {"confidence": Confidence(value=1.2)},
        {"evidence": ()},
        {"evidence": (Evidence(operator="", start_ms=0, end_ms=1),)},
        {"evidence": (Evidence(operator="silence", start_ms=2, end_ms=1),)},
        {"evidence": (Evidence(operator="silence", start_ms=-1, end_ms=1),)},
        {"evidence": (Evidence(operator="silence", start_ms=0, end_ms=1601),)},
        {"evidence": (Evidence(operator="silence", start_ms=0, end_ms=1, quote="您"),)},
        {"evidence": (replace(QUOTE, quote="你好"),)},
        {"evidence": (replace(QUOTE, end_char=3, quote="您好"),)},
        {"evidence": (replace(QUOTE, end_char=9),)},
        {"evidence": (replace(QUOTE, start_char=2, quote=""),)},
        {"evidence": (replace(QUOTE, utterance=1),)},
        {"evidence": (replace(QUOTE, start_ms=599),)},
    ],
)
def test_an_invalid_finding_is_its_analyzers_failure(talk, change: dict[str, object]) -> None:
    script = Script(on_utterance=lambda _, __: [a_finding(**change)])
    result = analyze(talk("A/1000 您好", tail_ms=9000), CALL, [Spy(script)])
    assert [one.error_type for one in result.failures] == ["InvalidFindingError"]
    assert result.findings == ()


def test_a_valid_quote_and_a_note_without_advice_pass(talk) -> None:
    note = a_finding(evidence=(QUOTE,), polarity=Polarity.NOTE, advice="")
    result = analyze(talk("A/1000 您好"), CALL, [Spy(Script(on_utterance=lambda _, __: [note]))])
    assert result.failures == ()
    assert len(result.findings) == 1


def test_hits_are_private_to_their_analyzer(talk) -> None:
    seen: dict[str, list[str]] = {}

    def keep(owner: str) -> Script:
        def heard(facts: UtteranceFacts, _: CallSoFar) -> tuple[()]:
            seen[owner] = [hit.phrase for hit in facts.hits("x")]
            return ()

        return Script(on_utterance=heard)

    analyze(talk("C 您好我要退款"), CALL, [Spy(keep("spy")), OtherSpy(keep("other"))])
    assert seen == {"spy": ["退款"], "other": ["您好"]}


def _utterances(transcript: Transcript) -> tuple[Utterance, ...]:
    return transcript.utterances


def test_events_out_of_order_are_refused(talk) -> None:
    first, second = _utterances(talk("A/1000 您好", "C+500/500 喂"))
    analysis = CallAnalysis(CALL, [])
    with pytest.raises(InputError, match="without a speech start"):
        analysis.hear(first)
    analysis.speech_started(first.party, first.role, first.start_ms)
    with pytest.raises(InputError, match="without a speech start"):
        analysis.hear(second)
    analysis.hear(first)
    with pytest.raises(InputError, match="came after"):
        analysis.speech_started(second.party, second.role, first.end_ms - 1)
    with pytest.raises(InputError, match="came after"):
        analysis.advance(first.end_ms - 1)
    analysis.speech_started(second.party, second.role, second.start_ms)
    with pytest.raises(InputError, match="heard twice"):
        analysis.hear(replace(second, index=0))
    analysis.hear(second)
    with pytest.raises(InputError, match="came after"):
        analysis.finish(second.end_ms - 1)
    analysis.finish(second.end_ms)
    with pytest.raises(InputError, match="finished"):
        analysis.advance(99_999)


def test_errors_hold_no_words_of_the_call(talk) -> None:
    (only,) = _utterances(talk("C 我的身份证是四四零"))
    with pytest.raises(InputError) as caught:
        CallAnalysis(CALL, []).hear(only)
    assert "身份证" not in str(caught.value) + caught.value.remedy


def test_event_keys_put_ends_before_starts_and_empty_utterances_last(talk) -> None:
    (speech,) = _utterances(talk("A+1000/1000 您好"))
    empty = replace(speech, start_ms=2000, party="right")
    keys = [event_key_of_utterance(empty), event_key_of_start("right", 2000), event_key_of_utterance(speech)]
    assert sorted(keys) == keys[::-1]


def test_an_utterance_without_length_is_heard_after_its_start(talk) -> None:
    heard: list[int] = []
    (speech,) = _utterances(talk("A/1000 您好"))
    transcript = replace(talk("A/1000 您好"), utterances=(replace(speech, end_ms=speech.start_ms),))
    analyze(transcript, CALL, [Spy(Script(on_utterance=lambda facts, _: heard.append(facts.utterance.index) or ()))])
    assert heard == [0]


def _gaps(transcript: Transcript, *kinds: type[Spy]) -> set[str]:
    return {gap.what for gap in analyze(transcript, CALL, [kind(Script()) for kind in kinds]).gaps}


def test_gaps_tell_what_was_not_inspected(talk) -> None:
    both = ("A 您好", "C 退款")
    assert _gaps(talk(*both), Spy) == set()
    assert _gaps(talk(*both), Spy, AudioSpy) == {"analyzer:audio_spy"}
    assert _gaps(talk(), Spy) == {"analyzer:spy"}
    assert _gaps(talk("A 您好"), Spy) == {"one_sided"}
    assert _gaps(talk("U 您好", "U 退款"), Spy, Rolefree) == {"analyzer:spy", "roles"}
    assert _gaps(talk(*both, "U 喂"), Spy) == {"roles"}
    assert _gaps(talk(*both, flags=(Flag.REFUSED,)), Spy) == {"recognition"}


def test_gap_reasons_are_chinese_sentences_that_name_the_analyzer(talk) -> None:
    (gap,) = analyze(talk("A 您好", "C 喂"), CALL, [AudioSpy(Script())]).gaps
    assert gap.reason.startswith("“探子”未检查：")
    assert gap.reason.endswith("。")


VOICE = VoiceFacts(
    voiced_ms=500, voiced_ratio=0.5, speech_ms=800, loudness_dbfs=-20.0, loudness_range_db=6.0, pitch_hertz=200.0,
    pitch_range_semitones=3.0, final_pitch_slope=0.0, pause_before_ms=0,
)  # fmt: skip


def test_an_analyzer_that_needs_audio_gets_only_utterances_with_acoustic_facts(talk) -> None:
    heard: list[int] = []
    ends: list[int] = []
    script = Script(
        on_utterance=lambda facts, _: heard.append(facts.utterance.index) or (),
        on_end=lambda end_ms, _: ends.append(end_ms) or (),
    )
    transcript = talk("A 您好", "C 喂")
    analyze(transcript, CALL, [AudioSpy(script)])
    assert (heard, ends) == ([], [])
    first, second = transcript.utterances
    analyze(replace(transcript, utterances=(first, replace(second, voice=VOICE))), CALL, [AudioSpy(script)])
    assert (heard, ends) == ([1], [transcript.duration_ms])


def test_speech_that_never_got_words_is_a_gap() -> None:
    analysis = CallAnalysis(CALL, [Spy(Script())])
    analysis.speech_started("left", Role.AGENT, 100)
    analysis.finish(2000)
    assert "recognition" in {gap.what for gap in analysis.gaps}


def test_one_inspection_serves_many_calls_at_once(talk) -> None:
    inspection = Inspection([Spy(Script(on_utterance=lambda _, __: [a_finding()]))])
    one, two = inspection.open(CALL), inspection.open(CALL)
    for utterance in talk("A 您好", "C 喂").utterances:
        for analysis in (one, two):
            analysis.speech_started(utterance.party, utterance.role, utterance.start_ms)
            analysis.hear(utterance)
    assert (
        [finding.id for finding in one.findings]
        == [finding.id for finding in two.findings]
        == ["spy.rule#1", "spy.rule#2"]
    )
