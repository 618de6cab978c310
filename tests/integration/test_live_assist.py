"""The assistant in the bundled calls: its checklist ends as the report has it, its hints help and are few."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import pairwise

import pytest

from qingting.audio.decode import decode
from qingting.audio.front_end import prepare
from qingting.audio.options import AudioLimits, AudioOptions
from qingting.audio.source import open_source
from qingting.bootstrap import plans
from qingting.bootstrap.assist import assistants
from qingting.inspector import certain_roles, judge
from qingting.live.session import LiveFormat, LiveSession
from qingting.model.call import AgentChannel, CallInfo, Role
from qingting.model.finding import Finding
from qingting.model.live_event import AssistHint, ChecklistChanged, FindingRaised, HintKind, ItemState
from qingting.settings import load_settings
from qingting.speech.decode_desk import DecodeDesk, SameThreadExecutor
from qingting.testing import SampleCall, sample_call, sample_calls
from qingting.testing.known_calls_engine import KnownCallsEngine
from qingting.testing.live_words import LiveStep, live_steps

SAMPLES = sample_calls()
FAULTLESS = ("ecommerce_faultless", "general_faultless", "hold_with_notice", "plan_change_good", "negated_and_quoted",
             "friendly_questions", "two_requests", "knowledge_fits", "cantonese_card_lost")  # fmt: skip
STATES = {
    "done": {ItemState.SAID},
    "omitted": {ItemState.MISSED},
    "not_applicable": {ItemState.NOT_NEEDED, ItemState.SAID},
}
"""What the report says of an item -> states of the checklist that agree: said is said, though nothing asked for it."""


plan_of = plans(load_settings())
open_assistants = cache(lambda: assistants(load_settings(), plan_of))


@dataclass
class Assisted:
    """What the agent of a call was told."""

    hints: list[AssistHint] = field(default_factory=list)
    lists: list[ChecklistChanged] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def topics(self) -> list[str]:
        return [f"{hint.kind.value}/{hint.topic}" for hint in self.hints]

    @property
    def states(self) -> dict[str, ItemState]:
        return {item.id: item.state for item in self.lists[-1].items}


def assisted(call: CallInfo, steps: Iterable[LiveStep], *, without: str = "") -> Assisted:
    """Follow a call; findings of the rule `without` are kept from the assistant."""
    assist, told = open_assistants().open(call), Assisted()
    for step in steps:
        found = [event for event in step.events if isinstance(event, FindingRaised)]
        told.findings += [event.finding for event in found]
        kept = {id(event) for event in found if event.finding.rule_id == without}
        events = [event for event in step.events if id(event) not in kept]
        for event in assist.end(events) if step.ended else assist.hear(events, step.now_ms):
            if isinstance(event, AssistHint):
                told.hints.append(event)
            else:
                assert isinstance(event, ChecklistChanged)
                told.lists.append(event)
    return told


@cache
def by_words(call_id: str, without: str = "") -> Assisted:
    script = sample_call(call_id).script
    steps = live_steps(script.transcript(), script.call, plan_of(script.call.line_of_business))
    return assisted(script.call, steps, without=without)


def by_sound(sample: SampleCall) -> Iterator[LiveStep]:
    """The steps of a real session that hears the call's recording."""
    script, decoded = sample.script, decode(open_source(sample.audio_path, AudioLimits()), AudioOptions())
    channel = AgentChannel(script.party(Role.AGENT))
    roles = (Role.AGENT, Role.CUSTOMER) if channel is AgentChannel.LEFT else (Role.CUSTOMER, Role.AGENT)
    session = LiveSession(
        replace(script.call, agent_channel=channel),
        LiveFormat(rate_hertz=decoded.rate_hertz, channels=2, roles=roles),
        plan_of(script.call.line_of_business),
        engine=KnownCallsEngine([(script, prepare(sample.audio_path))]),
        desk=DecodeDesk(SameThreadExecutor()),
    )
    step = decoded.rate_hertz // 10
    for first in range(0, decoded.pcm.shape[1], step):
        events = session.feed(decoded.pcm[:, first : first + step])
        yield LiveStep(now_ms=session.now_ms, events=events)
    yield LiveStep(now_ms=session.now_ms, events=session.stop())
    _, _, last = session.finish(None)
    yield LiveStep(now_ms=session.now_ms, events=last, ended=True)


def summary_of(findings: Iterable[Finding]) -> Finding | None:
    return next((one for one in findings if one.rule_id == "compliance.execution"), None)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda one: one.id)
