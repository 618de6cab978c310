"""The bundled calls, sent through each telephony door, give the sound and the words they give without one."""

from __future__ import annotations

import io
import wave
from collections.abc import Iterable
from functools import cache
from itertools import cycle
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest
from numpy.typing import NDArray

from qingting.audio.decode import decode
from qingting.audio.front_end import prepare
from qingting.audio.options import AudioLimits, AudioOptions
from qingting.audio.source import open_source
from qingting.bootstrap import plans
from qingting.inspector import Heard
from qingting.live.doors.audiosocket import AudioSocketDoor
from qingting.live.doors.door import Begin, End, Expected, Sound, Step
from qingting.live.doors.freeswitch import FreeSwitchDoor
from qingting.live.doors.twilio import TwilioDoor
from qingting.live.session import LiveFormat, LiveSession
from qingting.live.sound import open_decoder
from qingting.model.call import AgentChannel, CallInfo, Role
from qingting.model.report import Report
from qingting.settings import load_settings
from qingting.speech.decode_desk import DecodeDesk, SameThreadExecutor
from qingting.testing import SampleCall, sample_calls
from qingting.testing.known_calls_engine import KnownCallsEngine
from qingting.testing.live_doors import TwilioCaller, at_rate, audiosocket_call, freeswitch_call, to_mulaw

UUID_OF_CALL = UUID("40325ec2-5efd-4bd3-805f-53576e581d13")
Sent = tuple[list[Step], NDArray[np.int16], int]
"""What a door understood, the sound that was sent as the protocol has it, and its rate."""


@pytest.fixture(scope="module")
def plan_for():
    return plans(load_settings())


@cache
def sound_of(path: Path) -> tuple[NDArray[np.int16], int]:
    decoded = decode(open_source(path, AudioLimits()), AudioOptions())
    return decoded.pcm, decoded.rate_hertz


def left_is(sample: SampleCall) -> str:
    return "agent" if sample.script.party(Role.AGENT) == AgentChannel.LEFT else "customer"


def through(door: TwilioDoor | FreeSwitchDoor | AudioSocketDoor, messages: Iterable[bytes | str]) -> list[Step]:
    return [step for message in messages for step in door.take(message)] + door.close()


def by_twilio(sample: SampleCall) -> Sent:
    pcm, rate_hertz = sound_of(sample.audio_path)
    pcm = at_rate(pcm, rate_hertz, 8000)
    parameters = {"call_id": sample.id, "line_of_business": sample.script.call.line_of_business}
    if len(pcm) == 2:
        parameters["inbound_is"] = left_is(sample)
    caller = TwilioCaller(tracks=("inbound", "outbound")[: len(pcm)], parameters=parameters)
    sent = [open_decoder("mulaw", 8000, 1).decode(to_mulaw(row).tobytes())[0] for row in pcm]
    return through(TwilioDoor(), caller.call(pcm)), np.stack(sent), 8000


def by_freeswitch(sample: SampleCall) -> Sent:
    pcm, rate_hertz = sound_of(sample.audio_path)
    channels = {"channels": "stereo", "left_is": left_is(sample)} if len(pcm) == 2 else {"channels": "mixed"}
    door = FreeSwitchDoor({"rate": str(rate_hertz), **channels})
    metadata = {"call_id": sample.id, "line_of_business": sample.script.call.line_of_business}
    return through(door, freeswitch_call(pcm, rate_hertz, metadata)), pcm, rate_hertz


def by_audiosocket(sample: SampleCall) -> Sent:
    pcm, rate_hertz = sound_of(sample.audio_path)
    mixed = pcm.astype(np.int32).mean(axis=0, keepdims=True).astype(np.int16)
    call = CallInfo(call_id=sample.id, line_of_business=sample.script.call.line_of_business)
    expected = Expected(call=call, form=LiveFormat(rate_hertz=8000, channels=1))
    data = b"".join(audiosocket_call(mixed, rate_hertz, UUID_OF_CALL))
    packets = [data[at : at + 1460] for at in range(0, len(data), 1460)]
    return through(AudioSocketDoor({str(UUID_OF_CALL): expected}.get), packets), mixed, rate_hertz


DOORS = {"twilio": by_twilio, "freeswitch": by_freeswitch, "audiosocket": by_audiosocket}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("sample", sample_calls(), ids=lambda one: one.id)
def test_a_door_changes_no_sample(sample: SampleCall, door: str) -> None:
    steps, sent, rate_hertz = DOORS[door](sample)
    begin, *sounds, end = steps
    assert isinstance(begin, Begin)
    assert isinstance(end, End)
    assert np.array_equal(np.concatenate(pieces_of(sounds), axis=1), sent)
    assert begin.call.call_id == sample.id
    assert (begin.form.rate_hertz, begin.form.channels) == (rate_hertz, len(sent))
    if len(sent) == 2:
        assert begin.form.roles[0] == Role(left_is(sample))


# Every call through one door, each door with a third of the calls: the samples are the same at all of them.
@pytest.mark.parametrize(
    ("sample", "door"), list(zip(sample_calls(), cycle(DOORS))), ids=lambda one: getattr(one, "id", one)
)
def test_a_door_changes_no_word(sample: SampleCall, door: str, plan_for) -> None:
    (begin, *sounds, _), sent, rate_hertz = DOORS[door](sample)
    audio = prepare(as_wav(sent, rate_hertz), AudioOptions(separate_speakers=False))
    engine = KnownCallsEngine([(sample.script, audio)])

    def heard(pieces: list[NDArray[np.int16]]) -> tuple[Heard, Report]:
        plan = plan_for(begin.call.line_of_business)
        session = LiveSession(begin.call, begin.form, plan, engine=engine, desk=DecodeDesk(SameThreadExecutor()))
        for piece in pieces:
            session.feed(piece)
        session.stop()
        return session.finish(None)[:2]

    words, report = heard(pieces_of(sounds))
    direct_words, direct_report = heard([sent])
    assert words.transcript.utterances == direct_words.transcript.utterances
    assert report.findings == direct_report.findings
    assert report.score == direct_report.score
    assert sum(bool(one.text) for one in words.transcript.utterances) >= 3


def pieces_of(steps: list[Step]) -> list[NDArray[np.int16]]:
    pieces = [step.samples for step in steps if isinstance(step, Sound)]
    assert len(pieces) == len(steps)
    return pieces


def as_wav(pcm: NDArray[np.int16], rate_hertz: int) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(len(pcm))
        out.setsampwidth(2)
        out.setframerate(rate_hertz)
        out.writeframes(pcm.T.astype("<i2").tobytes())
    return file.getvalue()
