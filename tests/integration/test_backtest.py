"""`qingting rules backtest` from stored reports to what it prints."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from qingting.analysis.rules.loading import FOLDER, SUFFIX, load_rule_file
from qingting.bootstrap import plans
from qingting.cli import app
from qingting.errors import InputError, PackError, QingtingError
from qingting.inspector import certain_roles, judge
from qingting.report.formats.json import dump
from qingting.settings import load_settings
from qingting.testing import sample_calls

GENERAL = f"general@{load_rule_file('general').version}"
SUPERVISOR = "custom_rules.supervisor_request"
TRACKING = """
id: general
name: 改过的通用规则
version: "7"
rules:
  - id: supervisor_request
    name: 客户要求找领导未获安抚
    version: "7"
    level: medium
    when: {words: [绝不会说的话], role: customer, id: demand}
    advice: "请致歉。"
  - id: late_delivery
    name: 客户抱怨太慢
    version: "7"
    level: medium
    for_each: slow
    conditions:
      slow: {words: [太慢了], role: customer}
    when: slow
    advice: "{slow.time}客户说{slow.quote}。"
"""


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Reports of all sample calls, as `inspect` writes them."""
    folder = tmp_path_factory.mktemp("stored")
    plan_for = plans(load_settings())
    for sample in sample_calls():
        call, transcript = sample.script.call_info(), sample.transcript()
        plan = plan_for(call.line_of_business)
        report = judge(call=call, roles=certain_roles(transcript), transcript=transcript, plan=plan)
        target = folder / call.line_of_business / f"{sample.id}.json"
        target.parent.mkdir(exist_ok=True)
        target.write_text(dump(report), encoding="utf-8")
    return folder


@pytest.fixture
def changed(tmp_path: Path) -> Path:
    path = tmp_path / "changed.rules.yaml"
    path.write_text(TRACKING, encoding="utf-8")
    return path


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["rules", "backtest", *map(str, arguments)])


def plain(*arguments: str | Path, code: int = 0) -> dict:
    result = run(*arguments, "--json")
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


def test_a_rule_file_beside_itself_changes_nothing(stored: Path) -> None:
    result = plain("general", "general", "--calls", stored)
    assert result["calls"]["compared"] == len(sample_calls())
    assert result["changes"] == []
    assert result["scores"]["mean_difference"] == 0
    # Calls that could not be scored (a voice message) have no difference.
    assert {one["difference"] for one in result["scores"]["calls"]} == {0.0, None}
    assert result["rules"][SUPERVISOR]["kept"] == result["rules"][SUPERVISOR]["old"] > 0


def test_changed_rules_are_shown_with_time_and_quote(stored: Path, changed: Path) -> None:
    result = plain("general", changed, "--calls", stored)
    assert (result["old"], result["new"]) == (GENERAL, "general@7")
    kinds = {(one["kind"], one["rule_id"]) for one in result["changes"]}
    assert ("gone", SUPERVISOR) in kinds
    assert ("fires", "custom_rules.late_delivery") in kinds
    fired = next(one for one in result["changes"] if one["kind"] == "fires")
    report = json.loads((stored / fired["file"]).read_text(encoding="utf-8"))
    said = [u for u in report["transcript"]["utterances"] if fired["quote"] in u["text"]]
    assert any(u["start_ms"] <= fired["start_ms"] < u["end_ms"] for u in said)
    text = run("general", changed, "--calls", stored).output
    assert "[新增命中]" in text
    assert f"“{fired['quote']}”" in text


def test_only_the_rules_of_the_two_files_are_compared(stored: Path, changed: Path) -> None:
    result = plain("general", changed, "--calls", stored)
    assert {rule.split(".")[0] for rule in result["rules"]} == {"custom_rules"}
    # The other file of the pack stays as it is, and its findings are not in question.
    assert not any("off_platform" in rule for rule in result["rules"])


