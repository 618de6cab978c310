"""Scores add up by hand, doubt never deducts, and what was not inspected never looks clean."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qingting.model.call import Role
from qingting.model.finding import AnalyzerFailure, Level, Polarity, Standing
from qingting.model.report import Gap
from qingting.model.transcript import Flag
from qingting.report.card import AppliesWhen, Card, Count, Fatal, Grade, Item, Section, builtin_cards
from qingting.report.scorecard import score

GRADES = (Grade(name="好", at_least=80.0), Grade(name="差", at_least=0.0))
LATE, OPEN, BAD, NICE = (
    "responsiveness.late_answer",
    "compliance.opening",
    "compliance.forbidden_words",
    "keywords.positive",
)


def card(*items, full=None, **more):
    """A card of one section."""
    return Card(
        id="t",
        name="测试卡",
        version="1",
        grades=GRADES,
        sections=(Section(id="s", name="节", items=items, full=full),),
        **more,
    )


def item(rule=LATE, **more):
    """An item that takes 3 points per hit unless told otherwise."""
    more = {"deduct": 3.0} | more if "add" not in more and "fatal" not in more else more
    return Item(id=more.pop("id", "i"), name="项", rules=(rule,), **more)


@pytest.fixture
def call(build):
    """A valid two-sided call."""
    return build.transcript_of(build.REFUND)


@pytest.fixture
def fault(build, call):
    """Make a fault that quotes a clean sentence."""

    def make(n=1, rule=LATE, sure=0.9, **more):
        return build.found(rule, "慢", [build.quote(call, 1, "我要退款")], n=n, sure=sure, **more)

    return make


@pytest.fixture
def judge(build, call):
    """Score findings on the valid call."""

    def run(card, *findings, transcript=call, **more):
        return score(card, findings, call=build.call_of(), transcript=transcript, **more)

    return run


def test_each_hit_counts_up_to_the_cap_and_the_last_may_take_a_part(judge, fault):
    verdict, findings = judge(card(item(cap=8.0)), *(fault(n) for n in (1, 2, 3, 4)))
    assert [f.points for f in findings] == [-3.0, -3.0, -2.0, 0.0]
    assert [f.standing for f in findings] == [Standing.COUNTED] * 3 + [Standing.CAPPED]
    assert verdict.lines[0].points == -8.0
    assert (verdict.total, verdict.grade) == (92.0, "好")


def test_once_counts_once(judge, fault):
    verdict, findings = judge(card(item(count=Count.ONCE)), fault(1), fault(2))
    assert [f.points for f in findings] == [-3.0, 0.0]
    assert verdict.total == 97.0
    assert "只计一次" in verdict.lines[0].reason


def test_tenths_are_exact(judge, fault):
    verdict, _ = judge(card(item(deduct=0.1)), *(fault(n) for n in (1, 2, 3)))
    assert verdict.lines[0].points == -0.3
    assert verdict.total == 99.7


def test_section_cannot_lose_more_than_it_stands_for(judge, fault):
    both = card(item(deduct=4.0), item(BAD, id="j", deduct=4.0), full=6.0)
    verdict, findings = judge(both, fault(1), fault(1, BAD), fault(2, BAD))
    assert [f.points for f in findings] == [-4.0, -2.0, 0.0]
    assert verdict.total == 94.0
    assert "本维度6分扣完为止" in verdict.lines[1].reason


@pytest.mark.parametrize(
    ("total", "grade", "deduct"), [(80.0, "好", 20.0), (79.9, "差", 20.1), (0.0, "差", 100.0), (0.0, "差", 500.0)]
)
def test_grades_and_floor(judge, fault, total, grade, deduct):
    verdict, _ = judge(card(item(deduct=deduct)), fault())
    assert (verdict.total, verdict.grade) == (total, grade)


def test_ceiling_holds_credits_back(judge, fault):
    credit = fault(rule=NICE, polarity=Polarity.CREDIT)
    verdict, (settled,) = judge(card(item(NICE, add=2.0)), credit)
    assert (verdict.total, settled.points) == (100.0, 2.0)
    assert "（上限100分）" in verdict.note


@pytest.mark.parametrize(("level", "points"), [(Level.SERIOUS, -10.0), (Level.MEDIUM, -5.0), (Level.LIGHT, -2.0)])
def test_points_by_level(judge, fault, level, points):
    _, (settled,) = judge(builtin_cards()["general"], fault(rule=BAD, level=level))
    assert settled.points == points


@pytest.mark.parametrize("polarity", [Polarity.NOTE, Polarity.CREDIT])
def test_only_faults_deduct(judge, fault, polarity):
    verdict, (settled,) = judge(card(item()), fault(polarity=polarity))
    assert (verdict.total, settled.standing) == (100.0, Standing.UNSCORED)


def test_exact_rule_outranks_a_glob_and_unknown_rules_are_unscored(judge, fault):
    both = card(item("responsiveness.*", deduct=1.0), item(LATE, id="j", deduct=2.0))
    verdict, findings = judge(both, fault(1), fault(1, "responsiveness.dead_air"), fault(1, BAD))
    assert [f.points for f in findings] == [-2.0, -1.0, 0.0]
    assert findings[2].standing is Standing.UNSCORED
    assert [line.findings for line in verdict.lines] == [("responsiveness.dead_air#1",), (f"{LATE}#1",)]


# ---- fatal -----------------------------------------------------------------------------------


def test_fatal_card_takes_all_that_is_left(judge, fault):
    fatal = card(item(BAD, id="j", fatal=Fatal.CARD), item())
    verdict, findings = judge(fatal, fault(1, BAD), fault(2, BAD), fault(1))
    assert [f.points for f in findings] == [-97.0, 0.0, -3.0]
    assert (verdict.total, verdict.lines[0].fatal) == (0.0, True)
    assert "一票否决" in verdict.note


def test_fatal_section_leaves_the_other_sections(judge, fault):
    two = Card(
        id="t",
        name="卡",
        version="1",
        grades=GRADES,
        sections=(
            Section(
                id="a", name="甲", full=30.0, items=(item(BAD, id="f", fatal=Fatal.SECTION), item(id="i", deduct=4.0))
            ),
            Section(id="b", name="乙", full=70.0, items=(item(OPEN, id="o", deduct=5.0),)),
        ),
    )
    verdict, _ = judge(two, fault(1, BAD), fault(1), fault(1, OPEN))
    assert [line.points for line in verdict.lines] == [-26.0, -4.0, -5.0]
    assert verdict.total == 65.0


def test_doubtful_fatal_finding_waits(judge, fault):
    verdict, (settled,) = judge(card(item(BAD, fatal=Fatal.CARD)), fault(1, BAD, sure=0.59))
    assert (verdict.total, settled.standing, verdict.lines[0].fatal) == (100.0, Standing.REVIEW, False)
    assert "若全部成立则为0分" in verdict.note


# ---- doubt -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sure", "standing"), [(0.6, Standing.COUNTED), (0.5999, Standing.REVIEW), (0.0, Standing.REVIEW)]
)
def test_doubt_gate_at_its_threshold(judge, fault, sure, standing):
    verdict, (settled,) = judge(card(item()), fault(sure=sure))
    assert settled.standing is standing
    assert verdict.lines[0].review == (() if standing is Standing.COUNTED else (settled.id,))
    assert verdict.total == (97.0 if standing is Standing.COUNTED else 100.0)


def test_doubtful_credit_does_not_add(judge, fault):
    verdict, (settled,) = judge(
        card(item(NICE, add=2.0), base=50.0), fault(rule=NICE, polarity=Polarity.CREDIT, sure=0.3)
    )
    assert (verdict.total, settled.standing) == (50.0, Standing.REVIEW)


def test_unsure_speaker_waits(judge, fault):
    _, (settled,) = judge(card(item()), fault(who=Role.UNSURE))
    assert settled.standing is Standing.REVIEW


@pytest.mark.parametrize("flag", list(Flag))
def test_garbled_quote_waits(judge, fault, call, flag):
    said = list(call.utterances)
    said[1] = replace(said[1], flags=(flag,))
    _, (settled,) = judge(card(item()), fault(), transcript=replace(call, utterances=tuple(said)))
    assert (settled.standing is Standing.REVIEW) == flag.doubtful


@pytest.mark.parametrize(
    ("role", "flag", "length", "waits"),
    [
        (Role.AGENT, Flag.REFUSED, 3000, True),
        (Role.UNSURE, Flag.EMPTY_ANSWER, 3000, True),
        (Role.AGENT, Flag.EMPTY_ANSWER, 600, False),
        (Role.CUSTOMER, Flag.REFUSED, 3000, False),
    ],
)
def test_omission_is_no_omission_where_speech_was_not_understood(judge, build, call, role, flag, length, waits):
    said = list(call.utterances)
    said[0] = replace(said[0], role=role, text="", characters=(), flags=(flag,), end_ms=said[0].start_ms + length)
    missing = build.found(OPEN, "未问候", [build.stretch(0, 10_000, operator="omission")])
    _, (settled,) = judge(card(item(OPEN)), missing, transcript=replace(call, utterances=tuple(said)))
    assert (settled.standing is Standing.REVIEW) == waits


def test_omission_in_a_truncated_recording_waits_but_words_count(judge, build, fault):
    missing = build.found(OPEN, "未问候", [build.stretch(0, 10_000, operator="omission")])
    both = card(item(), item(OPEN, id="o"))
    _, findings = judge(both, missing, fault(), gaps=[Gap(what="audio.truncated", reason="断。")])
    assert [f.standing for f in findings] == [Standing.REVIEW, Standing.COUNTED]


# ---- not inspected, not applicable, not scorable ---------------------------------------------


def four(**more):
    """Four items of four rules, of which one may be special."""
    return card(item(**more), item(OPEN, id="o"), item(BAD, id="b"), item("keywords.unanswered_complaint", id="k"))


@pytest.mark.parametrize(
    "how",
    [
        {"failures": [AnalyzerFailure(analyzer="responsiveness", name="响应", error_type="E", at_ms=5)]},
        {"gaps": [Gap(what="analyzer:responsiveness", reason="未启用。")]},
        {"inspected": {"compliance", "keywords"}},
    ],
)
def test_item_without_its_analyzer_is_not_inspected(judge, how):
    verdict, _ = judge(four(), **how)
    line = verdict.lines[0]
    assert (line.applicable, line.points) == (False, 0.0)
    assert line.reason.startswith("未检测")
    assert "未检测，得分不含该项" in verdict.note


def test_findings_from_before_the_failure_stand(judge, fault):
    failure = AnalyzerFailure(analyzer="responsiveness", name="响应", error_type="E", at_ms=5)
    verdict, _ = judge(four(), fault(), failures=[failure])
    assert verdict.total == 97.0
    assert "中途失败" in verdict.lines[0].reason


def test_less_than_half_inspected_is_no_score(judge, fault):
    verdict, (settled,) = judge(four(), fault(), inspected={"responsiveness"})
    assert (verdict.valid, verdict.total, verdict.grade) == (False, 0.0, "")
    assert settled.standing is Standing.REVIEW


@pytest.mark.parametrize(
    ("when", "applies"),
    [
        ({"direction": ("inbound",)}, True),
        ({"direction": ("outbound",)}, False),
        ({"line_of_business": ("finance",)}, False),
        ({"team": ("售后一组", "售后二组")}, True),
        ({"min_duration_seconds": 3600.0}, False),
        ({"fields": {"queue": ("vip",)}}, False),
    ],
)
def test_applies_when(judge, fault, when, applies):
    verdict, (settled,) = judge(four(applies_when=AppliesWhen(**when)), fault())
    assert verdict.lines[0].applicable == applies
    assert settled.standing is (Standing.COUNTED if applies else Standing.UNSCORED)
    assert verdict.valid


@pytest.mark.parametrize("name", ["empty", "one_sided", "unsure_roles", "failed_analyzer"])
def test_calls_nobody_can_judge_have_no_score(reports, name):
    verdict = reports[name].score
    assert (verdict.valid, verdict.total, verdict.grade) == (False, 0.0, "")
    assert "未评分" in verdict.note
    assert all(line.points == 0 and not line.applicable for line in verdict.lines)
    assert all(finding.standing is Standing.REVIEW for finding in reports[name].findings)


def test_agent_alone_is_no_call(judge, build):
    verdict, _ = judge(card(item()), transcript=build.transcript_of([(Role.AGENT, 0, "您好，请问有什么可以帮您？")]))
    assert not verdict.valid
    assert "没有听到客户说话" in verdict.note


def test_items_of_people_keep_no_points(judge):
    verdict, _ = judge(card(item(), Item(id="h", name="手", by_hand=True, deduct=5.0)))
    assert (verdict.lines[1].by_hand, verdict.lines[1].points) == (True, 0.0)
    assert "1个人工项未计入" in verdict.note


# ---- adds up by hand -------------------------------------------------------------------------


def amounts(reason, verb):
    """Points that the sentence says were counted one by one."""
    return [float(number) for number in re.findall(rf"，{verb}([\d.]+)分(?:（|；|。)", reason)]


@pytest.mark.parametrize("name", ["refund", "faultless", "truncated"])
def test_reasons_add_up_to_the_points(reports, name):
    for line in reports[name].score.lines:
        off, on = amounts(line.reason, "扣"), amounts(line.reason, "加")
        assert round(sum(on) - sum(off), 6) == line.points, line.reason


def test_note_adds_up(reports):
    note = reports["refund"].score.note
    base, off, on, total = map(
        float, re.search(r"基础([\d.]+)分，扣([\d.]+)分，加([\d.]+)分，得([\d.]+)分", note).groups()
    )
    assert base - off + on == total == reports["refund"].score.total


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.sampled_from([LATE, OPEN, BAD, NICE, "compliance.identity_check"]), st.sampled_from([0.3, 0.9])),
        max_size=25,
    ),
    name=st.sampled_from(["general", "ecommerce"]),
)
def test_any_findings_add_up(build, rows, name):
    call = build.transcript_of(build.REFUND)
    findings = [
        build.found(
            rule,
            "某",
            [build.quote(call, 1, "我要退款")],
            n=n,
            sure=sure,
            polarity=Polarity.CREDIT if rule == NICE else Polarity.FAULT,
        )
        for n, (rule, sure) in enumerate(rows)
    ]
    report = build.report_of(call, findings, card=name)
    verdict = report.score
    whole = sum(round(line.points * 10) for line in verdict.lines) + round(verdict.base * 10)
    assert verdict.total == min(max(whole, 0), 1000) / 10
    for line in verdict.lines:
        own = [f for f in report.findings if f.id in line.findings]
        assert sum(round(f.points * 10) for f in own) == round(line.points * 10)
        assert line.points == round(sum(amounts(line.reason, "加")) - sum(amounts(line.reason, "扣")), 6)
    doubtful = [f for f in report.findings if f.confidence.value < 0.6]
    assert all(f.points == 0 for f in doubtful)


# ---- the worked example of the handbook ------------------------------------------------------

PAGE = Path(__file__).parents[3] / "docs" / "scorecard.md"


def table(heading, page):
    """Rows of the first table below a sentence."""
    rows = page.split(heading, 1)[1].strip().splitlines()
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows if row.startswith("|")]
    count = next((i for i, row in enumerate(rows) if not row.startswith("|")), len(rows))
    return cells[2:count]


def test_worked_example_holds(build, judge, call, tmp_path):
    from qingting.report.scorecard import load_card

    page = PAGE.read_text(encoding="utf-8")
    path = tmp_path / "example.yaml"
    path.write_text(re.search(r"```yaml\n(.*?)```", page, re.DOTALL).group(1), encoding="utf-8")
    findings = [
        build.found(
            rule,
            "某",
            [build.quote(call, 1, "我要退款")],
            n=n,
            sure=float(sure),
            level=Level[level.upper()],
            polarity=Polarity.CREDIT if rule == NICE else Polarity.FAULT,
        )
        for n, (_, rule, level, sure) in enumerate(table("in order of decision:", page))
    ]
    assert len(findings) == 10
    verdict, _ = judge(load_card(path), *findings)
    promised = {row[0]: float(row[1].replace("−", "-")) for row in table("What the card makes of it:", page)}
    assert {line.item: line.points for line in verdict.lines} == promised
    sum_line = page.splitlines()[-1]
    terms = sum_line.split("=")[0].replace("−", "-").replace(" ", "")
    assert sum(float(term) for term in re.findall(r"[+-]?[\d.]+", terms)) == verdict.total == 66.5
    assert f"**{verdict.total}**, grade **{verdict.grade}**" in sum_line
    assert "若全部成立则为56.5分" in verdict.note
    assert "56.5" in sum_line


def test_reason_of_something_unsaid_names_the_time_it_was_awaited(judge, build, call):
    shown = build.quote(call, 0, "您好", operator="context")
    missing = build.found(OPEN, "未问候", [shown, build.stretch(0, 15_000, operator="omission")])
    verdict, _ = judge(card(item(OPEN)), missing)
    assert verdict.lines[0].reason == "第0分00秒至第0分15秒未听到，扣3分。"


def test_fatal_item_takes_nothing_where_nothing_is_left(judge, fault):
    fatal = card(item(BAD, id="j", fatal=Fatal.CARD), item(deduct=60.0))
    verdict, findings = judge(fatal, fault(1), fault(2), fault(1, BAD))
    assert [f.points for f in findings] == [-60.0, -60.0, 0.0]
    assert findings[2].standing is Standing.CAPPED
    assert (verdict.total, verdict.lines[0].fatal) == (0.0, True)
