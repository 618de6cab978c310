import numpy as np
import pytest

from qingting.errors import EngineError, EngineTimeoutError, EngineUnavailableError
from qingting.model.audio import PreparedAudio, RecordingFormat, SpeechSpan, VoiceFacts
from qingting.model.call import Role
from qingting.model.transcript import EngineIdentity, Flag, TimedText
from qingting.speech.engine import Capabilities, Recognition, SpeechEngine
from qingting.speech.recognizer import Recognizer, RecognizerOptions

CLEAR = VoiceFacts(
    voiced_ms=600, voiced_ratio=0.6, speech_ms=900, loudness_dbfs=-25.0, loudness_range_db=9.0, pitch_hertz=200.0,
    pitch_range_semitones=3.0, final_pitch_slope=0.0, pause_before_ms=0,
)  # fmt: skip
FAINT = VoiceFacts(
    voiced_ms=100, voiced_ratio=0.1, speech_ms=150, loudness_dbfs=-50.0, loudness_range_db=9.0, pitch_hertz=None,
    pitch_range_semitones=None, final_pitch_slope=None, pause_before_ms=0,
)  # fmt: skip
SILENT = VoiceFacts(
    voiced_ms=0, voiced_ratio=0.0, speech_ms=0, loudness_dbfs=-80.0, loudness_range_db=0.0, pitch_hertz=None,
    pitch_range_semitones=None, final_pitch_slope=None, pause_before_ms=0,
)  # fmt: skip


class Fake(SpeechEngine):
    """Answers from a list, in order of the clips it is given."""

    def __init__(self, answers, *, batch=2, longest=29.0):
        self.answers = list(answers)
        self.batches = []
        self.options = []
        self._capabilities = Capabilities(
            languages=("zh",), word_times=True, confidence=True, hot_words=True, longest_clip_seconds=longest,
            preferred_batch=batch, live=True,
        )  # fmt: skip

    @property
    def identity(self):
        return EngineIdentity(name="fake", model="m", revision="1")

    @property
    def capabilities(self):
        return self._capabilities

    def transcribe(self, clips, options):
        self.batches.append(list(clips))
        self.options.append(options)
        answers = [self.answers.pop(0) for _ in clips]
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return answers


def prepared(*rows, rate=8000, seconds=10, voices=None):
    parties = tuple(dict.fromkeys(row[0] for row in rows)) or ("left", "right")
    spans = tuple(
        SpeechSpan(party=party, channel=parties.index(party), start_ms=start, end_ms=end) for party, start, end in rows
    )
    ramp = np.arange(seconds * rate) * 1000 // rate  # the sample's value is its time in milliseconds
    pcm = np.stack([ramp.astype(np.int16)] * max(1, len(parties)))
    form = RecordingFormat(
        container="wav", codec="pcm_s16le", sample_rate_hertz=rate, channels=len(parties), duration_ms=seconds * 1000,
        size_bytes=1, sha256="",
    )  # fmt: skip
    return PreparedAudio(
        format=form, rate_hertz=rate, pcm=pcm, parties=parties, spans=spans, voice=tuple(voices or [CLEAR] * len(rows))
    )


def said(text, *words, language="zh", **more):
    return Recognition(
        text=text, language=language, words=tuple(TimedText(text=t, start_ms=s, end_ms=e) for t, s, e in words), **more
    )


def test_utterances_come_in_order_with_absolute_times_and_facts():
    audio = prepared(("left", 1000, 2000), ("right", 500, 900), rate=16_000)
    engine = Fake([said("好", ("好", 150, 300)), said("退款", ("退", 150, 350), ("款", 350, 1100), confidence=0.8)])
    utterances, identity = Recognizer(engine).transcribe(audio)
    assert identity.name == "fake"
    assert [(u.index, u.party, u.start_ms, u.end_ms, u.text) for u in utterances] == [
        (0, "right", 500, 900, "好。"),
        (1, "left", 1000, 2000, "退款。"),
    ]
    assert [(c.text, c.start_ms, c.end_ms) for c in utterances[1].characters] == [
        ("退", 1000, 1200),
        ("款", 1200, 1950),
    ]
    assert utterances[1].confidence == 0.8
    assert {(u.role, u.role_confidence, u.engine, u.voice) for u in utterances} == {(Role.UNSURE, 0.0, "fake", CLEAR)}
    assert utterances[1].flags == ()


def test_clips_have_margins_but_never_another_span():
    audio = prepared(("left", 50, 1000), ("left", 1100, 2000), ("left", 9000, 9950), rate=16_000)
    engine = Fake([said("好")] * 3, batch=3)
    Recognizer(engine).transcribe(audio)
    edges = [(round(c.samples[0] * 32768), round(c.samples[-1] * 32768)) for c in engine.batches[0]]
    assert edges == [(0, 1049), (1050, 2149), (8850, 9999)]
    assert {clip.voice for clip in engine.batches[0]} == {"left"}


