"""The commands of docs/how-to/backtest.md work, in their order."""

from __future__ import annotations

import csv
import json
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from qingting.analysis.rules.loading import FOLDER, SUFFIX
from qingting.bootstrap import plans
from qingting.cli import app
from qingting.inspector import certain_roles, judge
from qingting.report.formats.json import dump
from qingting.settings import load_settings
from qingting.testing import sample_calls

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "backtest.md").read_text(encoding="utf-8")
COMMANDS = [line for block in re.findall(r"^```sh\n(.*?)^```", PAGE, re.M | re.S) for line in block.splitlines()]
RECOGNISES = "qingting inspect "
"""tests/architecture/test_readme.py runs the like of it with the real engine; here the scripts' words stand for it."""
CALLS = ("rude_agent", "general_faultless")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with reports named as `inspect` names them, a changed rule file and a changed pack."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "past").mkdir()
    plan_for = plans(load_settings())
    for sample in (one for one in sample_calls() if one.id in CALLS):
        call, transcript = sample.script.call_info(), sample.transcript()
        plan = plan_for(call.line_of_business)
        report = judge(call=call, roles=certain_roles(transcript), transcript=transcript, plan=plan)
        (tmp_path / "past" / f"{sample.audio_path.name}.json").write_text(dump(report), encoding="utf-8")
    text = (FOLDER / f"general{SUFFIX}").read_text(encoding="utf-8")
    (tmp_path / "changed.rules.yaml").write_text(text.replace("level: medium", "level: serious", 1), encoding="utf-8")
    pack = 'id: general\nname: 更严\nversion: "2"\nextends: general\nanalyzers:\n  responsiveness: '
    (tmp_path / "stricter.yaml").write_text(f"{pack}{{late_answer_ms: 2000}}\n", encoding="utf-8")
    return tmp_path


def test_the_commands_work_in_order(folder: Path) -> None:
    ours = [command for command in COMMANDS if not command.startswith(RECOGNISES)]
    assert len(ours) == len(COMMANDS) - 1 == 5
    for command in ours:
        if "--labels changes.csv" in command:
            fill_in(folder / "changes.csv")
        result = CliRunner().invoke(app, shlex.split(command)[1:])
        assert result.exit_code == 0, f"{command}\n{result.output}\n{result.exception}"
    assert (folder / "cases.jsonl").is_file()


def fill_in(table: Path) -> None:
    """Do what the page asks people to do in Excel."""
    with table.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows
    with table.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows({**row, "复核": "是"} for row in rows)


def test_the_labels_of_the_page_are_labels(folder: Path) -> None:
    (table,) = re.findall(r"^```csv\n(.*?)^```", PAGE, re.M | re.S)
    (folder / "labels.csv").write_text(table, encoding="utf-8")
    arguments = "rules backtest general general --calls past --labels labels.csv --json".split()
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    labels = json.loads(result.stdout)["labels"]
    assert (labels["given"], labels["unused"]) == (2, 0)
    assert labels["quality"]["new"]["true_found"] == labels["quality"]["new"]["false_avoided"] == 1
