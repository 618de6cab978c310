"""A new inspection dimension is one file: dropped in, it works in plans, reports and pages."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from qingting.analysis import analyzers
from qingting.bootstrap import plans
from qingting.inspector import certain_roles, judge
from qingting.report.formats.html import render_html
from qingting.report.formats.json import dump, load
from qingting.settings import load_settings
from qingting.testing import sample_calls

THANKS = '''
from dataclasses import dataclass
from typing import ClassVar

from qingting.analysis.analyzer import Analyzer, Watch
from qingting.analysis.confidence import confidence_of
from qingting.analysis.findings import sentence_evidence
from qingting.model.finding import Finding, Level, Polarity


@dataclass(frozen=True, kw_only=True)
class Options:
    least: int = 1
    """Mentions from which on it is noted."""


class Zz_thanks(Analyzer):
    id: ClassVar[str] = "zz_thanks"
    name: ClassVar[str] = "致谢统计"
    description: ClassVar[str] = "通话中的感谢。"
    version: ClassVar[str] = "1"
    Options: ClassVar[type] = Options

    def phrases(self):
        return {"thanks": ["感谢", "谢谢"]}

    def watch(self, call, so_far):
        return Eye()


class Eye(Watch):
    def on_utterance(self, facts):
        for hit in facts.hits("thanks"):
            yield Finding(
                rule_id="zz_thanks.thanks", rule_version="1", dimension="zz_thanks", title="致谢",
                level=Level.LIGHT, polarity=Polarity.NOTE, who=facts.role,
                evidence=(sentence_evidence(facts, hit, operator="keyword", note="致谢"),),
                confidence=confidence_of([facts.utterance]), explanation="说了感谢。", advice="", facts={},
            )
'''


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(analyzers, "__path__", [*analyzers.__path__, str(tmp_path)])
    yield tmp_path
    sys.modules.pop("qingting.analysis.analyzers.zz_thanks", None)


def test_one_file_is_a_new_dimension(folder: Path) -> None:
    (folder / "zz_thanks.py").write_text(THANKS, encoding="utf-8")
    plan = plans(load_settings())("general")
    assert "zz_thanks" in [one.id for one in plan.analyzers]
    sample = next(one for one in sample_calls() if one.id == "general_faultless")
    transcript = sample.transcript()
    report = judge(call=sample.script.call_info(), roles=certain_roles(transcript), transcript=transcript, plan=plan)
    found = [one for one in report.findings if one.dimension == "zz_thanks"]
    assert found
    assert load(dump(report)).provenance.analyzers["zz_thanks"] == "1"
    assert "致谢统计" in render_html(report)


def test_it_can_be_given_options_and_be_switched_off_by_a_pack(folder: Path, tmp_path: Path) -> None:
    (folder / "zz_thanks.py").write_text(THANKS, encoding="utf-8")
    packs = tmp_path / "packs"
    packs.mkdir()
    for name, value in (("with", "{least: 3}"), ("without", "false")):
        text = f'id: {name}\nname: 我的\nversion: "1"\nextends: general\nanalyzers:\n  zz_thanks: {value}\n'
        (packs / f"{name}.yaml").write_text(text, encoding="utf-8")
    made = plans(load_settings(pack_folder=packs))
    (with_options,) = [one for one in made("with").analyzers if one.id == "zz_thanks"]
    assert with_options.options.least == 3
    assert "zz_thanks" not in [one.id for one in made("without").analyzers]
