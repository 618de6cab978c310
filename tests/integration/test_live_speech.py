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
from qingting.speech.engine import SpeechEngine
from qingting.speech.evaluation.cer import add, character_errors
from qingting.speech.recognizer import Recognizer, RecognizerOptions
from qingting.speech.stream_events import Final, Partial
from qingting.speech.streaming import PartyStream, StreamOptions
from qingting.testing.samples import sample_call

CALL = Path(__file__).parents[2] / "demo" / "calls" / "agent_interrupts.mp3"
SECONDS = 14
FINALS_ONLY = StreamOptions(first_ms=60_000, every_ms=60_000, window_ms=120_000, pause_ms=0)
pytestmark = pytest.mark.skipif(not availability("embedded").available, reason="the embedded extra is not installed")


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    engine = EmbeddedEngine(cache=tmp_path_factory.mktemp("cache"))
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def recording(engine):
    """The spans that end early enough to be certain in a stream of SECONDS, each recognised behind what came before."""
    audio = prepare(CALL)
    keep = [i for i, span in enumerate(audio.spans) if span.end_ms < SECONDS * 1000 - 600]
    audio = replace(audio, spans=tuple(audio.spans[i] for i in keep), voice=tuple(audio.voice[i] for i in keep))
    # The margin of the last span of a party ends half way to a span that was taken out: it is long enough here.
    return Recognizer(Remembering(engine), RecognizerOptions(batch_clips=1)).transcribe(audio)[0]


class Remembering(SpeechEngine):
    """Gives the engine each clip behind the earlier ones of its voice, as a stream does."""

    def __init__(self, engine):
        self.engine = engine
        self.earlier = {}

    @property
    def identity(self):
        return self.engine.identity

    @property
    def capabilities(self):
        return self.engine.capabilities

    def transcribe(self, clips, options):
        (clip,) = clips
        before = self.earlier.setdefault(clip.voice, [])
        answers = self.engine.transcribe([replace(clip, before=tuple(before))], options)
        before.append(clip.samples)
        return answers


def stream(engine, executor, options, frame_ms=100, call=CALL, seconds=SECONDS):
    decoded = decode(open_source(call, AudioLimits()), AudioOptions())
    pcm = decoded.pcm[:, : seconds * decoded.rate_hertz]
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


def test_live_text_is_nearly_as_good_as_the_recordings(engine):
    sample = sample_call("port_out_blocked")
    said = {
        party: "".join(turn.spoken_text for turn in sample.script.turns if sample.script.party(turn.role) == party)
        for party in ("left", "right")
    }

    def errors(utterances):
        heard = {party: "".join(one.text for one in utterances if one.party == party) for party in said}
        return add(character_errors(heard[party], said[party]) for party in said).rate

    events = stream(engine, SameThreadExecutor(), FINALS_ONLY, call=sample.audio_path, seconds=1000)
    live = sorted((event.utterance for event in events if isinstance(event, Final)), key=lambda one: one.start_ms)
    audio = prepare(sample.audio_path)
    batch = Recognizer(engine).transcribe(audio)[0]
    alone = Recognizer(engine, RecognizerOptions(batch_clips=1)).transcribe(audio)[0]
    assert errors(live) < errors(batch) + 0.08
    assert errors(live) < errors(alone) - 0.08
