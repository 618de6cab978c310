"""Homophone tolerance of the rule language: misheard words found, other words left alone.

    python benchmarks/homophones.py [--json] [--mandarin manifest.jsonl]

All words of the bundled rule files, and then those of five lexicons too, are asked for with homophone tolerance.
Right text says what was said, so that every hit by sound alone in it is false: the sentences of the bundled calls, of
the conversations beside them, the example sentences of all contact reasons, and the `text` field of each line of a
manifest. Recall is that of words with one character replaced by another one of the same sound: 我要投诉 as 我要头诉.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from pypinyin import Style, pinyin
from pypinyin.constants import PINYIN_DICT

from qingting.analysis.intents import intents
from qingting.analysis.lexicon import lexicon
from qingting.analysis.rules.kinds import Term
from qingting.analysis.rules.kinds.words import WordsOptions
from qingting.analysis.rules.loading import bundled_rule_files, load_rule_file
from qingting.analysis.rules.model import Homophones
from qingting.analysis.rules.terms import Asked, TermBook, TermHits
from qingting.analysis.text import NormalText, normalise
from qingting.testing import load_script, sample_calls

LEXICONS = ("customer_demand", "forbidden_words", "absolute_promise", "guaranteed_return", "secret_request")
DEMO = Path(__file__).parents[1] / "demo"
ANYONE = 2
SHOWN = 12


def asked_words(lexicons: Sequence[str]) -> list[str]:
    """Words of the bundled rules and of lexicons, two characters at least, without gaps."""
    words = {phrase for name in lexicons for phrase in lexicon(name) if "…" not in phrase}
    for name in bundled_rule_files():
        for rule in load_rule_file(name).rules:
            for condition in rule.conditions.values():
                if isinstance(condition.options, WordsOptions):
                    words.update((*condition.options.any, *condition.options.all))
    return sorted(word for word in words if len(normalise(word)) >= 2)


def right_texts(manifest: Path | None) -> dict[str, list[str]]:
    """Sentences that say what was said, by source."""
    files = [path for part in ("development", "held_out") for path in sorted((DEMO / part).glob("*.yaml"))]
    lines_of_business = ("general", "ecommerce", "finance", "telecom")
    texts = {
        "bundled calls": [turn.text for one in sample_calls() for turn in one.script.turns],
        "conversations beside them": [turn.text for path in files for turn in load_script(path).turns],
        "contact reasons": [text for line in lines_of_business for one in intents(line) for text in one.examples],
    }  # fmt: skip
    if manifest is not None:
        lines = manifest.read_text(encoding="utf-8").splitlines()
        texts["manifest"] = [json.loads(line)["text"] for line in lines if line.strip()]
    return texts


@cache
def same_sound(character: str) -> tuple[str, ...]:
    """Common characters that sound the same, tone included."""
    sound = pinyin(character, style=Style.TONE3)[0][0]
    common = [chr(code) for code in range(0x4E00, 0x9FA6) if code in PINYIN_DICT and _is_common(chr(code))]
    return tuple(one for one in common if one != character and pinyin(one, style=Style.TONE3)[0][0] == sound)


def _is_common(character: str) -> bool:
    try:
        return 0xB0A1 <= int.from_bytes(character.encode("gb2312"), "big") <= 0xD7F9
    except UnicodeEncodeError:
        return False


def misheard(words: Sequence[str], count: int) -> list[tuple[str, str]]:
    """(word, the same with one character replaced by a homophone), always the same ones."""
    dice = random.Random(11)
    pairs = []
    for word in dice.sample(list(words), min(count, len(words))):
        places = [at for at, one in enumerate(word) if "一" <= one <= "龥" and same_sound(one)]
        if places:
            at = dice.choice(places)
            pairs.append((word, word[:at] + dice.choice(same_sound(word[at])) + word[at + 1 :]))
    return pairs


def by_sound(book: TermBook, text: str) -> list[tuple[str, str]]:
    """(word, what was heard) of every hit by sound alone."""
    normal = NormalText(text)
    hits = TermHits(normal)
    for place in book.places(normal, ANYONE):
        hits.add(place[0].loud[ANYONE], place)
    return [
        (one.hit.phrase, normal.text[one.hit.normal_start : one.hit.normal_end])
        for _, found in hits.by_leaf()
        for one in found
        if one.likeness is not None
    ]


def measure(manifest: Path | None) -> dict[str, object]:
    """Return the figures."""
    texts = right_texts(manifest)
    return {
        "bundled rules": _figures(asked_words(()), texts),
        "with five lexicons": _figures(asked_words(LEXICONS), texts),
    }


def _figures(words: Sequence[str], texts: dict[str, list[str]]) -> dict[str, object]:
    tolerant = Homophones()
    terms = [Term(word=word, homophones=tolerant) for word in words]
    book = TermBook([Asked(0, leaf, None, term, quiet=False) for leaf, term in enumerate(terms)])
    figures: dict[str, object] = {"words": len(words)}
    for source, sentences in texts.items():
        false = [hit for text in sentences for hit in by_sound(book, text)]
        characters = sum(len(normalise(text)) for text in sentences)
        figures[source] = {
            "characters": characters,
            "false_hits": len(false),
            "per_10000_characters": round(10_000 * len(false) / max(characters, 1), 2),
            "examples": [f"{word} <- {heard}" for word, heard in dict.fromkeys(false)][:SHOWN],
        }
    pairs = misheard(words, 500)
    found = sum(any(word == said for word, _ in by_sound(book, f"嗯{heard}啊")) for said, heard in pairs)
    figures["misheard words"] = {"tried": len(pairs), "found": found, "recall": round(found / len(pairs), 3)}
    return figures


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--mandarin", type=Path, help="JSON lines with `text`: real sentences")
    chosen = parser.parse_args(arguments)
    figures = measure(chosen.mandarin)
    if chosen.json:
        print(json.dumps(figures, ensure_ascii=False, indent=2))
    else:
        for part, values in figures.items():
            print(part)
            print("\n".join(f"  {name:28} {value}" for name, value in values.items()))  # type: ignore[attr-defined]
    return 0


if __name__ == "__main__":
    sys.exit(main())
