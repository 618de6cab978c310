import base64
import io
import json
import wave

import numpy as np
import pytest

from qingting.speech.qwen3_protocol import (
    CHAT_TEMPLATE,
    LONGEST_TEXT,
    Forcing,
    MalformedAnswerError,
    Wish,
    read_answer,
    request_body,
    to_wave,
)
from qingting.testing.qwen3_stand_in import recorded, saying

WISH = Wish(model="m", context="退款", language=None, most_tokens=50)


def read_wave(data):
    with wave.open(io.BytesIO(data)) as file:
        form = (file.getframerate(), file.getnchannels(), file.getsampwidth())
        return form, np.frombuffer(file.readframes(file.getnframes()), "<i2")


def test_the_wave_is_what_other_readers_read():
    form, pcm = read_wave(to_wave(np.linspace(-1, 1, 16_000, dtype=np.float32)))
    assert form == (16_000, 1, 2)
    assert len(pcm) == 16_000
    assert (pcm[0], pcm[-1]) == (-32768, 32767)


def test_short_clips_are_padded_to_half_a_second():
    _, pcm = read_wave(to_wave(np.full(100, 0.5, np.float32)))
    assert len(pcm) == 8_000
    assert pcm[99] == 16_384
    assert not pcm[100:].any()


def test_wild_samples_stay_in_range():
    _, pcm = read_wave(to_wave(np.array([2.0, -2.0, np.nan, np.inf, -np.inf], np.float32)))
    assert pcm[:5].tolist() == [32767, -32768, 0, 32767, -32768]


@pytest.mark.parametrize(
    ("language", "forcing", "roles", "extra"),
    [
        (None, Forcing.PREFIX, ["system", "user"], set()),
        ("zh", Forcing.IMPOSSIBLE, ["system", "user"], set()),
        ("zh", Forcing.PREFIX, ["system", "user", "assistant"], {"continue_final_message", "add_generation_prompt"}),
        (
            "zh",
            Forcing.TEMPLATE,
            ["system", "user", "assistant"],
            {"continue_final_message", "add_generation_prompt", "chat_template"},
        ),
    ],
)
def test_the_ways_to_force_a_language(language, forcing, roles, extra):
    wish = Wish(model="m", context="", language=language, most_tokens=50, forcing=forcing)
    body = json.loads(request_body(wish, b"RIFF"))
    assert [message["role"] for message in body["messages"]] == roles
    assert body["messages"][0]["content"] == ""
    plain = {"model", "messages", "temperature", "max_tokens", "logprobs", "stream"}
    assert set(body) == plain | extra


def test_the_audio_is_sent_as_it_is():
    body = json.loads(request_body(WISH, b"RIFF\x00\xff"))
    part = body["messages"][1]["content"][0]
    assert part["type"] == "input_audio"
    assert base64.b64decode(part["input_audio"]["data"]) == b"RIFF\x00\xff"


def test_the_template_writes_the_released_prompt_with_the_begun_answer():
    import jinja2

    messages = [
        {"role": "system", "content": [{"type": "text", "text": "退款"}]},
        {"role": "user", "content": [{"type": "audio"}]},
        {"role": "assistant", "content": "language Chinese<asr_text>"},
    ]
    written = jinja2.Template(CHAT_TEMPLATE).render(messages=messages)
    assert written == (
        "<|im_start|>system\n退款<|im_end|>\n<|im_start|>user\n<|audio_start|><|audio_pad|><|audio_end|><|im_end|>\n"
        "<|im_start|>assistant\nlanguage Chinese<asr_text>"
    )
    plain = jinja2.Template(CHAT_TEMPLATE).render(messages=[{"role": "system", "content": ""}, messages[1]])
    assert plain.startswith("<|im_start|>system\n<|im_end|>\n<|im_start|>user\n")


def test_recorded_answers_are_read():
    answer = read_answer(json.dumps(recorded()["truncated"]).encode(), forced=False)
    assert answer.truncated
    assert len(answer.tokens) == 6
    assert answer.tokens[0].content == b"language"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"5",
        b"[]",
        b"{}",
        b'{"choices": null}',
        b'{"choices": [null]}',
        b'{"choices": [{}]}',
        b'{"choices": [{"message": {"content": 5}, "finish_reason": "stop"}]}',
        b'{"choices": [{"message": {"content": null}, "finish_reason": "length"}]}',
        b'{"choices": [{"message": {"content": "x"}}]}',
        b'{"choices": [{"message": {"content": "x"}, "finish_reason": "error"}]}',
        b"[" * 200_000,
        b"\xff\xfe\x00",
    ],
)
def test_what_is_no_answer_is_refused_without_quoting_it(content):
    with pytest.raises(MalformedAnswerError) as caught:
        read_answer(content, forced=False)
    assert len(str(caught.value)) < 30


def test_endless_texts_are_refused():
    with pytest.raises(MalformedAnswerError, match="long"):
        read_answer(saying("好" * (LONGEST_TEXT + 1), log_probability=None).body, forced=False)


@pytest.mark.parametrize(
    "logprobs",
    [
        None,
        [],
        {"content": None},
        {"content": [{}]},
        {"content": [{"token": "x"}]},
        {"content": [{"token": "x", "logprob": True}]},
        {"content": [{"token": "x", "logprob": 1, "bytes": [300]}]},
        {"content": [5]},
    ],
)
def test_broken_probabilities_are_none(logprobs):
    document = json.loads(saying("好").body)
    document["choices"][0]["logprobs"] = logprobs
    assert read_answer(json.dumps(document).encode(), forced=False).tokens == ()


def test_tokens_without_bytes_count_by_their_text():
    document = json.loads(saying("好").body)
    document["choices"][0]["logprobs"]["content"][0]["bytes"] = None
    assert read_answer(json.dumps(document).encode(), forced=False).tokens[0].content == "好".encode()
