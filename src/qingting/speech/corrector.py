"""Puts misheard words of a line of business right, by their sound, where the evidence is strong.

A noisy channel (Kernighan, Church, Gale 1990): a stretch that sounds like a known term is replaced when the text
becomes so much likelier with the term that this outweighs how far the sounds are apart. What is written as a
common word stays, however alike it sounds (透析 is no 投诉): a missed correction costs a hit, a false one
costs somebody's trust. Characters are replaced one for one, so that their times stay.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from qingting.model.transcript import Correction, Flag, Utterance
from qingting.pinyin import DEFAULT_CONFUSIONS, Confusion
from qingting.speech._sound_index import SoundIndex, Sounding
from qingting.speech._units import is_han, units
from qingting.speech._word_model import MEANS_ALONE, divide, is_known_word
from qingting.speech.hot_words import HotWord, HotWordList, Misheard

_LEAST_SAME = 0.5
"""Share of a longer term's characters that must be its own when sounds were confused."""
_PHRASE = 4
"""Characters from which on a term is a phrase, which nothing sounds like by chance."""
_BEFORE_NAMES = ("叫", "姓", "名字是", "姓名是", "收件人是", "联系人是")
_BEHIND_NAMES = ("先生", "女士", "小姐", "老师")
_LISTED_GAIN = 100.0
"""Puts forms that a list names before those that only sound alike."""
_SURE = 0.7
"""Engine's confidence in a character at which it speaks neither for nor against a correction."""
_NEUTRAL_SPAN = 0.3


@dataclass(frozen=True, kw_only=True)
class CorrectorOptions:
    """How much evidence a correction needs; the defaults are measured (docs/benchmarks.md)."""

    confusions: tuple[Confusion, ...] = DEFAULT_CONFUSIONS
    """Sounds taken for alike."""
    least_gain: float = 9.0
    """Nats by which the text must become likelier, after all costs."""
    tone_cost: float = 1.0
    """Nats for a character in another tone."""
    confused_cost: float = 3.0
    """Nats for a character whose sound is only easily confused."""
    foreign_cost: float = 4.0
    """Nats for a term none of whose characters was heard as written."""
    context_gain: float = 2.0
    """Nats for another term in the same utterance or the one before."""
    doubt_gain: float = 2.0
    """Nats at most for characters the engine itself was unsure of; as many against where it was sure."""
    term_log_probability: float = -9.5
    """Logarithm of a term's probability in its line of business, where general language has it rarer."""


@dataclass(frozen=True, kw_only=True)
class Corrected:
    """A text after correction."""

    text: str
    """As long as before; only Chinese characters were replaced."""
    corrections: tuple[Correction, ...] = ()
    """In order, not overlapping."""


@dataclass(frozen=True, kw_only=True)
class _Candidate:
    start: int
    end: int
    word: HotWord
    gain: float
    why: str


