"""Two made-up voices: harmonics under moving formants, in turns, mixed to one channel."""

import itertools

import numpy as np
import pytest

from qingting.audio.speakers import SPEAKERS, separate
from qingting.model.audio import SpeechSpan

FORMANTS = np.array([[700, 1200, 2600], [300, 2300, 3000], [350, 700, 2500], [500, 1800, 2500], [450, 900, 2700]])


def voice(seconds, rate, pitch_hertz, size, seed):
    """`size` stretches the formants: below 1 a longer vocal tract."""
    random = np.random.default_rng(seed)
    parts = []
    while sum(map(len, parts)) < seconds * rate:
        length = int(rate * random.uniform(0.06, 0.16))
        t = np.arange(length) / rate
        pitch = pitch_hertz * 2 ** (random.normal(0, 1) / 12) * (1 + random.normal(0, 0.1) * t)
        phase = 2 * np.pi * np.cumsum(pitch) / rate
        formants = random.dirichlet(np.ones(5)) @ FORMANTS * size * random.normal(1, 0.03, 3)
        sound = np.zeros(length)
        for k in range(1, int(3800 / pitch_hertz)):
            gain = sum(
                w / (1 + ((k * pitch_hertz - f) / 90) ** 2) for f, w in zip(formants, (1, 0.6, 0.3), strict=True)
            )
            sound += (gain + 0.004) * np.sin(k * phase)
        parts.append(sound * np.sin(np.pi * np.arange(length) / length) ** 0.5)
    sound = np.concatenate(parts)[: int(seconds * rate)]
    return sound * 3000 / sound.std()


HIGH, LOW = (210, 1.1), (115, 0.93)


