"""The fault table of docs/qwen3-faults.md: every fault injected over HTTP, and what reaches the transcript."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from qingting.errors import EngineAnswerError, EngineError, EngineTimeoutError, EngineUnavailableError
from qingting.model.audio import PreparedAudio, RecordingFormat, SpeechSpan, VoiceFacts
from qingting.model.transcript import Flag, Utterance
from qingting.speech.balancing import BreakerOptions
from qingting.speech.qwen3_server import Qwen3ServerEngine, Qwen3ServerSettings
from qingting.speech.recognizer import Recognizer, RecognizerOptions
from qingting.testing.qwen3_stand_in import (
    MODEL,
    Asked,
    Reply,
    StandIn,
    marked_clip,
    recorded,
    recorded_reply,
    reply_of,
    saying,
)

PAGE = Path(__file__).parents[3] / "docs" / "qwen3-faults.md"
GOOD = "language Chinese<asr_text>我要退款。"
CLEAR = VoiceFacts(
    voiced_ms=1200, voiced_ratio=0.6, speech_ms=1900, loudness_dbfs=-25.0, loudness_range_db=9.0, pitch_hertz=200.0,
    pitch_range_semitones=3.0, final_pitch_slope=0.0, pause_before_ms=0,
)  # fmt: skip
NOBODY = replace(CLEAR, voiced_ms=0, voiced_ratio=0.0, speech_ms=0)
FAINT = replace(CLEAR, voiced_ms=100, voiced_ratio=0.05, speech_ms=150)
HOT_WORDS = ("退款", "订单", "客服")
HURRIED = "我要申请退款因为上周买的电饭煲用了几天就不能加热了请你们尽快处理一下谢谢"


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A fault, and what the user gets."""

    replies: Sequence[Reply]
    """For the first, second … request; the last one for all later ones."""
    text: str | None = "我要退款。"
    """Of the utterance; None: no utterance."""
    flags: tuple[Flag, ...] = ()
    error: type[EngineError] | None = None
    """Raised when it was the whole recording."""
    hot_words: tuple[str, ...] = ()
    voice: VoiceFacts = CLEAR
    seconds: float = 2.0
    requests: int | None = None
    also: Callable[[Utterance], bool] = field(default=lambda _: True)


def answer(change: Callable[[dict], None]) -> Reply:
    document = json.loads(saying(GOOD).body)
    change(document)
    return reply_of(document)


def body(content: bytes) -> Reply:
    return Reply(body=content)


good = saying(GOOD)
WHOLE = good.body
SAID = "language Chinese<asr_text>"

