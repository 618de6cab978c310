"""Make the list of words with their frequencies that the term corrector reads (src/qingting/speech/data/words.txt.gz).

    python tools/make_word_list.py DICT

DICT is `jieba/dict.txt` of the package jieba 0.42.1 (MIT; see NOTICE): lines of word, count, part of speech. Kept are
words of one to four Chinese characters seen at least 5 times; a line of the result holds the rounded natural
logarithm of the count, in quarters, and all words of that count.
"""

from __future__ import annotations

import argparse
import gzip
import math
from collections import defaultdict
from pathlib import Path

TARGET = Path(__file__).parents[1] / "src" / "qingting" / "speech" / "data" / "words.txt.gz"
LEAST_COUNT = 5
LONGEST = 4


def main() -> None:
    """Read the dictionary and write the list."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dictionary", type=Path)
    parser.add_argument("--out", type=Path, default=TARGET)
    arguments = parser.parse_args()
    buckets: dict[int, list[str]] = defaultdict(list)
    for line in arguments.dictionary.read_text(encoding="utf-8").splitlines():
        word, count, *_ = line.split(" ")
        chinese = all("\u4e00" <= character <= "\u9fff" for character in word)
        if chinese and len(word) <= LONGEST and int(count) >= LEAST_COUNT:
            buckets[round(4 * math.log(int(count)))].append(word)
    text = "".join(f"{bucket} {' '.join(sorted(words))}\n" for bucket, words in sorted(buckets.items()))
    arguments.out.parent.mkdir(exist_ok=True)
    # A fixed time in the header makes the file the same at every run.
    arguments.out.write_bytes(gzip.compress(text.encode(), mtime=0))
    print(f"{sum(map(len, buckets.values()))} words, {arguments.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