def call(turns, rate=8000, gap=0.6):
    """turns: (voice, seconds); returns the samples and the (start_ms, end_ms, voice) of each turn."""
    parts, truth, at = [np.zeros(rate // 2)], [], 500
    for seed, (who, seconds) in enumerate(turns):
        sound = voice(seconds, rate, *who, seed)
        parts += [sound, np.zeros(int(gap * rate))]
        truth.append((at, at + int(seconds * 1000), who))
        at += round((seconds + gap) * 1000)
    mix = np.concatenate(parts) + np.random.default_rng(9).normal(0, 30, sum(map(len, parts)))
    return mix.astype(np.int16), truth


def spans_of(truth):
    return [SpeechSpan(party="mono", channel=0, start_ms=a, end_ms=b) for a, b, _ in truth]


TURNS = list(itertools.islice(itertools.cycle([(HIGH, 3.0), (LOW, 2.0), (HIGH, 1.2), (LOW, 4.0)]), 12))


def owner_at(separation, ms):
    return next((s.party for s in separation.spans if s.start_ms <= ms < s.end_ms), None)


@pytest.mark.parametrize("rate", [8000, 16000])
def test_turns_of_unlike_voices_are_told_apart(rate):
    pcm, truth = call(TURNS, rate)
    separation = separate(pcm, rate, spans_of(truth))
    names = {who: owner_at(separation, a + 300) for a, _, who in truth[:2]}
    assert names == {HIGH: "speaker_1", LOW: "speaker_2"}
    assert all(s.party == names[who] for s, (_, _, who) in zip(separation.spans, truth, strict=True))
    assert separation.confidence > 0.8
    assert separation.notes == ()


def test_who_speaks_first_is_speaker_1_whatever_the_voice():
    pcm, truth = call([(LOW, 2.0), (HIGH, 3.0)] * 5)
    separation = separate(pcm, 8000, spans_of(truth))
    assert separation.spans[0].party == SPEAKERS[0]
    assert separation.spans[1].party == SPEAKERS[1]


def test_a_span_with_both_voices_is_cut_near_the_change():
    pcm, truth = call(TURNS, gap=0.05)
    whole = [SpeechSpan(party="mono", channel=0, start_ms=truth[i][0], end_ms=truth[i + 1][1]) for i in range(0, 12, 2)]
    separation = separate(pcm, 8000, whole)
    starts = [s.start_ms for s in separation.spans]
    for _, end, _ in truth[0::2]:
        assert min(abs(start - end) for start in starts) <= 400
    assert len(separation.spans) == 12


@pytest.mark.parametrize("gap", [0.05, 0.6])
def test_spans_tile_what_was_given(gap):
    pcm, truth = call(TURNS, gap=gap)
    given = [SpeechSpan(party="mono", channel=0, start_ms=500, end_ms=truth[5][1])]
    given += spans_of(truth[6:])
    separation = separate(pcm, 8000, given)
    covered = sorted((s.start_ms, s.end_ms) for s in separation.spans)
    assert all(a % 10 == 0 and b % 10 == 0 and b - a >= 250 for a, b in covered)
    assert sum(b - a for a, b in covered) == sum(s.end_ms - s.start_ms for s in given)
    assert all(a[1] <= b[0] for a, b in itertools.pairwise(covered))
    assert {s.party for s in separation.spans} <= set(SPEAKERS)
    assert list(separation.spans) == sorted(separation.spans, key=lambda s: s.start_ms)


@pytest.mark.parametrize("who", [HIGH, LOW, (160, 1.0)])
def test_one_voice_stays_one_speaker(who):
    pcm, truth = call([(who, s) for s in (3.0, 1.5, 4.0, 2.0, 3.5, 2.5, 3.0, 2.0) * 2])
    separation = separate(pcm, 8000, spans_of(truth))
    assert separation.confidence <= 0.7
    assert len(separation.notes) == 1


def test_where_no_second_voice_is_found_all_is_one_speakers():
    pcm, truth = call([((160, 1.0), s) for s in (3.0, 1.5, 4.0, 2.0, 3.5, 2.5, 3.0, 2.0) * 2])
    separation = separate(pcm, 8000, spans_of(truth))
    assert {s.party for s in separation.spans} == {"speaker_1"}
    assert separation.notes == ("未发现第二个说话人的声音，全部归为同一人",)


def test_without_speech_there_is_nothing_to_separate():
    separation = separate(np.zeros(8000, np.int16), 8000, [])
    assert separation.spans == ()
    assert separation.confidence == 0
    assert separation.notes == ("没有检测到语音，未区分说话人",)


def test_too_little_speech_is_left_to_one_speaker():
    pcm, truth = call([(HIGH, 1.0), (LOW, 1.0)])
    separation = separate(pcm, 8000, spans_of(truth))
    assert [s.party for s in separation.spans] == ["speaker_1", "speaker_1"]
    assert separation.confidence <= 0.5
    assert "太短" in separation.notes[0]


@pytest.mark.parametrize("samples", [np.zeros(80000, np.int16), np.full(80000, 12000, np.int16)])
def test_spans_without_any_sound_do_not_fail(samples):
    span = SpeechSpan(party="mono", channel=0, start_ms=1000, end_ms=9000)
    separation = separate(samples, 8000, [span])
    assert {s.party for s in separation.spans} == {"speaker_1"}
    assert separation.confidence < 0.75


def test_spans_beyond_the_end_and_other_channels_are_kept():
    pcm, truth = call(TURNS)
    given = [SpeechSpan(party="left", channel=1, start_ms=s.start_ms, end_ms=s.end_ms) for s in spans_of(truth)]
    last_ms = len(pcm) // 8 // 10 * 10
    given.append(SpeechSpan(party="left", channel=1, start_ms=last_ms - 500, end_ms=last_ms + 40))
    separation = separate(pcm, 8000, given)
    assert separation.spans[-1].end_ms == last_ms + 40
    assert {s.channel for s in separation.spans} == {1}


def test_the_same_call_gives_the_same_answer_and_level_does_not_matter():
    pcm, truth = call(TURNS)
    first = separate(pcm, 8000, spans_of(truth))
    assert separate(pcm, 8000, spans_of(truth)) == first
    quieter = separate((pcm // 3).astype(np.int16), 8000, spans_of(truth))
    assert [s.party for s in quieter.spans] == [s.party for s in first.spans]


def test_other_rates_are_refused():
    with pytest.raises(ValueError, match="44100"):
        separate(np.zeros(10, np.int16), 44100, [])
