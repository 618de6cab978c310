"""The rule condition `similar`: precision and recall over the contact reasons' own sentences.

    python benchmarks/rule_meaning.py [--json]

The first three sentences of each e-commerce contact reason are the samples, all others are asked: those of
the same reason should be found, those of the other 25 should not. `unlike` adds two sentences of every
other reason. Needs the embedded sentence vectors.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

import numpy as np

from qingting.analysis.intents import intents
from qingting.analysis.meaning import EmbeddedVectors
from qingting.analysis.rules.kinds.meaning import EVERYDAY

SAMPLES = 3
UNLIKE = 2
THRESHOLDS = (0.90, 0.91, 0.92, 0.93, 0.94)


def measure() -> list[dict[str, object]]:
    """Return precision and recall per threshold, with and without sentences that are unlike."""
    known = [one for one in intents("ecommerce") if len(one.examples) > SAMPLES + UNLIKE and not one.agent]
    vectors = EmbeddedVectors()
    made = [vectors.embed(one.examples) for one in known]
    everyday = vectors.embed(EVERYDAY)
    rows: list[dict[str, object]] = []
    for contrast in (False, True):
        for threshold in THRESHOLDS:
            right = wrong = missed = 0
            for number, own in enumerate(made):
                others = [one[:UNLIKE] for place, one in enumerate(made) if place != number] if contrast else []
                unlike = np.vstack([everyday, *others])
                for place, asked in enumerate(one[SAMPLES:] for one in made):
                    like = (asked @ own[:SAMPLES].T).max(axis=1)
                    hits = int(((like >= threshold) & (like > (asked @ unlike.T).max(axis=1))).sum())
                    right += hits if place == number else 0
                    missed += len(asked) - hits if place == number else 0
                    wrong += hits if place != number else 0
            rows.append(
                {
                    "unlike": contrast,
                    "threshold": threshold,
                    "precision": round(right / max(right + wrong, 1), 3),
                    "recall": round(right / (right + missed), 3),
                }
            )
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--json", action="store_true", help="print JSON")
    chosen = parser.parse_args(arguments)
    rows = measure()
    if chosen.json:
        print(json.dumps(rows, indent=2))
    else:
        for row in rows:
            print("  ".join(f"{name} {value}" for name, value in row.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