FAULTS: dict[str, Fault] = {
    # what the model does
    "loop-once": Fault(replies=[saying(SAID + "我想" * 100), good], requests=2),
    "loop-always": Fault(replies=[saying(SAID + "我想" * 100)], text="我想。", flags=(Flag.LOOP,), requests=2),
    "cut-once": Fault(replies=[saying(SAID + "我要退", finish="length"), good], requests=2),
    "cut-always": Fault(
        replies=[saying(SAID + "我要退", finish="length")], text="我要退。", flags=(Flag.TRUNCATED,), requests=2
    ),
    "hot-word-leak": Fault(
        replies=[saying(SAID + "退款、订单、客服"), good],
        flags=(Flag.HOTWORD_LEAK,),
        hot_words=HOT_WORDS,
        requests=2,
    ),
    "hot-words-spoken": Fault(
        replies=[saying(SAID + "我的订单要退款，找客服")],
        text="我的订单要退款，找客服。",
        hot_words=HOT_WORDS,
        requests=1,
    ),
    "prompt-echo": Fault(replies=[saying("system\n退款、订单" + GOOD)], hot_words=HOT_WORDS),
    "spaces": Fault(replies=[saying(SAID + "我 要 退 款 。")]),
    "raw-tags": Fault(replies=[saying(SAID + "<asr_text>我要<|audio_pad|>退款。<|im_end|>")]),
    "two-labels": Fault(
        replies=[saying(SAID + "我要退款，language English<asr_text>thank you")], text="我要退款，thank you。"
    ),
    "no-tag": Fault(replies=[saying("language Chinese我要退款。")]),
    "no-label": Fault(replies=[saying("我要退款。")], flags=(Flag.LANGUAGE_MISSING,)),
    "unknown-label": Fault(
        replies=[saying("language Sichuan<asr_text>我要退款。")], flags=(Flag.LANGUAGE_MISSING,)
    ),
    "none-with-text": Fault(
        replies=[saying("language None<asr_text>我要退款。")], flags=(Flag.LANGUAGE_MISSING,)
    ),
    "none-over-speech": Fault(
        replies=[reply_of(recorded()["no_speech"])], text="", flags=(Flag.EMPTY_ANSWER,)
    ),
    "none-over-noise": Fault(replies=[reply_of(recorded()["no_speech"])], text=None, voice=FAINT),
    "empty": Fault(replies=[saying("")], text="", flags=(Flag.EMPTY_ANSWER,)),
    "invented": Fault(replies=[good], text=None, voice=NOBODY),
    "traditional": Fault(
        replies=[saying("language Cantonese<asr_text>我要退錢，唔該曬。")],
        text="我要退钱，唔该晒。",
        flags=(Flag.SIMPLIFIED,),
        also=lambda u: u.language == "yue" and "退錢" in u.original_text,
    ),
    "too-fast": Fault(
        replies=[saying(SAID + HURRIED)],
        text=HURRIED,
        flags=(Flag.TOO_FAST,),
    ),
    "too-sparse": Fault(
        replies=[saying(SAID + "好。")],
        text="好。",
        flags=(Flag.TOO_SPARSE,),
        voice=replace(CLEAR, speech_ms=5900),
        seconds=6.0,
    ),
    "no-probabilities": Fault(replies=[saying(GOOD, log_probability=None)], also=lambda u: u.confidence is None),
    # what the server does
    "slow-once": Fault(replies=[replace(good, wait_seconds=3.0), good], requests=2),
    "slow-always": Fault(replies=[replace(good, wait_seconds=3.0)], error=EngineTimeoutError, requests=2),
    "dripping": Fault(replies=[replace(good, drip_seconds=0.05)], error=EngineTimeoutError, requests=2),
    "status-500-once": Fault(replies=[Reply(status=500, body=b"oops"), good], requests=2),
    "status-500-always": Fault(replies=[Reply(status=500)], error=EngineUnavailableError, requests=2),
    "status-503-pause": Fault(replies=[Reply(status=503, headers={"Retry-After": "0"}), good], requests=2),
    "status-429": Fault(replies=[Reply(status=429, headers={"Retry-After": "0.1"})] * 4 + [good], requests=5),
    "status-400": Fault(
        replies=[reply_of(recorded()["too_many_tokens"], status=400)], error=EngineAnswerError, requests=1
    ),
    "status-404": Fault(replies=[reply_of(recorded()["unknown_model"], status=404)], error=EngineAnswerError),
    "reset-before": Fault(replies=[Reply(cut_at=0), good], requests=2),
    "reset-within": Fault(replies=[replace(good, cut_at=80), good], requests=2),
    "half-answer": Fault(replies=[body(WHOLE[: len(WHOLE) // 2]), good], requests=2),
    "aborted": Fault(replies=[answer(lambda d: d["choices"][0].update(finish_reason="abort")), good], requests=2),
    "garbage-once": Fault(replies=[body(b"\x00\xff<html>"), good], requests=2),
    "garbage-always": Fault(replies=[body(b"\x00\xff<html>")], error=EngineAnswerError, requests=2),
    "no-choices": Fault(replies=[answer(lambda d: d.update(choices=[])), good], requests=2),
    "two-choices": Fault(replies=[answer(lambda d: d.update(choices=d["choices"] * 2)), good], requests=2),
    "wrong-types": Fault(replies=[body(b'[{"choices": 3}]'), body(b'{"choices": [{"message": 5}]}'), good]),
    "deep-json": Fault(replies=[body(b"[" * 200_000), good], requests=2),
    "huge": Fault(replies=[body(b" " * (5 * 1024 * 1024)), good], requests=2),
    "broken-probabilities": Fault(
        replies=[answer(lambda d: d["choices"][0].update(logprobs={"content": [{"logprob": "x"}]}))],
        also=lambda u: u.confidence is None,
    ),
}  # fmt: skip
ATTEMPTS = {"wrong-types": 3}


def recording(fault: Fault, clips: int = 1) -> PreparedAudio:
    """Recordings of marked clips, a second of silence between them."""
    sound = [np.pad(marked_clip(n, seconds=fault.seconds).samples, (0, 16_000)) for n in range(clips)]
    pcm = np.rint(np.concatenate(sound) * 32768).astype(np.int16)[None, :]
    each_ms = round(fault.seconds * 1000)
    spans = tuple(
        SpeechSpan(party="right", channel=0, start_ms=n * (each_ms + 1000), end_ms=n * (each_ms + 1000) + each_ms)
        for n in range(clips)
    )
    form = RecordingFormat(
        container="wav", codec="pcm_s16le", sample_rate_hertz=16_000, channels=1,
        duration_ms=pcm.shape[1] // 16, size_bytes=1, sha256="",
    )  # fmt: skip
    return PreparedAudio(
        format=form, rate_hertz=16_000, pcm=pcm, parties=("right",), spans=spans, voice=(fault.voice,) * clips
    )


def recognizer_for(engine: Qwen3ServerEngine) -> Recognizer:
    """Clips begin where spans begin, so that their marks stay first."""
    return Recognizer(engine, RecognizerOptions(margin_ms=0))


def engine_for(server: StandIn, attempts: int) -> Qwen3ServerEngine:
    return Qwen3ServerEngine(
        Qwen3ServerSettings(
            urls=(server.url,),
            model=MODEL,
            request_timeout_seconds=1.0,
            total_timeout_seconds=20.0,
            attempts=attempts,
            breaker=BreakerOptions(first_rest_seconds=0.01, longest_rest_seconds=0.05),
        )
    )


@pytest.mark.parametrize("name", FAULTS)
def test_what_the_user_gets(name: str) -> None:
    fault = FAULTS[name]
    with StandIn(lambda asked: fault.replies[min(asked.attempt, len(fault.replies) - 1)]) as server:
        engine = engine_for(server, ATTEMPTS.get(name, 2))
        try:
            if fault.error is not None:
                with pytest.raises(fault.error) as caught:
                    recognizer_for(engine).transcribe(recording(fault), hot_words=fault.hot_words)
                assert "退款" not in str(caught.value) + caught.value.remedy
            else:
                utterances, _ = recognizer_for(engine).transcribe(recording(fault), hot_words=fault.hot_words)
                check(fault, utterances)
        finally:
            engine.close()
        assert fault.requests in (None, len(server.asked))
        assert all(asked.context is not None for asked in server.asked), "the system turn is always there"


def check(fault: Fault, utterances: Sequence[Utterance]) -> None:
    if fault.text is None:
        assert utterances == ()
        return
    (utterance,) = utterances
    assert utterance.text.rstrip("。") == fault.text.rstrip("。")
    assert {flag for flag in utterance.flags if flag is not Flag.TIMES_SPREAD} == set(fault.flags)
    assert fault.also(utterance)


def test_a_loop_is_asked_again_with_a_penalty_and_a_leak_without_the_words() -> None:
    seen: list[Asked] = []

    def reply(asked: Asked) -> Reply:
        seen.append(asked)
        return saying(SAID + ("我想" * 100 if asked.clip == 0 else "退款、订单、客服")) if asked.attempt == 0 else good

    with StandIn(reply) as server:
        engine = engine_for(server, 2)
        recognizer_for(engine).transcribe(recording(FAULTS["loop-once"], clips=2), hot_words=HOT_WORDS)
        engine.close()
    again = {asked.clip: asked for asked in seen if asked.attempt == 1}
    assert again[0].body["repetition_penalty"] > 1.0
    assert again[0].context == "退款、订单、客服"
    assert "repetition_penalty" not in again[1].body
    assert again[1].context == ""


@pytest.mark.parametrize("name", [name for name, fault in FAULTS.items() if fault.error is not None])
def test_one_lost_utterance_is_shown_and_the_others_stay(name: str) -> None:
    fault = FAULTS[name]
    if name == "status-404":
        pytest.skip("a server without the model has it for no clip")
    with StandIn(lambda asked: fault.replies[0] if asked.clip == 1 else recorded_reply(asked)) as server:
        engine = engine_for(server, 2)
        utterances, _ = recognizer_for(engine).transcribe(recording(fault, clips=3))
        engine.close()
    assert [Flag.REFUSED in utterance.flags for utterance in utterances] == [False, True, False]
    assert utterances[1].text == ""
    assert utterances[0].text
    assert utterances[2].text


def test_characters_carry_the_confidence_of_their_tokens() -> None:
    document = json.loads(saying(SAID + "我要退款120元。").body)
    for token in document["choices"][0]["logprobs"]["content"]:
        if token["token"] == "款":
            token["logprob"] = -2.0
        if token["token"] == "1":
            token["logprob"] = -1.0
    with StandIn(lambda _: reply_of(document)) as server:
        engine = engine_for(server, 2)
        (utterance,), _ = recognizer_for(engine).transcribe(recording(FAULTS["empty"]))
        engine.close()
    by_character = {c.text: c.confidence for c in utterance.characters}
    assert by_character["款"] == pytest.approx(0.135, abs=0.001)
    assert by_character["1"] == pytest.approx(0.368, abs=0.001)
    assert by_character["退"] == pytest.approx(0.951, abs=0.001)
    assert utterance.confidence is not None
    assert 0.5 < utterance.confidence < 0.951


def test_the_page_lists_every_fault_that_is_tested() -> None:
    rows = re.findall(r"^\| `([a-z0-9-]+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert rows == list(FAULTS)
