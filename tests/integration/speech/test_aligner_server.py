"""The served aligner against a stand-in that speaks recorded real answers, and every fault injected over HTTP."""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from qingting import doctor
from qingting.bootstrap import open_aligner
from qingting.errors import (
    EngineAnswerError,
    EngineError,
    EngineTimeoutError,
    EngineUnavailableError,
    SettingsError,
)
from qingting.model.audio import PreparedAudio, RecordingFormat, SpeechSpan, VoiceFacts
from qingting.model.transcript import Flag
from qingting.settings import load_settings
from qingting.speech.aligner_server import ServedAlignerSettings, ServedForcedAligner
from qingting.speech.balancing import BreakerOptions
from qingting.speech.engine import Capabilities, Clip
from qingting.speech.qwen3_server import Qwen3ServerEngine, Qwen3ServerSettings
from qingting.speech.recognizer import Recognizer, RecognizerOptions
from qingting.testing import ScriptedEngine
from qingting.testing.qwen3_stand_in import Asked, Reply, StandIn, reply_of, saying
from qingting.testing.tiny_qwen3 import tiny_clips

PAGE = Path(__file__).parents[3] / "docs" / "qwen3-faults.md"
RECORDED = json.loads(Path(__file__).with_name("aligner_answers.json").read_text(encoding="utf-8"))
MODEL = "tiny-aligner"
FAST = BreakerOptions(first_rest_seconds=0.02, longest_rest_seconds=0.1, failures=3)
CLIPS = {clip.name: clip for clip in tiny_clips()}
TEXT = CLIPS["order"].text
CLIP = Clip(samples=CLIPS["order"].samples)


def recorded(name: str) -> Reply:
    """What vLLM answered for a clip that the tiny aligner knows."""
    answer = RECORDED[name]
    return Reply(body=base64.b64decode(answer["body"]), headers={"metadata": answer["metadata"]})


GOOD = recorded("order")
UNITS = CLIPS["order"].units


def with_head(**changes: object) -> Reply:
    document = json.loads(GOOD.headers["metadata"])
    document["data"][0].update(changes)
    return replace(GOOD, headers={"metadata": json.dumps(document)})


def with_number(value: float) -> Reply:
    numbers = np.frombuffer(GOOD.body, "<f2").copy()
    numbers[100] = value
    return replace(GOOD, body=numbers.tobytes())


def slots_reply(slots: Sequence[int], sure: float = 0.9) -> Reply:
    """An answer in the recorded form with other slots."""
    rows = np.full((len(slots), 128), (1 - sure) / 127, "<f2")
    rows[np.arange(len(slots)), list(slots)] = sure
    return replace(with_head(shape=list(rows.shape), end=rows.nbytes), body=rows.tobytes())


def settings_for(*servers: StandIn, **changes) -> ServedAlignerSettings:
    base = ServedAlignerSettings(
        urls=tuple(server.url for server in servers),
        model=MODEL,
        request_timeout_seconds=0.6,
        total_timeout_seconds=5.0,
        attempts=2,
        breaker=FAST,
    )
    return replace(base, **changes)


def times(words) -> tuple[tuple[str, int, int], ...]:
    return tuple((word.text, word.start_ms, word.end_ms) for word in words)


def serving(*replies: Reply):
    return StandIn(lambda asked: replies[min(asked.attempt, len(replies) - 1)])


