"""How likely a stretch of Chinese is, as words: the yardstick of the term corrector.

A unigram model over the counts of `data/words.txt.gz` (made by tools/make_word_list.py): the likelihood
of a text is that of its likeliest division into words (Viterbi 1967).
"""

from __future__ import annotations

import gzip
import math
from collections.abc import Mapping
from functools import cache
from pathlib import Path

_FILE = Path(__file__).parent / "data" / "words.txt.gz"
_BUCKETS_PER_E = 4
"""The file holds logarithms of counts in quarters."""
_ALL_WORDS = 60_000_000
"""Sum of all counts of the dictionary the file was made from."""
_UNKNOWN = -math.log(_ALL_WORDS)
"""A character that the list lacks counts as seen once."""
LONGEST = 4
"""Characters of the longest listed words."""
_KNOWN_FROM = 5.0
"""Words of several characters seen at least so often count as words of the language."""

MEANS_ALONE = frozenset(
    "的了吗呢吧啊呀嘛着过地得我你您他她它们是在有没不别和跟与或及对给向把被让叫到从于就也都还又再才很太更最这那哪什谁"
    "好要会能可想说看去来上下里外前后中大小多少个只一二三四五六七八九十百千万两几点年月日天时"
    "啲嘅咗唔喺佢冇嗰咁嘢咩嚟哋畀乜"
)
"""Characters that are words of their own too often (Cantonese ones too): no evidence of a misheard short term."""


@cache
def word_log_probabilities() -> Mapping[str, float]:
    """Natural logarithm of every listed word's probability; about 0.1 s of processor time at first use."""
    lines = gzip.decompress(_FILE.read_bytes()).decode().splitlines()
    table: dict[str, float] = {}
    for line in lines:
        bucket, _, words = line.partition(" ")
        value = int(bucket) / _BUCKETS_PER_E - math.log(_ALL_WORDS)
        table.update(dict.fromkeys(words.split(" "), value))
    return table


def count_of(word: str) -> float:
    """Return about how often a word was counted; 0.0 when the list lacks it."""
    value = word_log_probabilities().get(word)
    return 0.0 if value is None else math.exp(value + math.log(_ALL_WORDS))


def is_known_word(text: str) -> bool:
    """Whether a text of at least two characters is a word of the language."""
    return len(text) > 1 and count_of(text) >= _KNOWN_FROM


def divide(text: str, extra: Mapping[str, float], longest: int) -> tuple[float, list[str]]:
    """Divide a run of Chinese characters into its likeliest words; returns the logarithm of its likelihood and them.

    `extra` words (logarithms of their probabilities, at most `longest` characters) count beside the listed ones.
    """
    table = word_log_probabilities()
    best: list[tuple[float, int]] = [(0.0, 0)]
    for end in range(1, len(text) + 1):
        top = (-math.inf, 0)
        for start in range(max(0, end - max(longest, LONGEST)), end):
            value = _value(text[start:end], table, extra)
            if value is not None and best[start][0] + value > top[0]:
                top = (best[start][0] + value, start)
        best.append(top)
    words: list[str] = []
    end = len(text)
    while end:
        start = best[end][1]
        words.append(text[start:end])
        end = start
    return best[-1][0], words[::-1]


def _value(word: str, table: Mapping[str, float], extra: Mapping[str, float]) -> float | None:
    general = table.get(word, _UNKNOWN if len(word) == 1 else None)
    special = extra.get(word)
    if general is None or special is None:
        return special if general is None else general
    return max(general, special)
