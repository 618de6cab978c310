"""Adding up: counts, means, bands and quality over all calls."""

from __future__ import annotations

import json

import pytest

from qingting.backtest.forms import CHANGE_COLUMNS, changes_csv, to_plain
from qingting.backtest.labels import Label, Labels
from qingting.backtest.summary import Summary, summarise
from qingting.backtest.text import summary_text
from qingting.backtest.values import ChangeKind, Failed, LeftOut, Quality, RuleCount
from qingting.backtest.versions import Side


@pytest.fixture
def summary(make):
    quality = {
        "custom_rules.a": {
            Side.OLD: Quality(true_found=1, true_missed=1),
            Side.NEW: Quality(true_found=2, false_found=1),
        }
    }
    fired = RuleCount(title="甲", old=1, new=2, calls_old=1, calls_new=1, fires=1, kept=1)
    outcomes = [
        make.comparison(
            "c1",
            90.0,
            77.5,
            grades=("优秀", "合格"),
            changes=(make.change(quote="=cmd()", reviewed=False),),
            rules={"custom_rules.a": fired},
            quality=quality,
            unreviewed={Side.OLD: 1, Side.NEW: 2},
        ),
        make.comparison("c2", 80.0, 80.0, rules={"custom_rules.a": RuleCount(title="甲", old=1, gone=1, calls_old=1)}),
        make.comparison("c3", None, 60.0, grades=("", "不合格")),
        make.comparison("c4", 70.0, 75.0),
        LeftOut(file="bad.json", reason="report: The report is no JSON.", damaged=True),
        LeftOut(file="other.json", reason="业务为 x，不属于本次比较", damaged=False),
    ]
    labels = Labels(Label(call_id=f"c{n}", rule_id="a.b", right=True) for n in range(5))
    return summarise(outcomes, old="general@1", new="general@2", labels=labels)


def test_counts_and_scores_add_up(summary):
    assert (summary.calls, summary.calls_changed, len(summary.left_out)) == (4, 1, 2)
    assert summary.rules["custom_rules.a"] == RuleCount(
        title="甲", old=2, new=2, calls_old=2, calls_new=1, fires=1, gone=1, kept=1
    )
    assert summary.mean_score(Side.OLD) == pytest.approx(80.0)
    assert summary.mean_score(Side.NEW) == pytest.approx((77.5 + 80 + 75) / 3)
    assert summary.mean_difference == pytest.approx(-2.5)
    assert [pair for pair in summary.differences() if pair[1]] == [("低10至20分", 1), ("不变", 1), ("高5至10分", 1)]
    assert set(summary.grade_changes()) == {("优秀", "合格", 1), ("", "不合格", 1)}
    assert summary.labels_unused == 3
    assert not summary.complete


@pytest.mark.parametrize(
    ("difference", "band"),
    [
        (-30, "低20分以上"), (-20, "低20分以上"), (-19.9, "低10至20分"), (-10, "低10至20分"), (-5, "低5至10分"),
        (-0.1, "低不到5分"), (0, "不变"), (0.1, "高不到5分"), (5, "高5至10分"), (10, "高10至20分"), (20, "高20分以上"),
    ],
)  # fmt: skip
def test_every_difference_has_its_band(make, difference, band):
    one = summarise([make.comparison("c1", 50.0, 50.0 + difference)], old="a", new="b", labels=Labels())
    assert [pair for pair in one.differences() if pair[1]] == [(band, 1)]


@pytest.mark.parametrize(
    ("quality", "figures"),
    [
        (Quality(), (None, None, None)),
        (Quality(false_avoided=3), (None, None, None)),
        (Quality(true_missed=2), (None, 0.0, None)),
        (Quality(false_found=2, true_missed=1), (0.0, 0.0, 0.0)),
        (Quality(true_found=3, false_found=1, true_missed=2), (0.75, 0.6, 2 / 3)),
        (Quality(not_inspected=4), (None, None, None)),
    ],
)
def test_precision_recall_and_f1(quality, figures):
    assert (quality.precision, quality.recall, quality.f1) == pytest.approx(figures)


def test_a_failed_analysis_makes_the_run_incomplete(make):
    failed = Failed(call_id="c1", file="c1.json", side=Side.NEW, analyzer="custom_rules", error_type="KeyError")
    one = summarise([make.comparison("c1", failed=(failed,))], old="a", new="b", labels=Labels())
    assert not one.complete
    assert "新版的 custom_rules 在通话 c1 中出错（KeyError），该维度未质检" in summary_text(one, show=5)


def test_the_json_form_holds_everything(summary):
    plain = json.loads(json.dumps(to_plain(summary), allow_nan=False))
    assert plain["form"] == "qingting-backtest/1"
    assert plain["calls"]["left_out"][0] == {
        "file": "bad.json",
        "reason": "report: The report is no JSON.",
        "damaged": True,
    }
    assert plain["changes"][0]["kind"] == "fires"
    assert plain["changes"][0]["better"] is False
    assert plain["scores"]["calls"][0]["difference"] == -12.5
    assert plain["labels"]["quality"]["new"]["precision"] == pytest.approx(2 / 3)
    assert plain["rules"]["custom_rules.a"]["quality"]["old"]["recall"] == 0.5


def test_without_labels_there_are_no_label_figures(make):
    one = summarise([make.comparison("c1")], old="a", new="b", labels=Labels())
    assert "labels" not in to_plain(one)
    assert "复核结论" not in summary_text(one, show=5)


def test_the_table_opens_in_excel_and_runs_no_formula(summary):
    data = changes_csv(summary)
    assert data.startswith(b"\xef\xbb\xbf")
    head, row = data.decode("utf-8-sig").splitlines()
    assert head == ",".join(CHANGE_COLUMNS)
    assert ",'=cmd()," in row
    assert row.endswith(",否")


def test_the_terminal_shows_places_quotes_and_doubts(summary):
    text = summary_text(summary, show=5)
    assert "回测：general@1 → general@2" in text
    assert "未能比较（请处理）：1份报告\n  bad.json：" in text
    assert "[新增命中] c1 01:23 custom_rules.a 名称（中等，与复核相反）\n      “=cmd()”" in text
    assert "平均 80.0 → 77.5（−2.5）" in text
    assert "3条复核结论的通话或规则不在本次比较中" in text
    assert "没有复核结论的发现：旧版1处，新版2处" in text


def test_only_so_many_changes_are_shown(make):
    changes = tuple(make.change(ChangeKind.GONE, call_id=f"c{n}") for n in range(5))
    one = summarise([make.comparison("c1", changes=changes)], old="a", new="b", labels=Labels())
    assert summary_text(one, show=2).count("[不再命中]") == 2
    assert "其余3处" in summary_text(one, show=2)
    assert "其余" not in summary_text(one, show=5)


def test_nothing_at_all_is_said_plainly():
    text = summary_text(Summary(old="a", new="b"), show=5)
    assert "比较通话0通" in text
    assert "没有变化的判定。" in text
