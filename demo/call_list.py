"""Writes the call data of the bundled calls from their scripts.

demo/calls/calls.csv has one row per call; <id>.desktop.jsonl holds what the agent did in the
knowledge base, for the calls whose script tells it.

usage: python demo/call_list.py [--check]
"""

from __future__ import annotations

import csv
import io
import sys
from pathlib import Path

from qingting.testing import SampleCall, sample_calls
from qingting.testing._desktop import as_json_lines

FOLDER = Path(__file__).parent / "calls"
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
    "desktop_events",
)


def call_list() -> str:
    """The CSV text: one row per bundled call, in order of id."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for sample in sample_calls():
        call = sample.script.call_info()
        given = [getattr(call, name) for name in COLUMNS[1:-1]]
        writer.writerow([sample.audio_path.name, *given, desktop_file(sample)])
    return text.getvalue()


def desktop_file(sample: SampleCall) -> str:
    """Name of the call's file of desktop events; empty without any."""
    return "" if sample.script.desktop is None else f"{sample.id}.desktop.jsonl"


def call_data() -> dict[Path, str]:
    """Every file of call data with its text."""
    samples = [sample for sample in sample_calls() if sample.script.desktop is not None]
    events = {
        FOLDER / desktop_file(sample): as_json_lines(sample.script.call_info().desktop_events or ())
        for sample in samples
    }
    return {FOLDER / "calls.csv": call_list(), **events}


def main() -> int:
    """Write the files, or with --check say whether they are up to date."""
    files = call_data()
    if "--check" in sys.argv[1:]:
        same = all(path.exists() and path.read_text(encoding="utf-8") == text for path, text in files.items())
        print("up to date" if same else "out of date: run python demo/call_list.py")
        return 0 if same else 1
    for path, text in files.items():
        path.write_text(text, encoding="utf-8")
    print(f"wrote {len(sample_calls())} calls")
    return 0


if __name__ == "__main__":
    sys.exit(main())
