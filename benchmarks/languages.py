"""How often the language told for a text is right, wrong or left open, with and without the engine's label.

    python benchmarks/languages.py [--mandarin manifest.jsonl] [--json]

Mandarin are the turns of the bundled calls and the `text` field of each line of a manifest (AISHELL); Cantonese
is HKCanCor (in the package pycantonese), simplified as recognition gives it; mixed sentences are made by joining
the few written here. Labels: none, the right one, and `zh` for everything (as an engine
without Cantonese says).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qingting.speech._units import units
from qingting.speech.language import judge_language
from qingting.speech.text_form import simplify, to_text_form
from qingting.testing.samples import sample_calls

ENGLISH = (
    "I would like to cancel my order please.",
    "Could you tell me where my package is?",
    "The refund has not arrived yet and I need it today.",
    "What is your return policy for shoes?",
    "Can I speak to your manager?",
    "My phone number is on the order.",
    "It was broken when I got it.",
    "How long will it take?",
    "Thank you, that would be great.",
    "No, I don't want a replacement.",
)
CHINESE = (
    "你们的客服一直没有人接电话",
    "我想问一下我的订单什么时候到",
    "这个东西收到的时候就是坏的",
    "麻烦您帮我查一下退款",
    "我已经等了三天了",
)
CANTONESE = ("唔该，我想问下点解我嘅快递仲未到", "你哋嘅客服成日都冇人听电话", "我琴日已经退咗货，啲钱几时返")
MANDARIN = "您好，我马上给您查一下，这个是什么时候下的单"
LOANS = (
    "我想check一下我的order有没有ship出来",
    "我用的是iPhone Pro Max，打不开",
    "好的，OK，bye bye",
    "我要买Nike的Air Max",
)


def sets(manifest: Path | None) -> dict[str, tuple[list[str], str]]:
    """Texts by source, with the language they are in."""
    found = {"bundled calls": ([to_text_form(turn.text).text for s in sample_calls() for turn in s.script.turns], "zh")}
    if manifest is not None:
        lines = manifest.read_text(encoding="utf-8").splitlines()
        found["manifest"] = ([to_text_form(json.loads(line)["text"]).text for line in lines if line.strip()], "zh")
    cantonese = hkcancor()
    for least in (1, 8, 20):
        found[f"HKCanCor, {least} units up"] = ([text for text in cantonese if len(units(text)) >= least], "yue")
    found["English"] = (list(ENGLISH), "en")
    found["Mandarin with loans"] = (list(LOANS), "zh")
    return found


def hkcancor() -> list[str]:
    """All utterances, simplified."""
    import pycantonese

    spoken = pycantonese.hkcancor().utterances()
    texts = (simplify("".join(token.word or "" for token in one.tokens)) for one in spoken)
    return [text for text in texts if units(text)]


def row(texts: Sequence[str], language: str, label: str) -> dict[str, float]:
    """Shares of the texts told rightly, wrongly, and left open; and those parted though they are in one language."""
    judged = [judge_language(text, label) for text in texts]
    return {
        "texts": len(texts),
        "right_percent": _percent(sum(one.language == language for one in judged), len(texts)),
        "wrong_percent": _percent(sum(one.language not in (language, "") for one in judged), len(texts)),
        "open_percent": _percent(sum(one.language == "" for one in judged), len(texts)),
        "false_switches": sum(bool(one.spans) for one in judged),
    }


def switches() -> dict[str, dict[str, float]]:
    """Mixed sentences whose parts were found, borders included."""
    pairs = {
        "Chinese then English": [(f"{a}，", b, ("zh", "en")) for a in CHINESE for b in ENGLISH],
        "English then Chinese": [(f"{a} ", b, ("en", "zh")) for a in ENGLISH for b in CHINESE],
        "the same without punctuation": [(f"{a[:-1]} ", b, ("en", "zh")) for a in ENGLISH for b in CHINESE],
        "Mandarin then Cantonese": [(f"{MANDARIN}，", b, ("zh", "yue")) for b in CANTONESE],
        "Cantonese then English": [(f"{a}，", b, ("yue", "en")) for a in CANTONESE for b in ENGLISH],
    }
    found = {}
    for name, mixed in pairs.items():
        right = 0
        for first, second, languages in mixed:
            spans = judge_language(first + second, "zh").spans
            parts = [(span.language, span.start_char) for span in spans]
            right += parts == [(languages[0], 0), (languages[1], len(first))]
        found[name] = {"sentences": len(mixed), "parted_rightly_percent": _percent(right, len(mixed))}
    return found


def _percent(part: int, whole: int) -> float:
    return round(100 * part / max(1, whole), 2)


def measure(manifest: Path | None) -> dict[str, Any]:
    """All figures."""
    figures: dict[str, Any] = {}
    for name, (texts, language) in sets(manifest).items():
        labels = {"no label": "", "label zh": "zh", "right label": language}
        figures[name] = {kind: row(texts, language, label) for kind, label in labels.items()}
    return {"texts": figures, "switches": switches()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument("--mandarin", type=Path, help="JSON lines with a `text` field, real Mandarin")
    arguments = parser.parse_args()
    figures = measure(arguments.mandarin)
    if arguments.json:
        print(json.dumps(figures, ensure_ascii=False, indent=1))
        return
    print("| texts | label | number | right % | wrong % | open % | false switches |\n|---|---|---|---|---|---|---|")
    for name, kinds in figures["texts"].items():
        for kind, one in kinds.items():
            print(f"| {name} | {kind} | " + " | ".join(str(value) for value in one.values()) + " |")
    for name, one in figures["switches"].items():
        print(f"{name}: {one}")


if __name__ == "__main__":
    main()
