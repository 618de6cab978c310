"""The streaming adapter over a gate that follows a plan and an engine that says what it is given."""

import asyncio
from concurrent.futures import Executor, Future, ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qingting.errors import EngineTimeoutError, InputError
from qingting.model.audio import SpeechSpan, VoiceFacts
from qingting.model.transcript import EngineIdentity, Flag
from qingting.speech.decode_desk import DecodeDesk, SameThreadExecutor
from qingting.speech.engine import Capabilities, Recognition, SpeechEngine
from qingting.speech.stream_events import Final, Partial, SpeechDiscarded, SpeechStarted
from qingting.speech.streaming import PartyStream, StreamOptions

RATE = 16_000
SAID = "你好请问有什么可以帮到忙吗我想要退掉这个订单因为收来时已经坏了而且客服电话一直没人接所以今天必须给个说法"
CLEAR = VoiceFacts(
    voiced_ms=600, voiced_ratio=0.6, speech_ms=2000, loudness_dbfs=-25.0, loudness_range_db=9.0, pitch_hertz=200.0,
    pitch_range_semitones=3.0, final_pitch_slope=0.0, pause_before_ms=0,
)  # fmt: skip


class PlannedGate:
    """Speech where the plan says; known 100 ms after its start and 480 ms after its end."""

    rate_hertz = RATE
    party = "left"
    told_after_ms = 480

    def __init__(self, *plan, tones=()):
        self.plan = list(plan)
        self.tones = set(tones)
        self.heard = np.empty(0, np.int16)
        self.told = 0
        self.finished = False

    @property
    def now_ms(self):
        return self.heard.size * 1000 // RATE

    @property
    def _open(self):
        left = self.plan[self.told :]
        return [] if self.finished else [(start, end) for start, end in left if start + 100 <= self.now_ms]

    @property
    def open_starts_ms(self):
        return tuple(start for start, _ in self._open)

    @property
    def speech_until_ms(self):
        return min(self.now_ms, self._open[-1][1]) if self._open else None

    @property
    def quiet_until_ms(self):
        return max(0, self.now_ms - 100)

    def sound(self, start_ms, end_ms):
        return self.heard[start_ms * RATE // 1000 : end_ms * RATE // 1000]

    def feed(self, samples):
        self.heard = np.concatenate([self.heard, samples])
        return self._tell(self.now_ms - self.told_after_ms)

    def finish(self):
        told = self._tell(self.now_ms)
        self.finished = True
        return told

    def _tell(self, until_ms):
        spans = []
        while self.told < len(self.plan) and self.plan[self.told][1] <= until_ms:
            start, end = self.plan[self.told]
            self.told += 1
            if start not in self.tones:
                spans.append((SpeechSpan(party=self.party, channel=0, start_ms=start, end_ms=end), CLEAR))
        return spans


def told(samples):
    """First and last call time of a piece of `ramp`."""
    times = np.rint(samples * 32768).astype(int)
    return int(times.min()) * 10, int(times.max()) * 10 + 10


class Listener(SpeechEngine):
    """Says a character per 250 ms of call time, which it reads from the samples' values (see `ramp`)."""

    def __init__(self, *, live=True, mumble=False, context_seconds=0.0):
        self.clips = []
        self.before = []
        self.context_seconds = context_seconds
        self.fail = {}
        self.live = live
        self.mumble = mumble

    @property
    def identity(self):
        return EngineIdentity(name="listener", model="m", revision="1")

    @property
    def capabilities(self):
        return Capabilities(
            languages=("zh",), word_times=False, confidence=False, hot_words=True, longest_clip_seconds=29.0,
            preferred_batch=8, live=self.live, context_seconds=self.context_seconds,
        )  # fmt: skip

    def transcribe(self, clips, options):
        (clip,) = clips
        first, last = told(clip.samples)
        self.clips.append((first, last))
        self.before.append([told(samples) for samples in clip.before])
        error = self.fail.get(len(self.clips))
        if error is not None:
            raise error
        text = "" if self.mumble else "".join(SAID[n % len(SAID)] for n in range(-(-first // 250), last // 250))
        return [Recognition(text=text, language="zh")]


class ByHand(Executor):
    """Decodes when told to."""

    def __init__(self):
        self.tasks = []

    def submit(self, fn, /, *args, **kwargs):
        future = Future()
        self.tasks.append((future, fn))
        return future

    def run(self, count=10**6):
        while self.tasks and count:
            future, fn = self.tasks.pop(0)
            count -= 1
            try:
                future.set_result(fn())
            except Exception as error:  # noqa: BLE001  as executors do
                future.set_exception(error)


def ramp(seconds, start=0.0):
    """Sound whose every sample tells its call time in steps of 10 ms."""
    at = np.arange(int(start * RATE), int((start + seconds) * RATE))
    return (at * 100 // RATE).astype(np.int16)


def open_stream(*plan, engine=None, executor=None, tones=(), wake=None, **options):
    engine = engine or Listener()
    desk = DecodeDesk(executor or SameThreadExecutor())
    stream = PartyStream(engine, PlannedGate(*plan, tones=tones), desk, options=StreamOptions(**options), wake=wake)
    return stream, engine


def play(stream, sound, chunk_ms=20):
    size = int(chunk_ms * RATE / 1000)
    events = []
    for first in range(0, len(sound), size):
        events += stream.feed(sound[first : first + size])
    return events + stream.finish() + stream.drain(5)


def check(events):
    """Hold events to what stream_events promises."""
    open_starts, shown, ended = [], {}, []
    last_final = -1
    for event in events:
        if isinstance(event, SpeechStarted):
            assert event.start_ms not in open_starts + ended
            open_starts.append(event.start_ms)
        elif isinstance(event, Partial):
            assert event.start_ms in open_starts
            assert event.stable_text.startswith(shown.get(event.start_ms, ""))
            shown[event.start_ms] = event.stable_text
        else:
            start = event.utterance.start_ms if isinstance(event, Final) else event.start_ms
            open_starts.remove(start)
            ended.append(start)
            if isinstance(event, Final):
                assert start > last_final
                last_final = start
                assert event.stable_text == shown.get(start, "")
    assert open_starts == []
    assert [event.at_ms for event in events] == sorted(event.at_ms for event in events)
    return events


def finals(events):
    return [event.utterance for event in check(events) if isinstance(event, Final)]


def partials(events):
    return [event for event in events if isinstance(event, Partial)]


def test_silence_tells_nothing_and_asks_nothing():
    stream, engine = open_stream()
    assert play(stream, ramp(5)) == []
    assert engine.clips == []
    assert stream.done
    assert stream.counts.decoded_ms == 0


def test_an_utterance_from_its_start_to_its_words():
    stream, _ = open_stream((1000, 5000))
    events = play(stream, ramp(6))
    (final,) = finals(events)
    assert (final.party, final.start_ms, final.end_ms, final.index) == ("left", 1000, 5000, 0)
    assert final.text == SAID[4:20] + "。"
    assert isinstance(events[0], SpeechStarted)
    assert events[0].at_ms - 1000 <= 120
    shown = partials(events)
    assert shown[0].at_ms - 1000 <= 620
    assert shown[0].stable_text == ""
    assert len(shown) >= 4
    assert shown[-1].stable_text
    assert all((p.stable_text + p.tail_text) in SAID for p in shown)
    assert stream.settled_ms >= 5000


def test_clips_have_the_recognisers_margins():
    stream, engine = open_stream((1000, 3000), (3100, 5000), engine=Listener(live=False))
    check(play(stream, ramp(6)))
    assert engine.clips == [(850, 3050), (3050, 5150)]


def test_an_engine_that_is_not_live_gives_finals_only():
    stream, _ = open_stream((1000, 4000), engine=Listener(live=False))
    events = play(stream, ramp(5))
    assert partials(events) == []
    assert len(finals(events)) == 1
    assert stream.counts.partial_decodes == 0


@given(st.lists(st.integers(1, 40_000), min_size=1, max_size=12))
@settings(max_examples=40, deadline=None)
def test_finals_do_not_depend_on_the_chunks(sizes):
    plan = ((500, 1500), (1520, 4000), (5200, 5400))
    expected = finals(play(open_stream(*plan)[0], ramp(7)))
    stream, _ = open_stream(*plan)
    sound, events, turn = ramp(7), [], 0
    while sound.size:
        size = sizes[turn % len(sizes)]
        events += stream.feed(sound[:size])
        sound, turn = sound[size:], turn + 1
    events += stream.finish() + stream.drain(5)
    assert finals(events) == expected
    assert len(expected) == 3


@pytest.mark.parametrize("chunk_ms", [0.0625, 10, 33.3125, 1000, 10_000])
def test_tiny_and_huge_chunks_give_the_same_finals(chunk_ms):
    expected = finals(play(open_stream((500, 1700))[0], ramp(2.5)))
    assert finals(play(open_stream((500, 1700))[0], ramp(2.5), chunk_ms)) == expected


def test_float_sound_is_the_same_sound():
    expected = finals(play(open_stream((500, 1700))[0], ramp(2.5)))
    assert finals(play(open_stream((500, 1700))[0], (ramp(2.5) / 32768).astype(np.float32))) == expected


@pytest.mark.parametrize("sound", [np.zeros((2, 10), np.int16), np.zeros(4, np.int32), np.zeros(4, np.uint8)])
def test_other_sound_is_refused(sound):
    with pytest.raises(InputError):
        open_stream()[0].feed(sound)


def test_not_a_number_is_silence_and_too_loud_is_clipped():
    stream, _ = open_stream()
    stream.feed(np.array([np.nan, np.inf, -np.inf, 0.5], np.float32))
    assert stream._gate.heard.tolist() == [0, 32767, -32768, 16384]


def test_the_answer_of_the_pause_is_the_final():
    stream, engine = open_stream((1000, 2500))
    (final,) = finals(play(stream, ramp(4)))
    assert stream.counts.reused_decodes == 1
    assert stream.counts.final_decodes == 0
    assert engine.clips[-1] == (850, 2650)
    without, _ = open_stream((1000, 2500), pause_ms=0)
    assert finals(play(without, ramp(4))) == [final]
    assert without.counts.final_decodes == 1


PLAN = [(1000, 2500), (4000, 6000), (7500, 9000), (10_500, 12_000)]


def test_an_engine_that_makes_no_use_of_earlier_sound_gets_none():
    stream, engine = open_stream(*PLAN)
    play(stream, ramp(13))
    assert len(engine.before) > 4
    assert not any(engine.before)


def test_every_decode_of_an_utterance_has_the_same_bounded_earlier_sound():
    stream, engine = open_stream(*PLAN, engine=Listener(context_seconds=4.5))
    play(stream, ramp(13))
    expected = {1000: [], 4000: [(850, 2650)], 7500: [(850, 2650), (3850, 6150)], 10_500: [(3850, 6150), (7350, 9150)]}
    heard = {start: [] for start in expected}
    for (first, _), before in zip(engine.clips, engine.before, strict=True):
        heard[first + 150].append(before)
    assert {start: decodes[0] for start, decodes in heard.items()} == expected
    assert all(before == decodes[0] for decodes in heard.values() for before in decodes)
    assert stream.counts.reused_decodes == 4


def test_a_final_has_the_same_earlier_sound_whether_decoded_in_the_pause_or_afterwards():
    stream, engine = open_stream(*PLAN, engine=Listener(context_seconds=4.5), pause_ms=0)
    play(stream, ramp(13))
    assert stream.counts.final_decodes == 4
    last = dict(zip(engine.clips, engine.before, strict=True))
    assert last[10_350, 12_150] == [(3850, 6150), (7350, 9150)]


def test_an_answer_of_the_pause_with_other_earlier_sound_is_not_the_final():
    engine, gate = Listener(context_seconds=9), PlannedGate((1000, 2500), (3000, 3400))
    gate.told_after_ms = 1500
    stream = PartyStream(engine, gate, DecodeDesk(SameThreadExecutor()))
    events = play(stream, ramp(6))
    assert [spoken.start_ms for spoken in finals(events)] == [1000, 3000]
    asked = [before for clip, before in zip(engine.clips, engine.before, strict=True) if clip == (2850, 3550)]
    assert asked == [[], [(850, 2650)]]


def test_speech_that_goes_on_after_a_pause_is_one_utterance():
    class Pausing(PlannedGate):
        @property
        def speech_until_ms(self):
            until = super().speech_until_ms
            return until if until is None else min(until, 2000) if self.now_ms < 2400 else until

    engine = Listener()
    stream = PartyStream(engine, Pausing((1000, 4000)), DecodeDesk(SameThreadExecutor()))
    (final,) = finals(play(stream, ramp(5)))
    assert final.text == SAID[4:16] + "。"
    assert (850, 2150) in engine.clips


def test_a_long_utterance_is_decoded_in_windows_and_finally_whole():
    options = StreamOptions()
    stream, engine = open_stream((1000, 27_000))
    events = play(stream, ramp(28))
    (final,) = finals(events)
    assert all(last - first <= options.window_ms + 160 for first, last in engine.clips[:-1])
    assert engine.clips[-1] == (850, 27_150)
    assert len(final.characters) == 104
    assert len(partials(events)[-1].stable_text) > 90
    ((revised, stable),) = [(e.revised_units, e.stable_text) for e in events if isinstance(e, Final)]
    assert revised <= 2, stable
    assert stream.counts.decoded_ms <= options.cost_factor * 26_000


def test_decodes_per_second_are_bounded():
    stream, engine = open_stream(*[(n * 4000, n * 4000 + 3000) for n in range(10)])
    check(play(stream, ramp(41)))
    assert len(engine.clips) <= 30 * 2
    assert stream.counts.decoded_ms <= StreamOptions().cost_factor * 30_000


def test_options_that_cannot_work_are_refused():
    for wrong in ({"every_ms": 0}, {"max_waiting": 0}, {"window_ms": 1500}):
        with pytest.raises(ValueError, match="must be"):
            StreamOptions(**wrong)


def test_lost_packets_are_silence_and_late_ones_are_dropped():
    stream, _ = open_stream((1000, 3000))
    events = []
    for at_ms in range(0, 5000, 20):
        if not 1500 <= at_ms < 2000:
            events += stream.feed(ramp(0.02, at_ms / 1000), at_ms + at_ms % 3)
        if at_ms == 2500:
            events += stream.feed(ramp(0.2, 2.3), 2300)
    events += stream.finish() + stream.drain(5)
    (final,) = finals(events)
    assert (final.start_ms, final.end_ms) == (1000, 3000)
    assert 480 <= stream.counts.lost_ms <= 520
    assert stream.counts.late_ms == 200
    assert abs(stream.now_ms - 5000) <= 40
    heard = stream._gate.heard
    assert not heard[int(1.6 * RATE) : int(1.9 * RATE)].any()
    assert abs(int(heard[4 * RATE]) - 400) <= 4


def test_a_jump_too_far_ahead_is_an_error_and_a_far_one_is_not():
    stream, _ = open_stream()
    with pytest.raises(InputError):
        stream.feed(ramp(0.02), 10**9)
    stream.feed(ramp(0.02), 30_000)
    assert stream.now_ms == 30_020


def test_words_nobody_said_are_discarded_and_so_are_tones():
    stream, _ = open_stream((1000, 1300), tones=(1000,))
    events = check(play(stream, ramp(3)))
    assert isinstance(events[-1], SpeechDiscarded)
    assert finals(events) == []
    faint = VoiceFacts(**{**{f: getattr(CLEAR, f) for f in CLEAR.__dataclass_fields__}, "voiced_ms": 0, "speech_ms": 0})
    stream, _ = open_stream((1000, 1400))
    gate = stream._gate
    tell = gate._tell
    gate._tell = lambda until: [(span, faint) for span, _ in tell(until)]
    events = check(play(stream, ramp(3)))
    assert isinstance(events[-1], SpeechDiscarded)
    assert finals(events) == []


def test_clear_speech_without_words_stays_an_utterance():
    stream, _ = open_stream((1000, 2500), engine=Listener(mumble=True))
    events = play(stream, ramp(4))
    assert [u.flags for u in finals(events)] == [(Flag.EMPTY_ANSWER,)]
    assert partials(events) == []


def test_a_failing_engine_flags_the_utterance_and_the_stream_goes_on():
    engine = Listener(live=False)
    engine.fail = {1: EngineTimeoutError("slow"), 2: ZeroDivisionError()}
    stream, _ = open_stream((500, 1500), (2500, 3500), (4500, 5500), engine=engine)
    events = play(stream, ramp(7))
    assert [u.flags == (Flag.REFUSED,) for u in finals(events)] == [True, True, False]
    assert [u.index for u in finals(events)] == [0, 1, 2]
    assert stream.counts.refused == 2


def test_failed_partials_are_passed_over():
    engine = Listener()
    engine.fail = {n: EngineTimeoutError("slow") for n in range(1, 4)}
    stream, _ = open_stream((500, 3500), engine=engine)
    events = play(stream, ramp(5))
    assert stream.counts.failed_partials == 3
    assert finals(events)[0].text


def test_a_slow_engine_drops_partials_never_finals():
    hand = ByHand()
    stream, _ = open_stream(*[(n * 2000, n * 2000 + 1000) for n in range(6)], executor=hand)
    events = []
    for n in range(13):
        events += stream.feed(ramp(1, n))
    assert stream.counts.partial_decodes == 1, "one began before the first final had to wait"
    assert stream.counts.skipped_partials > 5
    assert [type(e) for e in events if not isinstance(e, SpeechStarted)] == []
    assert stream.settled_ms == 0
    events += stream.finish()
    assert not stream.done
    hand.run()
    events += stream.poll()
    assert stream.done
    assert [u.start_ms for u in finals(events)] == [n * 2000 for n in range(6)]
    assert all(u.text for u in finals(events))


def test_a_stalled_engine_keeps_a_bounded_number_waiting():
    hand = ByHand()
    stream, _ = open_stream(
        *[(n * 2000, n * 2000 + 1000) for n in range(10)], executor=hand, engine=Listener(live=False), max_waiting=3
    )
    events = []
    for n in range(20):
        events += stream.feed(ramp(1, n))
        assert len([e for e in stream._ending if not e.future.done()]) <= 3
    hand.run()
    events += stream.finish() + stream.poll()
    told = finals(events)
    assert [u.start_ms for u in told] == [n * 2000 for n in range(10)]
    assert [u.flags == (Flag.REFUSED,) for u in told] == [False] + [True] * 7 + [False] * 2


def test_a_decode_under_way_in_the_pause_becomes_the_final():
    hand = ByHand()
    stream, engine = open_stream((1000, 1700), executor=hand, first_ms=2000)
    events = []
    for n in range(3):
        events += stream.feed(ramp(1, n))
    assert stream.counts.reused_decodes == 1
    assert len(hand.tasks) == 1
    hand.run()
    events += stream.finish() + stream.poll()
    assert len(finals(events)) == 1
    assert engine.clips == [(850, 1850)]


def test_a_failed_decode_under_way_is_done_again():
    hand = ByHand()
    engine = Listener()
    engine.fail = {1: EngineTimeoutError("slow")}
    stream, _ = open_stream((1000, 1700), executor=hand, first_ms=2000, engine=engine)
    events = []
    for n in range(3):
        events += stream.feed(ramp(1, n))
    hand.run()
    events += stream.finish() + stream.poll()
    assert [bool(u.text) for u in finals(events)] == [True]
    assert engine.clips == [(850, 1850)] * 2


def test_giving_up_and_cancelling_end_the_stream():
    hand = ByHand()
    stream, _ = open_stream((500, 1500), (2500, 3500), executor=hand, engine=Listener(live=False))
    events = [e for n in range(5) for e in stream.feed(ramp(1, n))] + stream.finish()
    assert not stream.done
    events += stream.give_up()
    assert stream.done
    assert [u.flags for u in finals(events)] == [(Flag.REFUSED,)] * 2
    hand.run()
    assert stream.poll() == []

    stream, _ = open_stream((500, 1500), (2500, 3500), executor=hand)
    for n in range(4):
        stream.feed(ramp(1, n))
    stream.cancel()
    hand.run()
    assert stream.done
    assert stream.poll() == stream.finish() == []
    with pytest.raises(InputError):
        stream.feed(ramp(1))


def test_an_executor_that_went_away_refuses_and_does_not_hang():
    pool = ThreadPoolExecutor(1)
    pool.shutdown()
    stream, _ = open_stream((500, 1500), executor=pool)
    assert [u.flags for u in finals(play(stream, ramp(3)))] == [(Flag.REFUSED,)]


def test_parties_do_not_disturb_each_other():
    plans = ((500, 3000), (4000, 5000)), ((600, 2800), (2900, 4900))
    alone = [finals(play(open_stream(*plan)[0], ramp(7))) for plan in plans]
    engine = Listener()
    with ThreadPoolExecutor(1) as pool:
        desk = DecodeDesk(pool)
        streams = [PartyStream(engine, PlannedGate(*plan), desk) for plan in plans]
        events = [[], []]
        for at_ms in range(0, 7000, 20):
            for stream, own in zip(streams, events, strict=True):
                own += stream.feed(ramp(0.02, at_ms / 1000), at_ms)
        for stream, own in zip(streams, events, strict=True):
            own += stream.finish() + stream.drain(10)
    assert [finals(own) for own in events] == alone


def test_a_stream_wakes_an_event_loop():
    async def listen():
        loop, ready, events = asyncio.get_running_loop(), asyncio.Event(), []
        with ThreadPoolExecutor(1) as pool:
            gate = PlannedGate((500, 1500), (2500, 3900))
            stream = PartyStream(Listener(), gate, DecodeDesk(pool), wake=lambda: loop.call_soon_threadsafe(ready.set))
            for at_ms in range(0, 4000, 100):
                events += stream.feed(ramp(0.1, at_ms / 1000))
                await asyncio.sleep(0)
            events += stream.finish()
            while not stream.done:
                await asyncio.wait_for(ready.wait(), 5)
                ready.clear()
                events += stream.poll()
        return events

    assert len(finals(asyncio.run(listen()))) == 2
