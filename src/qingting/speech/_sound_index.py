"""Finds where a text sounds like a known word: by syllables, tones aside, confused sounds alike."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from qingting.pinyin import Confusion, Reading, SoundAlphabet, fold, reading_of, readings
from qingting.speech._units import is_han
from qingting.speech.hot_words import HotWord


@dataclass(frozen=True, kw_only=True, slots=True)
class Sounding:
    """A stretch of a text that sounds like a word."""

    start: int
    end: int
    word: HotWord
    same: int
    """Characters that are the word's own."""
    toneless: int
    """Characters of the same syllable in another tone."""
    confused: int
    """Characters whose sound is only easily confused with the word's."""

    @property
    def length(self) -> int:
        """Characters of the word."""
        return self.end - self.start


class SoundIndex:
    """Words by their sound; read-only after construction, so that threads may share it."""

    def __init__(self, words: Iterable[HotWord], confusions: frozenset[Confusion]) -> None:
        """Words with other characters than Chinese ones are left out: their sound is unknown."""
        self._confusions = confusions
        self._alphabet = SoundAlphabet(confusions)
        self._words: dict[str, list[tuple[HotWord, tuple[Reading, ...]]]] = defaultdict(list)
        for word in words:
            reading = _reading(word)
            if reading is None:
                continue
            for key in dict.fromkeys((*self._alphabet.variants(word.text), self._key(reading))):
                self._words[key].append((word, reading))
        self._lengths = sorted({len(key) for key in self._words}, reverse=True)

    def find(self, text: str) -> Iterator[Sounding]:
        """Yield every stretch of a run of Chinese characters that sounds like a word and is not written like it."""
        written = self._alphabet.write(text)
        for start in range(len(text)):
            for length in self._lengths:
                end = start + length
                if end <= len(text):
                    yield from self._at(text[start:end], start, [sounds[start:end] for sounds in written])

    def _at(self, heard: str, start: int, keys: Iterable[str]) -> Iterator[Sounding]:
        seen: set[str] = set()
        for key in keys:
            for word, reading in self._words.get(key, ()):
                if word.text in seen or word.text == heard:
                    continue
                seen.add(word.text)
                found = self._compare(word, reading, heard, start)
                if found is not None:
                    yield found

    def _compare(self, word: HotWord, reading: tuple[Reading, ...], heard: str, start: int) -> Sounding | None:
        same = toneless = confused = 0
        for own, other, (syllable, tone) in zip(word.text, heard, reading, strict=True):
            known = readings(other)
            if own == other:
                same += 1
            elif (syllable, tone) in known:
                continue
            elif any(one == syllable for one, _ in known):
                toneless += 1
            elif any(fold(one, self._confusions) == fold(syllable, self._confusions) for one, _ in known):
                confused += 1
            else:
                return None
        return Sounding(start=start, end=start + len(heard), word=word, same=same, toneless=toneless, confused=confused)

    def _key(self, reading: tuple[Reading, ...]) -> str:
        """Sounds of a reading as the alphabet writes them; empty when no common character has one of them."""
        return self._alphabet.write_syllables([syllable for syllable, _ in reading])


def _reading(word: HotWord) -> tuple[Reading, ...] | None:
    if not all(map(is_han, word.text)):
        return None
    found = word.reading or reading_of(word.text)
    if any(one is None for one in found):
        return None
    return tuple(one for one in found if one is not None)
