"""Advice says what the findings say, heaviest first, and nothing else."""

from __future__ import annotations

from qingting.model.call import Role
from qingting.model.finding import Level, Polarity, Standing
from qingting.report.advice import build_advice, weighty


def make(build, rule, start_ms, n=1, **more):
    return build.found(rule, "慢", [build.stretch(start_ms, start_ms + 500)], n=n, **more)


def test_repeats_of_a_rule_are_merged_and_named_by_time(build):
    from dataclasses import replace

    light = replace(make(build, "a.x", 130_000, 1, advice="请快一点。"), points=-1.0, standing=Standing.COUNTED)
    heavy = replace(
        make(build, "a.x", 65_000, 2, advice="第1分05秒等了9秒，请快一点"), points=-3.0, standing=Standing.COUNTED
    )
    capped = replace(make(build, "a.x", 5000, 3, advice="请快一点。"), standing=Standing.CAPPED)
    waiting = replace(make(build, "a.x", 200_000, 4, advice="请快一点。"), standing=Standing.REVIEW)
    (advice,) = build_advice([light, heavy, capped, waiting])
    assert advice.text == "第1分05秒等了9秒，请快一点。另有2处：第0分05秒、第2分10秒。另有1处待复核：第3分20秒。"
    assert set(advice.findings) == {"a.x#1", "a.x#2", "a.x#3", "a.x#4"}
    assert advice.start_ms == 65_000


def test_order_is_points_then_level_and_review_last(build):
    from dataclasses import replace

    cheap = replace(make(build, "a.cheap", 0), points=-1.0, standing=Standing.COUNTED)
    dear = replace(make(build, "a.dear", 9000), points=-9.0, standing=Standing.COUNTED)
    serious = replace(make(build, "a.serious", 5000, level=Level.SERIOUS), standing=Standing.UNSCORED)
    doubtful = replace(make(build, "a.doubt", 1000, level=Level.SERIOUS), standing=Standing.REVIEW)
    order = [advice.findings[0] for advice in build_advice([cheap, doubtful, serious, dear])]
    assert order == ["a.dear#1", "a.cheap#1", "a.serious#1", "a.doubt#1"]
    assert build_advice([doubtful])[0].text.endswith("（待复核）")


def test_fault_without_advice_text_gives_none(build):
    assert build_advice([make(build, "a.x", 0, advice="")]) == ()


def test_no_findings_no_words():
    assert build_advice([]) == ()


def test_recognition_names_what_was_done_well(reports):
    (advice,) = reports["faultless"].advice
    assert advice.title == "做得好"
    assert "第0分16秒" in advice.text
    assert "客户：“你很专业”" in advice.text


def test_no_recognition_beside_faults_nor_for_doubtful_credits(build):
    from dataclasses import replace

    credit = make(build, "k.p", 0, polarity=Polarity.CREDIT, who=Role.CUSTOMER)
    assert len(build_advice([credit, make(build, "a.x", 0)])) == 1
    assert build_advice([replace(credit, standing=Standing.REVIEW)]) == ()


def test_notes_are_no_advice(build):
    assert build_advice([make(build, "k.n", 0, polarity=Polarity.NOTE)]) == ()


def test_weighty_puts_counted_faults_first(reports):
    order = weighty(reports["refund"].findings)
    assert [f.points for f in order[:3]] == [-10.0, -5.0, -5.0]
    assert order[-1].polarity is Polarity.CREDIT
    assert order[-2].standing is Standing.REVIEW
