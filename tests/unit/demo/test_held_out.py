"""The held-out conversations: readable, without recordings, none of them a bundled call."""

from __future__ import annotations

from pathlib import Path

import pytest

from qingting.testing import load_script, sample_calls

DEMO = Path(__file__).resolve().parents[3] / "demo"


@pytest.mark.parametrize(("folder", "least"), [("held_out", 40), ("development", 32)])
def test_conversations_beside_the_calls_are_scripts_of_their_own(folder: str, least: int) -> None:
    scripts = [load_script(path) for path in sorted((DEMO / folder).glob("*.yaml"))]
    assert len(scripts) >= least
    assert all(script.audio is None and script.expected for script in scripts)
    bundled = {turn.text for sample in sample_calls() for turn in sample.script.turns}
    said = [turn.text for script in scripts for turn in script.turns if len(turn.text) > 30]
    assert len(bundled.intersection(said)) <= 1, "only the greeting may be shared"
