"""What a served aligner is asked, and what of its answers is taken for slots."""

from __future__ import annotations

import json

import numpy as np
import pytest

from qingting.speech.aligner_protocol import (
    MalformedSlotsError,
    NoAlignerError,
    Shape,
    read_shape,
    read_slots,
    request_body,
)

HEAD = {
    "data": [{"index": 0, "embed_dtype": "float16", "endianness": "little", "shape": [4, 128]}],
    "usage": {"prompt_tokens": 30},
}


def head(**changes) -> str:
    return json.dumps({**HEAD, "data": [{**HEAD["data"][0], **changes}]})


def rows_of(*classes: int, count: int = 128, sure: float = 0.9) -> np.ndarray:
    rows = np.full((len(classes), count), (1 - sure) / (count - 1), "<f2")
    rows[np.arange(len(classes)), classes] = sure
    return rows


def test_the_request_carries_sound_first_then_marked_words():
    body = json.loads(request_body("aligner", b"RIFF", ["您", "iPhone"]))
    sound, words = body["messages"][0]["content"]
    assert (sound["type"], sound["input_audio"]) == ("input_audio", {"data": "UklGRg==", "format": "wav"})
    assert words == {"type": "text", "text": "您<timestamp><timestamp>iPhone<timestamp><timestamp>"}
    assert (body["model"], body["encoding_format"], body["embed_dtype"]) == ("aligner", "bytes", "float16")


def test_the_template_writes_the_prompt_the_model_learned():
    jinja2 = pytest.importorskip("jinja2")
    body = json.loads(request_body("aligner", b"RIFF", ["您", "好"]))
    written = jinja2.Template(body["chat_template"]).render(messages=body["messages"])
    assert written == ("<|audio_start|><|audio_pad|><|audio_end|>您<timestamp><timestamp>好<timestamp><timestamp>")


def test_a_right_head_is_read():
    assert read_shape(head(), words=2, seconds=10.0) == Shape(rows=4, classes=128)
    assert Shape(rows=4, classes=128).size_bytes == 1024


@pytest.mark.parametrize(
    ("metadata", "seconds", "words"),
    [
        (None, 2.0, "carry no shape"),
        (head(shape=[30, 128]), 2.0, "time tokens"),
        (head(shape=[0, 128]), 2.0, "time tokens"),
        (head(), 10.5, "classes do not fit"),
        (head(shape=[4, 2]), 2.0, "classes do not fit"),
        (head(shape=[4, 10**9]), 2.0, "classes do not fit"),
    ],
)
def test_what_is_no_aligner_is_told_apart(metadata, seconds, words):
    with pytest.raises(NoAlignerError, match=words):
        read_shape(metadata, words=2, seconds=seconds)


@pytest.mark.parametrize(
    "metadata",
    [
        "",
        "null",
        "[" * 100_000,
        json.dumps({"data": []}),
        json.dumps({"data": HEAD["data"]}),
        json.dumps({**HEAD, "data": HEAD["data"] * 2}),
        head(shape=[4]),
        head(shape=[4, 128, 1]),
        head(shape=["4", 128]),
        head(shape=[4, 128.0]),
        head(shape=[True, 128]),
        head(shape=[-4, 128]),
        head(shape=[6, 128]),
        head(embed_dtype="float32"),
        head(endianness="big"),
    ],
)
def test_other_heads_are_malformed(metadata):
    with pytest.raises(MalformedSlotsError):
        read_shape(metadata, words=2, seconds=2.0)


def test_the_best_class_and_its_probability_are_read():
    slots = read_slots(rows_of(3, 5, 5, 127).tobytes(), Shape(rows=4, classes=128))
    assert [slot for slot, _ in slots] == [3, 5, 5, 127]
    assert all(sure == pytest.approx(0.9, abs=0.001) for _, sure in slots)


def changed(value: float) -> bytes:
    rows = rows_of(3, 5)
    rows[1, 7] = value
    return rows.tobytes()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        rows_of(3).tobytes(),
        rows_of(3, 5).tobytes()[:-1],
        rows_of(3, 5, 7).tobytes(),
        changed(float("nan")),
        changed(float("inf")),
        changed(-0.5),
        changed(0.5),
        np.zeros((2, 128), "<f2").tobytes(),
        (rows_of(3, 5) * 12).tobytes(),
    ],
    ids=["empty", "a row less", "a byte less", "a row more", "nan", "inf", "negative", "sum", "zeros", "logits"],
)
def test_what_is_no_probability_is_malformed(body):
    with pytest.raises(MalformedSlotsError):
        read_slots(body, Shape(rows=2, classes=128))


def test_half_precision_of_five_thousand_classes_keeps_its_sum():
    values = np.random.default_rng(5).standard_normal((20, 5000)) * 3
    rows = np.exp(values) / np.exp(values).sum(axis=1, keepdims=True)
    slots = read_slots(rows.astype("<f2").tobytes(), Shape(rows=20, classes=5000))
    assert [slot for slot, _ in slots] == rows.argmax(axis=1).tolist()
    flat = np.full((2, 5000), 1 / 5000, "<f2")
    assert len(read_slots(flat.tobytes(), Shape(rows=2, classes=5000))) == 2
