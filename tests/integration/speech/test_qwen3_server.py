"""The server engine against a stand-in that speaks recorded real answers: requests, balancing, loss and doubling."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from qingting.errors import EngineAnswerError, EngineError, EngineUnavailableError, SettingsError
from qingting.model.transcript import Flag
from qingting.speech.balancing import BreakerOptions, BreakerState
from qingting.speech.engine import Clip, RecognitionOptions
from qingting.speech.qwen3_health import availability_of, look_at
from qingting.speech.qwen3_prompt import parse_answer
from qingting.speech.qwen3_protocol import CHAT_TEMPLATE, Forcing
from qingting.speech.qwen3_server import Qwen3ServerEngine, Qwen3ServerSettings
from qingting.testing.engine_check import check_engine
from qingting.testing.qwen3_stand_in import (
    MODEL,
    Reply,
    StandIn,
    marked_clip,
    recorded,
    recorded_reply,
    reply_of,
    saying,
)

PLAIN = RecognitionOptions()
FAST = BreakerOptions(first_rest_seconds=0.02, longest_rest_seconds=0.1, failures=3)


def settings_for(*servers: StandIn, **changes) -> Qwen3ServerSettings:
    base = Qwen3ServerSettings(
        urls=tuple(server.url for server in servers),
        model=MODEL,
        request_timeout_seconds=5.0,
        total_timeout_seconds=20.0,
        breaker=FAST,
    )
    return replace(base, **changes)


@pytest.fixture
def stand_in():
    with StandIn() as server:
        yield server


@pytest.fixture
def engine(stand_in):
    made = Qwen3ServerEngine(settings_for(stand_in))
    yield made
    made.close()


def text_of(document) -> str:
    return parse_answer(document["choices"][0]["message"]["content"]).text


CALLS = [text_of(document) for document in recorded()["calls"]]


def clips(count: int) -> list[Clip]:
    return [marked_clip(number) for number in range(count)]


def expected(count: int) -> list[str]:
    return [CALLS[number % len(CALLS)] for number in range(count)]


def test_the_engine_keeps_the_contract(engine):
    check_engine(engine, speech=clips(4))
    assert (engine.identity.name, engine.identity.model) == ("qwen3-server", MODEL)
    assert engine.identity.revision


def test_recorded_answers_come_back_in_order_with_language_and_confidence(engine):
    answers = engine.transcribe(clips(len(CALLS)), PLAIN)
    assert [answer.text for answer in answers] == CALLS
    assert {answer.language for answer in answers} == {"zh"}
    for answer in answers:
        assert answer.confidence is not None
        assert 0.3 < answer.confidence <= 1.0
        assert answer.flags == ()
        assert answer.words == ()
        assert min(answer.unit_confidences) > 0.1


def test_the_request_is_the_official_prompt(engine, stand_in):
    engine.transcribe([marked_clip(0, seconds=10.0)], RecognitionOptions(hot_words=("退款", "订单", "退款")))
    engine.transcribe([marked_clip(1)], PLAIN)
    with_words, without = stand_in.asked
    assert with_words.context == "退款、订单"
    assert without.context == "", "the system turn is there even when it is empty"
    assert [message["role"] for message in without.body["messages"]] == ["system", "user"]
    assert (with_words.body["temperature"], with_words.body["logprobs"]) == (0, True)
    assert with_words.body["max_tokens"] == 232
    assert with_words.key == ""


def test_the_key_is_sent_and_never_shown(stand_in):
    settings = settings_for(stand_in, api_key="top-secret")
    engine = Qwen3ServerEngine(settings)
    engine.transcribe([marked_clip(0)], PLAIN)
    engine.close()
    assert stand_in.asked[0].key == "Bearer top-secret"
    assert "top-secret" not in repr(settings) + repr(engine)


def test_hot_words_change_what_the_model_hears(engine):
    number = recorded()["hot_word_clip"]
    words = tuple(recorded()["hot_words"].split("、"))
    (plain,) = engine.transcribe([marked_clip(number)], PLAIN)
    (helped,) = engine.transcribe([marked_clip(number)], RecognitionOptions(hot_words=words))
    assert helped.text == text_of(recorded()["corrected"])
    assert plain.text == CALLS[number]


def test_a_forced_language_goes_through_the_begun_answer(engine, stand_in):
    (answer,) = engine.transcribe([marked_clip(3)], RecognitionOptions(language="zh"))
    assert (answer.text, answer.language) == (recorded()["forced"][3]["choices"][0]["message"]["content"], "zh")
    assert stand_in.asked[0].prefix == "language Chinese<asr_text>"
    assert stand_in.asked[0].body["continue_final_message"] is True
    assert stand_in.asked[0].body["add_generation_prompt"] is False
    assert engine.servers[0].forcing is Forcing.PREFIX


def test_a_server_with_the_released_template_gets_one_with_the_request(engine, stand_in):
    def reply(asked):
        if asked.prefix and "chat_template" not in asked.body:
            return reply_of(recorded()["prefix_refused"], status=400)
        return recorded_reply(asked)

    stand_in.reply = reply
    for number in (1, 2):
        (answer,) = engine.transcribe([marked_clip(number)], RecognitionOptions(language="zh"))
        assert answer.language == "zh"
    assert [asked.body.get("chat_template") for asked in stand_in.asked] == [None, CHAT_TEMPLATE, CHAT_TEMPLATE]
    assert engine.servers[0].forcing is Forcing.TEMPLATE


def test_a_server_that_cannot_be_forced_names_the_language_itself(engine, stand_in):
    stand_in.reply = lambda asked: (
        reply_of(recorded()["prefix_refused"], status=400) if asked.prefix else saying("language English<asr_text>yes")
    )
    (answer,) = engine.transcribe([marked_clip(1)], RecognitionOptions(language="zh"))
    assert (answer.text, answer.language) == ("yes", "en")
    assert engine.servers[0].forcing is Forcing.IMPOSSIBLE
    engine.transcribe([marked_clip(2)], RecognitionOptions(language="zh"))
    assert len(stand_in.asked) == 4, "what was found out is remembered"


def test_a_bad_clip_does_not_teach_that_nothing_can_be_forced(engine, stand_in):
    stand_in.reply = lambda _: reply_of(recorded()["too_many_tokens"], status=400)
    with pytest.raises(EngineAnswerError):
        engine.transcribe([marked_clip(1)], RecognitionOptions(language="zh"))
    assert engine.servers[0].forcing is Forcing.PREFIX


def test_silence_is_never_sent(engine, stand_in):
    quiet = [Clip(samples=np.zeros(n, np.float32)) for n in (0, 1, 16_000, 480_000)]
    assert [answer.text for answer in engine.transcribe(quiet, PLAIN)] == [""] * 4
    assert stand_in.asked == []


def test_what_it_cannot_do_is_refused_before_anything_is_sent(engine, stand_in):
    with pytest.raises(SettingsError):
        engine.transcribe(clips(1), RecognitionOptions(language="wuu"))
    with pytest.raises(EngineAnswerError):
        engine.transcribe([marked_clip(0, seconds=121.0)], PLAIN)
    with pytest.raises(EngineAnswerError):
        engine.transcribe([Clip(samples=np.zeros((2, 100), np.float32))], PLAIN)
    assert stand_in.asked == []


def test_requests_are_in_flight_together_and_no_more_than_allowed(stand_in):
    stand_in.reply = lambda asked: replace(recorded_reply(asked), wait_seconds=0.05)
    engine = Qwen3ServerEngine(settings_for(stand_in, max_in_flight=8))
    with ThreadPoolExecutor(3) as pool:
        results = list(pool.map(lambda _: engine.transcribe(clips(24), PLAIN), range(3)))
    engine.close()
    assert all([answer.text for answer in result] == expected(24) for result in results)
    assert 4 <= stand_in.most_at_once <= 8


def test_two_servers_share_the_load():
    with StandIn() as one, StandIn() as other:
        for server in (one, other):
            server.reply = lambda asked: replace(recorded_reply(asked), wait_seconds=0.02)
        engine = Qwen3ServerEngine(settings_for(one, other, max_in_flight=8))
        answers = engine.transcribe(clips(48), PLAIN)
        engine.close()
        assert [answer.text for answer in answers] == expected(48)
        assert abs(len(one.asked) - len(other.asked)) <= 16
        assert len(one.asked) + len(other.asked) == 48


def test_the_slow_server_gets_less():
    with StandIn() as slow, StandIn() as quick:
        slow.reply = lambda asked: replace(recorded_reply(asked), wait_seconds=0.5)
        engine = Qwen3ServerEngine(settings_for(slow, quick, max_in_flight=2))
        engine.transcribe(clips(40), PLAIN)
        engine.close()
        assert len(quick.asked) > 3 * len(slow.asked)


@pytest.mark.parametrize("servers", [1, 2])
def test_a_server_killed_and_started_again_loses_and_doubles_nothing(servers):
    """32 requests in flight; the server that has them dies in the middle and comes back."""
    stand_ins = [StandIn() for _ in range(servers)]
    for server in stand_ins:
        server.start()
        server.reply = lambda asked: replace(recorded_reply(asked), wait_seconds=0.15)
    engine = Qwen3ServerEngine(settings_for(*stand_ins, max_in_flight=32))
    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(engine.transcribe, clips(96), PLAIN)
        while len(stand_ins[0].asked) < 40 // servers:
            time.sleep(0.005)
        stand_ins[0].kill()
        time.sleep(0.5)
        stand_ins[0].start()
        answers = working.result(timeout=60)
    report = engine.servers[0]
    engine.close()
    for server in stand_ins:
        server.kill()
    assert [answer.text for answer in answers] == expected(96)
    assert all(answer.flags == () for answer in answers)
    assert report.failed > 0, "requests were in flight when it died"
    if servers == 1:
        assert report.state is BreakerState.CLOSED


def test_servers_that_never_come_back_end_in_an_error_not_in_silence():
    with StandIn() as server:
        engine = Qwen3ServerEngine(settings_for(server, total_timeout_seconds=0.4))
        engine.transcribe(clips(1), PLAIN)
    started = time.monotonic()
    with pytest.raises(EngineUnavailableError) as caught:
        engine.transcribe(clips(3), PLAIN)
    assert time.monotonic() - started < 10
    assert caught.value.can_retry
    assert caught.value.remedy
    engine.close()


def test_closing_ends_what_is_in_flight(stand_in):
    stand_in.reply = lambda asked: replace(recorded_reply(asked), wait_seconds=3.0)
    engine = Qwen3ServerEngine(settings_for(stand_in))
    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(engine.transcribe, clips(4), PLAIN)
        while len(stand_in.asked) < 4:
            time.sleep(0.005)
        started = time.monotonic()
        engine.close()
        with pytest.raises(EngineUnavailableError):
            working.result(timeout=5)
        assert time.monotonic() - started < 2.0
    with pytest.raises(EngineUnavailableError):
        engine.transcribe(clips(1), PLAIN)
    engine.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "qwen3-server"]


def test_one_clip_that_cannot_be_recognised_does_not_take_the_others_with_it(engine, stand_in):
    stand_in.reply = lambda asked: Reply(status=500) if asked.clip == 5 else recorded_reply(asked)
    answers = engine.transcribe(clips(12), PLAIN)
    assert [answer.text for answer in answers] == ["" if n == 5 else text for n, text in enumerate(expected(12))]
    assert answers[5].flags == (Flag.REFUSED,)
    assert sum(asked.clip == 5 for asked in stand_in.asked) == 4, "a clip that breaks servers is not sent for ever"


def test_a_refused_key_is_no_outage(engine, stand_in):
    stand_in.reply = lambda _: Reply(status=401, body=b"{}")
    with pytest.raises(EngineAnswerError) as caught:
        engine.transcribe(clips(2), PLAIN)
    assert not caught.value.can_retry
    assert "api_key" in caught.value.remedy


def test_a_wrong_model_on_one_server_leaves_the_other():
    with StandIn() as wrong, StandIn() as right:
        wrong.reply = lambda _: reply_of(recorded()["unknown_model"], status=404)
        engine = Qwen3ServerEngine(settings_for(wrong, right))
        answers = engine.transcribe(clips(10), PLAIN)
        engine.close()
        assert [answer.text for answer in answers] == expected(10)


def test_redirects_are_not_followed(engine, stand_in):
    with StandIn() as elsewhere:
        target = {"Location": f"{elsewhere.url}/v1/chat/completions"}
        stand_in.reply = lambda _: Reply(status=307, headers=target)
        with pytest.raises(EngineError):
            engine.transcribe(clips(1), PLAIN)
        assert elsewhere.asked == []


def test_a_busy_server_gets_the_pause_it_asks_for(engine, stand_in):
    times: list[float] = []

    def reply(asked):
        times.append(time.monotonic())
        return Reply(status=429, headers={"Retry-After": "0.3"}) if len(times) == 1 else recorded_reply(asked)

    stand_in.reply = reply
    (answer,) = engine.transcribe(clips(1), PLAIN)
    assert answer.text == CALLS[0]
    assert times[1] - times[0] >= 0.3


def test_health_says_what_is_there_and_what_helps(stand_in):
    with StandIn() as ill, StandIn() as other, StandIn() as locked:
        ill.pages["/health"] = Reply(status=503)
        other.pages["/v1/models"] = reply_of({"data": [{"id": "llama"}]})
        locked.pages["/v1/models"] = Reply(status=401)
        gone = "http://127.0.0.1:9"
        settings = settings_for(stand_in, ill, other, locked)
        found = look_at(replace(settings, urls=(*settings.urls, gone)))
    assert [health.usable for health in found] == [True, False, False, False, False]
    assert all(health.remedy for health in found[1:])
    details = ["serves", "not well", "llama", "key", "does not answer"]
    assert all(part in health.detail for part, health in zip(details, found, strict=True))
    assert availability_of(settings_for(stand_in))[0]
    assert availability_of(None)[0] is False


@pytest.mark.parametrize("page", [b"", b"[]", b"{}", b'{"data": 5}', b'{"data": [5]}', b"\xff", b"[" * 100_000])
def test_health_survives_any_page(stand_in, page):
    stand_in.pages["/v1/models"] = Reply(body=page)
    (health,) = look_at(settings_for(stand_in))
    assert not health.usable
    assert health.remedy


@pytest.mark.parametrize(
    "changes",
    [
        {"urls": ()},
        {"urls": ("ftp://x",)},
        {"urls": ("http://",)},
        {"urls": ("http://host:99999",)},
        {"urls": ("http://user:pass@host",)},
        {"urls": ("http://host:1", "http://host:1/v1/")},
        {"max_in_flight": 0},
        {"attempts": 0},
        {"total_timeout_seconds": 0},
    ],
)
def test_settings_that_cannot_work_are_refused(stand_in, changes):
    with pytest.raises(SettingsError) as caught:
        settings_for(stand_in, **changes)
    assert caught.value.remedy
    assert "pass" not in caught.value.cause.replace("password", "")
