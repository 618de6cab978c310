"""Items that score as the rule says, and items that share one fault with another."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from qingting.errors import PackError
from qingting.model.finding import Polarity, Standing
from qingting.report.card import Card, Count, Fatal, Grade, Item, Section, builtin_cards, load_card
from qingting.report.scorecard import score

GRADES = (Grade(name="好", at_least=80.0), Grade(name="差", at_least=0.0))
OWN = Item(id="own", name="自定义规则", rules=("custom_rules.*",), by_rule=True, cap=10.0, same_fault_as=("*",))
LATE = Item(id="late", name="响应及时", rules=("responsiveness.late_answer",), deduct=5.0)
PAGE = Path(__file__).parents[3] / "docs" / "scorecard.md"


def card(*items: Item, full: float | None = None) -> Card:
    return Card(
        id="t", name="卡", version="1", grades=GRADES, sections=(Section(id="s", name="节", items=items, full=full),)
    )


@pytest.fixture
def call(build):
    return build.transcript_of(build.REFUND)


@pytest.fixture
def judge(build, call):
    def run(card, *findings):
        return score(card, findings, call=build.call_of(), transcript=call)

    return run


@pytest.fixture
def found(build, call):
    """A finding of a rule of one's own, with points as the rule says."""

    def make(rule="a", points=-3.0, n=1, *, once=False, words="我要退款", sure=0.9, name=None, **more):
        spot = build.quote(call, 1, words)
        finding = build.found(f"custom_rules.{rule}", name or f"规则{rule}", [spot], n=n, sure=sure, **more)
        facts = {"rule_points": points} | ({"rule_counts_once": True} if once else {})
        return replace(finding, facts=facts)

    return make


def points(findings):
    return [one.points for one in findings]


def test_each_finding_takes_what_its_rule_says(judge, found):
    verdict, findings = judge(card(OWN), found("a", -3.0, 1), found("a", -3.0, 2), found("b", -1.5))
    assert points(findings) == [-3.0, -3.0, -1.5]
    (line,) = verdict.lines
    assert (verdict.total, line.points) == (92.5, -7.5)
    assert re.findall(r"“规则(.)”，扣([\d.]+)分", line.reason) == [("a", "3"), ("a", "3"), ("b", "1.5")]
    assert line.reason.endswith("3处合计扣7.5分。")


def test_once_counts_the_first_that_is_sure(judge, found):
    doubtful = found("a", -3.0, 1, once=True, sure=0.3)
    verdict, findings = judge(card(OWN), doubtful, found("a", -3.0, 2, once=True), found("a", -3.0, 3, once=True))
    assert [one.standing for one in findings] == [Standing.REVIEW, Standing.COUNTED, Standing.CAPPED]
    assert points(findings) == [0.0, -3.0, 0.0]
    assert "“规则a”只计一次" in verdict.lines[0].reason
    assert "1处待复核" in verdict.lines[0].reason


def test_the_cap_limits_what_is_taken_and_what_is_given(judge, found):
    praise = [found("g", 4.0, n, polarity=Polarity.CREDIT) for n in (1, 2, 3)]
    faults = [found("f", -6.0, n) for n in (1, 2)]
    verdict, findings = judge(card(replace(OWN, same_fault_as=())), *praise, *faults)
    assert points(findings) == [4.0, 4.0, 2.0, -6.0, -4.0]
    assert verdict.lines[0].points == 0.0
    assert "5处合计计0分" in verdict.lines[0].reason


def test_rules_without_points_notes_and_wrong_signs_stay_unscored(judge, found):
    odd = [
        found("a", 0.0), found("b", -3.0, polarity=Polarity.NOTE), found("c", 3.0), found("d", "many"),
        found("e", True), found("f", -3.0, polarity=Polarity.CREDIT),
    ]  # fmt: skip
    verdict, findings = judge(card(OWN), *odd)
    assert {one.standing for one in findings} == {Standing.UNSCORED}
    assert verdict.lines[0].reason == "未检出，不计分。"
    assert verdict.total == 100.0


def late(build, call, words="我要退款", **more):
    return build.found("responsiveness.late_answer", "慢", [build.quote(call, 1, words)], **more)


@pytest.mark.parametrize(("own", "extra"), [(-3.0, 0.0), (-5.0, 0.0), (-8.0, -3.0)])
def test_the_larger_of_two_deductions_for_the_same_words_counts(judge, found, build, call, own, extra):
    verdict, findings = judge(card(LATE, OWN), late(build, call), found("a", own))
    assert points(findings) == [-5.0, extra]
    assert verdict.total == 95.0 + extra
    assert "同一处已在“响应及时”扣5分" in verdict.lines[1].reason


def test_other_words_are_another_fault(judge, found, build, call):
    _, findings = judge(card(LATE, OWN), late(build, call), found("a", -3.0, words="没有收到"))
    assert points(findings) == [-5.0, -3.0]


def test_a_doubtful_finding_takes_nothing_from_the_other(judge, found, build, call):
    _, findings = judge(card(LATE, OWN), late(build, call, sure=0.3), found("a", -3.0))
    assert points(findings) == [0.0, -3.0]


def test_credits_and_faults_on_the_same_words_do_not_meet(judge, found, build, call):
    _, findings = judge(card(LATE, OWN), late(build, call), found("a", 3.0, polarity=Polarity.CREDIT))
    assert points(findings) == [-5.0, 3.0]


