"""Records what a real server answers, for the stand-in (qingting.testing.qwen3_stand_in)."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from qingting.speech.engine import Clip
from qingting.speech.qwen3_prompt import system_text
from qingting.speech.qwen3_protocol import Forcing, Wish, request_body, to_wave

MODEL = "tiny-qwen3-asr"
ORIGINAL_TEMPLATE = (
    "{%- set ns = namespace(s='', a='') -%}{%- for m in messages -%}{%- if m.content is string -%}"
    "{%- if m.role == 'system' -%}{%- set ns.s = ns.s + m.content -%}{%- endif -%}"
    "{%- else -%}{%- for c in m.content -%}{%- if c.type != 'text' -%}"
    "{%- set ns.a = ns.a + '<|audio_start|><|audio_pad|><|audio_end|>' -%}{%- endif -%}{%- endfor -%}{%- endif -%}"
    "{%- endfor -%}{{- '<|im_start|>system\\n' + ns.s + '<|im_end|>\\n<|im_start|>user\\n' + ns.a + '<|im_end|>\\n' -}}"
    "{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}"
)
"""Leaves assistant turns out, as the template of the first release does."""


def ask(url: str, wish: Wish, clip: Clip, **changes: object) -> tuple[int, Any]:
    body = json.loads(request_body(wish, to_wave(clip.samples))) | changes
    request = urllib.request.Request(
        f"{url}/v1/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=300) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def answers_of(url: str, clips: Sequence[Clip], hot_word_clip: int, hot_words: Sequence[str]) -> dict[str, Any]:
    wish = Wish(model=MODEL, context="", language=None, most_tokens=200)
    with urllib.request.urlopen(f"{url}/v1/models", timeout=30) as page:
        models = json.loads(page.read())
    for row in models["data"]:
        row["root"] = row["id"]
    silence = Clip(samples=np.zeros(32_000, np.float32))
    chosen = clips[hot_word_clip]
    return {
        "models": models,
        "hot_word_clip": hot_word_clip,
        "hot_words": system_text(hot_words),
        "calls": [ask(url, wish, clip)[1] for clip in clips],
        "forced": [ask(url, replace(wish, language="zh"), clip)[1] for clip in clips],
        "corrected": ask(url, replace(wish, context=system_text(hot_words)), chosen)[1],
        "no_speech": ask(url, wish, silence)[1],
        "truncated": ask(url, replace(wish, most_tokens=6), chosen)[1],
        "unknown_model": ask(url, replace(wish, model="another-model"), chosen)[1],
        "prefix_refused": ask(url, replace(wish, language="zh"), chosen, chat_template=ORIGINAL_TEMPLATE)[1],
        "too_many_tokens": ask(url, replace(wish, most_tokens=5000), chosen)[1],
        "template_prefix": ask(url, replace(wish, language="zh", forcing=Forcing.TEMPLATE), chosen)[1],
    }


def record(url: str, clips: Sequence[Clip], hot_word_clip: int, hot_words: Sequence[str], target: Path) -> None:
    answers = answers_of(url, clips, hot_word_clip, hot_words)
    target.write_text(json.dumps(answers, ensure_ascii=False, indent=None, separators=(",", ":")), encoding="utf-8")
