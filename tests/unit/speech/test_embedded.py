"""How the engine packs, checks and decodes again, with a model that plays a script."""

from dataclasses import replace

import numpy as np
import pytest

from qingting.errors import EngineAnswerError, SettingsError
from qingting.model.transcript import Flag, TimedText
from qingting.speech import _weights
from qingting.speech._whisper import Decoded, window_frames
from qingting.speech.embedded import CHINESE_PROMPT, EmbeddedEngine, EmbeddedSettings
from qingting.speech.engine import Clip, RecognitionOptions


class FakeModel:
    """Writes for each clip what `script` holds for its loudness, one decode after the other.

    A window's clips are told apart by their level: sample value 0.1 is clip 1, 0.2 clip 2 …
    """

    def __init__(self, script, languages=None):
        self.script = script
        self.windows = []
        self.sounds = []
        self.prompts = []
        self.frames = []
        self.limits = []
        self.language = languages or {"zh": 0.98, "en": 0.01}
        self.asked = []

    def encode(self, windows, frames):
        self.frames.append(frames)
        self.pending = [self._clips(samples) for samples in windows]
        self.sounds.extend([level for level, _, _ in window] for window in self.pending)
        steps = np.arange(frames // 2, dtype=np.float32)[np.newaxis, :, np.newaxis]
        return np.repeat(steps, len(windows), axis=0)

    def _clips(self, samples):
        found = []
        levels = np.round(samples * 10).astype(int)
        for level in dict.fromkeys(int(value) for value in levels if value):
            at = np.flatnonzero(levels == level)
            found.append((level, int(at[0]) // 16, int(at[-1] + 1) // 16))
        return found

    def _seen(self, window, times):
        """Clips within the states shown, with times from the first of these."""
        return [(n, s - times[0], e - times[0]) for n, s, e in window if times[0] <= s and e <= times[-1] + 20]

    def languages(self, states):
        return [self.language] * len(states)

    def generate(self, states, *, languages, prompt, beam, limit_tokens):
        self.pending = [self._seen(window, row[:, 0] * 20) for window, row in zip(self.pending, states, strict=True)]
        self.windows.extend([level for level, _, _ in window] for window in self.pending)
        self.prompts.append(prompt)
        self.limits.append(limit_tokens)
        self.asked.append(languages)
        self.written = []
        decoded = []
        for window in self.pending:
            words, probability, truncated = [], -0.3, False
            for level, start, end in window:
                play = self.script[level].pop(0) if len(self.script[level]) > 1 else self.script[level][0]
                text, *rest = play if isinstance(play, tuple) else (play,)
                probability = min([probability, *[x for x in rest if isinstance(x, float)]])
                truncated = truncated or "cut" in rest
                step = (end - start) / max(1, len(text))
                words += [
                    TimedText(
                        text=c, start_ms=int(start + i * step), end_ms=int(start + (i + 1) * step), confidence=0.9
                    )
                    for i, c in enumerate(text)
                ]
            self.written.append(tuple(words))
            decoded.append(
                Decoded(tokens=(1,), mean_log_probability=probability, no_speech_probability=0.1, truncated=truncated)
            )
        return decoded

    def align(self, states, decoded, *, languages, lengths_ms):
        return self.written

    def close(self):
        self.closed = True


@pytest.fixture(autouse=True)
def installed(monkeypatch):
    monkeypatch.setattr(_weights, "require_packages", lambda: None)


def clip(level: int, seconds: float = 2.0, voice: str = "") -> Clip:
    return Clip(samples=np.full(int(seconds * 16_000), level / 10, np.float32), voice=voice)


def run(script, clips, options=None, languages=None, **settings):
    engine = EmbeddedEngine(settings=EmbeddedSettings(**settings))
    engine._model = model = FakeModel(script, languages)
    return engine.transcribe(clips, options or RecognitionOptions()), model


def test_clips_share_windows_and_get_their_words_back():
    script = {1: ["你好"], 2: ["我要退款"], 3: ["好的"]}
    answers, model = run(script, [clip(1), clip(2), clip(3)])
    assert [answer.text for answer in answers] == ["你好", "我要退款", "好的"]
    assert model.windows == [[1, 2, 3]]
    assert all(0 <= word.start_ms <= word.end_ms <= 2000 for answer in answers for word in answer.words)
    assert answers[0].confidence == pytest.approx(0.9)
    assert answers[0].language == "zh"


def test_voices_never_share_a_window():
    clips = [clip(1, voice="left"), clip(2, voice="right"), clip(3, voice="left")]
    _, model = run({1: ["你好"], 2: ["退款"], 3: ["好的"]}, clips)
    assert sorted(model.windows) == [[1, 3], [2]]


def test_windows_are_bounded_and_decoded_in_batches():
    clips = [clip(i, 6.0) for i in range(1, 10)]
    _, model = run({i: ["我要退款好吗"] for i in range(1, 10)}, clips, batch_windows=2)
    assert sorted(model.windows) == [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
    assert len(model.frames) == 2
    assert model.frames[0] == 1860 + 100
    assert all(limit <= 260 for limit in model.limits)


LOOP = "好的" * 15


@pytest.mark.parametrize("bad", [LOOP, ("我要退款", -1.5), ("我要退款", "cut"), "字" * 60, CHINESE_PROMPT])
def test_a_suspicious_window_is_decoded_again_clip_by_clip(bad):
    answers, model = run({1: ["你好吗"], 2: [bad, "我要退款"]}, [clip(1), clip(2)])
    assert [answer.text for answer in answers] == ["你好吗", "我要退款"]
    assert model.windows == [[1, 2], [1], [2]]
    assert answers[1].flags == ()


def test_a_clip_that_got_no_words_is_decoded_alone():
    answers, model = run({1: ["你好吗"], 2: ["", "嗯"]}, [clip(1), clip(2)])
    assert [answer.text for answer in answers] == ["你好吗", "嗯"]
    assert model.windows == [[1, 2], [2]]


def test_the_last_try_is_without_prompt_on_a_full_window():
    answers, model = run({1: [LOOP, "我要退款"]}, [clip(1)])
    assert answers[0].text == "我要退款"
    assert model.prompts == [CHINESE_PROMPT, ""]
    assert model.frames == [1000, 3000]


def test_tries_are_bounded_and_the_best_answer_stays():
    answers, model = run({1: ["你好吗"], 2: [(LOOP, -0.9), (LOOP, -0.2), (LOOP + "好", -0.5)]}, [clip(1), clip(2)])
    assert model.windows.count([2]) == 2
    assert answers[1].text == LOOP
    assert answers[0].text == "你好吗"


def test_a_limit_that_stays_hit_is_flagged():
    answers, _ = run({1: [("我要退款", "cut")]}, [clip(1)])
    assert answers[0].flags == (Flag.TRUNCATED,)


def test_silence_is_not_decoded():
    answers, model = run({}, [Clip(samples=np.zeros(32_000, np.float32)), Clip(samples=np.zeros(0, np.float32))])
    assert [answer.text for answer in answers] == ["", ""]
    assert model.windows == []


@pytest.mark.parametrize(
    ("heard", "wish", "decoded_as", "prompt"),
    [
        ({"zh": 0.9, "en": 0.05}, None, "zh", CHINESE_PROMPT),
        ({"zh": 0.2, "en": 0.7}, None, "en", ""),
        ({"zh": 0.1, "ja": 0.8}, None, "zh", CHINESE_PROMPT),
        ({"zh": 0.9, "en": 0.05}, "en", "en", ""),
        ({"zh": 0.2, "en": 0.7}, "zh", "zh", CHINESE_PROMPT),
    ],
)
def test_language_is_heard_unless_wished(heard, wish, decoded_as, prompt):
    _, model = run({1: ["hello"]}, [clip(1)], RecognitionOptions(language=wish), languages=heard)
    assert (model.asked[0], model.prompts[0]) == ([decoded_as], prompt)


def test_the_label_follows_the_script_of_the_text():
    answers, _ = run({1: ["hello"], 2: ["好 OK"], 3: ["110"]}, [clip(1), clip(2), clip(3)])
    assert [answer.language for answer in answers] == ["en", "zh", "zh"]


def test_hot_words_are_in_the_prompt():
    _, model = run({1: ["好的"]}, [clip(1)], RecognitionOptions(hot_words=("极速达", "运费险")))
    assert model.prompts[0].startswith(CHINESE_PROMPT)
    assert "极速达" in model.prompts[0]
    assert "运费险" in model.prompts[0]


def test_leaked_hot_words_are_decoded_again_without_them():
    hot = ("退款", "订单", "运费险")
    answers, model = run({1: ["退款订单运费险", "我要换货"]}, [clip(1)], RecognitionOptions(hot_words=hot))
    assert answers[0].text == "我要换货"
    assert model.prompts[1] == ""


def test_wrong_input_is_refused():
    engine = EmbeddedEngine()
    with pytest.raises(SettingsError):
        engine.transcribe([clip(1)], RecognitionOptions(language="yue"))
    with pytest.raises(EngineAnswerError, match="longer"):
        engine.transcribe([clip(1, 30.0)], RecognitionOptions())
    with pytest.raises(EngineAnswerError, match="mono"):
        engine.transcribe([Clip(samples=np.zeros((2, 100), np.float32))], RecognitionOptions())


def test_foreign_failures_are_wrapped_without_their_words():
    engine = EmbeddedEngine()
    engine._model = FakeModel({})
    with pytest.raises(EngineAnswerError, match="KeyError") as caught:
        engine.transcribe([clip(1)], RecognitionOptions())
    assert caught.value.__cause__ is not None


def behind(level: int, *before: Clip, seconds: float = 2.0) -> Clip:
    return replace(clip(level, seconds), before=tuple(one.samples for one in before))


def test_earlier_sound_is_heard_and_its_words_are_not_told():
    script = {1: ["你好"], 2: ["我要退款"], 3: ["好的"]}
    (answer,), model = run(script, [behind(3, clip(1), clip(2))])
    assert answer.text == "好的"
    assert model.sounds == [[1, 2, 3]]
    assert model.windows == [[3]]
    assert 0 <= answer.words[0].start_ms < answer.words[-1].end_ms <= 2000
    assert model.limits == [16 + 28]


def test_only_the_latest_earlier_sound_that_finds_room_is_heard():
    script = {n: ["我要退款好吗"] for n in range(1, 6)}
    _, model = run(script, [behind(5, clip(1, 5.0), clip(2, 5.0), clip(3, 3.0), seconds=6.0)])
    assert model.sounds == [[2, 3, 5]]
    _, model = run(script, [behind(5, clip(1, 5.0), clip(2, 9.0), seconds=6.0)])
    assert model.sounds == [[5]]


def test_a_doubtful_answer_behind_earlier_sound_is_decoded_alone():
    (answer,), model = run({1: ["你好"], 2: [LOOP, "我要退款"]}, [behind(2, clip(1))])
    assert answer.text == "我要退款"
    assert model.sounds == [[1, 2], [2]]


def test_hot_words_are_told_to_clips_behind_earlier_sound_too():
    _, model = run({1: ["你好"], 2: ["退款"]}, [behind(2, clip(1))], RecognitionOptions(hot_words=("青听",)))
    assert model.prompts == [CHINESE_PROMPT + "青听"]


def test_clips_with_and_without_earlier_sound_keep_their_order():
    script = {1: ["你好"], 2: ["我要退款"], 3: ["好的"], 4: ["再见"]}
    answers, _ = run(script, [clip(2), behind(3, clip(1)), clip(4)])
    assert [answer.text for answer in answers] == ["我要退款", "好的", "再见"]


@pytest.mark.parametrize(
    ("length", "frames"), [(2000, 1000), (9000, 1000), (9500, 1050), (19_999, 2100), (28_000, 2900), (29_500, 3000)]
)
def test_window_frames_are_even_and_bounded(length, frames):
    found = window_frames(length, margin_ms=1000, shortest_ms=10_000)
    assert found == frames
    assert found % 2 == 0
