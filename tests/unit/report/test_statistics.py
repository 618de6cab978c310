"""The call in figures."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qingting.model.call import Role
from qingting.model.transcript import Transcript, Utterance
from qingting.report.statistics import call_statistics, count_units, silences

A, C = Role.AGENT, Role.CUSTOMER


def talk(engine, *rows, duration_ms=20_000):
    """Rows of (party, role, start, end, text)."""
    said = tuple(
        Utterance(index=i, party=p, role=r, role_confidence=1.0, start_ms=s, end_ms=e, text=t)
        for i, (p, r, s, e, t) in enumerate(rows)
    )
    return Transcript(utterances=said, engine=engine, duration_ms=duration_ms)


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("", 0),
        ("，。？", 0),
        ("您好", 2),
        ("SF订单", 3),
        ("120元", 4),
        ("it's OK", 2),
        ("您好，A座 3楼", 6),
        ("𠮷野家", 3),
    ],
)
def test_count_units(text, units):
    assert count_units(text) == units


def test_figures_of_a_known_call(build):
    call = talk(
        build.ENGINE,
        ("right", C, 1000, 4000, "我要退款"),
        ("left", A, 6000, 8000, "好的"),
        ("left", A, 8500, 10_000, "请稍等"),
        ("right", C, 9000, 11_000, "快点"),
        ("left", A, 11_500, 12_000, "嗯"),
    )
    figures = call_statistics(call)
    assert figures.duration_ms == 20_000
    assert figures.silence_ms == 1000 + 2000 + 500 + 500 + 8000
    assert (figures.longest_silence_ms, figures.longest_silence_start_ms) == (8000, 12_000)
    assert figures.overlap_ms == 1000
    assert figures.mean_response_ms == round((2000 + 500) / 2)
    agent, customer = figures.parties
    assert (agent.role, agent.party, customer.role) == (A, "left", C)
    assert (agent.speech_ms, customer.speech_ms) == (4000, 5000)
    assert agent.talk_ratio == pytest.approx(4 / 9, abs=1e-4)
    assert (agent.turns, customer.turns) == (2, 2)
    assert agent.longest_turn_ms == 4000
    assert agent.characters == 6
    assert agent.characters_per_second == 1.5


def test_answer_over_the_customer_took_no_time(build):
    call = talk(build.ENGINE, ("right", C, 0, 5000, "喂"), ("left", A, 4000, 6000, "您好"))
    assert call_statistics(call).mean_response_ms == 0


@pytest.mark.parametrize(
    "rows",
    [
        [("left", A, 0, 1000, "您好")],
        [("left", A, 0, 1000, "您好"), ("right", C, 1000, 2000, "好")],
        [("mono", Role.UNSURE, 0, 1000, "您好"), ("other", Role.UNSURE, 1000, 2000, "好")],
    ],
)
def test_no_response_time_without_an_answered_customer(build, rows):
    assert call_statistics(talk(build.ENGINE, *rows)).mean_response_ms is None


def test_empty_call_is_one_silence(build):
    figures = call_statistics(talk(build.ENGINE, duration_ms=9000))
    assert (figures.silence_ms, figures.longest_silence_ms, figures.longest_silence_start_ms) == (9000, 9000, 0)
    assert figures.parties == ()
    assert figures.overlap_ms == 0


def test_refused_speech_does_not_slow_the_rate(build):
    call = talk(build.ENGINE, ("left", A, 0, 1000, "您好您好"), ("left", A, 2000, 12_000, ""))
    (agent,) = call_statistics(call).parties
    assert agent.characters_per_second == 4.0
    assert agent.speech_ms == 11_000


def test_rate_uses_spoken_form_and_speech_time_without_pauses(build):
    transcript = build.transcript_of([(A, 0, "120元")])
    said = transcript.utterances[0]
    said = replace(said, spoken_text="一百二十元", voice=replace(said.voice, speech_ms=500))
    (agent,) = call_statistics(replace(transcript, utterances=(said,))).parties
    assert (agent.characters, agent.characters_per_second) == (5, 10.0)


def test_text_conversation_without_time_has_no_rate(build):
    (agent,) = call_statistics(talk(build.ENGINE, ("left", A, 0, 0, "您好"), duration_ms=0)).parties
    assert agent.characters_per_second is None
    assert agent.talk_ratio == 0.0


def test_silences_are_cut_at_the_wanted_length(build):
    call = talk(build.ENGINE, ("left", A, 3000, 5000, "您好"), ("right", C, 9999, 12_000, "好"))
    assert silences(call, at_least_ms=4999) == ((5000, 9999), (12_000, 20_000))


@given(st.lists(st.tuples(st.sampled_from(["left", "right"]), st.integers(0, 9000), st.integers(1, 3000)), max_size=12))
def test_time_is_shared_out_without_rest(rows):
    from qingting.model.transcript import EngineIdentity

    engine = EngineIdentity(name="e", model="m", revision="r")
    rows = sorted((start, start + length, party) for party, start, length in rows)
    roles = {"left": A, "right": C}
    call = talk(engine, *((p, roles[p], s, e, "好") for s, e, p in rows), duration_ms=12_000)
    figures = call_statistics(call)
    # The same by brute force: who speaks in every millisecond.
    cells = [{p for s, e, p in rows if s <= ms < e} for ms in range(12_000)]
    assert figures.silence_ms == sum(not cell for cell in cells)
    assert figures.overlap_ms == sum(len(cell) > 1 for cell in cells)
