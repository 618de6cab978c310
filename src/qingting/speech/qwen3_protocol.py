"""The chat protocol as Qwen3-ASR's servers speak it: requests and answers as data, no transport.

Checked against vLLM 0.32. `/v1/chat/completions` and not `/v1/audio/transcriptions`: the latter
leaves out the language, the probabilities and, without a prompt, the system turn.
"""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import numpy as np

from qingting.speech.engine import SAMPLE_RATE_HERTZ
from qingting.speech.qwen3_prompt import SHORTEST_SECONDS, assistant_prefix
from qingting.speech.unit_confidence import Token

if TYPE_CHECKING:
    from numpy.typing import NDArray

CHAT_TEMPLATE = (
    "{%- set ns = namespace(system='', audio='', answer='') -%}"
    "{%- for m in messages -%}"
    "{%- if m.content is string -%}"
    "{%- if m.role == 'system' -%}{%- set ns.system = ns.system + m.content -%}"
    "{%- elif m.role == 'assistant' -%}{%- set ns.answer = ns.answer + m.content -%}{%- endif -%}"
    "{%- else -%}{%- for c in m.content -%}"
    "{%- if c.type == 'text' and m.role == 'system' -%}{%- set ns.system = ns.system + c.text -%}"
    "{%- elif c.type == 'text' and m.role == 'assistant' -%}{%- set ns.answer = ns.answer + c.text -%}"
    "{%- elif c.type != 'text' -%}"
    "{%- set ns.audio = ns.audio + '<|audio_start|><|audio_pad|><|audio_end|>' -%}{%- endif -%}"
    "{%- endfor -%}{%- endif -%}{%- endfor -%}"
    "{{- '<|im_start|>system\\n' + ns.system + '<|im_end|>\\n<|im_start|>user\\n' + ns.audio"
    " + '<|im_end|>\\n<|im_start|>assistant\\n' + ns.answer -}}"
)
"""The released prompt with an answer that is already begun, which the released template leaves out.

The loop over `m.content` must stand here as it does: vLLM reads from it that contents are lists.
"""


LONGEST_TEXT = 32_768
"""Characters; 4,096 tokens of real speech stay under it."""


class Forcing(IntEnum):
    """How a server can be made to answer in one language, best first."""

    PREFIX = 0
    """Its template keeps the begun answer (checkpoints in the format of Transformers)."""
    TEMPLATE = 1
    """It takes a template with the request (`--trust-request-chat-template`)."""
    IMPOSSIBLE = 2
    """Neither: the model names the language itself."""


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What is asked for one clip."""

    model: str
    context: str
    """Text of the system turn; the turn is sent even when it is empty."""
    language: str | None
    most_tokens: int
    forcing: Forcing = Forcing.PREFIX
    repetition_penalty: float | None = None


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a server answered for one clip."""

    raw: str
    """As the model wrote it, label and all."""
    tokens: tuple[Token, ...]
    """With probabilities; empty when the server gave none."""
    truncated: bool
    """Whether the token limit ended it."""
    forced: bool
    """Whether the language was forced."""


class MalformedAnswerError(ValueError):
    """The bytes are no whole answer of the protocol; the text says what is wrong and quotes nothing."""


def to_wave(samples: NDArray[np.float32]) -> bytes:
    """16-bit PCM WAV, 16 kHz, mono, padded with silence to half a second."""
    pcm = np.clip(np.rint(np.clip(np.nan_to_num(samples), -1.0, 1.0) * 32768.0), -32768, 32767).astype("<i2")
    short = int(SHORTEST_SECONDS * SAMPLE_RATE_HERTZ) - len(pcm)
    data = np.pad(pcm, (0, max(0, short))).tobytes()
    rate = SAMPLE_RATE_HERTZ
    head = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + len(data), b"WAVE", b"fmt ", 16, 1, 1, rate, rate * 2, 2, 16, b"data", len(data))  # noqa: E501  # fmt: skip
    return head + data


def request_body(wish: Wish, wave: bytes) -> bytes:
    """The JSON body of one request: system turn, audio, and where a language is forced the answer's beginning."""
    audio = {"data": base64.b64encode(wave).decode("ascii"), "format": "wav"}
    messages: list[dict[str, Any]] = [
        {"role": "system", "content": wish.context},
        {"role": "user", "content": [{"type": "input_audio", "input_audio": audio}]},
    ]
    body: dict[str, Any] = {
        "model": wish.model,
        "messages": messages,
        "temperature": 0,
        "max_tokens": wish.most_tokens,
        "logprobs": True,
        "stream": False,
    }
    if wish.repetition_penalty is not None:
        body["repetition_penalty"] = wish.repetition_penalty
    if is_forced(wish):
        messages.append({"role": "assistant", "content": assistant_prefix(wish.language)})
        body |= {"add_generation_prompt": False, "continue_final_message": True}
        if wish.forcing is Forcing.TEMPLATE:
            body["chat_template"] = CHAT_TEMPLATE
    return json.dumps(body, ensure_ascii=False).encode()


def is_forced(wish: Wish) -> bool:
    """Whether the answer is made to begin with a language."""
    return wish.language is not None and wish.forcing is not Forcing.IMPOSSIBLE


def read_answer(content: bytes, *, forced: bool) -> Answer:
    """Read a server's answer; raises MalformedAnswerError."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        raise MalformedAnswerError("no JSON") from None
    choices = document.get("choices") if isinstance(document, dict) else None
    if not isinstance(choices, list) or len(choices) != 1 or not isinstance(choices[0], dict):
        raise MalformedAnswerError("not one choice")
    choice = choices[0]
    message = choice.get("message")
    text = message.get("content") if isinstance(message, dict) else None
    reason = choice.get("finish_reason")
    if text is None and isinstance(message, dict) and reason == "stop":
        text = ""  # an answer of no tokens
    if not isinstance(text, str):
        raise MalformedAnswerError("no text")
    if len(text) > LONGEST_TEXT:
        raise MalformedAnswerError("too long")
    if reason not in ("stop", "length"):
        raise MalformedAnswerError("not finished")
    return Answer(raw=text, tokens=_tokens(choice.get("logprobs")), truncated=reason == "length", forced=forced)


def _tokens(logprobs: object) -> tuple[Token, ...]:
    """Tokens with probabilities; none when any is malformed, since a part would be taken for the whole."""
    entries = logprobs.get("content") if isinstance(logprobs, Mapping) else None
    if not isinstance(entries, list):
        return ()
    try:
        return tuple(Token(content=_bytes(entry), log_probability=_number(entry["logprob"])) for entry in entries)
    except (TypeError, KeyError, ValueError, AttributeError):
        return ()


def _bytes(entry: Mapping[str, Any]) -> bytes:
    given = entry.get("bytes")
    return bytes(given) if isinstance(given, list) else str(entry["token"]).encode()


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError
    return float(value)
