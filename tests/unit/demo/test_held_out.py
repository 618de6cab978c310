"""The held-out conversations: readable, without recordings, none of them a bundled call."""

from __future__ import annotations

from pathlib import Path

from qingting.testing import load_script, sample_calls

FOLDER = Path(__file__).resolve().parents[3] / "demo" / "held_out"


def test_held_out_conversations_are_scripts_of_their_own() -> None:
    scripts = [load_script(path) for path in sorted(FOLDER.glob("*.yaml"))]
    assert len(scripts) >= 8
    assert all(script.audio is None and script.expected and script.must_not_fire for script in scripts)
    bundled = {turn.text for sample in sample_calls() for turn in sample.script.turns}
    said = [turn.text for script in scripts for turn in script.turns if len(turn.text) > 30]
    assert len(bundled.intersection(said)) <= 1, "only the greeting may be shared"
