"""Facts per utterance and what is known of the call until now."""

from __future__ import annotations

from dataclasses import replace

import pytest

from qingting.analysis.character_times import CharacterTimes
from qingting.analysis.context import CallSoFar, CallState, Timers
from qingting.analysis.text import PhraseBook
from qingting.model.audio import VoiceFacts
from qingting.model.call import CallInfo, Role
from qingting.model.transcript import TimedText, Utterance

BASE = Utterance(
    index=0, party="left", role=Role.AGENT, role_confidence=1.0, start_ms=1000, end_ms=3000, text="好，VIP是120。",
    spoken_text="好，VIP是一百二十。",
    characters=(
        TimedText(text="好", start_ms=1000, end_ms=1200),
        TimedText(text="VIP", start_ms=1400, end_ms=1900),
        TimedText(text="是", start_ms=1900, end_ms=2000),
        TimedText(text="120", start_ms=2000, end_ms=2900),
    ),
)  # fmt: skip


def voice(**changes: object) -> VoiceFacts:
    fields: dict[str, object] = {
        "voiced_ms": 500, "voiced_ratio": 0.5, "speech_ms": 1000, "loudness_dbfs": -20.0, "loudness_range_db": 6.0,
        "pitch_hertz": 200.0, "pitch_range_semitones": 3.0, "final_pitch_slope": 0.0, "pause_before_ms": 0, **changes,
    }  # fmt: skip
    return VoiceFacts(**fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("start", "end", "span"),
    [
        (0, 1, (1000, 1200)),
        (2, 5, (1400, 1900)),
        (3, 4, (1400, 1900)),  # within a Latin word: the word's time
        (5, 9, (1900, 2900)),
        (0, 10, (1000, 2900)),
    ],
)
def test_times_come_from_the_characters(start: int, end: int, span: tuple[int, int]) -> None:
    assert CharacterTimes(BASE).span(start, end) == span


def test_without_character_times_the_span_is_spread_evenly() -> None:
    plain = replace(BASE, characters=(), text="一二三四五六七八九十")
    assert CharacterTimes(plain).span(0, 10) == (1000, 3000)
    assert CharacterTimes(plain).span(5, 6) == (2000, 2200)
    assert CharacterTimes(replace(BASE, characters=(), text="")).span(0, 0) == (1000, 1000)


def test_times_outside_the_utterance_are_brought_back_into_it() -> None:
    wrong = replace(BASE, text="好吧", characters=(TimedText(text="好", start_ms=0, end_ms=9000),))
    assert CharacterTimes(wrong).span(0, 1) == (1000, 3000)


def state() -> CallState:
    return CallState(CallInfo(call_id="test"), PhraseBook({}))


def say(call: CallState, **changes: object):
    utterance = replace(BASE, **changes)
    call.start(utterance.party, utterance.role, utterance.start_ms)
    return call.add(utterance)


def test_numbers_count_as_spoken_and_speech_time_leaves_pauses_out() -> None:
    facts = say(state(), voice=voice(speech_ms=1500))
    assert facts.characters == len("好vip是一百二十")
    assert facts.speech_ms == 1500
    assert facts.characters_per_second == pytest.approx(9000 / 1500)
    assert say(state()).speech_ms == 2000
    assert say(state(), text="", spoken_text="").characters_per_second is None


def test_baselines_are_those_before_the_utterance_and_per_role() -> None:
    call = state()
    first = say(call, voice=voice(pitch_hertz=180.0, loudness_dbfs=-30.0, speech_ms=1000))
    assert first.baseline.utterances == 0
    assert first.baseline.characters_per_second is None
    say(call, index=1, role=Role.CUSTOMER, party="right", start_ms=3000, end_ms=4000)
    say(call, index=2, start_ms=5000, end_ms=6000, voice=voice(pitch_hertz=220.0, loudness_dbfs=-20.0, speech_ms=3000))
    third = say(call, index=3, start_ms=7000, end_ms=8000, voice=voice(pitch_hertz=None))
    assert third.baseline.utterances == 2
    assert third.baseline.pitch_hertz == 200.0
    assert third.baseline.loudness_dbfs == pytest.approx((-30.0 * 1 + -20.0 * 3) / 4)
    assert third.baseline.speech_ms == 4000
    assert third.pause_before_ms == 1000


def test_who_speaks_and_since_when_it_is_silent() -> None:
    call = state()
    so_far = CallSoFar(call, Timers(), "one")
    assert so_far.silent_since_ms is None
    call.start("left", Role.AGENT, 1000)
    call.start("right", Role.CUSTOMER, 2000)
    assert so_far.is_speaking(Role.AGENT)
    assert so_far.speaking_since(Role.CUSTOMER) == 2000
    call.add(BASE)
    assert not so_far.is_speaking(Role.AGENT)
    assert so_far.silent_since_ms is None
    call.add(replace(BASE, index=1, party="right", role=Role.CUSTOMER, start_ms=2000, end_ms=3500))
    assert so_far.silent_since_ms == 3500
    assert so_far.role(Role.AGENT).last_start_ms == 1000
    assert so_far.role(Role.CUSTOMER).last_end_ms == 3500
    assert [one.index for one in so_far.utterances] == [0, 1]


def test_timers_of_two_analyzers_with_one_name_are_two_timers() -> None:
    timers = Timers()
    timers.set("one", 5, "t")
    timers.set("two", 5, "t")
    timers.cancel("one", "t")
    timers.cancel("one", "unknown")
    assert list(timers.due(5)) == [(5, "two", "t")]
    assert list(timers.due(99)) == []