def test_telephone_audio_is_brought_to_16_khz():
    audio = prepared(("left", 1000, 2000))
    engine = Fake([said("好")])
    Recognizer(engine, RecognizerOptions(margin_ms=0)).transcribe(audio)
    (clip,) = engine.batches[0]
    assert len(clip.samples) == 16_000
    assert clip.samples.dtype == np.float32
    assert clip.samples[8000] == pytest.approx(1500 / 32768, rel=0.01)


def test_batches_follow_the_engine_and_progress_is_told():
    audio = prepared(*[("left", i * 1000, i * 1000 + 500) for i in range(5)])
    engine = Fake([said("好")] * 5, batch=2)
    steps = []
    utterances, _ = Recognizer(engine).transcribe(
        audio, hot_words=["退款"], language="zh", progress=lambda done, total: steps.append((done, total))
    )
    assert [len(batch) for batch in engine.batches] == [2, 2, 1]
    assert steps == [(2, 5), (4, 5), (5, 5)]
    assert (engine.options[0].language, engine.options[0].hot_words) == ("zh", ("退款",))
    assert len(utterances) == 5


def test_text_form_flags_and_originals():
    audio = prepared(("left", 0, 1000), ("left", 2000, 3000), ("left", 4000, 5000))
    engine = Fake([said("我要退款120塊"), said("以下是普通话的句子。好的"), said("好", language="")], batch=3)
    one, two, three = Recognizer(engine).transcribe(audio)[0]
    assert (one.text, one.spoken_text, one.original_text) == (
        "我要退款120块。",
        "我要退款一百二十块。",
        "我要退款120塊",
    )
    assert set(one.flags) == {Flag.SIMPLIFIED, Flag.TIMES_SPREAD}
    assert (two.text, two.original_text) == ("好的。", "以下是普通话的句子。好的")
    assert Flag.PROMPT_ECHO in two.flags
    assert Flag.LANGUAGE_MISSING in three.flags
    assert three.original_text == ""


@pytest.mark.parametrize(
    ("answer", "voice", "kept"),
    [
        (said(""), CLEAR, (Flag.EMPTY_ANSWER,)),
        (said("。"), CLEAR, (Flag.EMPTY_ANSWER,)),
        (said(""), FAINT, None),
        (said("谢谢观看"), FAINT, None),
        (said("我要退款"), SILENT, None),
        (said("字幕由Amara.org社区提供"), CLEAR, (Flag.INVENTED, Flag.EMPTY_ANSWER)),
    ],
)
def test_wordless_spans_stay_only_where_someone_clearly_spoke(answer, voice, kept):
    utterances, _ = Recognizer(Fake([answer])).transcribe(prepared(("left", 0, 1000), voices=[voice]))
    assert [(u.text, u.flags) for u in utterances] == ([] if kept is None else [("", kept)])


def test_a_failed_batch_is_flagged_and_the_rest_goes_on():
    audio = prepared(*[("left", i * 1000, i * 1000 + 500) for i in range(4)])
    engine = Fake([EngineTimeoutError("slow"), said("x"), said("好"), said("的")], batch=2)
    utterances, _ = Recognizer(engine).transcribe(audio)
    assert [u.flags == (Flag.REFUSED,) for u in utterances] == [True, True, False, False]
    assert [u.text for u in utterances] == ["", "", "好。", "的。"]


def test_the_error_is_raised_when_everything_failed():
    engine = Fake([EngineTimeoutError("slow"), EngineUnavailableError("away")], batch=1)
    with pytest.raises(EngineError):
        Recognizer(engine).transcribe(prepared(("left", 0, 500), ("left", 1000, 1500)))


def test_foreign_errors_are_not_swallowed():
    with pytest.raises(ZeroDivisionError):
        Recognizer(Fake([ZeroDivisionError()])).transcribe(prepared(("left", 0, 500)))


def test_no_spans_no_utterances_no_question():
    engine = Fake([])
    assert Recognizer(engine).transcribe(prepared())[0] == ()
    assert engine.batches == []


def test_the_substitute_engine_is_named():
    other = EngineIdentity(name="other", model="m", revision="2")
    utterances, _ = Recognizer(Fake([said("好", engine=other)])).transcribe(prepared(("left", 0, 500)))
    assert utterances[0].engine == "other"


def test_spans_longer_than_the_engine_takes_are_bounded():
    engine = Fake([said("好")], longest=2.0)
    Recognizer(engine).transcribe(prepared(("left", 1000, 4000), rate=16_000))
    assert engine.batches[0][0].seconds <= 2.0


def test_times_stay_inside_the_span():
    answer = said("退款好", ("退", 0, 100), ("款", 100, 140), ("好", 1200, 1290))
    (utterance,), _ = Recognizer(Fake([answer])).transcribe(prepared(("left", 1000, 2000)))
    times = [(c.start_ms, c.end_ms) for c in utterance.characters]
    assert all(1000 <= start < end <= 2000 for start, end in times)
    assert times == sorted(times)
