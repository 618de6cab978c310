"""The bundled calls: complete, decodable, true to their scripts."""

from __future__ import annotations

import csv
import hashlib
import re
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from qingting.analysis.desktop_events import load_desktop_events
from qingting.analysis.discovery import discover
from qingting.model.call import Role
from qingting.testing import CallScript, SampleCall, sample_call, sample_calls, sample_folder

IDS = sorted(path.stem for path in sample_folder().glob("*.yaml"))
STEREO = [name for name in IDS if sample_call(name).script.audio.channels == 2]  # type: ignore[union-attr]
RULES = {
    "keywords": {"unanswered_complaint", "negative", "positive"},
    "responsiveness": {
        "late_answer",
        "dead_air",
        "long_hold",
        "interruption",
        "monologue",
        "fast_speech",
        "talk_ratio",
    },
    "compliance": {
        "opening",
        "closing",
        "forbidden_words",
        "absolute_promise",
        "service_notice",
        "further_help",
        "identity_check",
        "refund_notice",
        "risk_notice",
        "suitability",
        "double_recording",
        "guaranteed_return",
        "secret_request",
        "collection_threat",
        "plan_confirm",
        "tariff_notice",
        "effective_date",
        "port_information",
        "port_obstruction",
    },
}
NAMED = {"compliance": {"loan_cost", "contract_term", "contract_penalty", "forced_sale"}}
"""Rules that calls name as near misses only."""
NEW_DIMENSIONS = {"emotion_analyzer", "resolution", "knowledge", "dialect_detector", "contact_reason", "custom_rules"}
OTHERS = {kind.id for kind in discover()} - RULES.keys()
"""Dimensions whose rules the calls may name without covering them all."""
TOTAL_BYTES = 6_000_000
BUSINESSES = {"general", "ecommerce", "finance", "telecom"}


@cache
def decoded(name: str) -> tuple[NDArray[np.float32], int]:
    """Samples [channels, samples] at the file's rate."""
    import av

    sample = sample_call(name)
    with av.open(str(sample.audio_path)) as container:
        context = container.streams.audio[0].codec_context
        rate = context.sample_rate
        layout = "stereo" if context.channels == 2 else "mono"
        resampler = av.AudioResampler(format="s16p", layout=layout, rate=rate)
        blocks = [part.to_ndarray() for frame in container.decode(audio=0) for part in resampler.resample(frame)]
    return np.concatenate(blocks, axis=1).astype(np.float32) / 32768, rate


def level_db(samples: NDArray[np.float32]) -> float:
    return float(10 * np.log10(np.mean(samples.astype(np.float64) ** 2) + 1e-12))


def channel_of(script: CallScript, role: Role) -> int:
    return {"left": 0, "right": 1}[script.party(role)]


def test_there_are_enough_calls_and_they_come_in_order() -> None:
    assert len(IDS) >= 26
    assert sum(sample.script.faultless for sample in sample_calls()) >= 8
    assert [sample.id for sample in sample_calls()] == IDS
    with pytest.raises(KeyError):
        sample_call("no such call")


def test_all_recordings_together_stay_small() -> None:
    assert sum(sample.audio_path.stat().st_size for sample in sample_calls()) <= TOTAL_BYTES


def test_the_formats_of_call_recorders_are_covered() -> None:
    formats = {
        (sample.script.audio.codec, sample.script.audio.channels)  # type: ignore[union-attr]
        for sample in sample_calls()
    }
    wanted = {("pcm_s16le", 1), ("pcm_alaw", 2), ("libmp3lame", 1), ("libmp3lame", 2), ("aac", 2)}
    wanted |= {("libopencore_amrnb", 1), ("amr_wb", 1), ("libopus", 1), ("libopus", 2)}
    assert wanted <= formats
    sides = {sample.script.call.agent_channel.value for sample in sample_calls()}
    assert sides == {"left", "right", "auto"}
    assert {sample.script.call.line_of_business for sample in sample_calls()} == BUSINESSES


@pytest.mark.parametrize("name", IDS)
def test_the_recording_is_the_one_the_times_were_measured_on(name: str) -> None:
    sample = sample_call(name)
    assert sample.script.measured
    assert hashlib.sha256(sample.audio_path.read_bytes()).hexdigest() == sample.script.audio_sha256


@pytest.mark.parametrize("name", IDS)
def test_the_recording_decodes_to_the_scripts_format_and_length(name: str) -> None:
    sample = sample_call(name)
    audio = sample.script.audio
    assert audio is not None
    samples, rate = decoded(name)
    assert (samples.shape[0], rate) == (audio.channels, audio.sample_rate_hertz) or audio.codec == "libopus"
    assert samples.shape[0] == audio.channels
    assert samples.shape[1] * 1000 / rate == pytest.approx(sample.script.duration_ms, abs=120)
    both_speak = len({turn.role for turn in sample.script.turns}) == 2
    assert (45_000 if both_speak else 20_000) <= sample.script.duration_ms <= 120_000


