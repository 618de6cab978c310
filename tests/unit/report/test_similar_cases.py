"""Past cases: which are near, never the call's own, and what the report says of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from qingting.errors import MeaningUnavailableError
from qingting.model.finding import Level, Polarity
from qingting.model.report import Likeness, SimilarCase
from qingting.report.evidence import report_sha256, seal
from qingting.report.formats import json as json_format
from qingting.report.formats.html import render_html
from qingting.report.similar_cases import (
    CASES_SHOWN,
    ListedCases,
    Review,
    ReviewedCase,
    quote_of,
    reviewed,
    similar_cases,
)
from qingting.report.verify import verify

RULE = "compliance.forbidden_words"


def case(call_id, quote, *, rule=RULE, **more):
    values = {"verdict": Review.CONFIRMED, "dimension": rule.split(".")[0], "handling": "辅导", **more}
    return ReviewedCase(call_id=call_id, rule_id=rule, quote=quote, **values)


def found_calls(library, text, *, rule=RULE, limit=9, other_than=""):
    found = library.find(
        dimension=rule.split(".")[0], rule_id=rule, text=text, limit=limit, other_than=other_than
    )  # fmt: skip
    return [one.call_id for one, _, _ in found]


@pytest.fixture
def serious(reports):
    """A report with a serious fault that rests on words."""
    report = reports["refund"]
    finding = next(
        f for f in report.findings if f.level is Level.SERIOUS and f.polarity is Polarity.FAULT and quote_of(f)
    )
    return report, finding


def test_the_nearest_in_characters_comes_first():
    library = ListedCases([case("far", "我不知道"), case("near", "这个不归我管啊"), case("same", "这个不归我管")])
    assert found_calls(library, "这个不归我管") == ["same", "near", "far"]
    (_, similarity, how), *_ = library.find(
        dimension="compliance", rule_id=RULE, text="这个不归我管", limit=1, other_than=""
    )
    assert (similarity, how) == (1.0, Likeness.CHARACTERS)


def test_other_rules_of_the_dimension_must_share_words_and_other_dimensions_never_count():
    library = ListedCases(
        [
            case("unlike", "保证今天到账", rule="compliance.absolute_promise"),
            case("alike", "这个不归我管的", rule="compliance.absolute_promise"),
            case("elsewhere", "这个不归我管", rule="keywords.negative"),
        ]
    )
    assert found_calls(library, "这个不归我管") == ["alike"]


def test_the_call_itself_is_never_its_own_case():
    library = ListedCases([case("c1", "不归我管"), case("c2", "不归我管")])
    assert found_calls(library, "不归我管", other_than="c1") == ["c2"]


def test_meaning_decides_where_it_can_be_told():
    def meaning(text, others):
        return [0.9 if other == "你找别人去" else 0.1 for other in others]

    library = ListedCases([case("words", "这个不归我管了"), case("sense", "你找别人去")], likeness=meaning)
    found = library.find(dimension="compliance", rule_id=RULE, text="这个不归我管", limit=9, other_than="")
    assert [(one.call_id, value, how) for one, value, how in found] == [
        ("sense", 0.9, Likeness.MEANING),
        ("words", 0.1, Likeness.MEANING),
    ]


def test_characters_decide_while_the_vectors_are_away():
    def away(text, others):
        raise MeaningUnavailableError("away")

    library = ListedCases([case("c2", "不归我管")], likeness=away)
    ((_, _, how),) = library.find(dimension="compliance", rule_id=RULE, text="不归我管", limit=9, other_than="")
    assert how is Likeness.CHARACTERS


def test_only_some_cases_are_asked_for_their_meaning():
    asked = []

    def meaning(text, others):
        asked.append(len(others))
        return [0.5] * len(others)

    library = ListedCases([case(f"c{n}", f"不归我管{n}") for n in range(500)], likeness=meaning)
    assert len(found_calls(library, "不归我管", limit=3)) == 3
    assert asked == [32]


@pytest.mark.parametrize("text", ["", "……？！"])
def test_without_words_the_newest_of_the_rule_are_given(text):
    library = ListedCases(
        [
            case("old", "", date="2024-01-01"),
            case("new", "", date="2024-06-01"),
            case("other", "", rule="compliance.closing", date="2024-07-01"),
        ]
    )
    assert found_calls(library, text) == ["new", "old"]
    found = library.find(dimension="compliance", rule_id=RULE, text=text, limit=1, other_than="")
    assert (found[0][1], found[0][2]) == (None, Likeness.RULE)


def test_a_later_review_replaces_the_earlier_one():
    first = case("c1", "不归我管", at_ms=5)
    library = ListedCases([first, replace(first, verdict=Review.REJECTED, handling="误判"), replace(first, at_ms=9)])
    found = library.find(dimension="compliance", rule_id=RULE, text="不归我管", limit=9, other_than="")
    assert sorted(one.handling for one, _, _ in found) == ["误判", "辅导"]


def test_only_serious_faults_get_cases_and_at_most_three(serious):
    report, finding = serious
    library = ListedCases([case(f"c{n}", quote_of(finding), rule=finding.rule_id) for n in range(9)])
    found = similar_cases(report.findings, report.call, library)
    assert sum(one.finding == finding.id for one in found) == CASES_SHOWN
    graver = {f.id for f in report.findings if f.level is Level.SERIOUS and f.polarity is Polarity.FAULT}
    assert {one.finding for one in found} <= graver
    assert similar_cases(report.findings, report.call, None) == ()
    milder = [replace(f, level=Level.MEDIUM) for f in report.findings]
    assert similar_cases(milder, report.call, library) == ()


def test_a_library_that_gives_the_call_itself_is_not_believed(serious):
    report, finding = serious

    class Careless:
        def find(self, **asked):
            return [(case(report.call.call_id, "x"), 1.5, Likeness.MEANING), (case("c2", "x"), 1.5, Likeness.MEANING)]

    found = similar_cases([finding], report.call, Careless())
    assert [(one.call_id, one.similarity) for one in found] == [("c2", 1.0)]


def test_a_review_keeps_place_and_words(serious):
    report, finding = serious
    made = reviewed(finding, report.call.call_id, Review.REJECTED, handling="已说明", reviewer="甲", date="2024-05-01")
    assert (made.call_id, made.rule_id, made.dimension) == (report.call.call_id, finding.rule_id, finding.dimension)
    assert (made.quote, made.utterance) == (quote_of(finding), finding.evidence[0].utterance)
    assert made.at_ms == finding.evidence[0].start_ms
    assert (made.verdict, made.handling, made.reviewer, made.date) == (Review.REJECTED, "已说明", "甲", "2024-05-01")


def with_cases(report, at, **more):
    values = {
        "finding": at.id,
        "call_id": "先前-1",
        "rule_id": RULE,
        "verdict": "成立",
        "quote": "不归<b>我</b>管",
        "handling": "主管回访\x07并致歉",
        "date": "2024-05-01",
        "similarity": 0.712,
        "likeness": Likeness.MEANING,
    }
    return seal(replace(report, similar_cases=(SimilarCase(**{**values, **more}),)))


def test_the_page_shows_them_under_the_finding(serious):
    report, finding = serious
    page = render_html(with_cases(report, finding))
    shown = page[page.index("相似案例 1 个") :]
    for words in (
        "2024-05-01",
        "先前-1",
        "复核成立",
        "语义相似度 0.71",
        "不归&lt;b&gt;我&lt;/b&gt;管",
        "主管回访�并致歉",
    ):
        assert words in shown
    assert "相似案例" not in render_html(report)


def test_the_page_shows_what_is_unknown_plainly(serious):
    report, finding = serious
    page = render_html(
        with_cases(report, finding, quote="", handling="", date="", similarity=None, likeness=Likeness.RULE)
    )
    assert "复核成立 · 同一规则</span>" in page
    assert "未记录" in page


def test_json_keeps_them_and_the_seal_covers_them(serious):
    report, finding = serious
    shown = with_cases(report, finding)
    assert json_format.load(json_format.dump(shown)) == shown
    assert verify(shown) == []
    forged = replace(shown, similar_cases=(replace(shown.similar_cases[0], handling="从宽"),))
    assert {one.check for one in verify(forged)} == {"seal"}


def test_a_case_of_no_finding_or_of_the_call_itself_is_noticed(serious):
    report, finding = serious
    assert {one.check for one in verify(with_cases(report, finding, finding="x#1"))} == {"similar"}
    assert {one.check for one in verify(with_cases(report, finding, call_id=report.call.call_id))} == {"similar"}


def test_reports_from_before_keep_their_digest(serious):
    """A field added with a default must not break the seal of what is stored already."""
    report, _ = serious
    assert report.similar_cases == ()
    plain = json_format.to_plain(report)
    del plain["similar_cases"]
    import json

    before = json_format.load(json.dumps(plain, ensure_ascii=False))
    assert report_sha256(before) == report.provenance.report_sha256
