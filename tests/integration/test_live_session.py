"""A running call gives the utterances and findings of its recording."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from qingting.audio.decode import decode
from qingting.audio.front_end import prepare
from qingting.audio.options import AudioLimits, AudioOptions
from qingting.audio.roles import apply_roles, decide_roles
from qingting.audio.source import open_source
from qingting.bootstrap import plans
from qingting.errors import InputError
from qingting.inspector import judge
from qingting.live.session import LiveFormat, LiveSession
from qingting.model.call import AgentChannel, CallInfo, Role
from qingting.model.live_event import EmotionChanged, FinalUtterance, FindingRaised, RiskRaised
from qingting.model.transcript import Transcript
from qingting.settings import load_settings
from qingting.speech.decode_desk import DecodeDesk, SameThreadExecutor
from qingting.speech.recognizer import Recognizer
from qingting.testing import sample_calls
from qingting.testing.known_calls_engine import KnownCallsEngine

TWO_CHANNELS = [one for one in sample_calls() if one.script.audio is not None and one.script.audio.channels == 2]


@pytest.fixture(scope="module")
def plan_for():
    return plans(load_settings())


def agent_channel(sample) -> AgentChannel:
    return AgentChannel(sample.script.party(Role.AGENT))


@pytest.mark.parametrize("sample", TWO_CHANNELS, ids=lambda one: one.id)
def test_live_is_afterwards(sample, plan_for) -> None:
    script = sample.script
    channel = agent_channel(sample)
    call = replace(script.call, agent_channel=channel)
    plan = plan_for(script.call.line_of_business)
    audio = prepare(sample.audio_path)
    engine = KnownCallsEngine([(script, audio)])
    utterances, identity = Recognizer(engine).transcribe(audio, corrector=plan.corrector)
    decision = decide_roles(utterances, audio.parties, channel)
    transcript = Transcript(
        utterances=apply_roles(utterances, decision), engine=identity, duration_ms=audio.format.duration_ms
    )
    afterwards = judge(call=call, roles=decision, transcript=transcript, plan=plan)

    decoded = decode(open_source(sample.audio_path, AudioLimits()), AudioOptions())
    roles = (Role.AGENT, Role.CUSTOMER) if channel is AgentChannel.LEFT else (Role.CUSTOMER, Role.AGENT)
    form = LiveFormat(rate_hertz=decoded.rate_hertz, channels=2, roles=roles)
    session = LiveSession(call, form, plan, engine=engine, desk=DecodeDesk(SameThreadExecutor()))
    events = []
    step = decoded.rate_hertz // 5
    for first in range(0, decoded.pcm.shape[1], step):
        events += session.feed(decoded.pcm[:, first : first + step])
    events += session.stop()
    assert session.done
    heard, live, last = session.finish(None)
    events += last
    assert [(u.party, u.start_ms, u.end_ms, u.text) for u in heard.transcript.utterances] == [
        (u.party, u.start_ms, u.end_ms, u.text) for u in transcript.utterances
    ]
    raised = [event.finding for event in events if isinstance(event, FindingRaised)]
    assert [one.id for one in raised] == [one.id for one in live.findings]
    assert {f.id for f in live.findings} == {f.id for f in afterwards.findings}
    assert live.score.total == afterwards.score.total


@pytest.mark.parametrize("sample", TWO_CHANNELS[::3], ids=lambda one: one.id)
def test_roles_that_nobody_gave_are_decided_at_the_end_as_in_the_recording(sample, plan_for) -> None:
    call, plan = (
        replace(sample.script.call, agent_channel=AgentChannel.AUTO),
        plan_for(sample.script.call.line_of_business),
    )
    audio = prepare(sample.audio_path)
    engine = KnownCallsEngine([(sample.script, audio)])
    utterances, identity = Recognizer(engine).transcribe(audio, corrector=plan.corrector)
    decision = decide_roles(utterances, audio.parties, AgentChannel.AUTO, direction=call.direction)
    transcript = Transcript(
        utterances=apply_roles(utterances, decision), engine=identity, duration_ms=audio.format.duration_ms
    )
    afterwards = judge(call=call, roles=decision, transcript=transcript, plan=plan)

    decoded = decode(open_source(sample.audio_path, AudioLimits()), AudioOptions())
    form = LiveFormat(rate_hertz=decoded.rate_hertz, channels=2)
    session = LiveSession(call, form, plan, engine=engine, desk=DecodeDesk(SameThreadExecutor()))
    session.feed(decoded.pcm)
    session.stop()
    heard, live, _ = session.finish(None)
    assert heard.roles == live.roles == decision
    assert heard.roles.agent
    assert [one.role for one in live.transcript.utterances] == [one.role for one in transcript.utterances]
    assert [one.id for one in live.findings] == [one.id for one in afterwards.findings]
    assert live.score.total == afterwards.score.total


def test_words_that_threaten_warn_before_the_sentence_is_over(plan_for) -> None:
    sample = next(one for one in TWO_CHANNELS if one.id == "angry_escalation")
    decoded = decode(open_source(sample.audio_path, AudioLimits()), AudioOptions())
    engine = KnownCallsEngine([(sample.script, prepare(sample.audio_path))])
    roles = (Role.AGENT, Role.CUSTOMER) if agent_channel(sample) is AgentChannel.LEFT else (Role.CUSTOMER, Role.AGENT)
    form = LiveFormat(rate_hertz=decoded.rate_hertz, channels=2, roles=roles)
    plan = plan_for(sample.script.call.line_of_business)
    session = LiveSession(sample.script.call, form, plan, engine=engine, desk=DecodeDesk(SameThreadExecutor()))
    events = []
    step = decoded.rate_hertz // 10
    for first in range(0, decoded.pcm.shape[1], step):
        events += session.feed(decoded.pcm[:, first : first + step])
    events += session.stop()
    warned = [event for event in events if isinstance(event, RiskRaised) and "投诉" in event.quote]
    finals = {event.utterance.start_ms: event.at_ms for event in events if isinstance(event, FinalUtterance)}
    assert warned
    assert any(event.at_ms < finals[event.start_ms] for event in warned)
    moods = [event.mood for event in events if isinstance(event, EmotionChanged) and event.role is Role.CUSTOMER]
    assert "angry" in moods
    assert all(first != second for first, second in itertools.pairwise(moods))


def test_sound_after_the_end_and_of_another_shape_is_refused(plan_for) -> None:
    form = LiveFormat(rate_hertz=8000, channels=2, roles=(Role.AGENT, Role.CUSTOMER))
    engine = KnownCallsEngine([])
    session = LiveSession(
        CallInfo(call_id="x"), form, plan_for("general"), engine=engine, desk=DecodeDesk(SameThreadExecutor())
    )
    with pytest.raises(InputError):
        session.feed(np.zeros((1, 800), np.int16))
    with pytest.raises(InputError):
        session.finish(None)
    session.feed(np.zeros((2, 8000), np.int16))
    session.stop()
    _, report, _ = session.finish(None)
    assert report.transcript.utterances == ()
    assert not report.score.valid
    with pytest.raises(InputError):
        session.feed(np.zeros((2, 800), np.int16))


@pytest.mark.parametrize(("rate", "channels"), [(44100, 2), (8000, 3), (8000, 0)])
def test_a_wrong_format_is_refused(plan_for, rate: int, channels: int) -> None:
    with pytest.raises(InputError):
        LiveSession(
            CallInfo(call_id="x"),
            LiveFormat(rate_hertz=rate, channels=channels),
            plan_for("general"),
            engine=KnownCallsEngine([]),
            desk=DecodeDesk(SameThreadExecutor()),
        )