@pytest.mark.parametrize("name", IDS)
def test_times_lie_inside_the_call_and_every_turn_can_be_said_in_its_time(name: str) -> None:
    script = sample_call(name).script
    for turn in script.turns:
        assert 0 <= turn.start_ms < turn.end_ms <= script.duration_ms
        characters = len(re.findall(r"\w", turn.spoken_text))
        assert 1.5 <= characters * 1000 / (turn.end_ms - turn.start_ms) <= 10, turn.text
    ends = 0
    for turn in script.turns:
        assert turn.start_ms == ends + turn.gap_ms, "measured times must keep the written gaps"
        ends = max(ends, turn.end_ms)


@pytest.mark.parametrize("name", STEREO)
def test_each_turn_is_heard_on_its_channel_when_the_script_says(name: str) -> None:
    """The sound rises within 150 ms of a turn's start and is gone 150 ms after its end."""
    script = sample_call(name).script
    samples, rate = decoded(name)
    for role in (Role.AGENT, Role.CUSTOMER):
        line = samples[channel_of(script, role)]
        busy = [(turn.start_ms, turn.end_ms) for turn in script.turns if turn.role is role]
        busy += [(sound.start_ms, sound.end_ms) for sound in script.sounds]
        for turn in script.turns:
            if turn.role is not role:
                continue

            def heard(start_ms: int, end_ms: int) -> float:
                return level_db(line[start_ms * rate // 1000 : end_ms * rate // 1000])  # noqa: B023

            speech_db = heard(turn.start_ms, turn.end_ms)
            assert heard(turn.start_ms, turn.start_ms + 150) > speech_db - 20, turn.text
            for start_ms in (turn.start_ms - 350, turn.end_ms + 150):
                window = (max(0, start_ms), start_ms + 200)
                if any(start < window[1] and window[0] < end for start, end in busy):
                    continue
                if window[1] <= script.duration_ms:
                    assert heard(*window) < speech_db - 18, (turn.text, window)


@pytest.mark.parametrize("name", STEREO)
def test_parties_do_not_leak_into_each_others_channel(name: str) -> None:
    script = sample_call(name).script
    samples, rate = decoded(name)
    for turn in script.turns:
        other = samples[channel_of(script, turn.role.other)]
        quiet = not any(
            one.role is not turn.role and one.start_ms < turn.end_ms + 300 and turn.start_ms - 300 < one.end_ms
            for one in script.turns
        )
        if quiet:
            assert level_db(other[turn.start_ms * rate // 1000 : turn.end_ms * rate // 1000]) < -45, turn.text


@pytest.mark.parametrize("name", IDS)
def test_expected_rules_are_known(name: str) -> None:
    script = sample_call(name).script
    for item in (*script.expected, *script.may_fire, *script.must_not_fire):
        dimension, rule = item.rule.split(".")
        known = RULES.get(dimension, set()) | NAMED.get(dimension, set())
        assert rule in known or dimension in OTHERS, item.rule


def test_near_misses_are_as_many_as_intended_findings_in_every_dimension() -> None:
    scripts = [sample.script for sample in sample_calls()]
    for dimension in NEW_DIMENSIONS:
        tempting = [one for script in scripts for one in script.must_not_fire if one.rule.startswith(f"{dimension}.")]
        assert tempting, f"no call tempts {dimension} to a false finding"
    assert sum(len(one.must_not_fire) for one in scripts) >= sum(len(one.expected) for one in scripts)


def test_the_list_of_calls_and_the_desktop_events_are_those_of_the_scripts() -> None:
    folder = sample_folder()
    rows = list(csv.DictReader((folder / "calls.csv").read_text(encoding="utf-8").splitlines()))
    assert [row["call_id"] for row in rows] == IDS
    told = {row["call_id"]: row["desktop_events"] for row in rows if row["desktop_events"]}
    assert set(told) == {sample.id for sample in sample_calls() if sample.script.desktop is not None}
    for name, file in told.items():
        assert load_desktop_events(folder / file) == sample_call(name).script.call_info().desktop_events


def test_every_rule_is_expected_by_a_call_and_faultless_calls_expect_no_fault() -> None:
    calls = [sample.script for sample in sample_calls()]
    expected = {item.rule for script in calls for item in script.expected}
    assert {f"{dimension}.{rule}" for dimension, rules in RULES.items() for rule in rules} - expected == {
        "keywords.negative"
    }, "keywords.negative is a note beside other faults"
    faultless = [script for script in calls if script.faultless]
    assert {script.call.line_of_business for script in faultless} == BUSINESSES
    for script in faultless:
        for item in script.expected:
            assert item.rule.split(".")[0] in OTHERS | {"keywords"}, script.id
            assert item.rule not in ("keywords.unanswered_complaint", "keywords.negative"), script.id


def silences_ms(sample: SampleCall) -> list[tuple[int, int]]:
    """(length, index of the next turn) of every stretch in which nobody speaks."""
    turns = sample.transcript().utterances
    return [(turn.gap_ms, index) for index, turn in enumerate(sample.script.turns) if index and turns]


@pytest.mark.parametrize("name", IDS)
def test_a_long_silence_is_there_on_purpose_only(name: str) -> None:
    sample = sample_call(name)
    about = {
        item.turn
        for item in (*sample.script.expected, *sample.script.may_fire, *sample.script.must_not_fire)
        if item.rule.startswith("responsiveness.")
    }
    for length_ms, index in silences_ms(sample):
        assert length_ms <= 5000 or index in about, f"the silence before turn {index} is in no list"