class Corrector:
    """Knows the terms of one line of business; read-only after construction, so that threads may share it."""

    def __init__(self, words: HotWordList | Iterable[HotWord], options: CorrectorOptions | None = None) -> None:
        """Prepare the terms; they are at least two characters long."""
        self._options = options or CorrectorOptions()
        known = words.words if isinstance(words, HotWordList) else tuple(words)
        self._index = SoundIndex(known, frozenset(self._options.confusions))
        self._terms = {word.text: self._options.term_log_probability for word in known}
        # A form that is a term of another list is right as it stands.
        self._listed = [(heard, word) for word in known for heard in word.heard if heard.text not in self._terms]
        self._signs = {form: word.text for word in known for form in (word.text, *word.said)}
        self._longest = max(map(len, self._terms), default=1)

    def correct(self, text: str, *, confidences: Mapping[int, float] | None = None, before: str = "") -> Corrected:
        """Put misheard terms of a text right.

        `confidences` are the engine's for characters of the text, by offset; `before` is what was said just before.
        Applied to its own result it changes nothing more.
        """
        heard = text
        done: list[Correction] = []
        # Every round makes a stretch a term; no text needs more rounds than it has characters.
        for _ in range(len(text)):
            found = self._best(text, confidences or {}, before, done)
            if found is None:
                break
            text = text[: found.start] + found.word.text + text[found.end :]
            done = [one for one in done if not found.start <= one.start_char < found.end]
            done.append(
                Correction(
                    start_char=found.start,
                    end_char=found.end,
                    heard=heard[found.start : found.end],
                    written=found.word.text,
                    why=found.why,
                )
            )
        return Corrected(text=text, corrections=tuple(sorted(done, key=lambda one: one.start_char)))

    def _best(
        self, text: str, confidences: Mapping[int, float], before: str, done: Sequence[Correction]
    ) -> _Candidate | None:
        """The correction with the most evidence; one may take in earlier ones, never cut them."""
        found = [
            candidate
            for start, run in _chinese_runs(text)
            for candidate in chain(
                self._misheard(run, start, text, before), self._sounding(run, start, text, confidences, before)
            )
            if not _is_name(text, candidate) and not any(_cuts(candidate, one) for one in done)
        ]
        # The longer of two terms at one place explains more of what was heard.
        return max(found, key=lambda one: (one.gain, one.end - one.start, -one.start), default=None)

    def _misheard(self, run: str, offset: int, text: str, before: str) -> Iterator[_Candidate]:
        """Forms that a list names, where they stand between words; those without `near` must not cost likelihood."""
        hits = [
            (heard, word, at)
            for heard, word in self._listed
            if heard.text in run
            for at in range(len(run) - len(heard.text) + 1)
            if run.startswith(heard.text, at)
        ]
        if not hits:
            return
        base, words = divide(run, self._terms, self._longest)
        edges = _edges(words)
        for heard, word, at in hits:
            end = at + len(heard.text)
            if at not in edges or end not in edges or not _near(heard, text, offset + at, before):
                continue
            gain = divide(run[:at] + word.text + run[end:], self._terms, self._longest)[0] - base
            if gain >= 0 or heard.near:
                why = f"常见误识：“{heard.text}”应为“{word.text}”"
                yield _Candidate(start=offset + at, end=offset + end, word=word, gain=_LISTED_GAIN + gain, why=why)

    def _sounding(
        self, run: str, offset: int, text: str, confidences: Mapping[int, float], before: str
    ) -> Iterator[_Candidate]:
        """Stretches that sound like a term and make no sense as they stand."""
        base: float | None = None
        words: list[str] = []
        for heard in self._index.find(run):
            written = run[heard.start : heard.end]
            if is_known_word(written) or not _alike(heard):
                continue
            if base is None:
                base, words = divide(run, self._terms, self._longest)
            if self._breaks_word(words, heard, run):
                continue
            better = divide(run[: heard.start] + heard.word.text + run[heard.end :], self._terms, self._longest)[0]
            context = self._in_context(heard.word.text, text, offset + heard.start, before)
            doubt = self._doubt(heard, run, offset, confidences)
            gain = better - base - self._cost(heard) + context + doubt
            if gain >= self._options.least_gain:
                yield _Candidate(
                    start=offset + heard.start, end=offset + heard.end, word=heard.word, gain=gain,
                    why=_reason(heard, written, context=context > 0, doubt=doubt > 0),
                )  # fmt: skip

    def _cost(self, heard: Sounding) -> float:
        options = self._options
        foreign = options.foreign_cost if heard.same == 0 else 0.0
        return foreign + heard.toneless * options.tone_cost + heard.confused * options.confused_cost

    def _in_context(self, term: str, text: str, start: int, before: str) -> float:
        """A gain where another term stands near."""
        around = f"{before}\n{text[:start]}\n{text[start + len(term) :]}"
        near = any(sign in around and word != term for sign, word in self._signs.items() if len(sign) > 1)
        return self._options.context_gain if near else 0.0

    def _breaks_word(self, words: Sequence[str], heard: Sounding, run: str) -> bool:
        """Whether a character that would change belongs to a word of the text, or means something alone."""
        at = 0
        for word in words:
            end = at + len(word)
            changed = [
                run[index]
                for index in range(max(at, heard.start), min(end, heard.end))
                if run[index] != heard.word.text[index - heard.start]
            ]
            if changed and len(word) > 1 and (word in self._terms or is_known_word(word)):
                return True
            if any(character in MEANS_ALONE for character in changed) and heard.length < _PHRASE:
                return True
            at = end
        return False

    def _doubt(self, heard: Sounding, run: str, offset: int, confidences: Mapping[int, float]) -> float:
        """How unsure the engine was of the characters that differ: a gain, or a cost where it was sure."""
        known = [
            confidences[offset + heard.start + index]
            for index, own in enumerate(heard.word.text)
            if own != run[heard.start + index] and offset + heard.start + index in confidences
        ]
        if not known:
            return 0.0
        share = (_SURE - sum(known) / len(known)) / _NEUTRAL_SPAN
        return self._options.doubt_gain * min(1.0, max(-1.0, share))