def test_words_are_told_as_they_are_judged_afterwards(sample: SampleCall) -> None:
    """The tests below stand on it."""
    transcript, call = sample.transcript(), sample.script.call
    report = judge(
        call=call, roles=certain_roles(transcript), transcript=transcript, plan=plan_of(call.line_of_business)
    )
    assert {one.id for one in by_words(sample.id).findings} == {one.id for one in report.findings}


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda one: one.id)
def test_the_checklist_ends_as_the_report_has_it(sample: SampleCall) -> None:
    """The report's own summary is kept from the assistant: what it followed must come to the same."""
    told = by_words(sample.id, "compliance.execution")
    summary = summary_of(told.findings)
    if summary is None:
        # Nobody answered: the report judges no item of a call with one side.
        assert set(told.states.values()) <= {ItemState.OPEN, ItemState.SAID, ItemState.NOT_NEEDED}
        return
    reported = {item: STATES[str(summary.facts[item])] for item in told.states}
    assert {item: state for item, state in told.states.items() if state not in reported[item]} == {}


@pytest.mark.parametrize("call_id", ["refund_late_answer", "dead_air_no_closing", "hurried_agent", "port_out_blocked"])
def test_so_it_does_when_the_call_is_heard(call_id: str) -> None:
    sample = sample_call(call_id)
    told = assisted(sample.script.call, by_sound(sample), without="compliance.execution")
    summary = summary_of(told.findings)
    assert summary is not None
    assert {item for item, state in told.states.items() if state is ItemState.MISSED} == {
        item for item in told.states if summary.facts[item] == "omitted"
    }
    assert {item for item in told.states if summary.facts[item] == "done"} <= {
        item for item, state in told.states.items() if state is ItemState.SAID
    }
    assert set(told.topics) & set(by_words(call_id).topics)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda one: one.id)
def test_hints_are_few(sample: SampleCall) -> None:
    told = by_words(sample.id)
    assert sum(not hint.urgent for hint in told.hints) <= 4
    assert len(told.hints) <= 5
    times = [hint.at_ms for hint in told.hints]
    assert all(later - earlier >= 5000 for earlier, later in pairwise(times))


@pytest.mark.parametrize("call_id", FAULTLESS)
def test_faultless_calls_get_next_to_none(call_id: str) -> None:
    told = by_words(call_id)
    assert len(told.hints) <= 1
    assert {hint.kind for hint in told.hints} <= {HintKind.KNOWLEDGE}


@pytest.mark.parametrize(
    ("call_id", "topics"),
    [
        ("absolute_promise", ["wording/compliance.absolute_promise", "checklist/identity_check"]),
        ("agent_interrupts", ["pace/responsiveness.interruption", "wording/compliance.forbidden_words"]),
        ("angry_escalation", ["empathy/mood", "risk/threat", "unanswered/keywords.unanswered_complaint"]),
        ("dead_air_no_closing", ["knowledge/plan_details", "waiting/waiting_silence", "checklist/closing"]),
        ("hurried_agent", ["checklist/service_notice"]),
        ("knowledge_not_searched", ["knowledge/roaming", "knowledge/unsure"]),
        ("long_hold", ["knowledge/parcel_signed", "waiting/waiting_hold"]),
        ("long_monologue", ["pace/monologue"]),
        ("refund_late_answer", ["waiting/waiting_answer", "checklist/refund_notice"]),
        ("refusal_eased", ["empathy/mood", "praise/emotion_analyzer.eased"]),
        ("secret_code", ["knowledge/card_fraud", "wording/compliance.secret_request"]),
        ("silence_then_slow", ["waiting/waiting_silence", "empathy/emotion_analyzer.potential_dissatisfaction"]),
        ("voice_message", []),
    ],
)
def test_faults_get_the_hint_that_helps(call_id: str, topics: list[str]) -> None:
    assert by_words(call_id).topics == topics


def test_hints_come_while_something_can_be_done() -> None:
    """The customer is still waiting; the finding comes when the answer is late already."""
    told = by_words("refund_late_answer")
    late = next(one for one in told.findings if one.rule_id == "responsiveness.late_answer")
    assert told.hints[0].at_ms < late.decided_ms
    told = by_words("long_hold")
    held = next(one for one in told.findings if one.rule_id == "responsiveness.long_hold")
    assert told.hints[-1].at_ms < held.decided_ms
