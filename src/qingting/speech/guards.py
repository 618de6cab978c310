"""What recognisers do wrong, found and handled: each guard is a small pure function.

A guard looks at the text (and what is known of the sound) and names the stretches to cut;
`run_guards` applies all of them to text and words together. Thresholds were chosen so
that natural speech survives: people do say 好的好的好的, 对对对 and 我要退款 three times.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from qingting.model.audio import VoiceFacts
from qingting.model.transcript import Flag, TimedText
from qingting.speech._phrases import ALWAYS_INVENTED, INVENTED_WITHOUT_VOICE, PROMPTS
from qingting.speech._units import Unit, units

Cut = tuple[int, int]
"""Half-open range of characters to remove."""

FASTEST_UNITS_PER_SECOND = 12.0
"""Auctioneers reach about 10 Chinese characters a second; nobody passes 12 over a whole utterance."""
SPARSEST_UNITS_PER_SECOND = 0.8
_HURRIED_UNITS_PER_SECOND = 8.0
"""Above this rate a repetition is taken for a loop much sooner."""
_LONGEST_PATTERN = 40
_CLEAR_VOICED_MS = 250
_CLEAR_SPEECH_MS = 400
_NO_VOICE_MS = 60
_NO_SPEECH_MS = 100
_SPARSE_MIN_SPEECH_MS = 2500
_LEAK_WORDS = 3
_LEAK_COVERAGE = 0.8
_DENSE_LEAK_COVERAGE = 0.5


@dataclass(frozen=True, kw_only=True)
class Guarded:
    """Text and words after the guards."""

    text: str
    words: tuple[TimedText, ...]
    flags: tuple[Flag, ...]
    """What was noticed, in order of the checks, without duplicates."""


def find_loops(text: str, seconds: float | None = None) -> tuple[Cut, ...]:
    """Stretches that only repeat what stands before them; one copy stays.

    `seconds` is the time the text was said in, None when unknown. A pattern counts as a loop by its
    length and number of copies; far fewer copies suffice when the text is too dense for
    its time, since people repeat themselves but cannot do it at that speed.
    """
    found = units(text)
    hurried = seconds is not None and len(found) > _HURRIED_UNITS_PER_SECOND * max(seconds, 0.1)
    keys = [unit.key for unit in found]
    cuts: list[Cut] = []
    index = 0
    while index < len(keys):
        pattern, copies = _repetition(keys, index, hurried=hurried)
        if not pattern:
            index += 1
            continue
        last = index + pattern * copies
        while last < len(keys) and keys[last] == keys[last - pattern]:
            last += 1  # the loop was cut off inside a copy
        cuts.append((found[index + pattern - 1].end, found[last - 1].end))
        index = last
    return tuple(cuts)


def _repetition(keys: Sequence[str], index: int, *, hurried: bool) -> tuple[int, int]:
    """Length of the shortest looped pattern that starts at index and its copies, or (0, 0)."""
    for pattern in range(1, min(_LONGEST_PATTERN, (len(keys) - index) // 2) + 1):
        if keys[index : index + pattern] != keys[index + pattern : index + 2 * pattern]:
            continue
        copies = 2
        while keys[index : index + pattern] == keys[index + copies * pattern : index + (copies + 1) * pattern]:
            copies += 1
        if copies >= _copies_of_a_loop(keys[index : index + pattern], hurried=hurried):
            return pattern, copies
    return 0, 0


def _copies_of_a_loop(pattern: Sequence[str], *, hurried: bool) -> int:
    """Copies from which on a pattern is a loop."""
    if all(key.isdigit() for key in pattern):
        return 4 if hurried and len(pattern) > 2 else 20  # 000000 and 88888888 are numbers people read out
    if len(pattern) == 1:
        return 8 if hurried else 12
    if len(pattern) <= 3:
        return 5 if hurried else 8
    if len(pattern) <= 7:
        return 3 if hurried else 5
    return 2 if hurried else 4


def find_invented(text: str, voice: VoiceFacts | None) -> tuple[Cut, ...]:
    """Text where nobody spoke, and phrases from video subtitles that no call contains.

    Without voiced time everything is invented. Known subtitle phrases are cut anywhere;
    phrases people also say (谢谢大家) only fall when they are the whole text over hardly any voice.
    """
    found = units(text)
    if not found:
        return ()
    if voice is not None and (voice.voiced_ms < _NO_VOICE_MS or voice.speech_ms < _NO_SPEECH_MS):
        return ((0, len(text)),)
    plain = "".join(unit.key for unit in found)
    if plain in INVENTED_WITHOUT_VOICE and voice is not None and not clear_speech(voice):
        return ((0, len(text)),)
    return _phrase_cuts(text, found, ALWAYS_INVENTED)


def find_prompt_echo(text: str, prompts: Sequence[str] = PROMPTS) -> tuple[Cut, ...]:
    """Places where the engine repeated its prompt instead of what was said."""
    found = units(text)
    return _phrase_cuts(text, found, ["".join(unit.key for unit in units(prompt)) for prompt in prompts])


def find_hot_word_leak(
    text: str, hot_words: Sequence[str], voice: VoiceFacts | None = None, seconds: float | None = None
) -> tuple[Cut, ...]:
    """A text that is nothing but hot words in a row: the list came out instead of the speech.

    Counts as a leak when at least three different hot words (two over hardly any voice)
    cover four fifths of the text and follow each other as in the list; or when hot words
    are half of a text that nobody could say in its `seconds`.
    """
    found = units(text)
    if not found or not hot_words:
        return ()
    keys = [key for key in ("".join(unit.key for unit in units(word)) for word in hot_words) if key]
    plain = "".join(unit.key for unit in found)
    said = _in_sequence(plain, keys)
    covered = sum(len(keys[index]) for index in said) / len(plain)
    needed = _LEAK_WORDS if voice is None or clear_speech(voice) else _LEAK_WORDS - 1
    in_order = all(later > earlier for earlier, later in pairwise(said))
    listed = len(set(said)) >= needed and in_order and covered >= _LEAK_COVERAGE
    dense = seconds is not None and len(found) > max(4.0, FASTEST_UNITS_PER_SECOND * seconds)
    return ((0, len(text)),) if listed or (dense and covered >= _DENSE_LEAK_COVERAGE) else ()


def _in_sequence(plain: str, keys: Sequence[str]) -> list[int]:
    """Indices of the hot words as they follow each other in the text."""
    said: list[int] = []
    position = 0
    by_length = sorted(range(len(keys)), key=lambda index: -len(keys[index]))
    while position < len(plain):
        hit = next((index for index in by_length if plain.startswith(keys[index], position)), None)
        if hit is None:
            position += 1
            continue
        said.append(hit)
        position += len(keys[hit])
    return said


def clear_speech(voice: VoiceFacts) -> bool:
    """Whether somebody certainly spoke: enough voiced time and enough speech."""
    return voice.voiced_ms >= _CLEAR_VOICED_MS and voice.speech_ms >= _CLEAR_SPEECH_MS


def rate_flags(text: str, seconds: float, voice: VoiceFacts | None) -> tuple[Flag, ...]:
    """TOO_FAST or TOO_SPARSE for the time the text was said in, else nothing."""
    count = len(units(text))
    spoken = seconds if voice is None or voice.speech_ms <= 0 else max(voice.speech_ms / 1000, 0.1)
    if count > max(4.0, FASTEST_UNITS_PER_SECOND * spoken):
        return (Flag.TOO_FAST,)
    voiced_enough = voice is not None and clear_speech(voice) and voice.speech_ms >= _SPARSE_MIN_SPEECH_MS
    if count and voiced_enough and count < SPARSEST_UNITS_PER_SECOND * spoken:
        return (Flag.TOO_SPARSE,)
    return ()


def empty_flags(text: str, voice: VoiceFacts | None) -> tuple[Flag, ...]:
    """EMPTY_ANSWER when somebody clearly spoke and no text came, else nothing."""
    return (Flag.EMPTY_ANSWER,) if not units(text) and voice is not None and clear_speech(voice) else ()


def run_guards(
    text: str,
    words: Sequence[TimedText],
    *,
    seconds: float,
    voice: VoiceFacts | None = None,
    hot_words: Sequence[str] = (),
    prompts: Sequence[str] = PROMPTS,
) -> Guarded:
    """Apply every guard to an engine's answer for one clip of `seconds`.

    `words` keep their times; those whose text was cut are dropped.
    """
    flags: list[Flag] = []
    kept = tuple(words)
    had_text = bool(units(text))
    spoken = seconds if voice is None or voice.speech_ms <= 0 else voice.speech_ms / 1000
    checks: tuple[tuple[Flag, Callable[[str], tuple[Cut, ...]]], ...] = (
        (Flag.PROMPT_ECHO, lambda t: find_prompt_echo(t, prompts)),
        (Flag.INVENTED, lambda t: find_invented(t, voice)),
        (Flag.HOTWORD_LEAK, lambda t: find_hot_word_leak(t, hot_words, voice, spoken)),
        (Flag.LOOP, lambda t: find_loops(t, spoken)),
    )
    for flag, find in checks:
        cuts = find(text)
        if cuts:
            flags.append(flag)
            text, kept = apply_cuts(text, kept, cuts)
    flags.extend(rate_flags(text, seconds, voice))
    if not had_text:
        flags.extend(empty_flags(text, voice))
    return Guarded(text=text, words=kept, flags=tuple(dict.fromkeys(flags)))


def apply_cuts(text: str, words: Sequence[TimedText], cuts: Sequence[Cut]) -> tuple[str, tuple[TimedText, ...]]:
    """Remove ranges from the text and the words that lie mostly in them."""
    removed = [False] * len(text)
    for start, end in cuts:
        removed[start:end] = [True] * (end - start)
    kept = []
    position = 0
    for word in words:
        bare = word.text.strip()
        start = text.find(bare, position)
        if start < 0:
            kept.append(word)
            continue
        position = start + len(bare)
        inside = [i for i in range(start, position) if text[i].isalnum()] or list(range(start, position))
        left = "".join(text[i] for i in range(start, position) if not removed[i])
        if sum(removed[i] for i in inside) * 2 < len(inside):
            kept.append(TimedText(text=left, start_ms=word.start_ms, end_ms=word.end_ms, confidence=word.confidence))
    rest = "".join(character for character, gone in zip(text, removed, strict=True) if not gone)
    return (rest if units(rest) else ""), tuple(kept) if units(rest) else ()


def _phrase_cuts(text: str, found: Sequence[Unit], phrases: Sequence[str]) -> tuple[Cut, ...]:
    """Ranges of the text whose units spell one of the phrases; a cut takes the punctuation behind it."""
    plain = "".join(unit.key for unit in found)
    owner = [index for index, unit in enumerate(found) for _ in unit.key]
    cuts: list[Cut] = []
    for phrase in phrases:
        at = plain.find(phrase) if phrase else -1
        while at >= 0:
            last = owner[at + len(phrase) - 1]
            end = found[last + 1].start if last + 1 < len(found) else len(text)
            cuts.append((found[owner[at]].start, end))
            at = plain.find(phrase, at + len(phrase))
    return tuple(sorted(cuts))
