"""Sentence meaning: what a sentence costs, and how often the nearest example has the same contact reason.

    python benchmarks/meaning.py [--json] [--vectors embedded|none] [--line general]

Leave one out over the example sentences of all contact reasons: each sentence is ranked against
all others, by sentence vectors and by the TF-IDF of its characters, pairs and triples;
by the mean of a reason's three nearest examples, and by its one nearest. Margins
show what a least margin would accept, and how often that is right.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from qingting.analysis.intents import intents
from qingting.analysis.meaning import EmbeddedVectors, nearest
from qingting.analysis.text import normalise

MARGINS = (0.0, 0.003, 0.006, 0.009, 0.012, 0.015)
COST_SENTENCES = ("我要退款", "我的快递还没有收到", "你好我上周买的电饭煲用了两天就不能加热了我要退款", "宽带" * 30)


def examples(line: str) -> tuple[list[str], list[str]]:
    """Example sentences of customers and their contact reasons."""
    pairs = [(text, intent.id) for intent in intents(line) if not intent.agent for text in intent.examples]
    return [text for text, _ in pairs], [label for _, label in pairs]


def character_tfidf(sentences: Sequence[str]) -> NDArray[np.float32]:
    """TF-IDF of characters, pairs and triples; rows of length 1."""
    counts = [Counter(_grams(text)) for text in sentences]
    spread = Counter(gram for count in counts for gram in count)
    places = {gram: at for at, gram in enumerate(spread)}
    matrix = np.zeros((len(sentences), len(places)), dtype=np.float32)
    for row, count in enumerate(counts):
        for gram, times in count.items():
            matrix[row, places[gram]] = (1 + math.log(times)) * math.log(len(sentences) / spread[gram])
    lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
    return np.asarray(matrix / np.maximum(lengths, 1e-9), dtype=np.float32)


def _grams(text: str) -> list[str]:
    plain = normalise(text)
    return [plain[at : at + size] for size in (1, 2, 3) for at in range(len(plain) - size + 1)]


def leave_one_out(vectors: NDArray[np.float32], labels: Sequence[str], together: int = 3) -> dict[str, object]:
    """Accuracy at rank 1 and 3, and by least margin; `together` examples of a reason are averaged."""
    ranks: list[int] = []
    margins: list[float] = []
    for index, label in enumerate(labels):
        rest = [at for at in range(len(labels)) if at != index]
        ranking = nearest(vectors[index], vectors[rest], [labels[at] for at in rest], together=together)
        order = [one.label for one in ranking.ranked]
        ranks.append(order.index(label) + 1)
        margins.append(ranking.margin)
    by_margin = []
    for least in MARGINS:
        taken = [rank == 1 for rank, margin in zip(ranks, margins, strict=True) if margin >= least]
        right = sum(taken) / len(taken) if taken else None
        by_margin.append({"least_margin": least, "answered": len(taken) / len(ranks), "right": right})
    return {
        "rank_1": round(sum(rank == 1 for rank in ranks) / len(ranks), 4),
        "rank_3": round(sum(rank <= 3 for rank in ranks) / len(ranks), 4),
        "by_margin": by_margin,
    }


def cost(vectors: EmbeddedVectors) -> dict[str, float]:
    """CPU ms per sentence by length, one at a time."""
    found = {}
    vectors.embed(["预热"])
    for sentence in COST_SENTENCES:
        taken = []
        for _ in range(5):
            began = time.process_time()
            vectors.embed([sentence])
            taken.append(1000 * (time.process_time() - began))
        found[f"{len(sentence)} characters"] = round(sorted(taken)[2], 2)
    return found


def measure(line: str, *, embedded: bool) -> dict[str, object]:
    """Return all figures."""
    sentences, labels = examples(line)
    result: dict[str, object] = {
        "sentences": len(sentences),
        "reasons": len(set(labels)),
        "tfidf": leave_one_out(character_tfidf(sentences), labels),
        "tfidf_1_example": leave_one_out(character_tfidf(sentences), labels, together=1),
    }
    if embedded:
        vectors = EmbeddedVectors()
        began = time.process_time()
        made = vectors.embed(sentences)
        result["embedded_all_cpu_ms"] = round(1000 * (time.process_time() - began))
        result["embedded_cpu_ms"] = cost(vectors)
        result["embedded"] = leave_one_out(made, labels)
        result["embedded_1_example"] = leave_one_out(made, labels, together=1)
        cosines = (made @ made.T)[np.triu_indices(len(made), 1)]
        result["embedded_cosines_1_50_99_percent"] = [round(float(x), 3) for x in np.percentile(cosines, (1, 50, 99))]
    return result


def table(figures: dict[str, object]) -> str:
    """Lay the figures out for reading."""
    lines = [f"{figures['sentences']} sentences, {figures['reasons']} reasons", "method               rank 1  rank 3"]
    for name in ("tfidf_1_example", "tfidf", "embedded_1_example", "embedded"):
        if name in figures:
            score: dict[str, object] = figures[name]  # type: ignore[assignment]
            lines.append(f"{name:19} {score['rank_1']:>7.3f} {score['rank_3']:>7.3f}")
    if "embedded" in figures:
        lines += ["", "least margin  answered  right"]
        for row in figures["embedded"]["by_margin"]:  # type: ignore[index]
            right = "-" if row["right"] is None else f"{row['right']:.3f}"
            lines.append(f"{row['least_margin']:>12.3f} {row['answered']:>9.3f} {right:>6}")
        lines += ["", f"CPU ms: {figures['embedded_cpu_ms']}, all at once {figures['embedded_all_cpu_ms']}"]
        lines.append(f"cosines, 1/50/99 %: {figures['embedded_cosines_1_50_99_percent']}")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--vectors", choices=("embedded", "none"), default="embedded")
    parser.add_argument("--line", default="general", help="line of business whose reasons are told apart")
    chosen = parser.parse_args(arguments)
    figures = measure(chosen.line, embedded=chosen.vectors == "embedded")
    print(json.dumps(figures, indent=2, ensure_ascii=False) if chosen.json else table(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