def test_own_rules_see_what_a_fatal_section_item_took(judge, found, build, call):
    fatal = replace(LATE, id="fatal", deduct=None, fatal=Fatal.SECTION)
    sections = (
        Section(id="p", name="信息安全", items=(fatal,), full=20.0),
        Section(id="o", name="自定义", items=(OWN,)),
    )
    whole = Card(id="t", name="卡", version="1", grades=GRADES, sections=sections)
    verdict, findings = judge(whole, late(build, call), found("a", -8.0))
    assert points(findings) == [-20.0, 0.0]
    assert verdict.total == 80.0


@pytest.mark.parametrize("name", ["general", "ecommerce"])
def test_an_unresolved_problem_and_its_complaint_are_one_fault(judge, build, call, name):
    complaint = build.found(
        "keywords.unanswered_complaint", "不满", [build.quote(call, 1, "我要退款", operator="context")]
    )
    open_end = build.found("resolution.unresolved", "未解决", [build.quote(call, 1, "退款", operator="problem")])
    _, findings = judge(builtin_cards()[name], complaint, open_end)
    assert points(findings) == [-5.0, 0.0]
    assert findings[1].standing is Standing.CAPPED
    _, findings = judge(builtin_cards()[name], open_end)
    assert points(findings) == [-5.0]


def test_words_an_agent_said_as_context_tie_nothing_together(judge, build, call):
    shown = build.quote(call, 0, call.utterances[0].text[:2], operator="context")
    complaint = build.found("keywords.unanswered_complaint", "不满", [build.quote(call, 1, "我要退款"), shown])
    answer = replace(shown, operator="solution")
    _, findings = judge(builtin_cards()["general"], complaint, build.found("resolution.unresolved", "未解决", [answer]))
    assert points(findings) == [-5.0, -5.0]


@pytest.mark.parametrize(
    ("item", "field"),
    [
        ("{id: i, name: 项, rules: [a.b], by_rule: true, deduct: 3}", "deduct"),
        ("{id: i, name: 项, rules: [a.b], by_rule: true, add: 3}", "add"),
        ("{id: i, name: 项, by_rule: true}", "rules"),
        ("{id: i, name: 项, rules: [a.b], by_rule: true, fatal: card}", "by_rule"),
        ("{id: i, name: 项, rules: [a.b], by_rule: true, count: once}", "count"),
        ("{id: i, name: 项, rules: [a.b], deduct: 3, same_fault_as: [later]}", "same_fault_as"),
        ("{id: i, name: 项, rules: [a.b], deduct: 3, same_fault_as: [i]}", "same_fault_as"),
        ("{id: i, name: 项, rules: [a.b], fatal: card, same_fault_as: ['*']}", "same_fault_as"),
    ],
)
def test_cards_that_cannot_work_are_refused(tmp_path, item, field):
    path = tmp_path / "card.yaml"
    later = "{id: later, name: 后项, rules: [c.d], deduct: 1}"
    path.write_text(
        'id: t\nname: 卡\nversion: "1"\ngrades:\n  - {name: 好, at_least: 0}\n'
        f"sections:\n  - id: s\n    name: 节\n    full: 100\n    items:\n      - {item}\n      - {later}\n",
        encoding="utf-8",
    )
    with pytest.raises(PackError) as refused:
        load_card(path)
    assert f"sections[0].items[0].{field}" in refused.value.cause


def table(heading: str, page: str) -> list[list[str]]:
    rows = page.split(heading, 1)[1].strip().splitlines()
    kept = rows[: next(number for number, row in enumerate(rows) if not row.startswith("|"))]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in kept[2:]]


def number(text: str) -> float:
    return float(text.replace("−", "-"))


def test_the_example_of_the_handbook_adds_up(judge, found, build, call):
    page = PAGE.read_text(encoding="utf-8").split("## Own rules", 1)[1]
    rows = table("found in a call:", page)
    (own,) = (item for section in builtin_cards()["ecommerce"].sections for item in section.items if item.by_rule)
    spots = [call.utterances[1].text[at : at + 2] for at in (0, 2, 4, 6, 8)]
    findings, number_of = [], {}
    for at, (name, says, counts, words, _) in enumerate(rows):
        number_of[name] = number_of.get(name, 0) + 1
        spot = build.quote(call, 1, spots[int(words) - 1])
        if not name.startswith("custom_rules"):
            findings.append(build.found(name, "内置项", [spot], n=at))
            continue
        one = build.found(name, name, [spot], n=number_of[name])
        facts = {"rule_points": number(says)} | ({"rule_counts_once": True} if counts == "once" else {})
        findings.append(replace(one, facts=facts))
    builtin = replace(LATE, rules=("compliance.forbidden_words",), id="forbidden_words", name="服务禁语", deduct=10.0)
    verdict, settled = judge(card(builtin, own), *findings)
    assert points(settled) == [number(row[4]) for row in rows]
    sums = page.split("\n100 ", 1)[1].splitlines()[0]
    terms = "100 " + sums.split("=")[0]
    assert (
        sum(number(term) for term in re.findall(r"[+-]?[\d.]+", terms.replace("−", "-").replace(" ", "")))
        == verdict.total
    )
    assert f"**{verdict.total:g}**" in sums
    assert Count.EACH is own.count