def correct_utterances(utterances: Iterable[Utterance], corrector: Corrector) -> list[Utterance]:
    """Put misheard terms right in utterances in order of time; each has the one before it as context."""
    done: list[Utterance] = []
    before = ""
    for utterance in utterances:
        done.append(correct_utterance(utterance, corrector, before=before))
        before = done[-1].text
    return done


def correct_utterance(utterance: Utterance, corrector: Corrector, *, before: str = "") -> Utterance:
    """Put misheard terms of one utterance right; other languages than Mandarin stay as they are.

    Times stay: the characters' texts alone are exchanged.
    """
    if not utterance.text or utterance.language not in ("", "zh"):
        return utterance
    found = units(utterance.text)
    timed = len(found) == len(utterance.characters)
    pairs = list(zip(found, utterance.characters, strict=True)) if timed else []
    confidences = {unit.start: one.confidence for unit, one in pairs if one.confidence is not None}
    result = corrector.correct(utterance.text, confidences=confidences, before=before)
    if not result.corrections:
        return utterance
    return replace(
        utterance,
        text=result.text,
        spoken_text=_same_in(utterance.spoken_text, utterance.text, result.corrections),
        original_text=utterance.original_text or utterance.text,
        characters=tuple(replace(one, text=result.text[unit.start : unit.end]) for unit, one in pairs)
        or utterance.characters,
        flags=tuple(dict.fromkeys((*utterance.flags, Flag.CORRECTED))),
        corrections=result.corrections,
    )


def _same_in(spoken: str, text: str, corrections: Sequence[Correction]) -> str:
    """The corrections made in the form with spoken numbers, where the same stretches stand."""
    # From the last to the first, so that earlier stretches keep their places.
    for one in reversed(corrections):
        if text.count(one.heard) != spoken.count(one.heard):
            continue
        at = -1
        for _ in range(text.count(one.heard, 0, one.end_char)):
            at = spoken.find(one.heard, at + 1)
        if at >= 0:
            spoken = spoken[:at] + one.written + spoken[at + len(one.heard) :]
            text = text[: one.start_char] + one.written + text[one.end_char :]
    return spoken


def _chinese_runs(text: str) -> Iterator[tuple[int, str]]:
    """Stretches of Chinese characters with their offsets: nothing is corrected across anything else."""
    start = 0
    for index, character in enumerate([*text, " "]):
        if not is_han(character):
            if index - start > 1:
                yield start, text[start:index]
            start = index + 1


def _is_name(text: str, candidate: _Candidate) -> bool:
    """Whether a stretch stands where a person's name does: names sound like anything."""
    return text[: candidate.start].endswith(_BEFORE_NAMES) or text[candidate.end :].startswith(_BEHIND_NAMES)


def _cuts(candidate: _Candidate, one: Correction) -> bool:
    """Whether a candidate overlaps an earlier correction without taking it in."""
    apart = one.end_char <= candidate.start or one.start_char >= candidate.end
    return not apart and not (candidate.start <= one.start_char and one.end_char <= candidate.end)


def _edges(words: Sequence[str]) -> set[int]:
    """Offsets where words begin or end; characters on their own have edges on both sides."""
    edges, at = {0}, 0
    for word in words:
        at += len(word)
        edges.add(at)
    return edges


def _near(heard: Misheard, text: str, start: int, before: str) -> bool:
    around = f"{before}\n{text[:start]}\n{text[start + len(heard.text) :]}"
    return not heard.near or any(word in around for word in heard.near)


def _alike(heard: Sounding) -> bool:
    """Whether the sounds alone allow a correction: confused ones need characters of the term's own beside them."""
    if heard.confused == 0:
        return True
    return heard.length > 2 and heard.same >= heard.length * _LEAST_SAME


def _reason(heard: Sounding, written: str, *, context: bool, doubt: bool) -> str:
    """The evidence in Chinese."""
    sound = "近音" if heard.confused else "同音不同调" if heard.toneless else "同音"
    parts = [f"“{written}”与业务词“{heard.word.text}”{sound}，且不成词"]
    parts += ["前后文有其他业务词"] if context else []
    parts += ["引擎对该字把握不足"] if doubt else []
    return "；".join(parts)
