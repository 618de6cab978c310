"""Writes demo/calls/calls.csv, the call data of the bundled calls, from their scripts.

usage: python demo/call_list.py [--check]
"""

from __future__ import annotations

import csv
import io
import sys
from pathlib import Path

from qingting.testing import sample_calls

TARGET = Path(__file__).parent / "calls" / "calls.csv"
COLUMNS = (
    "file",
    "call_id",
    "line_of_business",
    "agent_channel",
    "agent_id",
    "team",
    "direction",
    "started_at",
    "customer_reference",
)


def call_list() -> str:
    """The CSV text: one row per bundled call, in order of id."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for sample in sample_calls():
        call = sample.script.call_info()
        writer.writerow([sample.audio_path.name, *(getattr(call, name) for name in COLUMNS[1:])])
    return text.getvalue()


def main() -> int:
    """Write the list, or with --check say whether it is up to date."""
    if "--check" in sys.argv[1:]:
        same = TARGET.read_text(encoding="utf-8") == call_list()
        print("up to date" if same else "out of date: run python demo/call_list.py")
        return 0 if same else 1
    TARGET.write_text(call_list(), encoding="utf-8")
    print(f"wrote {len(sample_calls())} calls")
    return 0


if __name__ == "__main__":
    sys.exit(main())