@pytest.mark.parametrize(("name", "language"), [("order", "zh"), ("english", "en")])
def test_recorded_answers_give_the_known_times(name, language):
    clip = CLIPS[name]
    with serving(recorded(name)) as server:
        aligner = ServedForcedAligner(settings_for(server, api_key="geheim", revision="abc123"))
        words = aligner.align(Clip(samples=clip.samples), clip.text, language)
        aligner.close()
    assert times(words) == tuple((text.strip("."), *span) for text, *span in clip.units)
    assert all(0.9 < word.confidence <= 1.0 for word in words)
    (asked,) = server.asked
    assert (asked.path, asked.key, asked.body["model"]) == ("/pooling", "Bearer geheim", MODEL)
    assert (aligner.identity.name, aligner.identity.model, aligner.identity.revision) == ("aligner", MODEL, "abc123")


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A fault, and what the caller gets: the right times, or an error."""

    replies: Sequence[Reply]
    error: type[EngineError] | None = None
    requests: int = 2
    named: str = ""
    """Stands in cause or remedy of the error."""


FAULTS = {
    "aligner-slow-once": Fault(replies=[replace(GOOD, wait_seconds=2.0), GOOD]),
    "aligner-slow-always": Fault(replies=[replace(GOOD, wait_seconds=2.0)], error=EngineTimeoutError, named="aligner."),
    "aligner-dripping": Fault(replies=[replace(GOOD, drip_seconds=0.05)], error=EngineTimeoutError),
    "aligner-status-500-once": Fault(replies=[Reply(status=500, body=b"oops"), GOOD]),
    "aligner-status-500-always": Fault(replies=[Reply(status=500)], error=EngineUnavailableError),
    "aligner-status-400": Fault(replies=[Reply(status=400)], error=EngineAnswerError, requests=1),
    "aligner-status-404": Fault(
        replies=[reply_of(RECORDED["unknown_model"], status=404)],
        error=EngineAnswerError,
        requests=1,
        named="aligner.model",
    ),
    "aligner-reset-within": Fault(replies=[replace(GOOD, cut_at=500), GOOD]),
    "aligner-short-body": Fault(replies=[replace(GOOD, body=GOOD.body[:-256]), GOOD]),
    "aligner-long-body": Fault(replies=[replace(GOOD, body=GOOD.body * 2), GOOD]),
    "aligner-garbage": Fault(replies=[replace(GOOD, headers={"metadata": "{"}, body=b"\xff" * 99), GOOD]),
    "aligner-wrong-rows": Fault(replies=[with_head(shape=[10, 128])], error=EngineAnswerError, named="malformed"),
    "aligner-not-a-number": Fault(replies=[with_number(float("nan")), GOOD]),
    "aligner-no-probabilities": Fault(replies=[with_number(5.0)], error=EngineAnswerError, named="malformed"),
    "aligner-every-token": Fault(
        replies=[with_head(shape=[54, 128])], error=EngineAnswerError, requests=1, named="time tokens"
    ),
    "aligner-other-model": Fault(
        replies=[with_head(shape=[12, 2])], error=EngineAnswerError, requests=1, named="classes"
    ),
    "aligner-no-shape": Fault(
        replies=[replace(GOOD, headers={})], error=EngineAnswerError, requests=1, named="qwen3-server.md"
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_gives_the_right_times_or_an_error_without_words(name):
    fault = FAULTS[name]
    with serving(*fault.replies) as server:
        aligner = ServedForcedAligner(settings_for(server))
        if fault.error is None:
            assert times(aligner.align(CLIP, TEXT, "zh")) == UNITS
        else:
            with pytest.raises(fault.error) as caught:
                aligner.align(CLIP, TEXT, "zh")
            shown = f"{caught.value.cause} {caught.value.remedy}"
            assert fault.named in shown
            assert not set(TEXT) & set(shown)
            assert "qwen3_server" not in shown
        aligner.close()
    assert len(server.asked) == fault.requests


def test_the_page_lists_every_fault_that_is_tested():
    rows = re.findall(r"\| `(aligner-[a-z0-9-]+)` \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert rows == list(FAULTS)


def test_slots_that_jump_back_are_mended_and_unsure_ones_refused():
    jumping = [2, 4, 4, 6, 1, 2, 8, 10, 10, 12, 12, 14]
    with serving(slots_reply(jumping)) as server:
        aligner = ServedForcedAligner(settings_for(server))
        words = aligner.align(CLIP, TEXT, "zh")
        server.reply = lambda _: slots_reply(jumping, sure=0.05)
        assert aligner.align(CLIP, TEXT, "zh") == ()
        aligner.close()
    assert len(words) == 6
    assert all(a.end_ms <= b.start_ms for a, b in pairwise(words))
    assert times(words)[0] == UNITS[0]
    assert times(words)[3:] == UNITS[3:]


@pytest.mark.parametrize(("text", "language"), [("", "zh"), ("……", "zh"), ("สวัสดี", "th"), ("您好", "")])
def test_what_it_cannot_align_is_never_sent(text, language):
    with serving(GOOD) as server:
        aligner = ServedForcedAligner(settings_for(server))
        assert aligner.align(CLIP, text, language) == ()
        assert aligner.align(Clip(samples=np.zeros(0, np.float32)), "您好", "zh") == ()
        for samples in (np.zeros(181 * 16_000, np.float32), np.zeros((2, 16_000), np.float32)):
            with pytest.raises(EngineAnswerError):
                aligner.align(Clip(samples=samples), "您好", "zh")
        aligner.close()
    assert server.asked == []


def test_many_threads_and_two_servers_share_the_work():
    with serving(replace(GOOD, wait_seconds=0.05)) as one, serving(replace(GOOD, wait_seconds=0.05)) as two:
        aligner = ServedForcedAligner(settings_for(one, two, max_in_flight=4))
        with ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(lambda _: times(aligner.align(CLIP, TEXT, "zh")), range(40)))
        aligner.close()
    assert set(answers) == {UNITS}
    assert (len(one.asked), len(two.asked)) == (20, 20)
    assert max(one.most_at_once, two.most_at_once) <= 4


def test_another_server_answers_for_a_dead_or_wrong_one():
    with serving(GOOD) as good, serving(replace(GOOD, headers={})) as wrong:
        with serving(GOOD) as dead:
            pass
        aligner = ServedForcedAligner(settings_for(dead, wrong, good))
        assert {times(aligner.align(CLIP, TEXT, "zh")) for _ in range(5)} == {UNITS}
        aligner.close()


def test_an_outage_is_not_sat_out_utterance_by_utterance_and_ends():
    slow_rest = BreakerOptions(first_rest_seconds=1.5, longest_rest_seconds=1.5, failures=1, spread=0.0)
    with serving(GOOD) as server:
        aligner = ServedForcedAligner(settings_for(server, total_timeout_seconds=1.0, breaker=slow_rest))
        assert times(aligner.align(CLIP, TEXT, "zh")) == UNITS
        server.kill()
        with pytest.raises(EngineUnavailableError):
            aligner.align(CLIP, TEXT, "zh")
        time.sleep(0.2)
        started = time.monotonic()
        for _ in range(20):
            with pytest.raises(EngineError):
                aligner.align(CLIP, TEXT, "zh")
        assert time.monotonic() - started < 1.0
        server.start()
        time.sleep(1.6)
        assert times(aligner.align(CLIP, TEXT, "zh")) == UNITS
        aligner.close()


def test_closing_ends_what_runs():
    with serving(replace(GOOD, wait_seconds=3.0)) as server:
        aligner = ServedForcedAligner(settings_for(server, request_timeout_seconds=5.0))
        with ThreadPoolExecutor(1) as pool:
            working = pool.submit(aligner.align, CLIP, TEXT, "zh")
            while not server.asked:
                time.sleep(0.01)
            aligner.close()
            with pytest.raises(EngineUnavailableError, match="closed"):
                working.result(timeout=2)
        with pytest.raises(EngineAnswerError, match="closed"):
            aligner.align(CLIP, TEXT, "zh")
    ServedForcedAligner(settings_for(server)).close()


def test_wrong_settings_name_their_section_and_the_key_is_never_shown():
    shown = repr(ServedAlignerSettings(urls=("http://a:1",), api_key="geheim"))
    assert "geheim" not in shown
    assert shown.startswith("ServedAlignerSettings(")
    for wrong in ({"urls": ()}, {"urls": ("ftp://a",)}, {"urls": ("http://u:p@a",)}, {"urls": ("http://a",) * 2}):
        with pytest.raises(SettingsError) as caught:
            ServedAlignerSettings(**wrong)
        assert "aligner." in f"{caught.value.cause} {caught.value.remedy}"
    with pytest.raises(SettingsError, match="aligner"):
        ServedAlignerSettings(urls=("http://a",), attempts=0)


class Untimed(ScriptedEngine):
    """Gives texts without times."""

    @property
    def capabilities(self) -> Capabilities:
        return replace(super().capabilities, word_times=False)


def settings_of(monkeypatch, tmp_path, **section):
    monkeypatch.chdir(tmp_path)
    return load_settings(aligner={"model": MODEL, **section})


def test_the_settings_choose_the_served_aligner(monkeypatch, tmp_path):
    monkeypatch.setenv("QINGTING_ALIGNER__API_KEY", "geheim")
    with serving(GOOD) as server:
        server.pages["/v1/models"] = reply_of(RECORDED["models"])
        settings = settings_of(monkeypatch, tmp_path, urls=f"{server.url}, ", use="on")
        assert "geheim" not in repr(settings)
        aligner = open_aligner(settings, Untimed([]))
        assert isinstance(aligner, ServedForcedAligner)
        assert times(aligner.align(CLIP, TEXT, "zh")) == UNITS
        assert server.asked[0].key == "Bearer geheim"
        aligner.close()
        assert open_aligner(settings, ScriptedEngine([])) is None
        off = settings_of(monkeypatch, tmp_path, urls=server.url, use="off")
        assert open_aligner(off, Untimed([])) is None
        other = settings_of(monkeypatch, tmp_path, urls=server.url, use="on", model="another")
        with pytest.raises(EngineUnavailableError) as caught:
            open_aligner(other, Untimed([]))
    assert "aligner.model" in caught.value.remedy


def test_servers_that_are_down_are_an_error_only_where_they_must_be_there(monkeypatch, tmp_path):
    with serving(GOOD) as server:
        pass
    with pytest.raises(EngineUnavailableError, match="does not answer"):
        open_aligner(settings_of(monkeypatch, tmp_path, urls=server.url, use="on"), Untimed([]))
    aligner = open_aligner(settings_of(monkeypatch, tmp_path, urls=server.url), Untimed([]))
    assert isinstance(aligner, ServedForcedAligner)
    aligner.close()


def test_doctor_shows_every_aligner_server(monkeypatch, tmp_path):
    with serving(GOOD) as up, serving(GOOD) as down:
        up.pages["/v1/models"] = reply_of(RECORDED["models"])
        down.kill()
        urls = f"{up.url},{down.url}"
        checks = list(doctor._aligner(settings_of(monkeypatch, tmp_path, urls=urls, use="on")))
        assert [(check.name, check.state) for check in checks] == [
            (f"aligner server {up.url}", "ok"),
            (f"aligner server {down.url}", "warning"),
        ]
        assert f"serves {MODEL}, 8192 tokens" in checks[0].detail
        short = json.loads(json.dumps(RECORDED["models"]))
        short["data"][0]["max_model_len"] = 4096
        up.pages["/v1/models"] = reply_of(short)
        (found,) = doctor._aligner(settings_of(monkeypatch, tmp_path, urls=up.url))
        assert "--max-model-len 8192" in found.remedy
    (gone,) = doctor._aligner(settings_of(monkeypatch, tmp_path, urls=down.url, use="on"))
    assert (gone.state, "aligner.urls" in gone.remedy) == ("fault", True)


def call_of(samples: np.ndarray, before_ms: int = 1000) -> PreparedAudio:
    """A call in which the clip is said after a second of silence."""
    whole = np.concatenate([np.zeros(before_ms * 16, np.float32), samples])
    end_ms = len(whole) // 16
    length_ms = end_ms - before_ms
    voice = VoiceFacts(
        voiced_ms=length_ms, voiced_ratio=1.0, speech_ms=length_ms, loudness_dbfs=-25.0, loudness_range_db=9.0,
        pitch_hertz=200.0, pitch_range_semitones=3.0, final_pitch_slope=0.0, pause_before_ms=0,
    )  # fmt: skip
    form = RecordingFormat(
        container="wav", codec="pcm_s16le", sample_rate_hertz=16_000, channels=1, duration_ms=end_ms, size_bytes=1,
        sha256="",
    )  # fmt: skip
    span = SpeechSpan(party="left", channel=0, start_ms=before_ms, end_ms=end_ms)
    pcm = np.round(whole * 32768).astype(np.int16)[None]
    return PreparedAudio(format=form, rate_hertz=16_000, pcm=pcm, parties=("left",), spans=(span,), voice=(voice,))


HURRIED = (1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7)
"""Slots that no estimate would come to."""


@pytest.mark.parametrize(("reply", "spread"), [(slots_reply(HURRIED), False), (Reply(status=500), True)])
def test_the_recogniser_takes_its_times_or_spreads_them(reply, spread):
    heard = saying(f"language Chinese<asr_text>{TEXT}")
    with StandIn(lambda _: heard) as recogniser, StandIn(lambda _: reply) as server:
        aligner = ServedForcedAligner(settings_for(server))
        engine = Qwen3ServerEngine(Qwen3ServerSettings(urls=(recogniser.url,)))
        recognizer = Recognizer(engine, RecognizerOptions(margin_ms=0), aligner=aligner)
        (utterance,), _ = recognizer.transcribe(call_of(CLIP.samples))
        aligner.close()
        engine.close()
    assert utterance.text == TEXT
    assert (Flag.TIMES_SPREAD in utterance.flags) is spread
    found = [(c.start_ms - 1000, c.end_ms - 1000) for c in utterance.characters]
    assert (found == [(80 * n, 80 * (n + 1)) for n in range(1, 7)]) is not spread


def test_the_request_is_the_clip_and_its_words():
    seen: list[Asked] = []

    def reply(asked: Asked) -> Reply:
        seen.append(asked)
        return GOOD

    with StandIn(reply) as server:
        aligner = ServedForcedAligner(settings_for(server))
        aligner.align(CLIP, TEXT, "zh")
        aligner.close()
    sound, words = seen[0].body["messages"][0]["content"]
    assert words["text"] == "".join(f"{c}<timestamp><timestamp>" for c in "我查一下订单")
    wave = base64.b64decode(sound["input_audio"]["data"])
    assert np.array_equal(np.frombuffer(wave[44:], "<i2"), np.rint(CLIP.samples * 32768).astype(np.int16))
