"""Gate, adapter and the real embedded engine together: a streamed call gives the words of the recording."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from qingting.audio.decode import decode
from qingting.audio.front_end import prepare
from qingting.audio.live_gate import LiveGates
from qingting.audio.options import AudioLimits, AudioOptions
from qingting.audio.source import open_source
from qingting.speech.catalog import availability
from qingting.speech.decode_desk import DecodeDesk, SameThreadExecutor
from qingting.speech.embedded import EmbeddedEngine
from qingting.speech.recognizer import Recognizer, RecognizerOptions
from qingting.speech.stream_events import Final, Partial
from qingting.speech.streaming import PartyStream, StreamOptions

CALL = Path(__file__).parents[2] / "demo" / "calls" / "agent_interrupts.mp3"
SECONDS = 14
pytestmark = pytest.mark.skipif(not availability("embedded").available, reason="the embedded extra is not installed")


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    engine = EmbeddedEngine(cache=tmp_path_factory.mktemp("cache"))
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def recording(engine):
    """The spans that end early enough to be certain in a stream of SECONDS, each recognised alone."""
    audio = prepare(CALL)
    keep = [i for i, span in enumerate(audio.spans) if span.end_ms < SECONDS * 1000 - 600]
    audio = replace(audio, spans=tuple(audio.spans[i] for i in keep), voice=tuple(audio.voice[i] for i in keep))
    # The margin of the last span of a party ends half way to a span that was taken out: it is long enough here.
    return Recognizer(engine, RecognizerOptions(batch_clips=1)).transcribe(audio)[0]


def stream(engine, executor, options, frame_ms=100):
    decoded = decode(open_source(CALL, AudioLimits()), AudioOptions())
    pcm = decoded.pcm[:, : SECONDS * decoded.rate_hertz]
    gates, desk = LiveGates(decoded.rate_hertz), DecodeDesk(executor)
    streams = [PartyStream(engine, gates.gate(party), desk, options=options) for party in ("left", "right")]
    frame = frame_ms * decoded.rate_hertz // 1000
    events = []
    for first in range(0, pcm.shape[1], frame):
        for row, one in enumerate(streams):
            events += one.feed(pcm[row, first : first + frame])
    for one in streams:
        events += one.finish()
    for one in streams:
        events += one.drain(60)
    return events


def words(utterances):
    return {(u.party, u.start_ms, u.end_ms): (u.text, u.characters, u.language) for u in utterances}


def test_streamed_finals_are_the_recordings_utterances(engine, recording):
    events = stream(engine, SameThreadExecutor(), StreamOptions(every_ms=1000))
    heard = words(event.utterance for event in events if isinstance(event, Final))
    expected = words(recording)
    assert len(expected) >= 2
    assert {place: heard.get(place) for place in expected} == expected
    shown = [event for event in events if isinstance(event, Partial)]
    assert any(event.stable_text for event in shown)


def test_an_engine_busy_in_a_thread_gives_the_same_finals(engine, recording):
    with ThreadPoolExecutor(1) as pool:
        events = stream(engine, pool, StreamOptions(every_ms=4000, pause_ms=0))
    heard = words(event.utterance for event in events if isinstance(event, Final))
    assert {place: heard.get(place) for place in words(recording)} == words(recording)
