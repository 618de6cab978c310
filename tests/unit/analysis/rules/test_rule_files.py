"""Bundled rule files, the schema, explanations, the analyzer and the command."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml
from click.testing import CliRunner

from qingting.analysis.analyzers.custom_rules import CustomRules, CustomRulesOptions
from qingting.analysis.discovery import discover
from qingting.analysis.packs import build_analyzers, load_pack
from qingting.analysis.rules.beside import analyzers_for
from qingting.analysis.rules.explaining import explain, explanation_text
from qingting.analysis.rules.loading import FOLDER, bundled_rule_files, load_rule_file
from qingting.analysis.rules.schema import PATH, rule_schema, schema_text
from qingting.analysis.rules.testing import run_examples, without_examples
from qingting.cli.rules import rules
from qingting.errors import PackError
from qingting.testing.analyzer_check import check_analyzer
from qingting.testing.samples import sample_calls


@pytest.mark.parametrize("name", bundled_rule_files())
def test_every_bundled_rule_has_examples_and_passes_them(name: str) -> None:
    loaded = load_rule_file(name)
    assert without_examples(loaded.rules) == []
    assert [result.label for result in run_examples(loaded.rules) if not result.passed] == []


@pytest.mark.parametrize("name", bundled_rule_files())
def test_bundled_files_fit_the_schema(name: str) -> None:
    document = yaml.safe_load((FOLDER / f"{name}.rules.yaml").read_text(encoding="utf-8"))
    jsonschema.validate(document, rule_schema())


def test_the_schema_refuses_what_the_loader_refuses() -> None:
    base = {"id": "t", "name": "x", "version": "1"}
    rule = {"id": "r", "name": "x", "advice": "x", "when": {"words": ["a"]}}
    jsonschema.validate({**base, "rules": [rule]}, rule_schema())
    for broken in (
        {**rule, "wenn": 1},
        {**rule, "when": {"word": ["a"]}},
        {"id": "r", "name": "x"},
        {**rule, "level": 9},
    ):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**base, "rules": [broken]}, rule_schema())


def test_the_published_schema_is_that_of_the_code() -> None:
    assert PATH.read_text(encoding="utf-8") == schema_text()


def test_the_analyzer_keeps_its_contract_with_all_bundled_rules() -> None:
    analyzer = CustomRules(CustomRulesOptions(files=bundled_rule_files()))
    check_analyzer(analyzer, beside=analyzers_for(analyzer.compiled))


@pytest.mark.parametrize("sample", [one for one in sample_calls() if one.script.faultless], ids=lambda one: one.id)
def test_faultless_calls_give_no_finding(sample) -> None:
    for name in bundled_rule_files():
        for rule in load_rule_file(name).rules:
            got = explain(rule, sample.script.call_info(), sample.transcript())
            assert got.findings == (), rule.id


def test_rules_in_a_pack_are_read_and_errors_name_its_line(tmp_path: Path) -> None:
    text = (
        'id: own\nname: 自有\nversion: "1"\nanalyzers:\n  custom_rules:\n    rules:\n'
        "      - id: r\n        name: 规则\n        advice: 请改进\n        when: {words: [退款], role: customer}\n"
    )
    (tmp_path / "own.yaml").write_text(text, encoding="utf-8")
    built = build_analyzers(load_pack("own", folder=tmp_path), discover())
    (analyzer,) = [one for one in built if isinstance(one, CustomRules)]
    assert [one.rule.id for one in analyzer.compiled.rules] == ["r"]
    (tmp_path / "own.yaml").write_text(text.replace("words:", "word:"), encoding="utf-8")
    with pytest.raises(PackError, match=r"own\.yaml, line 10\b"):
        build_analyzers(load_pack("own", folder=tmp_path), discover())


def test_two_files_with_one_rule_id_are_refused(tmp_path: Path) -> None:
    copy = tmp_path / "copy.yaml"
    copy.write_text((FOLDER / "general.rules.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    with pytest.raises(Exception, match="two rules have the id"):
        CustomRules(CustomRulesOptions(files=("general", str(copy))))


def test_an_explanation_tells_what_held_and_what_did_not() -> None:
    (rule,) = [one for one in load_rule_file("general").rules if one.id == "supervisor_request"]
    call = next(one for one in sample_calls() if one.id == "angry_escalation")
    text = explanation_text(explain(rule, call.script.call_info(), call.transcript()))
    assert "[成立] demand" in text
    assert "[不成立] soothe" in text or "[成立] soothe" in text
    quiet = next(one for one in sample_calls() if one.id == "general_faultless")
    assert "未命中" in explanation_text(explain(rule, quiet.script.call_info(), quiet.transcript()))


def test_the_command(tmp_path: Path) -> None:
    run = CliRunner().invoke
    assert run(rules, ["check", "general", "finance"]).exit_code == 0
    assert "examples hold" in run(rules, ["test", "general"]).output
    chat = tmp_path / "chat.txt"
    chat.write_text("坐席：您好\n客户：找你们领导\n坐席：不在\n坐席：不知道\n", encoding="utf-8")
    told = run(rules, ["explain", "general", "--rule", "supervisor_request", "--chat", str(chat)])
    assert told.exit_code == 0
    assert "命中1次" in told.output
    broken = tmp_path / "broken.yaml"
    broken.write_text("id: t\nname: x\nversion: '1'\nrules: []\n", encoding="utf-8")
    refused = run(rules, ["check", str(broken)])
    assert refused.exit_code == 1
    assert "broken.yaml, line 4" in refused.output
    failing = tmp_path / "failing.yaml"
    document = {
        "id": "t", "name": "x", "version": "1",
        "rules": [{"id": "r", "name": "x", "advice": "x", "when": {"words": ["a"]},
                   "examples": {"positive": [["客户：b"]]}}],
    }  # fmt: skip
    failing.write_text(json.dumps(document), encoding="utf-8")
    assert run(rules, ["test", str(failing)]).exit_code == 1