def test_a_pack_is_compared_on_the_calls_of_its_line(stored: Path, tmp_path: Path) -> None:
    pack = tmp_path / "stricter.yaml"
    pack.write_text(
        'id: "ecommerce"\nname: "电商"\nversion: "2"\nextends: "ecommerce"\nanalyzers:\n  responsiveness: false\n',
        encoding="utf-8",
    )
    result = plain("--pack", "ecommerce", pack, "--calls", stored)
    own = [one for one in sample_calls() if one.script.call_info().line_of_business == "ecommerce"]
    assert result["calls"]["compared"] == len(own)
    assert len(result["calls"]["left_out"]) == len(sample_calls()) - len(own)
    assert not any(one["damaged"] for one in result["calls"]["left_out"])
    assert {one["rule_id"].split(".")[0] for one in result["changes"]} == {"responsiveness"}
    assert {one["kind"] for one in result["changes"]} == {"gone"}
    differences = [one["difference"] or 0.0 for one in result["scores"]["calls"]]
    assert max(differences) > 0
    assert min(differences) == 0.0
    everything = plain("--pack", "ecommerce", pack, "--calls", stored, "--any-line")
    assert everything["calls"]["compared"] == len(sample_calls())


def test_a_damaged_report_is_listed_and_stops_nothing(stored: Path, tmp_path: Path) -> None:
    good = next(stored.rglob("rude_agent.json")).read_text(encoding="utf-8")
    contradicting = json.loads(good)
    contradicting["transcript"]["utterances"][3]["index"] = 2
    unknown_line = json.loads(good)
    unknown_line["call"]["line_of_business"] = "../../etc/passwd.yaml"
    unknown_line["call"]["call_id"] = "elsewhere"
    files = {
        "a.json": b"\xff\xfe\x00",
        "b.json": b'{"schema_version": "9.0"}',
        "c.json": good[: len(good) // 2].encode(),
        "d.json": b"[]",
        "e.json": json.dumps(contradicting).encode(),
        "f.json": json.dumps(unknown_line).encode(),
        "good.json": good.encode(),
        "twice.json": good.encode(),
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    result = plain("general", "general", "--calls", tmp_path, code=1)
    left = {one["file"]: one for one in result["calls"]["left_out"]}
    assert set(left) == set(files) - {"good.json"}
    assert [name for name, one in left.items() if not one["damaged"]] == ["twice.json"]
    assert result["calls"]["compared"] == 1
    assert "手机壳" not in json.dumps(left, ensure_ascii=False)
    assert "未能比较（请处理）：6份报告" in run("general", "general", "--calls", tmp_path).output


def test_labels_give_precision_and_recall_of_both(stored: Path, changed: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text(
        "call_id,rule_id,verdict,at_ms\n"
        "rude_agent,supervisor_request,yes,36000\n"  # the old version finds it, the new one not
        "rude_agent,late_delivery,no,\n"  # the new version finds it wrongly
        "general_faultless,supervisor_request,no,\n"  # neither finds it
        "somebody,supervisor_request,yes,\n"
        "rude_agent,keywords.negative,yes,\n",  # no rule of these files
        encoding="utf-8",
    )
    result = plain("general", changed, "--calls", stored, "--labels", labels)
    figures = result["labels"]["quality"]
    assert (figures["old"]["precision"], figures["old"]["recall"], figures["old"]["f1"]) == (1.0, 1.0, 1.0)
    assert (figures["new"]["precision"], figures["new"]["recall"], figures["new"]["f1"]) == (0.0, 0.0, 0.0)
    assert figures["old"]["false_avoided"] == 2
    assert result["labels"]["unused"] == 2
    judged = [
        one["better"] for one in result["changes"] if one["call_id"] == "rude_agent" and one["better"] is not None
    ]
    assert judged
    assert not any(judged)
    text = run("general", changed, "--calls", stored, "--labels", labels).output
    assert "与5条复核结论对照" in text
    assert "与复核相反" in text


def test_reviewed_changes_come_back_as_labels(stored: Path, changed: Path, tmp_path: Path) -> None:
    table = tmp_path / "changes.csv"
    assert run("general", changed, "--calls", stored, "--csv", table).exit_code == 0
    rows = list(csv.DictReader(io.StringIO(table.read_text(encoding="utf-8-sig"), newline="")))
    assert rows
    for row in rows:
        row["复核"] = "是" if row["变化"] == "不再命中" else "否"
    with table.open("w", encoding="gb18030", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    result = plain("general", changed, "--calls", stored, "--labels", table)
    assert result["labels"]["given"] == len(rows)
    assert result["labels"]["unreviewed_findings"] == {"old": 0, "new": 0}
    assert result["labels"]["quality"]["old"]["f1"] == 1.0
    assert result["labels"]["quality"]["new"]["f1"] == 0.0


def test_a_dimension_that_was_not_inspected_counts_as_neither(stored: Path, changed: Path, tmp_path: Path) -> None:
    # `knowledge` needs desktop events, which these calls do not carry.
    labels = tmp_path / "labels.jsonl"
    labels.write_text('{"call_id": "rude_agent", "rule_id": "knowledge.mismatch", "verdict": "yes"}', encoding="utf-8")
    result = plain("--pack", "ecommerce", "ecommerce", "--calls", stored, "--labels", labels)
    figures = result["labels"]["quality"]["new"]
    assert (figures["not_inspected"], figures["true_missed"], figures["recall"]) == (1, 0, None)


def test_another_card_changes_scores_and_no_verdict(stored: Path, tmp_path: Path) -> None:
    card = tmp_path / "hard.yaml"
    card.write_text(
        'id: hard\nname: 严格\nversion: "1"\nbase: 100\nfloor: 0\nceiling: 100\ndoubt_threshold: 0.6\n'
        "grades:\n  - {name: 合格, at_least: 60}\n  - {name: 不合格, at_least: 0}\n"
        "sections:\n  - id: rules\n    name: 合规\n    items:\n"
        "      - {id: words, name: 禁语, rules: [compliance.forbidden_words], deduct: 50, cap: 100}\n",
        encoding="utf-8",
    )
    result = plain("general", "general", "--calls", stored, "--new-card", card)
    assert result["changes"] == []
    assert result["scores"]["mean_difference"] != 0
    rude = next(one for one in result["scores"]["calls"] if one["call_id"] == "rude_agent")
    assert (rude["new"], rude["new_grade"]) == (0, "不合格")
    both = plain("general", "general", "--calls", stored, "--card", card)
    assert both["scores"]["mean_difference"] == 0


def test_several_processes_say_the_same(stored: Path, changed: Path) -> None:
    alone = plain("general", changed, "--calls", stored)
    assert plain("general", changed, "--calls", stored, "--workers", "2") == alone


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("none", "general"), PackError),
        (("general", "missing.rules.yaml"), PackError),
        (("--pack", "general", "nowhere"), PackError),
        (("general", "general", "--labels", "BROKEN"), InputError),
    ],
)
def test_what_cannot_begin_says_so(
    stored: Path, tmp_path: Path, arguments: tuple[str, ...], error: type[QingtingError]
) -> None:
    broken = tmp_path / "labels.csv"
    broken.write_text("call_id,rule_id,verdict\nc1,a.b,maybe\n", encoding="utf-8")
    result = run(*(str(broken) if one == "BROKEN" else one for one in arguments), "--calls", stored)
    assert isinstance(result.exception, error)


def test_the_new_file_stands_in_the_place_of_the_old_one_whatever_its_id(stored: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.rules.yaml"
    text = (FOLDER / f"general{SUFFIX}").read_text(encoding="utf-8")
    own.write_text(text.replace("id: general\n", "id: own\n", 1), encoding="utf-8")
    result = plain("general", own, "--calls", stored)
    assert (result["old"], result["new"]) == (GENERAL, GENERAL.replace("general", "own"))
    assert result["calls"]["compared"] == len(sample_calls())
    assert result["changes"] == []


def test_a_rule_id_that_another_file_of_the_pack_has_is_named(stored: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.rules.yaml"
    text = (FOLDER / f"ecommerce{SUFFIX}").read_text(encoding="utf-8")
    own.write_text(text.replace("id: ecommerce\n", "id: own\n", 1), encoding="utf-8")
    result = plain("general", own, "--calls", stored, code=1)
    left = result["calls"]["left_out"]
    # Only packs that have the file ecommerce as well are in conflict with its copy.
    assert left
    assert all(one["file"].startswith("ecommerce/") for one in left)
    assert all("two rules have the id" in one["reason"] for one in left)
    assert result["calls"]["compared"] == len(sample_calls()) - len(left)


def test_a_broken_card_stops_before_the_first_call(stored: Path, tmp_path: Path) -> None:
    card = tmp_path / "card.yaml"
    card.write_text("id: [", encoding="utf-8")
    assert isinstance(run("general", "general", "--calls", stored, "--new-card", card).exception, PackError)
