"""What a served aligner is asked and how it answers, as data: vLLM's `/pooling`, no transport.

Checked against vLLM 0.32. The server runs the model as token classifier with step pooling on
the `<timestamp>` token, so that it gives one row of class probabilities for each of these
tokens, two per word, and nothing for the audio: `encoding_format: bytes` puts them into the
body as little-endian float16, row after row, and their shape into the header `metadata`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

TIME_SLOT = "<timestamp>"
SLOT_MS = 80
"""Length of a time slot; `timestamp_segment_time` of the released model, which a server does not tell."""
METADATA_HEADER = "metadata"
TEMPLATE = (
    "{%- for m in messages -%}{%- for c in m.content -%}"
    "{%- if c.type == 'text' -%}{{- c.text -}}"
    "{%- else -%}{{- '<|audio_start|><|audio_pad|><|audio_end|>' -}}{%- endif -%}"
    "{%- endfor -%}{%- endfor -%}"
)
"""Sound, then words: the checkpoint's own template drops the words."""
_BYTES_PER_NUMBER = 2
_MOST_CLASSES = 32_768
_SUM_TOLERANCE = 0.05
"""Half precision loses a small part of the many tiny probabilities of a row."""


class NoAlignerError(ValueError):
    """The server answers as no aligner set up for this would; asking again does not help."""


class MalformedSlotsError(ValueError):
    """The answer is not whole; the text says what is wrong and quotes nothing."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Rows and columns of an answer."""

    rows: int
    """Two per word."""
    classes: int

    @property
    def size_bytes(self) -> int:
        """Of the body."""
        return self.rows * self.classes * _BYTES_PER_NUMBER


def request_body(model: str, wave: bytes, words: Sequence[str]) -> bytes:
    """The JSON body of one request: the sound, then every word with the tokens of its start and end."""
    audio = {"data": base64.b64encode(wave).decode("ascii"), "format": "wav"}
    marked = "".join(f"{word}{TIME_SLOT}{TIME_SLOT}" for word in words)
    content = [{"type": "input_audio", "input_audio": audio}, {"type": "text", "text": marked}]
    body = {
        "model": model,
        "task": "token_classify",
        "messages": [{"role": "user", "content": content}],
        "chat_template": TEMPLATE,
        "use_activation": True,
        "encoding_format": "bytes",
        "embed_dtype": "float16",
        "endianness": "little",
    }
    return json.dumps(body, ensure_ascii=False).encode()


def read_shape(metadata: str | None, *, words: int, seconds: float) -> Shape:
    """Read the header of an answer for so many words in a clip of that length.

    Raises NoAlignerError when the server pools otherwise than one row per `<timestamp>`, or
    its classes do not reach the clip's end; MalformedSlotsError for anything else.
    """
    if metadata is None:
        raise NoAlignerError("its answers carry no shape")
    try:
        document = json.loads(metadata)
        (entry,) = document["data"]
        (rows, classes), kind, order = entry["shape"], entry["embed_dtype"], entry["endianness"]
        tokens = document["usage"]["prompt_tokens"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise MalformedSlotsError("no shape") from None
    if not all(type(number) is int for number in (rows, classes)) or (kind, order) != ("float16", "little"):
        raise MalformedSlotsError("numbers of another form")
    if rows != 2 * words:
        if rows in (0, tokens):
            raise NoAlignerError("it does not pool by the time tokens")
        raise MalformedSlotsError("rows do not fit the words")
    if not classes * SLOT_MS >= seconds * 1000 or classes > _MOST_CLASSES:
        raise NoAlignerError("its classes do not fit the clip")
    return Shape(rows=rows, classes=classes)


def read_slots(body: bytes, shape: Shape) -> tuple[tuple[int, float], ...]:
    """Most likely slot of every word's start and end, with its probability; raises MalformedSlotsError."""
    if len(body) != shape.size_bytes:
        raise MalformedSlotsError("another length than announced")
    rows = np.frombuffer(body, "<f2").reshape(shape.rows, shape.classes).astype(np.float32)
    if not np.isfinite(rows).all() or (rows < 0).any():
        raise MalformedSlotsError("no probabilities")
    if (np.abs(rows.sum(axis=1) - 1.0) > _SUM_TOLERANCE).any():
        raise MalformedSlotsError("probabilities without their sum")
    best = rows.argmax(axis=1)
    sure = np.minimum(rows[np.arange(shape.rows), best], 1.0)
    return tuple(zip(best.tolist(), sure.tolist(), strict=True))
