"""What is stored comes back exactly, and what is damaged is refused without a word of the call."""

from __future__ import annotations

import json
import zlib
from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qingting.bootstrap import plans
from qingting.errors import InvalidRequestError, QingtingError, ReportError
from qingting.inspector import Heard, certain_roles, judge
from qingting.model.audio import RecordingFormat
from qingting.model.call import AgentChannel, CallInfo, DesktopEvent, DesktopKind, Medium
from qingting.model.report import Gap, Report
from qingting.model.transcript import Transcript
from qingting.report.verify import verify
from qingting.service.documents import (
    call_from_plain,
    call_to_plain,
    compress,
    pack_heard,
    pack_report,
    unpack_heard,
    unpack_report,
)
from qingting.settings import load_settings
from qingting.testing import SampleCall, edge_calls, sample_calls, with_made_up_voice

PLANS = plans(load_settings())
FORMAT = RecordingFormat(
    container="wav", codec="pcm_alaw", sample_rate_hertz=8000, channels=2, duration_ms=1, size_bytes=2, sha256="0" * 64,
    truncated=True, truncation="录音在第 3 秒中断",
)  # fmt: skip


def heard_of(sample: SampleCall) -> Heard:
    transcript = with_made_up_voice(sample.transcript())
    return Heard(
        call=sample.script.call_info(),
        recording=FORMAT,
        roles=certain_roles(transcript),
        transcript=transcript,
        gaps=(Gap(what="audio.note", reason="说明"),),
    )


def report_of(heard: Heard) -> Report:
    return judge(
        call=heard.call, recording=heard.recording, roles=heard.roles, transcript=heard.transcript, gaps=heard.gaps,
        plan=PLANS(heard.call.line_of_business),
    )  # fmt: skip


@cache
def first() -> tuple[Heard, Report]:
    heard = heard_of(sample_calls()[0])
    return heard, report_of(heard)


@pytest.mark.parametrize("sample", sample_calls(), ids=lambda one: one.id)
def test_words_and_report_of_every_sample_call_come_back_exactly(sample: SampleCall) -> None:
    heard = heard_of(sample)
    report = report_of(heard)
    read = unpack_heard(pack_heard(heard))
    assert read == heard
    again = unpack_report(pack_report(report), read.transcript)
    assert again == report
    assert verify(again) == []


@pytest.mark.parametrize("edge", edge_calls(), ids=lambda one: one.name)
def test_every_edge_call_comes_back_exactly(edge) -> None:
    roles = certain_roles(edge.transcript)
    heard = Heard(call=edge.call, recording=None, roles=roles, transcript=edge.transcript)
    assert unpack_heard(pack_heard(heard)) == heard


def test_a_stored_report_holds_no_transcript() -> None:
    stored = json.loads(zlib.decompress(pack_report(first()[1])[1:]))
    assert stored["transcript"]["utterances"] == []


def test_another_transcript_is_noticed() -> None:
    heard, report = first()
    changed = replace(heard.transcript.utterances[0], text="别的话")
    other = replace(heard.transcript, utterances=(changed, *heard.transcript.utterances[1:]))
    assert verify(unpack_report(pack_report(report), other))


SECRET = "王小明的密码"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x01",
        b"\x02" + zlib.compress(b"{}"),
        b"\x01not zlib",
        compress(b"{")[:-1],
        compress(f'{{"call": "{SECRET}"}}'.encode()),
        compress(f'{{"{SECRET}": 1}}'.encode()),
        compress(b"[]"),
        compress(b"null"),
        compress(b"\xff"),
        compress(b"[" * 100_000),
    ],
)
def test_what_cannot_be_read_is_refused_without_its_content(data: bytes) -> None:
    for read in (unpack_heard, lambda one: unpack_report(one, first()[0].transcript)):
        with pytest.raises(ReportError) as caught:
            read(data)
        assert SECRET not in f"{caught.value} {caught.value.remedy}"
        assert caught.value.__cause__ is None


def test_a_document_cut_short_is_refused() -> None:
    packed = pack_heard(first()[0])
    for length in (len(packed) // 2, len(packed) - 1):
        with pytest.raises(ReportError):
            unpack_heard(packed[:length])


def test_half_a_character_is_refused_without_its_content() -> None:
    heard, report = first()
    broken = replace(heard.transcript.utterances[0], text=f"{SECRET}\ud800")
    transcript = Transcript(utterances=(broken,), engine=heard.transcript.engine, duration_ms=1)
    finding = replace(report.findings[0], explanation=f"{SECRET}\ud800")
    cases = [
        (pack_heard, replace(heard, transcript=transcript)),
        (pack_report, replace(report, findings=(finding,))),
    ]
    for store, value in cases:
        with pytest.raises(ReportError) as caught:
            store(value)
        assert SECRET not in str(caught.value)


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
EVENTS = st.builds(
    DesktopEvent, kind=st.sampled_from(DesktopKind), at_ms=st.integers(-(2**40), 2**40), query=TEXTS, text=TEXTS,
    results=st.none() | st.integers(0, 99),
)  # fmt: skip
CALLS = st.builds(
    CallInfo,
    call_id=TEXTS,
    agent_channel=st.sampled_from(AgentChannel),
    medium=st.sampled_from(Medium),
    agent_id=TEXTS,
    customer_reference=TEXTS,
    fields=st.dictionaries(TEXTS, TEXTS, max_size=3),
    times_known=st.booleans(),
    desktop_events=st.none() | st.lists(EVENTS, max_size=3).map(tuple),
)


@given(CALLS)
def test_call_data_comes_back_exactly(call: CallInfo) -> None:
    plain = json.loads(json.dumps(call_to_plain(call)))
    assert call_from_plain(plain) == call


@pytest.mark.parametrize("bad", ["a\0b", "a\ud800"])
@pytest.mark.parametrize("place", ["agent_id", "fields", "key"])
def test_characters_that_no_database_takes_are_refused(bad: str, place: str) -> None:
    changes = {"agent_id": {"agent_id": bad}, "fields": {"fields": {"x": bad}}, "key": {"fields": {bad: "x"}}}
    with pytest.raises(InvalidRequestError) as caught:
        call_to_plain(CallInfo(call_id="c", **changes[place]))
    assert bad not in str(caught.value)


def test_an_escaped_zero_that_is_no_nul_passes() -> None:
    call = CallInfo(call_id="c", fields={"x": "\\u0000"})
    assert call_from_plain(call_to_plain(call)) == call


@pytest.mark.parametrize("plain", [{}, {"call_id": 1}, {"call_id": "c", SECRET: 1}])
def test_call_data_of_another_form_is_refused(plain: dict[str, object]) -> None:
    with pytest.raises(QingtingError) as caught:
        call_from_plain(plain)
    assert SECRET not in str(caught.value)
