"""The contract of a speech engine, as a check that engine authors run on theirs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from difflib import SequenceMatcher

import numpy as np

from qingting.model.transcript import TimedText
from qingting.speech.engine import SAMPLE_RATE_HERTZ, Capabilities, Clip, Recognition, RecognitionOptions, SpeechEngine

_LANGUAGE = re.compile(r"[a-z]{2}|yue")
_OPTIONS = RecognitionOptions()
_EDGE_TOLERANCE_MS = 20


def check_engine(engine: SpeechEngine, *, speech: Sequence[Clip] = ()) -> None:
    """Assert that a speech engine keeps its contract.

    Checked: identity and capabilities are complete and stable; no clips, silence, noise, a
    tone and a clip of 10 ms are answered; one answer per clip, in order; word times rise and
    stay inside the clip; nothing is claimed that the capabilities deny; the samples are left
    alone, earlier sound changes nothing of this; two threads may ask at once. `speech` adds real
    speech, at least two unlike clips make the order check sharp. Raises AssertionError.
    """
    identity, capabilities = engine.identity, engine.capabilities
    _check_identity(engine)
    _check_capabilities(capabilities)
    _expect(engine.transcribe([], _OPTIONS) == [], "no clips must give an empty list")
    clips = [*_made_clips(), *speech]
    alone = [_ask(engine, [clip])[0] for clip in clips]
    together = _ask(engine, clips)
    # What an engine makes of noise may vary; what it makes of speech may not.
    first = len(clips) - len(speech) if len(speech) > 1 else 0
    _check_order(alone[first:], together[first:])
    # Earlier sound may help an engine; it answers for the clip alone.
    _ask(engine, [replace(clips[-1], before=(clips[0].samples, clips[2].samples))])
    _check_two_threads(engine, clips)
    _expect(engine.identity == identity, "`identity` changed while it worked")
    _expect(engine.capabilities == capabilities, "`capabilities` changed while it worked")


def _check_identity(engine: SpeechEngine) -> None:
    _expect(bool(engine.identity.name.strip()), "`identity.name` must not be blank")
    _expect(bool(engine.identity.model.strip()), "`identity.model` must not be blank")
    _expect(engine.identity == engine.identity, "`identity` must be the same each time")


def _check_capabilities(capabilities: Capabilities) -> None:
    _expect(bool(capabilities.languages), "`capabilities.languages` must name a language")
    for language in capabilities.languages:
        _expect(bool(_LANGUAGE.fullmatch(language)), "`capabilities.languages` must be ISO 639-1 codes or yue")
    _expect(capabilities.longest_clip_seconds > 0, "`capabilities.longest_clip_seconds` must be positive")
    _expect(capabilities.context_seconds >= 0, "`capabilities.context_seconds` must not be negative")
    _expect(capabilities.preferred_batch >= 1, "`capabilities.preferred_batch` must be at least 1")


def _made_clips() -> list[Clip]:
    random = np.random.default_rng(0)
    seconds = np.arange(2 * SAMPLE_RATE_HERTZ, dtype=np.float32) / SAMPLE_RATE_HERTZ
    sounds = (
        np.zeros(SAMPLE_RATE_HERTZ),
        np.zeros(SAMPLE_RATE_HERTZ // 100),
        0.01 * random.standard_normal(SAMPLE_RATE_HERTZ),
        0.2 * np.sin(2 * np.pi * 450 * seconds),
    )
    return [Clip(samples=sound.astype(np.float32)) for sound in sounds]


def _ask(engine: SpeechEngine, clips: Sequence[Clip]) -> list[Recognition]:
    copies = [clip.samples.copy() for clip in clips]
    answers = engine.transcribe(clips, _OPTIONS)
    for clip, copy in zip(clips, copies, strict=True):
        _expect(np.array_equal(clip.samples, copy), "the engine changed the samples it was given")
    _expect(isinstance(answers, list), "the answer must be a list")
    _expect(len(answers) == len(clips), f"{len(clips)} clips got {len(answers)} answers")
    for answer, clip in zip(answers, clips, strict=True):
        _check_answer(answer, clip, engine.capabilities)
    return answers


def _check_answer(answer: Recognition, clip: Clip, capabilities: Capabilities) -> None:
    _expect(isinstance(answer, Recognition), "every answer must be a Recognition")
    named = answer.language in ("", *capabilities.languages)
    _expect(named, "`language` must be empty or one of the capabilities' languages")
    _expect(capabilities.word_times or not answer.words, "words with times, but the capabilities deny them")
    _expect(capabilities.confidence or answer.confidence is None, "a confidence, but the capabilities deny it")
    _expect(answer.confidence is None or 0.0 <= answer.confidence <= 1.0, "`confidence` must be from 0 to 1")
    _check_words(answer.words, round(clip.seconds * 1000))


def _check_words(words: Sequence[TimedText], length_ms: int) -> None:
    before_ms = 0
    for word in words:
        _expect(word.start_ms >= before_ms, "word times must not go back")
        _expect(word.end_ms >= word.start_ms, "a word must not end before it starts")
        _expect(word.end_ms <= length_ms + _EDGE_TOLERANCE_MS, "word times must stay inside the clip")
        before_ms = word.start_ms


def _check_order(alone: Sequence[Recognition], together: Sequence[Recognition]) -> None:
    """Assert that no answer is more like another clip's than its own clip's."""
    for index, answer in enumerate(together):
        own = _likeness(answer, alone[index])
        for other in alone:
            _expect(own >= _likeness(answer, other), f"answer {index} of a batch belongs to another clip")


def _likeness(one: Recognition, other: Recognition) -> float:
    return SequenceMatcher(None, one.text, other.text, autojunk=False).ratio()


def _check_two_threads(engine: SpeechEngine, clips: Sequence[Clip]) -> None:
    with ThreadPoolExecutor(max_workers=2) as pool:
        asked = [pool.submit(_ask, engine, clips) for _ in range(2)]
        for one in asked:
            one.result()


def _expect(holds: bool, message: str) -> None:  # noqa: FBT001 - reads like assert
    if not holds:
        raise AssertionError(message)
