"""Personal data of the bundled calls: silent in the real recording, masked in the real report."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from qingting.audio.front_end import prepare
from qingting.bootstrap import plans
from qingting.inspector import Plan, certain_roles, judge
from qingting.model.audio import PreparedAudio
from qingting.model.report import Report
from qingting.model.transcript import TimedText
from qingting.privacy.detection import KINDS
from qingting.privacy.masking import Masker, lines_of
from qingting.privacy.report_masking import mask_report
from qingting.privacy.silencing import MARGIN_MS, clip, silence, silent_spans
from qingting.report.formats import json as json_format
from qingting.report.verify import verify
from qingting.settings import load_settings
from qingting.testing import CallScript, load_script, sample_call

DEMO = Path(__file__).parents[3] / "demo"
SCRIPTS = sorted(DEMO.glob("*/*.yaml"))
MASKER = Masker(KINDS)
FADE = 0.005


@cache
def heard(call_id: str) -> PreparedAudio:
    return prepare(sample_call(call_id).audio_path)


def level(samples: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(samples.astype(float))))) if samples.size else 0.0


@cache
def plan_of(line_of_business: str) -> Plan:
    return plans(load_settings())(line_of_business)


def judged(script: CallScript) -> Report:
    call, transcript = script.call_info(), script.transcript()
    plan = plan_of(call.line_of_business)
    return judge(call=call, roles=certain_roles(transcript), transcript=transcript, plan=plan)


@pytest.mark.parametrize(
    "call_id", ["refund_late_answer", "repair_still_broken", "absolute_promise", "agent_interrupts"]
)
def test_the_sound_of_personal_data_is_gone_and_everything_else_stays(call_id: str) -> None:
    audio, transcript = heard(call_id), sample_call(call_id).transcript()
    spans = silent_spans(transcript, MASKER)
    silent = silence(audio.pcm, audio.rate_hertz, spans, audio.parties)
    changed = np.zeros(audio.pcm.shape, bool)
    assert spans
    for party, start_ms, end_ms in spans:
        rows = [audio.parties.index(party)] if audio.pcm.shape[0] > 1 else [0]
        start, end = start_ms * audio.rate_hertz // 1000, end_ms * audio.rate_hertz // 1000
        fade = int(FADE * audio.rate_hertz)
        assert level(audio.pcm[rows, start:end]) > 100, "somebody speaks there"
        assert not silent[rows, start + fade : end - fade].any()
        changed[rows, start:end] = True
    assert np.array_equal(silent[~changed], audio.pcm[~changed])


def test_the_words_before_the_number_can_still_be_heard() -> None:
    """Times as an aligner gives them: 15 syllables, of which the number is eleven."""
    audio, transcript = heard("refund_late_answer"), sample_call("refund_late_answer").transcript()
    index = next(one.index for one in transcript.utterances if "13800125678" in one.text)
    utterance = transcript.utterances[index]
    step = (utterance.end_ms - utterance.start_ms) // 15
    number_ms = utterance.start_ms + 4 * step
    words = [
        TimedText(text=one, start_ms=utterance.start_ms + at * step, end_ms=utterance.start_ms + (at + 1) * step)
        for at, one in enumerate("手机号是")
    ]
    number = TimedText(text="13800125678", start_ms=number_ms, end_ms=utterance.end_ms)
    timed = replace(utterance, characters=(*words, number))
    utterances = (*transcript.utterances[:index], timed, *transcript.utterances[index + 1 :])
    spans = silent_spans(replace(transcript, utterances=utterances), MASKER)
    assert spans == [(utterance.party, number_ms - MARGIN_MS, utterance.end_ms + MARGIN_MS)]
    silent = silence(audio.pcm, audio.rate_hertz, spans, audio.parties)
    before = clip(silent, audio.rate_hertz, utterance.start_ms, number_ms - MARGIN_MS)
    assert level(before[audio.parties.index(utterance.party)]) > 100


def test_the_other_party_is_heard_while_a_number_is_silent() -> None:
    """The agent interrupts the customer, who just gave a number: its channel stays as it is."""
    audio = heard("agent_interrupts")
    assert audio.pcm.shape[0] == 2
    silent = silence(audio.pcm, audio.rate_hertz, [(audio.parties[0], 0, 60_000)], audio.parties)
    assert not silent[0, 100:-100].any()
    assert np.array_equal(silent[1], audio.pcm[1])


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_no_personal_data_is_left_in_a_masked_report(path: Path) -> None:
    report = judged(load_script(path))
    masked = mask_report(report, MASKER)
    written = json_format.dump(masked)
    assert json_format.load(written) == masked
    for field in ("text", "spoken_text", "original_text"):
        for found in MASKER.found_in(lines_of(report.transcript, field=field)):
            assert f"“{found.value}" not in written
            assert all(found.value not in text for text in texts_of(json_format.to_plain(masked)))
    for before, after in zip(report.transcript.utterances, masked.transcript.utterances, strict=True):
        assert len(before.text) == len(after.text)
    for finding in masked.findings:
        for place in finding.evidence:
            if place.utterance is not None:
                text = masked.transcript.utterances[place.utterance].text
                assert place.quote == text[place.start_char : place.end_char]
    assert {problem.check for problem in verify(masked)} <= {"seal", "statistics"}


def texts_of(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for one in value.values() for text in texts_of(one)]
    return [text for one in value for text in texts_of(one)] if isinstance(value, list) else []


def test_a_call_without_personal_data_is_left_as_it_is() -> None:
    report = judged(sample_call("general_faultless").script)
    assert mask_report(report, MASKER) == report
