"""Desktop events in scripts: placed by turns, moved with measured times, written as JSON lines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from qingting.analysis.desktop_events import parse_desktop_events
from qingting.errors import ScriptError
from qingting.model.call import DesktopKind
from qingting.testing import load_script
from qingting.testing._desktop import as_json_lines
from qingting.testing.scripts import read_script

SCRIPT = """
id: asked
title: 查知识库
line_of_business: general
turns:
  - {role: customer, gap_ms: 0, text: "邮费谁出？"}
  - {role: agent, text: "我们出。"}
"""
EVENTS = """desktop_events:
  - {after_turn: 0, offset_ms: 900, kind: open, article: KB-1, title: 邮费, text: 由商家承担}
  - {after_turn: 0, offset_ms: -200, kind: search, query: 邮费, results: 0}
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "asked.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_events_stand_at_their_turn_in_order_of_time(tmp_path: Path) -> None:
    script = load_script(write(tmp_path, SCRIPT + EVENTS))
    events = script.call_info().desktop_events
    assert events is not None
    end_ms = script.turns[0].end_ms
    assert [(event.kind, event.at_ms) for event in events] == [
        (DesktopKind.SEARCH, end_ms - 200),
        (DesktopKind.OPEN, end_ms + 900),
    ]
    assert (events[0].query, events[0].results, events[1].article) == ("邮费", 0, "KB-1")


def test_no_field_means_nobody_recorded_and_an_empty_list_means_nothing_was_done(tmp_path: Path) -> None:
    assert load_script(write(tmp_path, SCRIPT)).call_info().desktop_events is None
    assert load_script(write(tmp_path, SCRIPT + "desktop_events: []\n")).call_info().desktop_events == ()


def test_events_follow_the_measured_times(tmp_path: Path) -> None:
    path = write(tmp_path, SCRIPT + EVENTS)
    times = {
        "recipe_sha256": read_script(path).recipe_sha256,
        "audio_sha256": "0" * 64,
        "duration_ms": 9000,
        "turns": [{"start_ms": 1000, "end_ms": 3000}, {"start_ms": 4000, "end_ms": 5000}],
    }
    path.with_suffix(".times.json").write_text(json.dumps(times), encoding="utf-8")
    events = load_script(path).call_info().desktop_events
    assert events is not None
    assert [event.at_ms for event in events] == [2800, 3900]


def test_json_lines_give_the_same_events_back(tmp_path: Path) -> None:
    events = load_script(write(tmp_path, SCRIPT + EVENTS)).call_info().desktop_events
    assert events is not None
    assert parse_desktop_events(as_json_lines(events), source="x") == events


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("kind: search", "kind: print", "kind: must be one of"),
        ("query: 邮费, ", "", "query: is required"),
        ("article: KB-1, ", "", "article: is required"),
        ("after_turn: 0, offset_ms: 900", "after_turn: 2", "after_turn: must be the index of a turn"),
        ("results: 0", "pages: 0", "pages: is not a field"),
    ],
)
def test_errors_name_the_field(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(ScriptError, match=rf"^asked.yaml: desktop_events\[\d\].{message}"):
        load_script(write(tmp_path, (SCRIPT + EVENTS).replace(old, new, 1)))
